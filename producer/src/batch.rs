//! Tags that keep the last batch of each feed.

/// Prefix of the tag of a feed: its value is the last batch whose changes the version has.
pub(crate) const TAG_PREFIX: &str = "kapok.once.";
