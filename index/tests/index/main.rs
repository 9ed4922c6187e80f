//! Tests of the indexes and of the view that looks records up.
#![expect(clippy::unwrap_used, reason = "tests")]

mod changes;
mod keys;
