//! A consumer gets from any version to any other, whole or not at all, and says why not.

#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests may measure and print")]

mod backend;
mod changing;
mod damaged;
mod following;
mod listening;
mod measuring;
mod offline;
mod opening;
mod own_indexes;
mod publisher;
mod refreshing;
mod resuming;
mod settings;
mod swapping;
mod trouble;
mod vanishing;
mod waiting;
