//! Bits of a value in a data section or a list of numbers.

use hashbrown::HashMap;

use super::mismatch::{listed, mismatch, text_mismatch};
use crate::Value;
use kapok_core::schema::{EnumType, Type};
use kapok_core::words::ElementSize;
use kapok_core::{Error, Result};

/// A type without pointers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar {
    Void,
    Bool,
    /// A signed integer of this number of bits.
    Signed(u32),
    /// An unsigned integer of this number of bits.
    Unsigned(u32),
    Float32,
    Float64,
    /// An enum, by index in [`MessagePlan::enums`](super::plan::MessagePlan).
    Enum(usize),
}

/// Enumerants by name.
#[derive(Clone, Debug)]
pub(super) struct EnumPlan {
    name: String,
    /// JSON names, by ordinal.
    enumerants: Vec<String>,
    values: HashMap<String, u16>,
}

const NAN: &str = "NaN";
const INFINITY: &str = "Infinity";
const MINUS_INFINITY: &str = "-Infinity";

/// Quiet, positive, no payload: the same on every processor.
const NAN_32: u32 = 0x7fc0_0000;
const NAN_64: u64 = 0x7ff8_0000_0000_0000;

impl EnumPlan {
    pub(super) fn new(ty: &EnumType) -> Self {
        let enumerants: Vec<String> = ty.enumerants.iter().map(|member| member.json_name().to_owned()).collect();
        let mut values = HashMap::new();
        for (value, name) in (0..).zip(&enumerants) {
            values.entry_ref(name.as_str()).or_insert(value);
        }
        for (value, member) in (0..).zip(&ty.enumerants) {
            values.entry_ref(member.name.as_str()).or_insert(value);
        }
        Self { name: ty.name.clone(), enumerants, values }
    }

    fn describe(&self) -> String {
        format!("an enumerant of {} ({})", self.name, listed(self.enumerants.iter().map(String::as_str)))
    }
}

impl Scalar {
    /// Returns the scalar of a type, `None` for types with pointers; `enums` gives the index of an enum.
    pub(super) fn new(ty: &Type, enums: impl FnOnce(u64) -> Result<usize>) -> Result<Option<Self>> {
        Ok(Some(match ty {
            Type::Void => Self::Void,
            Type::Bool => Self::Bool,
            Type::Int8 => Self::Signed(8),
            Type::Int16 => Self::Signed(16),
            Type::Int32 => Self::Signed(32),
            Type::Int64 => Self::Signed(64),
            Type::UInt8 => Self::Unsigned(8),
            Type::UInt16 => Self::Unsigned(16),
            Type::UInt32 => Self::Unsigned(32),
            Type::UInt64 => Self::Unsigned(64),
            Type::Float32 => Self::Float32,
            Type::Float64 => Self::Float64,
            Type::Enum(id) => Self::Enum(enums(*id)?),
            Type::Text | Type::Data | Type::List(_) | Type::Struct(_) => return Ok(None),
        }))
    }

    /// Returns the size of elements in a list.
    pub(super) fn element_size(self) -> ElementSize {
        match self {
            Self::Void => ElementSize::Void,
            Self::Bool => ElementSize::Bit,
            Self::Signed(8) | Self::Unsigned(8) => ElementSize::Byte,
            Self::Signed(16) | Self::Unsigned(16) | Self::Enum(_) => ElementSize::TwoBytes,
            Self::Signed(32) | Self::Unsigned(32) | Self::Float32 => ElementSize::FourBytes,
            Self::Signed(_) | Self::Unsigned(_) | Self::Float64 => ElementSize::EightBytes,
        }
    }

    /// Returns the bits of a value, in the low end.
    ///
    /// # Errors
    /// `Invalid` for a value that is not of this type, null included.
    #[inline]
    pub(super) fn bits(self, value: &Value, enums: &[EnumPlan]) -> Result<u64> {
        let bits = match (self, value) {
            (Self::Void, Value::Null) => Some(0),
            (Self::Bool, Value::Bool(value)) => Some(u64::from(*value)),
            (Self::Signed(width), Value::Int(value)) => signed(*value, width),
            (Self::Signed(width), Value::UInt(value)) => i64::try_from(*value).ok().and_then(|v| signed(v, width)),
            (Self::Unsigned(width), Value::UInt(value)) => unsigned(*value, width),
            (Self::Unsigned(width), Value::Int(value)) => u64::try_from(*value).ok().and_then(|v| unsigned(v, width)),
            (Self::Float32, Value::Float32(value)) => Some(u64::from(value.to_bits())),
            (Self::Float32, Value::Float64(value)) => single(*value),
            (Self::Float32, Value::Int(value)) => exact_single(i128::from(*value)),
            (Self::Float32, Value::UInt(value)) => exact_single(i128::from(*value)),
            (Self::Float64, Value::Float64(value)) => Some(value.to_bits()),
            (Self::Float64, Value::Float32(value)) => {
                Some(if value.is_nan() { NAN_64 } else { f64::from(*value).to_bits() })
            }
            (Self::Float64, Value::Int(value)) => exact_double(i128::from(*value)),
            (Self::Float64, Value::UInt(value)) => exact_double(i128::from(*value)),
            (Self::Enum(ty), Value::UInt(value)) => enums[ty].ordinal(*value),
            (Self::Enum(ty), Value::Int(value)) => u64::try_from(*value).ok().and_then(|v| enums[ty].ordinal(v)),
            (Self::Enum(ty), Value::Variant(name, payload)) if **payload == Value::Null => enums[ty].value(name),
            (_, Value::Text(text)) => return self.text_bits(text, enums),
            _ => None,
        };
        bits.ok_or_else(|| self.refuse(value, enums))
    }

