//! Tests of the producer against stores in memory and in folders, one module for each subject.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

mod astray;
mod cycle;
mod damaged;
mod graphs;
mod incremental;
mod indexes;
mod keys;
mod metrics;
mod nearest;
mod nested;
mod populate;
mod row_ids;
mod validating;
mod vectors;
