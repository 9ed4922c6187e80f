//! Reads records through the readers that the capnp compiler generated.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use capnp::message::{self, ReaderOptions, ReaderSegments};
use capnp::struct_list;
use capnp::traits::OwnedStruct;

use crate::error::{Error, Result};
use crate::schema::{RecordStruct, Schema};
use crate::segment::Segment;
use crate::segment::{RowId, SegmentMark};
use crate::view::reader_iter::ReaderIter;
use crate::view::{Table, Tables};
use crate::words::WORD;

/// Records of one type as generated readers: `movie::Reader<'_>` for `movie::Owned`.
///
/// Made by [`Tables::records`], which is where the `?` stands: it checks that every segment's list of records can be
/// read. A loop needs none, since a generated reader reads nothing until one of its getters is called:
///
/// ```
/// # use kapok_core::{Result, view::Tables};
/// # use kapok_samples::movies_capnp::movie;
/// fn print(tables: &Tables) -> Result<()> {
///     let movies = tables.records::<movie::Owned>()?;
///     for film in &movies {
///         println!("{}", film.get_year());
///     }
///     Ok(())
/// }
/// ```
///
/// # Threads
/// Readers count what they read. So this handle is `Send` and not `Sync`: each thread makes its own, which is cheap.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<kapok_core::view::Readers<'static, kapok_samples::movies_capnp::movie::Owned>>();
/// ```
pub struct Readers<'v, T> {
    table: &'v Table,
    segments: Vec<Source<'v>>,
    record: PhantomData<fn() -> T>,
}

/// A segment, and what row ids name it by.
struct Source<'v> {
    mark: SegmentMark,
    message: message::Reader<ListMessage<'v>>,
}

/// A segment as a message whose root is the list of rows.
struct ListMessage<'v>(&'v [u8]);

impl ReaderSegments for ListMessage<'_> {
    #[inline]
    fn get_segment(&self, index: u32) -> Option<&[u8]> {
        (index == 0).then_some(self.0)
    }

    #[inline]
    fn len(&self) -> usize {
        1
    }
}

impl Segment {
    /// Calls a function with a row as a generated type and returns its result; `None` beyond the last row.
    ///
    /// The caller has checked that the type fits.
    ///
    /// # Errors
    /// `Corrupt` if the list of rows cannot be read.
    pub fn read_row<T: RecordStruct, R>(
        &self,
        row: u32,
        f: impl FnOnce(<T as OwnedStruct>::Reader<'_>) -> R,
    ) -> Result<Option<R>> {
        let message = message::Reader::new(ListMessage(&self.words().bytes()[WORD..]), reader_options());
        let list = message.get_root::<capnp::struct_list::Reader<'_, T>>();
        let list = list.map_err(|e| Error::corrupt(self.name(), WORD as u64, "the list of rows", e.to_string()))?;
        Ok(list.try_get(row).map(f))
    }
}

/// Limits of the readers of segments.
fn reader_options() -> ReaderOptions {
    let mut options = ReaderOptions::new();
    // The default limit would end a long-lived reader after 64 MiB.
    options.traversal_limit_in_words(None);
    // A record may be 64 levels deep, and the list of rows is one above.
    options.nesting_limit(128);
    options
}

impl Tables {
    /// Reads records as a generated type, whose unqualified name is that of the record type.
    ///
    /// # Errors
    /// `NotFound` if there is no such record type, `Incompatible` if the generated code would misread it, `Corrupt` if
    /// a list of records cannot be read.
    pub fn records<T: RecordStruct + 'static>(&self) -> Result<Readers<'_, T>> {
        let (name, _) = Schema::name_and_id_of::<T>()?;
        self.table(&name)?.records()
    }
}

impl Table {
    /// Reads records as a generated type, which must fit whatever its name.
    ///
    /// # Errors
    /// `Incompatible` if the generated code would misread them, `Corrupt` if a list of records cannot be read.
    pub fn records<T: RecordStruct + 'static>(&self) -> Result<Readers<'_, T>> {
        let ty = TypeId::of::<T>();
        if !self.is_known_readable(ty) {
            let (schema, id) = Schema::of::<T>()?;
            self.schema().check_readable_as(self.struct_type().id, &schema, id)?;
            self.remember_readable(ty);
        }
        let options = reader_options();
        let segments = self
            .segments()
            .iter()
            .map(|segment| {
                // Behind the root pointer stands the list's: taken as the root, it saves a step on each access.
                let list = ListMessage(&segment.segment().words().bytes()[WORD..]);
                Source { mark: segment.mark(), message: message::Reader::new(list, options) }
            })
            .collect();
        let readers = Readers { table: self, segments, record: PhantomData };
        // Here and not in the loop over the records, so that the loop is over records and not over results.
        readers.segments.iter().try_for_each(|source| readers.rows(source).map(drop))?;
        Ok(readers)
    }
}

impl Table {
    /// Splits the live records into as many parts as there are `threads`, gives each part to a thread of its own, and
    /// collects what they return, in the order of the parts.
    ///
    /// A part's records are in the order of their row ids, and parts follow one another.
    ///
    /// # Errors
    /// As [`Table::records`]; the first that a thread meets.
    pub fn scan_in_parallel<T: RecordStruct + 'static, R: Send>(
        &self,
        threads: NonZeroUsize,
        scan: impl Fn(&mut dyn Iterator<Item = <T as OwnedStruct>::Reader<'_>>) -> R + Sync,
    ) -> Result<Vec<R>> {
        let rows: u64 = self.segments().iter().map(|segment| u64::from(segment.segment().rows())).sum();
        let share = rows.div_ceil(threads.get() as u64).max(1);
        let part = |part: u64| -> Result<R> {
            let records = self.records::<T>()?;
            let (from, to) = (part * share, (part + 1) * share);
            let mut ranges = Vec::new();
            let mut first = 0;
            for (index, segment) in self.segments().iter().enumerate() {
                let end = first + u64::from(segment.segment().rows());
                let list = records.rows(&records.segments[index])?;
                for live in segment.live_ranges() {
                    let start = (first + u64::from(live.start)).max(from);
                    let stop = (first + u64::from(live.end)).min(to);
                    if start < stop {
                        // Both lie within the segment, whose rows are counted in 32 bits.
                        let narrow = |row: u64| u32::try_from(row - first).unwrap_or(u32::MAX);
                        ranges.push((list, narrow(start)..narrow(stop)));
                    }
                }
                first = end;
            }
            let mut part = ranges.into_iter().flat_map(|(list, rows)| rows.map(move |row| list.get(row)));
            Ok(scan(&mut part))
        };
        std::thread::scope(|scope| {
            let part = &part;
            let workers: Vec<_> = (0..threads.get() as u64).map(|index| scope.spawn(move || part(index))).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, Result<R>>| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            workers.into_iter().map(join).collect()
        })
    }
}

impl<'v, T: RecordStruct> Readers<'v, T> {
    /// Returns the table that they are read from.
    pub fn table(&self) -> &'v Table {
        self.table
    }

