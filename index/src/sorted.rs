//! The sorted index of a segment: its rows in the order of the values of one or several fields.
//!
//! Values are not stored: comparisons read the rows. Fences, the beginnings of every 32nd value, keep most comparisons within a
//! few cache lines. FORMAT.md tells the bytes in its section "Sorted index".
//!
//! Numbers stand in the order of [`SortKey`], texts and bytes bytewise. Null stands behind all values, whatever the direction.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::paths::{NumberColumn, Paths, Scalar};
use kapok_core::segment::Segment;
use kapok_core::words::{Read, StructRef};
use kapok_core::{Error, Result};

use crate::artifact::{Binding, HEADER_BYTES, Header};
use crate::row::{IndexedRows, expect_row, unreadable};

mod build;
mod entry;
mod key;

pub use build::build;
use key::BEGINNING_BYTES;
pub use key::SortKey;

/// What a manifest calls artifacts of this kind.
pub const KIND: &str = "sorted";

const MAGIC: [u8; 8] = *b"KAPOKSO1";
/// Rows from one fence to the next.
const FENCE_ROWS: u32 = 32;
const FENCE_BYTES: usize = 8;
/// Rows that are read at once between two fences.
const PROBES: usize = 7;
const ROW_BYTES: usize = 4;

/// The fields of a sorted index and their directions.
#[derive(Clone, Copy, Debug)]
pub struct SortFields<'i> {
    /// Paths of the fields, through no list.
    pub paths: &'i Paths,
    /// For each of them, whether the greatest value comes first.
    pub descending: &'i [bool],
}

/// A place in the order: that of the rows whose first fields have these values, none of which is null.
#[derive(Clone, Copy, Debug)]
pub struct SortPlace<'s> {
    /// Of the first fields, at least one.
    pub values: &'s [Scalar<'s>],
    /// Whether the last value is the beginning of a text, and all texts that begin so are meant.
    pub is_prefix: bool,
}

/// A side of the rows that a [`SortPlace`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before the first of them.
    Before,
    /// Behind the last of them.
    Behind,
}

impl Side {
    /// Returns whether a row, compared with those that are meant, stands before this side of them.
    pub(crate) fn is_before(self, order: Ordering) -> bool {
        match self {
            Self::Before => order.is_lt(),
            Self::Behind => order.is_le(),
        }
    }
}

impl SortPlace<'_> {
    /// Returns the column whose numbers alone decide where rows stand; `None` if there is none.
    fn decided_by<'v>(&self, fields: SortFields<'_>, segment: &'v Segment) -> Option<NumberColumn<'v>> {
        if self.values.len() == 1 { fields.paths.number_column(0, segment) } else { None }
    }

    /// Returns where the first values of the rows meant begin: not below the one and not above the other.
    fn beginnings(&self, fields: SortFields<'_>) -> (u64, u64) {
        let Some(key) = self.values.first().and_then(|value| SortKey::of(*value)) else { return (0, u64::MAX) };
        let is_open = self.is_prefix && self.values.len() == 1;
        let (low, high) = (key.beginning(), if is_open { key.last_beginning() } else { key.beginning() });
        if fields.descending.first() == Some(&true) { (!high, !low) } else { (low, high) }
    }

    /// Compares a row with the rows meant: `Equal` if it is one of them.
    pub(crate) fn compare(&self, fields: SortFields<'_>, row: StructRef<'_>) -> Read<Ordering> {
        for (at, (value, is_descending)) in self.values.iter().zip(fields.descending).enumerate() {
            let found = fields.paths.read(at, row)?;
            if self.is_prefix
                && at + 1 == self.values.len()
                && let (Some(SortKey::Bytes(found)), Some(SortKey::Bytes(prefix))) =
                    (SortKey::of(found), SortKey::of(*value))
                && found.starts_with(prefix)
            {
                return Ok(Ordering::Equal);
            }
            let order = compare(found, *value, *is_descending);
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }
}

