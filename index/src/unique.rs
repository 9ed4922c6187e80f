//! The unique index of a segment: from a primary key to its row, by a hash table that is read in place.
//!
//! Keys are not stored: a slot has a row number and, in the bits that this leaves, a fingerprint of the key's hash, so that
//! a lookup touches one cache line of slots, then one row, whose own words confirm the key. FORMAT.md tells the bytes in its
//! section "Unique index".

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::key::KeySpec;
use kapok_core::segment::{Segment, in_parallel};
use kapok_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use crate::artifact::{Binding, HEADER_BYTES, Header};
use crate::row::{encode_row, expect_row, unreadable};

mod build;
mod slots;

pub use build::build;
pub(crate) use build::{build_table, unbound};
pub(crate) use slots::Slots;

/// What a manifest calls artifacts of this kind.
pub const KIND: &str = "unique";

const MAGIC: [u8; 8] = *b"KAPOKUQ2";
/// Magic of earlier releases, whose indexes are not bound to a segment.
const UNBOUND_MAGIC: [u8; 8] = *b"KAPOKUQ1";
const ROWS_AT: usize = 8;
const ROW_BITS_AT: usize = 12;
const SLOT_COUNT_AT: usize = 16;
const SEED_AT: usize = 24;
const RESERVED_AT: usize = 32;
const SLOTS_AT: usize = HEADER_BYTES;
const SLOT_BYTES: usize = 4;
/// Slots of a group, which is a cache line.
const GROUP: usize = 16;
const GROUP_BYTES: usize = GROUP * SLOT_BYTES;
/// Rows that one thread verifies before it takes the next.
const ROWS_AT_ONCE: u32 = 1 << 16;

type Group = [[u8; SLOT_BYTES]; GROUP];

/// The unique-key index of one segment, in place.
#[derive(Clone)]
pub struct UniqueIndex {
    name: Arc<str>,
    slots: Bytes,
    rows: u32,
    /// The bits of a slot that hold a row.
    row_mask: u32,
}

/// The home group of a hash at a glance, or the group behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    /// The row that may have the key, plus 1; 0 for none. Some number if several slots match.
    row: u32,
    /// Whether the group has an empty slot, so that a key that is not in it is nowhere.
    ends: bool,
}

impl Glance {
    /// No row has the key.
    pub(crate) const NOTHING: Self = Self { row: 0, ends: true };
    /// The index is to be probed.
    const UNCLEAR: Self = Self { row: 0, ends: false };

    /// Returns whether no row has the key.
    #[inline]
    pub(crate) fn is_absent(self) -> bool {
        self.row == 0 && self.ends
    }
}

/// What the home group of a key shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guess {
    /// Candidate row; compare its key, else probe with [`UniqueIndex::probe`].
    Row(u32),
    /// No row has the key.
    Absent,
    /// The home group does not decide; probe with [`UniqueIndex::probe`].
    Unclear,
}

