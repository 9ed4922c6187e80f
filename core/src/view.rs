//! What does a reader hold? A whole version at once: every record type's live rows, in place.

use std::any::TypeId;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use roaring::RoaringBitmap;

use crate::blobs::{Blob, Blobs};
use crate::error::{Error, Result};
use crate::key::KeySpec;
use crate::manifest::{Manifest, RecordType, SegmentEntry, Tombstones, decode_rows};
use crate::record::Record;
use crate::schema::{Schema, StructType};
use crate::segment::Segment;
use crate::words::StructRef;

/// Place of a record: stable until a merge moves the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal {
    /// Which segment of the record type.
    pub segment: u32,
    /// Which row of it.
    pub row: u32,
}

/// A whole version, immutable.
#[derive(Debug)]
pub struct View {
    manifest: Arc<Manifest>,
    tables: Vec<Table>,
}

/// The records of one type.
#[derive(Debug)]
pub struct Table {
    schema: Arc<Schema>,
    ty: Arc<StructType>,
    key: KeySpec,
    rows: u64,
    segments: Vec<TableSegment>,
    /// Generated types that were found to fit.
    readable: RwLock<Vec<TypeId>>,
}

/// A segment, and which of its rows live.
#[derive(Clone, Debug)]
pub struct TableSegment {
    segment: Segment,
    dead: Option<Arc<RoaringBitmap>>,
}

impl View {
    /// Opens a version over its blobs, in time independent of the number of records.
    ///
    /// # Errors
    /// `Corrupt` where a blob is not what the manifest says.
    pub fn open(manifest: Arc<Manifest>, blobs: &Blobs) -> Result<Self> {
        let mut tables = Vec::with_capacity(manifest.record_types.len());
        for entry in &manifest.record_types {
            tables.push(Table::open(&manifest.schema, entry, blobs)?);
        }
        Ok(Self { manifest, tables })
    }

    /// A version without records.
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
        Self { manifest: Arc::new(manifest), tables: Vec::new() }
    }

    /// Number of the version; 0 for the empty view.
    pub fn version(&self) -> u64 {
        self.manifest.version
    }

    /// What the version is made of.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Its record types.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The records of a type.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn table(&self, record_type: &str) -> Result<&Table> {
        self.table_index(record_type).map(|index| &self.tables[index])
    }

    /// Place of a record type in [`Self::tables`].
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn table_index(&self, record_type: &str) -> Result<usize> {
        match self.tables.iter().position(|table| table.name() == record_type) {
            Some(index) => Ok(index),
            None => Err(match self.manifest.expect_record_type(record_type) {
                Err(error) => error,
                Ok(_) => Error::not_found(record_type, "left out of this view"),
            }),
        }
    }
}

impl Table {
    fn open(schema: &Arc<Schema>, entry: &RecordType, blobs: &Blobs) -> Result<Self> {
        let ty = Arc::clone(schema.struct_type(entry.type_id)?);
        if ty.name != entry.name {
            return Err(Error::incompatible(&entry.name, format!("its struct is named {}", ty.name)));
        }
        let key = KeySpec::new(schema, &ty, &entry.key)?;
        let mut segments = Vec::with_capacity(entry.segments.len());
        for segment in &entry.segments {
            segments.push(TableSegment::open(segment, blobs)?);
        }
        let readable = RwLock::default();
        Ok(Self { schema: Arc::clone(schema), ty, key, rows: entry.rows, segments, readable })
    }

    pub(crate) fn is_known_readable(&self, ty: TypeId) -> bool {
        self.readable.read().unwrap_or_else(PoisonError::into_inner).contains(&ty)
    }

    pub(crate) fn remember_readable(&self, ty: TypeId) {
        self.readable.write().unwrap_or_else(PoisonError::into_inner).push(ty);
    }

    /// Unqualified name of the record type.
    pub fn name(&self) -> &str {
        &self.ty.name
    }

    /// Types of the whole dataset.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The record's struct.
    pub fn struct_type(&self) -> &Arc<StructType> {
        &self.ty
    }

    /// The primary key.
    pub fn key(&self) -> &KeySpec {
        &self.key
    }

