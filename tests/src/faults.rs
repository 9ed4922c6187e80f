//! Stores of films whose requests are spoilt, and what must hold of them afterwards.
//!
//! A test runs the same work for k = 1, 2, 3 … until nothing is left to be spoilt (see [`kapok_testing::Faults`]).

pub mod checks;
pub mod films;
pub mod place;
