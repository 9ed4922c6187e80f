//! The value at the end of a path: one number, Bool, enum, text or bytes, or what stands for none.

use std::fmt;

use super::Slot;
use super::resolve::slot;
use crate::schema::{DefaultValue, FieldKind, FieldType, StructType, Type};
use crate::words::{ListRef, Malformed, Read, StructRef, Words};

/// A value at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'v> {
    /// The field is null or absent, as is everything behind a null struct, a null list or an inactive union member.
    Null,
    /// The list that the path goes through has no elements.
    EmptyList,
    /// The element of the list, or the value in it, is null.
    NullElement,
    /// A Bool.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A float; Float32 is widened, which is exact.
    Float(f64),
    /// An enum, by number.
    Enum(u16),
    /// Text, without its NUL; that it is UTF-8 is not checked.
    Text(&'v [u8]),
    /// Bytes.
    Data(&'v [u8]),
}

/// As JSON, but for what stands for no value, and Data, which is a number of bytes.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null | Self::NullElement => f.write_str("null"),
            Self::EmptyList => f.write_str("[]"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::UInt(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Enum(value) => value.fmt(f),
            Self::Text(bytes) => fmt::Debug::fmt(&String::from_utf8_lossy(bytes), f),
            Self::Data(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

macro_rules! from {
    ($($rust:ty => $variant:ident),* $(,)?) => {$(
        impl From<$rust> for Scalar<'_> {
            fn from(value: $rust) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
from! {
    bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => UInt, u16 => UInt, u32 => UInt, u64 => UInt,
    f32 => Float, f64 => Float,
}

impl<'v> From<&'v str> for Scalar<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text.as_bytes())
    }
}

impl<'v> From<&'v [u8]> for Scalar<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Data(bytes)
    }
}

/// What the values of a path are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// True or false.
    Bool,
    /// A signed integer of this many bytes.
    Int(u8),
    /// An unsigned integer of this many bytes.
    UInt(u8),
    /// Float32.
    Float32,
    /// Float64.
    Float64,
    /// An enum, by type id.
    Enum(u64),
    /// UTF-8.
    Text,
    /// Bytes.
    Data,
}

/// A value is of another kind than what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalarMismatch;

/// Returns the integer that a number is equal to; `None` for a float that is no integer.
fn integer(value: Scalar<'_>) -> Result<Option<i128>, ScalarMismatch> {
    match value {
        Scalar::Int(number) => Ok(Some(number.into())),
        Scalar::UInt(number) => Ok(Some(number.into())),
        #[expect(clippy::cast_possible_truncation, reason = "integers of this size are exact")]
        Scalar::Float(number) if number.fract() == 0.0 && number.abs() < 1e30 => Ok(Some(number as i128)),
        Scalar::Float(_) => Ok(None),
        _ => Err(ScalarMismatch),
    }
}

/// The last step of a path: a place in a struct, or the element of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaf {
    pub kind: ScalarKind,
    /// Bytes into the data section, or bits for Bool.
    offset: usize,
    /// Bits by which stored numbers differ from their values.
    default: u64,
    /// For texts and bytes.
    slot: Option<Slot>,
    /// Bit that says that the number is null, and its default.
    null_flag: Option<(usize, bool)>,
}

impl ScalarKind {
    fn of(ty: &Type) -> Option<Self> {
        Some(match ty {
            Type::Bool => Self::Bool,
            Type::Int8 => Self::Int(1),
            Type::Int16 => Self::Int(2),
            Type::Int32 => Self::Int(4),
            Type::Int64 => Self::Int(8),
            Type::UInt8 => Self::UInt(1),
            Type::UInt16 => Self::UInt(2),
            Type::UInt32 => Self::UInt(4),
            Type::UInt64 => Self::UInt(8),
            Type::Float32 => Self::Float32,
            Type::Float64 => Self::Float64,
            Type::Enum(id) => Self::Enum(*id),
            Type::Text => Self::Text,
            Type::Data => Self::Data,
            Type::Void | Type::List(_) | Type::Struct(_) => return None,
        })
    }

