//! Writes default values in the schema language.

use std::fmt::Write as _;

use super::super::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::words::{ElementSize, ListRef, Malformed, StructRef, Words};

/// Values nested deeper than this are refused.
const DEPTH_MAX: u32 = 64;

/// Steps that printing all default values of a schema may take: bytes printed and fields looked at.
const STEPS_MAX: u64 = 1 << 22;

/// Printer of one field's default value.
pub(super) struct Literals<'s> {
    schema: &'s Schema,
    path: &'s str,
    steps: &'s mut u64,
}

impl<'s> Literals<'s> {
    /// Prepares literals of a field; `path` names it in errors, `steps` were taken for earlier fields.
    pub fn new(schema: &'s Schema, path: &'s str, steps: &'s mut u64) -> Self {
        Self { schema, path, steps }
    }

    /// Returns the literal of a field's default value.
    pub fn default(mut self, ty: &Type, default: &DefaultValue) -> Result<String> {
        match default {
            DefaultValue::Pointer(words) if ty.is_pointer() => {
                let literal = self.pointer(Words::new(words), 0, ty, 0)?;
                literal.ok_or_else(|| self.unprintable("null"))
            }
            DefaultValue::Pointer(_) => Err(self.unprintable("a pointer, on a field that is none,")),
            _ if ty.is_pointer() => Err(self.unprintable("bits, on a pointer field,")),
            _ => self.number(ty, default.bits()),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "numbers stand in the low bits")]
    fn number(&self, ty: &Type, bits: u64) -> Result<String> {
        Ok(match ty {
            Type::Bool => (bits & 1 == 1).to_string(),
            Type::Int8 => (bits as u8).cast_signed().to_string(),
            Type::Int16 => (bits as u16).cast_signed().to_string(),
            Type::Int32 => (bits as u32).cast_signed().to_string(),
            Type::Int64 => bits.cast_signed().to_string(),
            Type::UInt8 => (bits as u8).to_string(),
            Type::UInt16 => (bits as u16).to_string(),
            Type::UInt32 => (bits as u32).to_string(),
            Type::UInt64 => bits.to_string(),
            Type::Float32 if f32::from_bits(bits as u32).is_nan() => self.nan(bits, 0x7fc0_0000)?,
            // By way of the double that it is: the compiler reads doubles and rounds them.
            Type::Float32 => float_literal(f32::from_bits(bits as u32).into()),
            Type::Float64 if f64::from_bits(bits).is_nan() => self.nan(bits, 0x7ff8_0000_0000_0000)?,
            Type::Float64 => float_literal(f64::from_bits(bits)),
            Type::Enum(id) => {
                let enumerant = self.schema.enum_type(*id)?.enumerants.get(usize::from(bits as u16));
                enumerant.ok_or_else(|| self.unprintable(&format!("enumerant {bits}")))?.name.clone()
            }
            _ => "void".to_owned(),
        })
    }

    /// Prints a NaN, of which the language has only one.
    fn nan(&self, bits: u64, usual: u64) -> Result<String> {
        if bits == usual { Ok("nan".to_owned()) } else { Err(self.unprintable(&format!("NaN of bits {bits:#x}"))) }
    }

    /// Prints the value behind a pointer; `None` for null.
    fn pointer(&mut self, words: Words<'_>, at: u32, ty: &Type, depth: u32) -> Result<Option<String>> {
        if depth > DEPTH_MAX {
            return Err(self.unprintable(&format!("a value nested deeper than {DEPTH_MAX}")));
        }
        let literal = match ty {
            Type::Text => self.read(words.text_of(at))?.map(text_literal),
            Type::Data => self.read(words.data_of(at))?.map(data_literal),
            Type::Struct(id) => match self.read(words.struct_of(at))? {
                Some(value) => Some(self.structure(value, *id, depth)?),
                None => None,
            },
            Type::List(element) => match self.read(words.list_of(at, element_size(element)))? {
                Some(list) => Some(self.list(list, element, depth)?),
                None => None,
            },
            _ => return Err(self.unprintable("a pointer, on a field that is none,")),
        };
        self.spend(literal.as_ref().map_or(1, String::len))?;
        Ok(literal)
    }

    fn list(&mut self, list: ListRef<'_>, element: &Type, depth: u32) -> Result<String> {
        let mut literals = String::from("[");
        for index in 0..list.len() {
            self.spend(1)?;
            if index > 0 {
                literals.push_str(", ");
            }
            literals.push_str(&match element {
                Type::Struct(id) => {
                    let value = list.get_struct(index).ok_or_else(|| self.malformed(list.at(), "a struct list"))?;
                    self.structure(value, *id, depth)?
                }
                Type::Bool => list.bit(index).to_string(),
                _ => match list.pointer_at(index) {
                    Some(at) => self
                        .pointer(list.words(), at, element, depth + 1)?
                        .ok_or_else(|| self.unprintable("null in a list"))?,
                    None => self.number(element, list_number(list, index))?,
                },
            });
        }
        literals.push(']');
        Ok(literals)
    }

