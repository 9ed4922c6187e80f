//! What garbage collection did, and which versions it found damaged.

use std::time::Duration;

use crate::blob_id::{BlobId, BlobKind};
use crate::files::FileEntry;
use crate::manifests::UnreadableVersion;

/// What [`Store::gc`](crate::Store::gc) did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct GcReport {
    /// The versions that were retired, in order.
    pub retired: Vec<u64>,
    /// The versions that are live afterwards, in order, the unreadable ones included.
    pub kept: Vec<u64>,
    /// Those of them that stay for nothing but the grace period.
    pub kept_by_grace: Vec<u64>,
    /// The grace period that was asked for.
    pub grace: Duration,
    /// The live versions whose manifests cannot be read. While there is one, no blob is deleted; while it is the newest,
    /// or one that consumers are sent to, no version is retired that is whole.
    pub unreadable: Vec<UnreadableVersion>,
    /// The versions that stay although blobs of theirs are lost. While there is one, no blob is deleted, and no version
    /// is retired that is whole.
    pub damaged: Vec<DamagedVersion>,
    /// The blobs that were deleted, with their size in bytes, in the order of kind and id.
    pub deleted: Vec<(BlobKind, BlobId, u64)>,
    /// What writers that died had left behind, and was deleted.
    pub orphans: Vec<FileEntry>,
    /// Bytes of the deleted blobs and orphans.
    pub bytes_freed: u64,
}

/// A version with blobs that are not there, or not with the size that its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedVersion {
    /// Its number.
    pub version: u64,
    /// The blobs, in the order of kind and id.
    pub blobs: Vec<(BlobKind, BlobId)>,
}
