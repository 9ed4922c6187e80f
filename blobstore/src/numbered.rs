//! How does a folder of numbered files grow?
//!
//! Names count from 1 without gaps, are only ever created, and are never freed. So the last one is found by asking for
//! single names, with no listing, which some backends lack.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
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

/// The last number that was seen in each folder: where the next search begins. A wrong one costs time only.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    manifests: AtomicU64,
    announcements: AtomicU64,
}

impl Hints {
    /// The number that was last seen to be the folder's last, 0 for none.
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

/// The last number of the folder, 0 where it is empty.
///
/// From a hint that is there it goes up, by doubling steps and then by bisection: two requests where it is the last.
/// Without one it bisects the number of binary digits first: about six requests and the logarithm of the answer.
pub(crate) async fn tail(objects: &Objects, folder: &str, hint: u64) -> Result<u64> {
    let numbers = Numbers { objects, folder, denied: Mutex::default() };
    let (mut low, mut high) =
        if hint > 0 && numbers.has(hint).await? { numbers.above(hint).await? } else { numbers.octave(hint).await? };
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if numbers.has(middle).await? {
            low = middle;
        } else {
            high = middle;
        }
    }
    if let Some(error) = numbers.denied.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if low == 0 {
            return Err(error);
        }
        objects.saw_missing_hidden();
    }
    objects.run.hints.keep(folder, low);
    Ok(low)
}

/// The numbers of a folder that are taken.
///
/// A store may answer "denied" for names that are not there, to whom has no right to list. So a name that is denied counts
/// as not there; but where none is there at all, it may well be the right to read that lacks.
struct Numbers<'a> {
    objects: &'a Objects,
    folder: &'a str,
    denied: Mutex<Option<Error>>,
}

impl Numbers<'_> {
    async fn has(&self, number: u64) -> Result<bool> {
        match self.objects.look(&key(self.folder, number)).await {
            Ok(found) => Ok(found.is_some()),
            Err(error @ Error::Denied { .. }) => {
                *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// A number that is there and one above it that is not, or the same twice at the end of all numbers.
    async fn above(&self, there: u64) -> Result<(u64, u64)> {
        let (mut low, mut step) = (there, 1_u64);
        loop {
            let next = low.saturating_add(step);
            if next == low || !self.has(next).await? {
                return Ok((low, next));
            }
            low = next;
            step = step.saturating_mul(2);
        }
    }

    /// The same by powers of two, below a number that is not there; 0 for no such number.
    async fn octave(&self, absent: u64) -> Result<(u64, u64)> {
        let end = if absent == 0 { u64::BITS } else { absent.ilog2() + 1 };
        let (mut low, mut high, mut next) = (None, end, 0);
        while next < high {
            if !self.has(1 << next).await? {
                high = next;
                break;
            }
            low = Some(next);
            next = if next == 0 { 8 } else { next * 2 };
        }
        let Some(mut low) = low else { return Ok((0, 1)) };
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.has(1 << middle).await? {
                low = middle;
            } else {
                high = middle;
            }
        }
        let above = if high == u64::BITS { u64::MAX } else { 1 << high };
        Ok((1 << low, if absent == 0 { above } else { above.min(absent) }))
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
