//! Verifies that segments are what their manifest entries say and that their indexes are those of their rows.

use kapok_core::Result;
use kapok_core::manifest::{BlobMap, Id, SegmentEntry, Tombstones};
use kapok_core::segment::{Encoding, Segment, in_parallel};

use crate::declared::IndexSet;
use crate::kind::Kind;
use crate::view::{TableIndexes, View};

/// Checks of a new segment.
#[derive(Clone, Copy)]
enum Check {
    Hash,
    Contents,
}

impl View {
    /// Checks the blobs of the view that are new to its holder, in time that grows with their length: the hash of each, all
    /// of each new segment, and each new index against its segment.
    ///
    /// `blobs`: those that the view was opened over. Record types that the view was opened without are not checked.
    ///
    /// # Errors
    /// `NotFound` if a new blob is not among the blobs, `Corrupt` if something is not as it must be.
    pub fn verify_new(&self, blobs: &BlobMap, is_new: impl Fn(&Id) -> bool) -> Result<()> {
        for (table, TableIndexes { declared, .. }) in self.tables().iter().zip(self.table_indexes()) {
            let ty = self.manifest().expect_record_type(table.name())?;
            for (entry, source) in ty.segments.iter().zip(table.segments()) {
                let indexes: Vec<&Id> = entry.artifacts.iter().map(|index| &index.id).filter(|id| is_new(id)).collect();
                let dead_rows = match &entry.tombstones {
                    Tombstones::Blob(id) => Some(id).filter(|id| is_new(id)),
                    _ => None,
                };
                for id in indexes.iter().copied().chain(dead_rows) {
                    blobs.expect(id)?.verify_hash(id)?;
                }
                let segment = source.segment();
                let encoding = || ty.encoding(table.schema(), entry.sharing);
                if is_new(&entry.id) {
                    let encoding = encoding()?;
                    // One thread hashes the file while others walk it. The hash is heard first: it says more.
                    let checked = in_parallel(vec![Check::Hash, Check::Contents], |check| match check {
                        Check::Hash => segment.verify_hash(&entry.id),
                        Check::Contents => verify_segment(&encoding, declared, segment, entry, blobs),
                    });
                    checked.into_iter().collect::<Result<()>>()?;
                } else if !indexes.is_empty() {
                    declared.verify(segment, entry, blobs, |_, artifact| is_new(&artifact.id))?;
                }
            }
        }
        Ok(())
    }
}

/// Checks all of a segment and of its indexes but their hashes, in time that grows with their length:
/// [`Encoding::verify`], then each index against the rows. Artifacts of kinds that this release does not know are passed over.
///
/// # Errors
/// `NotFound` if an index is not among the blobs, `Corrupt` if something is not as it must be.
pub fn verify_segment(
    encoding: &Encoding,
    indexes: &IndexSet,
    segment: &Segment,
    entry: &SegmentEntry,
    blobs: &BlobMap,
) -> Result<()> {
    encoding.verify(segment, entry)?;
    indexes.verify(segment, entry, blobs, |_, _| true)
}

/// Checks a segment and its indexes as [`verify_segment`] does, but not those that this process has just built of it: they are
/// checked by building them, which would tell nothing new. That is all but the index of the primary key.
///
/// # Errors
/// Those of [`verify_segment`].
pub fn verify_built_segment(
    encoding: &Encoding,
    indexes: &IndexSet,
    segment: &Segment,
    entry: &SegmentEntry,
    blobs: &BlobMap,
) -> Result<()> {
    encoding.verify(segment, entry)?;
    indexes.verify(segment, entry, blobs, |index, _| index.kind() == Kind::Unique)
}
