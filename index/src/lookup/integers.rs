//! Finds keys that are one integer in the largest segment, which has most of them.
//!
//! What a lookup needs is gathered here once, so that the lookup is a few loads: a processor looks ahead over a number of
//! instructions, and over a smaller number of branches, so the less there is of both, the more lookups it overlaps. Whatever is
//! not decided in the home group of a key is left to the caller.

use bytes::Bytes;
use kapok_core::key::{IntegerKey, Key, KeyPart};
use kapok_core::segment::{HEADER_BYTES, RowId, Segment};
use kapok_core::words::WORD;

use super::Access;
use crate::unique::{Slots, UniqueIndex, hash_number};

/// The keys of the rows of one segment, and the index that finds them.
pub(super) struct IntegerColumn {
    key: IntegerKey,
    /// The words that hold keys, and all between them.
    bytes: Bytes,
    /// Bytes from one key's word to the next.
    stride: usize,
    pub(super) index: UniqueIndex,
}

/// What finds integers of 4 or 8 bytes in the rows of the largest segment.
#[derive(Clone, Copy)]
pub(super) struct Integers<'v> {
    key: IntegerKey,
    is_short: bool,
    /// The least number, and how far the greatest is from it.
    first_number: u64,
    span: u64,
    slots: Slots<'v>,
    words: &'v [[u8; WORD]],
    /// Words from one key's to the next.
    stride: usize,
    access: &'v Access,
}

/// A key that was looked up in the index; by default one that no row has.
#[derive(Clone, Copy, Default)]
pub(super) struct Sought {
    pub number: u64,
    /// The row that may have it, plus 1.
    candidate: u32,
}

impl IntegerColumn {
    pub(super) fn none() -> Self {
        Self { key: IntegerKey::default(), bytes: Bytes::new(), stride: 0, index: UniqueIndex::unclear() }
    }

    pub(super) fn new(key: IntegerKey, segment: &Segment, index: UniqueIndex) -> Option<Self> {
        let (data_words, _) = segment.row_sizes();
        if key.word_at() + WORD > usize::from(data_words) * WORD {
            return None;
        }
        let (start, stride) = (HEADER_BYTES + segment.rows_at() + key.word_at(), segment.stride());
        let len = (segment.rows() as usize).checked_sub(1)? * stride + WORD;
        if segment.bytes().len().checked_sub(start)? < len {
            return None;
        }
        Some(Self { key, bytes: segment.bytes().slice(start..start + len), stride, index })
    }

    /// Returns the number of a row's key.
    #[inline]
    pub(super) fn number(&self, row: u32) -> Option<u64> {
        let word = self.bytes.get(row as usize * self.stride..)?.first_chunk()?;
        Some(self.key.number_in(u64::from_le_bytes(*word)))
    }
}

impl<'v> Integers<'v> {
    /// Makes it for keys that are one integer of 4 or 8 bytes; `None` for others.
    pub(super) fn new(key_bytes: u8, access: &'v Access) -> Option<Self> {
        let column = &access.integers;
        let (words, stride) = (column.bytes.as_chunks().0, column.stride / WORD);
        let is_short = match key_bytes {
            4 => true,
            8 => false,
            _ => return None,
        };
        let (first_number, span) = (access.first_number, access.last_number.checked_sub(access.first_number)?);
        let slots = column.index.in_place();
        (!words.is_empty()).then_some(Self {
            key: column.key,
            is_short,
            first_number,
            span,
            slots,
            words,
            stride,
            access,
        })
    }

    /// Looks a key up in the index; `None` if it is not one integer, or none that fits.
    #[expect(clippy::inline_always, reason = "see the page of this module")]
    #[inline(always)]
    pub(super) fn seek<K: Key + ?Sized>(&self, key: &K) -> Option<Sought> {
        let value = key.with_parts(|parts| match parts {
            [KeyPart::Int(value)] => Some(*value),
            _ => None,
        })?;
        let number = self.key.encode(value)?;
        let is_within = number.wrapping_sub(self.first_number) <= self.span;
        Some(Sought { number, candidate: if is_within { self.slots.candidate(self.hash(number)) } else { 0 } })
    }

    #[inline]
    pub(super) fn hash(&self, number: u64) -> u64 {
        // Apart, so that the hash's choice by length is made when this is compiled.
        if self.is_short { hash_number(number, 4) } else { hash_number(number, 8) }
    }

    /// Returns whether no row has what was looked up: the home group, which has no candidate, has an empty slot.
    #[inline]
    pub(super) fn shows_none(&self, sought: Sought, hash: u64) -> bool {
        let is_within = sought.number.wrapping_sub(self.first_number) <= self.span;
        sought.candidate == 0 && (!is_within || self.slots.has_empty(hash))
    }

    /// Returns the row id of what was looked up, if the candidate has the key and lives.
    #[expect(clippy::inline_always, reason = "see the page of this module")]
    #[inline(always)]
    pub(super) fn confirm(&self, sought: Sought) -> Option<RowId> {
        // There are words of no more rows than the segment has.
        let row = sought.candidate.wrapping_sub(1);
        let word = self.words.get(row as usize * self.stride)?;
        if self.key.number_in(u64::from_le_bytes(*word)) != sought.number {
            return None;
        }
        self.access.live(row)
    }
}
