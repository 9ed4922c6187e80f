//! Checks the files and versions of a store, in an order that gives no false alarm while others write to it.
//!
//! ```text
//! 1 the log, then the manifests        their blobs were written before
//! 2 the list of files                  so it holds these blobs, unless gc has retired the version since
//! 3 each file                          a missing one is a problem unless its version was retired meanwhile
//! 4 each version, newest first         likewise
//! ```
//!
//! No manifest that was read names the files that producers write meanwhile; they are counted. Files that gc deletes
//! meanwhile belonged to versions that it had retired before, so a check that misses a blob reads the manifest again.

use std::collections::{BTreeMap, HashMap, HashSet};

use kapok_blobstore::{BlobId, BlobKind, Error, FileEntry, FileKind, Result, Store};
use kapok_core::manifest::{Id, Manifest};

use crate::report::{Progress, Report};
use crate::retirement::{is_about_files, is_retired};
use crate::version::Walk;

/// Largest size of a blob: a segment has at most 2^29 words, and an index or a bitmap of its rows takes less.
const BLOB_BYTES_MAX: u64 = (1 << 32) + 8;

/// Checks every file and every live version of a store.
///
/// Files are checked against their hash or checksum. Of each version, the manifest is checked against its blobs, each
/// segment is walked through every pointer, each index is checked against its rows, keys for duplicates, listed changes
/// against the parent, merged segments against their sources. The copies in a cache of this host are not asked. `progress` is
/// called as the check goes on.
///
/// # Errors
/// `Unavailable` if the store cannot be listed or does not answer. What is wrong with its files is in the report.
pub async fn verify_store(store: &Store, progress: &dyn Fn(Progress)) -> Result<Report> {
    let store = &store.without_cache();
    let mut check = Check { store, progress, report: Report::default(), live: BTreeMap::new(), lost: HashSet::new() };
    let announced = check.announced().await;
    // A stub of a retired version is known by its length, so it is not read.
    for version in store.manifests().live().await? {
        check.read(version).await?;
    }
    let numbers = store.manifests().versions().await?;
    let files = store.files().list().await?;
    check.gaps("manifests", &numbers).await?;
    check.files(&files).await?;
    if let Some((sequence, version)) = announced
        && version != 0
        && !check.live.contains_key(&version)
    {
        check.missing_announced(sequence, version).await;
    }
    check.walk().await?;
    Ok(check.report)
}

/// Checks one version and its blobs.
///
/// # Errors
/// Those of reading its manifest, and as [`verify_store`].
pub async fn verify_version(store: &Store, version: u64, progress: &dyn Fn(Progress)) -> Result<Report> {
    let store = &store.without_cache();
    let manifest = store.manifests().read(version).await?;
    let mut check = Check { store, progress, report: Report::default(), live: BTreeMap::new(), lost: HashSet::new() };
    check.blobs(&manifest).await;
    let mut walk = Walk::new(store, &check.lost);
    (check.progress)(Progress::Walking { version });
    walk.version(&manifest, None, &mut check.report).await?;
    if let Some(parent) = manifest.parent {
        let parent = store.manifests().read(parent).await.ok();
        walk.changes(&manifest, parent.as_ref(), &mut check.report).await?;
    }
    Ok(check.report)
}

/// State of a check.
struct Check<'s> {
    store: &'s Store,
    progress: &'s dyn Fn(Progress),
    report: Report,
    live: BTreeMap<u64, Manifest>,
    /// Blobs that are wrong or missing, which are not checked any further.
    lost: HashSet<Id>,
}

