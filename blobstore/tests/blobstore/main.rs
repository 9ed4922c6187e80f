//! Tests of the store from outside, one module for each question.
#![expect(clippy::unwrap_used, reason = "tests")]

mod collecting;
mod conformance;
mod faults;
mod folder;
mod founding;
mod trouble;
