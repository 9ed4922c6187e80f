//! Measures how much of what a consumer maps is in memory.

use std::path::Path;

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
        let bytes = resident_in(&std::fs::read_to_string("/proc/self/smaps")?, folder);
        metrics::resident(bytes);
        Ok(Some(bytes))
    }
}

/// Adds up the resident sizes of the mappings of files under a folder: see `proc_pid_smaps(5)`.
fn resident_in(smaps: &str, folder: &Path) -> u64 {
    let (mut bytes, mut is_ours) = (0, false);
    for line in smaps.lines() {
        if let Some(size) = line.strip_prefix("Rss:") {
            if is_ours {
                let kib = size.trim().trim_end_matches("kB").trim_end().parse::<u64>().unwrap_or(0);
                bytes += kib * 1024;
            }
        } else if let Some((head, _)) = line.split_once(' ')
            && !head.ends_with(':')
        {
            // address perms offset device inode path
            is_ours = line.split_once('/').is_some_and(|(_, path)| Path::new("/").join(path).starts_with(folder));
        }
    }
    bytes
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
        assert_eq!(resident_in(SMAPS, Path::new("/srv/films")), 16 * 1024);
        assert_eq!(resident_in(SMAPS, Path::new("/srv/films2")), 100 * 1024);
        assert_eq!(resident_in(SMAPS, Path::new("/srv/none")), 0);
    }
}
