//! Index bytes and query texts from outside never make a reader panic, find a row that is not there, or hang (I5).
//!
//! Each case is made from its number alone: a failure names it. `KAPOK_FUZZ_ITERATIONS` sets how many there are of each kind,
//! `KAPOK_FUZZ_CASE` runs one.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

use std::time::Duration;

mod artifacts;
mod ask;
mod dataset;
mod expressions;
mod found;
mod mutation;
mod vectors;

/// What a case may take.
const CASE_MAX: Duration = Duration::from_secs(1);