/// The name and the number of rows, not the slots.
impl fmt::Debug for UniqueIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueIndex").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl UniqueIndex {
    /// Opens the index of a segment of `rows` rows: checks its length and its header, in O(1). `name`: what errors call
    /// it.
    ///
    /// # Errors
    /// `Corrupt` if these are not as they must be, or it is the index of another segment or key.
    pub fn open(name: &str, bytes: Bytes, rows: u32, binding: &Binding) -> Result<Self> {
        let corrupt = |at: usize, expected: String, found: String| Error::corrupt(name, at as u64, expected, found);
        let header = if bytes.starts_with(&UNBOUND_MAGIC) {
            let header = Header::decode_unbound(name, &bytes, UNBOUND_MAGIC, rows)?;
            if let Some(at) = (RESERVED_AT..SLOTS_AT).find(|at| bytes[*at] != 0) {
                return Err(corrupt(at, "a reserved 0".into(), bytes[at].to_string()));
            }
            header
        } else {
            Header::decode(name, &bytes, MAGIC, rows, binding)?
        };
        Self::open_table(name, bytes, rows, header)
    }

    /// Opens a table of row numbers behind its header.
    pub(crate) fn open_table(name: &str, mut bytes: Bytes, rows: u32, header: Header) -> Result<Self> {
        let corrupt = |at: usize, expected: String, found: String| Error::corrupt(name, at as u64, expected, found);
        let Header { word: bits, numbers: [slot_count, seed], .. } = header;
        if bits != row_bits(rows) {
            return Err(corrupt(ROW_BITS_AT, format!("{} bits for a row", row_bits(rows)), bits.to_string()));
        }
        if slot_count <= u64::from(rows) || slot_count % GROUP as u64 != 0 {
            let expected = format!("more slots than {rows} rows, in groups of {GROUP}");
            return Err(corrupt(SLOT_COUNT_AT, expected, slot_count.to_string()));
        }
        if seed != 0 {
            return Err(corrupt(SEED_AT, "a reserved 0".into(), seed.to_string()));
        }
        let len = slot_count.checked_mul(SLOT_BYTES as u64).and_then(|len| len.checked_add(SLOTS_AT as u64));
        if len != Some(bytes.len() as u64) {
            let expected = format!("{slot_count} slots of {SLOT_BYTES} bytes behind a header of {SLOTS_AT}");
            return Err(corrupt(bytes.len(), expected, format!("{} bytes", bytes.len())));
        }
        Ok(Self { name: Arc::from(name), rows, row_mask: row_mask(rows), slots: bytes.split_off(SLOTS_AT) })
    }

    /// Returns the row that has an encoded key, live or dead. `number`: what [`KeySpec::number`] gives for it.
    ///
    /// # Errors
    /// `Corrupt` if a slot that the search comes by, or a row's key, is not as it must be.
    pub fn find(&self, key: &KeySpec, segment: &Segment, encoded: &[u8], number: u64) -> Result<Option<u32>> {
        self.find_hashed(key, segment, hash(encoded), encoded, number)
    }

    /// As [`Self::find`], for a key whose [`hash`] is known.
    pub(crate) fn find_hashed(
        &self,
        key: &KeySpec,
        segment: &Segment,
        hash: u64,
        encoded: &[u8],
        number: u64,
    ) -> Result<Option<u32>> {
        self.probe(hash, |row| {
            key.row_has_key(expect_row(segment, row)?, encoded, number)
                .map_err(|malformed| unreadable(segment, malformed))
        })
    }

    /// The row for which `has_key` holds, of those whose keys may have a hash.
    pub(crate) fn probe(&self, hash: u64, has_key: impl Fn(u32) -> Result<bool>) -> Result<Option<u32>> {
        match self.guess(self.glance(hash)) {
            Guess::Absent => return Ok(None),
            Guess::Row(row) if has_key(row)? => return Ok(Some(row)),
            Guess::Row(_) | Guess::Unclear => {}
        }
        let groups = self.groups();
        let tag = tag(hash, self.row_mask);
        let (before, after) = groups.split_at_checked(home(hash, groups.len())).unwrap_or_default();
        // Each group once, round the end: foreign bytes may have no empty slot.
        for group in after.iter().chain(before) {
            if rows_of(group, self.row_mask, tag) != 0 {
                for slot in group {
                    let slot = u32::from_le_bytes(*slot);
                    if slot & !self.row_mask == tag && slot & self.row_mask != 0 {
                        let row = (slot & self.row_mask) - 1;
                        if row >= self.rows {
                            return Err(self.stray_slot(slot));
                        }
                        if has_key(row)? {
                            return Ok(Some(row));
                        }
                    }
                }
            }
            if is_last(group) {
                return Ok(None);
            }
        }
        Err(self.without_empty_slot())
    }

    /// Makes an index that says of every key that it is to be searched otherwise.
    pub(crate) fn unclear() -> Self {
        Self { name: Arc::from(""), slots: Bytes::new(), rows: 0, row_mask: 0 }
    }

    /// Returns false if the home group of a hash shows that no row has the key, with no branch on what it holds: it has an
    /// empty slot, and none with the hash's fingerprint.
    #[inline]
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        let groups = self.groups();
        match groups.get(home(hash, groups.len())) {
            Some(group) => self.has_tag(group, hash) | !is_last(group),
            None => true,
        }
    }

    /// As [`Self::may_have`], by the home group and the one behind it: for where the home group alone did not tell, most
    /// often since it is full, as about one in seven is.
    #[inline]
    pub(crate) fn may_have_behind(&self, hash: u64) -> bool {
        let groups = self.groups();
        match groups.get(home(hash, groups.len())..) {
            Some([home, next, ..]) => self.has_tag(home, hash) | self.has_tag(next, hash) | !is_last(next),
            _ => true,
        }
    }

    /// Returns whether a slot of a group has the fingerprint of a hash: fewer instructions than to say which.
    #[inline]
    fn has_tag(&self, group: &Group, hash: u64) -> bool {
        let (tag_mask, tag) = (!self.row_mask, tag(hash, self.row_mask));
        let mut out = 0;
        for slot in group {
            out |= if u32::from_le_bytes(*slot) & tag_mask == tag { u32::MAX } else { 0 };
        }
        out != 0
    }

    /// Looks at the home group of a hash, without a branch on what it holds, and at the next one if it is full and says
    /// nothing: about one group in seven is.
    #[inline]
    pub(crate) fn glance(&self, hash: u64) -> Glance {
        let home = home(hash, self.groups().len());
        let glance = self.look(home, hash);
        if glance.row != 0 || glance.ends { glance } else { self.look_behind(home, hash) }
    }

    /// Looks at a group.
    #[inline]
    fn look(&self, group: usize, hash: u64) -> Glance {
        match self.groups().get(group) {
            Some(group) => {
                let tag = tag(hash, self.row_mask);
                Glance { row: rows_of(group, self.row_mask, tag), ends: is_last(group) }
            }
            None => Glance::UNCLEAR,
        }
    }

    #[inline(never)]
    fn look_behind(&self, group: usize, hash: u64) -> Glance {
        self.look(group + 1, hash)
    }

    /// Returns what a glance means.
    #[inline]
    pub(crate) fn guess(&self, glance: Glance) -> Guess {
        match glance.row {
            0 if glance.ends => Guess::Absent,
            0 => Guess::Unclear,
            row if row <= self.rows => Guess::Row(row - 1),
            _ => Guess::Unclear,
        }
    }

    /// Checks all of it against its segment: every row is found at its own key, and no slot holds anything else.
    ///
    /// # Errors
    /// `Corrupt` if that is not so.
    pub fn verify(&self, key: &KeySpec, segment: &Segment) -> Result<()> {
        if segment.rows() != self.rows {
            let found = format!("{} rows in {}", segment.rows(), segment.name());
            return Err(Error::corrupt(&*self.name, ROWS_AT as u64, format!("a segment of {} rows", self.rows), found));
        }
        let mut used = 0_u64;
        for slot in self.slots() {
            let slot = u32::from_le_bytes(*slot);
            if slot != 0 {
                used += 1;
                if (slot & self.row_mask).wrapping_sub(1) >= self.rows || used > u64::from(self.rows) {
                    return Err(self.stray_slot(slot));
                }
            }
        }
        let firsts: Vec<u32> = (0..self.rows).step_by(ROWS_AT_ONCE as usize).collect();
        let checked = in_parallel(firsts, |first| {
            self.verify_rows(key, segment, first..first.saturating_add(ROWS_AT_ONCE).min(self.rows))
        });
        checked.into_iter().collect()
    }

    /// Checks that rows are found at their own keys.
    fn verify_rows(&self, key: &KeySpec, segment: &Segment, rows: Range<u32>) -> Result<()> {
        let mut encoded = Vec::new();
        for row in rows {
            // Numbers need no bytes, unless there is something to tell.
            let found = if let Some(key_bytes) = key.fixed_bytes() {
                let number = key.row_number(expect_row(segment, row)?);
                self.find_hashed(key, segment, hash_number(number, key_bytes), &[], number)?
            } else {
                encode_row(key, segment, row, &mut encoded)?;
                self.find(key, segment, &encoded, 0)?
            };
            if found != Some(row) {
                encode_row(key, segment, row, &mut encoded)?;
                let home = slot_offset(home(hash(&encoded), self.groups().len()) * GROUP);
                let expected = format!("row {row} at its key {}", key.describe(&encoded));
                let found = found.map_or_else(|| "none".to_owned(), |row| format!("row {row}"));
                return Err(Error::corrupt(&*self.name, home, expected, found));
            }
        }
        Ok(())
    }

    #[inline]
    fn groups(&self) -> &[Group] {
        self.slots().as_chunks().0
    }

    #[inline]
    fn slots(&self) -> &[[u8; SLOT_BYTES]] {
        self.slots.as_chunks().0
    }

    #[cold]
    fn stray_slot(&self, slot: u32) -> Error {
        let at = self.slots().iter().position(|other| *other == slot.to_le_bytes()).unwrap_or_default();
        let found = format!("slot {slot:#010x}, row {}", i64::from(slot & self.row_mask) - 1);
        Error::corrupt(&*self.name, slot_offset(at), format!("a slot of one of {} rows, each once", self.rows), found)
    }

    #[cold]
    fn without_empty_slot(&self) -> Error {
        Error::corrupt(&*self.name, SLOTS_AT as u64, "an empty slot", "none")
    }
}

