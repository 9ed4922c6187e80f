//! Maps files into memory: read-only, but for drafts of blobs.
//!
//! This is the only file of the crate with unsafe code: a map, whole and read-only, another that a draft is written in, and
//! advice about maps.

#![expect(unsafe_code, reason = "mapping a file is unsafe; it is done here and nowhere else")]

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memmap2::{Mmap, MmapMut, MmapOptions};

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
    Ok(Bytes::from_owner(Counted::new(map)))
}

/// The maps of this process: where each begins, and its length.
static MAPS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// A map that is known as one as long as it lives.
struct Counted(Mmap);

impl Counted {
    fn new(map: Mmap) -> Self {
        maps().insert(map.as_ptr().addr(), map.len());
        Self(map)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        maps().remove(&self.0.as_ptr().addr());
    }
}

fn maps() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    MAPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether bytes lie in a map of a file, by this crate, and not on the heap.
pub fn is_mapped(bytes: &[u8]) -> bool {
    let start = bytes.as_ptr().addr();
    let before = maps().range(..=start).next_back().map(|(start, len)| (*start, *len));
    before.is_some_and(|(from, len)| start + bytes.len() <= from + len)
}

/// Returns how many of mapped bytes are in the page cache of this host, whichever process has read them; `None` if the system does
/// not tell, or the bytes are not mapped.
///
/// Linux tells who owns the file or may write it; to others it says that all is there, so ask only as such a one.
#[cfg(target_os = "linux")]
pub fn cached_bytes(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !is_mapped(bytes) || !bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES) {
        return None;
    }
    let page = rustix::param::page_size();
    let mut states = vec![0_u8; bytes.len().div_ceil(page)];
    // SAFETY: the range is that of a live slice of a map, begins on a page, and ends within the map's last page; the vector has a byte
    // for each of its pages. mincore reads nothing but the state of these pages, and writes nothing but the vector (mincore(2)).
    let told = unsafe { libc::mincore(bytes.as_ptr().cast_mut().cast(), bytes.len(), states.as_mut_ptr()) };
    let pages = states.iter().filter(|state| **state & 1 == 1).count() as u64;
    (told == 0).then(|| (pages * page as u64).min(bytes.len() as u64))
}

/// Returns `None`: only Linux is asked.
#[cfg(not(target_os = "linux"))]
pub fn cached_bytes(_bytes: &[u8]) -> Option<u64> {
    None
}

/// A map of a file that is being written.
#[derive(Debug)]
pub(crate) struct WritableMap(MmapMut);

impl WritableMap {
    /// Maps a whole file of this length, which has all of its space.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Self> {
        // SAFETY: nobody else may write the file or shorten it while it is mapped. It is a draft of a folder's blob, which was
        // created a moment ago under a name that nobody else has, and is opened by nobody: gc and other producers know it as
        // an orphan, which is unlinked at most, and that leaves the mapped inode as it is. To write it takes no new space, so
        // that does not fail for want of it (`DraftFile::create`). Whoever shortens files of a store by other means breaks
        // this contract, as with `map`.
        let map = unsafe { MmapOptions::new().len(len).map_mut(file)? };
        Ok(Self(map))
    }

    /// Ends the writing. The map lives until the last clone of the bytes is dropped.
    pub(crate) fn into_bytes(self) -> io::Result<Bytes> {
        Ok(Bytes::from_owner(Counted::new(self.0.make_read_only()?)))
    }
}

impl AsRef<[u8]> for WritableMap {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for WritableMap {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Bytes from one read byte to the next: no page is smaller.
const PAGE_BYTES: usize = 4096;

/// Bytes of the pages that are asked for.
#[cfg(target_os = "linux")]
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Reads each page of mapped bytes, so that it is in memory: by pages of 2 MiB where the file system has large folios, which need
/// fewer entries of the processor's table of addresses.
///
/// Pages that are in memory already stay as they are. Other bytes are read, too, and nothing else.
pub fn bring_in(bytes: &[u8]) {
    #[cfg(target_os = "linux")]
    ask_for_huge_pages(bytes);
    black_box(bytes.iter().step_by(PAGE_BYTES).fold(0, |all, byte| all ^ byte));
}

/// Asks the kernel to read the file behind a map by huge pages. What it makes of that changes no byte.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(bytes: &[u8]) {
    let start = bytes.as_ptr().align_offset(PAGE_BYTES);
    let Some(whole) = bytes.get(start..).filter(|bytes| bytes.len() >= HUGE_PAGE_BYTES) else { return };
    // SAFETY: the range is that of a live slice up to the end of its last page, so it is mapped, and begins on a page. MADV_HUGEPAGE
    // sets a flag of the map by which later faults choose the size of pages: it neither changes nor frees memory (madvise(2)).
    // Its failure is none here.
    _ = unsafe { libc::madvise(whole.as_ptr().cast_mut().cast(), whole.len(), libc::MADV_HUGEPAGE) };
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;
    use std::path::Path;

    use super::{HUGE_PAGE_BYTES, bring_in, cached_bytes, is_mapped, map_input};

    /// The lines of `/proc/self/smaps` about the map that begins at an address: see `proc_pid_smaps(5)`.
    fn lines_of(start: usize) -> Vec<String> {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let lines = smaps.lines().skip_while(|line| !line.starts_with(&format!("{start:x}-")));
        let mut lines: Vec<String> = lines.take(40).map(str::to_owned).collect();
        lines.truncate(lines.iter().position(|line| line.starts_with("VmFlags")).unwrap() + 1);
        lines
    }

    #[test]
    fn maps_are_told_from_the_heap_as_long_as_they_live() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 70_000]).unwrap();
        let bytes = map_input(&file).unwrap();
        assert!(is_mapped(&bytes) && is_mapped(&bytes[1..]) && is_mapped(&bytes[69_999..]));
        assert_eq!(cached_bytes(&bytes), Some(70_000), "it was written a moment ago");
        assert_eq!((cached_bytes(&bytes[1..]), cached_bytes(&[])), (None, None));
        let heap = vec![0; 70_000];
        assert!(!is_mapped(&heap));
        assert_eq!(cached_bytes(&heap), None);
        let start = bytes.as_ptr().addr();
        drop(bytes);
        assert!(!super::maps().contains_key(&start));
    }

    #[test]
    fn what_is_brought_in_is_in_memory_and_asked_for_by_huge_pages() {
        let mut file = tempfile::tempfile().unwrap();
        let len = 2 * HUGE_PAGE_BYTES + 5000;
        file.write_all(&vec![1; len]).unwrap();
        let bytes = map_input(&file).unwrap();
        bring_in(&bytes);
        let lines = lines_of(bytes.as_ptr().addr());
        let kib = len.next_multiple_of(4096) / 1024;
        let is_resident = |line: &String| line.starts_with("Rss:") && line.ends_with(&format!(" {kib} kB"));
        assert!(lines.iter().any(is_resident), "{lines:?}");
        if Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            assert!(lines.last().unwrap().contains(" hg"), "{lines:?}");
        }
        // Short bytes, and such as are not mapped, are read and nothing else.
        bring_in(&bytes[7..5000]);
        bring_in(&[]);
        bring_in(&vec![0; 3 * HUGE_PAGE_BYTES]);
    }
}
