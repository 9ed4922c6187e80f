//! JSON text of a value in a field that keeps JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::depth::deeper;
use crate::Value;
use kapok_core::{Error, Result};

/// Returns the text of a value that lies within `depth` structs and lists.
///
/// # Errors
/// [`Fault::Limit`](kapok_core::Fault::Limit) if it nests too deep.
pub(crate) fn json_text(value: &Value, depth: u32) -> Result<String> {
    let mut out = Vec::new();
    write(value, depth, &mut out)?;
    String::from_utf8(out).map_err(|error| Error::invalid("", error.to_string()))
}

fn write(value: &Value, depth: u32, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null => plain(&(), out),
        Value::Bool(value) => plain(value, out),
        Value::Int(value) => plain(value, out),
        Value::UInt(value) => plain(value, out),
        Value::Float32(value) if value.is_finite() => plain(value, out),
        Value::Float64(value) if value.is_finite() => plain(value, out),
        Value::Float32(value) => not_finite(f64::from(*value), out),
        Value::Float64(value) => not_finite(*value, out),
        Value::Text(text) => plain(text, out),
        Value::Data(bytes) => plain(&BASE64.encode(bytes), out),
        Value::List(items) => {
            let depth = deeper(depth)?;
            sequence(*b"[]", items, out, |item, out| write(item, depth, out))
        }
        Value::Struct(members) => {
            let depth = deeper(depth)?;
            sequence(*b"{}", members, out, |(name, item), out| member(name, item, depth, out))
        }
        Value::Map(entries) => {
            let depth = deeper(depth)?;
            if entries.iter().all(|(key, _)| matches!(key, Value::Text(_))) {
                return sequence(*b"{}", entries, out, |(key, item), out| {
                    write(key, depth, out)?;
                    out.push(b':');
                    write(item, depth, out)
                });
            }
            let within = deeper(depth)?;
            sequence(*b"[]", entries, out, |(key, item), out| {
                sequence(*b"{}", &[("key", key), ("value", item)], out, |(name, item), out| {
                    member(name, item, within, out)
                })
            })
        }
        Value::Variant(name, held) if **held == Value::Null => plain(name, out),
        Value::Variant(name, held) => {
            let depth = deeper(depth)?;
            sequence(*b"{}", &[(name, held)], out, |(name, held), out| member(name, held, depth, out))
        }
    }
}

fn member(name: &str, value: &Value, depth: u32, out: &mut Vec<u8>) -> Result<()> {
    plain(name, out)?;
    out.push(b':');
    write(value, depth, out)
}

fn sequence<T>(
    [begin, end]: [u8; 2],
    items: &[T],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    out.push(begin);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    out.push(end);
    Ok(())
}

fn plain<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(out, value).map_err(|error| Error::invalid("", error.to_string()))
}

fn not_finite(value: f64, out: &mut Vec<u8>) -> Result<()> {
    plain(
        if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        },
        out,
    )
}
