//! Takes the changes of an incremental cycle.
//!
//! Each change is looked up in the version before when the cycle ends, so the cost grows with the changes and not with
//! the dataset. Of several changes of one key the last one counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kapok_core::schema::RecordStruct;
#[cfg(feature = "json")]
use kapok_core::schema::Schema;
use kapok_index::View;

use crate::batch::TAG_PREFIX;
use crate::change_writer::RecordChanges;
#[cfg(feature = "json")]
use crate::change_writer::ValueChanges;
use crate::changed_type::{ChangeSet, ChangedType};
use crate::declaration::{Declaration, sharing_of};
use crate::declarations::Declarations;
use crate::error::{Error, Result};
use crate::index_changes::{IndexChange, IndexChanges};
use crate::lock::lock;
use crate::staged_schema::StagedSchema;

/// An incremental cycle, which changes are added to. Threads may share it, each with writers of its own.
#[derive(Debug)]
pub struct IncrementalCycle {
    prior: Arc<View>,
    types: Declarations<ChangedType>,
    tags: Mutex<BTreeMap<String, String>>,
    indexes: IndexChanges,
    /// With their record types.
    dropped_references: Mutex<Vec<(String, String)>>,
}

/// What the populate closure of an incremental cycle changed.
pub(crate) struct CycleChanges {
    pub types: Vec<(StagedSchema, ChangeSet)>,
    pub tags: BTreeMap<String, String>,
    /// Indexes that are added or dropped.
    pub indexes: Vec<(String, IndexChange)>,
    pub dropped_references: Vec<(String, String)>,
}

impl IncrementalCycle {
    pub(crate) fn new(prior: Arc<View>) -> Self {
        // Tags stay, as all does that the cycle does not change.
        let tags = Mutex::new(prior.manifest().tags.clone());
        Self {
            prior,
            types: Declarations::default(),
            tags,
            indexes: IndexChanges::default(),
            dropped_references: Mutex::default(),
        }
    }

    /// Returns the version that this one builds on, to be read while populating.
    pub fn prior(&self) -> &View {
        &self.prior
    }

    /// Declares a record type. Needed only if the dataset does not have it and no generated type describes it.
    ///
    /// # Errors
    /// `Invalid` for a key or schema that cannot be used, `Incompatible` for a change of schema that is not accepted.
    pub fn declare(&self, declaration: &Declaration) -> Result<()> {
        self.changed(declaration).map(drop)
    }

    /// Returns a writer of changes to records of a generated type.
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
    /// Returns a writer of changes by dynamic values, for a type that the dataset has or that was declared.
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
            self.changed(&declaration.exact_key(&entry.key).sharing(sharing_of(entry)))?
        };
        ValueChanges::new(&self.prior, ty)
    }

    /// Returns whether the changes of a batch must still be made: false if the version that this one builds on has
    /// them.
    ///
    /// This makes it safe to run a cycle again whose outcome is not known: see
    /// [`run_incremental_cycle`](crate::Producer::run_incremental_cycle). A feed is a source that sends batches one
    /// after the other, under a lasting name. Its last batch is kept in a tag, `kapok.once.FEED`, which later versions
    /// inherit, those of full cycles and merges too. So the answer always agrees with the records: after a rollback to
    /// before the batch it must be made again.
    pub fn once(&self, feed: &str, batch: &str) -> bool {
        let key = format!("{TAG_PREFIX}{feed}");
        if self.prior.manifest().tags.get(&key).is_some_and(|last| last == batch) {
            return false;
        }
        self.tag(key, batch);
        true
    }

    /// Adds an index to a record type, such as `hash(year)` or `hash(genres[])`: all segments get it, those of earlier versions
    /// too. One that is there stays.
    ///
    /// # Errors
    /// `Invalid` for a text that is no index. What its fields do not allow is an error when the cycle ends.
    pub fn add_index(&self, record_type: &str, index: &str) -> Result<()> {
        self.indexes.add(record_type, index)
    }

    /// Drops an index of a record type by its name. That there is none is an error when the cycle ends.
    ///
    /// If the struct's annotation declares it, it stays dropped until it is added again.
    pub fn drop_index(&self, record_type: &str, name: &str) {
        self.indexes.drop(record_type, name);
    }

    /// Withdraws a reference of a record type: `movieId`, `items[].productId`, or the name of one of several fields. That there is
    /// none is an error when the cycle ends.
    ///
    /// Its fields stay as they are. A declaration that has it brings it back, as generated code of an annotated schema does, but not
    /// one of this cycle.
    pub fn drop_reference(&self, record_type: &str, reference: &str) {
        lock(&self.dropped_references).push((record_type.to_owned(), reference.to_owned()));
    }

    /// Sets a tag of the version. Tags of the version before stay unless they are set anew or removed.
    pub fn tag(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.tags).insert(key.into(), value.into());
    }

    /// Removes a tag.
    pub fn remove_tag(&self, key: &str) {
        lock(&self.tags).remove(key);
    }

    /// Declares a generated type, with the dataset's key if the struct is not annotated with one.
    fn declaration_of<T: RecordStruct>(&self) -> Result<Declaration> {
        let declaration = Declaration::of::<T>()?;
        let Some(known) = self.prior.manifest().record_type(&declaration.name) else { return Ok(declaration) };
        let declaration = declaration.sharing(sharing_of(known));
        Ok(if declaration.key_fields()?.is_empty() { declaration.exact_key(&known.key) } else { declaration })
    }

    fn changed(&self, declaration: &Declaration) -> Result<Arc<ChangedType>> {
        if let Some(reason) = self.prior.left_out().get(&declaration.name) {
            let (record_type, version) = (declaration.name.clone(), self.prior.version());
            return Err(Error::Damaged { record_type, version, reason: reason.clone() });
        }
        self.types.declare(declaration, &self.prior, ChangedType::new)
    }

    pub(crate) fn finish(self) -> Result<CycleChanges> {
        let mut types = Vec::new();
        for ty in self.types.into_inner().into_values() {
            let ty = Arc::into_inner(ty).ok_or_else(|| Error::WriterOutlived)?;
            types.push(ty.into_parts());
        }
        let tags = self.tags.into_inner().unwrap_or_else(PoisonError::into_inner);
        let dropped_references = self.dropped_references.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(CycleChanges { types, tags, indexes: self.indexes.into_inner(), dropped_references })
    }
}
