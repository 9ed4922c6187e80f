//! What does a populate closure write to?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kapok_core::manifest::RecordType;
use kapok_core::schema::{OlderSchema, RecordStruct, Schema};
use kapok_core::segment::{Encoding, Stage};
use kapok_index::View;
#[cfg(feature = "json")]
use kapok_ingest::{AbsentFields, MessageWriter};

use crate::changes::ONCE;
use crate::declaration::{Declaration, Evolution};
use crate::declared::{Declared, OfType, lock};
use crate::error::{Error, Result};
use crate::writer::RecordWriter;
#[cfg(feature = "json")]
use crate::writer::ValueWriter;

/// A version in the making: hand records to it. Shared by as many threads as like to write.
#[derive(Debug)]
pub struct Cycle {
    prior: Arc<View>,
    types: Declared<StagedType>,
    dropped: Mutex<BTreeSet<String>>,
    tags: Mutex<BTreeMap<String, String>>,
}

/// How often fields were not given and took their defaults, told by all writers of a type.
pub(crate) type Absent = Arc<Mutex<BTreeMap<String, u64>>>;

/// How records of one type are staged.
#[derive(Clone, Debug)]
pub(crate) struct StagedSchema {
    /// Of the dataset's types and those of this cycle together.
    pub encoding: Encoding,
    /// As it was declared.
    pub declared: Schema,
    pub key: Vec<String>,
    pub older: OlderSchema,
    #[cfg(feature = "json")]
    pub absent_fields: AbsentFields,
    /// Fields that records were not given, by name.
    pub absent: Absent,
    /// The dataset has no such type, or has it in a way that nothing can be kept of.
    pub is_new: bool,
    /// It is new in that integers of the dataset's type are floats now: its records are kept, and written anew.
    pub is_widened: bool,
    /// Somebody wrote the type's schema down.
    pub is_declared: bool,
}

/// What a declaration is to the dataset's type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It is continued.
    Grown,
    /// It is continued, but for integers that are floats now.
    #[cfg(feature = "json")]
    Widened,
    /// There is no such type, or it is published anew.
    New,
}

impl Change {
    #[cfg(feature = "json")]
    fn is_widened(self) -> bool {
        self == Self::Widened
    }

    #[cfg(not(feature = "json"))]
    fn is_widened(self) -> bool {
        false
    }
}

/// Records of one type that the writers have handed over.
#[derive(Debug)]
pub(crate) struct StagedType {
    pub schema: StagedSchema,
    stages: Mutex<Vec<Stage>>,
    writers: AtomicU64,
}

/// What a populate closure left behind.
pub(crate) struct Populated {
    pub types: BTreeMap<String, Arc<StagedType>>,
    /// Record types that are to go.
    pub dropped: BTreeSet<String>,
    pub tags: BTreeMap<String, String>,
}

