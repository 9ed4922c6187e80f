//! Reports how a consumer is doing.

use std::time::{Duration, SystemTime};

use kapok_blobstore::{Announcement, clock};
use kapok_index::View;

use crate::error::{Error, Result};
use crate::refresh_report::RefreshReport;
use crate::settings::FilterOutcome;

/// The state of a consumer at one moment. Every field is a plain value; reading them waits for nothing.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// The version of the view; 0 for the empty view.
    pub current: u64,
    /// The version to be on: the one that the log named when it was last read, or that was asked for since.
    pub wanted: u64,
    /// The announced version when the log was last read.
    pub announced: u64,
    /// The pinned version when the log was last read.
    pub pinned: Option<u64>,
    /// The sequence of the last announcement that was read; 0 for none.
    pub sequence: u64,
    /// When the log last answered.
    pub looked_at: Option<SystemTime>,
    /// Time since then.
    pub staleness: Option<Duration>,
    /// Whether the store could not be reached when the consumer was opened, and has not answered since: the view is of the version
    /// that this host last knew, and `looked_at` is when the log last answered any process of the host.
    pub offline: bool,
    /// Version numbers between the view and the version to be on, in either direction.
    pub lag: u64,
    /// Time since the version of the view was made, by this host's clock; `None` for the empty view.
    pub age: Option<Duration>,
    /// Record types of the view's version that the settings leave out.
    pub left_out: Vec<String>,
    /// Names in [`TypeFilter::Only`](crate::TypeFilter::Only) that the view's version does not have.
    pub unknown_types: Vec<String>,
    /// The version that the last attempt could not load or open; `None` if there is none.
    pub failing: Option<u64>,
    /// When a follower tries again by itself, after failures; an announcement is tried at once. `None` if nothing failed or
    /// nobody follows.
    pub retry_at: Option<SystemTime>,
    /// Attempts that failed since the last one that succeeded.
    pub failures: u32,
    /// Why the last attempt failed; `None` if it succeeded.
    pub last_error: Option<Error>,
    /// The report of the last refresh that swapped the view.
    pub last_refresh: Option<RefreshReport>,
    /// When that refresh swapped it.
    pub refreshed_at: Option<SystemTime>,
}

impl Status {
    /// Returns whether the view is of another version than it should be.
    pub fn is_behind(&self) -> bool {
        self.current != self.wanted
    }

    /// Returns the status with the fields that depend on the view and on the time.
    pub(crate) fn at_present(mut self, view: &View, staleness: Option<Duration>) -> Self {
        self.current = view.version();
        self.lag = self.current.abs_diff(self.wanted);
        self.staleness = staleness;
        // 0 if this clock is behind the producer's.
        let age = u64::try_from(clock::now_unix_ms().saturating_sub(view.manifest().created_unix_ms)).unwrap_or(0);
        self.age = (self.current != 0).then(|| Duration::from_millis(age));
        self
    }

    /// Records the last entry of the log.
    pub(crate) fn record_log(&mut self, latest: Option<&Announcement>) {
        if let Some(latest) = latest {
            self.sequence = latest.sequence;
            self.announced = latest.announced;
            self.pinned = latest.pinned;
            self.wanted = latest.current();
        }
    }

    /// Records how an attempt to get to the wanted version ended.
    pub(crate) fn record_attempt(&mut self, outcome: &Result<RefreshReport>) {
        match outcome {
            Ok(_) => (self.failures, self.last_error, self.failing, self.retry_at) = (0, None, None, None),
            Err(error) => {
                self.failing = error.version();
                self.failures = self.failures.saturating_add(1);
                self.last_error = Some(error.clone());
            }
        }
    }

    /// Records a refresh that is about to swap the view.
    pub(crate) fn record_refresh(&mut self, report: RefreshReport, filtered: FilterOutcome) {
        (self.left_out, self.unknown_types) = (filtered.left_out, filtered.unknown);
        self.record_attempt(&Ok(report));
        self.last_refresh = Some(report);
        self.refreshed_at = Some(clock::now());
    }
}
