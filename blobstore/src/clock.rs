//! Asks the clocks of the machine; no other file does.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns the time of day.
#[expect(clippy::disallowed_methods, reason = "the one place that asks this clock")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns the time of day in milliseconds since 1970.
pub fn now_unix_ms() -> i64 {
    unix_ms(now())
}

/// Returns a point in time to measure a duration from.
#[expect(clippy::disallowed_methods, reason = "the one place that asks this clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Returns a point in the time of timers, which tests can pause.
#[expect(clippy::disallowed_methods, reason = "the one place that asks this clock")]
pub(crate) fn timer_instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Returns the time of day so long ago, in milliseconds since 1970.
pub(crate) fn unix_ms_before(age: Duration) -> i64 {
    now_unix_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// Converts a time to milliseconds since 1970; an earlier one to 0.
pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}
