//! Reads one field of many records at memory speed.
//!
//! A [`Field`] is a path such as `Movie.title`, resolved once per view: per segment it knows where rows begin and how
//! long they are, so that reading a record is a few checked loads, with no allocation and no counter that threads would
//! share.

use std::fmt;
use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::schema::{Schema, Type};
use crate::segment::{LiveRows, RowId};
use crate::view::{Table, Tables};

mod cells;
mod each;
mod entry;
mod list;
pub(crate) mod path;
mod sealed;
mod step;
mod value;

pub use cells::Cell;
use cells::Cells;
pub use each::{Each, EachIter};
pub use list::{Element, List, ListIter};
use path::Path;
pub use value::{FieldValue, Leaf};

/// Rows that are loaded together: about as many cache misses as a core waits for at once.
const ROWS_AT_ONCE: usize = 16;

/// A field of a record type, over all segments of a view; `T` is what its values are read as.
///
/// Cheap to share between threads. Made by [`Tables::field`].
pub struct Field<'v, T> {
    path: Path<'v>,
    segments: Vec<Cells<'v>>,
    record_type: &'v str,
    value: PhantomData<fn() -> T>,
}

impl Tables {
    /// Resolves a path: the record type's name, then field names (of Cap'n Proto or of JSON) through structs and
    /// groups, with dots between. Behind a map stands a key, as in `Film.labels["en"]` or `Film.sizes[5]`, and leads to the
    /// key's value. Behind a list `[]` goes through its elements: `Order.items[].productId`, to be read as [`Each`].
    ///
    /// `T` says how values are read, and whether they may be absent: numbers and `bool` for fields of that very kind
    /// (`u16` for enums too), `&str` for Text, `&[u8]` for Data and for Text without its UTF-8 check, `&[f32]` for
    /// vectors, [`List`] for lists, [`Record`](crate::record::Record) for structs, and `Option` of any of these.
    /// Members of unions, values of maps and nullable numbers need an `Option`; a null text without one reads as empty.
    ///
    /// The first `&str` handle of a text field of the record itself checks the field's texts in all segments, about a
    /// millisecond for 20 MB, and so does the first `List<&str>` handle of a list of texts. Reads through it, and through
    /// later ones, check no more than where a text begins and ends. Texts of nested structs, and of lists in lists, are
    /// checked at each read.
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
        if !T::fits_leaf(&compiled.leaf) {
            if compiled.leaf.each.is_some() && T::NAME != Each::<u8>::NAME {
                return Err(path::no_value(subject(), format!("goes through a list: read it as Each<{}>", T::NAME)));
            }
            let ty = describe_leaf(schema, &compiled.leaf);
            return Err(Fault::ReadAs { field: subject(), field_type: ty, wanted: T::NAME.to_owned() }.into());
        }
        let absent = if compiled.may_be_absent() && !T::OPTIONAL { Some(T::NAME) } else { None };
        if let Some(wanted) = absent.or_else(|| T::lacks_option(&compiled.leaf)) {
            return Err(Fault::ReadAsOption { field: subject(), wanted: wanted.to_owned() }.into());
        }
        let mut segments: Vec<_> = self.segments().iter().map(|source| Cells::new(source, &compiled)).collect();
        if T::IS_TEXT
            && compiled.direct
            && let Some(checked) = self.checked_texts(path)
        {
            segments.iter_mut().zip(checked).for_each(|(cells, texts)| cells.trust(texts));
        }
        Ok(Field { path: compiled, segments, record_type: self.name(), value: PhantomData })
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
        if let Some(cells) = self.segments.get(row_id.place())
            && cells.mark() == row_id.segment()
            && let Some(cell) = cells.cell(row_id.row())
            && let Some(value) = T::read_cell(&self.path.leaf, cell)
        {
            return Ok(value);
        }
        self.get_any(row_id)
    }

    /// Returns what a field of a record is read as that is not there: `None` of an `Option`.
    ///
    /// # Errors
    /// None for an `Option`; for other types as if the record's words were not as they must be.
    pub fn absent(&self) -> Result<T> {
        T::read(&self.path.leaf, None).map_err(|malformed| malformed.into_error(self.record_type))
    }

    /// Returns the values of many records, live or dead, in the order of the row ids: what [`Field::get`] returns for each.
    ///
    /// Rows are loaded 16 at a time before what they point at, so that the processor waits for the memory of all of them at
    /// once: faster than one by one, if they are not in its caches. `Lookup::find_many` finds row ids that way.
    ///
    /// # Errors
    /// As [`Field::get`], for the first value that cannot be read.
    pub fn get_many(&self, row_ids: &[RowId]) -> Result<Vec<T>> {
        let mut out = Vec::with_capacity(row_ids.len());
        for row_ids in row_ids.chunks(ROWS_AT_ONCE) {
            let cells = row_ids.iter().filter_map(|row_id| self.segments.get(row_id.place())?.cell(row_id.row()));
            std::hint::black_box(cells.fold(0, |all, cell| all | cell.first_byte()));
            for row_id in row_ids {
                out.push(self.get(*row_id)?);
            }
        }
        Ok(out)
    }

    /// Reads the value by any path, also if the row id is of another view, in which its segment stands at another place.
    #[inline(never)]
    fn get_any(&self, row_id: RowId) -> Result<T> {
        let cells = cells::find(&self.segments, row_id).filter(|cells| cells.has(row_id.row()));
        let cells = cells.ok_or_else(|| row_id.stale(self.record_type))?;
        cells.read(&self.path, row_id.row()).map_err(|malformed| cells.corrupt(malformed))
    }

    /// Iterates over the values of all live records, in the order of their row ids. Each item is a `Result`.
    pub fn iter(&self) -> FieldIter<'_, 'v, T> {
        FieldIter { field: self, segment: 0, cells: Cells::none(), rows: LiveRows::none() }
    }

    /// Hands the values of all live records to a function, in the order of their row ids: the fastest scan.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be; the function was given what comes before.
    #[inline]
    pub fn for_each(&self, mut f: impl FnMut(T)) -> Result<()> {
        for cells in &self.segments {
            if let Err(malformed) = cells.for_each(&self.path, &mut f) {
                return Err(cells.corrupt(malformed));
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
    cells: Cells<'v>,
    rows: LiveRows<'v>,
}

impl<'v, T: FieldValue<'v>> FieldIter<'_, 'v, T> {
    /// Goes to the next segment; false at the end.
    #[cold]
    fn advance(&mut self) -> bool {
        let Some(cells) = self.field.segments.get(self.segment) else { return false };
        self.segment += 1;
        (self.cells, self.rows) = (*cells, cells.live_rows());
        true
    }
}

impl<'v, T: FieldValue<'v>> Iterator for FieldIter<'_, 'v, T> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(row) = self.rows.next() {
                let value = self.cells.read(&self.field.path, row);
                return Some(value.map_err(|malformed| self.cells.corrupt(malformed)));
            }
            if !self.advance() {
                return None;
            }
        }
    }
}

/// Returns the type of what a path leads to.
fn describe_leaf(schema: &Schema, leaf: &Leaf<'_>) -> String {
    match &leaf.each {
        Some(path) => format!("{} in each element", describe_leaf(schema, &path.leaf)),
        None => describe(schema, leaf.ty),
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
