//! The index of an alternate key: from the values of fields that no two live records share to the row that has them.
//!
//! It is a table of row numbers like that of the primary key ([`unique`]), but its rows stand in no order, a row whose
//! values are null is not in it, and a segment may hold dead rows of the same values. FORMAT.md tells the bytes in its section
//! "Alternate key".

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::paths::{Paths, Scalar};
use kapok_core::segment::{LiveSegment, RowId, Segment};
use kapok_core::words::{Read, StructRef};
use kapok_core::{Error, Fault, Result};

use crate::artifact::{Binding, Header};
use crate::declared::Index;
use crate::row::{IndexedRows, expect_row, unreadable};
use crate::tuple;
use crate::unique::{self, UniqueIndex};
use crate::view::TableIndex;

/// What a manifest calls artifacts of this kind.
pub const KIND: &str = "key";

const MAGIC: [u8; 8] = *b"KAPOKAK1";

/// Builds the index of a segment: a function of its rows and of the paths.
///
/// # Errors
/// `Corrupt` if a value cannot be read.
pub fn build(paths: &Paths, segment: &Segment, indexed: &IndexedRows, binding: &Binding) -> Result<Vec<u8>> {
    unique::build_table(MAGIC, segment.rows(), binding, |table| {
        let mut encoded = Vec::new();
        for row in (0..segment.rows()).filter(|row| indexed.contains(*row)) {
            let at = expect_row(segment, row)?;
            if encode(paths, at, &mut encoded).map_err(|malformed| unreadable(segment, malformed))? {
                table.insert(unique::hash(&encoded), row);
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
        let mut encoded = Vec::with_capacity(32);
        tuple::encode(values, &mut encoded);
        self.table.probe(unique::hash(&encoded), |row| {
            Ok(source.is_live(row) && has(paths, source.segment(), row, &encoded)?)
        })
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

/// Encodes the values of a row; false if one of them is null.
fn encode(paths: &Paths, row: StructRef<'_>, out: &mut Vec<u8>) -> Read<bool> {
    let mut is_there = true;
    out.clear();
    paths.for_each(row, |values| {
        is_there &= !values.contains(&Scalar::Null);
        tuple::encode(values, out);
        Ok(())
    })?;
    Ok(is_there)
}

/// Returns whether a row has the values, none of which is null.
fn has(paths: &Paths, segment: &Segment, row: u32, encoded: &[u8]) -> Result<bool> {
    let mut found = Vec::with_capacity(encoded.len());
    let is_there = encode(paths, expect_row(segment, row)?, &mut found);
    Ok(is_there.map_err(|malformed| unreadable(segment, malformed))? && found == encoded)
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
        let Some(values) = self.of.index.cast(self.of.table.name(), values)? else { return Ok(None) };
        if values.contains(&Scalar::Null) {
            return Ok(None);
        }
        let mut encoded = Vec::with_capacity(32);
        tuple::encode(&values, &mut encoded);
        self.find_encoded(&encoded, |_, _| true)
    }

    /// Finds a live row, for which a condition holds, in any segment.
    fn find_encoded(&self, encoded: &[u8], is_it: impl Fn(usize, u32) -> bool) -> Result<Option<RowId>> {
        let hash = unique::hash(encoded);
        for (place, source) in self.of.table.segments().iter().enumerate() {
            let segment = source.segment();
            let has = |row: u32| {
                if !source.is_live(row) || !is_it(place, row) {
                    return Ok(false);
                }
                has(self.of.index.paths(), segment, row, encoded)
            };
            let found = match self.artifact(place) {
                Some(index) => index.probe(hash, has)?,
                None => find_by_scan(source, &self.of.index.rows(segment)?, has)?,
            };
            if let Some(row) = found {
                return Ok(Some(source.mark().row_id(place, row)));
            }
        }
        Ok(None)
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
        let mut encoded = Vec::new();
        for (place, source) in
            self.of.table.segments().iter().enumerate().filter(|(place, _)| places.get(*place) == Some(&true))
        {
            let segment = source.segment();
            let indexed = self.of.index.rows(segment)?;
            for row in source.live_rows().filter(|row| indexed.contains(*row)) {
                let at = expect_row(segment, row)?;
                if !encode(self.of.index.paths(), at, &mut encoded)
                    .map_err(|malformed| unreadable(segment, malformed))?
                {
                    continue;
                }
                let other = self.find_encoded(&encoded, |other, found| (other, found) != (place, row))?;
                if let Some(other) = other {
                    return Err(self.duplicate(source.mark().row_id(place, row), other));
                }
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