    /// Returns a value as one of this kind: the same number, or none if no value of this kind is equal to it.
    ///
    /// `Ok(None)` if no value of this kind equals it; what stands for no value stays as it is.
    ///
    /// # Errors
    /// `Err` for a value that cannot be compared with this kind, such as a text with a number.
    pub fn cast(self, value: Scalar<'_>) -> Result<Option<Scalar<'_>>, ScalarMismatch> {
        Ok(match (self, value) {
            (_, Scalar::Null | Scalar::EmptyList | Scalar::NullElement)
            | (Self::Bool, Scalar::Bool(_))
            | (Self::Text, Scalar::Text(_))
            | (Self::Data, Scalar::Data(_))
            | (Self::Enum(_), Scalar::Enum(_))
            | (Self::Float64, Scalar::Float(_)) => Some(value),
            (Self::Enum(_), Scalar::UInt(number)) => u16::try_from(number).ok().map(Scalar::Enum),
            (Self::Enum(_), Scalar::Int(number)) => u16::try_from(number).ok().map(Scalar::Enum),
            (Self::Int(bytes), value) => integer(value)?.and_then(|number| {
                let fits = number >= -(1 << (8 * u32::from(bytes) - 1)) && number < 1 << (8 * u32::from(bytes) - 1);
                i64::try_from(number).ok().filter(|_| fits).map(Scalar::Int)
            }),
            (Self::UInt(bytes), value) => integer(value)?.and_then(|number| {
                let fits = number < 1 << (8 * u32::from(bytes));
                u64::try_from(number).ok().filter(|_| fits).map(Scalar::UInt)
            }),
            (Self::Float32, Scalar::Float(number)) => {
                #[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
                let narrow = f64::from(number as f32);
                (number.is_nan() || narrow.to_bits() == number.to_bits()).then_some(value)
            }
            (Self::Float32 | Self::Float64, value) => match integer(value)? {
                Some(number) => {
                    #[expect(
                        clippy::cast_precision_loss,
                        clippy::cast_possible_truncation,
                        reason = "compared with what it was"
                    )]
                    let (float, back) = (number as f64, number as f64 as i128);
                    if back == number {
                        return self.cast(Scalar::Float(float));
                    }
                    None
                }
                None => None,
            },
            _ => return Err(ScalarMismatch),
        })
    }

    /// Returns the bytes of a stored number; `None` for Bool, text and bytes.
    fn bytes(self) -> Option<usize> {
        match self {
            Self::Int(bytes) | Self::UInt(bytes) => Some(bytes.into()),
            Self::Float32 => Some(4),
            Self::Float64 => Some(8),
            Self::Enum(_) => Some(2),
            Self::Bool | Self::Text | Self::Data => None,
        }
    }

    /// Returns the value of a number's bits.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low end holds the number")]
    pub(super) fn value(self, bits: u64) -> Scalar<'static> {
        match self {
            Self::Bool => Scalar::Bool(bits & 1 == 1),
            Self::Int(bytes) => {
                let unused = 64 - 8 * u32::from(bytes);
                Scalar::Int((bits << unused).cast_signed() >> unused)
            }
            Self::UInt(bytes) => {
                let unused = 64 - 8 * u32::from(bytes);
                Scalar::UInt(bits << unused >> unused)
            }
            Self::Float32 => Scalar::Float(f32::from_bits(bits as u32).into()),
            Self::Float64 => Scalar::Float(f64::from_bits(bits)),
            Self::Enum(_) => Scalar::Enum(bits as u16),
            Self::Text | Self::Data => Scalar::Null,
        }
    }
}

impl Leaf {
    /// Returns a field of a struct; `None` for a type without values.
    pub(super) fn field(
        owner: &StructType,
        field: &FieldType,
        offset: u32,
        ty: &Type,
        default: &DefaultValue,
    ) -> Option<Self> {
        let kind = ScalarKind::of(ty)?;
        let null_flag = owner.fields.iter().find_map(|flag| match &flag.kind {
            FieldKind::Slot { offset, ty: Type::Bool, default }
                if flag.null_of.as_deref() == Some(field.name.as_str()) =>
            {
                Some((*offset as usize, default.bits() == 1))
            }
            _ => None,
        });
        Some(Self {
            kind,
            offset: (offset as usize).saturating_mul(kind.bytes().unwrap_or(1)),
            default: default.bits(),
            slot: ty.is_pointer().then(|| slot(offset, default)),
            null_flag: null_flag.filter(|_| !ty.is_pointer()),
        })
    }

