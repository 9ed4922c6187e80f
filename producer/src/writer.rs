//! Writers of records into a full cycle.
//!
//! Each writer keeps records to itself and hands them to its cycle when it is dropped, so several threads write the
//! same record type at once, each with a writer of its own.

use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use capnp::OutputSegments;
use capnp::message::{self, Allocator, HeapAllocator};
use capnp::traits::Owned;
use futures::{Stream, StreamExt};
use kapok_core::schema::RecordStruct;
use kapok_core::segment::Stage;
use kapok_core::words::{StructRef, Words};
#[cfg(feature = "json")]
use kapok_ingest::{MessageWriter, RecordVectors, Seen, Value};
#[cfg(feature = "json")]
use serde::Serialize;

use crate::error::{BoxError, Error, Result};
use crate::scratch::Scratch;
use crate::staged_type::StagedType;

/// Writer of records of a generated type, made by [`Cycle::records`](crate::Cycle::records).
pub struct RecordWriter<'c, T> {
    staging: Staging<'c>,
    scratch: Scratch,
    record: PhantomData<fn(T)>,
}

#[cfg(feature = "json")]
/// Writer of records as JSON, serde or dynamic values, made by [`Cycle::values`](crate::Cycle::values).
pub struct ValueWriter<'c> {
    staging: Staging<'c>,
    message: MessageWriter,
}

/// Stage of one writer, which is handed to the cycle when it is dropped.
struct Staging<'c> {
    stage: Option<Stage>,
    ty: Arc<StagedType>,
    /// A writer must not outlive its cycle, or its records would be lost.
    cycle: PhantomData<&'c ()>,
}

impl Staging<'_> {
    fn new(ty: Arc<StagedType>) -> Self {
        let mut stage = ty.stage();
        stage.set_source(&ty.next_source(), 1);
        Self { stage: Some(stage), ty, cycle: PhantomData }
    }

    fn add(&mut self, record: StructRef<'_>) -> Result<()> {
        self.add_beside(record, &[])
    }

    /// Adds a record some of whose vectors lie elsewhere, too.
    fn add_beside(&mut self, record: StructRef<'_>, vectors: &[(u32, Bytes)]) -> Result<()> {
        Ok(self.stage.get_or_insert_with(|| self.ty.stage()).add_struct_beside(record, vectors)?)
    }

    #[cfg(feature = "json")]
    fn set_position(&mut self, unit: &Arc<str>, position: u64) {
        if let Some(stage) = &mut self.stage {
            stage.set_source(unit, position);
        }
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if let Some(stage) = self.stage.take() {
            self.ty.take(stage);
        }
    }
}

