//! Writes selected fields and aggregates as JSON.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kapok_core::record::{Budget, ValueRef};
use kapok_index::query::{Selected, Value};

use crate::export;
use crate::failure::Result;

/// Writes an object of fields of a record; what is null is left out, as in whole records.
pub fn write_fields(fields: &[(&str, Selected<'_>)], out: &mut impl Write) -> Result<()> {
    out.write_all(b"{")?;
    let mut separator = "";
    let is_left_out = |value: &Selected<'_>| matches!(value, Selected::One(ValueRef::Null | ValueRef::Void));
    for (name, value) in fields.iter().filter(|(_, value)| !is_left_out(value)) {
        write!(out, "{separator}{}:", serde_json::to_string(name)?)?;
        value.write_json(out, &mut Budget::default()).map_err(export::record_failure)?;
        separator = ",";
    }
    Ok(out.write_all(b"}")?)
}

/// Writes a value of a record.
pub fn write_value_of_record(value: &Selected<'_>, out: &mut impl Write) -> Result<()> {
    value.write_json(out, &mut Budget::default()).map_err(export::record_failure)
}

/// Writes an object of named values.
pub fn write_values<'v>(values: impl Iterator<Item = (&'v String, &'v Value)>, out: &mut impl Write) -> Result<()> {
    out.write_all(b"{")?;
    let mut separator = "";
    for (name, value) in values {
        write!(out, "{separator}{}:", serde_json::to_string(name)?)?;
        write_value(value, out)?;
        separator = ",";
    }
    Ok(out.write_all(b"}")?)
}

fn write_value(value: &Value, out: &mut impl Write) -> Result<()> {
    let text = match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_finite() => serde_json::to_string(value)?,
        Value::Float(value) => serde_json::to_string(&Value::Float(*value).to_string())?,
        Value::Text(text) | Value::Name(text) => serde_json::to_string(text)?,
        Value::Data(bytes) => serde_json::to_string(&BASE64.encode(bytes))?,
        Value::List(values) => {
            out.write_all(b"[")?;
            for (index, value) in values.iter().enumerate() {
                out.write_all(if index > 0 { b"," } else { b"" })?;
                write_value(value, out)?;
            }
            "]".to_owned()
        }
        _ => "null".to_owned(),
    };
    Ok(out.write_all(text.as_bytes())?)
}