    /// Returns the bits of what a text stands for.
    ///
    /// # Errors
    /// `Invalid` if it stands for no value of this type.
    pub(super) fn text_bits(self, text: &str, enums: &[EnumPlan]) -> Result<u64> {
        let bits = match (self, text) {
            (Self::Enum(ty), name) => enums[ty].value(name),
            (Self::Float32, NAN) => Some(u64::from(NAN_32)),
            (Self::Float32, INFINITY) => Some(u64::from(f32::INFINITY.to_bits())),
            (Self::Float32, MINUS_INFINITY) => Some(u64::from(f32::NEG_INFINITY.to_bits())),
            (Self::Float64, NAN) => Some(NAN_64),
            (Self::Float64, INFINITY) => Some(f64::INFINITY.to_bits()),
            (Self::Float64, MINUS_INFINITY) => Some(f64::NEG_INFINITY.to_bits()),
            _ => None,
        };
        bits.ok_or_else(|| text_mismatch(self.describe(enums), text))
    }

    #[cold]
    fn refuse(self, value: &Value, enums: &[EnumPlan]) -> Error {
        let expected = self.describe(enums);
        let integer = match value {
            Value::Int(value) => Some(i128::from(*value)),
            Value::UInt(value) => Some(i128::from(*value)),
            _ => None,
        };
        match (self, integer) {
            (Self::Signed(width), Some(_)) => mismatch(
                format_args!("{expected} from {} to {}", i64::MIN >> (64 - width), i64::MAX >> (64 - width)),
                value,
            ),
            (Self::Unsigned(width), Some(_)) => {
                mismatch(format_args!("{expected} from 0 to {}", u64::MAX >> (64 - width)), value)
            }
            (Self::Float32 | Self::Float64, Some(_)) => mismatch(format_args!("{expected}, exactly"), value),
            (Self::Float32, None) if matches!(value, Value::Float64(_)) => {
                mismatch(format_args!("{expected} up to {:e}", f32::MAX), value)
            }
            _ => mismatch(expected, value),
        }
    }

    /// Returns the type, in the words of the schema language.
    pub(super) fn describe(self, enums: &[EnumPlan]) -> String {
        match self {
            Self::Void => "null (Void)".to_owned(),
            Self::Bool => "Bool".to_owned(),
            Self::Signed(width) => format!("Int{width}"),
            Self::Unsigned(width) => format!("UInt{width}"),
            Self::Float32 => "Float32".to_owned(),
            Self::Float64 => "Float64".to_owned(),
            Self::Enum(ty) => enums[ty].describe(),
        }
    }

    /// Returns the type's short name.
    pub(super) fn type_name(self, enums: &[EnumPlan]) -> String {
        match self {
            Self::Void => "Void".to_owned(),
            Self::Enum(ty) => enums[ty].name.clone(),
            other => other.describe(enums),
        }
    }
}

impl EnumPlan {
    fn value(&self, name: &str) -> Option<u64> {
        self.values.get(name).map(|value| u64::from(*value))
    }

    fn ordinal(&self, value: u64) -> Option<u64> {
        (value < self.enumerants.len() as u64).then_some(value)
    }
}

/// Returns the bits of an integer; `None` if it has more than `width`.
#[inline]
pub(super) fn signed(value: i64, width: u32) -> Option<u64> {
    let unused = 64 - width;
    (value << unused >> unused == value).then_some(value.cast_unsigned() << unused >> unused)
}

fn unsigned(value: u64, width: u32) -> Option<u64> {
    (value <= u64::MAX >> (64 - width)).then_some(value)
}

/// Rounds to single precision, unless that makes the number infinite.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
fn single(value: f64) -> Option<u64> {
    if value.is_nan() {
        return Some(u64::from(NAN_32));
    }
    let rounded = value as f32;
    (rounded.is_finite() || value.is_infinite()).then_some(u64::from(rounded.to_bits()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared with what it came from")]
fn exact_single(value: i128) -> Option<u64> {
    let float = value as f32;
    (float as i128 == value).then_some(u64::from(float.to_bits()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "compared with what it came from")]
fn exact_double(value: i128) -> Option<u64> {
    let float = value as f64;
    (float as i128 == value).then_some(float.to_bits())
}