impl Check<'_> {
    /// Returns the last entry of the log and the version that it makes current.
    async fn announced(&mut self) -> Option<(u64, u64)> {
        match self.store.announcements().latest(None).await {
            Ok(latest) => latest.map(|latest| (latest.sequence, latest.current())),
            Err(error) => {
                self.report.problem(error.to_string());
                None
            }
        }
    }

    async fn read(&mut self, version: u64) -> Result<()> {
        match self.store.manifests().read(version).await {
            Ok(manifest) => {
                self.live.insert(version, manifest);
            }
            Err(Error::Retired { .. }) => {}
            Err(error) if is_about_files(&error) => self.report.problem(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reports missing numbers: they count from 1, and none is ever freed.
    async fn gaps(&mut self, folder: &str, numbers: &[u64]) -> Result<()> {
        let mut expected = 1;
        for number in numbers {
            // A listing may hold a file that was made during it without an earlier such file.
            if *number > expected && !self.is_there(folder, expected).await? {
                self.report.problem(format!("{folder}: {expected:020} is missing, although there is {number:020}"));
            }
            expected = number.saturating_add(1);
        }
        Ok(())
    }

    async fn is_there(&self, folder: &str, number: u64) -> Result<bool> {
        let found = match folder {
            "manifests" => self.store.manifests().read_bytes(number).await.map(|_| true),
            _ => self.store.announcements().get(number).await.map(|found| found.is_some()),
        };
        match found {
            Err(Error::NotFound { .. }) => Ok(false),
            // Reported when the file itself is checked.
            Err(error) if is_about_files(&error) => Ok(true),
            other => other,
        }
    }

    /// Checks every listed file, and that every named blob is listed.
    async fn files(&mut self, files: &[FileEntry]) -> Result<()> {
        (self.progress)(Progress::Hashing { size: files.iter().map(|file| file.size).sum() });
        let lengths = self.named();
        let (mut announcements, mut listed) = (Vec::new(), HashSet::new());
        for file in files {
            match file.what {
                FileKind::Announcement(sequence) => announcements.push(sequence),
                FileKind::Foreign if file.is_orphan() => self.report.left_over_files += 1,
                FileKind::Foreign => self.report.foreign_files.push(file.name.clone()),
                FileKind::Blob(kind, id) => {
                    listed.insert((kind, id));
                    self.report.unreferenced_blobs += usize::from(!lengths.contains_key(&(kind, id)));
                }
                _ => {}
            }
            self.file(file, &lengths).await?;
            (self.progress)(Progress::Hashed { size: file.size });
        }
        self.gaps("announcements", &announcements).await?;
        let missing: Vec<_> = lengths.keys().filter(|blob| !listed.contains(*blob)).copied().collect();
        for (kind, id) in missing {
            if self.is_needed(kind, id).await? && self.store.blobs().size(kind, id).await?.is_none() {
                self.lose(id, format!("{}: blob is missing", self.store.blobs().name(kind, id)));
            }
        }
        Ok(())
    }

    /// Returns the blobs that live versions name, with their lengths if a manifest has them.
    fn named(&self) -> HashMap<(BlobKind, BlobId), Option<u64>> {
        let blobs = self.live.values().flat_map(Manifest::blobs);
        blobs.map(|blob| ((BlobKind::from(blob.role), BlobId::from(blob.id)), blob.size)).collect()
    }

    async fn file(&mut self, file: &FileEntry, lengths: &HashMap<(BlobKind, BlobId), Option<u64>>) -> Result<()> {
        if file.what == FileKind::Foreign {
            return Ok(());
        }
        self.report.files += 1;
        self.report.size += file.size;
        if let FileKind::Blob(kind, id) = file.what {
            let expected = lengths.get(&(kind, id)).copied().flatten();
            let is_wrong = expected.is_some_and(|expected| expected != file.size) || file.size > BLOB_BYTES_MAX;
            if is_wrong {
                // Not hashed: it may be far longer than anything that belongs here.
                let expected = expected.unwrap_or(BLOB_BYTES_MAX);
                let name = self.store.blobs().name(kind, id);
                self.lose(id, format!("{name}: expected {expected} bytes, found {} bytes", file.size));
                return Ok(());
            }
        }
        match (self.store.files().check(file).await, file.what) {
            (Ok(()), _) => {}
            // Deleted since the list was made.
            (Err(Error::NotFound { .. }), FileKind::Blob(kind, id)) if !self.is_needed(kind, id).await? => {}
            (Err(error), FileKind::Blob(_, id)) if is_about_files(&error) => self.lose(id, error.to_string()),
            (Err(error), _) if is_about_files(&error) => self.report.problem(error.to_string()),
            (Err(error), _) => return Err(error),
        }
        Ok(())
    }

    fn lose(&mut self, id: BlobId, problem: String) {
        self.lost.insert(*id.as_bytes());
        self.report.problem(problem);
    }

    /// Returns whether a live version still names a blob, and drops versions that were retired meanwhile from the
    /// check.
    async fn is_needed(&mut self, kind: BlobKind, id: BlobId) -> Result<bool> {
        let names = |manifest: &Manifest| {
            manifest.blobs().any(|blob| BlobKind::from(blob.role) == kind && BlobId::from(blob.id) == id)
        };
        let versions: Vec<u64> =
            self.live.iter().filter(|(_, manifest)| names(manifest)).map(|(version, _)| *version).collect();
        let mut is_needed = false;
        for version in versions {
            if is_retired(self.store, version).await? {
                self.live.remove(&version);
            } else {
                is_needed = true;
            }
        }
        Ok(is_needed)
    }

    /// Reports an announced version without a manifest, unless the log names another one by now.
    async fn missing_announced(&mut self, sequence: u64, version: u64) {
        match self.announced().await {
            Some((_, now)) if now != version => {}
            _ => {
                let problem = format!("announcements: entry {sequence} says version {version}, which is not there");
                self.report.problem(problem);
            }
        }
    }

    /// Checks each blob of one version against its length and hash.
    async fn blobs(&mut self, manifest: &Manifest) {
        let blobs: Vec<_> = manifest.blobs().collect();
        (self.progress)(Progress::Hashing { size: blobs.iter().filter_map(|blob| blob.size).sum() });
        let mut seen = HashSet::new();
        for blob in blobs {
            if !seen.insert(blob.id) {
                continue;
            }
            self.report.files += 1;
            let id = BlobId::from(blob.id);
            match self.store.blobs().fetch([blob]).await {
                Err(error) => self.lose(id, error.to_string()),
                Ok(fetched) => {
                    for (_, found) in fetched {
                        let size = found.bytes.len() as u64;
                        self.report.size += size;
                        (self.progress)(Progress::Hashed { size });
                        let hash = BlobId::of(&found.bytes);
                        if hash != id {
                            self.lose(id, format!("{}: expected hash {id}, found {hash}", found.name));
                        }
                    }
                }
            }
        }
    }

    /// Walks every live version, newest first, since its schema reads the segments of older ones too.
    async fn walk(&mut self) -> Result<()> {
        let live = std::mem::take(&mut self.live);
        let mut walk = Walk::new(self.store, &self.lost);
        for (version, manifest) in live.iter().rev() {
            (self.progress)(Progress::Walking { version: *version });
            walk.version(manifest, Some(&live), &mut self.report).await?;
            walk.changes(manifest, manifest.parent.and_then(|parent| live.get(&parent)), &mut self.report).await?;
        }
        self.report.versions = walk.versions();
        Ok(())
    }
}
