//! Opens a whole version in place: every record type's live rows.
//!
//! A `Result` stands where bytes are read and never around a loop. Making a handle ([`Tables::table`],
//! [`Tables::field`], [`Tables::records`]) may fail; `iter()` and `for` may not. Items of a loop are handles themselves
//! ([`Record`], generated readers), whose getters return a `Result`, or values, each of them a `Result`: those of
//! [`Field`] and of [`Table::deserialize`].
//!
//! ```
//! # use kapok_core::{Result, view::Tables};
//! # use kapok_samples::movies_capnp::movie;
//! fn read(tables: &Tables) -> Result<()> {
//!     for film in &tables.records::<movie::Owned>()? {
//!         println!("{}", film.get_year());
//!     }
//!     for year in &tables.field::<u16>("Movie.year")? {
//!         println!("{}", year?);
//!     }
//!     for film in tables.table("Movie")? {
//!         println!("{:?}", film.get("year")?.as_u64());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Iterators are not wrapped, so this does not compile:
//!
//! ```compile_fail
//! # use kapok_core::{Result, view::Tables};
//! # use kapok_samples::movies_capnp::movie;
//! fn read(tables: &Tables) -> Result<()> {
//!     for film in tables.records::<movie::Owned>()?.iter()? {
//!         println!("{}", film.get_year());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! What takes a key answers `None` if there is no such record. What takes a [`RowId`] reads live and dead rows alike,
//! and answers `Invalid` for a row id that is not of the view and record type. What takes a bare row number of a
//! [`Segment`] answers `None` beyond the last row.
//!
//! [`Field`]: crate::field::Field

use std::any::TypeId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::key::KeySpec;
use crate::manifest::{Blob, BlobMap};
use crate::manifest::{Manifest, RecordType, SegmentEntry, Tombstones, decode_rows};
use crate::record::Record;
use crate::schema::{Schema, StructType};
use crate::segment::{Extent, LiveSegment, RowId, Segment};
use crate::words::{Malformed, StructRef};

mod reader_iter;
mod readers;
mod record_iter;
mod texts;

pub use reader_iter::ReaderIter;
pub use readers::Readers;
pub use record_iter::{Deserialized, RecordIter};
use texts::CheckedTexts;
pub(crate) use texts::Texts;

/// The key of a row; those of one table are all of one kind, and order as the keys do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// Of a key of fixed length, of at most 8 bytes.
    Number(u64),
    /// An encoded key.
    Bytes(Vec<u8>),
}

/// A whole version, immutable.
pub struct Tables {
    manifest: Arc<Manifest>,
    record_types: Vec<Table>,
    left_out: BTreeMap<String, String>,
}

/// The records of one type.
pub struct Table {
    manifest: Arc<Manifest>,
    schema: Arc<Schema>,
    ty: Arc<StructType>,
    key: KeySpec,
    rows: u64,
    segments: Vec<LiveSegment>,
    /// Generated types that were found to fit.
    readable: RwLock<Vec<TypeId>>,
    /// For each field of the record, for each segment: texts that were checked.
    texts: Box<[OnceLock<Vec<CheckedTexts>>]>,
}

impl Tables {
    /// Opens a version over its blobs, in time independent of the number of records.
    ///
    /// # Errors
    /// `Corrupt` if a blob is not what the manifest says.
    pub fn open(manifest: Arc<Manifest>, blobs: &BlobMap) -> Result<Self> {
        Self::open_without(manifest, blobs, BTreeMap::new())
    }

    /// Opens a version without the record types of `left_out`, each with the reason why, which is what
    /// [`table`](Self::table) answers for them. Their blobs are not needed.
    ///
    /// # Errors
    /// `Corrupt` if another type's blob is not what the manifest says.
    pub fn open_without(manifest: Arc<Manifest>, blobs: &BlobMap, left_out: BTreeMap<String, String>) -> Result<Self> {
        let mut tables = Vec::with_capacity(manifest.record_types.len());
        for entry in manifest.record_types.iter().filter(|entry| !left_out.contains_key(&entry.name)) {
            tables.push(Table::open(&manifest, entry, blobs)?);
        }
        Ok(Self { manifest, record_types: tables, left_out })
    }

    /// Makes a version without records.
    pub fn empty() -> Self {
        let manifest = Manifest {
            version: 0,
            parent: None,
            created_unix_ms: 0,
            writer: String::new(),
            writer_token: [0; 16],
            announce_itself: false,
            log_sequence: 0,
            schema: Arc::default(),
            record_types: Vec::new(),
            tags: std::collections::BTreeMap::default(),
        };
        Self { manifest: Arc::new(manifest), record_types: Vec::new(), left_out: BTreeMap::new() }
    }

