//! What does a reader hold? A whole version at once: every record type's live rows, in place.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use roaring::RoaringBitmap;

use crate::blobs::{Blob, Blobs};
use crate::error::{Error, Result};
use crate::key::KeySpec;
use crate::manifest::{Id, Manifest, RecordType, SegmentEntry, Tombstones, decode_rows};
use crate::record::Record;
use crate::schema::{Schema, StructType};
use crate::segment::Segment;
use crate::words::StructRef;

/// Place of a record: stable until a merge moves the row.
///
/// It names the segment that it is of, by some bits of the segment's id and of the record type's name. So it is good for
/// every view that shares the segment, wherever the segment stands there. With any other view or record type whoever
/// takes it answers `Invalid`; that another segment has the same 32 bits is left to chance.
///
/// Ordinals of one view are ordered as its segments and rows are. Those of one row in two views are equal where its segment
/// stands at the same place in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal {
    /// Which segment of the record type, then which row of it: in one word, since a word that was stored in two parts is
    /// slow to load.
    place_and_row: u64,
    segment: SegmentMark,
}

/// What tells the segment of an [`Ordinal`] from others: bits of its id, mixed with some of its record type's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentMark(u32);

/// A whole version, immutable.
#[derive(Debug)]
pub struct View {
    manifest: Arc<Manifest>,
    tables: Vec<Table>,
    left_out: BTreeMap<String, String>,
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
    mark: SegmentMark,
    dead: Option<Arc<RoaringBitmap>>,
}

impl View {
    /// Opens a version over its blobs, in time independent of the number of records.
    ///
    /// # Errors
    /// `Corrupt` where a blob is not what the manifest says.
    pub fn open(manifest: Arc<Manifest>, blobs: &Blobs) -> Result<Self> {
        Self::open_without(manifest, blobs, BTreeMap::new())
    }

    /// As [`open`](Self::open), without the record types of `left_out`, each with the reason why, which is what
    /// [`table`](Self::table) answers for them. Their blobs are not needed.
    ///
    /// # Errors
    /// `Corrupt` where another type's blob is not what the manifest says.
    pub fn open_without(manifest: Arc<Manifest>, blobs: &Blobs, left_out: BTreeMap<String, String>) -> Result<Self> {
        let mut tables = Vec::with_capacity(manifest.record_types.len());
        for entry in manifest.record_types.iter().filter(|entry| !left_out.contains_key(&entry.name)) {
            tables.push(Table::open(&manifest.schema, entry, blobs)?);
        }
        Ok(Self { manifest, tables, left_out })
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
        Self { manifest: Arc::new(manifest), tables: Vec::new(), left_out: BTreeMap::new() }
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

    /// Record types of the version that the view was opened without, and why.
    pub fn left_out(&self) -> &BTreeMap<String, String> {
        &self.left_out
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
        if let Some(index) = self.tables.iter().position(|table| table.name() == record_type) {
            return Ok(index);
        }
        self.manifest.expect_record_type(record_type)?;
        let why = self.left_out.get(record_type).map_or("", String::as_str);
        Err(Error::not_found(format!("record type {record_type}"), format!("left out of this view: {why}")))
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
            segments.push(TableSegment::open(&entry.name, segment, blobs)?);
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

    /// The segment of an ordinal, as its place in [`Self::segments`], and the row.
    ///
    /// # Errors
    /// `Invalid` for an ordinal of another record type, or of a segment that this view does not have.
    #[inline]
    pub fn place(&self, ordinal: Ordinal) -> Result<(usize, u32)> {
        let place = ordinal.place();
        match self.segments.get(place) {
            Some(source) if source.mark == ordinal.segment => Ok((place, ordinal.row())),
            _ => match ordinal.find(self.segments.iter().map(|source| source.mark)) {
                Some(place) => Ok((place, ordinal.row())),
                None => Err(ordinal.stale(self.name())),
            },
        }
    }

    /// The ordinal of a row, dead or alive; `None` where there is no such segment or row.
    pub fn ordinal(&self, place: usize, row: u32) -> Option<Ordinal> {
        let source = self.segments.get(place).filter(|source| row < source.segment.rows())?;
        Some(source.mark.ordinal(place, row))
    }

    /// A row in place, dead or alive.
    ///
    /// # Errors
    /// `Invalid` for an ordinal of another record type, or of a segment that this view does not have.
    #[inline]
    pub fn row(&self, ordinal: Ordinal) -> Result<StructRef<'_>> {
        let (place, row) = self.place(ordinal)?;
        self.segments[place].segment.row(row).ok_or_else(|| ordinal.stale(self.name()))
    }

    /// Ordinals of the live records: in key order within each segment.
    pub fn ordinals(&self) -> impl Iterator<Item = Ordinal> + '_ {
        self.segments
            .iter()
            .enumerate()
            .flat_map(|(place, source)| source.live_rows().map(move |row| source.mark.ordinal(place, row)))
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
                let name = self.segments[ordinal.place()].segment.name();
                self.key.encode_row(self.row(ordinal)?, &mut key).map_err(|e| e.into_error(name))?;
                keyed.push((key, ordinal));
            }
            keyed.sort();
            out = keyed.into_iter().map(|(_, ordinal)| ordinal).collect();
        }
        Ok(out)
    }

    /// A record for the dynamic door, dead or alive.
    ///
    /// # Errors
    /// `Invalid` for an ordinal of another record type, or of a segment that this view does not have, and where the schema
    /// lacks a type.
    pub fn record(&self, ordinal: Ordinal) -> Result<Record<'_>> {
        let (place, _) = self.place(ordinal)?;
        let blob = self.segments[place].segment.name();
        Ok(Record::new(&self.schema, self.ty.id, self.row(ordinal)?)?.in_blob(blob))
    }
}

