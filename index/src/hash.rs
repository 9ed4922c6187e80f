//! The hash index of a segment: from the values of one or several fields to the rows that have them.
//!
//! Values are not stored. A slot has a fingerprint of the hash of a tuple of values and either the one row that has it or
//! the place of a posting, a list of rows; the first row of a posting confirms the values. FORMAT.md tells the bytes in its
//! section "Hash index".
//!
//! Null, the empty list and a null element can be asked for and differ: see [`Scalar`]. A row is in a posting once, however
//! many of its elements have the values.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::paths::{Paths, Scalar};
use kapok_core::segment::Segment;
use kapok_core::words::Read;
use kapok_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use crate::artifact::{Binding, HEADER_BYTES, Header};
use crate::row::{expect_row, unreadable};
use crate::tuple;

pub(crate) mod build;
mod dictionary;
pub(crate) mod packed;
mod posting;
mod roaring;

pub use build::build;
pub use posting::{Posting, PostingRows};

/// What a manifest calls artifacts of this kind.
pub const KIND: &str = "hash";

const MAGIC: [u8; 8] = *b"KAPOKHS1";
const SLOT_BYTES: usize = 8;
/// Slots of a group, which is a cache line.
const GROUP: usize = 8;
/// Postings begin at multiples of this.
pub(crate) const UNIT: usize = 8;

type Group = [[u8; SLOT_BYTES]; GROUP];

/// The hash index of one segment, in place.
#[derive(Clone)]
pub struct HashIndex {
    name: Arc<str>,
    bytes: Bytes,
    rows: u32,
    groups: usize,
    values: u64,
}

/// The part of a slot that says where rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locator {
    /// The one row.
    Row(u32),
    /// A posting, by its unit behind the slots.
    Posting(u32),
}

impl Locator {
    /// Returns the lower half of a slot; never 0.
    pub(crate) fn encode(self) -> u32 {
        match self {
            Self::Row(row) => row << 1 | 1,
            Self::Posting(unit) => (unit + 1) << 1,
        }
    }

    /// Reads the lower half of a slot; `None` for an empty one.
    #[inline]
    pub(crate) fn decode(half: u32) -> Option<Self> {
        match half {
            0 => None,
            half if half & 1 == 1 => Some(Self::Row(half >> 1)),
            half => Some(Self::Posting((half >> 1) - 1)),
        }
    }
}

/// The name and the numbers of rows and values, not the bytes.
impl fmt::Debug for HashIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashIndex")
            .field("name", &self.name)
            .field("rows", &self.rows)
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}

impl HashIndex {
    /// Opens the index of a segment of `rows` rows: checks its length and its header, in O(1). `name`: what errors call it.
    ///
    /// # Errors
    /// `Corrupt` if these are not as they must be, or it is another index or that of another segment.
    pub fn open(name: &str, bytes: Bytes, rows: u32, binding: &Binding) -> Result<Self> {
        let Header { word, numbers: [slots, values], .. } = Header::decode(name, &bytes, MAGIC, rows, binding)?;
        let corrupt = |expected: String, found: String| Err(Error::corrupt(name, 12, expected, found));
        if word != packed::width(rows) {
            return corrupt(format!("{} bits for a row", packed::width(rows)), word.to_string());
        }
        let room = ((bytes.len() - HEADER_BYTES) / SLOT_BYTES) as u64;
        if slots % GROUP as u64 != 0 || slots <= values || slots > room || !bytes.len().is_multiple_of(UNIT) {
            let found = format!("{slots} slots, {values} values, {} bytes", bytes.len());
            return corrupt("groups of slots, more than there are values, and postings".to_owned(), found);
        }
        let groups = usize::try_from(slots).unwrap_or(usize::MAX) / GROUP;
        Ok(Self { name: Arc::from(name), bytes, rows, groups, values })
    }

    /// Returns what errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the number of different values, those of dead rows included.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Returns the rows, live and dead, that have a tuple of values; `None` if no row has it.
    ///
    /// Reads one row, which confirms the values, for each posting of the same fingerprint: one, as a rule.
    ///
    /// # Errors
    /// `Corrupt` if the index or that row is not as it must be.
    pub fn find(&self, paths: &Paths, segment: &Segment, values: &[Scalar<'_>]) -> Result<Option<Posting<'_>>> {
        let mut encoded = Vec::with_capacity(32);
        tuple::encode(values, &mut encoded);
        let hash = xxh3_64(&encoded);
        let groups = self.slots();
        let home = home(hash, groups.len());
        let (before, after) = groups.split_at_checked(home).unwrap_or_default();
        let mut scratch = Vec::new();
        // Each group once, round the end: foreign bytes may have no empty slot.
        for group in after.iter().chain(before) {
            for slot in group {
                let slot = u64::from_le_bytes(*slot);
                #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
                let (half, fingerprint) = (slot as u32, (slot >> 32) as u32);
                let Some(locator) = Locator::decode(half) else { return Ok(None) };
                if fingerprint != self::fingerprint(hash) {
                    continue;
                }
                let posting = self.posting(locator)?;
                let first = posting.first()?;
                let row = expect_row(segment, first)?;
                let has = has_tuple(paths, row, &encoded, &mut scratch);
                if has.map_err(|malformed| unreadable(segment, malformed))? {
                    return Ok(Some(posting));
                }
            }
        }
        Ok(None)
    }

    fn posting(&self, locator: Locator) -> Result<Posting<'_>> {
        match locator {
            Locator::Row(row) if row < self.rows => Ok(Posting::one(row)),
            Locator::Row(row) => Err(self.corrupt(0, &format!("a row of {}", self.rows), format!("row {row}"))),
            Locator::Posting(unit) => {
                let at = self.postings_at() + unit as usize * UNIT;
                Posting::open(&self.name, &self.bytes, at, self.rows)
            }
        }
    }

    fn postings_at(&self) -> usize {
        HEADER_BYTES + self.groups * GROUP * SLOT_BYTES
    }

    fn slots(&self) -> &[Group] {
        let slots = self.bytes.get(HEADER_BYTES..self.postings_at()).unwrap_or_default();
        slots.as_chunks().0.as_chunks().0
    }

    #[cold]
    fn corrupt(&self, at: usize, expected: &str, found: String) -> Error {
        Error::corrupt(&*self.name, at as u64, expected, found)
    }
}

/// Returns whether a row has a tuple of values, given as [`tuple::encode`] writes it.
pub(crate) fn has_tuple(
    paths: &Paths,
    row: kapok_core::words::StructRef<'_>,
    encoded: &[u8],
    scratch: &mut Vec<u8>,
) -> Read<bool> {
    let mut found = false;
    paths.for_each(row, |values| {
        if !found {
            scratch.clear();
            tuple::encode(values, scratch);
            found = scratch == encoded;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Returns the group where the search for a hash starts.
#[inline]
fn home(hash: u64, group_count: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "less than the group count")]
    (((u128::from(hash) * group_count as u128) >> 64) as usize)
}

/// Returns the fingerprint of a hash: the lower half, which hardly moves the home.
#[inline]
fn fingerprint(hash: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    (hash as u32)
}
