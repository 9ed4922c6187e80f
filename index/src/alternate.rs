//! The index of an alternate key: from the values of fields that no two live records share to the row that has them.
//!
//! It is a table of row numbers like that of the primary key ([`unique`]), but its rows stand in no order, a row whose
//! values are null is not in it, and a segment may hold dead rows of the same values. FORMAT.md tells the bytes in its section
//! "Alternate key".

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::paths::{Paths, Scalar};
use kapok_core::segment::{LiveSegment, RowId, Segment, in_parallel};
use kapok_core::{Error, Fault, Result};

use crate::artifact::{Binding, Header};
use crate::declared::Index;
use crate::row::{IndexedRows, expect_row, unreadable};
use crate::tuple;
use crate::unique::{self, UniqueIndex};
use crate::values::Values;
use crate::view::TableIndex;

/// What a manifest calls artifacts of this kind.
pub const KIND: &str = "key";

const MAGIC: [u8; 8] = *b"KAPOKAK1";
/// Indexes that are glanced at together for one key: as many as the bits that say which of them may have it.
const INDEXES_AT_ONCE: usize = u32::BITS as usize;
/// Rows that one thread checks before it takes the next.
const ROWS_AT_ONCE: u32 = 1 << 12;

/// Builds the index of a segment: a function of its rows and of the paths.
///
/// # Errors
/// `Corrupt` if a value cannot be read.
pub fn build(paths: &Paths, segment: &Segment, indexed: &IndexedRows, binding: &Binding) -> Result<Vec<u8>> {
    unique::build_table(MAGIC, segment.rows(), binding, |table| {
        for row in (0..segment.rows()).filter(|row| indexed.contains(*row)) {
            if let Some(values) = values(paths, segment, row)? {
                table.insert(tuple::hash(&values), row);
            }
        }
        Ok(())
    })
}

/// The index of an alternate key of one segment, in place.
#[derive(Clone, Debug)]
pub(crate) struct AlternateIndex {
    name: Arc<str>,
    bytes: Bytes,
    table: UniqueIndex,
}

impl AlternateIndex {
    /// Opens the index of a segment: checks its length and its header, in O(1).
    pub(crate) fn open(name: &str, bytes: Bytes, rows: u32, binding: &Binding) -> Result<Self> {
        let header = Header::decode(name, &bytes, MAGIC, rows, binding)?;
        let table = UniqueIndex::open_table(name, bytes.clone(), rows, header)?;
        Ok(Self { name: Arc::from(name), bytes, table })
    }

