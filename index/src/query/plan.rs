//! Decides, for each segment, which rows are looked at and what is asked of them.
//!
//! Each index that answers conditions says how many rows it would give, exactly. The cheapest way is taken: one index, whose
//! conditions are asked no more, or a scan. So plans differ from segment to segment.

use std::ops::Range;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::segment::LiveSegment;
use kapok_core::view::Table;
use roaring::RoaringBitmap;

use super::access::{Access, Answer};
use super::check::{Check, Ready};
use super::mask::{BLOCK_ROWS, Mask};
use super::tree::{Leaf, Tree};
use crate::kind::OpenIndex;
use crate::view::TableIndexes;

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
    /// Those that an index gives, by its name.
    Rows(Arc<str>, RoaringBitmap),
}

/// Makes the plans of all segments.
///
/// # Errors
/// `Corrupt` if an index, or a row that confirms what it says, is not as it must be.
pub(super) fn plan<'v>(
    table: &'v Table,
    indexes: Option<(&[Access<'v>], &'v TableIndexes)>,
    expression: &Arc<Ready<'v>>,
) -> Result<Vec<SegmentPlan<'v>>> {
    let plan = |(place, source): (usize, &'v LiveSegment)| match indexes {
        Some((accesses, indexes)) if !accesses.is_empty() => {
            let opened = indexes.opened.get(place).map_or(&[][..], Vec::as_slice);
            plan_segment(source, accesses, opened, expression)
        }
        _ => Ok(SegmentPlan { candidates: Candidates::All, conditions: Arc::clone(expression) }),
    };
    table.segments().iter().enumerate().map(plan).collect()
}

/// Makes the plan of one segment.
fn plan_segment<'v>(
    source: &'v LiveSegment,
    accesses: &[Access<'v>],
    opened: &'v [Option<OpenIndex>],
    expression: &Arc<Ready<'v>>,
) -> Result<SegmentPlan<'v>> {
    let all = if let Tree::And(all) = &**expression { all.as_slice() } else { std::slice::from_ref(&**expression) };
    let mut best: Option<(u64, Answer<'v>, Ready<'v>)> = None;
    let mut least = u64::from(source.segment().rows()).saturating_mul(cost(expression));
    for access in accesses {
        let Some(answer) = access.ask(all, source, opened)? else { continue };
        let others = all.iter().enumerate().filter(|(at, _)| !answer.answered.contains(at));
        let mut others: Vec<Ready<'v>> = others.map(|(_, one)| one.clone()).collect();
        let rest = match others.len() {
            0 => Tree::Constant(true),
            1 => others.remove(0),
            _ => Tree::And(others),
        };
        let cost = answer.cost().saturating_add(answer.count.saturating_mul(cost(&rest)));
        if cost < least {
            least = cost;
            best = Some((cost, answer, rest));
        }
    }
    Ok(match best {
        Some((_, answer, rest)) => SegmentPlan {
            candidates: Candidates::Rows(answer.index.name().into(), answer.rows()?),
            conditions: Arc::new(rest),
        },
        None => SegmentPlan { candidates: Candidates::All, conditions: Arc::clone(expression) },
    })
}

fn cost(expression: &Ready<'_>) -> u64 {
    expression.cost(&|leaf: &Leaf<Check<'_>>| leaf.what.cost()).into()
}

impl Candidates {
    /// Returns the live candidates of a block, which begins at `first`.
    pub fn block(&self, source: &LiveSegment, first: u32) -> Mask {
        let rows = source.segment().rows().saturating_sub(first).min(BLOCK_ROWS);
        let block: Range<u32> = first..first + rows;
        let mut mask = match self {
            Self::All => Mask::first(rows),
            Self::Rows(_, candidates) => {
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
            Self::Rows(_, candidates) => candidates.range(row..).next(),
        }
    }
}