    /// Returns the record of a row id, live or dead.
    ///
    /// # Errors
    /// `Invalid` for a row id of another record type, or of a segment that this view does not have.
    #[inline]
    pub fn get(&self, row_id: RowId) -> Result<<T as OwnedStruct>::Reader<'_>> {
        let source = match self.segments.get(row_id.place()) {
            Some(source) if source.mark == row_id.segment() => source,
            _ => self.elsewhere(row_id)?,
        };
        match self.rows(source)?.try_get(row_id.row()) {
            Some(record) => Ok(record),
            None => Err(row_id.stale(self.table.name())),
        }
    }

    /// Finds the segment of a row id of another view, in which it stands at another place.
    #[cold]
    #[inline(never)]
    fn elsewhere(&self, row_id: RowId) -> Result<&Source<'v>> {
        match row_id.find(self.segments.iter().map(|source| source.mark)) {
            Some(place) => Ok(&self.segments[place]),
            None => Err(row_id.stale(self.table.name())),
        }
    }

    /// Iterates over all live records, in the order of their row ids.
    pub fn iter(&self) -> ReaderIter<'_, 'v, T> {
        ReaderIter::new(self)
    }

    /// Returns the list of a segment's records, dead ones included; `None` behind the last segment.
    pub(super) fn list(&self, place: usize) -> Option<struct_list::Reader<'_, T>> {
        self.rows(self.segments.get(place)?).ok()
    }

    #[inline]
    fn rows<'s>(&'s self, source: &'s Source<'v>) -> Result<struct_list::Reader<'s, T>> {
        match source.message.get_root::<struct_list::Reader<'_, T>>() {
            Ok(list) => Ok(list),
            Err(error) => Err(self.corrupt(source.mark, &error)),
        }
    }

    #[cold]
    fn corrupt(&self, mark: SegmentMark, error: &capnp::Error) -> Error {
        let source = self.table.segments().iter().find(|source| source.mark() == mark);
        let name = source.map_or("segment", |source| source.segment().name());
        Error::corrupt(name, (2 * WORD) as u64, "a list of records", error.to_string())
    }
}

impl<T> fmt::Debug for Readers<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("table", self.table).finish_non_exhaustive()
    }
}

impl<'r, 'v, T: RecordStruct> IntoIterator for &'r Readers<'v, T> {
    type Item = <T as OwnedStruct>::Reader<'r>;
    type IntoIter = ReaderIter<'r, 'v, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
