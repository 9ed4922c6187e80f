//! In which row of a segment does a primary key stand? A hash table of row numbers, read in place.
//!
//! Keys are not stored: a slot has a row number and, in the bits that this leaves, a fingerprint of the key's hash, so that
//! a lookup touches one slot, then one row, whose own words confirm the key. All integers are little-endian:
//!
//! ```text
//! byte    0         8      12         16           24     32           64
//!         ┌─────────┬──────┬──────────┬────────────┬──────┬────────────┬────────┬────────┬─────┬──────────────────┐
//!         │ magic   │ rows │ row bits │ slot count │ seed │ reserved   │ slot 0 │ slot 1 │  …  │ slot (count - 1) │
//!         │KAPOKUQ1 │ u32  │ u32      │ u64        │ u64  │ 32 × 0     │ u32    │ u32    │     │ u32              │
//!         └─────────┴──────┴──────────┴────────────┴──────┴────────────┴────────┴────────┴─────┴──────────────────┘
//!
//! slot    bit 31            row bits                 0        0 where the slot is empty
//!         ┌──────────────────────┬───────────────────┐        row bits: as many as the number `rows` has, 0 for no rows
//!         │ fingerprint          │ row + 1           │        fingerprint: these same bits of the key's hash
//!         └──────────────────────┴───────────────────┘
//! ```
//!
//! * The hash is `XXH3_64bits` (seed 0) of the encoded key, see [`kapok_core::key`]; `seed` is 0.
//! * A key's home is slot `(hash × slot count) >> 64`; where it is taken, the next one, round the end, until one is empty.
//! * Rows are inserted in row order. The slot count is more than `rows`, so that one is always empty; [`build`] makes it
//!   `rows + rows / 3 + 1`, three quarters full. Readers take any count that is more than `rows`.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::key::KeySpec;
use kapok_core::segment::{HEADER_BYTES, Segment};
use kapok_core::words::{Malformed, StructRef};
use kapok_core::{Error, Fault, Result};
use xxhash_rust::xxh3::xxh3_64;

/// What a manifest calls artifacts of this kind.
pub const KIND: &str = "unique";

const MAGIC: [u8; 8] = *b"KAPOKUQ1";
const ROWS_AT: usize = 8;
const ROW_BITS_AT: usize = 12;
const SLOT_COUNT_AT: usize = 16;
const SEED_AT: usize = 24;
const SLOTS_AT: usize = 64;
const SLOT_BYTES: usize = 4;
/// Slots of a group, which is a cache line.
const GROUP: usize = 16;
const GROUP_BYTES: usize = GROUP * SLOT_BYTES;

type Group = [[u8; SLOT_BYTES]; GROUP];

/// The unique-key index of one segment, in place.
#[derive(Clone, Debug)]
pub struct UniqueIndex {
    name: Arc<str>,
    slots: Bytes,
    rows: u32,
    /// The bits of a slot that hold a row.
    row_mask: u32,
}

