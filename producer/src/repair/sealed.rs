//! Finds lost manifests and announcements, and takes those of a second store in their place.

use bytes::Bytes;
use kapok_blobstore::{Action, ErrorKind, FileEntry, FileKind, Soundness, Store};
use kapok_core::manifest::Manifest;

use super::kinship::{Kinship, kinship};
use super::report::{LostFile, Remedy, RepairReport};
use super::{RepairMode, Trouble, in_the_way};
use crate::error::Result;

/// Mends the marker, the log and the manifests, and returns the live manifests in order.
///
/// A dry run also returns those that it would put back.
pub(super) async fn mend_sealed(
    store: &Store,
    from: Option<&Store>,
    files: &[FileEntry],
    mode: RepairMode,
    report: &mut RepairReport,
) -> Result<Vec<Manifest>> {
    let from = match from {
        None => None,
        Some(from) => match kinship(store, files, from).await? {
            Kinship::Same => Some(from),
            Kinship::Unrelated => {
                report.notes.push(format!(
                    "{} has no manifest, announcement or marker in common with this store, so only its blobs are used",
                    from.url()
                ));
                None
            }
            Kinship::Diverged(name) => {
                let url = from.url();
                report.notes.push(format!("{url} differs from this store in {name}, so only its blobs are used"));
                None
            }
        },
    };
    let mut repair = SealedRepair { store, from, mode, report };
    repair.marker().await?;
    let last_entry = files.iter().filter_map(|file| number_of_entry(file.what)).max().unwrap_or(0);
    for sequence in 1..=last_entry {
        repair.file(FileKind::Announcement(sequence)).await?;
    }
    let latest = store.announcements().latest(None).await.ok().flatten();
    let highest = latest.map_or(0, |entry| entry.highest.max(entry.pinned.unwrap_or(0)));
    // A number far beyond the last file is a mistake in the log, not a lost file.
    let last_version = files.iter().filter_map(|file| number_of_version(file.what)).max().unwrap_or(0);
    let last_version = last_version.max(highest.min(last_version.saturating_add(GAP_MAX)));
    let mut manifests = Vec::new();
    for version in 1..=last_version {
        manifests.extend(repair.manifest(version).await?);
    }
    repair.end_of_log(last_entry).await?;
    Ok(manifests)
}

/// Number of versions that may be missing behind the last one that is there.
const GAP_MAX: u64 = 1_000;

fn number_of_entry(what: FileKind) -> Option<u64> {
    match what {
        FileKind::Announcement(sequence) => Some(sequence),
        _ => None,
    }
}

fn number_of_version(what: FileKind) -> Option<u64> {
    match what {
        FileKind::Manifest(version) => Some(version),
        _ => None,
    }
}

/// Reads a file as it is; `None` if there is none, or something that is no file has its name.
async fn raw(store: &Store, name: &str) -> Result<Option<Bytes>> {
    match store.repair().read_raw(name).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        read => Ok(read?),
    }
}

struct SealedRepair<'r> {
    store: &'r Store,
    /// A store of the same dataset.
    from: Option<&'r Store>,
    mode: RepairMode,
    report: &'r mut RepairReport,
}