impl Ordinal {
    /// The row within its segment.
    #[inline]
    pub fn row(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "its low half")]
        let row = self.place_and_row as u32;
        row
    }

    /// Where its segment probably stands; to be believed if the mark there is [`Self::segment`].
    #[inline]
    pub(crate) fn place(self) -> usize {
        (self.place_and_row >> 32) as usize
    }

    #[inline]
    pub(crate) fn segment(self) -> SegmentMark {
        self.segment
    }

    /// Where its segment stands among others, if it does.
    #[cold]
    pub(crate) fn find(self, mut marks: impl Iterator<Item = SegmentMark>) -> Option<usize> {
        marks.position(|mark| mark == self.segment)
    }

    #[cold]
    pub(crate) fn stale(self, record_type: &str) -> Error {
        let detail = format!(
            "segment={} row={} is of another record type, or of a segment that this view does not have; take ordinals \
             from this view, or find the record by its key",
            self.place(),
            self.row()
        );
        Error::invalid(format!("ordinal of {record_type}"), detail)
    }
}

impl SegmentMark {
    fn new(record_type: &str, segment: &Id) -> Self {
        // Two record types may have segments of the same bytes.
        let name = blake3::hash(record_type.as_bytes());
        let bits = |id: &Id| u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
        Self(bits(segment) ^ bits(name.as_bytes()))
    }

    /// The ordinal of a row of this segment, which stands at `place`.
    #[inline]
    pub fn ordinal(self, place: usize, row: u32) -> Ordinal {
        // A manifest's list has less than 2^29 elements.
        Ordinal { place_and_row: (place as u64) << 32 | u64::from(row), segment: self }
    }
}

impl TableSegment {
    fn open(record_type: &str, entry: &SegmentEntry, blobs: &Blobs) -> Result<Self> {
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
        Ok(Self { segment, mark: SegmentMark::new(record_type, &entry.id), dead: dead.map(Arc::new) })
    }

    /// The segment.
    #[inline]
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// What ordinals of its rows name it by.
    #[inline]
    pub fn mark(&self) -> SegmentMark {
        self.mark
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