/// The rows, each plus 1, of all slots of a group that have a fingerprint, joined bit by bit: if one slot has it, its
/// row; if none has, 0. All are compared at once, which costs less than branches that the processor cannot foresee.
#[inline]
fn rows_of(group: &Group, row_mask: u32, tag: u32) -> u32 {
    let mut out = 0;
    for slot in group {
        let slot = u32::from_le_bytes(*slot);
        out |= if slot & !row_mask == tag { slot } else { 0 };
    }
    out & row_mask
}

/// Whether a search ends in a group, since it has an empty slot: groups fill from the front.
#[inline]
fn is_last(group: &Group) -> bool {
    group[GROUP - 1] == [0; SLOT_BYTES]
}

/// Hash of an encoded key.
#[inline]
pub(crate) fn hash(encoded: &[u8]) -> u64 {
    xxh3_64(encoded)
}

/// [`hash`] of the encoded key of fixed length that has a number.
#[inline]
pub(crate) fn hash_number(number: u64, key_bytes: u8) -> u64 {
    let bytes = number.to_be_bytes();
    // The usual lengths apart, so that the hash's choice by length is made when this is compiled.
    match key_bytes {
        4 => xxh3_64(&bytes[4..]),
        8 => xxh3_64(&bytes),
        _ => hash_tail(bytes, key_bytes),
    }
}

#[inline(never)]
fn hash_tail(bytes: [u8; 8], len: u8) -> u64 {
    xxh3_64(&bytes[8 - len as usize..])
}

/// The group where the search for a hash starts.
#[inline]
fn home(hash: u64, group_count: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "less than the group count")]
    (((u128::from(hash) * group_count as u128) >> 64) as usize)
}

/// The fingerprint of a hash, in its place in a slot.
#[inline]
fn tag(hash: u64, row_mask: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half, which hardly moves the home")]
    (hash as u32 & !row_mask)
}

/// Bits that the numbers from 0 to `rows` need.
fn row_bits(rows: u32) -> u32 {
    u32::BITS - rows.leading_zeros()
}

#[inline]
fn row_mask(rows: u32) -> u32 {
    u32::MAX.checked_shr(rows.leading_zeros()).unwrap_or(0)
}

fn slot_offset(at: usize) -> u64 {
    (SLOTS_AT + at * SLOT_BYTES) as u64
}