    /// Returns the live row of a segment that has the values; `None` if there is none, and if one of them is null.
    pub(crate) fn find(&self, paths: &Paths, source: &LiveSegment, values: &[Scalar<'_>]) -> Result<Option<u32>> {
        if values.contains(&Scalar::Null) {
            return Ok(None);
        }
        self.table
            .probe(tuple::hash(values), |row| Ok(source.is_live(row) && has(paths, source.segment(), row, values)?))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn table(&self) -> &UniqueIndex {
        &self.table
    }
}

/// Returns whether a row has the values, none of which is null.
#[inline]
fn has(paths: &Paths, segment: &Segment, row: u32, values: &[Scalar<'_>]) -> Result<bool> {
    let row = expect_row(segment, row)?;
    for (path, value) in values.iter().enumerate() {
        let found = paths.read(path, row).map_err(|malformed| unreadable(segment, malformed))?;
        if !tuple::is_same(found, *value) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the values of a row; `None` if one of them is null.
fn values<'v>(paths: &'v Paths, segment: &'v Segment, row: u32) -> Result<Option<Values<'v>>> {
    let at = expect_row(segment, row)?;
    let mut out = Values::new();
    for path in 0..paths.len() {
        match paths.read(path, at).map_err(|malformed| unreadable(segment, malformed))? {
            Scalar::Null => return Ok(None),
            value => out.push(value),
        }
    }
    Ok(Some(out))
}

/// Finds the record that has given values in the fields of an alternate key, in all segments.
///
/// Made by [`View::alternate_lookup`](crate::View::alternate_lookup). Segments without an artifact of the index are scanned.
///
/// ```
/// # use kapok_core::Result;
/// # use kapok_index::View;
/// fn print(view: &View) -> Result<()> {
///     let by_isbn = view.alternate_lookup("Book", "key(isbn)")?;
///     if let Some(row_id) = by_isbn.find(&["978-0-13-110362-7".into()])? {
///         println!("{}", view.table("Book")?.record(row_id)?.to_json_string()?);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy)]
pub struct AlternateLookup<'v> {
    of: TableIndex<'v>,
}

impl<'v> AlternateLookup<'v> {
    pub(crate) fn new(of: TableIndex<'v>) -> Self {
        Self { of }
    }

    /// Returns the index.
    pub fn index(&self) -> &'v Index {
        self.of.index
    }

    /// Returns the row id of the live record that has the values; `None` if there is none, and for null.
    ///
    /// # Errors
    /// `Invalid` if the values are not as many as the key has fields, or of other kinds; `Corrupt` if a segment or its index is
    /// not as it must be.
    pub fn find(&self, values: &[Scalar<'_>]) -> Result<Option<RowId>> {
        let mut cast = Values::new();
        if !self.of.index.cast_into(self.of.table.name(), values, &mut cast)? || cast.contains(&Scalar::Null) {
            return Ok(None);
        }
        self.find_in_any(&cast, |_, _| true)
    }

    /// Finds a live row, for which a condition holds, in any segment.
    ///
    /// All indexes are glanced at before a row is read, so that the processor waits for their memory at once.
    fn find_in_any(&self, values: &[Scalar<'_>], is_it: impl Fn(usize, u32) -> bool) -> Result<Option<RowId>> {
        let hash = tuple::hash(values);
        let segments = self.of.table.segments();
        if segments.len() == 1 {
            return self.find_in(0, hash, values, is_it);
        }
        for first in (0..segments.len()).step_by(INDEXES_AT_ONCE) {
            let mut candidates = 0_u32;
            for (place, bit) in (first..segments.len()).zip(0..u32::BITS) {
                candidates |= u32::from(self.artifact(place).is_none_or(|index| index.may_have(hash))) << bit;
            }
            while candidates != 0 {
                let place = first + candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                if let Some(row_id) = self.find_in(place, hash, values, &is_it)? {
                    return Ok(Some(row_id));
                }
            }
        }
        Ok(None)
    }

    fn find_in(
        &self,
        place: usize,
        hash: u64,
        values: &[Scalar<'_>],
        is_it: impl Fn(usize, u32) -> bool,
    ) -> Result<Option<RowId>> {
        let source = &self.of.table.segments()[place];
        let (paths, segment) = (self.of.index.paths(), source.segment());
        let has = |row: u32| Ok(source.is_live(row) && is_it(place, row) && has(paths, segment, row, values)?);
        let found = match self.artifact(place) {
            Some(index) => index.probe(hash, has)?,
            None => find_by_scan(source, &self.of.index.rows(segment)?, has)?,
        };
        Ok(found.map(|row| source.mark().row_id(place, row)))
    }

    fn artifact(&self, place: usize) -> Option<&'v UniqueIndex> {
        self.of.artifact(place)?.alternate()
    }

    /// Checks that no live record of some segments has the values of another live record. `places`: for each segment, whether it
    /// is one of these.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::DuplicateKey`] with the values and both primary keys.
    pub(crate) fn check(&self, places: &[bool]) -> Result<()> {
        let segments = self.of.table.segments();
        let mut parts = Vec::new();
        for place in (0..segments.len()).filter(|place| places.get(*place) == Some(&true)) {
            let segment = segments[place].segment();
            let indexed = Arc::new(self.of.index.rows(segment)?);
            let firsts = (0..segment.rows()).step_by(ROWS_AT_ONCE as usize);
            let rows = |first: u32| first..first.saturating_add(ROWS_AT_ONCE).min(segment.rows());
            parts.extend(firsts.map(|first| (place, rows(first), Arc::clone(&indexed))));
        }
        let checked = in_parallel(parts, |(place, rows, indexed)| self.check_rows(place, rows, &indexed));
        checked.into_iter().collect()
    }

    /// Checks that no live record of some rows has the values of another live record.
    fn check_rows(&self, place: usize, rows: Range<u32>, indexed: &IndexedRows) -> Result<()> {
        let source = &self.of.table.segments()[place];
        for row in rows.filter(|row| source.is_live(*row) && indexed.contains(*row)) {
            let Some(values) = values(self.of.index.paths(), source.segment(), row)? else { continue };
            let other = self.find_in_any(&values, |other, found| (other, found) != (place, row))?;
            if let Some(other) = other {
                return Err(self.duplicate(source.mark().row_id(place, row), other));
            }
        }
        Ok(())
    }

    #[cold]
    fn duplicate(&self, one: RowId, other: RowId) -> Error {
        let key = |row_id: RowId| {
            let mut encoded = Vec::new();
            match self.of.table.row(row_id).map(|row| self.of.table.key().encode_row(row, &mut encoded)) {
                Ok(Ok(_)) => format!("key {}", self.of.table.key().describe(&encoded)),
                _ => "a record that cannot be read".to_owned(),
            }
        };
        let mut values = Vec::new();
        if let Ok(row) = self.of.table.row(one) {
            // The row was read before.
            _ = self.of.index.paths().for_each(row, |tuple| {
                values.extend(tuple.iter().map(Scalar::to_string));
                Ok(())
            });
        }
        Fault::DuplicateKey {
            record_type: format!("{} by index {}", self.of.table.name(), self.of.index.name()),
            key: values.join(", "),
            first: key(other),
            second: key(one),
        }
        .into()
    }
}

/// Returns the first live row, of those that the index holds, that satisfies a condition.
fn find_by_scan(source: &LiveSegment, indexed: &IndexedRows, has: impl Fn(u32) -> Result<bool>) -> Result<Option<u32>> {
    for row in source.live_rows().filter(|row| indexed.contains(*row)) {
        if has(row)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

impl fmt::Debug for AlternateLookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt_lookup("AlternateLookup", f)
    }
}
