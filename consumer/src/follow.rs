//! When does a consumer look for news by itself?
//!
//! It asks for the one next entry of the log, one GET per poll. A hint means "poll now" and nothing more, so a lost, a
//! doubled or a late one costs time, never correctness.

use std::time::{Duration, Instant};

use kapok_blobstore::Hints;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::consumer::Consumer;
use crate::measure;

/// The shortest wait between two polls, whatever the settings say.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// After so many polls without news the whole log is looked for, since a store that is gone has no news either.
const QUIET_POLLS_MAX: u32 = 60;

/// How closely a follower follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowSettings {
    /// The wait between two polls; each is varied by up to a tenth, so that many consumers do not poll at once. Default:
    /// one second.
    pub poll: Duration,
    /// The longest wait after failures; each in a row doubles the wait, from `poll` on. Default: 30 seconds.
    pub backoff_max: Duration,
    /// Whether a local store's folder is watched, so that news come at once. Default: [`Watch::Folder`].
    pub watch: Watch,
}

/// Where hints come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Watch {
    /// From the store's folder, where it has one.
    Folder,
    /// From nowhere.
    Nothing,
}

impl Default for FollowSettings {
    fn default() -> Self {
        Self { poll: Duration::from_secs(1), backoff_max: Duration::from_secs(30), watch: Watch::Folder }
    }
}

impl FollowSettings {
    /// The wait after so many failures in a row.
    fn backoff(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.poll.saturating_mul(doubled).min(self.backoff_max.max(self.poll))
    }
}

/// Follows the announcement log until it is dropped.
#[derive(Debug)]
#[must_use = "it follows until it is dropped"]
pub struct Follower {
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A refresh that is cut off has changed nothing.
        self.task.abort();
    }
}

impl Consumer {
    /// Follows the announcement log in a task of its own, beginning at once, until the handle is dropped.
    ///
    /// A failure is told by [`status`](Self::status). News are looked for all the same, so whatever is announced next is
    /// tried at once; the version that failed is tried again at growing intervals.
    pub fn follow(&self, settings: FollowSettings) -> Follower {
        let follow =
            Follow { consumer: self.clone(), settings, retry_at: Some(Instant::now()), failures: 0, quiet_polls: 0 };
        Follower { task: self.inner().runtime().spawn(follow.run()) }
    }
}

struct Follow {
    consumer: Consumer,
    settings: FollowSettings,
    /// When to look into the log although no entry is known to be new.
    retry_at: Option<Instant>,
    failures: u32,
    /// Polls without news since the log was last read to its end.
    quiet_polls: u32,
}

impl Follow {
    async fn run(mut self) {
        let hints = self.watch();
        loop {
            let wait = self.round().await.mul_f64(rand::random_range(0.9..1.1)).max(WAIT_MIN);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = hinted(hints.as_ref()) => {}
            }
        }
    }

    fn watch(&self) -> Option<Hints> {
        if self.settings.watch == Watch::Nothing {
            return None;
        }
        self.consumer.store().watch().unwrap_or_else(|error| {
            warn!(%error, "polling only");
            None
        })
    }

    /// Polls, refreshes where there may be something to do, and says how long to wait.
    async fn round(&mut self) -> Duration {
        let polled = self.poll().await;
        self.quiet_polls += 1;
        let due = self.retry_at.is_some_and(|at| at <= Instant::now()) || self.quiet_polls > QUIET_POLLS_MAX;
        if due || polled != Polled::NoNews {
            self.quiet_polls = 0;
            if self.consumer.refresh().await.is_ok() {
                (self.failures, self.retry_at) = (0, None);
            } else {
                self.failures = self.failures.saturating_add(1);
                self.retry_at = Instant::now().checked_add(self.settings.backoff(self.failures));
            }
        }
        let retry_in = self.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
        match polled {
            // It was a passing failure where the refresh succeeded.
            Polled::Failed => retry_in.unwrap_or(self.settings.poll),
            _ => retry_in.map_or(self.settings.poll, |retry| retry.min(self.settings.poll)),
        }
    }

    /// Asks for the entry after the last that was read.
    async fn poll(&self) -> Polled {
        let inner = self.consumer.inner();
        let next = inner.status().sequence.saturating_add(1);
        match self.consumer.store().announcement(next).await {
            Ok(Some(_)) => Polled::News,
            Ok(None) => {
                inner.heard_log();
                measure::standing(&self.consumer.status());
                Polled::NoNews
            }
            // The refresh that follows finds the end of the log by other requests, past a damaged entry, or tells why not.
            Err(_) => Polled::Failed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polled {
    News,
    NoNews,
    Failed,
}

async fn hinted(hints: Option<&Hints>) {
    match hints {
        Some(hints) => hints.changed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_double_the_wait_up_to_its_limit() {
        let settings = FollowSettings::default();
        let waits: Vec<_> = (1..=7).map(|failures| settings.backoff(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(settings.backoff(u32::MAX).as_secs(), 30);
        let slow = FollowSettings { poll: Duration::from_mins(1), ..settings };
        assert_eq!(slow.backoff(1).as_secs(), 60, "never shorter than a poll");
    }
}
