//! The id of a row of a version: its segment, and its number there.

use crate::error::Error;
use crate::fault::Fault;
use crate::manifest::Id;

/// Place of a row in a version: stable until a merge moves the row.
///
/// It names the segment that it is of, by some bits of the segment's id and of the record type's name. So it is good
/// for every view that shares the segment, wherever the segment stands there. With any other view or record type it is
/// refused as `Invalid`, unless another segment has the same 32 bits by chance.
///
/// Row ids of one view are ordered as its segments and rows are. Those of one row in two views are equal if its segment
/// stands at the same place in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// Which segment of the record type, then which row of it: in one word, since a word that was stored in two parts
    /// is slow to load.
    place_and_row: u64,
    segment: SegmentMark,
}

/// Mark of the segment of a [`RowId`]: bits of its id, mixed with some of its record type's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentMark(u32);

impl RowId {
    /// Returns the row within its segment.
    #[inline]
    pub fn row(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "its low half")]
        let row = self.place_and_row as u32;
        row
    }

    /// Returns the probable place of its segment: it is there if the mark there is [`Self::segment`].
    #[inline]
    pub(crate) fn place(self) -> usize {
        (self.place_and_row >> 32) as usize
    }

    #[inline]
    pub(crate) fn segment(self) -> SegmentMark {
        self.segment
    }

    /// Returns the place of its segment among others, if it is among them.
    #[cold]
    pub(crate) fn find(self, mut marks: impl Iterator<Item = SegmentMark>) -> Option<usize> {
        marks.position(|mark| mark == self.segment)
    }

    #[cold]
    pub(crate) fn stale(self, record_type: &str) -> Error {
        Fault::StaleRow { record_type: record_type.to_owned(), segment: self.place(), row: self.row() }.into()
    }
}

impl SegmentMark {
    pub(super) fn new(record_type: &str, segment: &Id) -> Self {
        // Two record types may have segments of the same bytes.
        let name = blake3::hash(record_type.as_bytes());
        let bits = |id: &Id| u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
        Self(bits(segment) ^ bits(name.as_bytes()))
    }

    /// Returns the row id of a row of this segment, which stands at `place`.
    #[inline]
    pub fn row_id(self, place: usize, row: u32) -> RowId {
        // A manifest's list has less than 2^29 elements.
        RowId { place_and_row: (place as u64) << 32 | u64::from(row), segment: self }
    }
}
