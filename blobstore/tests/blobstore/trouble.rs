//! Slow links, missing rights, and something else in the place of a file.

mod denied;
mod link;
mod slow;
#[cfg(unix)]
mod strange;
