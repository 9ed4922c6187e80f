//! How is one field of many records read at memory speed?
//!
//! A [`Field`] is a path such as `Movie.title`, resolved once per view: per segment it knows where rows begin and how long
//! they are, so that reading a record is a few checked loads, with no allocation and no counter that threads would share.

use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::schema::{Schema, Type};
use crate::view::{LiveRanges, Ordinal, Table, TableSegment, View};
use crate::words::{Malformed, Read, StructRef, Words};

mod list;
mod path;
mod value;

pub use list::{Element, List, ListIter};
use path::Path;
pub use value::FieldValue;
pub(crate) use value::Leaf;

/// A field of a record type, over all segments of a view; `T` is what its values are read as.
///
/// Cheap to share between threads. Made by [`View::field`].
#[derive(Debug)]
pub struct Field<'v, T> {
    path: Path<'v>,
    segments: Vec<Rows<'v>>,
    record_type: &'v str,
    value: PhantomData<fn() -> T>,
}

/// Rows of one segment.
#[derive(Clone, Copy, Debug)]
struct Rows<'v> {
    words: Words<'v>,
    /// Word at which they begin.
    at: u32,
    count: u32,
    data_words: u16,
    pointer_words: u16,
    source: &'v TableSegment,
}

impl View {
    /// Resolves a path: the record type's name, then field names (of Cap'n Proto or of JSON) through structs and groups,
    /// with dots between.
    ///
    /// `T` says how values are read, and whether they may be absent: numbers and `bool` for fields of that very kind (`u16`
    /// for enums too), `&str` for Text, `&[u8]` for Data and for Text without its UTF-8 check, `&[f32]` for vectors,
    /// [`List`] for lists, [`Record`](crate::record::Record) for structs, and `Option` of any of these. Members of unions
    /// and nullable numbers need an `Option`; a null text without one reads as empty.
    ///
    /// # Errors
    /// `NotFound` for a type or field that there is not, `Invalid` where values cannot be read as `T`.
    pub fn field<'v, T: FieldValue<'v>>(&'v self, path: &str) -> Result<Field<'v, T>> {
        let (record_type, rest) = path.split_once('.').ok_or_else(|| {
            Error::invalid(path, "a path is a record type and a field with a dot between, such as Movie.title")
        })?;
        self.table(record_type)?.field(rest)
    }
}

impl Table {
    /// Resolves a path within the record, as [`View::field`] does behind the type's name.
    ///
    /// # Errors
    /// As [`View::field`].
    pub fn field<'v, T: FieldValue<'v>>(&'v self, path: &str) -> Result<Field<'v, T>> {
        let schema: &'v Schema = self.schema();
        let compiled = Path::compile(schema, self.struct_type(), path)?;
        let subject = || format!("{}.{path}", self.name());
        if !T::fits(schema, compiled.leaf.ty) {
            let ty = describe(schema, compiled.leaf.ty);
            return Err(Error::invalid(subject(), format!("a field of type {ty} cannot be read as {}", T::NAME)));
        }
        if compiled.may_be_absent() && !T::OPTIONAL {
            let why = "may be absent (a member of a union, or nullable)";
            return Err(Error::invalid(subject(), format!("{why}; read it as Option<{}>", T::NAME)));
        }
        let segments = self.segments().iter().map(Rows::new).collect();
        Ok(Field { path: compiled, segments, record_type: self.name(), value: PhantomData })
    }
}

impl<'v> Rows<'v> {
    fn new(source: &'v TableSegment) -> Self {
        let segment = source.segment();
        let (data_words, pointer_words) = segment.row_sizes();
        #[expect(clippy::cast_possible_truncation, reason = "a segment has at most 2^29 words")]
        let at = (segment.rows_at() / crate::words::WORD) as u32;
        Self { words: segment.words(), at, count: segment.rows(), data_words, pointer_words, source }
    }

