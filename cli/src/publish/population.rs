//! Adds lines of input to a cycle as records.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kapok_core::manifest::RecordType;
use kapok_core::schema::Schema;
use kapok_index::View;
use kapok_ingest::Value;
use kapok_ingest::{Inference, InferenceSettings, SchemaRequest};
use kapok_producer::{
    AbsentFields, BoxError, Cycle, Declaration, Evolution, IncrementalCycle, OlderSchema, Sharing, ValueWriter,
};

use super::input::Input;
use super::lines::{Lines, at};
use crate::failure::{Failure, Result};

/// Declaration of a record type, as far as it is known before its records are read.
#[derive(Debug)]
pub struct Population {
    /// Its name.
    pub record_type: String,
    /// Names of the key's fields; empty: those of the schema or the dataset.
    pub key: Vec<String>,
    /// Source of its schema.
    pub schema: SchemaSource,
    /// Whether equal values share their bytes.
    pub sharing: Sharing,
    /// How the schema may differ from the dataset's.
    pub evolution: Evolution,
    /// Whether data may add fields to a type that was declared.
    pub may_grow: bool,
    /// How absent numbers, Bools and enums are treated.
    pub absent_fields: AbsentFields,
    /// How fields of the dataset are treated that a declared schema does not know.
    pub older: OlderSchema,
    /// Tags of the version.
    pub tags: Vec<(String, String)>,
}

/// Source of a schema.
#[derive(Debug)]
pub enum SchemaSource {
    /// From the records, and from the dataset if it has the type.
    Inferred {
        /// Paths of vectors.
        vectors: Vec<String>,
        /// Paths of objects whose keys are data.
        maps: Vec<String>,
        /// Paths of members that are kept as JSON.
        json: Vec<String>,
    },
    /// From a file.
    Declared {
        /// All types that the record type reaches.
        schema: Schema,
        /// The record type's struct.
        type_id: u64,
    },
}

impl SchemaSource {
    /// Reads a `.cgr` file, or compiles a `.capnp` file.
    pub fn load(path: &Path, import_paths: &[PathBuf], record_type: &str) -> Result<Self> {
        let about = |error: kapok_core::Error| Failure::input(error.to_string()).about(&path.display().to_string());
        let unreadable = |error| Failure::input(format!("{}: cannot be read: {error}", path.display()));
        let request = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("cgr")) {
            let bytes = std::fs::read(path).map_err(unreadable)?;
            SchemaRequest::decode(&bytes)
        } else {
            std::fs::metadata(path).map_err(unreadable)?;
            SchemaRequest::compile(path, import_paths)
        };
        let (schema, type_id) = request.and_then(|request| request.record_type(record_type)).map_err(about)?;
        Ok(Self::Declared { schema, type_id })
    }
}

impl Population {
    /// Declares the record type and adds every record of the input.
    pub fn run(&self, cycle: &Cycle, input: &Input, threads: usize) -> std::result::Result<(), BoxError> {
        let declaration = self.declaration(cycle.prior(), input, threads)?;
        cycle.declare(&declaration)?;
        for (key, value) in &self.tags {
            cycle.tag(key, value);
        }
        Self::write(cycle, &declaration, input, threads)?;
        Ok(())
    }

    /// Adds the input's records to the newest version, or replaces those of the same keys.
    pub fn upsert(&self, cycle: &IncrementalCycle, input: &Input, threads: usize) -> std::result::Result<(), BoxError> {
        let declaration = self.declaration(cycle.prior(), input, threads)?;
        cycle.declare(&declaration)?;
        let mut changes = cycle.values(declaration.name())?;
        Lines { input, threads, what: "staging" }
            .in_order(|line, record| changes.upsert(record).map_err(|error| of_line(input, line, error)))?;
        Ok(())
    }

    fn declaration(&self, prior: &View, input: &Input, threads: usize) -> Result<Declaration> {
        let known = prior.manifest().record_type(&self.record_type);
        let (schema, type_id) = match &self.schema {
            SchemaSource::Declared { schema, type_id } => (schema.clone(), *type_id),
            SchemaSource::Inferred { vectors, maps, json } => {
                let (vectors, maps, json) = (vectors.clone(), maps.clone(), json.clone());
                let settings = InferenceSettings { key: self.key(known), vectors, maps, json };
                self.infer(prior, known, settings, input, threads)?
            }
        };
        let mut declaration = Declaration::new(schema, type_id)?.sharing(self.sharing).evolution(self.evolution);
        declaration = declaration.absent_fields(self.absent_fields).older_schema(self.older);
        if matches!(self.schema, SchemaSource::Inferred { .. }) {
            declaration = declaration.inferred();
        }
        if self.may_grow {
            declaration = declaration.grow();
        }
        let is_annotated = !declaration.schema().struct_type(type_id)?.key.is_empty();
        if !self.key.is_empty() || !is_annotated {
            declaration = declaration.key(self.key(known));
        }
        Ok(declaration)
    }

    /// Returns the key asked for, or else the dataset's.
    fn key(&self, known: Option<&RecordType>) -> Vec<String> {
        if self.key.is_empty() { known.map_or_else(Vec::new, |ty| ty.key.clone()) } else { self.key.clone() }
    }

    fn infer(
        &self,
        prior: &View,
        known: Option<&RecordType>,
        settings: InferenceSettings,
        input: &Input,
        threads: usize,
    ) -> Result<(Schema, u64)> {
        if settings.key.is_empty() {
            let name = &self.record_type;
            return Err(Failure::input(format!("record type {name} has no key yet; name its fields with --key")));
        }
        let mut inference = match (known, self.evolution) {
            (Some(known), Evolution::Append | Evolution::Widen) => {
                Inference::extending(&prior.manifest().schema, known.type_id, settings)?
            }
            _ => Inference::new(&self.record_type, settings)?,
        };
        if self.evolution == Evolution::Widen {
            inference.widen_integers();
        }
        Lines { input, threads, what: "inferring" }
            .in_order(|line, record| inference.observe(record, line).map_err(|error| at(input.name(), line, &error)))?;
        inference.finish().map_err(|error| Failure::from(error).about(input.name()))
    }

    fn write(cycle: &Cycle, declaration: &Declaration, input: &Input, threads: usize) -> Result<()> {
        let unit = Arc::from("line");
        Lines { input, threads, what: "staging" }.spread(
            || Ok(cycle.values(declaration.name())?),
            |writer: &mut ValueWriter<'_>, line, record: &Value| {
                writer.set_position(&unit, line);
                writer.add(record).map_err(|error| of_line(input, line, error))
            },
        )
    }
}

/// Makes the failure of a line out of an error of the cycle.
fn of_line(input: &Input, line: u64, error: kapok_producer::Error) -> Failure {
    match &error {
        kapok_producer::Error::Data(data) => at(input.name(), line, data),
        _ => error.into(),
    }
}
