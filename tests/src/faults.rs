//! What is left when a request to the store fails, is never answered, or is done and its reply is lost?
//!
//! A test runs the same work for k = 1, 2, 3 … until nothing is left to be spoilt (see [`kapok_testing::Faults`]).

pub mod checks;
pub mod films;
pub mod place;