    /// Returns the number of the version; 0 for the empty view.
    pub fn version(&self) -> u64 {
        self.manifest.version
    }

    /// Returns the version's manifest.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Returns the tables of all record types, sorted by name.
    pub fn tables(&self) -> &[Table] {
        &self.record_types
    }

    /// Returns the record types that the view was opened without, each with the reason.
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        &self.left_out
    }

    /// Does what readers of an earlier version have had done, so that no reader of this version waits for it: checks texts, unless
    /// they were checked in segments that both have, and spreads bitmaps of dead rows. See [`Tables::field`].
    pub fn check_texts_as(&self, before: &Self) {
        for table in &self.record_types {
            if let Ok(before) = before.table(table.name()) {
                table.segments().iter().for_each(LiveSegment::prepare);
                table.check_texts_as(before);
            }
        }
    }

    /// Returns the table of a record type.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn table(&self, record_type: &str) -> Result<&Table> {
        self.table_index(record_type).map(|index| &self.record_types[index])
    }

    /// Returns the place of a record type in [`Self::tables`].
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn table_index(&self, record_type: &str) -> Result<usize> {
        if let Some(index) = self.record_types.iter().position(|table| table.name() == record_type) {
            return Ok(index);
        }
        self.manifest.expect_record_type(record_type)?;
        let why = self.left_out.get(record_type).map_or("", String::as_str);
        let detail = format!("left out of this view: {why}");
        Err(Fault::NoRecordType { record_type: record_type.to_owned(), detail }.into())
    }
}

