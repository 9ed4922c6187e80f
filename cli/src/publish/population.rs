//! Adds lines of input to a cycle as records.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blake3::{Hash, Hasher};
use kapok_core::manifest::{Id, Manifest};
use kapok_core::schema::Schema;
use kapok_index::View;
use kapok_ingest::{Inference, InferenceSettings, RecordVectors, SchemaRequest, Seen, Value};
use kapok_producer::{
    AbsentFields, BoxError, Cycle, Declaration, Evolution, IncrementalCycle, OlderSchema, Sharing, ValueWriter,
};

use super::inferring::infer;
use super::input::{Digest, Input};
use super::lines::{Line, Lines, of_text};
use super::vector_argument::VectorArgument;
use super::vector_files::VectorFiles;
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
    /// Whether new fields of integers are as narrow as their values allow.
    pub compact: bool,
    /// How the schema may differ from the dataset's.
    pub evolution: Evolution,
    /// Whether data may add fields to a type that was declared.
    pub may_grow: bool,
    /// How absent numbers, Bools and enums are treated.
    pub absent_fields: AbsentFields,
    /// How fields of the dataset are treated that a declared schema does not know.
    pub older: OlderSchema,
    /// Files of vectors.
    pub vectors: VectorFiles,
    /// Tags of the version.
    pub tags: Vec<(String, String)>,
}

