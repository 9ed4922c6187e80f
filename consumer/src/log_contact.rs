//! How long ago did the announcement log last answer? Asked without waiting for anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kapok_blobstore::clock;

const NEVER: u64 = u64::MAX;

/// When the log last answered.
#[derive(Debug)]
pub(crate) struct LogContact {
    since: Instant,
    /// Microseconds from `since` to the last answer.
    after_us: AtomicU64,
}

impl LogContact {
    pub(crate) fn never() -> Self {
        Self { since: clock::instant(), after_us: AtomicU64::new(NEVER) }
    }

    /// The log answered just now.
    pub(crate) fn now(&self) {
        let after_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(NEVER - 1);
        self.after_us.store(after_us, Ordering::Relaxed);
    }

    /// Time since the last answer; `None` where there was none yet.
    pub(crate) fn staleness(&self) -> Option<Duration> {
        match self.after_us.load(Ordering::Relaxed) {
            NEVER => None,
            after_us => Some(self.since.elapsed().saturating_sub(Duration::from_micros(after_us))),
        }
    }
}
