//! How is a consumer doing?

use std::time::{Duration, SystemTime};

use kapok_blobstore::{Announcement, clock};
use kapok_index::View;

use crate::error::{Error, Result};
use crate::refresh::RefreshReport;
use crate::settings::Narrowed;

/// How a consumer is doing, as of now. Every field is a plain value; reading them waits for nothing.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// The version of the view; 0 for the empty view.
    pub current: u64,
    /// The version to be on: what the log said when it was last read, or what was asked for since.
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
    /// Version numbers between the view and the version to be on, in either direction.
    pub lag: u64,
    /// Time since the version of the view was made, by this host's clock; `None` for the empty view.
    pub age: Option<Duration>,
    /// Record types of the view's version that the settings leave out.
    pub left_out: Vec<String>,
    /// Names in [`TypeFilter::Only`](crate::TypeFilter::Only) that the view's version does not have.
    pub unknown_types: Vec<String>,
    /// The version that the last attempt could not load or open; `None` where there is no such trouble.
    pub failing: Option<u64>,
    /// When a follower tries again by itself, after failures; an announcement is tried at once. `None` where nothing
    /// failed, or nobody follows.
    pub retry_at: Option<SystemTime>,
    /// Attempts that failed since the last one that succeeded.
    pub failures: u32,
    /// Why the last attempt failed; `None` where it succeeded.
    pub last_error: Option<Error>,
    /// The last refresh that swapped the view.
    pub last_refresh: Option<RefreshReport>,
    /// When it did.
    pub refreshed_at: Option<SystemTime>,
}

impl Status {
    /// Whether the view is of another version than it should be.
    pub fn is_behind(&self) -> bool {
        self.current != self.wanted
    }

    /// With what depends on the view and on the time.
    pub(crate) fn now(mut self, view: &View, staleness: Option<Duration>) -> Self {
        self.current = view.version();
        self.lag = self.current.abs_diff(self.wanted);
        self.staleness = staleness;
        // A clock that is behind the producer's makes it 0.
        let age = u64::try_from(clock::now_unix_ms().saturating_sub(view.manifest().created_unix_ms)).unwrap_or(0);
        self.age = (self.current != 0).then(|| Duration::from_millis(age));
        self
    }

    /// The log was read to its end.
    pub(crate) fn saw_log(&mut self, latest: Option<&Announcement>) {
        if let Some(latest) = latest {
            self.sequence = latest.sequence;
            self.announced = latest.announced;
            self.pinned = latest.pinned;
            self.wanted = latest.current();
        }
    }

    /// An attempt to get to the wanted version is over.
    pub(crate) fn attempted(&mut self, outcome: &Result<RefreshReport>) {
        match outcome {
            Ok(_) => (self.failures, self.last_error, self.failing, self.retry_at) = (0, None, None, None),
            Err(error) => {
                self.failing = error.version();
                self.failures = self.failures.saturating_add(1);
                self.last_error = Some(error.clone());
            }
        }
    }

    /// The view is about to be swapped.
    pub(crate) fn refreshed(&mut self, refreshed: RefreshReport, narrowed: Narrowed) {
        (self.left_out, self.unknown_types) = (narrowed.left_out, narrowed.unknown);
        self.attempted(&Ok(refreshed));
        self.last_refresh = Some(refreshed);
        self.refreshed_at = Some(clock::now());
    }
}