impl SortFields<'_> {
    /// Compares two rows.
    pub(crate) fn compare(&self, a: StructRef<'_>, b: StructRef<'_>) -> Read<Ordering> {
        for (at, is_descending) in self.descending.iter().enumerate() {
            let order = compare(self.paths.read(at, a)?, self.paths.read(at, b)?, *is_descending);
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }
}

/// Compares two values of a field, in its direction; null stands behind all.
pub(crate) fn compare(a: Scalar<'_>, b: Scalar<'_>, is_descending: bool) -> Ordering {
    match (SortKey::of(a), SortKey::of(b)) {
        (Some(a), Some(b)) if is_descending => b.cmp(&a),
        (Some(a), Some(b)) => a.cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The sorted index of one segment, in place.
#[derive(Clone)]
pub struct SortedIndex {
    name: Arc<str>,
    bytes: Bytes,
    /// Of the segment.
    rows: u32,
    /// Rows that are in it: not more.
    count: u32,
    /// Rows whose first value is null, which are the last.
    nulls: u32,
}

/// The name and the number of rows, not the bytes.
impl fmt::Debug for SortedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SortedIndex").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SortedIndex {
    /// Opens the index of a segment of `rows` rows: checks its length and its header, in O(1). `name`: what errors call it.
    ///
    /// # Errors
    /// `Corrupt` if these are not as they must be, or it is another index or that of another segment.
    pub fn open(name: &str, bytes: Bytes, rows: u32, binding: &Binding) -> Result<Self> {
        let Header { word: nulls, numbers, .. } = Header::decode(name, &bytes, MAGIC, rows, binding)?;
        let count = u32::try_from(numbers[0]).ok().and_then(|left_out| rows.checked_sub(left_out));
        let count = count.filter(|count| nulls <= *count && numbers[1] == 0);
        let Some(count) = count else {
            let found = format!("{nulls}, {} and {}", numbers[0], numbers[1]);
            let expected = format!("nulls and rows left out, {rows} together at most, and a zero");
            return Err(Error::corrupt(name, 12, expected, found));
        };
        if bytes.len() != len(count) {
            let expected = format!("{} bytes, for {count} rows", len(count));
            return Err(Error::corrupt(name, bytes.len() as u64, expected, format!("{} bytes", bytes.len())));
        }
        Ok(Self { name: Arc::from(name), bytes, rows, count, nulls })
    }

    /// Builds the index of a segment that has no artifact of it.
    ///
    /// # Errors
    /// `Corrupt` if a value cannot be read.
    pub(crate) fn of_segment(fields: SortFields<'_>, segment: &Segment, indexed: &IndexedRows) -> Result<Self> {
        let binding = Binding::default();
        Self::open(segment.name(), build(fields, segment, indexed, &binding)?.into(), segment.rows(), &binding)
    }

    /// Returns what errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the positions of the rows whose first value is not null. Those of the others follow.
    pub fn values(&self) -> Range<u32> {
        0..self.count - self.nulls
    }

    /// Returns the positions of all rows that are in it.
    pub fn all(&self) -> Range<u32> {
        0..self.count
    }

    /// Returns the row at a position.
    ///
    /// # Errors
    /// `Corrupt` if it is not one of the segment.
    #[inline]
    pub fn row(&self, position: u32) -> Result<u32> {
        let at = rows_at(self.count) + position as usize * ROW_BYTES;
        match self.bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map(|row| u32::from_le_bytes(*row)) {
            Some(row) if row < self.rows && position < self.count => Ok(row),
            row => Err(self.stray_row(at, row)),
        }
    }

    /// Iterates over the rows at some positions, in order.
    pub fn rows(&self, positions: Range<u32>) -> impl DoubleEndedIterator<Item = Result<u32>> + '_ {
        positions.map(|position| self.row(position))
    }

    /// Returns the position of the first of the rows that a place names or, behind them, of the first row after it.
    ///
    /// # Errors
    /// `Corrupt` if the index or a row that is compared is not as it must be.
    pub fn position(
        &self,
        fields: SortFields<'_>,
        segment: &Segment,
        place: &SortPlace<'_>,
        side: Side,
    ) -> Result<u32> {
        // Rows that begin below are before the place, rows that begin above behind it.
        let (low, high) = place.beginnings(fields);
        let fences = self.fences();
        let first = fences.partition_point(|fence| u64::from_le_bytes(*fence) < low);
        let position = |fence: usize| u32::try_from(fence).unwrap_or(u32::MAX).saturating_mul(FENCE_ROWS);
        let behind_last_below = |first: usize| first.checked_sub(1).map_or(0, |fence| position(fence) + 1);
        let end = self.values().end;
        if let Some(column) = place.decided_by(fields, segment) {
            // Fences are the values themselves.
            let next = match side {
                Side::Before => first,
                Side::Behind => first + self::count(&fences[first..], |fence| fence <= high),
            };
            let is_descending = fields.descending.first() == Some(&true);
            let is_before = |row| match SortKey::of(column.value(row)).map(SortKey::beginning) {
                Some(beginning) => side.is_before(if is_descending { !beginning } else { beginning }.cmp(&low)),
                None => false,
            };
            return self.first_behind(behind_last_below(next)..position(next).min(end), is_before);
        }
        let last = first + self::count(&fences[first..], |fence| fence <= high);
        let (mut from, mut to) = (behind_last_below(first), position(last).min(end));
        while from < to {
            let middle = from.midpoint(to);
            let row = expect_row(segment, self.row(middle)?)?;
            let order = place.compare(fields, row).map_err(|malformed| unreadable(segment, malformed))?;
            if side.is_before(order) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    /// Returns the first of some positions whose row is not before a place, or their end. Several rows are read at once, so that
    /// the processor waits for the memory of all of them together.
    fn first_behind(&self, mut positions: Range<u32>, is_before: impl Fn(u32) -> bool) -> Result<u32> {
        while !positions.is_empty() {
            let step = positions.len().div_ceil(PROBES + 1);
            let mut before = 0;
            for position in positions.clone().skip(step - 1).step_by(step) {
                before += u32::from(is_before(self.row(position)?));
            }
            let step = u32::try_from(step).unwrap_or(u32::MAX);
            positions.start += before * step;
            positions.end = positions.end.min(positions.start + step - 1);
        }
        Ok(positions.start)
    }

    /// Returns the fences of rows whose first value is not null.
    fn fences(&self) -> &[[u8; FENCE_BYTES]] {
        let fences: &[[u8; FENCE_BYTES]] = self.bytes[HEADER_BYTES..rows_at(self.count)].as_chunks().0;
        fences.get(..self.values().end.div_ceil(FENCE_ROWS) as usize).unwrap_or_default()
    }

    #[cold]
    fn stray_row(&self, at: usize, row: Option<u32>) -> Error {
        let found = row.map_or_else(|| "the end".to_owned(), |row| format!("row {row}"));
        Error::corrupt(&*self.name, at as u64, format!("a row of {}", self.rows), found)
    }
}

/// Returns how many fences there are up to the first one for which a condition does not hold: fast for few.
fn count(fences: &[[u8; FENCE_BYTES]], is_before: impl Fn(u64) -> bool) -> usize {
    let is_before = |fence: &[u8; FENCE_BYTES]| is_before(u64::from_le_bytes(*fence));
    let mut end = 1;
    while fences.get(end - 1).is_some_and(is_before) {
        end *= 2;
    }
    let from = end / 2;
    from + fences[from..fences.len().min(end - 1)].partition_point(is_before)
}

/// Returns the byte at which the rows begin.
fn rows_at(rows: u32) -> usize {
    HEADER_BYTES + rows.div_ceil(FENCE_ROWS) as usize * FENCE_BYTES
}

/// Returns the bytes of the index of so many rows.
fn len(rows: u32) -> usize {
    (rows_at(rows) + rows as usize * ROW_BYTES).next_multiple_of(8)
}
