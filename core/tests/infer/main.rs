//! Tests of the schemas that values and Rust types give.
#![expect(clippy::unwrap_used, reason = "tests")]

mod debian;
mod extending;
mod rules;
mod rust_type;
