//! The dead rows of a segment, as a set to walk and as bits to ask.

use roaring::RoaringBitmap;

/// The dead rows of a segment.
///
/// A compressed bitmap answers for one row by two searches, whose branches no processor foresees. Lookups ask about one
/// random row at a time, so the rows also stand as plain bits: at most an eighth of a byte for each row of the segment, of
/// which only pages with dead rows are written.
pub(super) struct DeadRows {
    rows: RoaringBitmap,
    bits: Vec<u64>,
}

impl DeadRows {
    pub(super) fn new(rows: RoaringBitmap) -> Self {
        let end = rows.max().map_or(0, |last| last as usize + 1);
        let mut bits = vec![0_u64; end.div_ceil(u64::BITS as usize)];
        let mut ranges = rows.iter();
        while let Some(range) = ranges.next_range() {
            for row in range {
                if let Some(word) = bits.get_mut(row as usize / 64) {
                    *word |= 1 << (row % 64);
                }
            }
        }
        Self { rows, bits }
    }

    pub(super) fn rows(&self) -> &RoaringBitmap {
        &self.rows
    }

    #[inline]
    pub(super) fn contains(&self, row: u32) -> bool {
        self.bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }
}
