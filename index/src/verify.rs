//! Verifies that a segment is what its manifest entry says and that its indexes are those of its rows.

use kapok_core::Result;
use kapok_core::manifest::SegmentEntry;
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::segment::{Encoding, Segment};

use crate::unique::{self, UniqueIndex};

/// Checks all of a segment and of its indexes but their hashes, in time that grows with their length:
/// [`Encoding::verify`], then each index against the rows.
///
/// # Errors
/// `NotFound` if an index is not among the blobs, `Corrupt` if something is not as it must be.
pub fn verify_segment(encoding: &Encoding, segment: &Segment, entry: &SegmentEntry, blobs: &BlobMap) -> Result<()> {
    encoding.verify(segment, entry)?;
    verify_indexes(encoding, segment, entry, blobs)
}

/// Checks the indexes of a segment against its rows. Those of kinds that this release does not know are passed over.
///
/// # Errors
/// As [`verify_segment`].
pub fn verify_indexes(encoding: &Encoding, segment: &Segment, entry: &SegmentEntry, blobs: &BlobMap) -> Result<()> {
    for artifact in entry.artifacts.iter().filter(|artifact| artifact.kind == unique::KIND) {
        let Blob { name, bytes } = blobs.expect(&artifact.id)?;
        UniqueIndex::open(name, bytes.clone(), entry.rows)?.verify(encoding.key(), segment)?;
    }
    Ok(())
}