    /// Number of live records.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// In the order in which ordinals count them.
    pub fn segments(&self) -> &[TableSegment] {
        &self.segments
    }

    /// A row in place, dead or alive; `None` for an ordinal of another view.
    #[inline]
    pub fn row(&self, ordinal: Ordinal) -> Option<StructRef<'_>> {
        self.segments.get(ordinal.segment as usize)?.segment.row(ordinal.row)
    }

    /// Ordinals of the live records: in key order within each segment.
    pub fn ordinals(&self) -> impl Iterator<Item = Ordinal> + '_ {
        (0..)
            .zip(&self.segments)
            .flat_map(|(index, segment)| segment.live_rows().map(move |row| Ordinal { segment: index, row }))
    }

    /// Ordinals of the live records in key order across all segments, by a merge of the segments.
    ///
    /// # Errors
    /// `Corrupt` where a key cannot be read.
    pub fn ordinals_in_key_order(&self) -> Result<Vec<Ordinal>> {
        let mut out: Vec<Ordinal> = self.ordinals().collect();
        if self.segments.len() > 1 {
            let mut keyed = Vec::with_capacity(out.len());
            for ordinal in out {
                let mut key = Vec::new();
                if let Some(row) = self.row(ordinal) {
                    let name = self.segments[ordinal.segment as usize].segment.name();
                    self.key.encode_row(row, &mut key).map_err(|e| e.into_error(name))?;
                }
                keyed.push((key, ordinal));
            }
            keyed.sort();
            out = keyed.into_iter().map(|(_, ordinal)| ordinal).collect();
        }
        Ok(out)
    }

    /// A record for the dynamic door; `None` for an ordinal of another view.
    ///
    /// # Errors
    /// `Invalid` where the schema lacks a type.
    pub fn record(&self, ordinal: Ordinal) -> Result<Option<Record<'_>>> {
        let Some(segment) = self.segments.get(ordinal.segment as usize) else { return Ok(None) };
        match segment.segment.row(ordinal.row) {
            Some(row) => Ok(Some(Record::new(&self.schema, self.ty.id, row)?.in_blob(segment.segment.name()))),
            None => Ok(None),
        }
    }
}

impl TableSegment {
    fn open(entry: &SegmentEntry, blobs: &Blobs) -> Result<Self> {
        let Blob { name, bytes } = blobs.expect(&entry.id)?.clone();
        if bytes.len() as u64 != entry.bytes {
            return Err(Error::corrupt(&*name, bytes.len() as u64, format!("{} bytes", entry.bytes), "another length"));
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
        Ok(Self { segment, dead: dead.map(Arc::new) })
    }

    /// The segment.
    #[inline]
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Its dead rows; `None` where there are none.
    pub fn dead(&self) -> Option<&RoaringBitmap> {
        self.dead.as_deref()
    }

    /// Whether a row lives.
    #[inline]
    pub fn is_live(&self, row: u32) -> bool {
        match &self.dead {
            None => row < self.segment.rows(),
            Some(dead) => row < self.segment.rows() && !dead.contains(row),
        }
    }

    /// Live rows in order.
    pub fn live_rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.live_ranges().flatten()
    }

    /// Live rows in order, as ranges without a gap.
    pub fn live_ranges(&self) -> LiveRanges<'_> {
        LiveRanges { next: 0, rows: self.segment.rows(), dead: self.dead.as_deref().map(RoaringBitmap::iter) }
    }
}

/// Ranges of live rows, in order.
#[derive(Clone)]
pub struct LiveRanges<'v> {
    next: u32,
    rows: u32,
    dead: Option<roaring::bitmap::Iter<'v>>,
}

impl LiveRanges<'_> {
    /// No rows.
    pub(crate) fn none() -> Self {
        Self { next: 0, rows: 0, dead: None }
    }
}

impl Iterator for LiveRanges<'_> {
    type Item = Range<u32>;

    fn next(&mut self) -> Option<Range<u32>> {
        while self.next < self.rows {
            let start = self.next;
            let end = self.dead.as_mut().and_then(Iterator::next).unwrap_or(self.rows).min(self.rows);
            self.next = end.saturating_add(1);
            if start < end {
                return Some(start..end);
            }
        }
        None
    }
}
