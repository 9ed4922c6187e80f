//! The dead rows of a segment, as a set to walk and as bits to ask.

use std::sync::OnceLock;

use roaring::RoaringBitmap;

/// Words of plain bits that are made together: those of a container of a bitmap.
const PART_WORDS: usize = 1024;
/// Rows whose bits are made together.
const PART_ROWS: usize = PART_WORDS * 64;

type Part = Box<[u64]>;

/// The dead rows of a segment.
///
/// A compressed bitmap answers for one row by two searches, whose branches no processor foresees. Lookups ask about one
/// random row at a time, so the rows also stand as plain bits: at most an eighth of a byte for each row of the segment.
///
/// The bits of 65,536 rows are made when one of them is first asked for, in some microseconds: to make all of them is a sixth of
/// the time in which a store with a long history is opened, and a program that opens it for one record needs one part.
pub(super) struct DeadRows {
    rows: RoaringBitmap,
    parts: Box<[OnceLock<Part>]>,
}

impl DeadRows {
    pub(super) fn new(rows: RoaringBitmap) -> Self {
        let parts = rows.max().map_or(0, |last| last as usize / PART_ROWS + 1);
        Self { rows, parts: (0..parts).map(|_| OnceLock::new()).collect() }
    }

    pub(super) fn rows(&self) -> &RoaringBitmap {
        &self.rows
    }

    /// Makes all bits, so that no reader has to.
    pub(super) fn prepare(&self) {
        (0..self.parts.len()).for_each(|part| _ = self.part(part));
    }

    #[inline]
    pub(super) fn contains(&self, row: u32) -> bool {
        self.word(row / 64) >> (row % 64) & 1 == 1
    }

    /// Returns a word of 64 rows, in which those bits are set that are dead rows.
    #[inline]
    pub(super) fn word(&self, at: u32) -> u64 {
        let at = at as usize;
        self.part(at / PART_WORDS).and_then(|part| part.get(at % PART_WORDS)).copied().unwrap_or_default()
    }

    #[inline]
    fn part(&self, part: usize) -> Option<&Part> {
        let bits = self.parts.get(part)?;
        Some(bits.get().unwrap_or_else(|| bits.get_or_init(|| self.make(part))))
    }

    #[cold]
    #[inline(never)]
    fn make(&self, part: usize) -> Part {
        let first = u32::try_from(part * PART_ROWS).unwrap_or(u32::MAX);
        let last = first.saturating_add(u32::from(u16::MAX));
        let mut rows = RoaringBitmap::new();
        rows.insert_range(first..=last);
        rows &= &self.rows;
        plain_bits(&rows, first)
    }
}

/// Returns rows of one part as plain bits; `first`: the part's first row.
fn plain_bits(rows: &RoaringBitmap, first: u32) -> Part {
    let mut serialized = Vec::with_capacity(rows.serialized_size());
    let mut bits = vec![0; PART_WORDS];
    let base = first as usize / 64;
    if rows.serialize_into(&mut serialized).is_err() || copy_containers(&serialized, base, &mut bits).is_none() {
        bits.fill(0);
        for row in rows {
            if let Some(word) = (row as usize / 64).checked_sub(base).and_then(|at| bits.get_mut(at)) {
                *word |= 1 << (row % 64);
            }
        }
    }
    bits.into_boxed_slice()
}

/// Sets the bits of a serialized bitmap, the first word of which is that of row 64 × `base`, in [Roaring's format](https://github.com/RoaringBitmap/RoaringFormatSpec).
///
/// Walking the set costs some nanoseconds for each row, milliseconds for a segment with many dead ones. Its containers of
/// more than 4,096 rows of 65,536 are plain bits as they stand. `None` if the bytes are not as they must be.
fn copy_containers(serialized: &[u8], base: usize, bits: &mut [u64]) -> Option<()> {
    const COOKIE: u32 = 12347;
    const COOKIE_WITHOUT_RUNS: u32 = 12346;
    const FEWEST_WITH_OFFSETS: usize = 4;
    const MOST_IN_ARRAY: usize = 4096;

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
        let from = usize::from(u16::from_le_bytes([*key_low, *key_high])) * PART_WORDS;
        let words = bits.get_mut(from.checked_sub(base)?..)?;
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
            for (word, bytes) in words.iter_mut().zip(rest.split_off(..PART_WORDS * 8)?.as_chunks().0) {
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
        assert_eq!(copy_containers(&serialize(&rows), 0, &mut bits), Some(()));
        let end = rows.max().map_or(0, |last| last + 2);
        let dead = DeadRows::new(rows);
        assert!(bits.iter().zip(0..).all(|(word, at)| dead.word(at) == *word));
        dead.prepare();
        assert!(dead.parts.iter().all(|part| part.get().is_some_and(|bits| bits.len() == PART_WORDS)));
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
    fn bits_are_made_for_the_part_that_is_asked_for_and_no_other() {
        let dead = DeadRows::new((0..200_000).step_by(3).collect());
        assert!(dead.contains(140_001) && !dead.contains(140_002) && !dead.contains(u32::MAX));
        let made: Vec<bool> = dead.parts.iter().map(|part| part.get().is_some()).collect();
        assert_eq!(made, [false, false, true, false]);
    }

    #[test]
    fn bytes_that_are_no_bitmap_are_refused() {
        let mut serialized = serialize(&(0..200_000).step_by(3).collect());
        let mut bits = vec![0; 200_000 / 64 + 1];
        for len in [0, 3, 7, 9, 20, 40, serialized.len() - 1] {
            assert_eq!(copy_containers(&serialized[..len], 0, &mut bits), None, "{len} bytes");
        }
        serialized[1] ^= 1;
        assert_eq!(copy_containers(&serialized, 0, &mut bits), None);
    }
}
