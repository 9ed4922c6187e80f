//! Graphs, codes and searches against a naive reading of the same vectors, one module for each subject.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

mod exactness;
mod filters;
mod graphs;
mod growth;
mod hostile;
mod recall;
mod sample;
mod sets;
