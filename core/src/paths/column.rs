//! A number that lies in the rows of a segment themselves, read with a stride.

use super::{Path, Paths, Scalar, ScalarKind};
use crate::segment::Segment;
use crate::words::WORD;

/// The values of one path in the rows of one segment: numbers, Bools or enums that lie in the rows themselves.
///
/// A read is one load of a word whatever the width, and no branch but those on what is the same for all rows.
#[derive(Clone, Copy, Debug)]
pub struct NumberColumn<'v> {
    /// All rows, one behind the other.
    rows: &'v [u8],
    /// Bytes from one row to the next.
    stride: usize,
    kind: ScalarKind,
    number: Bits,
    default: u64,
    /// The bit that says that the number is null, and its default.
    null_flag: Option<(Bits, u64)>,
}

/// Some bits of a word of a row's data section.
#[derive(Clone, Copy, Debug)]
struct Bits {
    /// Byte of the row at which the word begins.
    at: usize,
    shift: u32,
    mask: u64,
}

impl Bits {
    /// Returns bits of a data section of so many words, by the first one; `None` if it is too short. `count`: 1, 8, 16, 32 or 64.
    fn new(first: usize, count: u32, data_words: u16) -> Option<Self> {
        let word = first / 64;
        #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
        let shift = (first % 64) as u32;
        (word < usize::from(data_words)).then_some(Self { at: word * WORD, shift, mask: u64::MAX >> (64 - count) })
    }
}

impl Paths {
    /// Returns the column of one of the paths in a segment; `None` if its values are no numbers, or do not lie in all rows
    /// themselves.
    pub fn number_column<'v>(&self, path: usize, segment: &'v Segment) -> Option<NumberColumn<'v>> {
        let Path { depth: 0, hops, leaf, .. } = self.paths.get(path)? else { return None };
        if !hops.is_none() {
            return None;
        }
        let (data_words, _) = segment.row_sizes();
        let (first, count) = leaf.bits()?;
        let null_flag = match leaf.null_flag() {
            Some((bit, default)) => Some((Bits::new(bit, 1, data_words)?, u64::from(default))),
            None => None,
        };
        let (from, stride) = (segment.rows_at(), segment.stride());
        Some(NumberColumn {
            rows: segment.words().bytes().get(from..from + segment.rows() as usize * stride)?,
            stride,
            kind: leaf.kind,
            number: Bits::new(first, count, data_words)?,
            default: leaf.default(),
            null_flag,
        })
    }
}

impl NumberColumn<'_> {
    /// Returns the number of a row as bits, which are equal for equal integers; `None` for null, and beyond the last row.
    #[inline]
    pub fn bits(&self, row: u32) -> Option<u64> {
        let number = self.load(row, self.number)?;
        if let Some((flag, default)) = self.null_flag
            && self.load(row, flag)? != default
        {
            return None;
        }
        Some(number ^ self.default)
    }

    /// Returns the value of a row; null beyond the last.
    #[inline]
    pub fn value(&self, row: u32) -> Scalar<'static> {
        self.bits(row).map_or(Scalar::Null, |bits| self.kind.value(bits))
    }

    #[inline]
    fn load(&self, row: u32, bits: Bits) -> Option<u64> {
        let word = self.rows.get(row as usize * self.stride + bits.at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word) >> bits.shift & bits.mask)
    }
}
