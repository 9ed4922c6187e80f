//! When does a consumer look for news by itself?
//!
//! It asks for the one next entry of the log, one GET per poll. A hint means "poll now" and nothing more, so a lost, a
//! doubled or a late one costs time, never correctness. A store that is gone has no next entry either, so "no news" counts
//! only where the last known entry was seen a moment ago.

use std::time::{Duration, Instant};

use kapok_blobstore::{LogWatcher, clock};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::consumer::Consumer;
use crate::error::{Error, ErrorKind};
use crate::measure;

/// The shortest wait between two polls, whatever the settings say.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// For so long after the log was seen to be there, "no next entry" means "no news",
const SEEN_FOR: Duration = Duration::from_secs(15);
/// and for so many polls.
const QUIET_POLLS_MAX: u32 = 60;

/// How closely a follower follows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowSettings {
    /// The wait between two polls; each is varied by up to a tenth, so that many consumers do not poll at once. Default:
    /// one second.
    pub poll: Duration,
    /// The longest wait after failures; each in a row doubles the wait, from `poll` on. Default: 30 seconds.
    pub backoff_max: Duration,
    /// The longest wait before a version that is damaged or not whole is tried again, where that is more than
    /// `backoff_max`. A repair moves no log, so it is found in this time. Default: 5 minutes.
    pub damaged_wait_max: Duration,
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
        Self {
            poll: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
            damaged_wait_max: Duration::from_mins(5),
            watch: Watch::Folder,
        }
    }
}

impl FollowSettings {
    /// The wait after so many failures in a row.
    fn backoff(&self, failures: u32, error: &Error) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let is_lasting = error.version().is_some()
            && matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::Invalid
            );
        let longest = if is_lasting { self.backoff_max.max(self.damaged_wait_max) } else { self.backoff_max };
        self.poll.max(WAIT_MIN).saturating_mul(doubled).min(longest.max(self.poll))
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
    /// A failure is told by [`status`](Self::status), with the version that failed and the time of the next attempt. News
    /// are looked for all the same, so whatever is announced next is tried at once; the version that failed is tried again
    /// at growing intervals, with the blobs that were fetched already.
    ///
    /// Whether the store is still there is looked at every 15 seconds, every 60 polls, or twice within
    /// [`max_staleness`](crate::ConsumerSettings::max_staleness), whichever is shortest, and whenever the watch of a folder
    /// tells of a change: one more GET. So a store that is gone is taken for a silent one for that long at most, or for one
    /// poll where that is longer.
    pub fn follow(&self, settings: FollowSettings) -> Follower {
        let follow = Follow {
            consumer: self.clone(),
            settings,
            hints: None,
            seen_at: None,
            attempted: None,
            retry_at: None,
            failing: None,
            failures: 0,
        };
        Follower { task: self.inner().runtime().spawn(follow.run()) }
    }
}

struct Follow {
    consumer: Consumer,
    settings: FollowSettings,
    hints: Option<LogWatcher>,
    /// When the log was last seen to be there.
    seen_at: Option<Instant>,
    /// What the poll before the last attempt gave: the same again is no reason for another one.
    attempted: Option<(u64, Polled)>,
    /// When to try again although the log does not move.
    retry_at: Option<Instant>,
    /// The version that failed last, and how often in a row.
    failing: Option<u64>,
    failures: u32,
}