impl Table {
    fn open(manifest: &Arc<Manifest>, entry: &RecordType, blobs: &BlobMap) -> Result<Self> {
        let schema = &manifest.schema;
        let ty = Arc::clone(schema.struct_type(entry.type_id)?);
        if ty.name != entry.name {
            return Err(Error::incompatible(&entry.name, format!("its struct is named {}", ty.name)));
        }
        let key = entry.key_spec(schema)?;
        let mut segments = Vec::with_capacity(entry.segments.len());
        for segment in &entry.segments {
            segments.push(open_segment(&entry.name, segment, blobs)?);
        }
        let texts = ty.fields.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            manifest: Arc::clone(manifest),
            schema: Arc::clone(schema),
            ty,
            key,
            rows: entry.rows,
            segments,
            readable: RwLock::default(),
            texts,
        })
    }

    pub(crate) fn is_known_readable(&self, ty: TypeId) -> bool {
        self.readable.read().unwrap_or_else(PoisonError::into_inner).contains(&ty)
    }

    pub(crate) fn remember_readable(&self, ty: TypeId) {
        self.readable.write().unwrap_or_else(PoisonError::into_inner).push(ty);
    }

    /// Returns the unqualified name of the record type.
    pub fn name(&self) -> &str {
        &self.ty.name
    }

    /// Returns the types of the whole dataset.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns the struct type of the records.
    pub fn struct_type(&self) -> &Arc<StructType> {
        &self.ty
    }

    /// Returns the primary key.
    pub fn key(&self) -> &KeySpec {
        &self.key
    }

    /// Returns the number of live records.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns the segments, in the order in which row ids count them.
    pub fn segments(&self) -> &[LiveSegment] {
        &self.segments
    }

    /// Returns the extents of a segment, by its place, as the manifest lists them; none beyond the last segment.
    pub fn extents(&self, place: usize) -> &[Extent] {
        let entry = self.manifest.record_type(self.name()).and_then(|entry| entry.segments.get(place));
        entry.map_or(&[], |entry| &entry.extents)
    }

    /// Returns the segment of a row id, as its place in [`Self::segments`], and the row.
    ///
    /// # Errors
    /// `Invalid` for a row id of another record type, or of a segment that this view does not have.
    #[inline]
    pub fn place(&self, row_id: RowId) -> Result<(usize, u32)> {
        let place = match self.segments.get(row_id.place()) {
            Some(source) if source.mark() == row_id.segment() => Some(row_id.place()),
            _ => row_id.find(self.segments.iter().map(LiveSegment::mark)),
        };
        match place {
            Some(place) if row_id.row() < self.segments[place].segment().rows() => Ok((place, row_id.row())),
            _ => Err(row_id.stale(self.name())),
        }
    }

    /// Returns the row id of a row, live or dead; `None` if there is no such segment or row.
    pub fn row_id(&self, place: usize, row: u32) -> Option<RowId> {
        let source = self.segments.get(place).filter(|source| row < source.segment().rows())?;
        Some(source.mark().row_id(place, row))
    }

    /// Returns a row in place, live or dead.
    ///
    /// # Errors
    /// `Invalid` for a row id of another record type, or of a segment that this view does not have.
    #[inline]
    pub fn row(&self, row_id: RowId) -> Result<StructRef<'_>> {
        let (place, row) = self.place(row_id)?;
        self.segments[place].segment().row(row).ok_or_else(|| row_id.stale(self.name()))
    }

    /// Iterates over the row ids of the live records: in key order within each segment.
    pub fn row_ids(&self) -> impl Iterator<Item = RowId> + '_ {
        self.segments
            .iter()
            .enumerate()
            .flat_map(|(place, source)| source.live_rows().map(move |row| source.mark().row_id(place, row)))
    }

    /// Returns the row ids of the live records in key order across all segments, by a merge of the segments.
    ///
    /// # Errors
    /// `Corrupt` if a key cannot be read.
    pub fn row_ids_in_key_order(&self) -> Result<Vec<RowId>> {
        if self.segments.len() < 2 {
            return Ok(self.row_ids().collect());
        }
        let mut rows: Vec<_> = self.segments.iter().map(LiveSegment::live_rows).collect();
        let mut heads = BinaryHeap::with_capacity(rows.len());
        let mut next = |place: usize, heads: &mut BinaryHeap<_>| -> Result<()> {
            if let Some(row) = rows[place].next() {
                heads.push(Reverse((self.row_key(place, row)?, place, row)));
            }
            Ok(())
        };
        (0..self.segments.len()).try_for_each(|place| next(place, &mut heads))?;
        let mut out = Vec::with_capacity(usize::try_from(self.rows).unwrap_or_default());
        while let Some(Reverse((_, place, row))) = heads.pop() {
            out.push(self.segments[place].mark().row_id(place, row));
            next(place, &mut heads)?;
        }
        Ok(out)
    }

    /// Returns the key of a row of a segment, by the segment's place, as what orders like it.
    ///
    /// # Errors
    /// `Corrupt` if it cannot be read, or there is no such row.
    pub fn row_key(&self, place: usize, row: u32) -> Result<RowKey> {
        let segment = self.segments[place].segment();
        let malformed = |malformed: Malformed| malformed.into_error_with(segment.name(), segment.words());
        let Some(at) = segment.row(row) else {
            return Err(malformed(Malformed { word: 0, expected: "a row within the segment" }));
        };
        if self.key.fixed_bytes().is_some() {
            return Ok(RowKey::Number(self.key.row_number(at)));
        }
        let mut encoded = Vec::new();
        self.key.encode_row(at, &mut encoded).map_err(malformed)?;
        Ok(RowKey::Bytes(encoded))
    }

    /// Returns a record as a dynamic one, live or dead.
    ///
    /// # Errors
    /// `Invalid` for a row id of another record type, or of a segment that this view does not have.
    pub fn record(&self, row_id: RowId) -> Result<Record<'_>> {
        let (place, row) = self.place(row_id)?;
        self.record_in(&self.segments[place], row).ok_or_else(|| row_id.stale(self.name()))
    }

    /// Returns the record of a row of one of the segments; `None` beyond the last.
    fn record_in<'v>(&'v self, segment: &'v LiveSegment, row: u32) -> Option<Record<'v>> {
        let segment = segment.segment();
        Some(Record::of_type(&self.schema, &self.ty, segment.row(row)?).in_blob(segment.name()))
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables")
            .field("version", &self.version())
            .field("tables", &self.record_types)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name())
            .field("rows", &self.rows)
            .field("segments", &self.segments.len())
            .field("checked_texts", &self.checked_text_fields())
            .finish_non_exhaustive()
    }
}

/// Opens a segment over its blobs.
fn open_segment(record_type: &str, entry: &SegmentEntry, blobs: &BlobMap) -> Result<LiveSegment> {
    let Blob { name, bytes } = blobs.expect(&entry.id)?.clone();
    if bytes.len() as u64 != entry.size {
        return Err(Error::corrupt(&*name, bytes.len() as u64, format!("{} bytes", entry.size), "another length"));
    }
    let segment = Segment::open(&name, bytes, entry.rows)?;
    let dead = match &entry.tombstones {
        Tombstones::None => None,
        Tombstones::Inline(bitmap) => Some(decode_rows("tombstones in the manifest", bitmap)?),
        Tombstones::Blob(id) => {
            let Blob { name, bytes } = blobs.expect(id)?;
            Some(decode_rows(name, bytes)?)
        }
    };
    if let Some(dead) = &dead
        && (dead.len() != u64::from(entry.dead) || dead.max().is_some_and(|row| row >= entry.rows))
    {
        let expected = format!("{} dead rows of {}", entry.dead, entry.rows);
        return Err(Error::corrupt(&*name, 0, expected, format!("{} dead rows", dead.len())));
    }
    Ok(LiveSegment::new(record_type, &entry.id, segment, dead))
}
