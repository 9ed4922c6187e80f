//! Tests of the schemas that values and Rust types give.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, clippy::disallowed_methods, reason = "tests may measure and print")]

mod compact;
mod debian;
mod direct;
mod extending;
mod held_vectors;
mod rules;
mod rust_type;
