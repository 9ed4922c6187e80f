//! A blob that is on its way into the cache: a file that its downloader has locked.
//!
//! Behind the bytes of the blob is one byte for each of its parts: 1 if the part has arrived. So whoever comes after a downloader
//! that was killed knows what it need not ask for. The bytes behind are cut off before the file gets its name.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use blake3::hazmat::ChainingValue;
use bytes::Bytes;

use super::folder::private;
use super::mapped::{is_at, lock_now};
use super::part_hash::{PART_BYTES, PartHasher};
use super::{Cache, failed, remove, remove_unless_file};
use crate::blob_id::{BlobId, BlobKind};
use crate::draft::DraftFile;
use crate::error::{Error, Result};
use crate::failure::failure;
use crate::local_file::allocate;
use crate::mapping::WritableMap;

/// What becomes of the wish to download a blob.
pub(super) enum Claim {
    /// It is here.
    AtHand(Bytes),
    /// Somebody else downloads it, and last wrote something at this time.
    Taken(SystemTime),
    /// It is for us to download.
    Ours(PartFile),
}

/// A blob that we download. Clones share the lock, which ends with the last of them.
#[derive(Clone)]
pub(super) struct PartFile {
    cache: Cache,
    file: Arc<File>,
    path: PathBuf,
    place: PathBuf,
    size: u64,
}

/// Bytes that are read at once to be hashed.
const READ_BYTES: usize = 1 << 20;

impl Cache {
    /// Takes it on to download a blob, unless it is here or somebody else does.
    pub(super) fn claim(&self, kind: BlobKind, id: BlobId, size: u64) -> Result<Claim> {
        match self.claim_in_folder(kind, id, size) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.restore()?;
                self.claim_in_folder(kind, id, size)
            }
            claim => claim,
        }
    }

    fn claim_in_folder(&self, kind: BlobKind, id: BlobId, size: u64) -> Result<Claim> {
        let place = self.place(kind, id);
        let path = place.with_extension("part");
        loop {
            if let Some(bytes) = self.at_hand(kind, id, Some(size))? {
                return Ok(Claim::AtHand(bytes));
            }
            remove_unless_file(&path)?;
            let opened = private().read(true).write(true).create(true).truncate(false).open(&path);
            let file = opened.map_err(failed("write", &path))?;
            if !lock_now(&file).map_err(failed("lock", &path))? {
                let written = file.metadata().and_then(|it| it.modified()).map_err(failed("read", &path))?;
                return Ok(Claim::Taken(written));
            }
            // Whoever had it locked may have finished it, or given it up.
            if !is_at(&file, &path).map_err(failed("read", &path))? {
                continue;
            }
            if let Some(bytes) = self.at_hand(kind, id, Some(size))? {
                remove(&path)?;
                return Ok(Claim::AtHand(bytes));
            }
            let part = PartFile { cache: self.clone(), file: Arc::new(file), path, place, size };
            part.prepare()?;
            return Ok(Claim::Ours(part));
        }
    }

    /// Puts a blob that this process has into the cache, and returns its map; `None` if somebody is downloading it.
    pub(crate) fn insert(&self, kind: BlobKind, id: BlobId, bytes: &[u8]) -> Result<Option<Bytes>> {
        match self.claim(kind, id, bytes.len() as u64)? {
            Claim::AtHand(found) => Ok(Some(found)),
            Claim::Taken(_) => Ok(None),
            Claim::Ours(part) => {
                let written = part.write(0, bytes).and_then(|()| part.complete());
                if written.is_err() {
                    part.discard()?;
                }
                written.map(Some)
            }
        }
    }
}

impl Cache {
    /// Makes a file of this length to make a blob in, all zero, and maps it. `None` if the file system may fail to write in place.
    pub(crate) fn draft(&self, kind: BlobKind, len: usize) -> Result<Option<(DraftFile, WritableMap)>> {
        let Some(draft) = DraftFile::create(&self.inner.root.join(kind.folder()))? else { return Ok(None) };
        self.make_room(len as u64, || draft.allocate(len))?;
        let map = draft.map(len)?;
        Ok(Some((draft, map)))
    }

