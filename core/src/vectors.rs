//! Reads a field's vectors as the matrices that segments hold them in, without following a pointer for each row.
//!
//! A segment keeps the vectors of a field as one matrix: a slot for each row, at constant distance (FORMAT.md, "Extents").
//! [`Table::vectors`] gives a [`VectorColumn`] for each segment. A slot of zeros may be a vector of zeros, or that of a row
//! without one: [`VectorColumn::has`] tells which.
//!
//! ```
//! # use kapok_core::{Result, view::Table};
//! fn longest(films: &Table) -> Result<f32> {
//!     let mut longest = 0.0_f32;
//!     for column in films.vectors("embedding")? {
//!         for row in (0..column.rows()).filter(|row| column.has(*row)) {
//!             let vector = column.numbers::<f32>(row).unwrap_or_default();
//!             longest = longest.max(vector.iter().map(|x| x * x).sum());
//!         }
//!     }
//!     Ok(longest.sqrt())
//! }
//! ```

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::field::path::{Condition, all_hold, no_value};
use crate::schema::{FieldKind, FieldType, Metric, Schema, StructType, VectorSpace};
use crate::segment::{Extent, HEADER_BYTES, LiveSegment, Segment, aim};
use crate::view::Table;
use crate::words::WORD;

mod element;

pub use element::{ElementType, VectorNumber};

/// A vector field of a record type: its place in the rows, and what its vectors are.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorField {
    /// `Type.path`, for errors.
    subject: String,
    /// By Cap'n Proto names, as extents are named.
    name: String,
    space: VectorSpace,
    element: ElementType,
    /// Index of the pointer in the row.
    slot: u32,
    /// Union members that must be active.
    conditions: Vec<Condition>,
}

/// The vectors of one field in one segment: a slot for each row, live or dead.
///
/// It shares the segment's bytes, and may outlive the table that it came from.
#[derive(Clone, Debug)]
pub struct VectorColumn {
    segment: Segment,
    element: ElementType,
    metric: Metric,
    dimension: u32,
    /// Bytes of a vector.
    vector_bytes: usize,
    matrix: Option<Matrix>,
    conditions: Vec<Condition>,
}

/// Where a segment has its vectors.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    /// In bytes from the start of the file.
    offset: usize,
    /// In bytes.
    stride: usize,
    /// Index of the pointer in the row.
    slot: u32,
    /// The pointer to a vector, but for its offset.
    shape: u64,
}

impl VectorField {
    /// Resolves a path, such as `embedding`, or `place.embedding` through a group or union.
    ///
    /// # Errors
    /// `NotFound` for a field that there is not, listing those that there are. `Invalid` for one that is no vector.
    pub fn new(schema: &Schema, record: &StructType, path: &str) -> Result<Self> {
        Self::resolve(schema, record, path, StructType::field_by_any_name)
    }

