//! Numbers that lie in the rows themselves, tested for a block of rows at a time.

use kapok_core::words::{StructRef, WORD};

use super::mask::Mask;
use super::number::{KeyRange, NumberKind};
use super::place::{NullFlag, Place, Slot};
use super::test::NumberTest;

/// A number field of the rows and what is asked of it.
#[derive(Clone, Debug)]
pub(super) struct Column {
    kind: NumberKind,
    /// In bytes, for Bool in bits.
    offset: usize,
    default: u64,
    null: Option<NullFlag>,
    test: NumberTest,
    /// The same as a range of stored integers, if it is one.
    stored: Option<StoredRange>,
}

/// Stored integers that satisfy a condition: those that are within `span` of `low` after some bits were flipped.
#[derive(Clone, Copy, Debug)]
struct StoredRange {
    flip: u64,
    low: u64,
    span: u64,
}

/// Rows of one segment, as bytes.
#[derive(Clone, Copy)]
pub(super) struct BlockRows<'v> {
    /// Of whole rows.
    pub bytes: &'v [u8],
    pub stride: usize,
    pub data_words: u16,
}

impl Column {
    /// Makes the column of a place; `None` if it does not lie in the row itself.
    pub fn of(place: &Place<'_>, kind: NumberKind, test: &NumberTest) -> Option<Self> {
        let Slot::Data { offset, default, nulls } = &place.slot else { return None };
        let null = match nulls.as_slice() {
            [] => None,
            [flag] if flag.guard.is_none() => Some(*flag),
            _ => return None,
        };
        if !place.is_direct() {
            return None;
        }
        let stored = match test {
            NumberTest::Range(range) => StoredRange::of(kind, *default, *range),
            NumberTest::Set(_) => None,
        };
        Some(Self { kind, offset: *offset, default: *default, null, test: test.clone(), stored })
    }

    /// Returns what is asked of the number.
    pub fn test(&self) -> &NumberTest {
        &self.test
    }

    /// Tests one row.
    #[inline]
    pub fn holds(&self, row: StructRef<'_>) -> bool {
        if self.null.is_some_and(|flag| row.bit(flag.bit) != flag.default) {
            return false;
        }
        let bits = match self.kind.bits() {
            1 => u64::from(row.bit(self.offset)),
            8 => u64::from(u8::from_le_bytes(row.scalar(self.offset))),
            16 => u64::from(u16::from_le_bytes(row.scalar(self.offset))),
            32 => u64::from(u32::from_le_bytes(row.scalar(self.offset))),
            _ => u64::from_le_bytes(row.scalar(self.offset)),
        };
        self.test.holds(self.kind.key(bits ^ self.default))
    }

    /// Takes the rows that do not satisfy the condition off a mask.
    pub fn narrow(&self, rows: BlockRows<'_>, mask: &mut Mask) {
        if let Some(flag) = self.null {
            bits(rows, flag.bit, mask, |bit| bit == flag.default);
        }
        if self.kind == NumberKind::Bool {
            let answers = [false, true].map(|bit| self.test.holds(u64::from(bit) ^ self.default));
            bits(rows, self.offset, mask, |bit| answers[usize::from(bit)]);
            return;
        }
        let bytes = usize::from(self.kind.bits() / 8);
        if self.offset + bytes > usize::from(rows.data_words) * WORD {
            // These rows are older than the field, and have its default.
            if !self.test.holds(self.kind.key(self.default)) {
                *mask = Mask::EMPTY;
            }
            return;
        }
        match (bytes, self.stored) {
            (1, Some(range)) => range.narrow_bytes(rows, self.offset, mask),
            (2, Some(range)) => range.narrow_halves(rows, self.offset, mask),
            (4, Some(range)) => range.narrow_words(rows, self.offset, mask),
            (8, Some(range)) => range.narrow_longs(rows, self.offset, mask),
            (4, None) => self.narrow_by::<4>(rows, mask),
            (8, None) => self.narrow_by::<8>(rows, mask),
            (1, None) => self.narrow_by::<1>(rows, mask),
            _ => self.narrow_by::<2>(rows, mask),
        }
    }

    /// `N`: the bytes of a number.
    fn narrow_by<const N: usize>(&self, rows: BlockRows<'_>, mask: &mut Mask) {
        let (kind, default) = (self.kind, self.default);
        match &self.test {
            NumberTest::Range(range) => {
                let range = *range;
                numbers::<N>(rows, self.offset, mask, |stored| range.contains(kind.key(stored ^ default)));
            }
            test @ NumberTest::Set(_) => {
                numbers::<N>(rows, self.offset, mask, |stored| test.holds(kind.key(stored ^ default)));
            }
        }
    }
}

impl StoredRange {
    /// Returns the range for integers; floats have no such range.
    fn of(kind: NumberKind, default: u64, range: KeyRange) -> Option<Self> {
        let (flip, shift) = match kind {
            NumberKind::Unsigned(_) => (default, 0),
            // With its sign flipped a number of few bits is as far above the least one as its key is.
            NumberKind::Signed(bits) => (default ^ 1 << (bits - 1), kind.all_keys().low),
            NumberKind::Bool | NumberKind::Float32 | NumberKind::Float64 => return None,
        };
        // All bits of the default beyond the number are 0, as those of what is read.
        let flip = if kind.bits() == 64 { flip } else { flip & ((1 << kind.bits()) - 1) };
        Some(Self { flip, low: range.low - shift, span: range.high - range.low })
    }
}

