//! What does the populate closure of an incremental cycle write to?
//!
//! Each change is looked up in the version before when the cycle ends, so its cost grows with the changes and not with the
//! dataset. Of several changes of one key the last holds.

use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use capnp::message::{self, ScratchSpaceHeapAllocator};
use capnp::traits::{Owned, SetterInput};
use kapok_core::key::Key;
use kapok_core::manifest::RecordType;
use kapok_core::message::MessageWriter;
use kapok_core::record::Record;
use kapok_core::schema::{RecordStruct, Schema};
use kapok_core::segment::{Segment, Sharing, Stage};
use kapok_core::value::Value;
use kapok_core::words::StructRef;
use kapok_index::View;
use serde::Serialize;

use crate::cycle::{StagedSchema, declared_twice, lock};
use crate::declaration::Declaration;
use crate::error::Result;
use crate::writer::{SCRATCH_WORDS, add_message, add_root, unreadable};

/// Changes to a version, in the making: hand them to it. Shared by as many threads as like to write.
#[derive(Debug)]
pub struct IncrementalCycle {
    prior: Arc<View>,
    types: Mutex<BTreeMap<String, Arc<ChangedType>>>,
    tags: Mutex<BTreeMap<String, String>>,
}

/// Changes to one record type.
#[derive(Debug)]
pub(crate) struct ChangedType {
    pub schema: StagedSchema,
    changes: Mutex<ChangeSet>,
}

/// The last change of each key.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    pub stage: Stage,
    pub latest: HashMap<Vec<u8>, Change>,
}

/// What a populate closure left behind.
pub(crate) struct Changed {
    pub types: Vec<(StagedSchema, ChangeSet)>,
    pub tags: BTreeMap<String, String>,
}

/// What is to become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It gets a row of the stage.
    Put(u32),
    /// It goes.
    Delete,
}

/// Where the record of a key stands in the middle of a cycle.
enum Current<'v> {
    Prior { segment: &'v Segment, row: u32 },
    Staged(Segment),
}

impl Current<'_> {
    fn segment_and_row(&self) -> (&Segment, u32) {
        match self {
            Self::Prior { segment, row } => (segment, *row),
            Self::Staged(segment) => (segment, 0),
        }
    }
}

impl IncrementalCycle {
    pub(crate) fn new(prior: Arc<View>) -> Self {
        // What nobody speaks of stays as it is, tags included.
        let tags = Mutex::new(prior.manifest().tags.clone());
        Self { prior, types: Mutex::default(), tags }
    }

    /// The version that this one builds on, to be read while populating.
    pub fn prior(&self) -> &View {
        &self.prior
    }

    /// Declares a record type: needed for one that the dataset does not have and no generated type describes.
    ///
    /// # Errors
    /// `Invalid` for a key or schema that cannot be used, `Incompatible` for a change of schema that is not accepted.
    pub fn declare(&self, declaration: &Declaration) -> Result<()> {
        self.changed(declaration).map(drop)
    }