    /// Resolves a path of Cap'n Proto names alone, as manifests hold them: a JSON name of another field is not taken for one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn exactly(schema: &Schema, record: &StructType, path: &str) -> Result<Self> {
        Self::resolve(schema, record, path, StructType::field)
    }

    fn resolve(
        schema: &Schema,
        record: &StructType,
        path: &str,
        field: for<'s> fn(&'s StructType, &str) -> Option<&'s FieldType>,
    ) -> Result<Self> {
        let subject = format!("{}.{path}", record.name);
        let mut ty = record;
        let mut names: Vec<&str> = Vec::new();
        let mut conditions = Vec::new();
        let mut parts = path.split('.');
        let field = loop {
            let part = parts.next().unwrap_or_default();
            let Some(field) = field(ty, part) else { return Err(ty.no_field(subject)) };
            names.push(&field.name);
            if let Some(value) = field.discriminant {
                conditions.push(Condition { at: ty.discriminant_offset as usize * 2, value });
            }
            match &field.kind {
                FieldKind::Group(id) if names.len() <= path.matches('.').count() => ty = schema.struct_type(*id)?,
                _ => break field,
            }
        };
        let (Some(space), FieldKind::Slot { offset, ty, .. }, None) = (field.vector, &field.kind, parts.next()) else {
            return Err(no_value(subject, "is no vector field of the record"));
        };
        let element = space.element_type(&subject, ty)?;
        Ok(Self { subject, name: names.join("."), space, element, slot: *offset, conditions })
    }

    /// Returns the path by Cap'n Proto names.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what the schema says of the vectors; a dimension of 0 is not known yet.
    pub fn space(&self) -> VectorSpace {
        self.space
    }

    /// Returns what the elements are.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Returns the index of its pointer in the record.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Returns whether it is a member of a union, or lies within one.
    pub fn is_in_union(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Opens the field's matrix in a segment, by the extents that the manifest lists. It takes constant time, except that
    /// rows are looked through for the first vector if the schema does not know the dimension yet.
    ///
    /// # Errors
    /// `Corrupt` if the extent is not what the schema and the segment make it.
    pub fn open(&self, segment: &Segment, extents: &[Extent]) -> Result<VectorColumn> {
        let mut column = VectorColumn {
            segment: segment.clone(),
            element: self.element,
            metric: self.space.metric,
            dimension: self.space.dimension,
            vector_bytes: 0,
            matrix: None,
            conditions: self.conditions.clone(),
        };
        let mut extents = extents.iter().filter(|extent| extent.field == self.name);
        if let Some(extent) = extents.next() {
            if column.dimension == 0 {
                column.dimension = self.dimension_in(segment);
            }
            column.matrix = Some(self.check(segment, extent, column.dimension)?);
            if extents.next().is_some() {
                return Err(self.corrupt(segment, extent, "one extent"));
            }
        }
        column.vector_bytes = self.element.vector_bytes(column.dimension).unwrap_or_default();
        Ok(column)
    }

    /// Checks an extent against the schema, the rows and the file.
    fn check(&self, segment: &Segment, extent: &Extent, dimension: u32) -> Result<Matrix> {
        let corrupt = |expected: String| Err(self.corrupt(segment, extent, expected));
        let Some(vector_bytes) = self.element.vector_bytes(dimension).filter(|bytes| *bytes > 0) else {
            return corrupt(format!("vectors, not of dimension {dimension}"));
        };
        let (rows, stride) = (u64::from(segment.rows()), vector_bytes.next_multiple_of(WORD));
        if u64::from(extent.stride) != stride as u64 {
            return corrupt(format!("stride={stride} of {dimension} elements of {}", self.element));
        }
        if extent.size != rows * stride as u64 || extent.size == 0 {
            return corrupt(format!("bytes={} for {rows} rows", rows * stride as u64));
        }
        if !extent.offset.is_multiple_of(64) {
            return corrupt("an offset of whole cache lines".into());
        }
        let rows_end = (HEADER_BYTES + segment.rows_at() + segment.rows() as usize * segment.stride()) as u64;
        let file = segment.bytes().len() as u64;
        if extent.offset < rows_end || extent.offset.checked_add(extent.size).is_none_or(|end| end > file) {
            return corrupt(format!("an extent behind the rows, within {rows_end}..{file}"));
        }
        if self.slot >= u32::from(segment.row_sizes().1) {
            return corrupt("no extent, since the rows are older than the field".into());
        }
        let Ok(offset) = usize::try_from(extent.offset) else {
            return corrupt("an offset within memory".into());
        };
        Ok(Matrix { offset, stride, slot: self.slot, shape: self.element.list_shape(dimension) })
    }

    /// Returns the dimension by the first vector that there is; 0 for none.
    fn dimension_in(&self, segment: &Segment) -> u32 {
        let vector_bytes = |row| {
            let row = segment.row(row)?;
            let list = row.words().list_of(row.pointer_at(self.slot)?, self.element.list_size()).ok()??;
            all_hold(&self.conditions, row).then_some(list.bytes().len())
        };
        let first = (0..segment.rows()).find_map(vector_bytes);
        first.map_or(0, |bytes| self.element.dimension_of(bytes))
    }

    #[cold]
    fn corrupt(&self, segment: &Segment, extent: &Extent, expected: impl std::fmt::Display) -> Error {
        let Extent { offset, size, stride, .. } = extent;
        let expected = format!("{expected} of {}", self.subject);
        Error::corrupt(segment.name(), *offset, expected, format!("offset={offset} bytes={size} stride={stride}"))
    }
}

