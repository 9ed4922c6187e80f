//! Iterates over the live records of a type as generated readers.

use capnp::traits::OwnedStruct;

use super::Readers;
use super::readers::Source;
use crate::schema::RecordStruct;
use crate::segment::LiveRows;

/// Live records as generated readers, in the order of their row ids. Made by [`Readers::iter`].
pub struct ReaderIter<'r, 'v, T: OwnedStruct> {
    readers: &'r Readers<'v, T>,
    /// Place of the segment after the one at hand.
    next_place: usize,
    source: Option<&'r Source<'r>>,
    rows: LiveRows<'v>,
}

impl<'r, 'v, T: RecordStruct> ReaderIter<'r, 'v, T> {
    pub(super) fn new(readers: &'r Readers<'v, T>) -> Self {
        Self { readers, next_place: 0, source: None, rows: LiveRows::none() }
    }

    /// Goes to the next segment; false at the end.
    #[cold]
    fn advance(&mut self) -> bool {
        let Some(segment) = self.readers.table().segments().get(self.next_place) else { return false };
        self.source = self.readers.source(self.next_place);
        self.rows = segment.live_rows_in(0..u32::MAX);
        self.next_place += 1;
        true
    }
}

impl<'r, T: RecordStruct> Iterator for ReaderIter<'r, '_, T> {
    type Item = <T as OwnedStruct>::Reader<'r>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return self.source?.get::<T>(row);
            }
            if !self.advance() {
                return None;
            }
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let mut out = init;
        loop {
            if let Some(source) = self.source {
                let rows = std::mem::replace(&mut self.rows, LiveRows::none());
                out = rows.filter_map(|row| source.get::<T>(row)).fold(out, &mut f);
            }
            if !self.advance() {
                return out;
            }
        }
    }
}
