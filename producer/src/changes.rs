//! What does the populate closure of an incremental cycle write to?
//!
//! Each change is looked up in the version before when the cycle ends, so its cost grows with the changes and not with the
//! dataset. Of several changes of one key the last holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kapok_core::key::Key;
use kapok_core::manifest::RecordType;
use kapok_core::schema::RecordStruct;
#[cfg(feature = "json")]
use kapok_core::schema::Schema;
use kapok_core::segment::{Segment, Sharing, Stage};
use kapok_core::words::StructRef;
use kapok_index::View;

use crate::change_writer::RecordChanges;
#[cfg(feature = "json")]
use crate::change_writer::ValueChanges;
use crate::cycle::StagedSchema;
use crate::declaration::Declaration;
use crate::declared::{Declared, OfType, lock};
use crate::error::{Error, Result};

/// Of tags that hold the last batch of a feed.
pub(crate) const ONCE: &str = "kapok.once.";

/// Changes to a version, in the making: hand them to it. Shared by as many threads as like to write.
#[derive(Debug)]
pub struct IncrementalCycle {
    prior: Arc<View>,
    types: Declared<ChangedType>,
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
pub(crate) enum Current<'v> {
    Prior { segment: &'v Segment, row: u32 },
    Staged(Segment),
}

impl Current<'_> {
    pub(crate) fn segment_and_row(&self) -> (&Segment, u32) {
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
        Self { prior, types: Declared::default(), tags }
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
        let ty = match self.types.of_generated::<T>()? {
            Some(ty) => ty,
            None => self.changed(&self.declaration_of::<T>()?)?,
        };
        Ok(RecordChanges::new(&self.prior, ty))
    }

    #[cfg(feature = "json")]
    /// Changes records by dynamic values, of a type that the dataset has or that was declared.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are.
    pub fn values(&self, record_type: &str) -> Result<ValueChanges<'_>> {
        let ty = if let Some(ty) = self.types.get(record_type) {
            ty
        } else {
            let manifest = self.prior.manifest();
            let entry = manifest.expect_record_type(record_type)?;
            let declaration =
                Declaration::new(Schema::clone(&manifest.schema), entry.type_id)?.declared(entry.declared);
            self.changed(&declaration.key(entry.key.iter().cloned()).sharing(sharing_of(entry)))?
        };
        ValueChanges::new(&self.prior, ty)
    }

    /// Whether the changes of a batch are still to be made: false where the version that this one builds on has them.
    ///
    /// This makes it safe to run a cycle again whose outcome is not known: see
    /// [`run_incremental_cycle`](crate::Producer::run_incremental_cycle). A feed is whoever sends batches one after the
    /// other, under a name that stays; its last batch is kept in a tag, `kapok.once.FEED`, which later versions inherit,
    /// full cycles and merges too. So the answer is that of the records themselves: after a rollback behind the batch it is
    /// to be made again.
    pub fn once(&self, feed: &str, batch: &str) -> bool {
        let key = format!("{ONCE}{feed}");
        if self.prior.manifest().tags.get(&key).is_some_and(|last| last == batch) {
            return false;
        }
        self.tag(key, batch);
        true
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
    fn declaration_of<T: RecordStruct>(&self) -> Result<Declaration> {
        let declaration = Declaration::of::<T>()?;
        let Some(known) = self.prior.manifest().record_type(&declaration.name) else { return Ok(declaration) };
        let declaration = declaration.sharing(sharing_of(known));
        Ok(if declaration.key_fields()?.is_empty() { declaration.key(known.key.iter().cloned()) } else { declaration })
    }

    fn changed(&self, declaration: &Declaration) -> Result<Arc<ChangedType>> {
        if let Some(reason) = self.prior.left_out().get(&declaration.name) {
            let (record_type, version) = (declaration.name.clone(), self.prior.version());
            return Err(Error::Damaged { record_type, version, reason: reason.clone() });
        }
        self.types.declare(declaration, &self.prior, |schema| {
            let stage = Stage::new(&schema.encoding);
            ChangedType { schema, changes: Mutex::new(ChangeSet { stage, latest: HashMap::new() }) }
        })
    }

    pub(crate) fn finish(self) -> Result<Changed> {
        let mut types = Vec::new();
        for ty in self.types.into_inner().into_values() {
            let ty = Arc::into_inner(ty).ok_or_else(|| {
                kapok_core::Error::invalid("cycle", "a writer outlived it; drop the writers before the closure ends")
            })?;
            types.push((ty.schema, ty.changes.into_inner().unwrap_or_else(PoisonError::into_inner)));
        }
        Ok(Changed { types, tags: self.tags.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }
}

/// As the newest segment was written.
pub(crate) fn sharing_of(known: &RecordType) -> Sharing {
    known.segments.last().map_or_else(Sharing::default, |segment| segment.sharing)
}

impl OfType for ChangedType {
    fn schema(&self) -> &StagedSchema {
        &self.schema
    }
}

impl ChangedType {
    pub(crate) fn put(&self, record: StructRef<'_>) -> Result<()> {
        lock(&self.changes).put(record)
    }

    pub(crate) fn put_if_absent(&self, prior: &View, record: StructRef<'_>) -> Result<bool> {
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

    pub(crate) fn delete(&self, prior: &View, key: Vec<u8>) -> Result<bool> {
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
    pub(crate) fn current<'v>(&self, prior: &'v View, key: &[u8]) -> Result<Option<Current<'v>>> {
        let changes = lock(&self.changes);
        match changes.latest.get(key) {
            Some(Change::Put(row)) => {
                let sealed = changes.stage.seal_row(*row)?;
                Ok(Some(Current::Staged(Segment::open("changed record", Bytes::from(sealed.bytes), sealed.rows)?)))
            }
            Some(Change::Delete) => Ok(None),
            None => {
                let found = self.find_in(prior, key)?;
                if found.is_some() && self.schema.is_widened {
                    let name = self.schema.encoding.record_type();
                    let detail = "its integers become floats in this cycle; change records in place in the next one";
                    return Err(kapok_core::Error::invalid(format!("record type {name}"), detail).into());
                }
                Ok(found)
            }
        }
    }

    fn find_in<'v>(&self, prior: &'v View, key: &[u8]) -> Result<Option<Current<'v>>> {
        if self.schema.is_new && !self.schema.is_widened {
            return Ok(None);
        }
        let lookup = prior.lookup(self.schema.encoding.record_type())?;
        let Some(row_id) = lookup.find_encoded(key)? else { return Ok(None) };
        let (place, row) = lookup.table().place(row_id)?;
        Ok(Some(Current::Prior { segment: lookup.table().segments()[place].segment(), row }))
    }

    /// The encoded key; `None` where no record can have it.
    pub(crate) fn encode<K: Key + ?Sized>(&self, key: &K) -> Result<Option<Vec<u8>>> {
        let mut encoded = Vec::new();
        let possible = key.with_parts(|parts| self.schema.encoding.key().encode(parts, &mut encoded))?;
        Ok(possible.then_some(encoded))
    }
}

impl ChangeSet {
    fn last_row(&self) -> u32 {
        u32::try_from(self.stage.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn put(&mut self, record: StructRef<'_>) -> Result<()> {
        self.stage.add_struct(record)?;
        let row = self.last_row();
        self.latest.insert(self.stage.encoded_key(row), Change::Put(row));
        Ok(())
    }
}
