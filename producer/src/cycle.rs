//! Takes the records of a full cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use kapok_core::manifest::Id;
use kapok_core::schema::RecordStruct;
use kapok_index::View;

use crate::batch::TAG_PREFIX;
use crate::declaration::Declaration;
use crate::declarations::Declarations;
use crate::error::{Error, Result};
use crate::index_changes::{IndexChange, IndexChanges};
use crate::lock::lock;
use crate::staged_type::StagedType;
use crate::writer::RecordWriter;
#[cfg(feature = "json")]
use crate::writer::ValueWriter;

/// A full cycle, which records are added to. Threads may share it, each with writers of its own.
#[derive(Debug)]
pub struct Cycle {
    prior: Arc<View>,
    types: Declarations<StagedType>,
    dropped: Mutex<BTreeSet<String>>,
    kept: Mutex<BTreeSet<String>>,
    tags: Mutex<BTreeMap<String, String>>,
    indexes: IndexChanges,
    /// With their record types.
    dropped_references: Mutex<Vec<(String, String)>>,
}

/// What the populate closure of a full cycle added.
pub(crate) struct CycleRecords {
    pub types: BTreeMap<String, Arc<StagedType>>,
    /// Record types to drop.
    pub dropped: BTreeSet<String>,
    /// Record types that are known to be as they were.
    pub kept: BTreeSet<String>,
    pub tags: BTreeMap<String, String>,
    /// Indexes that are added or dropped.
    pub indexes: Vec<(String, IndexChange)>,
    pub dropped_references: Vec<(String, String)>,
}

fn declared_and_dropped(record_type: &str) -> Error {
    Error::DeclaredAndDropped { record_type: record_type.to_owned() }
}

impl Cycle {
    pub(crate) fn new(prior: Arc<View>) -> Self {
        // Batches stay applied to the records that are carried over.
        let tags = prior.manifest().tags.iter().filter(|(key, _)| key.starts_with(TAG_PREFIX));
        let tags = Mutex::new(tags.map(|(key, value)| (key.clone(), value.clone())).collect());
        let types = Declarations::default();
        Self {
            prior,
            types,
            dropped: Mutex::default(),
            kept: Mutex::default(),
            tags,
            indexes: IndexChanges::default(),
            dropped_references: Mutex::default(),
        }
    }

    /// Returns the version before, to be read while populating; an empty one, of version 0, for the first.
    pub fn prior(&self) -> &View {
        &self.prior
    }

    /// Declares a record type, all of whose records are replaced by those of this cycle.
    ///
    /// Record types that a cycle does not declare are carried over from the version before.
    ///
    /// # Errors
    /// `Invalid` for a key or schema that cannot be used, or if the type was declared otherwise before.
    pub fn declare(&self, declaration: &Declaration) -> Result<()> {
        self.staged(declaration).map(drop)
    }

    /// Returns a writer of a generated type, which is declared by its annotations if it was not declared before.
    ///
    /// # Errors
    /// As [`Cycle::declare`].
    pub fn records<T: RecordStruct>(&self) -> Result<RecordWriter<'_, T>> {
        let ty = match self.types.of_generated::<T>()? {
            Some(ty) => ty,
            None => self.staged(&Declaration::of::<T>()?)?,
        };
        Ok(RecordWriter::new(ty))
    }

    #[cfg(feature = "json")]
    /// Returns a writer of dynamic values for a record type that was declared before.
    ///
    /// # Errors
    /// `NotFound` if it was not declared.
    pub fn values(&self, record_type: &str) -> Result<ValueWriter<'_>> {
        let Some(ty) = self.types.get(record_type) else {
            return Err(Error::NotDeclared { record_type: record_type.to_owned() });
        };
        ValueWriter::new(ty)
    }

    /// Takes back the declaration of a record type with the records that writers have added, which are no more.
    ///
    /// For a declaration that was a guess. The records of a writer that is still there are lost.
    pub fn withdraw(&self, record_type: &str) {
        self.types.withdraw(record_type);
    }

    /// Carries a record type over as it is, and reports it as unchanged.
    ///
    /// # Errors
    /// `NotFound`, listing the types of the dataset; `Invalid` if this cycle declares or drops it.
    pub fn keep_type(&self, record_type: &str) -> Result<()> {
        self.prior.manifest().expect_record_type(record_type)?;
        if self.types.get(record_type).is_some() {
            return Err(Error::DeclaredTwice { record_type: record_type.to_owned() });
        }
        if lock(&self.dropped).contains(record_type) {
            return Err(declared_and_dropped(record_type));
        }
        lock(&self.kept).insert(record_type.to_owned());
        Ok(())
    }

    /// Notes the hash of the input that a record type's records are read from, and of all that decides how.
    ///
    /// The version has it as [`RecordType::input`](kapok_core::manifest::RecordType::input) if the cycle makes one, until
    /// a change of the record type erases it. No hash is noted if fields were absent and took their defaults, of which
    /// each publish warns.
    ///
    /// # Errors
    /// `NotFound` if the type was not declared.
    pub fn set_input(&self, record_type: &str, hash: Id) -> Result<()> {
        let Some(ty) = self.types.get(record_type) else {
            return Err(Error::NotDeclared { record_type: record_type.to_owned() });
        };
        *lock(&ty.schema.input) = Some(hash);
        Ok(())
    }

    /// Drops a record type: the version has neither its records nor its schema.
    ///
    /// # Errors
    /// `NotFound`, listing the types of the dataset; `Invalid` if this cycle declares or keeps it.
    pub fn drop_type(&self, record_type: &str) -> Result<()> {
        self.prior.manifest().expect_record_type(record_type)?;
        if self.types.get(record_type).is_some() || lock(&self.kept).contains(record_type) {
            return Err(declared_and_dropped(record_type));
        }
        lock(&self.dropped).insert(record_type.to_owned());
        Ok(())
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

    /// Sets a tag of the version: free text for people and tools.
    pub fn tag(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.tags).insert(key.into(), value.into());
    }

    fn staged(&self, declaration: &Declaration) -> Result<Arc<StagedType>> {
        if lock(&self.dropped).contains(declaration.name()) {
            return Err(declared_and_dropped(declaration.name()));
        }
        if lock(&self.kept).contains(declaration.name()) {
            return Err(Error::DeclaredTwice { record_type: declaration.name().to_owned() });
        }
        self.types.declare(declaration, &self.prior, |schema| StagedType::new(schema, &self.prior))
    }

    pub(crate) fn finish(self) -> CycleRecords {
        CycleRecords {
            types: self.types.into_inner(),
            dropped: self.dropped.into_inner().unwrap_or_else(PoisonError::into_inner),
            kept: self.kept.into_inner().unwrap_or_else(PoisonError::into_inner),
            tags: self.tags.into_inner().unwrap_or_else(PoisonError::into_inner),
            indexes: self.indexes.into_inner(),
            dropped_references: self.dropped_references.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}
