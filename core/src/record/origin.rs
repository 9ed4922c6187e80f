//! Turns words into values, and names the place of malformed words in errors.

use super::{ListValue, Record, ValueRef};
use crate::error::{Error, Result};
use crate::schema::{Schema, Type};
use crate::words::{ElementSize, Malformed, WORD, Words};

/// Bytes before the first segment of a stream-framed message of one segment.
const STREAM_HEADER_BYTES: u64 = 8;

/// Schema and blob of values.
#[derive(Clone, Copy)]
pub(super) struct Origin<'v> {
    pub schema: &'v Schema,
    /// Name of the blob.
    pub blob: &'v str,
}

impl Malformed {
    /// Returns the error that names the blob: a stream-framed message, whose segment starts behind a header of 8 bytes.
    #[cold]
    pub fn into_error(self, blob: &str) -> Error {
        Error::corrupt(blob, self.byte_offset(), self.expected, "something else")
    }

    /// Makes the error as [`Malformed::into_error`] does, with the word that was found.
    #[cold]
    pub fn into_error_with(self, blob: &str, words: Words<'_>) -> Error {
        let found = match words.word(self.word) {
            Ok(word) => format!("word {word:#018x}"),
            Err(_) => format!("the end, {} words", words.len()),
        };
        Error::corrupt(blob, self.byte_offset(), self.expected, found)
    }

    fn byte_offset(self) -> u64 {
        u64::from(self.word) * WORD as u64 + STREAM_HEADER_BYTES
    }
}

impl<'v> Origin<'v> {
    /// Returns what the pointer at a word points at, which must be of a pointer type; `None` if it is null.
    pub fn pointer(self, words: Words<'v>, at: u32, ty: &'v Type, is_map: bool) -> Result<Option<ValueRef<'v>>> {
        let value = match ty {
            Type::Text => words.text_of(at).map(|text| text.map(ValueRef::Text)),
            Type::Data => words.data_of(at).map(|data| data.map(ValueRef::Data)),
            Type::List(element) => words
                .list_of(at, element_size(element))
                .map(|list| list.map(|list| ValueRef::List(ListValue::new(self, element, list, is_map)))),
            Type::Struct(id) => match words.struct_of(at) {
                Ok(Some(at)) => {
                    return Ok(Some(ValueRef::Struct(Record { origin: self, ty: self.schema.struct_type(*id)?, at })));
                }
                Ok(None) => Ok(None),
                Err(malformed) => Err(malformed),
            },
            _ => Ok(None),
        };
        value.map_err(|malformed| malformed.into_error_with(self.blob, words))
    }

    /// Returns a value of the data section, from its bits (in the low end, default already applied).
    #[expect(clippy::cast_possible_truncation, reason = "the low end holds bits of the type's own width")]
    #[inline]
    pub fn scalar(self, ty: &'v Type, bits: u64) -> Result<ValueRef<'v>> {
        Ok(match ty {
            Type::Bool => ValueRef::Bool(bits & 1 == 1),
            Type::Int8 => ValueRef::Int(i64::from((bits as u8).cast_signed())),
            Type::Int16 => ValueRef::Int(i64::from((bits as u16).cast_signed())),
            Type::Int32 => ValueRef::Int(i64::from((bits as u32).cast_signed())),
            Type::Int64 => ValueRef::Int(bits.cast_signed()),
            Type::UInt8 => ValueRef::UInt(u64::from(bits as u8)),
            Type::UInt16 => ValueRef::UInt(u64::from(bits as u16)),
            Type::UInt32 => ValueRef::UInt(u64::from(bits as u32)),
            Type::UInt64 => ValueRef::UInt(bits),
            Type::Float32 => ValueRef::Float32(f32::from_bits(bits as u32)),
            Type::Float64 => ValueRef::Float64(f64::from_bits(bits)),
            Type::Enum(id) => ValueRef::Enum { ty: self.schema.enum_type(*id)?, value: bits as u16 },
            Type::Void | Type::Text | Type::Data | Type::List(_) | Type::Struct(_) => ValueRef::Void,
        })
    }
}

/// Returns how elements of a type lie in a list; no other form is read.
pub fn element_size(ty: &Type) -> ElementSize {
    match ty {
        Type::Void => ElementSize::Void,
        Type::Bool => ElementSize::Bit,
        Type::Int8 | Type::UInt8 => ElementSize::Byte,
        Type::Int16 | Type::UInt16 | Type::Enum(_) => ElementSize::TwoBytes,
        Type::Int32 | Type::UInt32 | Type::Float32 => ElementSize::FourBytes,
        Type::Int64 | Type::UInt64 | Type::Float64 => ElementSize::EightBytes,
        Type::Text | Type::Data | Type::List(_) => ElementSize::Pointer,
        Type::Struct(_) => ElementSize::Composite,
    }
}
