//! The program does what its help says. Each test runs the binary, as a shell would.

#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "tests may measure and print")]

mod announcing;
mod arguments;
mod as_json;
mod caching;
mod capacity;
mod changing;
mod collecting;
mod compact;
mod debian;
mod debian_python;
mod debian_queries;
mod demo;
mod diffing;
mod dropping;
mod escaping;
mod finding;
mod growing;
mod guards;
mod history;
mod program;
mod querying;
mod reading;
mod readme;
mod refusals;
mod repairing;
mod round_trip;
mod same_input;
mod searching;
mod vector_stat;
mod vectors;
mod verifying;
mod widening;
