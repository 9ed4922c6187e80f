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

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use kapok_samples::random::Random;

mod found;
mod manifests;
mod mutation;
mod refusals;
mod segments;
mod shapes;
mod stopwatch;

use stopwatch::Stopwatch;

const ITERATIONS: u64 = 3000;

/// How the cases ended.
#[derive(Default)]
struct Tally {
    outcomes: BTreeMap<&'static str, u64>,
    slowest: (Duration, u64),
}

impl Tally {
    fn count(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    fn count_result<T>(&mut self, result: &kapok_core::Result<T>, ok: &'static str, err: &'static str) {
        self.count(if result.is_ok() { ok } else { err });
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs a case for each number; says which one panicked or took too long.
fn run(name: &str, mut case: impl FnMut(&mut Random, &mut Tally)) {
    let cases = match variable("KAPOK_FUZZ_CASE") {
        Some(case) => case..case + 1,
        None => 0..variable("KAPOK_FUZZ_ITERATIONS").unwrap_or(ITERATIONS),
    };
    let (mut tally, start) = (Tally::default(), Instant::now());
    for number in cases.clone() {
        let stopwatch = Stopwatch::start();
        let mut random = Random::new(number.wrapping_mul(0x1000_0001));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(&mut random, &mut tally))) {
            eprintln!("{name}: to see it again, set KAPOK_FUZZ_CASE={number}");
            resume_unwind(panic);
        }
        tally.slowest = tally.slowest.max((stopwatch.worked(), number));
    }
    println!(
        "{name}: cases={} took={:?} slowest={:?} {:?}",
        cases.end - cases.start,
        start.elapsed(),
        tally.slowest,
        tally.outcomes
    );
    assert!(
        tally.slowest.0 < Duration::from_secs(5),
        "{name}: KAPOK_FUZZ_CASE={} took {:?}",
        tally.slowest.1,
        tally.slowest.0
    );
}
