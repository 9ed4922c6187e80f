//! Joins a declaration with the dataset's type, to stage records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kapok_core::key::KeyRevision;
use kapok_core::manifest::{Id, IndexSpec, RecordType};
use kapok_core::schema::{OlderSchema, Schema};
use kapok_core::segment::Encoding;
use kapok_index::View;
#[cfg(feature = "json")]
use kapok_ingest::{AbsentFields, MessageWriter};

use crate::declaration::{Declaration, Evolution};
use crate::error::{Error, Result};
use crate::lock::lock;

/// How often each field was absent and took its default, counted by all writers of a type.
pub(crate) type AbsentCounts = Arc<Mutex<BTreeMap<String, u64>>>;

/// Schema and encoding that records of one type are staged by.
#[derive(Clone, Debug)]
pub(crate) struct StagedSchema {
    /// The encoding by the dataset's types and those of this cycle together.
    pub encoding: Encoding,
    /// The schema as it was declared.
    pub declared: Schema,
    pub key: Vec<String>,
    pub older: OlderSchema,
    #[cfg(feature = "json")]
    pub absent_fields: AbsentFields,
    /// Counts of absent fields.
    pub absent: AbsentCounts,
    /// Hash of the input that all of the records come from.
    pub input: Arc<Mutex<Option<Id>>>,
    /// Whether the dataset has no such type, or an incompatible one, whose records are not kept.
    pub is_new: bool,
    /// Whether it is new because integers of the dataset's type become wider, or floats: its records are kept, and
    /// written anew.
    pub is_widened: bool,
    /// Whether the type's schema was declared, not inferred.
    pub is_declared: bool,
    /// How the schema may differ from the dataset's.
    pub evolution: Evolution,
    /// Indexes that the declaration names.
    pub indexes: Vec<IndexSpec>,
}

/// Difference of a declaration from the dataset's type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The same type, or one with more fields.
    Grown,
    /// As `Grown`, but integers become wider, or floats.
    #[cfg(feature = "json")]
    Widened,
    /// The dataset has no such type, or it is published anew.
    New,
}

impl Change {
    #[cfg(feature = "json")]
    fn is_widened(self) -> bool {
        self == Self::Widened
    }

    #[cfg(not(feature = "json"))]
    #[expect(clippy::unused_self, reason = "the twin of the one above")]
    fn is_widened(self) -> bool {
        false
    }
}

impl StagedSchema {
    /// Joins a declaration with the dataset's type.
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
        // A record type keeps the rules by which its key is encoded, unless it is published anew under another key.
        let is_same_key = |known: &&RecordType| change != Change::New || known.key == key;
        let key_revision = known.filter(is_same_key).map_or(KeyRevision::R1, |known| known.key_revision);
        let schema = Arc::new(schema.closure([declaration.type_id])?);
        let known = known.filter(|known| known.declared && declaration.evolution != Evolution::Republish);
        if known.is_some() && !declaration.is_declared && !declaration.may_grow {
            check_growth(&schema, before, declaration)?;
        }
        let encoding = Encoding::new(schema, declaration.type_id, &key, declaration.sharing)?;
        let encoding = encoding.with_key_revision(key_revision);
        let older = declaration.older;
        let (is_new, is_widened) = (change != Change::Grown, change.is_widened());
        let is_declared = declaration.is_declared || known.is_some();
        let absent = AbsentCounts::default();
        let indexes = declaration.indexes.iter().map(|text| text.parse()).collect::<kapok_core::Result<Vec<_>>>()?;
        Ok(Self {
            encoding,
            declared,
            key,
            older,
            #[cfg(feature = "json")]
            absent_fields: declaration.absent_fields,
            absent,
            input: Arc::default(),
            is_new,
            is_widened,
            is_declared,
            evolution: declaration.evolution,
            indexes,
        })
    }

    #[cfg(feature = "json")]
    /// Makes a writer of values.
    pub(crate) fn message_writer(&self) -> Result<MessageWriter> {
        let mut message = MessageWriter::of_records(&self.encoding)?;
        message.set_absent_fields(self.absent_fields);
        Ok(message)
    }

    #[cfg(feature = "json")]
    /// Adds the absent fields that a writer of values has counted.
    pub(crate) fn note_absent(&self, message: &mut MessageWriter) {
        for (field, count) in message.take_absent() {
            *lock(&self.absent).entry(field).or_default() += count;
        }
    }

    /// Returns whether the type is published anew, or may be, so that its fields are known by their names.
    pub(crate) fn is_anew(&self) -> bool {
        self.evolution == Evolution::Republish || self.is_new && !self.is_widened
    }

    /// Returns the hash of the input, unless publishing the input again has more to tell than that nothing changed.
    pub(crate) fn input_to_note(&self) -> Option<Id> {
        let input = *lock(&self.input);
        input.filter(|_| lock(&self.absent).is_empty())
    }

    /// Checks that records of another declaration of the type lose nothing when they are staged by this one.
    ///
    /// # Errors
    /// `Invalid` if they would lose fields.
    pub(crate) fn check_takes(&self, declaration: &Declaration) -> Result<()> {
        let known = self.encoding.schema();
        let joined = known.evolve(&declaration.schema, &[declaration.type_id], OlderSchema::KeepNewer)?;
        if joined == **known { Ok(()) } else { Err(declared_twice(&declaration.name)) }
    }

    #[cfg(not(feature = "json"))]
    #[expect(clippy::unused_self, reason = "the twin of the one below")]
    fn has_same_absent_fields(&self, _: &Declaration) -> bool {
        true
    }

    /// Returns whether a declaration treats absent fields alike.
    #[cfg(feature = "json")]
    fn has_same_absent_fields(&self, declaration: &Declaration) -> bool {
        self.absent_fields == declaration.absent_fields
    }

    /// Returns whether a declaration says the same.
    pub(crate) fn is_of(&self, declaration: &Declaration, key: &[String]) -> bool {
        self.encoding.type_id() == declaration.type_id
            && self.declared == declaration.schema
            && self.key == key
            && self.encoding.sharing() == declaration.sharing
            && self.older == declaration.older
            && self.has_same_absent_fields(declaration)
            && (self.is_declared || !declaration.is_declared)
    }
}

pub(crate) fn declared_twice(record_type: &str) -> Error {
    Error::DeclaredTwice { record_type: record_type.to_owned() }
}

/// Refuses a change of the primary key.
fn check_key(name: &str, known: &[String], key: &[String]) -> Result<()> {
    if known == key {
        return Ok(());
    }
    Err(Error::KeyChange { record_type: name.to_owned(), known: known.to_vec(), given: key.to_vec() })
}

/// Refuses an inferred schema that would add fields to a declared type.
fn check_growth(schema: &Schema, before: &Schema, declaration: &Declaration) -> Result<()> {
    let name = &declaration.name;
    let mut grown: Vec<String> =
        schema.growth(before, declaration.type_id).into_iter().map(|field| format!("{name}.{field}")).collect();
    grown.extend(schema.grown_flags(before, declaration.type_id)?);
    if grown.is_empty() {
        return Ok(());
    }
    Err(Error::Growth { record_type: name.clone(), fields: grown })
}

fn check_type_id(known: &RecordType, declaration: &Declaration) -> Result<()> {
    if known.type_id == declaration.type_id {
        return Ok(());
    }
    let (record_type, known, given) = (known.name.clone(), known.type_id, declaration.type_id);
    Err(Error::TypeIdChange { record_type, known, given })
}
