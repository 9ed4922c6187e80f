//! Tests of queries.

mod aggregates;
mod filtered;
mod fixture;
mod language;
mod meaning;
mod naive;
mod plans;
mod random;
mod results;