/// Builds the index of a segment: a function of its rows' keys.
///
/// # Errors
/// `Invalid` where two rows have the same key. `Corrupt` where a key cannot be read, or the rows do not stand in key order.
pub fn build(key: &KeySpec, segment: &Segment) -> Result<Vec<u8>> {
    let rows = segment.rows();
    let group_count = group_count(rows);
    let mut out = vec![0; SLOTS_AT + group_count * GROUP_BYTES];
    let (header, slots) = out.split_at_mut(SLOTS_AT);
    header[..ROWS_AT].copy_from_slice(&MAGIC);
    header[ROWS_AT..ROW_BITS_AT].copy_from_slice(&rows.to_le_bytes());
    header[ROW_BITS_AT..SLOT_COUNT_AT].copy_from_slice(&row_bits(rows).to_le_bytes());
    header[SLOT_COUNT_AT..SEED_AT].copy_from_slice(&((group_count * GROUP) as u64).to_le_bytes());
    let mut table = Table { slots: slots.as_chunks_mut().0, used: vec![0; group_count], row_mask: row_mask(rows) };
    match key.fixed_bytes() {
        Some(key_bytes) => {
            let mut before = None;
            for row in 0..rows {
                let number = key.row_number(expect_row(segment, row)?);
                if before.is_some_and(|before| before >= number) {
                    return Err(disorder(key, segment, row));
                }
                table.insert(hash_number(number, key_bytes), row);
                before = Some(number);
            }
        }
        None => {
            let (mut before, mut encoded) = (Vec::new(), Vec::new());
            for row in 0..rows {
                encode_row(key, segment, row, &mut encoded)?;
                if row > 0 && before >= encoded {
                    return Err(disorder(key, segment, row));
                }
                table.insert(hash(&encoded), row);
                std::mem::swap(&mut before, &mut encoded);
            }
        }
    }
    Ok(out)
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guess {
    /// There, if anywhere, as a rule: the row's key tells. If that is another, [`UniqueIndex::probe`] knows.
    Row(u32),
    /// Nowhere.
    Absent,
    /// [`UniqueIndex::probe`] knows.
    Unclear,
}

/// Slots in the making.
struct Table<'s> {
    slots: &'s mut [[u8; SLOT_BYTES]],
    /// Slots in use, of each group: so that the slots themselves are written without being read.
    used: Vec<u8>,
    row_mask: u32,
}

impl Table<'_> {
    /// Puts a row into the first empty slot from its home on.
    #[inline]
    fn insert(&mut self, hash: u64, row: u32) {
        let mut group = home(hash, self.used.len());
        // Ends, since there are more slots than rows.
        while usize::from(self.used[group]) == GROUP {
            group = if group + 1 == self.used.len() { 0 } else { group + 1 };
        }
        let at = group * GROUP + usize::from(self.used[group]);
        self.slots[at] = (tag(hash, self.row_mask) | (row + 1)).to_le_bytes();
        self.used[group] += 1;
    }
}

