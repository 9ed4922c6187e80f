//! Maps files of the cache, under a lock that tells others that they are in use.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::{Cache, failed, remove, remove_unless_file};
use crate::blob_id::{BlobId, BlobKind};
use crate::clock::now;
use crate::error::Result;
use crate::mapping;

/// Number of locks, each an open file, that a process holds at most. Beyond them it maps without one: such a file may be evicted,
/// and its map stays, but its bytes are only freed with that.
const LOCKS_MAX: usize = 512;

/// Number of locks that this process holds.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// A map of a file, with what is given back after it. Fields are dropped in this order.
struct Mapped {
    map: Bytes,
    _lock: Option<Lock>,
    _then: Release,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

/// A shared lock on a file.
struct Lock {
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes room if that had to wait for this map to go.
struct Release(Cache);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.make_room_if_over();
    }
}

impl Cache {
    /// Returns a map of a blob that is here, with this size if it is known.
    ///
    /// A file of another length is damaged, and removed. Whoever else has it mapped keeps its map.
    pub(crate) fn at_hand(&self, kind: BlobKind, id: BlobId, size: Option<u64>) -> Result<Option<Bytes>> {
        let path = self.place(kind, id);
        remove_unless_file(&path)?;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("read", &path)(source)),
        };
        // Whoever holds it exclusively looks at it or is about to unlink it, and lets go at once.
        file.lock_shared().map_err(failed("lock", &path))?;
        let metadata = file.metadata().map_err(failed("read", &path))?;
        if !is_named(&metadata) {
            return Ok(None);
        }
        if size.is_some_and(|size| size != metadata.len()) {
            remove(&path)?;
            return Ok(None);
        }
        // The order of eviction is that of these times. A cache that cannot be written to any more still has its files.
        _ = file.set_modified(now());
        self.map(file, metadata.len()).map(Some).map_err(failed("map", &path))
    }

    /// Maps a whole file that is locked by us, and keeps the lock as long as the map.
    pub(super) fn map(&self, file: File, size: u64) -> io::Result<Bytes> {
        let map = mapping::map(&file, size)?;
        let is_counted = HELD.fetch_add(1, Ordering::Relaxed) < LOCKS_MAX;
        let lock = Lock { _file: file };
        let lock = if is_counted { Some(lock) } else { None };
        Ok(Bytes::from_owner(Mapped { map, _lock: lock, _then: Release(self.clone()) }))
    }
}

/// Removes a file that nobody has mapped or is writing, and returns whether it did.
pub(super) fn remove_unused(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed("read", path)(source)),
    };
    if !lock_now(&file).map_err(failed("lock", path))? || !is_at(&file, path).map_err(failed("read", path))? {
        return Ok(false);
    }
    remove(path)?;
    Ok(true)
}

/// Locks a file exclusively, unless somebody else has it locked.
pub(super) fn lock_now(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(source),
    }
}

/// Returns whether the file still has a name: it may have been evicted between its opening and its lock.
#[cfg(unix)]
fn is_named(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 0
}

#[cfg(not(unix))]
fn is_named(_metadata: &std::fs::Metadata) -> bool {
    true
}

/// Returns whether the file is the one that has this name now.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(source),
    }
}

#[cfg(not(unix))]
pub(super) fn is_at(_file: &File, path: &Path) -> io::Result<bool> {
    Ok(path.exists())
}