    /// Returns an element of a list; `None` for a type without values.
    pub(super) fn element(ty: &Type) -> Option<Self> {
        Some(Self { kind: ScalarKind::of(ty)?, offset: 0, default: 0, slot: None, null_flag: None })
    }

    pub(super) fn is_pointer(&self) -> bool {
        matches!(self.kind, ScalarKind::Text | ScalarKind::Data)
    }

    /// Returns the first bit of a number in the data section, and how many there are; `None` for text and bytes.
    pub(super) fn bits(&self) -> Option<(usize, u32)> {
        match self.kind.bytes() {
            #[expect(clippy::cast_possible_truncation, reason = "at most 8 bytes")]
            Some(bytes) => Some((self.offset.checked_mul(8)?, 8 * bytes as u32)),
            None if self.kind == ScalarKind::Bool => Some((self.offset, 1)),
            None => None,
        }
    }

    /// Returns the bits by which stored numbers differ from their values.
    pub(super) fn default(&self) -> u64 {
        self.default
    }

    /// Returns the bit that says that the number is null, and its default.
    pub(super) fn null_flag(&self) -> Option<(usize, bool)> {
        self.null_flag
    }

    pub(super) fn slot(&self) -> Option<&Slot> {
        self.slot.as_ref()
    }

    /// Reads the value in a struct.
    #[inline]
    pub(super) fn read<'v>(&'v self, at: StructRef<'v>) -> Read<Scalar<'v>> {
        if let Some((bit, default)) = self.null_flag
            && at.bit(bit) != default
        {
            return Ok(Scalar::Null);
        }
        let bits = match (self.kind, self.kind.bytes()) {
            (_, Some(1)) => u64::from(u8::from_le_bytes(at.scalar(self.offset))),
            (_, Some(2)) => u64::from(u16::from_le_bytes(at.scalar(self.offset))),
            (_, Some(4)) => u64::from(u32::from_le_bytes(at.scalar(self.offset))),
            (_, Some(_)) => u64::from_le_bytes(at.scalar(self.offset)),
            (ScalarKind::Bool, None) => u64::from(at.bit(self.offset)),
            (_, None) => return self.read_pointer(at),
        };
        Ok(self.kind.value(bits ^ self.default))
    }

    fn read_pointer<'v>(&'v self, at: StructRef<'v>) -> Read<Scalar<'v>> {
        match self.slot.as_ref().map_or(Ok(None), |slot| slot.pointer(at))? {
            Some((words, word)) => self.bytes_at(words, word),
            None => Ok(Scalar::Null),
        }
    }

    /// Reads an element of a list that has it.
    #[inline]
    pub(super) fn read_element<'v>(&self, list: ListRef<'v>, index: u32) -> Read<Scalar<'v>> {
        let bits = match (self.kind, self.kind.bytes()) {
            (_, Some(1)) => u64::from(u8::from_le_bytes(list.scalar(index))),
            (_, Some(2)) => u64::from(u16::from_le_bytes(list.scalar(index))),
            (_, Some(4)) => u64::from(u32::from_le_bytes(list.scalar(index))),
            (_, Some(_)) => u64::from_le_bytes(list.scalar(index)),
            (ScalarKind::Bool, None) => u64::from(list.bit(index)),
            (_, None) => {
                return list.pointer_at(index).map_or(Ok(Scalar::Null), |at| self.bytes_at(list.words(), at));
            }
        };
        Ok(self.kind.value(bits))
    }

    fn bytes_at<'v>(&self, words: Words<'v>, word: u32) -> Read<Scalar<'v>> {
        Ok(match (words.data_of(word)?, self.kind) {
            (None, _) => Scalar::Null,
            (Some([text @ .., 0]), ScalarKind::Text) => Scalar::Text(text),
            (Some(_), ScalarKind::Text) => return Err(Malformed { word, expected: "text that ends in NUL" }),
            (Some(bytes), _) => Scalar::Data(bytes),
        })
    }
}