impl<T: RecordStruct> RecordWriter<'_, T> {
    pub(crate) fn new(ty: Arc<StagedType>) -> Self {
        Self { staging: Staging::new(ty), scratch: Scratch::new(), record: PhantomData }
    }

    /// Adds a record, which a closure fills in.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a record: see [`Stage::add_struct`].
    pub fn add(&mut self, fill: impl FnOnce(<T as Owned>::Builder<'_>)) -> Result<()> {
        let Self { staging, scratch, .. } = self;
        scratch.build(|message| {
            fill(message.init_root());
            add_message::<T, _, _>(message, |record| staging.add(record))
        })
    }

    /// Adds a record that a message already holds.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a record: see [`Stage::add_struct`].
    pub fn add_reader(&mut self, record: <T as Owned>::Reader<'_>) -> Result<()> {
        let Self { staging, scratch, .. } = self;
        scratch.build(|message| {
            message.set_root::<T>(record).map_err(|e| unreadable(&e))?;
            add_message::<T, _, _>(message, |record| staging.add(record))
        })
    }

    /// Adds a record for each item of a stream, filled in by a closure, and returns the number of items.
    ///
    /// The next item is asked for when the one before is staged, so nothing queues up between the stream and the cycle.
    ///
    /// # Errors
    /// The first error of the stream, and as [`Self::add`].
    pub async fn add_all<I, E: Into<BoxError>>(
        &mut self,
        items: impl Stream<Item = std::result::Result<I, E>>,
        mut fill: impl FnMut(I, <T as Owned>::Builder<'_>),
    ) -> Result<u64> {
        for_each(items, |item| self.add(|builder| fill(item, builder))).await
    }
}

/// Passes on the items of a stream one by one, and returns their number.
pub(crate) async fn for_each<I, E: Into<BoxError>>(
    items: impl Stream<Item = std::result::Result<I, E>>,
    mut take: impl FnMut(I) -> Result<()>,
) -> Result<u64> {
    let mut items = pin!(items);
    let mut count = 0;
    while let Some(item) = items.next().await {
        take(item.map_err(|error| Error::from_populate(error.into()))?)?;
        count += 1;
    }
    Ok(count)
}

/// Passes on the record at the root of a message of one segment.
pub(crate) fn add_root<R>(segment: &[u8], add: impl FnOnce(StructRef<'_>) -> Result<R>) -> Result<R> {
    match Words::new(segment).struct_of(0) {
        Ok(root) => add(root.unwrap_or_else(StructRef::empty)),
        Err(malformed) => Err(malformed.into_error("record").into()),
    }
}

/// Passes on the record that a builder holds.
pub(crate) fn add_message<T: RecordStruct, A: Allocator, R>(
    message: &message::Builder<A>,
    add: impl FnOnce(StructRef<'_>) -> Result<R>,
) -> Result<R> {
    if let OutputSegments::SingleSegment([bytes]) = message.get_segments_for_output() {
        return add_root(bytes, add);
    }
    let root: <T as Owned>::Reader<'_> = message.get_root_as_reader().map_err(|e| unreadable(&e))?;
    add_copy::<T, R>(root, message.size_in_words(), add)
}

/// Passes on a record that lies in several segments, as a copy in one segment.
fn add_copy<T: RecordStruct, R>(
    record: <T as Owned>::Reader<'_>,
    words: usize,
    add: impl FnOnce(StructRef<'_>) -> Result<R>,
) -> Result<R> {
    let words = u32::try_from(words).unwrap_or(u32::MAX);
    let mut copy = message::Builder::new(HeapAllocator::new().first_segment_words(words.saturating_add(1)));
    copy.set_root::<T>(record).map_err(|e| unreadable(&e))?;
    match copy.get_segments_for_output() {
        OutputSegments::SingleSegment([bytes]) => add_root(bytes, add),
        OutputSegments::MultiSegment(_) => {
            Err(kapok_core::Error::invalid("record", "larger than one Cap'n Proto segment can be").into())
        }
    }
}

pub(crate) fn unreadable(error: &capnp::Error) -> kapok_core::Error {
    kapok_core::Error::invalid("record", format!("the builder's message cannot be read: {error}"))
}

#[cfg(feature = "json")]
impl ValueWriter<'_> {
    pub(crate) fn new(ty: Arc<StagedType>) -> Result<Self> {
        let message = ty.schema.message_writer()?;
        Ok(Self { staging: Staging::new(ty), message })
    }

    /// Sets where the next record comes from, for error messages; `unit` is "line", for example.
    pub fn set_position(&mut self, unit: &Arc<str>, position: u64) {
        self.staging.set_position(unit, position);
    }

    /// Adds a record from a dynamic value.
    ///
    /// # Errors
    /// `Invalid`, naming the field, for what does not fit the schema.
    pub fn add(&mut self, record: &Value) -> Result<()> {
        self.message.write(record)?;
        self.add_written()
    }

    /// Adds a record from a JSON object.
    ///
    /// # Errors
    /// `Invalid`, naming the field, for what is no JSON or does not fit the schema.
    pub fn add_json(&mut self, json: &[u8]) -> Result<()> {
        self.message.write_json(json)?;
        self.add_written()
    }

    /// Adds the record that was written last.
    fn add_written(&mut self) -> Result<()> {
        let Self { staging, message } = self;
        let (words, vectors) = message.written();
        add_root(words, |record| staging.add_beside(record, vectors))
    }

    /// Gives the records to come vectors that stand beside them.
    ///
    /// # Errors
    /// As [`MessageWriter::set_vectors`].
    pub fn set_vectors(&mut self, vectors: &Arc<RecordVectors>) -> Result<()> {
        Ok(self.message.set_vectors(vectors)?)
    }

    /// Sets the row of the next record in tables of vectors whose rows belong to records by position, counted from 0.
    pub fn set_vector_row(&mut self, row: u64) {
        self.message.set_vector_row(row);
    }

    /// Has [`add_seen_json`](Self::add_seen_json) add nothing but what an inference has seen, whose schema was declared.
    pub fn set_seen(&mut self, seen: &Seen) {
        self.message.set_seen(seen);
    }

    /// Adds a record from a JSON object that shows nothing but what was [seen](Self::set_seen), and returns whether it
    /// did.
    ///
    /// # Errors
    /// `Invalid` for a record that the stage refuses. What is no JSON is not added, and no error.
    pub fn add_seen_json(&mut self, json: &str) -> Result<bool> {
        if self.message.write_seen_json(json)?.is_none() {
            return Ok(false);
        }
        self.add_written().map(|()| true)
    }

    /// Adds a record from any value that serde can serialize.
    ///
    /// # Errors
    /// `Invalid`, naming the field or the Rust type, for what does not fit the schema.
    pub fn add_serde<T: Serialize>(&mut self, record: &T) -> Result<()> {
        self.add(&Value::from_serde(record)?)
    }

    /// Adds each record of a stream, of any type that serde can serialize, and returns their number.
    ///
    /// The next record is asked for when the one before is staged, so nothing queues up between the stream and the
    /// cycle.
    ///
    /// # Errors
    /// The first error of the stream, and as [`Self::add_serde`].
    pub async fn add_all<T: Serialize, E: Into<BoxError>>(
        &mut self,
        records: impl Stream<Item = std::result::Result<T, E>>,
    ) -> Result<u64> {
        for_each(records, |record| self.add_serde(&record)).await
    }
}

#[cfg(feature = "json")]
impl Drop for ValueWriter<'_> {
    fn drop(&mut self) {
        self.staging.ty.schema.note_absent(&mut self.message);
    }
}
