//! How does a folder of numbered files grow?
//!
//! Names count from 1 without gaps, are only ever created, and are never freed. So the last one is found by asking for
//! single names, with no listing, which some backends lack.

use crate::error::Result;
use crate::objects::Objects;

/// Where versions live.
pub(crate) const MANIFESTS: &str = "manifests";
/// Where the log lives.
pub(crate) const ANNOUNCEMENTS: &str = "announcements";
/// Enough for every `u64`, so that the order of names is that of numbers.
const DIGITS: usize = 20;

/// The file of a number.
pub(crate) fn key(folder: &str, number: u64) -> String {
    format!("{folder}/{number:0DIGITS$}")
}

/// The number of a file of the folder, or `None` for a foreign file.
pub(crate) fn number(folder: &str, key: &str) -> Option<u64> {
    let name = key.strip_prefix(folder)?.strip_prefix('/')?;
    let digits = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| digits)
}

/// The last number of the folder, 0 where it is empty: up from the hint by doubling, then by bisection.
///
/// A hint that is too high, or of another store, costs time only.
pub(crate) async fn tail(objects: &Objects, folder: &str, hint: u64) -> Result<u64> {
    let exists = async |number| Ok::<_, crate::Error>(objects.look(&key(folder, number)).await?.is_some());
    let mut low = hint;
    let mut step = 1_u64;
    let mut high = loop {
        let next = low.saturating_add(step);
        if next == low || !exists(next).await? {
            break next;
        }
        low = next;
        step = step.saturating_mul(2);
    };
    if low == hint && hint > 0 && !exists(hint).await? {
        (low, high) = (0, hint);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if exists(middle).await? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
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
