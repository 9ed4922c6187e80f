//! `--vectors [FIELD=]FILE` and `--vector-keys FILE`: vectors that stand in files of their own.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use blake3::{Hash, Hasher};
use kapok_ingest::{RecordVectors, Value, VectorInput, VectorSetting, VectorTable};

use super::lines::Lines;
use super::vector_argument::VectorArgument;
use crate::failure::{Failure, Result};

/// Files of vectors, each of a field, mapped.
#[derive(Debug, Default)]
pub struct VectorFiles {
    inputs: Vec<VectorInput>,
    keys: Option<KeyFile>,
    hash: OnceLock<Hash>,
}

/// Keys of the records that rows belong to.
#[derive(Debug)]
struct KeyFile {
    name: String,
    bytes: Vec<u8>,
}

impl VectorFiles {
    /// Opens the files. `vectors`: the fields that were named, of which one alone need not be named again.
    pub fn open(arguments: &[String], keys: Option<&Path>, vectors: &[VectorArgument]) -> Result<Self> {
        let (keys, values) = keys.map(KeyFile::read).transpose()?.unzip();
        let mut inputs: Vec<VectorInput> = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let (field, path) = match (argument.split_once('='), vectors) {
                // The name of a field has no slash.
                (Some((field, path)), _) if !field.is_empty() && !field.contains('/') => (field, path),
                (_, [vector]) => (vector.field.as_str(), argument.as_str()),
                _ => {
                    let way_out = "say which field the vectors are of: --vectors FIELD=FILE";
                    return Err(Failure::usage(format!("--vectors {argument}: {way_out}")));
                }
            };
            if inputs.iter().any(|input| input.field == field) {
                return Err(Failure::usage(format!("--vectors: two files for the field {field}")));
            }
            let field = field.to_owned();
            inputs.push(VectorInput { field, table: table(path)?, keys: values.clone() });
        }
        Ok(Self { inputs, keys, hash: OnceLock::new() })
    }

    /// Returns the settings of the vector fields: of those that were named, with what their files hold, and of those that only
    /// files are named for.
    pub fn settings(&self, vectors: &[VectorArgument]) -> Vec<VectorSetting> {
        let held = |field: &str| {
            let input = self.inputs.iter().find(|input| input.field == field)?;
            Some((input.table.element(), input.table.dimension()))
        };
        let named = vectors.iter().map(|VectorArgument { field, metric, .. }| VectorSetting {
            path: field.clone(),
            metric: *metric,
            held: held(field),
        });
        let is_named = |input: &&VectorInput| vectors.iter().any(|vector| vector.field == input.field);
        let others = self
            .inputs
            .iter()
            .filter(|input| !is_named(input))
            .map(|input| VectorSetting { held: held(&input.field), ..VectorSetting::from(input.field.as_str()) });
        named.chain(others).collect()
    }

    /// Returns the vectors for the records of a run; `None` if there are no files.
    pub fn records(&self) -> Result<Option<Arc<RecordVectors>>> {
        if self.inputs.is_empty() {
            return Ok(None);
        }
        let vectors = RecordVectors::new(self.inputs.iter().cloned()).map_err(|error| self.explain(error.into()))?;
        Ok(Some(Arc::new(vectors)))
    }

    /// Checks that each vector was taken.
    pub fn check_taken(&self, vectors: Option<&Arc<RecordVectors>>) -> Result<()> {
        vectors.map_or(Ok(()), |vectors| vectors.check_taken().map_err(|error| self.explain(error.into())))
    }

    /// Checks that there are as many rows as lines, if rows belong to lines.
    pub fn check_lines(&self, lines: &Lines<'_>) -> Result<()> {
        if self.keys.is_some() || self.inputs.is_empty() {
            return Ok(());
        }
        let count = lines.last()?;
        match self.inputs.iter().find(|input| input.table.rows() != count) {
            None => Ok(()),
            Some(input) => Err(Failure::input(format!(
                "{}: rows={}, and {} has lines={count}; row i belongs to line i, or with --vector-keys to the record of key i",
                input.table.name(),
                input.table.rows(),
                lines.input.name()
            ))),
        }
    }

    /// Hashes all that the files hold; `None` if there are none.
    pub fn hash(&self) -> Option<Hash> {
        let hash = || {
            let mut hasher = Hasher::new();
            for VectorInput { field, table, .. } in &self.inputs {
                for part in [field.as_bytes(), table.name().as_bytes(), table.bytes()] {
                    hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
                }
            }
            hasher.update(self.keys.as_ref().map_or(&[], |keys| &keys.bytes));
            hasher.finalize()
        };
        (!self.inputs.is_empty()).then(|| *self.hash.get_or_init(hash))
    }

    /// Names the file of the keys.
    fn explain(&self, failure: Failure) -> Failure {
        match &self.keys {
            Some(keys) => failure.about(&keys.name),
            None => failure,
        }
    }
}

impl KeyFile {
    fn read(path: &Path) -> Result<(Self, Arc<[Value]>)> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| Failure::input(format!("{name}: cannot be read: {error}")))?;
        let keys: Vec<serde_json::Value> = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::input(format!("{name}: expected a JSON list of keys: {error}")))?;
        let keys = keys.iter().map(Value::from_serde).collect::<std::result::Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| Failure::from(error).about(&name))?;
        Ok((Self { name, bytes }, keys.into()))
    }
}

/// Maps a file of vectors.
pub fn table(path: &str) -> Result<VectorTable> {
    let unreadable = |error: std::io::Error| Failure::input(format!("{path}: cannot be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Failure::input(format!("{path}: vectors are mapped, so they must stand in a file")));
    }
    let bytes = kapok_blobstore::map_input(&file).map_err(unreadable)?;
    Ok(VectorTable::open(path, bytes)?)
}