impl StagedSchema {
    /// Joins a declaration with what the dataset has.
    ///
    /// # Errors
    /// `Incompatible` for a change that the declaration's evolution does not allow.
    pub(crate) fn new(declaration: &Declaration, prior: &View) -> Result<Self> {
        let (declared, key) = (declaration.schema.clone(), declaration.key_fields()?);
        let known = prior.manifest().record_type(&declaration.name);
        let before = &prior.manifest().schema;
        let joined_with = |before: &Schema| -> Result<Schema> {
            if let Some(known) = known {
                check_type_id(known, declaration)?;
            }
            let schema = before.evolve(&declared, &[declaration.type_id], declaration.older)?;
            if let Some(known) = known {
                check_key(&known.name, &before.translate_key(known.type_id, &known.key, &schema)?, &key)?;
            }
            Ok(schema)
        };
        let (schema, change) = match (joined_with(before), declaration.evolution) {
            (Ok(schema), _) => (schema, if known.is_none() { Change::New } else { Change::Grown }),
            // What cannot be continued is published anew.
            (Err(_), Evolution::Republish) => (declared.clone(), Change::New),
            #[cfg(feature = "json")]
            (Err(error), Evolution::Widen) => {
                let wider = known.map(|known| before.widened(&declared, known.type_id, &known.key)).transpose()?;
                let Some(wider) = wider.flatten() else { return Err(error) };
                (joined_with(&wider)?, Change::Widened)
            }
            (Err(error), Evolution::Append) => return Err(error),
        };
        let schema = Arc::new(schema.closure([declaration.type_id])?);
        let known = known.filter(|known| known.declared && declaration.evolution != Evolution::Republish);
        if known.is_some() && !declaration.is_declared && !declaration.may_grow {
            check_growth(&schema, before, declaration)?;
        }
        let encoding = Encoding::new(schema, declaration.type_id, &key, declaration.sharing)?;
        let older = declaration.older;
        let (is_new, is_widened) = (change != Change::Grown, change.is_widened());
        let is_declared = declaration.is_declared || known.is_some();
        let absent = Absent::default();
        Ok(Self {
            encoding,
            declared,
            key,
            older,
            #[cfg(feature = "json")]
            absent_fields: declaration.absent_fields,
            absent,
            is_new,
            is_widened,
            is_declared,
        })
    }

    #[cfg(feature = "json")]
    /// A writer of values, and where it tells what they lacked.
    pub(crate) fn message_writer(&self) -> Result<MessageWriter> {
        let mut message = MessageWriter::of_records(&self.encoding)?;
        message.set_absent_fields(self.absent_fields);
        Ok(message)
    }

    #[cfg(feature = "json")]
    /// Takes over what a writer of values has counted.
    pub(crate) fn note_absent(&self, message: &mut MessageWriter) {
        for (field, count) in message.take_absent() {
            *lock(&self.absent).entry(field).or_default() += count;
        }
    }

    /// Sees that records of another declaration of the type lose nothing when they are staged by this one.
    ///
    /// # Errors
    /// `Invalid` where they would.
    pub(crate) fn check_takes(&self, declaration: &Declaration) -> Result<()> {
        let known = self.encoding.schema();
        let joined = known.evolve(&declaration.schema, &[declaration.type_id], OlderSchema::KeepNewer)?;
        if joined == **known { Ok(()) } else { Err(declared_twice(&declaration.name)) }
    }

    #[cfg(not(feature = "json"))]
    fn absent_as(&self, _: &Declaration) -> bool {
        true
    }

    /// Whether a declaration treats absent fields alike.
    #[cfg(feature = "json")]
    fn absent_as(&self, declaration: &Declaration) -> bool {
        self.absent_fields == declaration.absent_fields
    }

    /// Whether a declaration says the same.
    pub(crate) fn is_of(&self, declaration: &Declaration, key: &[String]) -> bool {
        self.encoding.type_id() == declaration.type_id
            && self.declared == declaration.schema
            && self.key == key
            && self.encoding.sharing() == declaration.sharing
            && self.older == declaration.older
            && self.absent_as(declaration)
            && (self.is_declared || !declaration.is_declared)
    }
}

pub(crate) fn declared_twice(record_type: &str) -> Error {
    let detail = "declared twice in this cycle, in different ways; declare it once, before its records";
    kapok_core::Error::invalid(format!("record type {record_type}"), detail).into()
}

fn declared_and_dropped(record_type: &str) -> Error {
    let detail = "declared and dropped in one cycle; do one of the two";
    kapok_core::Error::invalid(format!("record type {record_type}"), detail).into()
}

/// A primary key stays what it is, unless the record type is published anew.
fn check_key(name: &str, known: &[String], key: &[String]) -> Result<()> {
    if known == key {
        return Ok(());
    }
    let detail = format!(
        "the dataset's is {}, this one is {}; to change it, republish the record type (--republish)",
        known.join(","),
        key.join(",")
    );
    Err(kapok_core::Error::incompatible(format!("{name} key"), detail).into())
}

