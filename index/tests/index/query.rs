//! Tests of queries.

mod language;
