//! Tells what is in a cache, and checks and trims it by hand.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::SystemTime;

use super::last_known::Memory;
use super::room::Kept;
use super::{Cache, failed, remove};
use crate::blob_id::{BlobId, BlobKind};
use crate::error::Result;

/// What is in a cache, from [`Cache::report`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheReport {
    /// Number of blobs and their size in bytes, for each kind.
    pub blobs: Vec<(BlobKind, usize, u64)>,
    /// Size in bytes of all files, those on their way included: what the budget bounds.
    pub bytes: u64,
    /// Size in bytes of the blobs that living processes have mapped, which stay.
    pub mapped_bytes: u64,
    /// Number of blobs on their way or begun, and the bytes that their files take.
    pub unfinished: (usize, u64),
    /// Size in bytes that the files may have together.
    pub bytes_max: u64,
    /// What is known of stores, in the order of their locations.
    pub stores: Vec<KnownStore>,
}

/// What is known of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownStore {
    /// Its location.
    pub location: String,
    /// The last entry of its log that was read.
    pub sequence: u64,
    /// The version that the entry sends consumers to; `None` if the files are damaged.
    pub version: Option<u64>,
    /// When its log last answered.
    pub answered_at: Option<SystemTime>,
}

/// What was removed, from [`Cache::prune`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// Number of files that were removed.
    pub removed: usize,
    /// Their size in bytes.
    pub removed_bytes: u64,
    /// Size in bytes of what is left.
    pub left_bytes: u64,
}

/// A file of a cache that was not what its name says, from [`Cache::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedCopy {
    /// The file.
    pub path: PathBuf,
    /// What was found in place of the hash in its name.
    pub found: String,
    /// Whether a living process has it mapped, and goes on reading it.
    pub is_mapped: bool,
}

impl Cache {
    /// Tells what is in the cache.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn report(&self) -> Result<CacheReport> {
        let mut blobs: Vec<(BlobKind, usize, u64)> = BlobKind::ALL.map(|kind| (kind, 0, 0)).into();
        let (mut unfinished, mut mapped_bytes) = ((0, 0), 0);
        for file in self.kept()? {
            if file.id().is_none() {
                unfinished = (unfinished.0 + 1, unfinished.1 + file.size);
                continue;
            }
            for (_, count, size) in blobs.iter_mut().filter(|(kind, ..)| *kind == file.kind) {
                (*count, *size) = (*count + 1, *size + file.size);
            }
            if is_in_use(&file)? {
                mapped_bytes += file.size;
            }
        }
        let mut stores = self.memories()?.iter().map(known).collect::<Vec<_>>();
        stores.sort_by(|a, b| a.location.cmp(&b.location));
        let bytes = blobs.iter().map(|(_, _, size)| size).sum::<u64>() + unfinished.1;
        Ok(CacheReport { blobs, bytes, mapped_bytes, unfinished, bytes_max: self.bytes_max(), stores })
    }

    /// Removes what was opened least recently until the files take no more than so many bytes. What living processes have
    /// mapped or are writing stays.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn prune(&self, bytes_max: u64) -> Result<PruneReport> {
        let evicted = self.evict_to(bytes_max, || Ok(()))?;
        Ok(PruneReport { removed: evicted.files, removed_bytes: evicted.bytes, left_bytes: evicted.left_bytes })
    }

    /// Hashes every blob of the cache, removes those that are not what their names say, and returns these: they are downloaded
    /// again when they are needed. `progress` is told the bytes of each file that was hashed.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Vec<DamagedCopy>> {
        let mut damaged = Vec::new();
        for file in self.kept()? {
            let Some(id) = file.id() else { continue };
            let Ok(opened) = File::open(&file.path) else { continue };
            // Not through a map: a disk that cannot be read is an error, and does not end the process.
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(opened).map_err(failed("read", &file.path))?;
            let found = BlobId::from(*hasher.finalize().as_bytes());
            if found != id {
                let is_mapped = is_in_use(&file)?;
                remove(&file.path)?;
                damaged.push(DamagedCopy { path: file.path, found: format!("hash {found}"), is_mapped });
            }
            progress(file.size);
        }
        Ok(damaged)
    }

    /// Removes a blob whose bytes were found to be wrong, if it is here.
    pub(crate) fn discard(&self, id: BlobId) -> Result<()> {
        BlobKind::ALL.into_iter().try_for_each(|kind| remove(&self.place(kind, id)))
    }
}

impl Kept {
    /// Returns the id of a blob that is whole, `None` for one on its way.
    fn id(&self) -> Option<BlobId> {
        self.path.file_name()?.to_str()?.parse().ok()
    }
}

/// Returns whether a living process has the file mapped.
fn is_in_use(file: &Kept) -> Result<bool> {
    let Ok(opened) = File::open(&file.path) else { return Ok(false) };
    match opened.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(failed("lock", &file.path)(source)),
    }
}

fn known(memory: &Memory) -> KnownStore {
    // Damaged ones are told, and not in the way of the others.
    let recalled = memory.recall().ok().flatten();
    KnownStore {
        location: memory.location().ok().flatten().unwrap_or_default(),
        sequence: memory.sequence().unwrap_or(0),
        version: recalled.as_ref().map(|it| it.announcement.current()),
        answered_at: recalled.map(|it| it.answered_at),
    }
}
