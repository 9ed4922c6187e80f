//! Reads the key of a row, and makes the errors of rows that cannot be read.

use kapok_core::key::KeySpec;
use kapok_core::segment::{HEADER_BYTES, Segment};
use kapok_core::words::{Malformed, StructRef};
use kapok_core::{Error, Result};
use roaring::RoaringBitmap;

/// Encodes the key of a row into `out`, which is cleared first.
pub(crate) fn encode_row(key: &KeySpec, segment: &Segment, row: u32, out: &mut Vec<u8>) -> Result<()> {
    out.clear();
    match key.encode_row(expect_row(segment, row)?, out) {
        Ok(true) => Ok(()),
        Ok(false) => Err(corrupt_row(segment, row, "a row with a key", "null")),
        Err(malformed) => Err(unreadable(segment, malformed)),
    }
}

#[inline]
pub(crate) fn expect_row(segment: &Segment, row: u32) -> Result<StructRef<'_>> {
    match segment.row(row) {
        Some(found) => Ok(found),
        None => Err(corrupt_row(segment, row, "a row within the segment", "its end")),
    }
}

#[cold]
pub(crate) fn corrupt_row(segment: &Segment, row: u32, expected: &str, found: &str) -> Error {
    let at = HEADER_BYTES + segment.rows_at() + row as usize * segment.stride();
    Error::corrupt(segment.name(), at as u64, expected, format!("{found} in row {row}"))
}

#[cold]
pub(crate) fn unreadable(segment: &Segment, malformed: Malformed) -> Error {
    malformed.into_error_with(segment.name(), segment.words())
}

/// The rows of a segment that an index holds: those that satisfy its filter, or all.
#[derive(Clone, Debug, Default)]
pub struct IndexedRows(Option<RoaringBitmap>);

impl IndexedRows {
    /// All rows.
    pub const ALL: Self = Self(None);

    /// Some rows.
    pub fn some(rows: RoaringBitmap) -> Self {
        Self(Some(rows))
    }

    /// Returns whether a row is one of them.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        self.0.as_ref().is_none_or(|rows| rows.contains(row))
    }
}
