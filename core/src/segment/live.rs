//! A segment of a version: its rows, less those that are dead.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::Segment;
use super::dead_rows::DeadRows;
use super::row_id::SegmentMark;
use crate::manifest::Id;

/// A segment, and which of its rows live.
#[derive(Clone)]
pub struct LiveSegment {
    segment: Segment,
    mark: SegmentMark,
    /// `None` if all live.
    dead: Option<Arc<DeadRows>>,
}

impl LiveSegment {
    /// Makes a segment of a record type, by the id that the manifest gives it, and its dead rows.
    pub fn new(record_type: &str, id: &Id, segment: Segment, dead: Option<RoaringBitmap>) -> Self {
        Self { segment, mark: SegmentMark::new(record_type, id), dead: dead.map(|rows| Arc::new(DeadRows::new(rows))) }
    }

    /// Returns the segment.
    #[inline]
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Returns what row ids of its rows name it by.
    #[inline]
    pub fn mark(&self) -> SegmentMark {
        self.mark
    }

    /// Returns its dead rows; `None` if there are none.
    pub fn dead(&self) -> Option<&RoaringBitmap> {
        self.dead.as_deref().map(DeadRows::rows)
    }

    /// Makes what readers look at to know whether a row lives, which the first of them to ask makes else.
    pub(crate) fn prepare(&self) {
        if let Some(dead) = &self.dead {
            dead.prepare();
        }
    }

    /// Whether a row lives.
    #[inline]
    pub fn is_live(&self, row: u32) -> bool {
        row < self.segment.rows() && !self.is_dead(row)
    }

    /// Whether a row is there and dead.
    #[inline]
    pub fn is_dead(&self, row: u32) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.contains(row))
    }

    /// Iterates over the live rows in order.
    pub fn live_rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.live_rows_in(0..u32::MAX)
    }

    /// Iterates over the live rows of a range in order.
    pub(crate) fn live_rows_in(&self, rows: Range<u32>) -> LiveRows<'_> {
        let rest = rows.start..rows.end.min(self.segment.rows());
        LiveRows { rest, dead: self.dead.as_deref(), ..LiveRows::none() }
    }
}

impl fmt::Debug for LiveSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead = self.dead().map_or(0, RoaringBitmap::len);
        f.debug_struct("LiveSegment").field("segment", &self.segment).field("dead", &dead).finish_non_exhaustive()
    }
}

/// Live rows in order.
///
/// They are found by words of 64 rows, since the end of a range without a dead row is a branch that no processor foresees:
/// one for every dead row, against one for a word.
#[derive(Clone)]
pub(crate) struct LiveRows<'v> {
    /// The rows at hand.
    run: Range<u32>,
    /// More rows at hand, behind `run`: each bit is one, counted from `first`.
    bits: u64,
    first: u32,
    /// Behind those at hand.
    rest: Range<u32>,
    dead: Option<&'v DeadRows>,
}

/// Some live rows, at least one.
pub(crate) enum LiveBlock {
    /// A range without a gap.
    Run(Range<u32>),
    /// A row for each bit that is set, counted from the first one.
    Bits {
        /// Row of the lowest bit.
        first: u32,
        bits: u64,
    },
}

impl LiveRows<'_> {
    /// No rows.
    pub(crate) fn none() -> Self {
        Self { run: 0..0, bits: 0, first: 0, rest: 0..0, dead: None }
    }

    /// Takes the next rows.
    #[inline]
    pub(crate) fn next_block(&mut self) -> Option<LiveBlock> {
        if !self.run.is_empty() {
            return Some(LiveBlock::Run(std::mem::take(&mut self.run)));
        }
        if self.bits == 0 && !self.advance() {
            return None;
        }
        if !self.run.is_empty() {
            return Some(LiveBlock::Run(std::mem::take(&mut self.run)));
        }
        Some(LiveBlock::Bits { first: self.first, bits: std::mem::take(&mut self.bits) })
    }

    /// Goes on, if there are no rows at hand; false at the end.
    #[inline(never)]
    fn advance(&mut self) -> bool {
        let Some(dead) = self.dead else {
            self.run = std::mem::take(&mut self.rest);
            return !self.run.is_empty();
        };
        self.run = self.rest.start..self.rest.start;
        while !self.rest.is_empty() {
            let first = self.rest.start / 64 * 64;
            let wanted = u64::MAX << (self.rest.start % 64);
            let end = self.rest.end.min(first.saturating_add(64));
            let wanted = wanted & (u64::MAX >> (64 - (end - first)));
            let live = wanted & !dead.word(first / 64);
            self.rest.start = end;
            if live == wanted {
                self.run.end = end;
            } else if live != 0 {
                (self.first, self.bits) = (first, live);
                return true;
            } else if self.run.is_empty() {
                self.run = end..end;
            } else {
                return true;
            }
        }
        !self.run.is_empty()
    }
}

impl Iterator for LiveRows<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if let Some(row) = self.run.next() {
            return Some(row);
        }
        if self.bits == 0 {
            if !self.advance() {
                return None;
            }
            if let Some(row) = self.run.next() {
                return Some(row);
            }
        }
        let row = self.first + self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(row)
    }

    #[inline]
    fn fold<B, F: FnMut(B, u32) -> B>(mut self, init: B, mut f: F) -> B {
        let mut out = init;
        while let Some(block) = self.next_block() {
            match block {
                LiveBlock::Run(rows) => out = rows.fold(out, &mut f),
                LiveBlock::Bits { first, mut bits } => {
                    while bits != 0 {
                        out = f(out, first + bits.trailing_zeros());
                        bits &= bits - 1;
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::*;

    proptest! {
        #[test]
        fn live_rows_are_those_that_are_not_dead(
            dead in prop::collection::vec((0_u32..700, 1_u32..150), 0..6),
            more in prop::collection::btree_set(0_u32..700, 0..60),
            rows in 0_u32..700,
            from in 0_u32..700,
            taken in 0_usize..200,
        ) {
            let dead: RoaringBitmap = dead.into_iter().flat_map(|(at, len)| at..at + len).chain(more).collect();
            let expected: Vec<u32> = (from..rows).filter(|row| !dead.contains(*row)).collect();
            for dead in [Some(DeadRows::new(dead)), None] {
                let all: Vec<u32> = if dead.is_some() { expected.clone() } else { (from..rows).collect() };
                let mut live = LiveRows { rest: from..rows, dead: dead.as_ref(), ..LiveRows::none() };
                assert_eq!(live.clone().fold(Vec::new(), |mut out, row| { out.push(row); out }), all);
                let mut found: Vec<u32> = live.by_ref().take(taken).collect();
                found.extend(std::iter::from_fn(|| live.next_block()).flat_map(|block| match block {
                    LiveBlock::Run(rows) => rows.collect::<Vec<_>>(),
                    LiveBlock::Bits { first, bits } => {
                        (0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| first + bit).collect()
                    }
                }));
                assert_eq!(found, all);
            }
        }
    }
}
