//! Merges several segments into one.
//!
//! A merged segment is byte for byte what a producer would have written had it been given these records at once: a consumer
//! that has the inputs can make it, and check its hash.
//!
//! Rows are not staged. They are put into the order of their keys where they are ([`rows`]). Each field then finds out which
//! of its objects are equal and where each comes to stand ([`column`]), which takes some bytes for each row and object. Now
//! the size of the segment is known, and rows and objects are copied from their segments to their places ([`write`]).

use roaring::RoaringBitmap;

use super::Segment;
use super::WORD;
use super::frame;
use super::layout::lay_out;
use super::parallel::in_parallel;
use super::seal::{SealedSegment, on_heap};
use super::stage::Encoding;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::manifest::{MergeSource, blob_hash};

mod column;
mod field_place;
mod flat;
mod rows;
mod staged;
mod write;

use column::MergedColumn;
use rows::MergedRows;

/// Rows of a schema that has grown may take this many times the bytes of what is merged, or [`ROW_BYTES_SMALL`].
const GROWTH_MAX: u64 = 16;
/// Rows that take no more than this may have grown by any factor.
const ROW_BYTES_SMALL: u64 = 64 << 20;

/// A segment that is to be merged with others.
#[derive(Clone, Copy, Debug)]
pub struct MergeInput<'s> {
    /// The segment that has the rows.
    pub segment: &'s Segment,
    /// Those that are left behind; `None` for none.
    pub dropped: Option<&'s RoaringBitmap>,
}

impl Encoding {
    /// Merges segments of this record type, of this schema or older ones, into one on the heap. Fields that older segments lack
    /// get their defaults; fields are copied as the schema knows them.
    ///
    /// # Errors
    /// `DuplicateKey` if two rows have the same key, `Limit` if one segment cannot hold all, `Invalid` if an
    /// input cannot be read or no rows are left.
    pub fn merge(&self, inputs: &[MergeInput<'_>]) -> Result<SealedSegment> {
        self.merge_into(inputs, on_heap)
    }

    /// Merges as [`merge`](Self::merge) does, into memory that a function gives: it is asked for so many bytes, all zero.
    ///
    /// # Errors
    /// Those of [`merge`](Self::merge), and those of the function.
    pub fn merge_into<M, E>(
        &self,
        inputs: &[MergeInput<'_>],
        allocate: impl FnOnce(usize) -> std::result::Result<M, E>,
    ) -> std::result::Result<SealedSegment<M>, E>
    where
        M: AsMut<[u8]>,
        E: From<Error>,
    {
        self.check_growth(inputs)?;
        let rows = MergedRows::new(self, inputs)?;
        let plan = &self.plan;
        let columns = in_parallel(field_place::of_columns(plan), |place| MergedColumn::new(self, &rows, place));
        let columns: Vec<MergedColumn> = columns.into_iter().collect::<Result<_>>()?;
        let sizes: Vec<_> = columns.iter().map(MergedColumn::size).collect();
        let layout = lay_out(&self.record_type, rows.len() as u64, plan.record.words() as u64, &sizes)?;
        let mut memory = allocate(frame::size(&layout))?;
        write::write(memory.as_mut(), plan, &rows, &columns, &layout)?;
        Ok(SealedSegment {
            id: blob_hash(memory.as_mut()),
            rows: u32::try_from(rows.len()).map_err(|_| Error::invalid("merge", "too many rows"))?,
            first_key: rows.encoded_key(self, 0)?,
            last_key: rows.encoded_key(self, rows.len() - 1)?,
            extents: frame::extents(plan, &layout, rows.len(), columns.iter().map(MergedColumn::stride_words)),
            bytes: memory,
        })
    }

    /// Merges segments as a manifest lists them, which gives the merged segment again.
    ///
    /// # Errors
    /// Those of [`merge`](Self::merge), and `Corrupt` if the rows that a source left behind cannot be read.
    pub fn merge_again(&self, sources: &[MergeSource], segments: &[Segment]) -> Result<SealedSegment> {
        self.merge_again_into(sources, segments, on_heap)
    }

    /// Merges as [`merge_again`](Self::merge_again) does, into memory that a function gives: it is asked for so many bytes, all
    /// zero.
    ///
    /// # Errors
    /// Those of [`merge_again`](Self::merge_again), and those of the function.
    pub fn merge_again_into<M, E>(
        &self,
        sources: &[MergeSource],
        segments: &[Segment],
        allocate: impl FnOnce(usize) -> std::result::Result<M, E>,
    ) -> std::result::Result<SealedSegment<M>, E>
    where
        M: AsMut<[u8]>,
        E: From<Error>,
    {
        let dropped = sources.iter().map(MergeSource::dropped_rows).collect::<Result<Vec<_>>>()?;
        let inputs = segments.iter().zip(&dropped);
        let inputs: Vec<_> = inputs.map(|(segment, rows)| MergeInput { segment, dropped: rows.as_ref() }).collect();
        self.merge_into(&inputs, allocate)
    }

    /// Refuses rows whose schema makes far more of them than the segments hold.
    fn check_growth(&self, inputs: &[MergeInput<'_>]) -> Result<()> {
        let live = |input: &MergeInput<'_>| {
            u64::from(input.segment.rows()).saturating_sub(input.dropped.map_or(0, roaring::RoaringBitmap::len))
        };
        let rows: u64 = inputs.iter().map(live).sum();
        let size: u64 = inputs.iter().map(|input| input.segment.bytes().len() as u64).sum();
        let needed = rows.saturating_mul((self.plan.record.words() * WORD) as u64);
        let allowed = size.saturating_mul(GROWTH_MAX).max(ROW_BYTES_SMALL);
        if needed <= allowed {
            return Ok(());
        }
        let subject = self.record_type.to_string();
        Err(Fault::Limit { subject, limit: "bytes of the rows of a merge", allowed, needed }.into())
    }
}
