//! Reads one field of many records at memory speed.
//!
//! A [`Field`] is a path such as `Movie.title`, resolved once per view: per segment it knows where rows begin and how
//! long they are, so that reading a record is a few checked loads, with no allocation and no counter that threads would
//! share.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::schema::{Schema, Type};
use crate::segment::{LiveRanges, LiveSegment, RowId, SegmentMark};
use crate::view::{Table, Tables, Texts};
use crate::words::{Malformed, Read, WORD, Words};

mod list;
mod path;
mod sealed;
mod value;

pub use list::{Element, List, ListIter};
use path::Path;
pub use value::{FieldValue, Leaf, Row};

/// A field of a record type, over all segments of a view; `T` is what its values are read as.
///
/// Cheap to share between threads. Made by [`Tables::field`].
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
    mark: SegmentMark,
    source: Option<&'v LiveSegment>,
    texts: Texts<'v>,
}

impl Tables {
    /// Resolves a path: the record type's name, then field names (of Cap'n Proto or of JSON) through structs and
    /// groups, with dots between.
    ///
    /// `T` says how values are read, and whether they may be absent: numbers and `bool` for fields of that very kind
    /// (`u16` for enums too), `&str` for Text, `&[u8]` for Data and for Text without its UTF-8 check, `&[f32]` for
    /// vectors, [`List`] for lists, [`Record`](crate::record::Record) for structs, and `Option` of any of these.
    /// Members of unions and nullable numbers need an `Option`; a null text without one reads as empty.
    ///
    /// The first `&str` handle of a text field of the record itself checks the field's texts in all segments, about a
    /// millisecond for 20 MB. Reads through it, and through later ones, check no more than where a text begins and ends.
    /// Texts of nested structs and of lists are checked at each read.
    ///
    /// # Errors
    /// `NotFound` for a type or field that there is not, `Invalid` if values cannot be read as `T`.
    pub fn field<'v, T: FieldValue<'v>>(&'v self, path: &str) -> Result<Field<'v, T>> {
        let (record_type, rest) = path.split_once('.').ok_or_else(|| {
            let problem = "a path is a record type and a field with a dot between, such as Movie.title";
            Error::from(Fault::Path { path: path.to_owned(), problem: problem.to_owned() })
        })?;
        self.table(record_type)?.field(rest)
    }
}

impl Table {
    /// Resolves a path within the record, as [`Tables::field`] does behind the type's name.
    ///
    /// # Errors
    /// As [`Tables::field`].
    pub fn field<'v, T: FieldValue<'v>>(&'v self, path: &str) -> Result<Field<'v, T>> {
        let schema: &'v Schema = self.schema();
        let compiled = Path::compile(schema, self.struct_type(), path)?;
        let subject = || format!("{}.{path}", self.name());
        if !T::fits(schema, compiled.leaf.ty) {
            let ty = describe(schema, compiled.leaf.ty);
            return Err(Fault::ReadAs { field: subject(), field_type: ty, wanted: T::NAME.to_owned() }.into());
        }
        if compiled.may_be_absent() && !T::OPTIONAL {
            return Err(Fault::ReadAsOption { field: subject(), wanted: T::NAME.to_owned() }.into());
        }
        let mut segments: Vec<_> = self.segments().iter().map(Rows::new).collect();
        if T::IS_TEXT
            && compiled.direct
            && let Some(checked) = self.checked_texts(path)
        {
            segments.iter_mut().zip(checked).for_each(|(rows, texts)| rows.texts = texts);
        }
        Ok(Field { path: compiled, segments, record_type: self.name(), value: PhantomData })
    }
}

impl<'v> Rows<'v> {
    fn none() -> Self {
        let mark = SegmentMark::default();
        Self {
            words: Words::new(&[]),
            at: 0,
            count: 0,
            data_words: 0,
            pointer_words: 0,
            mark,
            source: None,
            texts: Texts::default(),
        }
    }

    fn new(source: &'v LiveSegment) -> Self {
        let segment = source.segment();
        let (data_words, pointer_words) = segment.row_sizes();
        #[expect(clippy::cast_possible_truncation, reason = "a segment has at most 2^29 words")]
        let at = (segment.rows_at() / crate::words::WORD) as u32;
        let (count, mark) = (segment.rows(), source.mark());
        Self {
            words: segment.words(),
            at,
            count,
            data_words,
            pointer_words,
            mark,
            source: Some(source),
            texts: Texts::default(),
        }
    }

    /// Returns the number of words from one row to the next.
    #[inline]
    fn step(&self) -> u32 {
        u32::from(self.data_words) + u32::from(self.pointer_words)
    }

    /// Returns the row that begins at a word.
    #[inline]
    fn row_at(&self, word: u32) -> Option<Row<'v>> {
        let from = word as usize * WORD;
        let bytes = self.words.bytes().get(from..from + self.step() as usize * WORD)?;
        Some(Row { bytes, data_bytes: self.data_words as usize * WORD, words: self.words, at: word, texts: self.texts })
    }

    /// Reads a range of rows, which is within the segment.
    #[inline]
    fn for_each<T: FieldValue<'v>>(&self, path: &Path<'v>, range: Range<u32>, f: &mut impl FnMut(T)) -> Read<()> {
        let (step, data_bytes) = (self.step(), self.data_words as usize * WORD);
        let word = |row: u32| self.at + row * step;
        let bytes = self.words.bytes().get(word(range.start) as usize * WORD..word(range.end) as usize * WORD);
        let rows = bytes.unwrap_or_default().chunks_exact((step as usize * WORD).max(1));
        let mut at = word(range.start);
        for bytes in rows {
            let row = Row { bytes, data_bytes, words: self.words, at, texts: self.texts };
            f(if path.direct { T::read_row(&path.leaf, row)? } else { path.read(row)? });
            at += step;
        }
        Ok(())
    }

