//! Tests of the schema model: against the stock compiler where it is installed, and under change.
#![expect(clippy::unwrap_used, reason = "tests")]

mod compile;
mod evolve;
mod idl;
mod matching;
mod random;
mod request;
mod unions;
