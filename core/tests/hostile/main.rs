//! Bytes from outside never make a reader panic, read out of bounds, or hang (I5).
//!
//! Segments and manifests are mutated, by bits, words and pointers, and then read through every door. Each case is made
//! from its number alone: a failure names it. `KAPOK_FUZZ_ITERATIONS` sets how many there are, `KAPOK_FUZZ_CASE` runs one.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "tests may measure and print")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "random values"
)]
#![allow(clippy::cast_possible_wrap, clippy::needless_for_each, reason = "random values")]

use std::time::Duration;

mod found;
mod manifests;
mod mutation;
mod refusals;
mod segments;
mod shapes;
mod vectors;

/// What a case may take.
const CASE_MAX: Duration = Duration::from_secs(5);
