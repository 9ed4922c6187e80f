//! What does a value say that the schema does not take?

use crate::schema::Type;
use crate::value::Value;

/// Shorthand for results of a walk.
pub(super) type Fit<T = ()> = Result<T, Box<Misfit>>;

/// A value that cannot be taken, by its path from the record; the walk puts the path together on its way back.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) path: String,
    pub(super) detail: String,
}

impl Misfit {
    #[cold]
    pub(super) fn new(detail: impl Into<String>) -> Box<Self> {
        Box::new(Self { path: String::new(), detail: detail.into() })
    }

    /// Of a member of that name.
    #[cold]
    pub(super) fn within(mut self: Box<Self>, name: &str) -> Box<Self> {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// Of an element of a list.
    #[cold]
    pub(super) fn at(self: Box<Self>, index: usize) -> Box<Self> {
        self.within(&format!("[{index}]"))
    }
}

/// What a value is called in messages.
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

/// A value as messages have it.
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

/// A type as the schema language has it; structs and enums without their names.
pub(super) fn describe_type(ty: &Type) -> String {
    match ty {
        Type::List(element) => format!("List({})", describe_type(element)),
        Type::Enum(_) => "an enum".to_owned(),
        Type::Struct(_) => "a struct".to_owned(),
        plain => format!("{plain:?}"),
    }
}
