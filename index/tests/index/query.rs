//! Tests of queries.

mod aggregates;
mod conditions;
mod elements;
mod filtered;
mod fixture;
mod found_first;
mod joins;
mod language;
mod library;
mod meaning;
mod naive;
mod plans;
mod random;
mod references;
mod results;
