//! Names of numbered files, and the last numbers that this process has seen.
//!
//! Numbers count from 1 without gaps. Files are only ever created, and no number is freed.

use std::sync::atomic::{AtomicU64, Ordering};

/// Folder of the manifests.
pub(crate) const MANIFESTS: &str = "manifests";
/// Folder of the announcements.
pub(crate) const ANNOUNCEMENTS: &str = "announcements";
/// Enough for every `u64`, so that the order of names is that of numbers.
const DIGITS: usize = 20;

/// Returns the file of a number.
pub(crate) fn key(folder: &str, number: u64) -> String {
    format!("{folder}/{number:0DIGITS$}")
}

/// Returns the number of a file of the folder, or `None` for a foreign file.
pub(crate) fn number(folder: &str, key: &str) -> Option<u64> {
    let name = key.strip_prefix(folder)?.strip_prefix('/')?;
    let digits = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| digits)
}

/// The last number that was seen in each folder: where the next search begins. A wrong one costs time only.
#[derive(Debug, Default)]
pub(crate) struct LastSeen {
    manifests: AtomicU64,
    announcements: AtomicU64,
}

impl LastSeen {
    /// Returns the number that was last seen to be the folder's last, 0 for none.
    pub(crate) fn of(&self, folder: &str) -> u64 {
        self.cell(folder).load(Ordering::Relaxed)
    }

    /// Keeps what was seen to be the folder's last number.
    pub(crate) fn keep(&self, folder: &str, last: u64) {
        self.cell(folder).store(last, Ordering::Relaxed);
    }

    fn cell(&self, folder: &str) -> &AtomicU64 {
        if folder == MANIFESTS { &self.manifests } else { &self.announcements }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_twenty_digits_and_sort_as_numbers() {
        assert_eq!(key(MANIFESTS, 7), "manifests/00000000000000000007");
        assert_eq!(key(MANIFESTS, u64::MAX), "manifests/18446744073709551615");
        assert_eq!(number(MANIFESTS, "manifests/00000000000000000007"), Some(7));
    }

    #[test]
    fn other_names_have_no_number() {
        for name in ["7", "00000000000000000007#1", "+0000000000000000007", "99999999999999999999", ""] {
            assert_eq!(number(MANIFESTS, &format!("manifests/{name}")), None, "{name}");
        }
        assert_eq!(number(MANIFESTS, "announcements/00000000000000000007"), None);
    }
}
