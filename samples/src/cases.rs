//! Runs cases of hostile bytes, each made from its number alone.
//!
//! `KAPOK_FUZZ_ITERATIONS` sets how many there are, `KAPOK_FUZZ_CASE` runs one.

#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "for tests")]
#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "tests may measure and print")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::random::Random;
use crate::stopwatch::Stopwatch;

const ITERATIONS: u64 = 3000;

/// How the cases ended.
#[derive(Debug, Default)]
pub struct Tally {
    outcomes: BTreeMap<&'static str, u64>,
    slowest: (Duration, u64),
}

impl Tally {
    /// Counts a case that ended so.
    pub fn count(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// Returns the number of cases that ended so.
    pub fn times(&self, outcome: &str) -> u64 {
        self.outcomes.get(outcome).copied().unwrap_or_default()
    }

    fn add(&mut self, other: Self) {
        for (outcome, times) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += times;
        }
        self.slowest = self.slowest.max(other.slowest);
    }

    /// Counts a case by whether something went well.
    pub fn count_result<T>(&mut self, result: &kapok_core::Result<T>, ok: &'static str, err: &'static str) {
        self.count(if result.is_ok() { ok } else { err });
    }
}

/// Returns the number that an environment variable holds, if it is set.
pub fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs a case for each number, on all processors; says which one panicked, or worked longer than `patience`.
pub fn run(name: &str, patience: Duration, case: impl Fn(&mut Random, &mut Tally) + Sync) {
    let cases = match variable("KAPOK_FUZZ_CASE") {
        Some(case) => case..case + 1,
        None => 0..variable("KAPOK_FUZZ_ITERATIONS").unwrap_or(ITERATIONS),
    };
    let (mut tally, start, next) = (Tally::default(), Instant::now(), AtomicU64::new(cases.start));
    let run_some = || {
        let mut tally = Tally::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= cases.end {
                return tally;
            }
            let stopwatch = Stopwatch::start();
            let mut random = Random::new(number.wrapping_mul(0x1000_0001));
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(&mut random, &mut tally))) {
                eprintln!("{name}: to see it again, set KAPOK_FUZZ_CASE={number}");
                resume_unwind(panic);
            }
            tally.slowest = tally.slowest.max((stopwatch.worked(), number));
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run_some)).collect();
        for thread in running {
            match thread.join() {
                Ok(some) => tally.add(some),
                Err(panic) => resume_unwind(panic),
            }
        }
    });
    println!(
        "{name}: cases={} took={:?} slowest={:?} {:?}",
        cases.end - cases.start,
        start.elapsed(),
        tally.slowest,
        tally.outcomes
    );
    assert!(tally.slowest.0 < patience, "{name}: KAPOK_FUZZ_CASE={} took {:?}", tally.slowest.1, tally.slowest.0);
}
