//! A set of rows within a block.

use std::ops::Range;

/// Rows of a block: few enough for a block's rows to stay in the first cache, while one condition after another looks at
/// them.
pub(super) const BLOCK_ROWS: u32 = 1024;

pub(super) const MASK_WORDS: usize = BLOCK_ROWS as usize / 64;

/// A bit for each row of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mask(pub [u64; MASK_WORDS]);

impl Mask {
    pub const EMPTY: Self = Self([0; MASK_WORDS]);

    /// Makes the set of the first rows.
    pub fn first(rows: u32) -> Self {
        let mut out = Self::EMPTY;
        for (word, first) in out.0.iter_mut().zip((0..).step_by(64)) {
            *word = match rows.saturating_sub(first) {
                0 => 0,
                rows @ 1..64 => (1 << rows) - 1,
                _ => u64::MAX,
            };
        }
        out
    }

    pub fn insert(&mut self, row: u32) {
        self.0[row as usize / 64] |= 1 << (row % 64);
    }

    pub fn remove(&mut self, row: u32) {
        self.0[row as usize / 64] &= !(1 << (row % 64));
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    pub fn subtract(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
    }

    /// Returns the first row from one on, if there is one.
    #[inline]
    pub fn next_from(&self, row: u32) -> Option<u32> {
        let mut index = row as usize / 64;
        let mut word = self.0.get(index)? & (u64::MAX << (row % 64));
        while word == 0 {
            index += 1;
            word = *self.0.get(index)?;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a block has few words")]
        Some(index as u32 * 64 + word.trailing_zeros())
    }

    /// Iterates over the rows in order.
    pub fn rows(self) -> impl Iterator<Item = u32> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let row = self.next_from(next)?;
            next = row + 1;
            Some(row)
        })
    }
}

/// Returns the rows of the block that a row is in, of so many rows of a segment.
pub(super) fn block_of(row: u32, rows: u32) -> Range<u32> {
    let first = row / BLOCK_ROWS * BLOCK_ROWS;
    first..rows.min(first.saturating_add(BLOCK_ROWS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_sets_of_rows() {
        for rows in [0, 1, 63, 64, 65, 100, BLOCK_ROWS] {
            let mask = Mask::first(rows);
            assert_eq!(mask.count(), rows);
            assert!(mask.rows().eq(0..rows), "{rows}");
        }
        let mut mask = Mask::EMPTY;
        for row in [3, 64, 1000] {
            mask.insert(row);
        }
        assert!(mask.rows().eq([3, 64, 1000]));
        mask.remove(64);
        assert_eq!((mask.next_from(4), mask.next_from(1001), mask.next_from(BLOCK_ROWS)), (Some(1000), None, None));
        let mut all = Mask::first(BLOCK_ROWS);
        all.subtract(&mask);
        assert_eq!(all.count(), BLOCK_ROWS - 2);
        all.add(&mask);
        assert_eq!(all, Mask::first(BLOCK_ROWS));
    }
}
