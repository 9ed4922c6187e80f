//! Finds the last number of a folder of numbered files, by asking for single names.
//!
//! There is no listing in it: some backends have none, and some users have no right to list.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::numbered::key;
use crate::objects::Objects;

/// Returns the last number of the folder, 0 if it is empty.
///
/// From a hint that is there it goes up, by doubling steps and then by bisection: two requests if it is the last.
/// Without one it bisects the number of binary digits first: about five requests and the logarithm of the answer.
pub(crate) async fn last_number(objects: &Objects, folder: &str, hint: u64) -> Result<u64> {
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
    objects.run.last_seen.keep(folder, low);
    Ok(low)
}

/// The numbers of a folder that are taken.
///
/// A store may answer "denied" for names that are not there, to whom has no right to list. So a name that is denied
/// counts as not there; but if none is there at all, it may well be the right to read that lacks.
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

    /// Returns a number that is there and one above it that is not, or the same twice at the end of all numbers.
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

    /// Finds such a pair among powers of two, below a number that is not there; 0 for no such number.
    async fn octave(&self, absent: u64) -> Result<(u64, u64)> {
        let end = if absent == 0 { u64::BITS } else { absent.ilog2() + 1 };
        let (mut low, mut high, mut next) = (None, end, 8);
        while next < high {
            if !self.has(1 << next).await? {
                high = next;
                break;
            }
            low = Some(next);
            next *= 2;
        }
        if low.is_none() && high > 0 && self.has(1).await? {
            low = Some(0);
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
