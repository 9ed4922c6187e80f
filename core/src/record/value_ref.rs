//! A value of a field or a list item, read in place.

use super::{ListValue, Record};
use crate::schema::{EnumType, Enumerant};

/// A value in place: numbers by value, everything else borrowed.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'v> {
    /// Absent: a null pointer without a default, an inactive member of a union, a number that its flag calls null.
    Null,
    /// The value of type `Void`.
    Void,
    /// A truth value.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    UInt(u64),
    /// A single-precision number.
    Float32(f32),
    /// A double-precision number.
    Float64(f64),
    /// Text.
    Text(&'v str),
    /// JSON, of a Text that is annotated so: as it is stored, unchecked.
    Json(&'v str),
    /// Bytes.
    Data(&'v [u8]),
    /// An enumerant, which a newer writer may know and `ty` may not.
    Enum {
        /// The enum.
        ty: &'v EnumType,
        /// The enumerant's ordinal.
        value: u16,
    },
    /// A list.
    List(ListValue<'v>),
    /// A struct or group.
    Struct(Record<'v>),
}

impl<'v> ValueRef<'v> {
    /// Returns whether this is `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the truth value; `None` for other values.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// Returns the integer, signed or not; `None` if it does not fit, and for other values.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::UInt(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Returns the integer, signed or not; `None` if it does not fit, and for other values.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(*value).ok(),
            Self::UInt(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the floating-point number of either precision; `None` for other values.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float32(value) => Some(f64::from(*value)),
            Self::Float64(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the text, that of JSON too, or the JSON name of an enumerant that the schema knows; `None` for other
    /// values.
    pub fn as_str(&self) -> Option<&'v str> {
        match self {
            Self::Text(text) | Self::Json(text) => Some(text),
            Self::Enum { .. } => self.enumerant().map(Enumerant::json_name),
            _ => None,
        }
    }

    /// Returns the bytes; `None` for other values.
    pub fn as_bytes(&self) -> Option<&'v [u8]> {
        if let Self::Data(bytes) = self { Some(bytes) } else { None }
    }

    /// Returns the list; `None` for other values.
    pub fn as_list(&self) -> Option<ListValue<'v>> {
        if let Self::List(list) = self { Some(*list) } else { None }
    }

    /// Returns the struct or group; `None` for other values.
    pub fn as_record(&self) -> Option<Record<'v>> {
        if let Self::Struct(record) = self { Some(*record) } else { None }
    }

    /// Returns the enumerant; `None` if the schema does not know it, and for other values.
    pub fn enumerant(&self) -> Option<&'v Enumerant> {
        if let Self::Enum { ty, value } = self { ty.enumerants.get(usize::from(*value)) } else { None }
    }

    /// Returns what kind of value this is, for errors.
    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Void => "Void",
            Self::Bool(_) => "Bool",
            Self::Int(_) => "a signed integer",
            Self::UInt(_) => "an unsigned integer",
            Self::Float32(_) => "Float32",
            Self::Float64(_) => "Float64",
            Self::Text(_) => "Text",
            Self::Json(_) => "JSON",
            Self::Data(_) => "Data",
            Self::Enum { .. } => "an enum",
            Self::List(_) => "a list",
            Self::Struct(_) => "a struct",
        }
    }
}
