//! Tests of the schema model: against the stock compiler where it is installed, and under change.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

mod compile;
mod evolve;
mod idl;
mod matching;
mod random;
mod request;
mod unions;
