//! Reports what a refresh did.

use std::time::Duration;

/// What a refresh did: the step that it took and what that cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshReport {
    /// The version before.
    pub from: u64,
    /// The version after; the same if there was nothing to do.
    pub to: u64,
    /// Blobs that were fetched, or mapped on a local store.
    pub fetched_blobs: usize,
    /// Size of these blobs.
    pub fetched_bytes: u64,
    /// Blobs that were mapped from the cache of this host, where an earlier download or another process had left them.
    pub cached_blobs: usize,
    /// Size of these blobs.
    pub cached_bytes: u64,
    /// Size of the merged segments, and of their indexes, that were made here instead: see
    /// [`MergedSegments`](crate::MergedSegments).
    pub made_bytes: u64,
    /// Merged segments that were fetched because the attempt to make them here failed.
    pub not_made: usize,
    /// Time from reading the manifest to the swap.
    pub duration: Duration,
}

impl RefreshReport {
    /// Begins the report of a step that has fetched and made nothing yet.
    pub(crate) fn new(from: u64, to: u64) -> Self {
        let duration = Duration::default();
        Self {
            from,
            to,
            fetched_blobs: 0,
            fetched_bytes: 0,
            cached_blobs: 0,
            cached_bytes: 0,
            made_bytes: 0,
            not_made: 0,
            duration,
        }
    }
}
