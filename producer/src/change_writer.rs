//! Writers of changes into an incremental cycle.

use std::marker::PhantomData;
use std::sync::Arc;

use capnp::traits::{Owned, SetterInput};
use futures::Stream;
use kapok_core::key::Key;
#[cfg(feature = "json")]
use kapok_core::record::Record;
use kapok_core::schema::RecordStruct;
use kapok_core::words::StructRef;
use kapok_index::View;
#[cfg(feature = "json")]
use kapok_ingest::{MessageWriter, RecordVectors, Value};
#[cfg(feature = "json")]
use serde::Serialize;

use crate::changed_type::ChangedType;
use crate::error::{BoxError, Result};
use crate::scratch::Scratch;
#[cfg(feature = "json")]
use crate::writer::add_root;
use crate::writer::{add_message, for_each, unreadable};

/// Writer of changes to records of a generated type, made by
/// [`IncrementalCycle::records`](crate::IncrementalCycle::records).
pub struct RecordChanges<'c, T> {
    prior: &'c View,
    ty: Arc<ChangedType>,
    scratch: Scratch,
    record: PhantomData<fn(T)>,
}

impl<'c, T: RecordStruct> RecordChanges<'c, T> {
    pub(crate) fn new(prior: &'c View, ty: Arc<ChangedType>) -> Self {
        Self { prior, ty, scratch: Scratch::new(), record: PhantomData }
    }

    /// Adds a record, or replaces the one of the same key.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a record: see [`Stage::add_struct`](kapok_core::segment::Stage::add_struct).
    pub fn upsert(&mut self, fill: impl FnOnce(<T as Owned>::Builder<'_>)) -> Result<()> {
        let Self { ty, scratch, .. } = self;
        build::<T, _>(scratch, fill, |record| ty.put(record))
    }

    /// Adds or replaces a record for each item of a stream, filled in by a closure, and returns the number of items.
    ///
    /// The next item is asked for when the one before is staged, so nothing queues up between the stream and the cycle.
    ///
    /// # Errors
    /// The first error of the stream, and as [`Self::upsert`].
    pub async fn upsert_all<I, E: Into<BoxError>>(
        &mut self,
        items: impl Stream<Item = std::result::Result<I, E>>,
        mut fill: impl FnMut(I, <T as Owned>::Builder<'_>),
    ) -> Result<u64> {
        for_each(items, |item| self.upsert(|builder| fill(item, builder))).await
    }

    /// Adds a record that a message already holds, or replaces the one of the same key.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn upsert_reader(&mut self, record: <T as Owned>::Reader<'_>) -> Result<()> {
        let Self { ty, scratch, .. } = self;
        copy::<T, _>(scratch, record, |_| (), |record| ty.put(record))
    }

    /// Adds a record unless there is one of the same key, and returns whether it was added.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn insert_if_absent(&mut self, fill: impl FnOnce(<T as Owned>::Builder<'_>)) -> Result<bool> {
        let Self { ty, scratch, prior, .. } = self;
        build::<T, _>(scratch, fill, |record| ty.put_if_absent(prior, record))
    }

