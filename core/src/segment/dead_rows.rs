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
        let bits = plain_bits(&rows);
        Self { rows, bits }
    }

    pub(super) fn rows(&self) -> &RoaringBitmap {
        &self.rows
    }

    #[inline]
    pub(super) fn contains(&self, row: u32) -> bool {
        self.bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Returns a word of 64 rows, in which those bits are set that are dead rows.
    #[inline]
    pub(super) fn word(&self, at: u32) -> u64 {
        self.bits.get(at as usize).copied().unwrap_or_default()
    }
}

fn plain_bits(rows: &RoaringBitmap) -> Vec<u64> {
    let len = rows.max().map_or(0, |last| last as usize / 64 + 1);
    let mut serialized = Vec::with_capacity(rows.serialized_size());
    let mut bits = vec![0; len];
    if rows.serialize_into(&mut serialized).is_err() || copy_containers(&serialized, &mut bits).is_none() {
        bits.fill(0);
        rows.iter().for_each(|row| bits[row as usize / 64] |= 1 << (row % 64));
    }
    bits
}

/// Sets the bits of a serialized bitmap, in [Roaring's format](https://github.com/RoaringBitmap/RoaringFormatSpec).
///
/// Walking the set costs some nanoseconds for each row, milliseconds for a segment with many dead ones. Its containers of
/// more than 4,096 rows of 65,536 are plain bits as they stand. `None` if the bytes are not as they must be.
fn copy_containers(serialized: &[u8], bits: &mut [u64]) -> Option<()> {
    const COOKIE: u32 = 12347;
    const COOKIE_WITHOUT_RUNS: u32 = 12346;
    const FEWEST_WITH_OFFSETS: usize = 4;
    const MOST_IN_ARRAY: usize = 4096;
    const CONTAINER_WORDS: usize = 1024;

    let mut rest = serialized;
    let cookie = u32::from_le_bytes(take(&mut rest)?);
    let has_runs = cookie & 0xffff == COOKIE;
    let (count, runs) = if has_runs {
        let count = (cookie >> 16) as usize + 1;
        (count, rest.split_off(..count.div_ceil(8))?)
    } else if cookie == COOKIE_WITHOUT_RUNS {
        (u32::from_le_bytes(take(&mut rest)?) as usize, &[][..])
    } else {
        return None;
    };
    let headers = rest.split_off(..count.checked_mul(4)?)?.as_chunks::<4>().0;
    if !has_runs || count >= FEWEST_WITH_OFFSETS {
        rest.split_off(..count.checked_mul(4)?)?;
    }
    for (at, [key_low, key_high, less_low, less_high]) in headers.iter().enumerate() {
        let from = usize::from(u16::from_le_bytes([*key_low, *key_high])) * CONTAINER_WORDS;
        let words = bits.get_mut(from..)?;
        let rows = usize::from(u16::from_le_bytes([*less_low, *less_high])) + 1;
        if runs.get(at / 8).is_some_and(|flags| flags >> (at % 8) & 1 == 1) {
            let count = u16::from_le_bytes(take(&mut rest)?);
            for _ in 0..count {
                let (start, more) = (u16::from_le_bytes(take(&mut rest)?), u16::from_le_bytes(take(&mut rest)?));
                for row in start..=start.checked_add(more)? {
                    *words.get_mut(usize::from(row) / 64)? |= 1 << (row % 64);
                }
            }
        } else if rows <= MOST_IN_ARRAY {
            for row in rest.split_off(..rows * 2)?.as_chunks().0 {
                let row = u16::from_le_bytes(*row);
                *words.get_mut(usize::from(row) / 64)? |= 1 << (row % 64);
            }
        } else {
            // The last container may reach beyond the last row.
            for (word, bytes) in words.iter_mut().zip(rest.split_off(..CONTAINER_WORDS * 8)?.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
    }
    rest.is_empty().then_some(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    rest.split_off(..N)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialize(rows: &RoaringBitmap) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(rows.serialize_into(&mut out).is_ok());
        out
    }

    fn check(rows: RoaringBitmap) {
        let mut bits = vec![0; rows.max().map_or(0, |last| last as usize / 64 + 1)];
        assert_eq!(copy_containers(&serialize(&rows), &mut bits), Some(()));
        let end = rows.max().map_or(0, |last| last + 2);
        let dead = DeadRows::new(rows);
        assert_eq!(dead.bits, bits);
        for row in 0..end {
            assert_eq!(dead.contains(row), dead.rows().contains(row), "row {row}");
        }
        let word = |at: u32| (0..64).filter(|bit| dead.contains(at * 64 + bit)).fold(0, |word, bit| word | 1 << bit);
        assert!((0..=end / 64 + 1).all(|at| dead.word(at) == word(at)));
    }

    #[test]
    fn containers_of_every_kind_answer_as_the_set() {
        check(RoaringBitmap::new());
        check(RoaringBitmap::from_iter([0]));
        check(RoaringBitmap::from_iter([65_535, 65_536, 200_000]));
        for every in [1, 2, 3, 15, 16, 17, 1000, 70_000] {
            for rows in [4096, 65_536, 65_537, 400_000] {
                check((0..rows).filter(|row: &u32| row.wrapping_mul(0x9E37_79B1).is_multiple_of(every)).collect());
            }
        }
        let mut runs: RoaringBitmap = (10..5000).chain(65_000..66_000).chain(300_000..400_001).collect();
        assert!(runs.optimize(), "no container became runs");
        check(runs.clone());
        runs.extend((140_000..190_000).step_by(3));
        check(runs);
    }

    #[test]
    fn bytes_that_are_no_bitmap_are_refused() {
        let mut serialized = serialize(&(0..200_000).step_by(3).collect());
        let mut bits = vec![0; 200_000 / 64 + 1];
        for len in [0, 3, 7, 9, 20, 40, serialized.len() - 1] {
            assert_eq!(copy_containers(&serialized[..len], &mut bits), None, "{len} bytes");
        }
        serialized[1] ^= 1;
        assert_eq!(copy_containers(&serialized, &mut bits), None);
    }
}
