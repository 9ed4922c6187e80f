//! Reads records through the readers that the capnp compiler generated.

use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use capnp::message::{self, ReaderOptions, ReaderSegments};
use capnp::struct_list;
use capnp::traits::{IntoInternalStructReader, OwnedStruct};
use kapok_schemas::manifest_capnp::extent;
use self_cell::self_cell;

use crate::error::{Error, Result};
use crate::schema::{RecordStruct, Schema};
use crate::segment::Segment;
use crate::segment::{LiveSegment, RowId, SegmentMark};
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
/// Readers count what they read. So this handle is neither `Send` nor `Sync`: each thread makes its own, which is cheap.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<kapok_core::view::Readers<'static, kapok_samples::movies_capnp::movie::Owned>>();
/// ```
pub struct Readers<'v, T> {
    table: &'v Table,
    lists: Lists<'v>,
    record: PhantomData<fn() -> T>,
}

type Messages<'v> = Vec<message::Reader<ListMessage<'v>>>;
type Sources<'m> = Vec<Source<'m>>;
/// A generated type that stands for any: the lists cannot name the records' type, and a reader of one type becomes one of
/// another without looking at a byte.
type AnyStruct = extent::Owned;

self_cell! {
    /// The messages of all segments, and the list of records in each: found once, since a read that began at the message
    /// would check root and list again.
    struct Lists<'v> {
        owner: Messages<'v>,

        #[covariant]
        dependent: Sources,
    }
}

/// A segment's list of records, and what row ids name the segment by.
pub(super) struct Source<'m> {
    mark: SegmentMark,
    list: struct_list::Reader<'m, AnyStruct>,
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
        let segments = self.segments().iter();
        let messages = segments.map(|segment| {
            // Behind the root pointer stands the list's: taken as the root, it saves a step.
            let list = ListMessage(&segment.segment().words().bytes()[WORD..]);
            message::Reader::new(list, options)
        });
        // Here and not in the loop over the records, so that the loop is over records and not over results.
        let lists = Lists::try_new(messages.collect(), |messages| {
            let sources = messages.iter().zip(self.segments());
            sources.map(|(message, segment)| Source::open(message, segment)).collect::<Result<Vec<_>>>()
        })?;
        Ok(Readers { table: self, lists, record: PhantomData })
    }
}

impl<'m> Source<'m> {
    fn open(message: &'m message::Reader<ListMessage<'_>>, segment: &LiveSegment) -> Result<Self> {
        match message.get_root() {
            Ok(list) => Ok(Self { mark: segment.mark(), list }),
            Err(error) => {
                let name = segment.segment().name();
                Err(Error::corrupt(name, (2 * WORD) as u64, "a list of records", error.to_string()))
            }
        }
    }

    /// Returns a row as a generated type; `None` beyond the last.
    #[inline]
    pub(super) fn get<T: RecordStruct>(&self, row: u32) -> Option<<T as OwnedStruct>::Reader<'m>> {
        self.list.try_get(row).map(|any| any.into_internal_struct_reader().into())
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
            let mut rows = Vec::new();
            let mut first = 0;
            for (index, segment) in self.segments().iter().enumerate() {
                let end = first + u64::from(segment.segment().rows());
                let Some(source) = records.source(index) else { continue };
                let within = |row: u64| u32::try_from(row.saturating_sub(first)).unwrap_or(u32::MAX);
                rows.push((source, segment.live_rows_in(within(from)..within(to))));
                first = end;
            }
            let mut part = rows.into_iter().flat_map(|(source, rows)| rows.filter_map(|row| source.get::<T>(row)));
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
        let source = match self.source(row_id.place()) {
            Some(source) if source.mark == row_id.segment() => source,
            _ => self.elsewhere(row_id)?,
        };
        match source.get::<T>(row_id.row()) {
            Some(record) => Ok(record),
            None => Err(row_id.stale(self.table.name())),
        }
    }

    /// Finds the segment of a row id of another view, in which it stands at another place.
    #[cold]
    #[inline(never)]
    fn elsewhere(&self, row_id: RowId) -> Result<&Source<'_>> {
        let sources = self.lists.borrow_dependent();
        match row_id.find(sources.iter().map(|source| source.mark)) {
            Some(place) => Ok(&sources[place]),
            None => Err(row_id.stale(self.table.name())),
        }
    }

    /// Iterates over all live records, in the order of their row ids.
    pub fn iter(&self) -> ReaderIter<'_, 'v, T> {
        ReaderIter::new(self)
    }

    /// Returns the list of a segment's records, dead ones included; `None` behind the last segment.
    #[inline]
    pub(super) fn source(&self, place: usize) -> Option<&Source<'_>> {
        self.lists.borrow_dependent().get(place)
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