/// Source of a schema.
#[derive(Debug)]
pub enum SchemaSource {
    /// From the records, and from the dataset if it has the type.
    Inferred {
        /// Vector fields.
        vectors: Vec<VectorArgument>,
        /// Paths of objects whose keys are data.
        maps: Vec<String>,
        /// Paths of members that are kept as JSON.
        json: Vec<String>,
        /// References, as declarations take them.
        references: Vec<String>,
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

/// Bytes of the first lines, whose schema is tried on all of them.
const GUESS_BYTES: u64 = 1 << 17;

impl Population {
    /// Declares the record type and adds every record of the input; or keeps the type as it is if the input is the one
    /// that it was published from.
    pub fn run(&self, cycle: &Cycle, input: &Input, threads: usize) -> std::result::Result<(), BoxError> {
        for (key, value) in &self.tags {
            cycle.tag(key, value);
        }
        if self.is_published(cycle.prior(), input)? {
            return Ok(cycle.keep_type(&self.record_type)?);
        }
        let lines = Lines { input, threads, what: "staging" };
        self.vectors.check_lines(&Lines { what: "counting", ..lines })?;
        let (digest, vectors) = if let Some(staged) = self.stage_by_first_lines(cycle, &lines) {
            staged
        } else {
            let declaration = self.declaration(cycle.prior(), input, threads)?;
            cycle.declare(&declaration)?;
            let vectors = self.vectors.records()?;
            (Self::write(cycle, &declaration, &lines, vectors.as_ref())?, vectors)
        };
        self.vectors.check_taken(vectors.as_ref())?;
        if let Some(hash) = digest.get() {
            cycle.set_input(&self.record_type, self.hash_with_options(&hash))?;
        }
        Ok(())
    }

    /// Adds the input's records to the newest version, or replaces those of the same keys.
    pub fn upsert(&self, cycle: &IncrementalCycle, input: &Input, threads: usize) -> std::result::Result<(), BoxError> {
        let lines = Lines { input, threads: 1, what: "staging" };
        self.vectors.check_lines(&Lines { what: "counting", ..lines })?;
        let declaration = self.declaration(cycle.prior(), input, threads)?;
        cycle.declare(&declaration)?;
        let mut changes = cycle.values(declaration.name())?;
        let vectors = self.vectors.records()?;
        vectors.iter().try_for_each(|vectors| changes.set_vectors(vectors))?;
        lines.chunks_in_order(
            || (),
            |(), chunk| chunk,
            |chunk| {
                chunk.lines().try_for_each(|line| {
                    changes.set_vector_row(line.number - 1);
                    changes.upsert_json(line.bytes).map_err(|error| of_line(input, line, error))
                })
            },
        )?;
        Ok(self.vectors.check_taken(vectors.as_ref())?)
    }

    /// Returns whether the record type was published from this input, in the same way, and not changed since.
    fn is_published(&self, prior: &View, input: &Input) -> Result<bool> {
        let manifest = prior.manifest();
        let Some(known) = manifest.record_type(&self.record_type) else { return Ok(false) };
        let (Some(hash), Ok(table)) = (known.input, prior.table(&self.record_type)) else { return Ok(false) };
        // Keys are named by either name.
        let ty = manifest.schema.struct_type(known.type_id)?;
        let key = self.key.iter().map(|part| ty.field_by_any_name(part).map_or(part, |field| &field.name));
        let has_key = self.key.is_empty() || key.eq(&known.key);
        if !has_key || self.evolution != Evolution::Append || prior.left_out().contains_key(&self.record_type) {
            return Ok(false);
        }
        let unreadable = |error| Failure::input(format!("{}: cannot be read: {error}", input.name()));
        if self.hash_with_options(&input.hash().map_err(unreadable)?) != hash {
            return Ok(false);
        }
        // Damaged records are not those of the input: publishing it makes them whole.
        let segments = known.segments.iter().zip(table.segments());
        Ok(segments.into_iter().all(|(entry, source)| source.segment().verify_hash(&entry.id).is_ok()))
    }

    /// Hashes the input together with all that decides which records are read from it, but for the key, which the
    /// dataset has.
    fn hash_with_options(&self, input: &Hash) -> Id {
        // How the schema may differ decides if records are taken, not what becomes of them; and fields that are known
        // stay as wide as they are.
        let Self { record_type, schema, sharing, absent_fields, older, .. } = self;
        let options = (record_type, schema, sharing, absent_fields, older);
        let options = format!("kapok publish {} {options:?}", env!("CARGO_PKG_VERSION"));
        let mut hasher = Hasher::new();
        hasher.update(input.as_bytes()).update(options.as_bytes());
        if let Some(vectors) = self.vectors.hash() {
            hasher.update(vectors.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Stages all lines by the schema of the dataset and of the first lines, and returns the input's hash; `None` if
    /// there is no such schema or some line shows more than it says. Then nothing is staged.
    fn stage_by_first_lines(&self, cycle: &Cycle, lines: &Lines<'_>) -> Option<(Digest, Vectors)> {
        if !matches!(self.schema, SchemaSource::Inferred { .. }) {
            return None;
        }
        let mut inference = self.inference(cycle.prior()).ok()?;
        for line in lines.first(GUESS_BYTES)?.lines() {
            inference.observe(&Value::from_json(line.bytes).ok()?, line.number).ok()?;
        }
        let seen = inference.seen();
        let (schema, type_id) = inference.finish().ok()?;
        let declaration = self.declaration_of(cycle.prior(), schema, type_id).ok()?;
        let vectors = self.vectors.records().ok()?;
        let write = |()| Self::write_seen(cycle, &declaration, &seen, lines, vectors.as_ref());
        let staged = cycle.declare(&declaration).ok().and_then(write);
        if staged.is_none() {
            cycle.withdraw(&self.record_type);
        }
        Some((staged?, vectors))
    }

    fn declaration(&self, prior: &View, input: &Input, threads: usize) -> Result<Declaration> {
        let (schema, type_id) = match &self.schema {
            SchemaSource::Declared { schema, type_id } => (schema.clone(), *type_id),
            SchemaSource::Inferred { .. } => {
                let lines = Lines { input, threads, what: "inferring" };
                infer(self.inference(prior)?, &lines)?
            }
        };
        self.declaration_of(prior, schema, type_id)
    }

    fn declaration_of(&self, prior: &View, schema: Schema, type_id: u64) -> Result<Declaration> {
        let mut declaration = Declaration::new(schema, type_id)?.sharing(self.sharing).evolution(self.evolution);
        declaration = declaration.absent_fields(self.absent_fields).older_schema(self.older);
        if let SchemaSource::Inferred { references, vectors, .. } = &self.schema {
            declaration = references.iter().try_fold(declaration.inferred(), |it, text| it.reference(text))?;
            let indexes = vectors.iter().filter_map(VectorArgument::index_text);
            declaration = indexes.fold(declaration, |it, text| it.index(&text));
        }
        if self.may_grow {
            declaration = declaration.grow();
        }
        let is_annotated = !declaration.schema().struct_type(type_id)?.key.is_empty();
        if !self.key.is_empty() || !is_annotated {
            declaration = declaration.key(self.key(prior.manifest()));
        }
        Ok(declaration)
    }

    /// Returns the key asked for, or else the dataset's, by JSON names: a Cap'n Proto name may be that of another field in JSON.
    fn key(&self, prior: &Manifest) -> Vec<String> {
        let known = prior.record_type(&self.record_type).filter(|_| self.key.is_empty());
        let Some(known) = known else { return self.key.clone() };
        let in_json = |path: &String| prior.schema.json_path(known.type_id, path).unwrap_or_else(|| path.clone());
        known.key.iter().map(in_json).collect()
    }

    fn inference(&self, prior: &View) -> Result<Inference> {
        let known = prior.manifest().record_type(&self.record_type);
        let mut settings = InferenceSettings {
            key: self.key(prior.manifest()),
            compact: self.compact,
            ..InferenceSettings::default()
        };
        if let SchemaSource::Inferred { vectors, maps, json, .. } = &self.schema {
            settings.vectors = self.vectors.settings(vectors);
            (settings.maps, settings.json) = (maps.clone(), json.clone());
        }
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
        Ok(inference)
    }

    fn write(
        cycle: &Cycle,
        declaration: &Declaration,
        lines: &Lines<'_>,
        vectors: Option<&Arc<RecordVectors>>,
    ) -> Result<Digest> {
        let (unit, digest) = (Arc::from("line"), Digest::default());
        lines.spread(
            &digest,
            || LineWriter::new(cycle, declaration, vectors),
            |writer, line| {
                let added = writer.at(&unit, line.number).add_json(line.bytes);
                added.map_err(|error| of_line(lines.input, line, error))
            },
        )?;
        Ok(digest)
    }

    /// Writes lines that show nothing but what was seen; `None` if there is another line.
    fn write_seen(
        cycle: &Cycle,
        declaration: &Declaration,
        seen: &Seen,
        lines: &Lines<'_>,
        vectors: Option<&Arc<RecordVectors>>,
    ) -> Option<Digest> {
        let (unit, digest) = (Arc::from("line"), Digest::default());
        let written = lines.spread(
            &digest,
            || {
                let mut lines = LineWriter::new(cycle, declaration, vectors)?;
                lines.writer.set_seen(seen);
                Ok(lines)
            },
            |writer, line| {
                let added = line.text.map(|text| writer.at(&unit, line.number).add_seen_json(text));
                // The other way tells what is wrong, if anything is.
                if matches!(added, Some(Ok(true))) { Ok(()) } else { Err(Failure::input(String::new())) }
            },
        );
        written.ok().map(|()| digest)
    }
}

/// Writer of lines.
struct LineWriter<'c> {
    writer: ValueWriter<'c>,
    /// The line that the writer takes the next record for.
    next: u64,
}

/// Vectors of a run.
type Vectors = Option<Arc<RecordVectors>>;

impl<'c> LineWriter<'c> {
    fn new(cycle: &'c Cycle, declaration: &Declaration, vectors: Option<&Arc<RecordVectors>>) -> Result<Self> {
        let mut writer = cycle.values(declaration.name())?;
        if let Some(vectors) = vectors {
            writer.set_vectors(vectors)?;
        }
        Ok(Self { writer, next: 0 })
    }

    fn at(&mut self, unit: &Arc<str>, line: u64) -> &mut ValueWriter<'c> {
        if line != self.next {
            self.writer.set_position(unit, line);
        }
        self.next = line + 1;
        self.writer.set_vector_row(line - 1);
        &mut self.writer
    }
}

/// Makes the failure of a line out of an error of the cycle.
fn of_line(input: &Input, line: Line<'_>, error: kapok_producer::Error) -> Failure {
    match &error {
        kapok_producer::Error::Data(data) => of_text(input.name(), line, data),
        _ => error.into(),
    }
}