    /// Makes a draft of this cache the copy of a blob, unless there is one. `id` must be the id of its bytes.
    pub(crate) fn adopt(&self, kind: BlobKind, id: BlobId, draft: DraftFile, len: usize) -> Result<()> {
        if self.at_hand(kind, id, Some(len as u64))?.is_some() {
            return Ok(());
        }
        let place = self.place(kind, id);
        draft.move_to(&place).map_err(|source| failure("write", place.display().to_string(), source))
    }
}

impl PartFile {
    /// Returns the number of parts, at least one.
    pub(super) fn parts(&self) -> usize {
        usize::try_from(self.size.div_ceil(PART_BYTES).max(1)).unwrap_or(usize::MAX)
    }

    /// Returns where a part lies.
    pub(super) fn range(&self, part: usize) -> Range<u64> {
        let start = part as u64 * PART_BYTES;
        start..(start + PART_BYTES).min(self.size)
    }

    /// Returns a hasher of a part.
    pub(super) fn hasher(&self, part: usize) -> PartHasher {
        PartHasher::new(self.range(part).start, self.parts() == 1)
    }

    /// Makes room for what is to come, unless an earlier downloader has.
    fn prepare(&self) -> Result<()> {
        let found = self.file.metadata().map_err(failed("read", &self.path))?.len();
        if found == self.whole_len() || found == self.size && found > 0 {
            return Ok(());
        }
        let prepared = self.allocate();
        if prepared.is_err() {
            self.discard()?;
        }
        prepared
    }

    fn allocate(&self) -> Result<()> {
        self.file.set_len(0).map_err(failed("write", &self.path))?;
        let take = || allocate(&self.file, self.whole_len());
        self.cache.make_room(self.whole_len(), take).map(drop)
    }

    fn whole_len(&self) -> u64 {
        // No file is as long as what a forged manifest may say.
        self.size.saturating_add(self.parts() as u64)
    }

    /// Returns for each part whether it has arrived.
    pub(super) fn arrived(&self) -> Result<Vec<bool>> {
        let found = self.file.metadata().map_err(failed("read", &self.path))?.len();
        // All was there when the bytes behind were cut off.
        if found == self.size {
            return Ok(vec![true; self.parts()]);
        }
        let mut marks = vec![0; self.parts()];
        read_at(&self.file, &mut marks, self.size).map_err(failed("read", &self.path))?;
        Ok(marks.into_iter().map(|mark| mark == 1).collect())
    }

    /// Writes bytes of the blob.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        write_at(&self.file, bytes, at).map_err(failed("write", &self.path))
    }

    /// Notes that a part has arrived.
    pub(super) fn mark(&self, part: usize) -> Result<()> {
        write_at(&self.file, &[1], self.size + part as u64).map_err(failed("write", &self.path))
    }

    /// Returns the hash of a part that arrived earlier.
    pub(super) fn hash(&self, part: usize) -> Result<ChainingValue> {
        let (mut hasher, range) = (self.hasher(part), self.range(part));
        let mut buffer = vec![0; READ_BYTES];
        let mut at = range.start;
        while at < range.end {
            let len = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(READ_BYTES);
            read_at(&self.file, &mut buffer[..len], at).map_err(failed("read", &self.path))?;
            hasher.update(&buffer[..len]);
            at += len as u64;
        }
        Ok(hasher.finish())
    }

    /// Forgets what has arrived.
    pub(super) fn reset(&self) -> Result<()> {
        self.allocate()
    }

    /// Gives the file its name, durably, and maps it. Its bytes were checked.
    pub(super) fn complete(&self) -> Result<Bytes> {
        let io = || {
            self.file.set_len(self.size)?;
            self.file.sync_data()?;
            std::fs::rename(&self.path, &self.place)?;
            // Only now: between the two locks somebody else may have this one, and sees that the file has moved on.
            let file = self.file.try_clone()?;
            file.lock_shared()?;
            self.cache.map(file, self.size)
        };
        io().map_err(failed("write", &self.path))
    }

    /// Removes the file.
    pub(super) fn discard(&self) -> Result<()> {
        remove(&self.path)
    }

    /// Removes the file if no part of it has arrived.
    pub(super) fn discard_empty(&self) -> Result<()> {
        if self.arrived()?.contains(&true) { Ok(()) } else { self.discard() }
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Returns the size of the blob in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(_file: &File, _bytes: &[u8], _at: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn read_at(_file: &File, _bytes: &mut [u8], _at: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
