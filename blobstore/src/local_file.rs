//! Opens, reads and maps files of a folder of this host, by calls that wait for the disk.
//!
//! A FIFO in the place of a file would be waited for until somebody writes to it, by a thread that cannot be stopped.
//! So a file is opened without waiting, and looked at before it is read. Each function is for a thread that may wait:
//! see [`blocking`](crate::one_task::blocking).

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use object_store::Error as BackendError;

use crate::error::{Error, Result};
use crate::failure::{NotAFile, failure};
use crate::mapping;
use crate::sealed_file::{HEADER_BYTES, SEALED_BYTES_MAX, check_header};

/// Opens a regular file, and looks at it.
pub(crate) fn open(path: &Path) -> object_store::Result<(File, Metadata)> {
    let file = open_at_once(path).map_err(|source| failed(path, source))?;
    let metadata = file.metadata().map_err(|source| failed(path, source))?;
    check_kind(&metadata)?;
    Ok((file, metadata))
}

/// Looks at a regular file.
pub(crate) fn look(path: &Path) -> object_store::Result<Metadata> {
    let metadata = std::fs::metadata(path).map_err(|source| failed(path, source))?;
    check_kind(&metadata)?;
    Ok(metadata)
}

/// Returns whether there is a regular file. To be told that there is none costs no more than the question.
pub(crate) fn is_there(path: &Path) -> object_store::Result<bool> {
    match std::fs::metadata(path) {
        Ok(metadata) => check_kind(&metadata).map(|()| true),
        Err(source) if is_missing(&source) => Ok(false),
        Err(source) => Err(failed(path, source)),
    }
}

/// Returns a whole sealed file, or `None` if there is none. `name` is for the error.
pub(crate) fn read_sealed(path: &Path, name: &str) -> Result<Option<Bytes>> {
    let Some((file, metadata)) = open_if_there(path, name)? else { return Ok(None) };
    check_sealed_size(name, metadata.len())?;
    match read_whole(file, name, metadata.len()) {
        Ok(read) => read.map(Some),
        Err(source) => Err(Error::Io { operation: "read", path: path.to_owned(), source }),
    }
}

/// Returns a map of a whole file, or `None` if there is none. `accept` sees its length before it is mapped.
pub(crate) fn map(path: &Path, name: &str, accept: impl FnOnce(u64) -> Result<()>) -> Result<Option<Bytes>> {
    let Some((file, metadata)) = open_if_there(path, name)? else { return Ok(None) };
    accept(metadata.len())?;
    let map = mapping::map(&file, metadata.len());
    map.map(Some).map_err(|source| Error::Io { operation: "map", path: path.to_owned(), source })
}

/// Refuses a length that no sealed file has.
pub(crate) fn check_sealed_size(name: &str, size: u64) -> Result<()> {
    if size <= SEALED_BYTES_MAX {
        return Ok(());
    }
    let (expected, found) = (format!("at most {SEALED_BYTES_MAX} bytes"), format!("{size} bytes"));
    Err(Error::corrupt(name, SEALED_BYTES_MAX, expected, found))
}

/// Reads a sealed file of this length, its header first.
pub(crate) fn read_whole(mut file: File, name: &str, size: u64) -> io::Result<Result<Bytes>> {
    let mut header = [0; HEADER_BYTES];
    let mut all = Vec::new();
    if size >= HEADER_BYTES as u64 {
        file.read_exact(&mut header)?;
        if let Err(error) = check_header(name, &header, size) {
            return Ok(Err(error));
        }
        // The header agrees with this length: it may be believed.
        all.reserve_exact(usize::try_from(size).unwrap_or(0));
        all.extend_from_slice(&header);
    }
    file.take(size.min(SEALED_BYTES_MAX).saturating_sub(all.len() as u64)).read_to_end(&mut all)?;
    Ok(Ok(Bytes::from(all)))
}

/// Gives a new file its length and, if that can be had, its space, so that a disk without room is noticed at once.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        match fallocate(file, FallocateFlags::empty(), 0, len) {
            // There are file systems without it, and files of no length: what is written finds out.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            done => return Ok(done?),
        }
    }
    file.set_len(len)
}

fn open_if_there(path: &Path, name: &str) -> Result<Option<(File, Metadata)>> {
    match open(path) {
        Ok(opened) => Ok(Some(opened)),
        Err(BackendError::NotFound { .. }) => Ok(None),
        Err(source) => Err(failure("read", name.to_owned(), source)),
    }
}

/// Opens for reading, without waiting for a writer of a FIFO or for a device.
fn open_at_once(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.open(path)
}

fn check_kind(metadata: &Metadata) -> object_store::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(generic(NotAFile { found: kind(metadata) }.into())) }
}

#[cfg(unix)]
fn kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() { "a folder" } else { "a device" }
}

/// Returns the error of a backend for what the system said of a path.
pub(crate) fn failed(path: &Path, source: io::Error) -> BackendError {
    let name = path.display().to_string();
    match source.kind() {
        _ if is_missing(&source) => BackendError::NotFound { path: name, source: source.into() },
        io::ErrorKind::PermissionDenied => BackendError::PermissionDenied { path: name, source: source.into() },
        // A socket cannot be opened at all.
        _ if is_socket(path) => generic(NotAFile { found: "a socket" }.into()),
        _ => generic(source.into()),
    }
}

fn is_missing(source: &io::Error) -> bool {
    matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && kind(&metadata) == "a socket")
}

/// Returns an error of a folder that has no kind of its own.
pub(crate) fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> BackendError {
    BackendError::Generic { store: "folder", source }
}
