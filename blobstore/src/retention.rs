//! Decides which versions nobody needs any more.

use std::time::Duration;

use crate::announcement::Announcement;

/// What retention knows of a live version: one that was committed and not retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VersionAge {
    /// Its number.
    pub(crate) version: u64,
    /// When it was made, by its writer's clock, in milliseconds since 1970.
    pub(crate) created_unix_ms: i64,
}

/// Returns the versions to retire, in order.
///
/// `log` is the end of the announcement log, oldest first: at least the latest entry, and to be safe beside slow
/// consumers all entries of the last `grace` and the one before them. These stay:
///
/// * the head, which the next cycle builds on, and the `keep` newest, the head among them;
/// * what the latest entry announces or pins, and what consumers were on at any time in the last `grace`: some may still
///   be downloading it;
/// * a version that is younger than `grace`, or whose successor is: the same if the log is not asked;
/// * a version above the announced one, as it waits to be announced, unless it, or a higher one, was announced before
///   and then rolled back. So if nothing was announced yet all versions stay.
pub(crate) fn to_retire(
    versions: &[VersionAge],
    log: &[Announcement],
    keep: usize,
    grace: Duration,
    now_unix_ms: i64,
) -> Vec<u64> {
    let mut live: Vec<_> = versions.iter().collect();
    live.sort_by_key(|age| age.version);
    let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
    let is_old = |age: &VersionAge| now_unix_ms.saturating_sub(age.created_unix_ms) >= grace_ms;
    // After a rollback this is above the announced version: what was announced, or passed over, does not wait.
    let highest = log.last().map_or(0, |latest| latest.highest);
    let is_named = |version| {
        log.last().is_some_and(|latest| latest.names(version)) || log.iter().any(|entry| entry.current() == version)
    };
    let waits = |version| version > highest;
    let candidates = live.len().saturating_sub(keep.max(1));
    live.iter()
        .zip(live.iter().skip(1))
        .take(candidates)
        .filter(|(age, successor)| is_old(age) && is_old(successor) && !is_named(age.version) && !waits(age.version))
        .map(|(age, _)| age.version)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    /// Now; version n was made n minutes after the beginning.
    const NOW_MS: i64 = 1_000 * MINUTE_MS;
    const MINUTE_MS: i64 = 60_000;
    const HOUR: Duration = Duration::from_hours(1);

    fn versions(numbers: impl IntoIterator<Item = u64>) -> Vec<VersionAge> {
        let age =
            |version: u64| VersionAge { version, created_unix_ms: i64::try_from(version).expect("small") * MINUTE_MS };
        numbers.into_iter().map(age).collect()
    }

    fn entry(announced: u64, highest: u64, pinned: Option<u64>) -> Announcement {
        let (by, reason, action) = (String::new(), String::new(), Action::Announce);
        let created_unix_ms = 0;
        Announcement { sequence: 1, announced, highest, pinned, action, by, reason, created_unix_ms, token: [0; 16] }
    }

    #[test]
    fn head_announced_pinned_and_the_newest_stay() {
        let log = [entry(7, 7, Some(2))];
        assert_eq!(to_retire(&versions(1..=9), &log, 0, HOUR, NOW_MS), [1, 3, 4, 5, 6], "8 waits, 9 is the head");
        assert_eq!(to_retire(&versions(1..=9), &log, 5, HOUR, NOW_MS), [1, 3, 4]);
        assert_eq!(to_retire(&versions(1..=9), &log, 9, HOUR, NOW_MS), [0; 0]);
        assert_eq!(to_retire(&versions(1..=9), &log, usize::MAX, HOUR, NOW_MS), [0; 0]);
        assert_eq!(to_retire(&versions(1..=3), &[entry(3, 3, None)], 1, HOUR, NOW_MS), [1, 2], "the head counts");
    }

    #[test]
    fn where_nothing_was_announced_all_stay() {
        assert_eq!(to_retire(&versions(1..=9), &[], 0, HOUR, NOW_MS), [0; 0]);
        assert_eq!(to_retire(&versions(1..=9), &[entry(0, 0, Some(3))], 0, HOUR, NOW_MS), [0; 0]);
        assert_eq!(to_retire(&[], &[], 0, HOUR, NOW_MS), [0; 0]);
    }

    #[test]
    fn a_version_stays_until_its_successor_is_as_old_as_the_grace_period() {
        let versions = versions([1, 2, 940, 941]);
        let log = [entry(941, 941, None)];
        assert_eq!(to_retire(&versions, &log, 0, HOUR, NOW_MS), [1, 2], "940 is an hour old, 941 not yet");
        assert_eq!(to_retire(&versions, &log, 0, HOUR, NOW_MS - 1), [1], "940, the successor of 2, is not yet");
        assert_eq!(to_retire(&versions, &log, 0, HOUR, NOW_MS + MINUTE_MS), [1, 2, 940]);
        assert_eq!(to_retire(&versions, &log, 0, Duration::ZERO, NOW_MS), [1, 2, 940]);
        assert_eq!(to_retire(&versions, &log, 0, Duration::MAX, NOW_MS), [0; 0]);
    }

    #[test]
    fn a_version_of_a_clock_that_runs_ahead_stays() {
        let mut versions = versions(1..=3);
        versions[0].created_unix_ms = NOW_MS + 1;
        assert_eq!(to_retire(&versions, &[entry(3, 3, None)], 0, Duration::ZERO, NOW_MS), [2]);
    }

    #[test]
    fn what_consumers_were_on_a_moment_ago_stays() {
        let log = [entry(2, 2, None), entry(4, 4, None), entry(4, 4, Some(1)), entry(5, 5, Some(1)), entry(5, 5, None)];
        assert_eq!(to_retire(&versions(1..=6), &log, 0, HOUR, NOW_MS), [3]);
    }

    #[test]
    fn versions_that_were_rolled_back_go_and_those_that_wait_stay() {
        let log = [entry(3, 6, None)];
        assert_eq!(to_retire(&versions(1..=9), &log, 0, HOUR, NOW_MS), [1, 2, 4, 5, 6]);
    }

    #[test]
    fn the_successor_is_the_next_live_version() {
        let mut versions = versions([1, 999]);
        assert_eq!(to_retire(&versions, &[entry(999, 999, None)], 0, HOUR, NOW_MS), [0; 0]);
        versions.reverse();
        assert_eq!(to_retire(&versions, &[entry(999, 999, None)], 0, HOUR, NOW_MS + 60 * MINUTE_MS), [1]);
    }
}
