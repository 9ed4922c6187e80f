//! Which vector belongs to which record.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hashbrown::HashMap;
use kapok_core::schema::{FieldKind, Schema, StructType};
use kapok_core::segment::Encoding;
use kapok_core::words::Words;
use kapok_core::{Error, Result};

use super::VectorTable;
use crate::message::json_text;
use crate::{MessageWriter, Value};

/// A field whose vectors come from a table.
#[derive(Clone, Debug)]
pub struct VectorInput {
    /// The field: names of Cap'n Proto or of JSON joined by dots, outside of unions.
    pub field: String,
    /// Its vectors.
    pub table: VectorTable,
    /// The key of each row's record, as JSON has it: a list of its parts if there are several. `None`: the row is the record's
    /// [position](crate::MessageWriter::set_vector_row).
    pub keys: Option<Arc<[Value]>>,
}

/// Vectors for the records that several writers write, each of which is taken once.
#[derive(Debug)]
pub struct RecordVectors {
    pub(crate) inputs: Vec<InputRows>,
}

/// Rows by the encoded keys of their records.
pub(crate) type KeyedRows = HashMap<Vec<u8>, u64>;

/// An input, and which of its rows were taken.
#[derive(Debug)]
pub(crate) struct InputRows {
    pub(crate) input: VectorInput,
    /// A bit for each row.
    taken: Box<[AtomicU64]>,
    /// Made by the first writer, which knows how keys are encoded.
    by_key: Mutex<Option<Arc<KeyedRows>>>,
}

impl RecordVectors {
    /// Begins with all rows of some tables.
    ///
    /// # Errors
    /// `Invalid` if there are not as many keys as rows.
    pub fn new(inputs: impl IntoIterator<Item = VectorInput>) -> Result<Self> {
        let inputs = inputs.into_iter().map(InputRows::new).collect::<Result<_>>()?;
        Ok(Self { inputs })
    }

    /// Checks that each vector was taken by a record.
    ///
    /// # Errors
    /// `Invalid`, naming the first that was not.
    pub fn check_taken(&self) -> Result<()> {
        self.inputs.iter().try_for_each(InputRows::check_taken)
    }
}

impl InputRows {
    fn new(input: VectorInput) -> Result<Self> {
        let (rows, table) = (input.table.rows(), input.table.name());
        if let Some(keys) = &input.keys
            && keys.len() as u64 != rows
        {
            return Err(Error::invalid(table, format!("rows={rows}, and there are {} keys for them", keys.len())));
        }
        let words = usize::try_from(rows.div_ceil(64)).unwrap_or(usize::MAX);
        let taken = (0..words).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { input, taken, by_key: Mutex::default() })
    }

    /// Returns the rows by key, if they are told by keys.
    pub(crate) fn by_key(&self, encoding: &Encoding) -> Result<Option<Arc<KeyedRows>>> {
        let Some(keys) = &self.input.keys else { return Ok(None) };
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if by_key.is_none() {
            *by_key = Some(Arc::new(encode_keys(encoding, keys)?));
        }
        Ok(by_key.clone())
    }

    /// Returns the vector of a row, in place, which is then taken.
    pub(crate) fn take(&self, row: u64) -> Result<Bytes> {
        let table = &self.input.table;
        let vector = table.bytes().slice_ref(table.row(row)?);
        if let Some(word) = usize::try_from(row / 64).ok().and_then(|at| self.taken.get(at)) {
            word.fetch_or(1 << (row % 64), Ordering::Relaxed);
        }
        Ok(vector)
    }

    fn check_taken(&self) -> Result<()> {
        let rows = self.input.table.rows();
        let is_taken = |row: u64| {
            let word = usize::try_from(row / 64).ok().and_then(|at| self.taken.get(at));
            word.is_some_and(|word| word.load(Ordering::Relaxed) >> (row % 64) & 1 == 1)
        };
        let taken: u64 = self.taken.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum();
        let Some(row) = (0..rows).find(|row| !is_taken(*row)) else { return Ok(()) };
        let key = usize::try_from(row).ok().and_then(|at| self.input.keys.as_ref()?.get(at)).map(text);
        let whose = key.map_or_else(String::new, |key| format!(", of key {key},"));
        let problem = format!("rows={rows}, and {taken} have a record: row {row}{whose} has none");
        Err(Error::invalid(self.input.table.name(), problem))
    }
}

/// Returns a key for people.
fn text(key: &Value) -> String {
    json_text(key, 0).unwrap_or_else(|_| "a list of lists".to_owned())
}

/// Encodes keys as those of records that have nothing else.
fn encode_keys(encoding: &Encoding, keys: &[Value]) -> Result<KeyedRows> {
    let (schema, key) = (encoding.schema(), encoding.key());
    let record = schema.struct_type(encoding.type_id())?;
    let names = key.names().map(|name| json_names(schema, record, name)).collect::<Result<Vec<_>>>()?;
    let mut writer = MessageWriter::of_records(encoding)?;
    let mut out = KeyedRows::with_capacity(keys.len());
    for (row, given) in (0..).zip(keys) {
        let about = |problem: String| Error::invalid(format!("key {row}"), problem);
        let parts = match given {
            Value::List(parts) => parts.as_slice(),
            part => std::slice::from_ref(part),
        };
        if parts.len() != names.len() {
            return Err(about(format!("{} parts, where the key has {}", parts.len(), names.len())));
        }
        let mut members = Vec::new();
        for (path, part) in names.iter().zip(parts) {
            put(&mut members, path, part);
        }
        let message = writer.write(&Value::Struct(members)).map_err(|error| about(error.to_string()))?;
        let mut encoded = Vec::new();
        let root = Words::new(message).struct_of(0).ok().flatten();
        if root.is_none_or(|root| key.encode_row(root, &mut encoded) != Ok(true)) {
            return Err(about("is no key of a record".to_owned()));
        }
        if let Some(first) = out.insert(encoded, row) {
            return Err(about(format!("{} is that of row {first} too", text(given))));
        }
    }
    Ok(out)
}

/// Returns the JSON names of a key field and of the groups around it.
fn json_names(schema: &Schema, record: &StructType, path: &str) -> Result<Vec<String>> {
    let (mut ty, mut out) = (record, Vec::new());
    for name in path.split('.') {
        let Some(field) = ty.field(name) else { return Err(Error::schema(path, "no field of the key")) };
        out.push(field.json_name().to_owned());
        if let FieldKind::Group(id) = field.kind {
            ty = schema.struct_type(id)?;
        }
    }
    Ok(out)
}

fn put(members: &mut Vec<(Cow<'static, str>, Value)>, path: &[String], value: &Value) {
    let Some((name, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        return members.push((name.clone().into(), value.clone()));
    }
    if !members.iter().any(|(known, _)| known == name) {
        members.push((name.clone().into(), Value::Struct(Vec::new())));
    }
    if let Some((_, Value::Struct(group))) = members.iter_mut().find(|(known, _)| known == name) {
        put(group, rest, value);
    }
}
