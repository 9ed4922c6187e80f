//! What does a populate closure write to?

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kapok_core::manifest::Manifest;
use kapok_core::schema::{RecordStruct, Schema};
use kapok_core::segment::{Encoding, Sharing, Stage};

use crate::declaration::{Declaration, Evolution};
use crate::error::Result;
use crate::writer::{RecordWriter, ValueWriter};

/// A version in the making: hand records to it. Shared by as many threads as like to write.
#[derive(Debug)]
pub struct Cycle {
    prior: Option<Arc<Manifest>>,
    types: Mutex<BTreeMap<String, Arc<StagedType>>>,
    tags: Mutex<BTreeMap<String, String>>,
}

/// Records of one type that the writers have handed over.
#[derive(Debug)]
pub(crate) struct StagedType {
    pub encoding: Encoding,
    pub key: Vec<String>,
    pub evolution: Evolution,
    pub sharing: Sharing,
    stages: Mutex<Vec<Stage>>,
    writers: AtomicU64,
}

/// What a populate closure left behind.
pub(crate) struct Populated {
    pub types: BTreeMap<String, Arc<StagedType>>,
    pub tags: BTreeMap<String, String>,
}

impl Cycle {
    pub(crate) fn new(prior: Option<Arc<Manifest>>) -> Self {
        Self { prior, types: Mutex::default(), tags: Mutex::default() }
    }

    /// The version that this one will follow; `None` for the first.
    pub fn prior(&self) -> Option<&Manifest> {
        self.prior.as_deref()
    }

    /// Declares a record type, whose records so far are all replaced by those of this cycle. Record types that a cycle
    /// does not declare are carried over from the version before.
    ///
    /// # Errors
    /// `Invalid` for a key or schema that cannot be used, or where the type was declared otherwise before.
    pub fn declare(&self, declaration: &Declaration) -> Result<()> {
        self.staged(declaration).map(drop)
    }

    /// A writer of a generated type, declared by its annotations where it was not declared before.
    ///
    /// # Errors
    /// As [`Cycle::declare`].
    pub fn records<T: RecordStruct>(&self) -> Result<RecordWriter<'_, T>> {
        let (name, type_id) = Schema::name_and_id_of::<T>()?;
        let known = lock(&self.types).get(&name).filter(|ty| ty.encoding.type_id() == type_id).cloned();
        let ty = match known {
            Some(ty) => ty,
            None => self.staged(&Declaration::of::<T>()?)?,
        };
        Ok(RecordWriter::new(ty))
    }

    /// A writer of dynamic values for a record type that was declared before.
    ///
    /// # Errors
    /// `NotFound` where it was not.
    pub fn values(&self, record_type: &str) -> Result<ValueWriter<'_>> {
        let Some(ty) = lock(&self.types).get(record_type).cloned() else {
            let detail = "not declared in this cycle; declare it first";
            return Err(kapok_core::Error::not_found(format!("record type {record_type}"), detail).into());
        };
        ValueWriter::new(ty)
    }

    /// Sets a tag of the version: free text for people and tools.
    pub fn tag(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.tags).insert(key.into(), value.into());
    }

    fn staged(&self, declaration: &Declaration) -> Result<Arc<StagedType>> {
        let mut types = lock(&self.types);
        let key = declaration.key_fields()?;
        if let Some(known) = types.get(&declaration.name) {
            let same = known.encoding.type_id() == declaration.type_id
                && **known.encoding.schema() == declaration.schema
                && known.key == key
                && known.sharing == declaration.sharing;
            if !same {
                let detail = "declared twice in this cycle, in different ways";
                return Err(kapok_core::Error::invalid(format!("record type {}", declaration.name), detail).into());
            }
            return Ok(Arc::clone(known));
        }
        let schema = Arc::new(declaration.schema.clone());
        let encoding = Encoding::new(schema, declaration.type_id, &key, declaration.sharing)?;
        let ty = Arc::new(StagedType {
            encoding,
            key,
            evolution: declaration.evolution,
            sharing: declaration.sharing,
            stages: Mutex::default(),
            writers: AtomicU64::new(0),
        });
        types.insert(declaration.name.clone(), Arc::clone(&ty));
        Ok(ty)
    }

    pub(crate) fn finish(self) -> Populated {
        Populated {
            types: self.types.into_inner().unwrap_or_else(PoisonError::into_inner),
            tags: self.tags.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl StagedType {
    /// Takes over what a writer has.
    pub(crate) fn take(&self, stage: Stage) {
        lock(&self.stages).push(stage);
    }

    /// Name of the next writer's records in errors.
    pub(crate) fn next_source(&self) -> Arc<str> {
        match self.writers.fetch_add(1, Ordering::Relaxed) {
            0 => Arc::from("record"),
            other => Arc::from(format!("record of writer {}:", other + 1)),
        }
    }

    /// All records together.
    pub(crate) fn join(&self) -> Result<Stage> {
        let mut stages = std::mem::take(&mut *lock(&self.stages));
        // The largest takes the others over: fewer objects to move.
        stages.sort_by_key(|stage| std::cmp::Reverse(stage.len()));
        let mut stages = stages.into_iter();
        let mut all = stages.next().unwrap_or_else(|| Stage::new(&self.encoding));
        for stage in stages {
            all.absorb(stage)?;
        }
        Ok(all)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
