//! Polls the announcement log and refreshes the consumer if there is news.
//!
//! A poll asks for the one next entry of the log, by one GET. A hint means "poll now" and nothing more, so a lost, a doubled
//! or a late one costs time, never correctness. A store that is gone has no next entry either, so "no news" counts only if
//! the last known entry was seen a moment ago.

use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use kapok_blobstore::clock;
#[cfg(doc)]
use kapok_blobstore::{LogWatcher, Store};
use tokio::task::JoinHandle;

use crate::consumer::Consumer;
use crate::error::{Error, ErrorKind};
use crate::hints::{Hint, Hints};
use crate::metrics;

/// The shortest wait between two polls, for all settings.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// The wait between polls of a store on this host.
const POLL: Duration = Duration::from_secs(1);
/// The same of a store behind a network.
const POLL_REMOTE: Duration = Duration::from_secs(5);
/// The same if hints come, too.
const POLL_HINTED: Duration = Duration::from_mins(1);
/// Hints lead to no more polls than one in this time: they may be doubled or forged.
const HINT_SPACING: Duration = Duration::from_millis(100);

/// The longest time for which a poll trusts that the store is still there, after it was seen to be there.
const TRUST_MAX: Duration = Duration::from_secs(15);
/// The most polls for which it does.
const TRUST_POLLS_MAX: u32 = 60;

/// The intervals at which a follower polls and tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowSettings {
    /// The wait between two polls; each is varied by up to a tenth, so that many consumers do not poll at once. Default:
    /// `None`, which is one second, or for a store [behind a network](Store::is_remote), where each poll is a request that is
    /// paid for, 5 seconds, and 60 while a stream of [hints](Consumer::follow_hints) lives.
    pub poll: Option<Duration>,
    /// The longest wait after failures; each in a row doubles the wait, from `poll` on. Default: 30 seconds.
    pub backoff_max: Duration,
    /// The longest wait before a version that is damaged or not whole is tried again, if that is more than `backoff_max`. A
    /// repair makes no entry in the log, so it is noticed after this time at most. Default: 5 minutes.
    pub damaged_wait_max: Duration,
    /// Whether the folder of a local store is watched, so that news is noticed at once. Default: [`Watch::Folder`].
    pub watch: Watch,
}

/// The source of hints that there is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Watch {
    /// The store's folder, if it is one of this host.
    Folder,
    /// None: the log is polled only.
    Nothing,
}

impl Default for FollowSettings {
    fn default() -> Self {
        Self {
            poll: None,
            backoff_max: Duration::from_secs(30),
            damaged_wait_max: Duration::from_mins(5),
            watch: Watch::Folder,
        }
    }
}

impl FollowSettings {
    /// Returns the wait between two polls of a store.
    fn poll_of(&self, is_remote: bool, has_hints: bool) -> Duration {
        self.poll.unwrap_or(match (is_remote, has_hints) {
            (false, _) => POLL,
            (true, false) => POLL_REMOTE,
            (true, true) => POLL_HINTED,
        })
    }

