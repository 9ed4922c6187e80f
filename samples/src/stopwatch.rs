//! Measures the work of a thread, so that a machine that is busy with other things fails no test.

#![expect(clippy::missing_panics_doc, reason = "for tests")]
#![cfg_attr(unix, expect(clippy::unwrap_used, reason = "for tests"))]
#![allow(clippy::disallowed_methods, reason = "tests may measure")]

use std::time::{Duration, Instant};

/// Runs from its start on.
#[derive(Debug)]
pub struct Stopwatch {
    begun: Instant,
    #[cfg(unix)]
    worked: Duration,
}

impl Stopwatch {
    /// Starts one.
    #[must_use = "it measures from here on"]
    pub fn start() -> Self {
        Self {
            begun: Instant::now(),
            #[cfg(unix)]
            worked: thread_time(),
        }
    }

    /// Returns the time that the thread has worked since the start, where the system tells, or else the time since then.
    pub fn worked(&self) -> Duration {
        #[cfg(unix)]
        return thread_time().saturating_sub(self.worked);
        #[cfg(not(unix))]
        self.begun.elapsed()
    }

    /// Asserts that the thread has worked no longer than that since the start, and waited no longer than a minute.
    #[track_caller]
    pub fn assert_within(&self, max: Duration, what: &str) {
        let (worked, elapsed) = (self.worked(), self.begun.elapsed());
        assert!(worked < max && elapsed < Duration::from_mins(1), "{what} took {worked:?} of {elapsed:?}");
    }
}

#[cfg(unix)]
fn thread_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}
