//! Keeps the files of a cache within its budget: what was opened least recently goes first.
//!
//! Sizes and times are those of the files, so there is no index that could be wrong, and processes agree by looking at the same
//! folder. That takes some microseconds for each file, at each download of a blob.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::folder::private;
use super::mapped::remove_unused;
use super::{Cache, failed, remove};
use crate::blob_id::BlobKind;
use crate::error::Result;

/// The file that is locked while room is made.
pub(super) const LOCK: &str = "lock";
/// The file that is there while living processes have too much mapped for the budget.
const OVER: &str = "over";

/// A file of the cache.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) kind: BlobKind,
    pub(super) size: u64,
    /// When it was last opened.
    opened: SystemTime,
}

/// What was removed to make room, and what is left.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) files: usize,
    pub(super) bytes: u64,
    pub(super) left_bytes: u64,
}

impl Cache {
    /// Removes files until so many more bytes fit into the budget, then takes the room by `take`. Room that is taken counts for
    /// the next who asks.
    ///
    /// What living processes have mapped or are writing stays, even if the budget is exceeded by it: a reader never fails for
    /// want of room.
    pub(super) fn make_room(&self, wanted: u64, take: impl FnMut() -> io::Result<()>) -> Result<Evicted> {
        let evicted = self.evict_to(self.inner.bytes_max.saturating_sub(wanted), take)?;
        self.note_over(evicted.left_bytes.saturating_add(wanted) > self.inner.bytes_max)?;
        Ok(evicted)
    }

    /// Removes files until they take no more than so many bytes, and until `take` finds the room on the disk: others fill it, too.
    pub(super) fn evict_to(&self, bytes_max: u64, mut take: impl FnMut() -> io::Result<()>) -> Result<Evicted> {
        let turn = self.turn_file()?;
        turn.lock().map_err(failed("lock", &self.inner.root.join(LOCK)))?;
        let mut kept = self.kept()?;
        let mut evicted = Evicted { left_bytes: kept.iter().map(|file| file.size).sum(), ..Evicted::default() };
        kept.sort_by_key(|file| file.opened);
        for file in kept {
            if evicted.left_bytes <= bytes_max {
                match take() {
                    Ok(()) => return Ok(evicted),
                    Err(source) if source.kind() == io::ErrorKind::StorageFull => {}
                    Err(source) => return Err(failed("write", &self.inner.root)(source)),
                }
            }
            if remove_unused(&file.path)? {
                evicted.files += 1;
                evicted.bytes += file.size;
                evicted.left_bytes -= file.size;
            }
        }
        take().map_err(failed("write", &self.inner.root))?;
        Ok(evicted)
    }

    /// Tells all processes of the host whether room is to be made when a map goes.
    fn note_over(&self, is_over: bool) -> Result<()> {
        let path = self.inner.root.join(OVER);
        if path.exists() == is_over {
            return Ok(());
        }
        if is_over {
            return private()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map(drop)
                .map_err(failed("write", &path));
        }
        remove(&path)
    }

    /// Makes room if that had to wait for a map to go.
    pub(super) fn make_room_if_over(&self) {
        if self.inner.root.join(OVER).exists() {
            // Whoever has the turn makes room itself, and may stand still: a map that goes does not wait. All else that fails here
            // is told by the next download.
            if self.turn_file().is_ok_and(|turn| turn.try_lock().is_ok()) {
                _ = self.make_room(0, || Ok(()));
            }
        }
    }

    /// Lists the blobs of the cache, those on their way included.
    pub(super) fn kept(&self) -> Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for kind in BlobKind::ALL {
            let folder = self.inner.root.join(kind.folder());
            for entry in fs::read_dir(&folder).map_err(failed("list", &folder))? {
                let entry = entry.map_err(failed("list", &folder))?;
                let found = entry.metadata().and_then(|it| Ok((it.is_file(), it.len(), it.modified()?)));
                match found {
                    Ok((true, size, opened)) => kept.push(Kept { path: entry.path(), kind, size, opened }),
                    Ok(_) => {}
                    // Removed or finished meanwhile.
                    Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(failed("list", &folder)(source)),
                }
            }
        }
        Ok(kept)
    }

    /// Opens the file that is locked by whoever makes room. The turn ends when the file is dropped.
    fn turn_file(&self) -> Result<File> {
        let path = self.inner.root.join(LOCK);
        private().write(true).create(true).truncate(false).open(&path).map_err(failed("lock", &path))
    }
}
