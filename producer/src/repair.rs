//! Finds what a store has lost of what its versions need, and puts back what can be made again.
//!
//! [`repair`] checks every file that a live version needs, and the log. What is missing, cut or damaged is looked for,
//! in this order: elsewhere in the store, in a second store, and in what it was made of.
//!
//! | lost | is made again from |
//! |---|---|
//! | a blob | a copy of it under another name; a second store |
//! | a merged segment | the segments that it was merged from, if they are there |
//! | an index | its segment |
//! | tombstones | those of the parent or a child, and the changes in between |
//! | a manifest, an announcement | a second store of the same dataset |
//! | a retired manifest, the marker | nothing: what they say is known |
//!
//! Only files that are what their names say are put, and sound files are not touched, so a repair may run beside
//! producers and consumers.

mod kinship;
mod loss;
mod report;
mod sealed;
mod sources;
mod tombstones;

use std::collections::{BTreeMap, HashMap};

use kapok_blobstore::{BlobId, BlobKind, FileKind, Soundness, Store};
use kapok_core::manifest::Manifest;

use crate::error::Result;
use loss::losses;
pub use report::{Loss, LostFile, Remedy, RepairReport};
use sealed::mend_sealed;
use sources::Sources;

/// Chooses between a repair and a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepairMode {
    /// Puts back what can be made again.
    #[default]
    Mend,
    /// Reports what can be made again, and puts nothing.
    DryRun,
}

/// A blob that a version names.
pub(crate) type BlobName = (BlobKind, BlobId);

/// Reports what a store has lost, and puts back what can be made again; see [the module](self).
///
/// The second store, `from`, may be any: its blobs are checked by their hash. Manifests and announcements are taken
/// only if both stores have a common past, and only if this store's own files show that they are lost.
///
/// # Errors
/// `Unavailable` if one of the stores fails. Lost files are no error: see [`RepairReport::is_whole`].
pub async fn repair(store: &Store, from: Option<&Store>, mode: RepairMode) -> Result<RepairReport> {
    // What the stores have counts, not what this host has of it.
    let (store, from) = (&store.without_cache(), from.map(Store::without_cache));
    let from = from.as_ref();
    let files = store.files().list().await?;
    let mut report = RepairReport { dry_run: mode == RepairMode::DryRun, ..RepairReport::default() };
    let manifests = mend_sealed(store, from, &files, mode, &mut report).await?;
    report.versions = manifests.len();

    let named = named_blobs(&manifests);
    let mut lost = HashMap::new();
    for (name, versions) in &named {
        report.blobs += 1;
        let trouble = match store.repair().soundness(FileKind::Blob(name.0, name.1)).await? {
            Soundness::Sound => continue,
            Soundness::Missing => Trouble::of(LostFile::MISSING),
            Soundness::Damaged(error) | Soundness::Newer(error) => Trouble::of(error),
            Soundness::Occupied(error) => Trouble { is_in_the_way: true, ..Trouble::of(error) },
        };
        // The version may have been retired, and its blobs collected, since its manifest was read.
        let mut still_named = Vec::new();
        for version in versions {
            if report.is_new(*version) || !store.manifests().is_retired(*version).await.unwrap_or(false) {
                still_named.push(*version);
            }
        }
        if !still_named.is_empty() {
            lost.insert(*name, (trouble, still_named));
        }
    }
    report.losses = losses(&manifests, &lost.keys().copied().collect());

    let mut sources = Sources::new(store, from, &files, &manifests);
    let mut names: Vec<_> = lost.into_iter().collect();
    // Segments first: indexes are made of them.
    names.sort_by_key(|((kind, id), _)| (*kind != BlobKind::Segment, *id));
    for (name, (trouble, versions)) in names {
        let (kind, id) = name;
        let Trouble { text: trouble, is_in_the_way } = trouble;
        let mut file =
            LostFile { name: name_of(kind, id), what: FileKind::Blob(kind, id), trouble, versions, remedy: None };
        if is_in_the_way {
            report.notes.push(in_the_way(&file.name));
        } else if let Some((bytes, remedy)) = sources.find(name).await? {
            if mode == RepairMode::Mend {
                store.repair().put_back(file.what, bytes).await?;
            }
            file.remedy = Some(remedy);
            report.mark_mended(name);
        }
        report.lost.push(file);
    }
    mend_unnamed(store, &mut sources, &named, mode, &mut report).await?;
    report.announced = store.announcements().latest(None).await.ok().flatten().map_or(0, |latest| latest.current());
    report.find_newest_whole(&manifests);
    Ok(report)
}

/// What is wrong with a file.
struct Trouble {
    text: String,
    /// Whether something that is no file has its name, so that nothing can be put there.
    is_in_the_way: bool,
}

impl Trouble {
    #[expect(clippy::needless_pass_by_value, reason = "texts and errors alike")]
    fn of(text: impl ToString) -> Self {
        Self { text: text.to_string(), is_in_the_way: false }
    }
}

/// Returns the note about something that is no file and has the name of one.
fn in_the_way(name: &str) -> String {
    format!("{name} is not a file, and nothing is put in its place: move it away, then repair again")
}

/// Returns the name of a blob, relative to the store, as all names of a report are.
fn name_of(kind: BlobKind, id: BlobId) -> String {
    FileKind::Blob(kind, id).name().unwrap_or_default()
}

/// Mends damaged blobs that no version names; no records are lost with them.
async fn mend_unnamed(
    store: &Store,
    sources: &mut Sources<'_>,
    named: &BTreeMap<BlobName, Vec<u64>>,
    mode: RepairMode,
    report: &mut RepairReport,
) -> Result<()> {
    for file in sources.files() {
        let FileKind::Blob(kind, id) = file.what else { continue };
        if named.contains_key(&(kind, id)) {
            continue;
        }
        let Soundness::Damaged(error) = store.repair().soundness(file.what).await? else { continue };
        let Some((bytes, remedy)) = sources.find((kind, id)).await? else {
            report.notes.push(format!("{error}; no version needs it, and gc deletes it"));
            continue;
        };
        if mode == RepairMode::Mend {
            store.repair().put_back(file.what, bytes).await?;
        }
        let (name, trouble) = (name_of(kind, id), error.to_string());
        report.lost.push(LostFile { name, what: file.what, trouble, versions: Vec::new(), remedy: Some(remedy) });
    }
    Ok(())
}

/// Returns the blobs that versions name, each with these versions.
fn named_blobs(manifests: &[Manifest]) -> BTreeMap<BlobName, Vec<u64>> {
    let mut named: BTreeMap<BlobName, Vec<u64>> = BTreeMap::new();
    for manifest in manifests {
        for blob in manifest.blobs() {
            let versions = named.entry((blob.role.into(), blob.id.into())).or_default();
            if versions.last() != Some(&manifest.version) {
                versions.push(manifest.version);
            }
        }
    }
    named
}