impl VectorColumn {
    /// Returns the number of elements of a vector; 0 if the schema does not know it and there is no vector.
    pub fn dimension(&self) -> u32 {
        self.dimension
    }

    /// Returns what the elements are.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Returns the metric that the schema declares.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Returns the number of rows of the segment, dead ones and those without a vector included.
    pub fn rows(&self) -> u32 {
        self.segment.rows()
    }

    /// Returns whether the segment has no vector of the field: it is older than the field, or no row has one.
    pub fn is_empty(&self) -> bool {
        self.matrix.is_none()
    }

    /// Returns the segment that they are in.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Returns the bytes of the whole segment file; the vector of row `r` begins at `offset() + r * stride()`.
    ///
    /// In a map the first vector is 64-byte aligned; in other memory, and for the other rows, 8-byte alignment is all that
    /// can be relied on.
    #[inline]
    pub fn bytes(&self) -> &Bytes {
        self.segment.bytes()
    }

    /// Returns the byte of [`Self::bytes`] at which the first row's vector begins; 0 if there is none.
    #[inline]
    pub fn offset(&self) -> usize {
        self.matrix.map_or(0, |matrix| matrix.offset)
    }

    /// Returns the bytes from one row's vector to the next; 0 if there is none.
    #[inline]
    pub fn stride(&self) -> usize {
        self.matrix.map_or(0, |matrix| matrix.stride)
    }

    /// Returns the bytes of a vector, without those that fill up its last word.
    #[inline]
    pub fn vector_bytes(&self) -> usize {
        self.vector_bytes
    }

    /// Returns a row's slot, [`vector_bytes`](Self::vector_bytes) long: zeros if the row has no vector. Empty if the segment
    /// has no vectors, and beyond the last row.
    #[inline]
    pub fn row(&self, row: u32) -> &[u8] {
        let Some(matrix) = self.matrix.filter(|_| row < self.rows()) else { return &[] };
        let from = matrix.offset + row as usize * matrix.stride;
        self.bytes().get(from..from + self.vector_bytes).unwrap_or_default()
    }

    /// Returns a row's slot as numbers, as [`row`](Self::row); `None` if the elements are others.
    #[inline]
    pub fn numbers<T: VectorNumber>(&self, row: u32) -> Option<&[T]> {
        if !T::fits(self.element) {
            return None;
        }
        bytemuck::try_cast_slice(self.row(row)).ok()
    }

    /// Returns the first element of a row's vector that is NaN or infinite, counted from 0.
    pub fn find_infinite(&self, row: u32) -> Option<usize> {
        self.element.find_infinite(self.row(row))
    }

    /// Returns whether a row has a vector: its pointer aims at its slot, and its union has this member. A null vector of a
    /// field with a default value is none.
    #[inline]
    pub fn has(&self, row: u32) -> bool {
        let Some(matrix) = self.matrix else { return false };
        let Some(at) = self.segment.row(row) else { return false };
        let Some(from) = at.pointer_at(matrix.slot) else { return false };
        let to = (matrix.offset - HEADER_BYTES + row as usize * matrix.stride) / WORD;
        #[expect(clippy::cast_possible_truncation, reason = "a segment has at most 2^29 words")]
        let expected = aim(matrix.shape, (matrix.stride / WORD) as u32, from, to as u32);
        at.words().word(from) == Ok(expected) && (self.conditions.is_empty() || all_hold(&self.conditions, at))
    }
}

impl Table {
    /// Resolves a vector field of its records.
    ///
    /// # Errors
    /// As [`VectorField::new`].
    pub fn vector_field(&self, path: &str) -> Result<VectorField> {
        VectorField::new(self.schema(), self.struct_type(), path)
    }

    /// Opens the vectors of a field, for each of [`segments`](Self::segments) in order, in time independent of their number.
    ///
    /// # Errors
    /// As [`VectorField::new`]. `Corrupt` if an extent of the manifest is not what the schema and its segment make it.
    pub fn vectors(&self, path: &str) -> Result<Vec<VectorColumn>> {
        let field = self.vector_field(path)?;
        let open = |(place, source): (usize, &LiveSegment)| field.open(source.segment(), self.extents(place));
        self.segments().iter().enumerate().map(open).collect()
    }
}