    #[cold]
    fn corrupt(&self, malformed: Malformed) -> Error {
        let name = self.source.map_or("segment", |source| source.segment().name());
        malformed.into_error_with(name, self.words)
    }

    #[inline]
    fn row(&self, row: u32) -> Option<Row<'v>> {
        if row >= self.count {
            return None;
        }
        self.row_at(self.at + row * self.step())
    }
}

impl<'v, T: FieldValue<'v>> Field<'v, T> {
    /// Returns the value of a record, live or dead.
    ///
    /// # Errors
    /// `Invalid` for a row id of another record type, or of a segment that this view does not have; `Corrupt` if the
    /// bytes are not as they must be.
    #[inline]
    pub fn get(&self, row_id: RowId) -> Result<T> {
        // Nothing but this is laid out where values are read: the less code a read is, the more reads a processor overlaps.
        if self.path.direct
            && let Some(rows) = self.segments.get(row_id.place())
            && rows.mark == row_id.segment()
            && let Some(row) = rows.row(row_id.row())
            && let Some(value) = T::read_plain(&self.path.leaf, row)
        {
            return Ok(value);
        }
        self.get_any(row_id)
    }

    /// Reads the value by any path, also if the row id is of another view, in which its segment stands at another place.
    #[inline(never)]
    fn get_any(&self, row_id: RowId) -> Result<T> {
        let is_there = |rows: &&Rows<'v>| rows.mark == row_id.segment();
        let rows = self.segments.get(row_id.place()).filter(is_there).or_else(|| {
            let place = row_id.find(self.segments.iter().map(|rows| rows.mark))?;
            self.segments.get(place)
        });
        let row = rows.and_then(|rows| Some((rows, rows.row(row_id.row())?)));
        let (rows, row) = row.ok_or_else(|| row_id.stale(self.record_type))?;
        self.path.read(row).map_err(|malformed| rows.corrupt(malformed))
    }

    /// Iterates over the values of all live records, in the order of their row ids. Each item is a `Result`.
    pub fn iter(&self) -> FieldIter<'_, 'v, T> {
        FieldIter { field: self, segment: 0, rows: Rows::none(), ranges: LiveRanges::none(), at: 0, end: 0 }
    }

    /// Hands the values of all live records to a function, in the order of their row ids: the fastest scan.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be; the function was given what comes before.
    #[inline]
    pub fn for_each(&self, mut f: impl FnMut(T)) -> Result<()> {
        for rows in &self.segments {
            for range in rows.source.map_or(LiveRanges::none(), LiveSegment::live_ranges) {
                if let Err(malformed) = rows.for_each(&self.path, range, &mut f) {
                    return Err(rows.corrupt(malformed));
                }
            }
        }
        Ok(())
    }
}

impl<T> fmt::Debug for Field<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("record_type", &self.record_type)
            .field("type", self.path.leaf.ty)
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
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
    rows: Rows<'v>,
    ranges: LiveRanges<'v>,
    /// Word of the next row.
    at: u32,
    /// Word behind the last row of the range.
    end: u32,
}

impl<'v, T: FieldValue<'v>> FieldIter<'_, 'v, T> {
    /// Goes to the next range of live rows; false at the end.
    #[cold]
    fn advance(&mut self) -> bool {
        loop {
            if let Some(range) = self.ranges.next() {
                let step = self.rows.step();
                (self.at, self.end) = (self.rows.at + range.start * step, self.rows.at + range.end * step);
                return true;
            }
            let Some(rows) = self.field.segments.get(self.segment) else { return false };
            self.segment += 1;
            self.ranges = rows.source.map_or(LiveRanges::none(), LiveSegment::live_ranges);
            self.rows = *rows;
        }
    }

    #[inline]
    fn read(&self, row: Row<'v>) -> Result<T> {
        match self.field.path.read(row) {
            Ok(value) => Ok(value),
            Err(malformed) => Err(self.rows.corrupt(malformed)),
        }
    }
}

impl<'v, T: FieldValue<'v>> Iterator for FieldIter<'_, 'v, T> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        if self.at == self.end && !self.advance() {
            return None;
        }
        let row = self.rows.row_at(self.at)?;
        self.at += self.rows.step();
        Some(self.read(row))
    }
}

/// Returns a type as IDL writes it.
fn describe(schema: &Schema, ty: &Type) -> String {
    match ty {
        Type::List(element) => format!("List({})", describe(schema, element)),
        Type::Struct(id) => schema.get_struct(*id).map_or_else(|| "struct".to_owned(), |ty| ty.name.clone()),
        Type::Enum(id) => schema.get_enum(*id).map_or_else(|| "enum".to_owned(), |ty| ty.name.clone()),
        other => format!("{other:?}"),
    }
}

impl<'v> Path<'v> {
    /// Returns the value that the path leads to from a row.
    #[inline]
    fn read<T: FieldValue<'v>>(&self, row: Row<'v>) -> Read<T> {
        if self.direct { T::read_row(&self.leaf, row) } else { self.read_through(row) }
    }

    /// Reads a value that does not lie in the row itself, or not always.
    #[inline(never)]
    fn read_through<T: FieldValue<'v>>(&self, row: Row<'v>) -> Read<T> {
        let Some(row) = row.to_struct() else { return T::read(&self.leaf, None) };
        T::read(&self.leaf, self.walk(row)?)
    }
}