    fn structure(&mut self, value: StructRef<'_>, id: u64, depth: u32) -> Result<String> {
        if depth > DEPTH_MAX {
            return Err(self.unprintable(&format!("a value nested deeper than {DEPTH_MAX}")));
        }
        let ty = self.schema.struct_type(id)?;
        let active = active_member(value, ty);
        if let Some(active) = active
            && !ty.fields.iter().any(|field| field.discriminant == Some(active))
        {
            return Err(self.unprintable(&format!("member {active} of a union")));
        }
        let mut members = Vec::new();
        for field in &ty.fields {
            self.spend(1)?;
            if field.discriminant.is_some() && field.discriminant != active {
                continue;
            }
            let literal = self.member(value, field, depth)?;
            // The first member of a union is active by itself.
            let is_needed = field.discriminant.is_some_and(|member| member != 0);
            match literal {
                Member::Set(literal) => members.push(format!("{} = {literal}", field.name)),
                Member::Default(Some(literal)) if is_needed => members.push(format!("{} = {literal}", field.name)),
                Member::Default(None) if is_needed => return Err(self.unprintable("null in a union")),
                Member::Default(_) => {}
            }
        }
        Ok(format!("({})", members.join(", ")))
    }

    fn member(&mut self, value: StructRef<'_>, field: &FieldType, depth: u32) -> Result<Member> {
        Ok(match &field.kind {
            FieldKind::Group(id) => {
                let literal = self.structure(value, *id, depth + 1)?;
                if literal == "()" { Member::Default(Some(literal)) } else { Member::Set(literal) }
            }
            FieldKind::Slot { offset, ty, .. } if ty.is_pointer() => {
                let literal = match value.pointer_at(*offset) {
                    Some(at) => self.pointer(value.words(), at, ty, depth + 1)?,
                    None => None,
                };
                literal.map_or(Member::Default(None), Member::Set)
            }
            FieldKind::Slot { offset, ty, default } => {
                let stored = stored_number(value, *offset, ty);
                let literal = self.number(ty, stored ^ default.bits())?;
                if stored == 0 { Member::Default(Some(literal)) } else { Member::Set(literal) }
            }
        })
    }

    fn spend(&mut self, steps: usize) -> Result<()> {
        *self.steps += steps as u64;
        if *self.steps <= STEPS_MAX {
            return Ok(());
        }
        let (subject, limit) = (self.path.to_owned(), "steps to print the default values");
        Err(Fault::Limit { subject, limit, allowed: STEPS_MAX, needed: *self.steps }.into())
    }

    fn read<T>(&self, result: std::result::Result<T, Malformed>) -> Result<T> {
        result.map_err(|malformed| self.malformed(malformed.word, malformed.expected))
    }

    fn malformed(&self, word: u32, expected: &str) -> Error {
        Error::corrupt(format!("default value of {}", self.path), u64::from(word) * 8, expected, "something else")
    }

    fn unprintable(&self, what: &str) -> Error {
        Error::schema(self.path, format!("{what} as a default value cannot be written in the schema language"))
    }
}

/// A member of a struct value.
enum Member {
    /// Has this value.
    Set(String),
    /// Has its default value, which is this one, or null.
    Default(Option<String>),
}

/// Returns the discriminant of the active member of a struct's union.
fn active_member(value: StructRef<'_>, ty: &StructType) -> Option<u16> {
    let at = usize::try_from(ty.discriminant_offset).ok()? * 2;
    (ty.discriminant_count > 0).then(|| u16::from_le_bytes(value.scalar(at)))
}

fn element_size(element: &Type) -> ElementSize {
    match (element, element.data_bits()) {
        (Type::Struct(_), _) => ElementSize::Composite,
        (_, None) => ElementSize::Pointer,
        (_, Some(0)) => ElementSize::Void,
        (_, Some(1)) => ElementSize::Bit,
        (_, Some(8)) => ElementSize::Byte,
        (_, Some(16)) => ElementSize::TwoBytes,
        (_, Some(32)) => ElementSize::FourBytes,
        (_, Some(_)) => ElementSize::EightBytes,
    }
}

fn list_number(list: ListRef<'_>, index: u32) -> u64 {
    match list.size() {
        ElementSize::Byte => u64::from(u8::from_le_bytes(list.scalar(index))),
        ElementSize::TwoBytes => u64::from(u16::from_le_bytes(list.scalar(index))),
        ElementSize::FourBytes => u64::from(u32::from_le_bytes(list.scalar(index))),
        ElementSize::EightBytes => u64::from_le_bytes(list.scalar(index)),
        _ => 0,
    }
}

/// Bits of a number as stored, before the field's default is taken out of them.
fn stored_number(value: StructRef<'_>, offset: u32, ty: &Type) -> u64 {
    let offset = offset as usize;
    match ty.data_bits() {
        Some(1) => u64::from(value.bit(offset)),
        Some(8) => u64::from(u8::from_le_bytes(value.scalar(offset))),
        Some(16) => u64::from(u16::from_le_bytes(value.scalar(offset * 2))),
        Some(32) => u64::from(u32::from_le_bytes(value.scalar(offset * 4))),
        Some(64) => u64::from_le_bytes(value.scalar(offset * 8)),
        _ => 0,
    }
}

/// Returns the shortest decimal that reads back as the same bits.
fn float_literal(number: f64) -> String {
    format!("{number:?}")
}

/// Returns a text in quotes: what the compiler's lexer does not take as it is, escaped.
pub(super) fn text_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            // Bytes of what nobody would see.
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    _ = write!(literal, "\\x{byte:02x}");
                }
            }
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// Returns the bytes in hexadecimal; the lexer has no empty literal of that form.
fn data_literal(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "\"\"".to_owned();
    }
    let mut literal = String::with_capacity(bytes.len() * 2 + 4);
    literal.push_str("0x\"");
    for byte in bytes {
        _ = write!(literal, "{byte:02x}");
    }
    literal.push('"');
    literal
}
