//! Iterates over the live records of a type as generated readers.

use std::ops::Range;

use capnp::traits::OwnedStruct;

use super::Readers;
use super::readers::Source;
use crate::schema::RecordStruct;
use crate::segment::LiveRanges;

/// Live records as generated readers, in the order of their row ids. Made by [`Readers::iter`].
pub struct ReaderIter<'r, 'v, T: OwnedStruct> {
    readers: &'r Readers<'v, T>,
    /// Place of the segment after the one at hand.
    next_place: usize,
    source: Option<&'r Source<'r>>,
    ranges: LiveRanges<'v>,
    rows: Range<u32>,
}

impl<'r, 'v, T: RecordStruct> ReaderIter<'r, 'v, T> {
    pub(super) fn new(readers: &'r Readers<'v, T>) -> Self {
        Self { readers, next_place: 0, source: None, ranges: LiveRanges::none(), rows: 0..0 }
    }

    /// Goes to the next range of live rows; false at the end.
    #[cold]
    fn advance(&mut self) -> bool {
        loop {
            if let Some(rows) = self.ranges.next() {
                self.rows = rows;
                return true;
            }
            let Some(segment) = self.readers.table().segments().get(self.next_place) else { return false };
            self.source = self.readers.source(self.next_place);
            self.ranges = segment.live_ranges();
            self.next_place += 1;
        }
    }
}

impl<'r, T: RecordStruct> Iterator for ReaderIter<'r, '_, T> {
    type Item = <T as OwnedStruct>::Reader<'r>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.is_empty() && !self.advance() {
            return None;
        }
        let row = self.rows.next()?;
        self.source?.get::<T>(row)
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let mut out = init;
        while !self.rows.is_empty() || self.advance() {
            let rows = std::mem::take(&mut self.rows);
            let Some(source) = self.source else { break };
            out = rows.filter_map(|row| source.get::<T>(row)).fold(out, &mut f);
        }
        out
    }
}
