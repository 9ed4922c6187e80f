//! Maps files into memory, read-only. Small ones are read: that takes less time than a map and its first page fault.
//!
//! This is the only file of the crate with unsafe code: one map, whole and read-only.

#![expect(unsafe_code, reason = "mapping a file is unsafe; it is done here and nowhere else")]

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use memmap2::MmapOptions;

use crate::alignment::aligned;

/// Files up to this size are read.
const READ_BYTES_MAX: u64 = 16 << 10;

/// Maps a whole file that is no part of a store, such as the input of a program, read-only. The map lives until the last clone of
/// the bytes is dropped. An empty file gives empty bytes.
///
/// Nobody may change or shorten the file meanwhile: whoever does, changes bytes under their reader, or ends the program.
///
/// # Errors
/// Those of the operating system, and if the file is larger than memory can address.
pub fn map_input(file: &File) -> io::Result<Bytes> {
    match file.metadata()?.len() {
        0 => Ok(Bytes::new()),
        size => map_whole(file, size),
    }
}

/// Maps a whole file that is at its start, read-only, which was seen to have this length. The map starts on a page, and a small file, which is read,
/// at a multiple of eight bytes; either lives until the last clone of the bytes is dropped.
pub(crate) fn map(mut file: &File, size: u64) -> io::Result<Bytes> {
    if size <= READ_BYTES_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "it is small")]
        let mut bytes = vec![0; size as usize];
        file.read_exact(&mut bytes)?;
        return Ok(aligned(Bytes::from(bytes)));
    }
    map_whole(file, size)
}

/// Maps a file that is not empty.
fn map_whole(file: &File, size: u64) -> io::Result<Bytes> {
    let len = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // SAFETY: the bytes behind a map must not change and the file must not shrink while it is mapped.
    // Files of a store are written beside their place, flushed and then moved into it; nothing in this
    // crate opens one for writing again or truncates it, it is only replaced by name or unlinked (I1),
    // and both leave the mapped inode as it is. Whoever truncates files of a store by other means breaks
    // this contract; the crate's front page says so. For other files `map_input` hands it on to its caller.
    let map = unsafe { MmapOptions::new().len(len).map(file)? };
    Ok(Bytes::from_owner(map))
}
