//! What if the link is slow, a right is missing, or something else stands where a file should be?

mod denied;
mod link;
mod slow;
#[cfg(unix)]
mod strange;