    #[inline]
    fn row(&self, row: u32) -> Option<StructRef<'v>> {
        if row >= self.count {
            return None;
        }
        let step = u32::from(self.data_words) + u32::from(self.pointer_words);
        self.words.struct_within(self.at + row * step, self.data_words, self.pointer_words)
    }
}

impl<'v, T: FieldValue<'v>> Field<'v, T> {
    /// The value of a record, dead or alive.
    ///
    /// # Errors
    /// `Invalid` for an ordinal of another view, `Corrupt` where the bytes are not as they must be.
    #[inline]
    pub fn get(&self, ordinal: Ordinal) -> Result<T> {
        let row = self.segments.get(ordinal.segment as usize).and_then(|rows| rows.row(ordinal.row));
        match row {
            Some(row) => match self.path.read(row) {
                Ok(value) => Ok(value),
                Err(malformed) => Err(self.corrupt(ordinal.segment as usize, malformed)),
            },
            None => Err(self.stale(ordinal)),
        }
    }

    /// The values of all live records, in the order of their ordinals.
    pub fn iter(&self) -> FieldIter<'_, 'v, T> {
        let ranges = LiveRanges::none();
        FieldIter { field: self, segment: 0, rows: None, ranges, next: 0, end: 0 }
    }

    #[cold]
    fn corrupt(&self, segment: usize, malformed: Malformed) -> Error {
        let rows = &self.segments[segment];
        malformed.into_error_with(rows.source.segment().name(), rows.words)
    }

    #[cold]
    fn stale(&self, ordinal: Ordinal) -> Error {
        let detail = format!("segment={} row={} is not of this view", ordinal.segment, ordinal.row);
        Error::invalid(format!("ordinal of {}", self.record_type), detail)
    }
}

impl<'f, 'v, T: FieldValue<'v>> IntoIterator for &'f Field<'v, T> {
    type Item = Result<T>;
    type IntoIter = FieldIter<'f, 'v, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Values of all live records.
pub struct FieldIter<'f, 'v, T> {
    field: &'f Field<'v, T>,
    /// The segment after the one at hand.
    segment: usize,
    rows: Option<Rows<'v>>,
    ranges: LiveRanges<'v>,
    next: u32,
    end: u32,
}

impl<'v, T: FieldValue<'v>> FieldIter<'_, 'v, T> {
    /// Goes to the next range of live rows; false at the end.
    fn advance(&mut self) -> bool {
        loop {
            if let Some(range) = self.ranges.next() {
                (self.next, self.end) = (range.start, range.end);
                return true;
            }
            let Some(rows) = self.field.segments.get(self.segment) else { return false };
            self.segment += 1;
            self.ranges = rows.source.live_ranges();
            self.rows = Some(*rows);
        }
    }

    #[inline]
    fn read(&self, row: StructRef<'v>) -> Result<T> {
        match self.field.path.read(row) {
            Ok(value) => Ok(value),
            Err(malformed) => Err(self.field.corrupt(self.segment - 1, malformed)),
        }
    }
}

impl<'v, T: FieldValue<'v>> Iterator for FieldIter<'_, 'v, T> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        if self.next == self.end && !self.advance() {
            return None;
        }
        let row = self.rows.as_ref()?.row(self.next)?;
        self.next += 1;
        Some(self.read(row))
    }

    fn fold<B, F: FnMut(B, Result<T>) -> B>(mut self, init: B, mut f: F) -> B {
        let mut sum = init;
        while self.next < self.end || self.advance() {
            let Some(rows) = self.rows else { break };
            for row in self.next..self.end {
                let Some(row) = rows.row(row) else { break };
                sum = f(sum, self.read(row));
            }
            self.next = self.end;
        }
        sum
    }
}

/// A type as IDL writes it.
fn describe(schema: &Schema, ty: &Type) -> String {
    match ty {
        Type::List(element) => format!("List({})", describe(schema, element)),
        Type::Struct(id) => schema.get_struct(*id).map_or_else(|| "struct".to_owned(), |ty| ty.name.clone()),
        Type::Enum(id) => schema.get_enum(*id).map_or_else(|| "enum".to_owned(), |ty| ty.name.clone()),
        other => format!("{other:?}"),
    }
}

impl<'v> Path<'v> {
    /// The value that the path leads to from a row.
    #[inline]
    fn read<T: FieldValue<'v>>(&self, row: StructRef<'v>) -> Read<T> {
        if self.is_direct() { T::read(&self.leaf, Some(row)) } else { T::read(&self.leaf, self.walk(row)?) }
    }
}
