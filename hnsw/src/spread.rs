//! Spreads items over threads that each keep memory of their own.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use kapok_core::segment::in_parallel_on;

/// Memory of threads, lent for a while.
pub(crate) struct Workers<W>(Mutex<Vec<W>>);

/// Fewer items than this are not worth a thread.
const FEW: usize = 16;

impl<W: Send> Workers<W> {
    pub fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Calls a function with each item, and collects the results in the order of the items.
    pub fn map<T: Sync, R: Send>(
        &self,
        threads: NonZeroUsize,
        items: &[T],
        make: impl Fn() -> W + Sync,
        f: impl Fn(&mut W, &T) -> R + Sync,
    ) -> Vec<R> {
        let threads = if items.len() < FEW { NonZeroUsize::MIN } else { threads };
        let per = items.len().div_ceil(threads.get() * 4).max(1);
        let parts = in_parallel_on(threads, items.chunks(per).collect(), |items| {
            let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut worker = held.unwrap_or_else(&make);
            let results: Vec<R> = items.iter().map(|item| f(&mut worker, item)).collect();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
            results
        });
        parts.into_iter().flatten().collect()
    }
}
