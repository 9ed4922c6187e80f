//! How are records read through the readers that the capnp compiler generated?

use std::any::TypeId;
use std::marker::PhantomData;
use std::num::NonZeroUsize;

use capnp::message::{self, ReaderOptions, ReaderSegments};
use capnp::struct_list;
use capnp::traits::OwnedStruct;

use crate::error::{Error, Result};
use crate::schema::{RecordStruct, Schema};
use crate::segment::Segment;
use crate::view::{Ordinal, Table, View};
use crate::words::WORD;

/// Records of one type as generated readers: `movie::Reader<'_>` for `movie::Owned`.
///
/// Made by [`View::records`]; cheap to make, one per thread: readers count what they read, so they are not shared between
/// threads.
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<kapok_core::records::Records<'static, kapok_schemas::movies_capnp::movie::Owned>>();
/// ```
pub struct Records<'v, T> {
    table: &'v Table,
    segments: Vec<message::Reader<ListMessage<'v>>>,
    record: PhantomData<fn() -> T>,
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
    /// Calls a function with a row as a generated type, which must fit: to be checked by whoever opened the segment.
    ///
    /// # Errors
    /// `NotFound` beyond the last row, `Corrupt` where the list of rows cannot be read.
    pub fn read_row<T: RecordStruct, R>(
        &self,
        row: u32,
        f: impl FnOnce(<T as OwnedStruct>::Reader<'_>) -> R,
    ) -> Result<R> {
        let message = message::Reader::new(ListMessage(&self.words().bytes()[WORD..]), reader_options());
        let list = message.get_root::<capnp::struct_list::Reader<'_, T>>();
        let list = list.map_err(|e| Error::corrupt(self.name(), WORD as u64, "the list of rows", e.to_string()))?;
        match list.try_get(row) {
            Some(record) => Ok(f(record)),
            None => Err(Error::not_found(format!("row {row} of {}", self.name()), format!("it has {}", self.rows()))),
        }
    }
}

/// How readers of segments are bounded.
fn reader_options() -> ReaderOptions {
    let mut options = ReaderOptions::new();
    // The default limit would end a long-lived reader after 64 MiB.
    options.traversal_limit_in_words(None);
    // A record may be 64 levels deep, and the list of rows is one above.
    options.nesting_limit(128);
    options
}

impl View {
    /// The records of a generated type, which is found by its unqualified name.
    ///
    /// # Errors
    /// `NotFound` where the view has no such record type, `Incompatible` where the generated code would misread it.
    pub fn records<T: RecordStruct + 'static>(&self) -> Result<Records<'_, T>> {
        let (name, _) = Schema::name_and_id_of::<T>()?;
        self.table(&name)?.records()
    }
}

impl Table {
    /// The records as a generated type, which must fit whatever its name.
    ///
    /// # Errors
    /// `Incompatible` where the generated code would misread them.
    pub fn records<T: RecordStruct + 'static>(&self) -> Result<Records<'_, T>> {
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
            // Behind the root pointer stands the list's: taken as the root, it saves a step on each access.
            .map(|segment| message::Reader::new(ListMessage(&segment.segment().words().bytes()[WORD..]), options))
            .collect();
        Ok(Records { table: self, segments, record: PhantomData })
    }
}

impl Table {
    /// Splits the live records into as many parts as there are `threads`, gives each part to a thread of its own, and
    /// collects what they return, in the order of the parts.
    ///
    /// A part's records are in the order of their ordinals, and parts follow one another.
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
                let list = records.list(index)?;
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

impl<'v, T: RecordStruct> Records<'v, T> {
    /// The table that they are read from.
    pub fn table(&self) -> &'v Table {
        self.table
    }

    /// A record, dead or alive.
    ///
    /// # Errors
    /// `Invalid` for an ordinal of another view, `Corrupt` where the list of records is not as it must be.
    #[inline]
    pub fn get(&self, ordinal: Ordinal) -> Result<<T as OwnedStruct>::Reader<'_>> {
        let list = self.list(ordinal.segment as usize)?;
        match list.try_get(ordinal.row) {
            Some(record) => Ok(record),
            None => Err(stale(ordinal)),
        }
    }

    /// All live records, in the order of their ordinals.
    ///
    /// # Errors
    /// `Corrupt` where a list of records is not as it must be.
    #[expect(clippy::iter_not_returning_iterator, reason = "an iterator, once the lists are found to be there")]
    pub fn iter(&self) -> Result<impl Iterator<Item = <T as OwnedStruct>::Reader<'_>>> {
        let lists = (0..self.segments.len()).map(|index| self.list(index)).collect::<Result<Vec<_>>>()?;
        Ok(lists
            .into_iter()
            .zip(self.table.segments())
            .flat_map(|(list, segment)| segment.live_rows().map(move |row| list.get(row))))
    }

    #[inline]
    fn list(&self, segment: usize) -> Result<struct_list::Reader<'_, T>> {
        let Some(reader) = self.segments.get(segment) else {
            return Err(stale(Ordinal { segment: u32::try_from(segment).unwrap_or(u32::MAX), row: 0 }));
        };
        match reader.get_root::<struct_list::Reader<'_, T>>() {
            Ok(list) => Ok(list),
            Err(error) => Err(self.corrupt(segment, &error)),
        }
    }

    #[cold]
    fn corrupt(&self, segment: usize, error: &capnp::Error) -> Error {
        let name = self.table.segments()[segment].segment().name();
        Error::corrupt(name, (2 * WORD) as u64, "a list of records", error.to_string())
    }
}

#[cold]
fn stale(ordinal: Ordinal) -> Error {
    let detail = format!("segment={} row={} is not of this view", ordinal.segment, ordinal.row);
    Error::invalid("ordinal", detail)
}
