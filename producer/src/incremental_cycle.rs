//! The version that an incremental cycle makes, while changes are added to it.
//!
//! Each change is looked up in the version before when the cycle ends, so its cost grows with the changes and not with the
//! dataset. Of several changes of one key the last holds.

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
use crate::lock::lock;
use crate::staged_schema::StagedSchema;

/// Changes to a version, in the making: hand them to it. Shared by as many threads as like to write.
#[derive(Debug)]
pub struct IncrementalCycle {
    prior: Arc<View>,
    types: Declarations<ChangedType>,
    tags: Mutex<BTreeMap<String, String>>,
}

/// What a populate closure left behind.
pub(crate) struct Changed {
    pub types: Vec<(StagedSchema, ChangeSet)>,
    pub tags: BTreeMap<String, String>,
}

impl IncrementalCycle {
    pub(crate) fn new(prior: Arc<View>) -> Self {
        // What nobody speaks of stays as it is, tags included.
        let tags = Mutex::new(prior.manifest().tags.clone());
        Self { prior, types: Declarations::default(), tags }
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
        let key = format!("{TAG_PREFIX}{feed}");
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
        self.types.declare(declaration, &self.prior, ChangedType::new)
    }

    pub(crate) fn finish(self) -> Result<Changed> {
        let mut types = Vec::new();
        for ty in self.types.into_inner().into_values() {
            let ty = Arc::into_inner(ty).ok_or_else(|| Error::WriterOutlived)?;
            types.push(ty.into_parts());
        }
        Ok(Changed { types, tags: self.tags.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }
}
