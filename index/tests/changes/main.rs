//! Are the changes between two versions net, and the same by whatever road they are found?
#![expect(clippy::unwrap_used, reason = "tests")]

mod history;
mod random;
mod roads;
mod schemas;
