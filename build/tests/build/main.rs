//! Tests of code generation: what is written, what is refused, and whether a package outside of the workspace builds.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

mod generating;
mod outside;
mod refusals;
mod workshop;