    /// Returns the wait after this number of failures in a row, where polls are this far apart.
    fn backoff(&self, poll: Duration, failures: u32, error: &Error) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let is_lasting = error.version().is_some()
            && matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::Invalid
            );
        let longest = if is_lasting { self.backoff_max.max(self.damaged_wait_max) } else { self.backoff_max };
        poll.max(WAIT_MIN).saturating_mul(doubled).min(longest.max(poll))
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
    /// [`status`](Self::status) reports a failure, with the version that failed and the time of the next attempt. Polls go
    /// on, so the next announcement is tried at once. The version that failed is tried again at growing intervals, with the
    /// blobs that were fetched already.
    ///
    /// The follower checks that the store is still there, by one more GET, every 15 seconds, every 60 polls, or twice within
    /// [`max_staleness`](crate::ConsumerSettings::max_staleness), whichever is shortest, and after each change that the watch
    /// of a folder sees. So a store that is gone is taken for a silent one for that long at most, or for one poll if that is
    /// longer.
    pub fn follow(&self, settings: FollowSettings) -> Follower {
        self.follow_by(settings, Hints::new(None))
    }

    /// Follows the log as [`follow`](Self::follow) does, and looks at once whenever the stream says so.
    ///
    /// Whatever carries such hints will do: a message of NATS or Redis, a webhook, another folder's
    /// [`LogWatcher::into_hints`]. An item means "look now" and nothing more: one
    /// that is lost, doubled, late or forged costs time, never correctness, and many lead to ten polls a second at most. When the
    /// stream ends, the follower polls as often as without it.
    ///
    /// ```
    /// # use futures::StreamExt;
    /// # use kapok_consumer::{Consumer, FollowSettings};
    /// # async fn f(consumer: Consumer, messages: impl futures::Stream<Item = String> + Send + 'static) {
    /// let follower = consumer.follow_hints(FollowSettings::default(), messages.map(drop));
    /// # }
    /// ```
    pub fn follow_hints(&self, settings: FollowSettings, hints: impl Stream<Item = ()> + Send + 'static) -> Follower {
        self.follow_by(settings, Hints::new(Some(hints.boxed())))
    }

    fn follow_by(&self, settings: FollowSettings, hints: Hints) -> Follower {
        let task = FollowTask {
            consumer: self.clone(),
            settings,
            hints,
            seen_at: None,
            last_attempt: None,
            retry_at: None,
            failing: None,
            failures: 0,
        };
        Follower { task: self.state().runtime.spawn(task.run()) }
    }
}

/// The task of a follower.
struct FollowTask {
    consumer: Consumer,
    settings: FollowSettings,
    hints: Hints,
    /// When the store was last seen to be there.
    seen_at: Option<Instant>,
    /// The poll that led to the last attempt. If the next one says the same, that is no reason for another attempt.
    last_attempt: Option<Poll>,
    /// When to try again if the log has no new entry.
    retry_at: Option<Instant>,
    /// The version that failed last, and how often in a row.
    failing: Option<u64>,
    failures: u32,
}