impl UniqueIndex {
    /// Opens the index of a segment of so many rows: checks its length and its header, in O(1). `name`: what errors call it.
    ///
    /// # Errors
    /// `Corrupt` where these are not as they must be, or it is the index of a segment of another size.
    pub fn open(name: &str, bytes: Bytes, rows: u32) -> Result<Self> {
        let corrupt = |at: usize, expected: String, found: String| Error::corrupt(name, at as u64, expected, found);
        let Some(header) = bytes.first_chunk::<SLOTS_AT>() else {
            return Err(corrupt(bytes.len(), format!("a header of {SLOTS_AT} bytes"), format!("{} bytes", bytes.len())));
        };
        if header[..ROWS_AT] != MAGIC {
            let found = header[..ROWS_AT].escape_ascii().to_string();
            return Err(corrupt(0, format!("magic {}", MAGIC.escape_ascii()), found));
        }
        let stored_rows = u32::from_le_bytes(field(header, ROWS_AT));
        if stored_rows != rows {
            return Err(corrupt(ROWS_AT, format!("{rows} rows, as the segment has"), stored_rows.to_string()));
        }
        let bits = u32::from_le_bytes(field(header, ROW_BITS_AT));
        if bits != row_bits(rows) {
            return Err(corrupt(ROW_BITS_AT, format!("{} bits for a row", row_bits(rows)), bits.to_string()));
        }
        let slot_count = u64::from_le_bytes(field(header, SLOT_COUNT_AT));
        if slot_count <= u64::from(rows) || slot_count % GROUP as u64 != 0 {
            let expected = format!("more slots than {rows} rows, in groups of {GROUP}");
            return Err(corrupt(SLOT_COUNT_AT, expected, slot_count.to_string()));
        }
        if let Some(at) = (SEED_AT..SLOTS_AT).find(|at| header[*at] != 0) {
            return Err(corrupt(at, "a reserved 0".into(), header[at].to_string()));
        }
        let len = slot_count.checked_mul(SLOT_BYTES as u64).and_then(|len| len.checked_add(SLOTS_AT as u64));
        if len != Some(bytes.len() as u64) {
            let expected = format!("{slot_count} slots of {SLOT_BYTES} bytes behind a header of {SLOTS_AT}");
            return Err(corrupt(bytes.len(), expected, format!("{} bytes", bytes.len())));
        }
        Ok(Self { name: Arc::from(name), rows, row_mask: row_mask(rows), slots: bytes.slice(SLOTS_AT..) })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows of its segment.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The row that has an encoded key, dead or alive. `number`: what [`KeySpec::number`] gives for it.
    ///
    /// # Errors
    /// `Corrupt` where a slot that the search comes by, or a row's key, is not as it must be.
    pub fn find(&self, key: &KeySpec, segment: &Segment, encoded: &[u8], number: u64) -> Result<Option<u32>> {
        self.probe(hash(encoded), |row| {
            key.row_is(expect_row(segment, row)?, encoded, number).map_err(|malformed| unreadable(segment, malformed))
        })
    }

    /// The row for which `has_key` holds, of those whose keys may have a hash.
    pub(crate) fn probe(&self, hash: u64, has_key: impl Fn(u32) -> Result<bool>) -> Result<Option<u32>> {
        match self.guess(hash) {
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

    /// What the home group says of a hash: one cache line, and next to no branches.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Guess {
        let groups = self.groups();
        let Some(group) = groups.get(home(hash, groups.len())) else { return Guess::Unclear };
        match rows_of(group, self.row_mask, tag(hash, self.row_mask)) {
            0 if is_last(group) => Guess::Absent,
            0 => Guess::Unclear,
            row if row <= self.rows => Guess::Row(row - 1),
            _ => Guess::Unclear,
        }
    }

    /// Checks all of it against its segment: every row is found at its own key, and no slot holds anything else.
    ///
    /// # Errors
    /// `Corrupt` where that is not so.
    pub fn verify(&self, key: &KeySpec, segment: &Segment) -> Result<()> {
        let mut used = 0_u32;
        for slot in self.slots() {
            let slot = u32::from_le_bytes(*slot);
            if slot != 0 {
                used += 1;
                if (slot & self.row_mask).wrapping_sub(1) >= self.rows || used > self.rows {
                    return Err(self.stray_slot(slot));
                }
            }
        }
        let mut encoded = Vec::new();
        for row in 0..segment.rows() {
            encode_row(key, segment, row, &mut encoded)?;
            let found = self.find(key, segment, &encoded, key.number(&encoded))?;
            if found != Some(row) {
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

/// The rows, each plus 1, of all slots of a group that have a fingerprint, joined bit by bit: where one slot has it, its
/// row; where none has, 0. All are compared at once, which costs less than branches that the processor cannot foresee.
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
        _ => xxh3_64(&bytes[8 - key_bytes as usize..]),
    }
}

/// The group where the search for a hash starts.
#[inline]
fn home(hash: u64, group_count: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "less than the group count")]
    ((u128::from(hash) * group_count as u128 >> 64) as usize)
}

/// Groups for so many rows: three quarters full at most, and one slot is always empty.
fn group_count(rows: u32) -> usize {
    let rows = rows as usize;
    (rows + rows / 3 + 1).div_ceil(GROUP)
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

fn field<const N: usize>(header: &[u8; SLOTS_AT], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&header[at..at + N]);
    out
}

fn slot_offset(at: usize) -> u64 {
    (SLOTS_AT + at * SLOT_BYTES) as u64
}

/// The encoded key of a row, into `out`, which is cleared.
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

/// What is wrong with a row whose key is not greater than that of the row before it.
#[cold]
fn disorder(key: &KeySpec, segment: &Segment, row: u32) -> Error {
    let (mut before, mut encoded) = (Vec::new(), Vec::new());
    let read = encode_row(key, segment, row - 1, &mut before).and_then(|()| encode_row(key, segment, row, &mut encoded));
    match read {
        Err(error) => error,
        Ok(()) if before == encoded => Fault::DuplicateKey {
            record_type: format!("rows of {}", segment.name()),
            key: key.describe(&encoded),
            first: format!("row {}", row - 1),
            second: format!("row {row}"),
        }
        .into(),
        Ok(()) => {
            corrupt_row(segment, row, &format!("a key after {}", key.describe(&before)), &key.describe(&encoded))
        }
    }
}
