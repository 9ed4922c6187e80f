//! Decides, for each segment, which rows are looked at and what is asked of them.
//!
//! Today all live rows are looked at, and everything is asked. This is where indexes come in: [`plan_segment`] may take
//! conjuncts of an `And` that an index of the segment answers out of the conditions, and give their rows as
//! [`Candidates::Rows`]. What a leaf asks is a [`Check`](super::check::Check): its place has the field's path, its test the
//! keys or bytes that satisfy it. All that reads rows ([`SegmentScan`](super::scan::SegmentScan), `Rows::contains`) goes by
//! the plan.

use std::ops::Range;
use std::sync::Arc;

use kapok_core::segment::LiveSegment;
use kapok_core::view::Table;
use roaring::RoaringBitmap;

use super::check::Ready;
use super::mask::{BLOCK_ROWS, Mask};

/// What is done in one segment.
#[derive(Clone, Debug)]
pub(super) struct SegmentPlan<'v> {
    pub candidates: Candidates,
    /// What candidates must satisfy.
    pub conditions: Arc<Ready<'v>>,
}

/// Rows of a segment that may satisfy the expression; dead ones are left out when they are read.
#[derive(Clone, Debug)]
pub(super) enum Candidates {
    All,
    #[expect(dead_code, reason = "what an index answers")]
    Rows(RoaringBitmap),
}

/// Makes the plans of all segments.
pub(super) fn plan<'v>(table: &'v Table, expression: &Arc<Ready<'v>>) -> Vec<SegmentPlan<'v>> {
    table.segments().iter().map(|segment| plan_segment(segment, expression)).collect()
}

/// Makes the plan of one segment.
fn plan_segment<'v>(_: &'v LiveSegment, expression: &Arc<Ready<'v>>) -> SegmentPlan<'v> {
    SegmentPlan { candidates: Candidates::All, conditions: Arc::clone(expression) }
}

impl Candidates {
    /// Returns the live candidates of a block, which begins at `first`.
    pub fn block(&self, source: &LiveSegment, first: u32) -> Mask {
        let rows = source.segment().rows().saturating_sub(first).min(BLOCK_ROWS);
        let block: Range<u32> = first..first + rows;
        let mut mask = match self {
            Self::All => Mask::first(rows),
            Self::Rows(candidates) => {
                let mut mask = Mask::EMPTY;
                candidates.range(block.clone()).for_each(|row| mask.insert(row - first));
                mask
            }
        };
        if let Some(dead) = source.dead() {
            dead.range(block).for_each(|row| mask.remove(row - first));
        }
        mask
    }

    /// Returns the first row from one on that may be a candidate.
    pub fn next_from(&self, row: u32) -> Option<u32> {
        match self {
            Self::All => Some(row),
            Self::Rows(candidates) => candidates.range(row..).next(),
        }
    }
}
