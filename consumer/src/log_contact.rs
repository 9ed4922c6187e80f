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
    /// Microseconds from the last answer that an earlier process had to `since`.
    before_us: AtomicU64,
}

impl LogContact {
    /// Makes the record of a log that has not answered yet.
    pub(crate) fn new() -> Self {
        Self { since: clock::instant(), after_us: AtomicU64::new(NEVER), before_us: AtomicU64::new(NEVER) }
    }

    /// Records that the log answered just now.
    pub(crate) fn record(&self) {
        let after_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(NEVER - 1);
        self.after_us.store(after_us, Ordering::Relaxed);
    }

    /// Records that the log answered an earlier process so long ago, for as long as it does not answer this one.
    pub(crate) fn recall(&self, age: Duration) {
        let age = age.saturating_sub(self.since.elapsed());
        self.before_us.store(u64::try_from(age.as_micros()).unwrap_or(NEVER - 1), Ordering::Relaxed);
    }

    /// Forgets the answer to an earlier process.
    pub(crate) fn forget(&self) {
        self.before_us.store(NEVER, Ordering::Relaxed);
    }

    /// Returns the time since the last answer; `None` if there was none yet.
    pub(crate) fn staleness(&self) -> Option<Duration> {
        let elapsed = self.since.elapsed();
        match (self.after_us.load(Ordering::Relaxed), self.before_us.load(Ordering::Relaxed)) {
            (NEVER, NEVER) => None,
            (NEVER, before_us) => Some(elapsed.saturating_add(Duration::from_micros(before_us))),
            (after_us, _) => Some(elapsed.saturating_sub(Duration::from_micros(after_us))),
        }
    }
}
