//! Records when the announcement log last answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kapok_blobstore::clock;

const NEVER: u64 = u64::MAX;

/// The time of the last answer of the log. Reading it takes no lock.
#[derive(Debug)]
pub(crate) struct LogContact {
    since: Instant,
    /// Microseconds from `since` to the last answer.
    after_us: AtomicU64,
}

impl LogContact {
    /// Makes the record of a log that has not answered yet.
    pub(crate) fn new() -> Self {
        Self { since: clock::instant(), after_us: AtomicU64::new(NEVER) }
    }

    /// Records that the log answered just now.
    pub(crate) fn record(&self) {
        let after_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(NEVER - 1);
        self.after_us.store(after_us, Ordering::Relaxed);
    }

    /// Returns the time since the last answer; `None` if there was none yet.
    pub(crate) fn staleness(&self) -> Option<Duration> {
        match self.after_us.load(Ordering::Relaxed) {
            NEVER => None,
            after_us => Some(self.since.elapsed().saturating_sub(Duration::from_micros(after_us))),
        }
    }
}