    /// Changes the record of a key, and returns whether there is one.
    ///
    /// Fields that the closure does not touch stay, even those that this program does not know. If the closure changes
    /// the key, the record of the new key is put and the one of the old key stays.
    ///
    /// # Errors
    /// As [`Self::upsert`], and `Invalid` for a key of another type.
    pub fn update<K: Key + ?Sized>(&mut self, key: &K, change: impl FnOnce(<T as Owned>::Builder<'_>)) -> Result<bool> {
        let Self { ty, scratch, prior, .. } = self;
        let Some(encoded) = ty.encode(key)? else { return Ok(false) };
        let Some(current) = ty.current(prior, &encoded)? else { return Ok(false) };
        let (segment, row) = current.segment_and_row();
        let put =
            segment.read_row::<T, _>(row, |record| copy::<T, _>(scratch, record, change, |record| ty.put(record)))?;
        put.transpose().map(|put| put.is_some())
    }

    /// Deletes the record of a key, and returns whether there was one.
    ///
    /// # Errors
    /// `Invalid` for a key of another type.
    pub fn delete<K: Key + ?Sized>(&mut self, key: &K) -> Result<bool> {
        match self.ty.encode(key)? {
            Some(encoded) => self.ty.delete(self.prior, encoded),
            None => Ok(false),
        }
    }
}

fn build<T: RecordStruct, R>(
    scratch: &mut Scratch,
    fill: impl FnOnce(<T as Owned>::Builder<'_>),
    add: impl FnOnce(StructRef<'_>) -> Result<R>,
) -> Result<R> {
    scratch.build(|message| {
        fill(message.init_root());
        add_message::<T, _, _>(message, add)
    })
}

fn copy<T: RecordStruct, R>(
    scratch: &mut Scratch,
    record: impl SetterInput<T>,
    change: impl FnOnce(<T as Owned>::Builder<'_>),
    add: impl FnOnce(StructRef<'_>) -> Result<R>,
) -> Result<R> {
    scratch.build(|message| {
        message.set_root::<T>(record).map_err(|e| unreadable(&e))?;
        change(message.get_root().map_err(|e| unreadable(&e))?);
        add_message::<T, _, _>(message, add)
    })
}

#[cfg(feature = "json")]
/// Writer of changes to records by dynamic values, made by
/// [`IncrementalCycle::values`](crate::IncrementalCycle::values).
pub struct ValueChanges<'c> {
    prior: &'c View,
    ty: Arc<ChangedType>,
    message: MessageWriter,
}

#[cfg(feature = "json")]
impl<'c> ValueChanges<'c> {
    pub(crate) fn new(prior: &'c View, ty: Arc<ChangedType>) -> Result<Self> {
        let message = ty.schema.message_writer()?;
        Ok(Self { prior, ty, message })
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

    /// Adds a record, or replaces the one of the same key.
    ///
    /// # Errors
    /// `Invalid`, naming the field, for what does not fit the schema.
    pub fn upsert(&mut self, record: &Value) -> Result<()> {
        let Self { ty, message, .. } = self;
        add_root(message.write(record)?, |record| ty.put(record))
    }

    /// Adds or replaces a record from a JSON object.
    ///
    /// # Errors
    /// As [`Self::upsert`], and for what is no JSON.
    pub fn upsert_json(&mut self, json: &[u8]) -> Result<()> {
        let Self { ty, message, .. } = self;
        add_root(message.write_json(json)?, |record| ty.put(record))
    }

    /// Adds or replaces a record from any value that serde can serialize.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn upsert_serde<T: Serialize>(&mut self, record: &T) -> Result<()> {
        self.upsert(&Value::from_serde(record)?)
    }

    /// Adds or replaces each record of a stream, of any type that serde can serialize, and returns their number.
    ///
    /// The next record is asked for when the one before is staged, so nothing queues up between the stream and the
    /// cycle.
    ///
    /// # Errors
    /// The first error of the stream, and as [`Self::upsert`].
    pub async fn upsert_all<T: Serialize, E: Into<BoxError>>(
        &mut self,
        records: impl Stream<Item = std::result::Result<T, E>>,
    ) -> Result<u64> {
        for_each(records, |record| self.upsert_serde(&record)).await
    }

    /// Adds a record unless there is one of the same key, and returns whether it was added.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn insert_if_absent(&mut self, record: &Value) -> Result<bool> {
        let Self { ty, message, prior } = self;
        add_root(message.write(record)?, |record| ty.put_if_absent(prior, record))
    }

    /// Changes the record of a key, and returns whether there is one.
    ///
    /// # Errors
    /// As [`Self::upsert`], and `Invalid` for a key of another type.
    pub fn update<K: Key + ?Sized>(&mut self, key: &K, change: impl FnOnce(&mut Value)) -> Result<bool> {
        let Some(encoded) = self.ty.encode(key)? else { return Ok(false) };
        let Some(current) = self.ty.current(self.prior, &encoded)? else { return Ok(false) };
        let encoding = &self.ty.schema.encoding;
        let (segment, row) = current.segment_and_row();
        let Some(at) = segment.row(row) else { return Ok(false) };
        let record = Record::new(encoding.schema(), encoding.type_id(), at)?.in_blob(segment.name());
        let mut value = Value::from_json(record.to_json_string()?.as_bytes())?;
        change(&mut value);
        self.upsert(&value)?;
        Ok(true)
    }

    /// Deletes the record of a key, and returns whether there was one.
    ///
    /// # Errors
    /// `Invalid` for a key of another type.
    pub fn delete<K: Key + ?Sized>(&mut self, key: &K) -> Result<bool> {
        match self.ty.encode(key)? {
            Some(encoded) => self.ty.delete(self.prior, encoded),
            None => Ok(false),
        }
    }
}

#[cfg(feature = "json")]
impl Drop for ValueChanges<'_> {
    fn drop(&mut self) {
        self.ty.schema.note_absent(&mut self.message);
    }
}
