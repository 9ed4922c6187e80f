//! Tests of the store from outside, one module for each subject.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests may measure and print")]

mod caching;
mod collecting;
mod conformance;
mod creation;
mod drafts;
mod faults;
mod folder;
#[cfg(all(feature = "aws", feature = "azure", feature = "gcp", feature = "http"))]
mod remote;
mod trouble;
