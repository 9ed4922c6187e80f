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

    /// Whether a row lives.
    #[inline]
    pub fn is_live(&self, row: u32) -> bool {
        match &self.dead {
            None => row < self.segment.rows(),
            Some(dead) => row < self.segment.rows() && !dead.contains(row),
        }
    }

    /// Iterates over the live rows in order.
    pub fn live_rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.live_ranges().flatten()
    }

    /// Iterates over the live rows in order, as ranges without a gap.
    pub(crate) fn live_ranges(&self) -> LiveRanges<'_> {
        LiveRanges { next: 0, rows: self.segment.rows(), dead: self.dead.as_deref() }
    }
}

impl fmt::Debug for LiveSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dead = self.dead().map_or(0, RoaringBitmap::len);
        f.debug_struct("LiveSegment").field("segment", &self.segment).field("dead", &dead).finish_non_exhaustive()
    }
}

/// Ranges of live rows, in order.
#[derive(Clone)]
pub(crate) struct LiveRanges<'v> {
    next: u32,
    rows: u32,
    dead: Option<&'v DeadRows>,
}

impl LiveRanges<'_> {
    /// No rows.
    pub(crate) fn none() -> Self {
        Self { next: 0, rows: 0, dead: None }
    }
}

impl Iterator for LiveRanges<'_> {
    type Item = Range<u32>;

    #[inline]
    fn next(&mut self) -> Option<Range<u32>> {
        while self.next < self.rows {
            let start = self.next;
            let end = self.dead.and_then(|dead| dead.next_from(start)).unwrap_or(self.rows).min(self.rows);
            self.next = end.saturating_add(1);
            if start < end {
                return Some(start..end);
            }
        }
        None
    }
}
