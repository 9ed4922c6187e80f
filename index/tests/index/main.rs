//! Tests of the indexes and of the view that looks records up.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

mod changes;
mod doors;
mod hash;
mod indexed;
mod keys;
mod naive_words;
mod query;
mod sorted;
mod text;
mod texts;
mod threads;
