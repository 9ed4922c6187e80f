//! Tests of the helpers: they do on purpose what they say.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests may measure")]

mod interceptors;
mod stepping;
mod stores;
