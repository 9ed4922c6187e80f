//! What if the link is slow, a right is missing, or something else stands where a file should be?

#![expect(clippy::unwrap_used, reason = "tests")]

mod denied;
mod link;
mod slow;
#[cfg(unix)]
mod strange;
