//! Compares keys that are one integer, with nothing left to decide per row.

use super::{KeyKind, KeySpec};
use crate::words::WORD;

/// The place of a key that is one integer or enum, within the data section's word that holds it. By default one of no bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct IntegerKey {
    word: u32,
    shift: u32,
    mask: u64,
    /// Added to a value to get its number: half the range of signed integers.
    bias: u64,
    /// What stored bits are combined by XOR with to get a number: the field's default, and the sign bit of signed integers.
    flip: u64,
}

impl KeySpec {
    /// Returns the place of a key that is one integer or enum; `None` for other keys.
    pub fn integer(&self) -> Option<IntegerKey> {
        let [part] = self.parts.as_slice() else { return None };
        let (bits, signed) = match part.kind {
            KeyKind::Unsigned(bytes) => (u32::from(bytes) * 8, false),
            KeyKind::Signed(bytes) => (u32::from(bytes) * 8, true),
            KeyKind::Bool | KeyKind::Text | KeyKind::Data => return None,
        };
        let bias = if signed { 1 << (bits - 1) } else { 0 };
        Some(IntegerKey {
            word: part.offset / 8,
            shift: part.offset % 8 * 8,
            mask: u64::MAX >> (64 - bits),
            bias,
            flip: part.default ^ bias,
        })
    }
}

impl IntegerKey {
    /// Returns the byte of the data section at which the word begins. A shorter data section, of an older row, has the
    /// default.
    #[inline]
    pub fn word_at(self) -> usize {
        self.word as usize * WORD
    }

    /// Returns what [`KeySpec::row_number`] gives for the row that has this word.
    #[inline]
    pub fn number_in(self, word: u64) -> u64 {
        (word >> self.shift & self.mask) ^ self.flip
    }

    /// Returns what [`KeySpec::encode_number`] gives for an integer; `None` if it does not fit the field.
    #[inline]
    pub fn encode(self, value: i128) -> Option<u64> {
        // In one test: a sum beyond the field, or below 0, has a bit above the mask, also if it wraps.
        let number = value.wrapping_add(i128::from(self.bias)).cast_unsigned();
        #[expect(clippy::cast_possible_truncation, reason = "no bit is above 64")]
        (number & !u128::from(self.mask) == 0).then_some(number as u64)
    }
}
