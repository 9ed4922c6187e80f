//! Which of several writers made this file, and when?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sixteen random bytes inside a created file: they settle a create whose reply was lost.
pub type Token = [u8; 16];

/// A token that no other writer has.
pub fn fresh_token() -> Token {
    rand::random()
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_unix_ms() -> i64 {
    unix_ms(SystemTime::now())
}

/// So long ago, in milliseconds since 1970.
pub(crate) fn unix_ms_before(age: Duration) -> i64 {
    now_unix_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// A time in milliseconds since 1970; times before are 0.
pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}