impl FollowTask {
    async fn run(mut self) {
        self.watch();
        let mut outcome = PollOutcome::News;
        self.attempt(None).await;
        let mut polled_at = clock::instant();
        loop {
            let wait = self.wait(outcome).mul_f64(rand::random_range(0.9..1.1)).max(WAIT_MIN);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                hint = self.hints.next() => match hint {
                    // The change may be that the folder is gone.
                    Hint::Folder => self.seen_at = None,
                    Hint::Caller => {
                        let next = polled_at + HINT_SPACING;
                        tokio::time::sleep(next.saturating_duration_since(clock::instant())).await;
                        self.hints.skip_ready();
                    }
                    Hint::Ended => continue,
                },
            }
            polled_at = clock::instant();
            let poll = self.poll().await;
            outcome = poll.outcome;
            if self.is_due(poll) {
                self.attempt(Some(poll)).await;
            }
        }
    }

    /// Watches the store's folder, if the settings ask for it.
    fn watch(&mut self) {
        if self.settings.watch == Watch::Folder {
            self.hints.watch(self.consumer.store());
        }
    }

    /// Returns whether there may be something to do.
    fn is_due(&mut self, poll: Poll) -> bool {
        if let Some(at) = self.retry_at {
            return at <= clock::instant() || (poll.outcome != PollOutcome::NoNews && self.last_attempt != Some(poll));
        }
        // A refresh by hand may have read the log to its end and then have failed or been dropped. If one is under way, the
        // next poll asks again.
        let state = self.consumer.state();
        poll.outcome != PollOutcome::NoNews
            || state.blobs.try_lock().is_ok_and(|_free| {
                let status = state.status();
                status.failures > 0 || status.wanted != state.view_arc().version()
            })
    }

    /// Refreshes, and decides when to try again if that fails.
    async fn attempt(&mut self, poll: Option<Poll>) {
        self.last_attempt = poll;
        match self.consumer.refresh().await {
            Ok(_) => {
                let was_gone = self.failures > 0 && self.failing.is_none();
                (self.failures, self.failing, self.retry_at) = (0, None, None);
                self.seen_at = Some(clock::instant());
                if was_gone || !self.hints.is_watching() {
                    // The folder that was watched may be another one by now.
                    self.watch();
                }
            }
            Err(error) => {
                let failing = error.version();
                self.failures = if failing == self.failing { self.failures.saturating_add(1) } else { 1 };
                self.failing = failing;
                // A version that fails was found in the log just now.
                self.seen_at = failing.map(|_| clock::instant());
                let wait = self.settings.backoff(self.interval(), self.failures, &error);
                self.retry_at = clock::instant().checked_add(wait);
                self.consumer.state().status().retry_at = clock::now().checked_add(wait);
            }
        }
    }

    /// Returns the wait between two polls.
    fn interval(&self) -> Duration {
        self.settings.poll_of(self.consumer.store().is_remote(), self.hints.has_callers())
    }

    /// Returns how long to wait for the next poll.
    fn wait(&self, outcome: PollOutcome) -> Duration {
        let poll = self.interval();
        let retry_in = self.retry_at.map(|at| at.saturating_duration_since(clock::instant()));
        match (outcome, retry_in) {
            (PollOutcome::Failed, Some(retry)) => retry.min(self.settings.backoff_max.max(poll)),
            (_, Some(retry)) => retry.min(poll),
            (_, None) => poll,
        }
    }

    /// Asks for the entry after the last that was read.
    async fn poll(&mut self) -> Poll {
        let last = self.consumer.state().status().sequence;
        let next = last.saturating_add(1);
        let outcome = match self.consumer.store().announcements().get(next).await {
            Ok(Some(_)) => PollOutcome::News,
            Ok(None) if self.is_there(last).await => {
                self.consumer.state().log_answered();
                metrics::versions(&self.consumer.status());
                PollOutcome::NoNews
            }
            // The refresh that follows finds the end of the log by other requests, behind a damaged entry, or fails with
            // the reason.
            Ok(None) | Err(_) => PollOutcome::Failed,
        };
        Poll { sequence: next, outcome }
    }

    /// Returns whether the store is still there: whether it has its last known entry, or its marker if there is none yet.
    async fn is_there(&mut self, last: u64) -> bool {
        let longest = TRUST_MAX.min(self.interval().saturating_mul(TRUST_POLLS_MAX));
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

impl Drop for FollowTask {
    fn drop(&mut self) {
        self.consumer.state().status().retry_at = None;
    }
}

/// A poll: the entry that was asked for, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Poll {
    sequence: u64,
    outcome: PollOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PollOutcome {
    News,
    NoNews,
    Failed,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn log_failed() -> Error {
        Error::LogWentBack { location: "x".into(), seen: 1, found: 0, is_remembered: false }
    }

    #[test]
    fn failures_in_a_row_double_the_wait_up_to_its_limit() {
        let settings = FollowSettings::default();
        let error = log_failed();
        let waits: Vec<_> = (1..=7).map(|failures| settings.backoff(POLL, failures, &error).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(settings.backoff(POLL, u32::MAX, &error).as_secs(), 30);
        assert_eq!(settings.backoff(Duration::from_mins(1), 1, &error).as_secs(), 60, "never shorter than a poll");
        assert_eq!(settings.backoff(Duration::ZERO, 30, &error).as_secs(), 30, "it grows from any poll");
    }

    #[test]
    fn a_store_behind_a_network_is_polled_less_often_and_with_hints_rarely() {
        let seconds = |settings: &FollowSettings| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|(is_remote, has_hints)| settings.poll_of(is_remote, has_hints).as_secs())
        };
        assert_eq!(seconds(&FollowSettings::default()), [1, 1, 5, 60]);
        assert_eq!(
            seconds(&FollowSettings { poll: Some(Duration::from_secs(7)), ..FollowSettings::default() }),
            [7; 4]
        );
    }

    #[test]
    fn a_version_that_is_damaged_is_left_alone_for_minutes() {
        let settings = FollowSettings::default();
        let source = Arc::new(kapok_blobstore::Error::NotFound { name: "x".into() });
        let error = Error::Load { version: 2, source };
        assert_eq!(settings.backoff(POLL, u32::MAX, &error), Duration::from_mins(5));
        let later = FollowSettings { backoff_max: Duration::from_hours(1), ..settings };
        assert_eq!(later.backoff(POLL, u32::MAX, &error), Duration::from_hours(1));
    }
}
