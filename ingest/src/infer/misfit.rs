//! Errors of values that the schema does not take.

use crate::Value;
use kapok_core::schema::Type;
use kapok_core::{Error, Fault};

/// Shorthand for results of a walk.
pub(super) type Fit<T = ()> = Result<T, Misfit>;

/// A value that cannot be taken: one machine word, since every value of a record could have one.
#[derive(Debug)]
pub(super) struct Misfit(Box<Facts>);

#[derive(Debug)]
struct Facts {
    /// Path from the record, which the walk completes on its way back.
    path: String,
    detail: String,
}

impl Misfit {
    #[cold]
    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self(Box::new(Facts { path: String::new(), detail: detail.into() }))
    }

    /// Adds the name of the member that holds the value.
    #[cold]
    pub(super) fn within(mut self, name: &str) -> Self {
        let path = &mut self.0.path;
        let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        *path = format!("{name}{dot}{path}");
        self
    }

    /// Adds the index of the list element that holds the value.
    #[cold]
    pub(super) fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// Makes the error of a record of that type and line.
    #[cold]
    pub(super) fn into_error(self, record_type: &str, line: u64) -> Error {
        let Facts { path, detail } = *self.within(record_type).0;
        Fault::Inference { line, field: path, detail }.into()
    }
}

/// Returns what a value is called in messages.
pub(super) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Int(_) | Value::UInt(_) => "an integer",
        Value::Float32(_) | Value::Float64(_) => "a float",
        Value::Text(_) => "a text",
        Value::Data(_) => "bytes",
        Value::List(_) => "a list",
        Value::Struct(_) => "an object",
        Value::Map(_) => "a map",
        Value::Variant(..) => "an enum variant",
    }
}

/// Returns a value as messages have it.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Bool(v) => format!("{} {v}", describe(value)),
        Value::Int(v) => format!("{} {v}", describe(value)),
        Value::UInt(v) => format!("{} {v}", describe(value)),
        Value::Float32(v) => format!("{} {v}", describe(value)),
        Value::Float64(v) => format!("{} {v}", describe(value)),
        _ => describe(value).to_owned(),
    }
}

/// Returns a type as the schema language has it; structs and enums without their names.
pub(super) fn describe_type(ty: &Type) -> String {
    match ty {
        Type::List(element) => format!("List({})", describe_type(element)),
        Type::Enum(_) => "an enum".to_owned(),
        Type::Struct(_) => "a struct".to_owned(),
        plain => format!("{plain:?}"),
    }
}
