//! Tests of queries.

mod aggregates;
mod fixture;
mod language;
mod meaning;
mod naive;
mod random;
mod results;
