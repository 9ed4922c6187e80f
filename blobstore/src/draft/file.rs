//! The file of a draft: made with all of its space, and locked, removed unless it is moved to its place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::blob_id::BlobId;
use crate::error::{Error, Result};
use crate::failure::failure;
use crate::local_file;
use crate::mapping::WritableMap;
use crate::token::fresh_token;

/// A file of a folder of blobs that is no blob yet. It stays locked for as long as it is one: a cache evicts what nobody has locked.
#[derive(Debug)]
pub(crate) struct DraftFile {
    file: File,
    path: PathBuf,
    /// Whether it is no draft any more.
    is_moved: bool,
}

impl DraftFile {
    /// Makes an empty file in a folder that is there. `None` if its file system may fail to write in place.
    pub(crate) fn create(folder: &Path) -> Result<Option<Self>> {
        if !writes_in_place(folder) {
            return Ok(None);
        }
        // It becomes a blob whose hash is not known yet.
        let path = folder.join(format!("{}#1", BlobId::of(&fresh_token())));
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|source| failed("write", &path, source))?;
        let draft = Self { file, path, is_moved: false };
        draft.file.lock().map_err(|source| draft.failed("lock", source))?;
        Ok(Some(draft))
    }

    /// Takes the space of so many bytes.
    pub(crate) fn allocate(&self, len: usize) -> io::Result<()> {
        local_file::allocate(&self.file, len as u64)
    }

    /// Writes zeros, for which all space is there then, and maps the file.
    pub(crate) fn map(&self, len: usize) -> Result<WritableMap> {
        let zeros = vec![0; len.min(FILLED_AT_ONCE)];
        let mut file = &self.file;
        for at in (0..len).step_by(FILLED_AT_ONCE) {
            let some = &zeros[..FILLED_AT_ONCE.min(len - at)];
            io::Write::write_all(&mut file, some).map_err(|source| self.failed("write", source))?;
        }
        WritableMap::new(&self.file, len).map_err(|source| self.failed("map", source))
    }

    /// Flushes the file and moves it to its place, durably. A file that is there already stays for those that have it open.
    pub(crate) fn move_to(mut self, place: &Path) -> object_store::Result<()> {
        let failed = |source| local_file::failed(place, source);
        // The age of a blob counts from its put.
        self.file.set_modified(crate::clock::now()).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        fs::rename(&self.path, place).map_err(failed)?;
        self.is_moved = true;
        // Kept with the map, so that no cache evicts what its maker reads.
        self.file.lock_shared().map_err(failed)?;
        let folder = place.parent().unwrap_or(place);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    pub(crate) fn failed(&self, operation: &'static str, source: io::Error) -> Error {
        failed(operation, &self.path, source)
    }
}

impl Drop for DraftFile {
    fn drop(&mut self) {
        if !self.is_moved {
            // What stays is an orphan, which gc removes.
            _ = fs::remove_file(&self.path);
        }
    }
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> Error {
    failure(operation, path.display().to_string(), local_file::failed(path, source))
}

/// Bytes of zeros that are written by one call.
const FILLED_AT_ONCE: usize = 4 << 20;

/// Returns whether what is written again into a file of a folder takes no new space, so that it cannot fail for want of it. That is so where
/// a map may be written: the program ends if it fails.
#[cfg(target_os = "linux")]
fn writes_in_place(folder: &Path) -> bool {
    /// ext2 to ext4, XFS, tmpfs: see `statfs(2)`.
    const IN_PLACE: [u64; 3] = [0xef53, 0x5846_5342, 0x0102_1994];
    rustix::fs::statfs(folder)
        .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|found| IN_PLACE.contains(&found)))
}

#[cfg(not(target_os = "linux"))]
fn writes_in_place(_folder: &Path) -> bool {
    false
}