impl SealedRepair<'_> {
    /// Returns what is wrong with a file; `None` if it is sound.
    async fn trouble(&mut self, what: FileKind) -> Result<Option<Trouble>> {
        Ok(match self.store.repair().soundness(what).await? {
            Soundness::Sound => None,
            Soundness::Missing => Some(Trouble::of(LostFile::MISSING)),
            Soundness::Damaged(error) | Soundness::Newer(error) => Some(Trouble::of(error)),
            Soundness::Occupied(error) => {
                self.report.notes.push(in_the_way(&what.name().unwrap_or_default()));
                Some(Trouble { is_in_the_way: true, ..Trouble::of(error) })
            }
        })
    }

    fn tell(&mut self, what: FileKind, trouble: Trouble, remedy: Option<Remedy>) {
        let versions = number_of_version(what).into_iter().collect();
        let name = what.name().unwrap_or_default();
        self.report.lost.push(LostFile { name, what, trouble: trouble.text, versions, remedy });
    }

    async fn marker(&mut self) -> Result<()> {
        if let Some(trouble) = self.trouble(FileKind::Marker).await? {
            let remedy = Some(Remedy::Known).filter(|_| !trouble.is_in_the_way);
            if self.mode == RepairMode::Mend && remedy.is_some() {
                self.store.repair().remake_marker().await?;
            }
            self.tell(FileKind::Marker, trouble, remedy);
        }
        Ok(())
    }

    /// Mends a file by that of the second store, if it is sound there.
    async fn file(&mut self, what: FileKind) -> Result<()> {
        let Some(trouble) = self.trouble(what).await? else { return Ok(()) };
        let remedy = if trouble.is_in_the_way { None } else { self.take(what).await? };
        self.tell(what, trouble, remedy);
        Ok(())
    }

    async fn take(&self, what: FileKind) -> Result<Option<Remedy>> {
        let (Some(from), Some(name)) = (self.from, what.name()) else { return Ok(None) };
        if !matches!(from.repair().soundness(what).await?, Soundness::Sound) {
            return Ok(None);
        }
        let Some(bytes) = from.repair().read_raw(&name).await? else { return Ok(None) };
        if self.mode == RepairMode::Mend {
            self.store.repair().put_back(what, bytes).await?;
        }
        Ok(Some(Remedy::SecondStore))
    }

    /// Returns the manifest of a live version, mended if possible.
    async fn manifest(&mut self, version: u64) -> Result<Option<Manifest>> {
        let what = FileKind::Manifest(version);
        let live = |read: kapok_blobstore::Result<Manifest>| read.ok();
        let Some(trouble) = self.trouble(what).await? else {
            return Ok(live(self.store.manifests().read(version).await));
        };
        let file = self.store.repair().read_raw(&what.name().unwrap_or_default()).await.ok().flatten();
        if file.as_ref().is_some_and(|file| self.store.repair().is_retired_manifest(file)) {
            if self.mode == RepairMode::Mend {
                self.store.repair().put_back(what, self.store.repair().retired_manifest()).await?;
            }
            self.tell(what, trouble, Some(Remedy::Known));
            return Ok(None);
        }
        let remedy = if trouble.is_in_the_way { None } else { self.take(what).await? };
        let is_back = remedy.is_some();
        self.tell(what, trouble, remedy);
        Ok(match self.from {
            Some(from) if is_back => live(from.manifests().read(version).await),
            _ => None,
        })
    }

    /// Takes announcements of the second store that are newer than the last entry of the log.
    ///
    /// Each is taken only if the version that it announces is here, unannounced: the second store may have gone on by
    /// itself since it was copied.
    async fn end_of_log(&mut self, last: u64) -> Result<()> {
        let Some(from) = self.from else { return Ok(()) };
        let mut latest = self.store.announcements().get(last).await.ok().flatten();
        for sequence in last + 1.. {
            let what = FileKind::Announcement(sequence);
            let Some(entry) = from.announcements().get(sequence).await.ok().flatten() else { break };
            let pinned = latest.as_ref().and_then(|latest| latest.pinned);
            let manifest = FileKind::Manifest(entry.announced).name().unwrap_or_default();
            let (here, there) = (raw(self.store, &manifest).await?, raw(from, &manifest).await?);
            if entry.action != Action::Announce || entry.pinned != pinned || here.is_none() || here != there {
                self.report.notes.push(format!(
                    "the log of {} goes on with entry {sequence}, {} version {}: it is not taken, since this store may \
                     never have had it; if it was lost here, make it again",
                    from.url(),
                    entry.action,
                    entry.current()
                ));
                break;
            }
            let remedy = self.take(what).await?;
            self.tell(what, Trouble::of("missing behind the last entry, although its version is here"), remedy);
            latest = Some(entry);
        }
        Ok(())
    }
}