/// Data adds nothing to a type that somebody declared.
fn check_growth(schema: &Schema, before: &Schema, declaration: &Declaration) -> Result<()> {
    let name = &declaration.name;
    let mut grown: Vec<String> =
        schema.growth(before, declaration.type_id).into_iter().map(|field| format!("{name}.{field}")).collect();
    grown.extend(schema.grown_flags(before, declaration.type_id)?);
    if grown.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "its schema was declared, and these records would add to it: grown={}; take that out, declare it, or let the type \
         grow (--grow)",
        grown.join(", ")
    );
    Err(kapok_core::Error::invalid(format!("record type {name}"), detail).into())
}

fn check_type_id(known: &RecordType, declaration: &Declaration) -> Result<()> {
    if known.type_id == declaration.type_id {
        return Ok(());
    }
    let detail = format!(
        "the dataset's type id is {:#018x}, this one's is {:#018x}; keep it, or republish the record type (--republish)",
        known.type_id, declaration.type_id
    );
    Err(kapok_core::Error::incompatible(format!("record type {}", known.name), detail).into())
}

impl Cycle {
    pub(crate) fn new(prior: Arc<View>) -> Self {
        // Batches of changes stay applied where their records are carried over.
        let tags = prior.manifest().tags.iter().filter(|(key, _)| key.starts_with(ONCE));
        let tags = Mutex::new(tags.map(|(key, value)| (key.clone(), value.clone())).collect());
        Self { prior, types: Declared::default(), dropped: Mutex::default(), tags }
    }

    /// The version that this one will follow, to be read while populating; empty, of version 0, for the first.
    pub fn prior(&self) -> &View {
        &self.prior
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
        let ty = match self.types.of_generated::<T>()? {
            Some(ty) => ty,
            None => self.staged(&Declaration::of::<T>()?)?,
        };
        Ok(RecordWriter::new(ty))
    }

    #[cfg(feature = "json")]
    /// A writer of dynamic values for a record type that was declared before.
    ///
    /// # Errors
    /// `NotFound` where it was not.
    pub fn values(&self, record_type: &str) -> Result<ValueWriter<'_>> {
        let Some(ty) = self.types.get(record_type) else {
            let detail = "not declared in this cycle; declare it first";
            return Err(kapok_core::Error::not_found(format!("record type {record_type}"), detail).into());
        };
        ValueWriter::new(ty)
    }

    /// Takes a record type out of the dataset: the version has neither its records nor its schema.
    ///
    /// # Errors
    /// `NotFound`, listing the types that there are; `Invalid` where this cycle declares it.
    pub fn drop_type(&self, record_type: &str) -> Result<()> {
        self.prior.manifest().expect_record_type(record_type)?;
        if self.types.get(record_type).is_some() {
            return Err(declared_and_dropped(record_type));
        }
        lock(&self.dropped).insert(record_type.to_owned());
        Ok(())
    }

    /// Sets a tag of the version: free text for people and tools.
    pub fn tag(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.tags).insert(key.into(), value.into());
    }

    fn staged(&self, declaration: &Declaration) -> Result<Arc<StagedType>> {
        if lock(&self.dropped).contains(declaration.name()) {
            return Err(declared_and_dropped(declaration.name()));
        }
        let staged = |schema| StagedType { schema, stages: Mutex::default(), writers: AtomicU64::new(0) };
        self.types.declare(declaration, &self.prior, staged)
    }

    pub(crate) fn finish(self) -> Populated {
        Populated {
            types: self.types.into_inner(),
            dropped: self.dropped.into_inner().unwrap_or_else(PoisonError::into_inner),
            tags: self.tags.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl OfType for StagedType {
    fn schema(&self) -> &StagedSchema {
        &self.schema
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
        let mut all = stages.next().unwrap_or_else(|| Stage::new(&self.schema.encoding));
        for stage in stages {
            all.absorb(stage)?;
        }
        Ok(all)
    }
}
