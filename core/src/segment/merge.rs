//! Merges several segments into one.
//!
//! Their rows are staged again and sealed, so a merged segment is byte for byte what a producer would have written had
//! it been given these records at once: a consumer that has the inputs can make it, and check its hash.

use roaring::RoaringBitmap;

use super::column::Interning;
use super::copy::CopiedObjects;
use super::parallel::in_parallel;
use super::seal::{SealSettings, SealedSegment};
use super::stage::{Encoding, Stage};
use super::{Segment, WORD};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::manifest::MergeSource;

/// Rows that one thread stages before it takes the next.
const ROWS_AT_ONCE: u32 = 1 << 17;
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
    /// Merges segments of this record type, of this schema or older ones, into one. Fields that older segments lack get
    /// their defaults; fields are copied as the schema knows them.
    ///
    /// # Errors
    /// `DuplicateKey` if two rows have the same key, `Limit` if one segment cannot hold all, `Invalid` if an
    /// input cannot be read or no rows are left.
    pub fn merge(&self, inputs: &[MergeInput<'_>]) -> Result<SealedSegment> {
        self.check_growth(inputs)?;
        let mut tasks = Vec::new();
        for input in inputs {
            let rows = input.segment.rows();
            tasks.extend((0..rows).step_by(ROWS_AT_ONCE as usize).map(|first| (input, first)));
        }
        let stages = in_parallel(tasks, |(input, first)| {
            let rows = first..first.saturating_add(ROWS_AT_ONCE).min(input.segment.rows());
            self.stage_rows(input, rows)
        });
        let mut all: Option<Stage> = None;
        for stage in stages {
            match &mut all {
                Some(all) => all.absorb(stage?)?,
                None => all = Some(stage?),
            }
        }
        let all = all.unwrap_or_else(|| Stage::new(self));
        let whole = SealSettings { target_bytes: Some(super::layout::SEGMENT_WORDS_MAX * WORD as u64) };
        let mut segments = all.seal(whole)?;
        let merged = segments.next().unwrap_or_else(|| Err(Error::invalid("merge", "no rows are left")))?;
        match segments.next() {
            None => Ok(merged),
            Some(_) => Err(Error::invalid("merge", "more than one segment can hold")),
        }
    }

    /// Refuses rows whose schema makes far more of them than the segments hold.
    /// Merges segments as a manifest lists them, which gives the merged segment again.
    ///
    /// # Errors
    /// Those of [`merge`](Self::merge), and `Corrupt` if the rows that a source left behind cannot be read.
    pub fn merge_again(&self, sources: &[MergeSource], segments: &[Segment]) -> Result<SealedSegment> {
        let dropped = sources.iter().map(MergeSource::dropped_rows).collect::<Result<Vec<_>>>()?;
        let inputs = segments.iter().zip(&dropped);
        let inputs: Vec<_> = inputs.map(|(segment, rows)| MergeInput { segment, dropped: rows.as_ref() }).collect();
        self.merge(&inputs)
    }

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

    fn stage_rows(&self, input: &MergeInput<'_>, rows: std::ops::Range<u32>) -> Result<Stage> {
        let mut stage = Stage::interning(self, Interning::AtOnce);
        let mut copied = Vec::new();
        copied.resize_with(self.plan.columns.len(), CopiedObjects::default);
        stage.set_source(&std::sync::Arc::from(format!("row of {}:", input.segment.name())), u64::from(rows.start));
        for row in rows.filter(|row| input.dropped.is_none_or(|dropped| !dropped.contains(*row))) {
            if let Some(record) = input.segment.row(row) {
                stage.add_shared(record, &mut copied)?;
            }
        }
        Ok(stage)
    }
}
