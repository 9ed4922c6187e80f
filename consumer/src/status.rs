//! How is a consumer doing?

use std::time::SystemTime;

use kapok_blobstore::Announcement;

use crate::error::{Error, Result};
use crate::refresh::Refreshed;

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
    /// Attempts that failed since the last one that succeeded.
    pub failures: u32,
    /// Why the last attempt failed; `None` where it succeeded.
    pub last_error: Option<Error>,
    /// The last refresh that swapped the view.
    pub last_refresh: Option<Refreshed>,
    /// When it did.
    pub refreshed_at: Option<SystemTime>,
}

impl Status {
    /// Whether the view is of another version than it should be.
    pub fn is_behind(&self) -> bool {
        self.current != self.wanted
    }

    /// The log was read to its end.
    pub(crate) fn saw_log(&mut self, latest: Option<&Announcement>) {
        self.looked_at = Some(SystemTime::now());
        if let Some(latest) = latest {
            self.sequence = latest.sequence;
            self.announced = latest.announced;
            self.pinned = latest.pinned;
            self.wanted = latest.current();
        }
    }

    /// An attempt to get to the wanted version is over.
    pub(crate) fn attempted(&mut self, outcome: &Result<Refreshed>) {
        match outcome {
            Ok(_) => (self.failures, self.last_error) = (0, None),
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.last_error = Some(error.clone());
            }
        }
    }

    /// The view is about to be swapped.
    pub(crate) fn refreshed(&mut self, refreshed: Refreshed) {
        self.attempted(&Ok(refreshed));
        self.last_refresh = Some(refreshed);
        self.refreshed_at = Some(SystemTime::now());
    }
}
