//! Finds the rows of a segment that satisfy an expression, block by block.

use std::ops::Range;

use kapok_core::segment::{LiveSegment, RowId};
use kapok_core::{Error, Result};

use super::evaluate::Spending;
use super::mask::{BLOCK_ROWS, Mask, block_of};
use super::plan::SegmentPlan;
use super::unreadable::Unreadable;

/// Rows of one segment that satisfy an expression, in order.
pub(super) struct SegmentScan<'v> {
    source: &'v LiveSegment,
    plan: SegmentPlan<'v>,
    place: usize,
    /// First row of the next block.
    next: u32,
    /// Rows below this one are passed over.
    from: u32,
    /// Behind the last row.
    end: u32,
    /// First row of the block at hand, its rows, and the next of them.
    first: u32,
    mask: Mask,
    at: u32,
    spending: Spending,
}

impl<'v> SegmentScan<'v> {
    /// Scans a segment, which stands at a place of its table.
    pub fn new(source: &'v LiveSegment, place: usize, plan: SegmentPlan<'v>) -> Self {
        Self::of_rows(source, place, plan, 0..source.segment().rows())
    }

    /// Scans some rows, which begin where a block does.
    pub fn of_rows(source: &'v LiveSegment, place: usize, plan: SegmentPlan<'v>, rows: Range<u32>) -> Self {
        let (next, end) = (rows.start, rows.end);
        Self {
            source,
            plan,
            place,
            next,
            from: next,
            end,
            first: 0,
            mask: Mask::EMPTY,
            at: 0,
            spending: Spending::new(),
        }
    }

    /// Passes over the rows below one.
    pub fn from(mut self, row: u32) -> Self {
        self.from = row;
        self.next = block_of(row, self.end).start;
        self
    }

    /// Goes to the next block that has a row; false at the end.
    pub fn advance(&mut self) -> Result<bool> {
        while self.next < self.end {
            let Some(candidate) = self.plan.candidates.next_from(self.next).filter(|row| *row < self.end) else {
                break;
            };
            let block = block_of(candidate, self.end);
            self.next = block.end;
            let mut mask = self.plan.candidates.block(self.source, block.start);
            (block.start..self.from).for_each(|row| mask.remove(row - block.start));
            let narrowed = self.plan.conditions.narrow(self.source.segment(), block.start, &mut mask, &self.spending);
            narrowed.map_err(|unreadable| corrupt(self.source, unreadable))?;
            if !mask.is_empty() {
                (self.first, self.mask, self.at) = (block.start, mask, 0);
                return Ok(true);
            }
        }
        self.next = self.end;
        Ok(false)
    }

    /// Counts the rows that come.
    pub fn count_rest(mut self) -> Result<u64> {
        let mut count = 0;
        while self.advance()? {
            count += u64::from(self.mask.count());
        }
        Ok(count)
    }

    pub fn source(&self) -> &'v LiveSegment {
        self.source
    }

    /// Returns the row id of a row.
    pub fn row_id(&self, row: u32) -> RowId {
        self.source.mark().row_id(self.place, row)
    }
}

impl Iterator for SegmentScan<'_> {
    type Item = Result<u32>;

    fn next(&mut self) -> Option<Result<u32>> {
        loop {
            if let Some(row) = self.mask.next_from(self.at) {
                self.at = row + 1;
                return Some(Ok(self.first + row));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => {
                    (self.mask, self.at) = (Mask::EMPTY, BLOCK_ROWS);
                    return None;
                }
                Err(error) => {
                    (self.next, self.mask) = (self.end, Mask::EMPTY);
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Makes the error of what cannot be read while a segment is.
#[cold]
pub(super) fn corrupt(source: &LiveSegment, unreadable: impl Into<Unreadable>) -> Error {
    match unreadable.into() {
        Unreadable::Here(malformed) => malformed.into_error_with(source.segment().name(), source.segment().words()),
        Unreadable::Elsewhere(error) => *error,
    }
}