/// Tests of integers of one width. The numbers of 64 rows are collected, then compared together, without a branch: so the
/// compiler compares several by one instruction, and no processor guesses wrong.
macro_rules! narrow_by_range {
    ($($name:ident: $number:ty;)*) => {
        impl StoredRange {
            $(#[allow(clippy::cast_possible_truncation, reason = "the range is one of the type's")]
            fn $name(self, rows: BlockRows<'_>, offset: usize, mask: &mut Mask) {
                let (flip, low, span) = (self.flip as $number, self.low as $number, self.span as $number);
                let stride = rows.stride.max(1);
                for (word, rows) in mask.0.iter_mut().zip(rows.bytes.chunks(64 * stride)) {
                    if *word == 0 {
                        continue;
                    }
                    let numbers = match stride {
                        8 => $name::collect::<8>(rows, offset),
                        16 => $name::collect::<16>(rows, offset),
                        24 => $name::collect::<24>(rows, offset),
                        32 => $name::collect::<32>(rows, offset),
                        40 => $name::collect::<40>(rows, offset),
                        48 => $name::collect::<48>(rows, offset),
                        56 => $name::collect::<56>(rows, offset),
                        64 => $name::collect::<64>(rows, offset),
                        _ => $name::collect_any(rows, stride, offset),
                    };
                    *word &= packed(numbers.map(|number| u8::from((number ^ flip).wrapping_sub(low) <= span)));
                }
            })*
        }

        $(mod $name {
            /// Collects the numbers of at most 64 rows of `STRIDE` bytes. That this is known makes the loop a third as long.
            pub(super) fn collect<const STRIDE: usize>(rows: &[u8], offset: usize) -> [$number; 64] {
                let mut out = [0; 64];
                if offset + size_of::<$number>() <= STRIDE {
                    for (number, row) in out.iter_mut().zip(rows.as_chunks::<STRIDE>().0) {
                        let mut bytes = [0; size_of::<$number>()];
                        bytes.copy_from_slice(&row[offset..offset + size_of::<$number>()]);
                        *number = <$number>::from_le_bytes(bytes);
                    }
                }
                out
            }

            /// Collects the numbers of at most 64 rows of any length.
            pub(super) fn collect_any(rows: &[u8], stride: usize, offset: usize) -> [$number; 64] {
                let mut out = [0; 64];
                for (number, row) in out.iter_mut().zip(rows.chunks_exact(stride)) {
                    if let Some(bytes) = row.get(offset..).and_then(<[u8]>::first_chunk) {
                        *number = <$number>::from_le_bytes(*bytes);
                    }
                }
                out
            }
        })*
    };
}
narrow_by_range! {
    narrow_bytes: u8;
    narrow_halves: u16;
    narrow_words: u32;
    narrow_longs: u64;
}

/// Makes a bit of each byte, which is 0 or 1.
#[inline]
fn packed(bytes: [u8; 64]) -> u64 {
    let mut out = 0;
    for (index, bytes) in bytes.chunks_exact(8).enumerate() {
        let mut eight = [0; 8];
        eight.copy_from_slice(bytes);
        // Each factor moves one of the bytes' lowest bits to its place in the highest byte.
        out |= (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * index);
    }
    out
}

/// Tests a number of each row that is still in the mask.
#[expect(clippy::inline_always, reason = "the test must be part of the loop")]
#[inline(always)]
fn numbers<const N: usize>(rows: BlockRows<'_>, offset: usize, mask: &mut Mask, test: impl Fn(u64) -> bool) {
    let stride = rows.stride.max(1);
    for (word, rows) in mask.0.iter_mut().zip(rows.bytes.chunks(64 * stride)) {
        if *word == 0 {
            continue;
        }
        let mut bits = 0;
        for (index, row) in rows.chunks_exact(stride).enumerate() {
            let mut number = [0; 8];
            if let Some(bytes) = row.get(offset..offset + N) {
                number[..N].copy_from_slice(bytes);
            }
            bits |= u64::from(test(u64::from_le_bytes(number))) << index;
        }
        *word &= bits;
    }
}

/// Tests a bit of each row that is still in the mask; beyond the rows' data bits are false.
fn bits(rows: BlockRows<'_>, bit: usize, mask: &mut Mask, test: impl Fn(bool) -> bool) {
    if bit / 8 >= usize::from(rows.data_words) * WORD {
        if !test(false) {
            *mask = Mask::EMPTY;
        }
        return;
    }
    numbers::<1>(rows, bit / 8, mask, |byte| test(byte >> (bit % 8) & 1 == 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_packed_into_bits() {
        for seed in [0, 1, u64::MAX, 0x8000_0000_0000_0001, 0x0123_4567_89ab_cdef] {
            let bytes = std::array::from_fn(|bit| u8::from(seed >> bit & 1 == 1));
            assert_eq!(packed(bytes), seed);
        }
    }
}
