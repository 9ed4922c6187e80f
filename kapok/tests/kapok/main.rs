//! Tests of what the crate's entry points add to those of the crates behind it.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

mod blocking;
mod movies;