impl Follow {
    async fn run(mut self) {
        self.watch();
        let mut polled = Polled::News;
        self.attempt(None).await;
        loop {
            let wait = self.wait(polled).mul_f64(rand::random_range(0.9..1.1)).max(WAIT_MIN);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Perhaps the folder is gone.
                () = hinted(self.hints.as_ref()) => self.seen_at = None,
            }
            let now = self.poll().await;
            polled = now.1;
            if self.is_due(now) {
                self.attempt(Some(now)).await;
            }
        }
    }

    fn watch(&mut self) {
        if self.settings.watch == Watch::Folder {
            self.hints = self.consumer.store().announcements().watch().unwrap_or_else(|error| {
                warn!(%error, "polling only");
                None
            });
        }
    }

    /// Whether there may be something to do.
    fn is_due(&mut self, polled: (u64, Polled)) -> bool {
        if let Some(at) = self.retry_at {
            return at <= clock::instant() || (polled.1 != Polled::NoNews && self.attempted != Some(polled));
        }
        // A refresh by hand may have read the log to its end and then failed, or was dropped. While one is under way, it
        // is asked after that.
        let inner = self.consumer.inner();
        polled.1 != Polled::NoNews
            || inner.held.try_lock().is_ok_and(|_free| {
                let status = inner.status();
                status.failures > 0 || status.wanted != inner.view_arc().version()
            })
    }

    /// Refreshes, and where that fails, says when to try again.
    async fn attempt(&mut self, polled: Option<(u64, Polled)>) {
        self.attempted = polled;
        match self.consumer.refresh().await {
            Ok(_) => {
                let was_gone = self.failures > 0 && self.failing.is_none();
                (self.failures, self.failing, self.retry_at) = (0, None, None);
                self.seen_at = Some(clock::instant());
                if was_gone || self.hints.is_none() {
                    // The folder that was watched may be another one by now.
                    self.watch();
                }
            }
            Err(error) => {
                let failing = error.version();
                self.failures = if failing == self.failing { self.failures.saturating_add(1) } else { 1 };
                self.failing = failing;
                // It was found in the log just now.
                self.seen_at = failing.map(|_| clock::instant());
                let wait = self.settings.backoff(self.failures, &error);
                self.retry_at = clock::instant().checked_add(wait);
                self.consumer.inner().status().retry_at = clock::now().checked_add(wait);
            }
        }
    }

    /// How long to wait for the next poll.
    fn wait(&self, polled: Polled) -> Duration {
        let retry_in = self.retry_at.map(|at| at.saturating_duration_since(clock::instant()));
        match (polled, retry_in) {
            (Polled::Failed, Some(retry)) => retry.min(self.settings.backoff_max.max(self.settings.poll)),
            (_, Some(retry)) => retry.min(self.settings.poll),
            (_, None) => self.settings.poll,
        }
    }

    /// Asks for the entry after the last that was read; returns its sequence too.
    async fn poll(&mut self) -> (u64, Polled) {
        let last = self.consumer.inner().status().sequence;
        let next = last.saturating_add(1);
        let polled = match self.consumer.store().announcements().get(next).await {
            Ok(Some(_)) => Polled::News,
            Ok(None) if self.is_there(last).await => {
                self.consumer.inner().heard_log();
                measure::standing(&self.consumer.status());
                Polled::NoNews
            }
            // The refresh that follows finds the end of the log by other requests, past a damaged entry, or tells why not.
            Ok(None) | Err(_) => Polled::Failed,
        };
        (next, polled)
    }

    /// Whether the store is still there, by its last known entry, or its marker where there is none yet.
    async fn is_there(&mut self, last: u64) -> bool {
        let longest = SEEN_FOR.min(self.settings.poll.saturating_mul(QUIET_POLLS_MAX));
        let longest = self.consumer.settings().max_staleness.map_or(longest, |max| longest.min(max / 2));
        if self.seen_at.is_some_and(|at| at.elapsed() < longest) {
            return true;
        }
        let store = self.consumer.store();
        let is_there = match last {
            0 => store.check_marker().await.is_ok(),
            last => matches!(store.announcements().get(last).await, Ok(Some(_))),
        };
        self.seen_at = is_there.then(clock::instant);
        is_there
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.consumer.inner().status().retry_at = None;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polled {
    News,
    NoNews,
    Failed,
}

async fn hinted(hints: Option<&LogWatcher>) {
    match hints {
        Some(hints) => hints.changed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn log_failed() -> Error {
        Error::LogWentBack { location: "x".into(), seen: 1, found: 0 }
    }

    #[test]
    fn failures_in_a_row_double_the_wait_up_to_its_limit() {
        let settings = FollowSettings::default();
        let error = log_failed();
        let waits: Vec<_> = (1..=7).map(|failures| settings.backoff(failures, &error).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(settings.backoff(u32::MAX, &error).as_secs(), 30);
        let slow = FollowSettings { poll: Duration::from_mins(1), ..settings.clone() };
        assert_eq!(slow.backoff(1, &error).as_secs(), 60, "never shorter than a poll");
        let hasty = FollowSettings { poll: Duration::ZERO, ..settings };
        assert_eq!(hasty.backoff(30, &error).as_secs(), 30, "it grows from any poll");
    }

    #[test]
    fn a_version_that_is_damaged_is_left_alone_for_minutes() {
        let settings = FollowSettings::default();
        let source = Arc::new(kapok_blobstore::Error::NotFound { name: "x".into() });
        let error = Error::Load { version: 2, source };
        assert_eq!(settings.backoff(u32::MAX, &error), Duration::from_mins(5));
        let later = FollowSettings { backoff_max: Duration::from_hours(1), ..settings };
        assert_eq!(later.backoff(u32::MAX, &error), Duration::from_hours(1));
    }
}