    /// Changes records of a generated type.
    ///
    /// # Errors
    /// As [`IncrementalCycle::declare`].
    pub fn records<T: RecordStruct>(&self) -> Result<RecordChanges<'_, T>> {
        let (name, type_id) = Schema::name_and_id_of::<T>()?;
        let known = lock(&self.types).get(&name).filter(|ty| ty.schema.encoding.type_id() == type_id).cloned();
        let ty = match known {
            Some(ty) => {
                ty.schema.check_takes(&Declaration::of::<T>()?)?;
                ty
            }
            None => self.changed(&self.declaration_of::<T>(&name)?)?,
        };
        let scratch = capnp::Word::allocate_zeroed_vec(SCRATCH_WORDS);
        Ok(RecordChanges { prior: &self.prior, ty, scratch, record: PhantomData })
    }

    /// Changes records by dynamic values, of a type that the dataset has or that was declared.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn values(&self, record_type: &str) -> Result<ValueChanges<'_>> {
        let known = lock(&self.types).get(record_type).cloned();
        let ty = if let Some(ty) = known {
            ty
        } else {
            let manifest = self.prior.manifest();
            let entry = manifest.expect_record_type(record_type)?;
            let declaration = Declaration::new(Schema::clone(&manifest.schema), entry.type_id)?;
            self.changed(&declaration.key(entry.key.iter().cloned()).sharing(sharing_of(entry)))?
        };
        let message = MessageWriter::new(Arc::clone(ty.schema.encoding.schema()), ty.schema.encoding.type_id())?;
        Ok(ValueChanges { prior: &self.prior, ty, message })
    }

    /// Sets a tag of the version. Tags of the version before stay unless they are set anew or taken away.
    pub fn tag(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.tags).insert(key.into(), value.into());
    }

    /// Takes a tag away.
    pub fn remove_tag(&self, key: &str) {
        lock(&self.tags).remove(key);
    }

    /// A generated type's declaration, with the dataset's key where the struct is not annotated with one.
    fn declaration_of<T: RecordStruct>(&self, name: &str) -> Result<Declaration> {
        let declaration = Declaration::of::<T>()?;
        let Some(known) = self.prior.manifest().record_type(name) else { return Ok(declaration) };
        let declaration = declaration.sharing(sharing_of(known));
        Ok(if declaration.key_fields()?.is_empty() { declaration.key(known.key.iter().cloned()) } else { declaration })
    }

    fn changed(&self, declaration: &Declaration) -> Result<Arc<ChangedType>> {
        let mut types = lock(&self.types);
        if let Some(known) = types.get(&declaration.name) {
            if !known.schema.is_of(declaration, &declaration.key_fields()?) {
                return Err(declared_twice(&declaration.name));
            }
            return Ok(Arc::clone(known));
        }
        let schema = StagedSchema::new(declaration, &self.prior)?;
        let stage = Stage::new(&schema.encoding);
        let changes = Mutex::new(ChangeSet { stage, latest: HashMap::new() });
        let ty = Arc::new(ChangedType { schema, changes });
        types.insert(declaration.name.clone(), Arc::clone(&ty));
        Ok(ty)
    }

    pub(crate) fn finish(self) -> Result<Changed> {
        let mut types = Vec::new();
        for ty in self.types.into_inner().unwrap_or_else(PoisonError::into_inner).into_values() {
            let ty = Arc::into_inner(ty).ok_or_else(|| {
                kapok_core::Error::invalid("cycle", "a writer outlived it; drop the writers before the closure ends")
            })?;
            types.push((ty.schema, ty.changes.into_inner().unwrap_or_else(PoisonError::into_inner)));
        }
        Ok(Changed { types, tags: self.tags.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }
}

/// As the newest segment was written.
fn sharing_of(known: &RecordType) -> Sharing {
    known.segments.last().map_or_else(Sharing::default, |segment| segment.sharing)
}

impl ChangedType {
    fn put(&self, record: StructRef<'_>) -> Result<()> {
        lock(&self.changes).put(record)
    }

    fn put_if_absent(&self, prior: &View, record: StructRef<'_>) -> Result<bool> {
        let mut changes = lock(&self.changes);
        changes.stage.add_struct(record)?;
        let row = changes.last_row();
        let key = changes.stage.encoded_key(row);
        let taken = match changes.latest.get(&key) {
            Some(change) => *change != Change::Delete,
            None => self.find_in(prior, &key)?.is_some(),
        };
        if !taken {
            changes.latest.insert(key, Change::Put(row));
        }
        Ok(!taken)
    }

    fn delete(&self, prior: &View, key: Vec<u8>) -> Result<bool> {
        let mut changes = lock(&self.changes);
        let was_there = match changes.latest.get(&key) {
            Some(change) => *change != Change::Delete,
            None => self.find_in(prior, &key)?.is_some(),
        };
        if was_there {
            changes.latest.insert(key, Change::Delete);
        }
        Ok(was_there)
    }

    /// The record of a key as the changes so far leave it.
    fn current<'v>(&self, prior: &'v View, key: &[u8]) -> Result<Option<Current<'v>>> {
        let changes = lock(&self.changes);
        match changes.latest.get(key) {
            Some(Change::Put(row)) => {
                let sealed = changes.stage.seal_row(*row)?;
                Ok(Some(Current::Staged(Segment::open("changed record", Bytes::from(sealed.bytes), sealed.rows)?)))
            }
            Some(Change::Delete) => Ok(None),
            None => self.find_in(prior, key),
        }
    }

    fn find_in<'v>(&self, prior: &'v View, key: &[u8]) -> Result<Option<Current<'v>>> {
        if self.schema.is_new {
            return Ok(None);
        }
        let lookup = prior.lookup(self.schema.encoding.record_type())?;
        Ok(lookup.find_encoded(key)?.and_then(|ordinal| {
            let segment = lookup.table().segments().get(ordinal.segment as usize)?.segment();
            Some(Current::Prior { segment, row: ordinal.row })
        }))
    }

    /// The encoded key; `None` where no record can have it.
    fn encode<K: Key + ?Sized>(&self, key: &K) -> Result<Option<Vec<u8>>> {
        let mut encoded = Vec::new();
        let possible = key.with_parts(|parts| self.schema.encoding.key().encode(parts, &mut encoded))?;
        Ok(possible.then_some(encoded))
    }
}

