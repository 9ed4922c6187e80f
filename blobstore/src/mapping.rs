//! Maps files into memory, read-only.
//!
//! This is the only file of the crate with unsafe code: one map, whole and read-only.

#![expect(unsafe_code, reason = "mapping a file is unsafe; it is done here and nowhere else")]

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::MmapOptions;

/// Maps a whole file that is no part of a store, such as the input of a program, read-only. The map lives until the last clone of
/// the bytes is dropped. An empty file gives empty bytes.
///
/// Nobody may change or shorten the file meanwhile: whoever does, changes bytes under their reader, or ends the program.
///
/// # Errors
/// Those of the operating system, and if the file is larger than memory can address.
pub fn map_input(file: &File) -> io::Result<Bytes> {
    map(file, file.metadata()?.len())
}

/// Maps a whole file, read-only, which was seen to have this length. The map starts on a page and lives until the last clone
/// of the bytes is dropped.
///
/// An empty file cannot be mapped and gives empty bytes.
pub(crate) fn map(file: &File, size: u64) -> io::Result<Bytes> {
    if size == 0 {
        return Ok(Bytes::new());
    }
    let len = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // SAFETY: the bytes behind a map must not change and the file must not shrink while it is mapped.
    // Files of a store are written beside their place, flushed and then moved into it; nothing in this
    // crate opens one for writing again or truncates it, it is only replaced by name or unlinked (I1),
    // and both leave the mapped inode as it is. Whoever truncates files of a store by other means breaks
    // this contract; the crate's front page says so. For other files `map_input` hands it on to its caller.
    let map = unsafe { MmapOptions::new().len(len).map(file)? };
    Ok(Bytes::from_owner(map))
}
