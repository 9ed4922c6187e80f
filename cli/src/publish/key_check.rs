//! Does a record have its key? An encoder takes an absent number for the default, and that is no key.

use kapok_core::schema::{FieldKind, Schema};
use kapok_core::value::Value;
use kapok_core::{Error, Result};

/// Finds the fields of a key in values.
pub struct KeyCheck {
    record_type: String,
    /// For each key field the way to it: each step by its name in JSON and in Cap'n Proto.
    paths: Vec<Vec<(String, String)>>,
}

impl KeyCheck {
    /// Resolves the names of the key's fields, which may lead through groups. What cannot be resolved is left for the
    /// encoding to refuse.
    pub fn new(schema: &Schema, type_id: u64, key: &[String]) -> Result<Self> {
        let record = schema.struct_type(type_id)?;
        let mut paths = Vec::new();
        for name in key {
            let mut ty = Some(record);
            let mut path = Vec::new();
            for step in name.split('.') {
                let Some(field) = ty.and_then(|ty| ty.field_by_any_name(step)) else { break };
                path.push((field.json_name().to_owned(), field.name.clone()));
                ty = match field.kind {
                    FieldKind::Group(id) => schema.get_struct(id),
                    FieldKind::Slot { .. } => None,
                };
            }
            paths.push(path);
        }
        Ok(Self { record_type: record.name.clone(), paths })
    }

    /// Refuses a record that lacks a field of its key.
    pub fn check(&self, record: &Value) -> Result<()> {
        for path in &self.paths {
            let mut value = Some(record);
            for (json_name, name) in path {
                value = match value {
                    Some(Value::Struct(members)) => {
                        members.iter().find(|(it, _)| it == json_name || it == name).map(|(_, value)| value)
                    }
                    // Not an object: the encoder says so better.
                    _ => return Ok(()),
                };
            }
            if matches!(value, None | Some(Value::Null)) {
                let names: Vec<_> = path.iter().map(|(json_name, _)| json_name.as_str()).collect();
                let detail = "missing key: the record lacks this key field";
                return Err(Error::invalid(format!("{}.{}", self.record_type, names.join(".")), detail));
            }
        }
        Ok(())
    }
}
