//! Measures how much of what a consumer maps is in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::consumer::Consumer;
use crate::metrics;

impl Consumer {
    /// Measures how many bytes of the store's files, or of the cache's, are mapped into this process and in memory; `None` if the
    /// store is no folder of this host and has no cache, or the system is not Linux.
    ///
    /// Old views that are still held are included. Sets the metric `kapok_resident_bytes`. It asks the kernel, in time that
    /// grows with the mapped pages: call it when metrics are collected, not per read.
    ///
    /// # Errors
    /// An I/O error if `/proc/self/smaps` cannot be read.
    pub fn resident_bytes(&self) -> std::io::Result<Option<u64>> {
        let cache = || Some(self.store().cache()?.folder());
        let folder = self.store().local_path().or_else(cache).filter(|_| cfg!(target_os = "linux"));
        let Some(folder) = folder else { return Ok(None) };
        let bytes = Residence::of_process()?.in_folder(folder);
        metrics::resident(bytes);
        Ok(Some(bytes))
    }
}

/// How much of each map of this process is in memory: see `proc_pid_smaps(5)`.
#[derive(Debug, Default)]
pub(crate) struct Residence {
    /// By the address that it begins at: bytes in memory, and the file.
    maps: BTreeMap<usize, (u64, PathBuf)>,
    is_known: bool,
}

impl Residence {
    /// Asks the kernel; knows nothing where it is not Linux.
    ///
    /// # Errors
    /// An I/O error if `/proc/self/smaps` cannot be read.
    pub(crate) fn of_process() -> std::io::Result<Self> {
        if cfg!(target_os = "linux") {
            Ok(Self::parse(&std::fs::read_to_string("/proc/self/smaps")?))
        } else {
            Ok(Self::default())
        }
    }

    /// Returns the bytes in memory of the map of a whole file, and whether this process may write the file; `None` if that is not known.
    pub(crate) fn of_map(&self, bytes: &[u8]) -> Option<(u64, bool)> {
        match self.maps.get(&bytes.as_ptr().addr()) {
            Some((resident, path)) => Some((*resident, may_write(path))),
            // No byte of it is mapped.
            None if self.is_known && bytes.is_empty() => Some((0, true)),
            None => None,
        }
    }

    /// Adds up what is in memory of the files under a folder.
    fn in_folder(&self, folder: &Path) -> u64 {
        self.maps.values().filter(|(_, path)| path.starts_with(folder)).map(|(resident, _)| resident).sum()
    }

    fn parse(smaps: &str) -> Self {
        let (mut maps, mut current) = (BTreeMap::new(), None);
        for line in smaps.lines() {
            if let Some(size) = line.strip_prefix("Rss:") {
                if let Some((start, path)) = current.take() {
                    let kib = size.trim().trim_end_matches("kB").trim_end().parse::<u64>().unwrap_or(0);
                    maps.insert(start, (kib * 1024, path));
                }
            } else if let Some((range, _)) = line.split_once(' ')
                && !range.ends_with(':')
            {
                // address perms offset device inode path
                let start = range.split_once('-').and_then(|(start, _)| usize::from_str_radix(start, 16).ok());
                let path = line.split_once('/').map(|(_, path)| Path::new("/").join(path));
                current = start.zip(path);
            }
        }
        Self { maps, is_known: true }
    }
}

/// Returns whether this process may write a file, or owns it: to others Linux does not tell what of it is cached.
#[cfg(target_os = "linux")]
fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn may_write(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
7f00-7f10 r--s 00000000 fe:01 12   /srv/films/segments/ab c
Size:                 64 kB
Rss:                  12 kB
VmFlags: rd mr
7f10-7f20 r--s 00000000 fe:01 13   /srv/films/indexes/cd (deleted)
Rss:                   4 kB
7f20-7f30 r--s 00000000 fe:01 14   /srv/films2/segments/ef
Rss:                 100 kB
7f30-7f40 rw-p 00000000 00:00 0
Rss:                 200 kB
7f40-7f50 rw-p 00000000 00:00 0    [heap]
Rss:                 400 kB
";

    #[test]
    fn only_files_of_the_folder_count() {
        let residence = Residence::parse(SMAPS);
        assert_eq!(residence.in_folder(Path::new("/srv/films")), 16 * 1024);
        assert_eq!(residence.in_folder(Path::new("/srv/films2")), 100 * 1024);
        assert_eq!(residence.in_folder(Path::new("/srv/none")), 0);
    }
}
