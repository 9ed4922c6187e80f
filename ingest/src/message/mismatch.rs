//! Errors about values that do not fit their type, with the path to the value.
//!
//! An error starts with an empty path; on its way up each level puts its step before it. So paths cost nothing as long
//! as all is well.

use std::fmt;

use crate::Value;
use kapok_core::{Error, Fault};

/// Characters of a text that an error repeats.
const EXCERPT_MAX: usize = 40;

/// Makes the error of a value that is not of the type.
#[cold]
pub(super) fn mismatch(expected: impl fmt::Display, found: &Value) -> Error {
    Fault::Mismatch { field: String::new(), expected: expected.to_string(), found: Description(found).to_string() }
        .into()
}

/// Makes the error of a text that stands for no value of the type.
#[cold]
pub(super) fn text_mismatch(expected: impl fmt::Display, found: &str) -> Error {
    let found = format!("text {:?}", excerpt(found));
    Fault::Mismatch { field: String::new(), expected: expected.to_string(), found }.into()
}

#[cold]
pub(super) fn below_type(name: &str, error: Error) -> Error {
    error.within(name)
}

#[cold]
pub(super) fn below_field(name: &str, error: Error) -> Error {
    error.within(&format!(".{}", excerpt(name)))
}

#[cold]
pub(super) fn below_item(index: usize, error: Error) -> Error {
    error.within(&format!("[{index}]"))
}

/// Returns the first characters of a text.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Lists the first of some names, with commas.
pub(super) fn listed<'n>(mut names: impl Iterator<Item = &'n str>) -> String {
    let mut out = names.by_ref().take(EXCERPT_MAX).collect::<Vec<_>>().join(",");
    if names.next().is_some() {
        out.push_str(",…");
    }
    out
}

/// A value, for people.
struct Description<'v>(&'v Value);

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::UInt(value) => write!(f, "{value}"),
            Value::Float32(value) => write!(f, "the float {value:?}"),
            Value::Float64(value) => write!(f, "the float {value:?}"),
            Value::Text(text) => write!(f, "text {:?}", excerpt(text)),
            Value::Data(data) => write!(f, "data of {} bytes", data.len()),
            Value::List(items) => write!(f, "a list of {}", items.len()),
            Value::Struct(members) => write!(f, "a struct of {} members", members.len()),
            Value::Map(entries) => write!(f, "a map of {} entries", entries.len()),
            Value::Variant(name, payload) if **payload == Value::Null => write!(f, "variant {}", excerpt(name)),
            Value::Variant(name, _) => write!(f, "variant {} with a payload", excerpt(name)),
        }
    }
}