impl ChangeSet {
    fn last_row(&self) -> u32 {
        u32::try_from(self.stage.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn put(&mut self, record: StructRef<'_>) -> Result<()> {
        self.stage.add_struct(record)?;
        let row = self.last_row();
        self.latest.insert(self.stage.encoded_key(row), Change::Put(row));
        Ok(())
    }
}

/// Changes records of a generated type. Made by [`IncrementalCycle::records`].
pub struct RecordChanges<'c, T> {
    prior: &'c View,
    ty: Arc<ChangedType>,
    scratch: Vec<capnp::Word>,
    record: PhantomData<fn(T)>,
}

impl<T: RecordStruct> RecordChanges<'_, T> {
    /// Adds a record, or replaces the one of the same key.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a record: see [`Stage::add_struct`].
    pub fn upsert(&mut self, fill: impl FnOnce(<T as Owned>::Builder<'_>)) -> Result<()> {
        let Self { ty, scratch, .. } = self;
        build::<T, _>(scratch, fill, |record| ty.put(record))
    }

    /// Adds a record that some message already holds, or replaces the one of the same key.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn upsert_reader(&mut self, record: <T as Owned>::Reader<'_>) -> Result<()> {
        let Self { ty, scratch, .. } = self;
        copy::<T, _>(scratch, record, |_| (), |record| ty.put(record))
    }

    /// Adds a record unless there is one of the same key; whether it was added.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn insert_if_absent(&mut self, fill: impl FnOnce(<T as Owned>::Builder<'_>)) -> Result<bool> {
        let Self { ty, scratch, prior, .. } = self;
        build::<T, _>(scratch, fill, |record| ty.put_if_absent(prior, record))
    }

    /// Changes the record of a key in place; whether there is one. Fields that the closure does not touch stay, those
    /// that this program does not know included. Where it changes the key, the record of the new key is put and the one
    /// of the old key stays.
    ///
    /// # Errors
    /// As [`Self::upsert`], and `Invalid` for a key of another type.
    pub fn update<K: Key + ?Sized>(&mut self, key: &K, change: impl FnOnce(<T as Owned>::Builder<'_>)) -> Result<bool> {
        let Self { ty, scratch, prior, .. } = self;
        let Some(encoded) = ty.encode(key)? else { return Ok(false) };
        let Some(current) = ty.current(prior, &encoded)? else { return Ok(false) };
        let (segment, row) = current.segment_and_row();
        segment.read_row::<T, _>(row, |record| copy::<T, _>(scratch, record, change, |record| ty.put(record)))??;
        Ok(true)
    }

    /// Takes the record of a key away; whether there was one.
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
    scratch: &mut [capnp::Word],
    fill: impl FnOnce(<T as Owned>::Builder<'_>),
    add: impl FnOnce(StructRef<'_>) -> Result<R>,
) -> Result<R> {
    let allocator = ScratchSpaceHeapAllocator::new(capnp::Word::words_to_bytes_mut(scratch));
    let mut message = message::Builder::new(allocator);
    fill(message.init_root());
    add_message::<T, _, _>(&message, add)
}

fn copy<T: RecordStruct, R>(
    scratch: &mut [capnp::Word],
    record: impl SetterInput<T>,
    change: impl FnOnce(<T as Owned>::Builder<'_>),
    add: impl FnOnce(StructRef<'_>) -> Result<R>,
) -> Result<R> {
    let allocator = ScratchSpaceHeapAllocator::new(capnp::Word::words_to_bytes_mut(scratch));
    let mut message = message::Builder::new(allocator);
    message.set_root::<T>(record).map_err(|e| unreadable(&e))?;
    change(message.get_root().map_err(|e| unreadable(&e))?);
    add_message::<T, _, _>(&message, add)
}

/// Changes records by dynamic values. Made by [`IncrementalCycle::values`].
pub struct ValueChanges<'c> {
    prior: &'c View,
    ty: Arc<ChangedType>,
    message: MessageWriter,
}

impl ValueChanges<'_> {
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
        self.upsert(&Value::from_json(json)?)
    }

    /// Adds or replaces a record from any value that serde can serialize.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn upsert_serde<T: Serialize>(&mut self, record: &T) -> Result<()> {
        self.upsert(&Value::from_serde(record)?)
    }

    /// Adds a record unless there is one of the same key; whether it was added.
    ///
    /// # Errors
    /// As [`Self::upsert`].
    pub fn insert_if_absent(&mut self, record: &Value) -> Result<bool> {
        let Self { ty, message, prior } = self;
        add_root(message.write(record)?, |record| ty.put_if_absent(prior, record))
    }

    /// Changes the record of a key in place; whether there is one.
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

    /// Takes the record of a key away; whether there was one.
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
