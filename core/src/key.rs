//! Primary keys: their fields, their order, and their comparison with a row in place.
//!
//! An encoded key is a string of bytes whose bytewise order is the order of keys. FORMAT.md specifies the bytes in its
//! section "Keys".

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::schema::{DefaultValue, FieldKind, Schema, StructType, Type};
use crate::words::{Read, StructRef};

mod integer;
mod part;
mod revised;
mod revision;
#[cfg(test)]
mod tests;
mod widened;

pub use integer::IntegerKey;
pub use part::{AsKeyPart, Key, KeyPart, KeyParts};
pub use revision::KeyRevision;

/// Fields of a key, at most.
pub(crate) const PARTS_MAX: usize = 64;

/// The primary key of a record type: which fields, where they lie, how they compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    parts: Vec<KeyField>,
    fixed_bytes: Option<u8>,
    revision: KeyRevision,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyField {
    name: String,
    kind: KeyKind,
    /// Bytes into the data section, bits for Bool, or a pointer's index.
    offset: u32,
    default: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Bool,
    Signed(u8),
    Unsigned(u8),
    Text,
    Data,
}

/// Returns the kind of an integer key part by its size in a data section.
fn integer_bytes(ty: &Type) -> Option<KeyKind> {
    Some(match ty {
        Type::Int8 => KeyKind::Signed(1),
        Type::Int16 => KeyKind::Signed(2),
        Type::Int32 => KeyKind::Signed(4),
        Type::Int64 => KeyKind::Signed(8),
        Type::UInt8 => KeyKind::Unsigned(1),
        Type::UInt16 | Type::Enum(_) => KeyKind::Unsigned(2),
        Type::UInt32 => KeyKind::Unsigned(4),
        Type::UInt64 => KeyKind::Unsigned(8),
        _ => return None,
    })
}

impl KeySpec {
    /// Resolves the names of key fields, which may lead through groups with dots: those of Cap'n Proto, or else those in JSON. Keys are encoded by
    /// [revision 0](Self::with_revision).
    ///
    /// # Errors
    /// `Invalid` for no fields, unknown fields, union members, and types that no key can have.
    pub fn new(schema: &Schema, ty: &StructType, names: &[String]) -> Result<Self> {
        if names.is_empty() {
            return Err(Fault::NoKey { record_type: ty.name.clone() }.into());
        }
        if names.len() > PARTS_MAX {
            let detail = format!("a key of {} fields; at most {PARTS_MAX} are allowed", names.len());
            return Err(Error::invalid(&ty.name, detail));
        }
        let mut parts = Vec::new();
        for name in names {
            parts.push(resolve(schema, ty, name)?);
        }
        let mut fixed = Some(0_u8);
        for part in &parts {
            let bytes = match part.kind {
                KeyKind::Bool => Some(1),
                KeyKind::Signed(n) | KeyKind::Unsigned(n) => Some(n),
                KeyKind::Text | KeyKind::Data => None,
            };
            fixed = fixed.zip(bytes).map(|(a, b)| a.saturating_add(b)).filter(|sum| *sum <= 8);
        }
        Ok(Self { parts, fixed_bytes: fixed, revision: KeyRevision::default() })
    }

    /// Returns the names of the key's fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.name.as_str())
    }

    /// Returns the length of every encoded key; `None` if they differ in length or are longer than 8 bytes.
    #[inline]
    pub fn fixed_bytes(&self) -> Option<u8> {
        self.fixed_bytes
    }

    /// Returns the pointer of the field that alone is the key; `None` if there are more, or it is a number.
    pub(crate) fn only_pointer(&self) -> Option<u32> {
        match self.parts.as_slice() {
            [KeyField { kind: KeyKind::Text | KeyKind::Data, offset, .. }] => Some(*offset),
            _ => None,
        }
    }

    /// Returns the key of a row as a number that orders as the encoded key does. Only if [`Self::fixed_bytes`] is some.
    #[inline]
    pub fn row_number(&self, row: StructRef<'_>) -> u64 {
        let mut out = 0;
        for part in &self.parts {
            let (bytes, value) = part.number(row);
            // A single part of 8 bytes comes first and alone.
            out = if bytes == 8 { value } else { out << (8 * bytes) | value };
        }
        out
    }

    /// Appends the encoded key of a row.
    ///
    /// # Errors
    /// The malformed word. `Ok(false)` if a part is null.
    pub fn encode_row(&self, row: StructRef<'_>, out: &mut Vec<u8>) -> Read<bool> {
        for (index, part) in self.parts.iter().enumerate() {
            match part.kind {
                KeyKind::Text | KeyKind::Data => {
                    let Some(bytes) = part.bytes(row)? else { return Ok(false) };
                    self.revision.push(bytes, index + 1 == self.parts.len(), out);
                }
                _ => {
                    let (bytes, value) = part.number(row);
                    out.extend_from_slice(&value.to_be_bytes()[8 - bytes as usize..]);
                }
            }
        }
        Ok(true)
    }

    /// Returns whether a row has an encoded key.
    ///
    /// # Errors
    /// The malformed word.
    #[inline]
    pub fn row_has_key(&self, row: StructRef<'_>, key: &[u8], number: u64) -> Read<bool> {
        if self.fixed_bytes.is_some() {
            return Ok(self.row_number(row) == number);
        }
        if let [KeyField { kind: kind @ (KeyKind::Text | KeyKind::Data), offset, .. }] = self.parts.as_slice() {
            let Some(at) = row.pointer_at(*offset) else { return Ok(false) };
            let bytes = match kind {
                KeyKind::Text => row.words().text_bytes_of(at)?,
                _ => row.words().data_of(at)?,
            };
            return Ok(bytes == Some(key));
        }
        let mut out = Vec::with_capacity(key.len());
        Ok(self.encode_row(row, &mut out)? && out == key)
    }

    /// Returns the number of an encoded key of fixed length, as [`Self::row_number`] gives it; 0 for others.
    #[inline]
    pub fn number(&self, key: &[u8]) -> u64 {
        match self.fixed_bytes {
            Some(len) if len as usize == key.len() => key.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            _ => 0,
        }
    }

    /// Encodes the parts of a key into `out`, which is cleared. False if no record can have it, since an
    /// integer does not fit its field.
    ///
    /// # Errors
    /// `Invalid` if the number of parts or their types are not the key's.
    pub fn encode(&self, parts: &[KeyPart<'_>], out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        if parts.len() != self.parts.len() {
            let fields = self.names().map(str::to_owned).collect();
            return Err(Fault::KeyLength { given: parts.len(), fields }.into());
        }
        for (index, (field, part)) in self.parts.iter().zip(parts).enumerate() {
            let fits = match (field.kind, *part) {
                (KeyKind::Bool, KeyPart::Bool(v)) => {
                    out.push(u8::from(v));
                    true
                }
                (KeyKind::Unsigned(n), KeyPart::Int(v)) => push_integer(v, n, out),
                (KeyKind::Signed(n), KeyPart::Int(v)) => push_integer(from_signed(v, n), n, out),
                (KeyKind::Text, KeyPart::Text(v)) => {
                    self.revision.push(v.as_bytes(), index + 1 == self.parts.len(), out);
                    true
                }
                (KeyKind::Data, KeyPart::Data(v)) => {
                    self.revision.push(v, index + 1 == self.parts.len(), out);
                    true
                }
                (kind, _) => {
                    return Err(Fault::KeyMismatch {
                        field: field.name.clone(),
                        expected: kind.describe().to_owned(),
                        found: part.to_string(),
                    }
                    .into());
                }
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the number of the parts of a key, as [`Self::row_number`] gives it: what [`Self::encode`] gives,
    /// without the bytes. `None` if no record can have it, since an integer does not fit its field.
    ///
    /// # Errors
    /// `Invalid` as [`Self::encode`], and if [`Self::fixed_bytes`] is none.
    #[inline]
    pub fn encode_number(&self, parts: &[KeyPart<'_>]) -> Result<Option<u64>> {
        if parts.len() != self.parts.len() || self.fixed_bytes.is_none() {
            return Err(self.refuse(parts));
        }
        let mut out = 0;
        for (field, part) in self.parts.iter().zip(parts) {
            let (bytes, value) = match (field.kind, *part) {
                (KeyKind::Bool, KeyPart::Bool(v)) => (1, Some(u64::from(v))),
                (KeyKind::Unsigned(n), KeyPart::Int(v)) => (n, fitting(v, n)),
                (KeyKind::Signed(n), KeyPart::Int(v)) => (n, fitting(from_signed(v, n), n)),
                _ => return Err(self.refuse(parts)),
            };
            let Some(value) = value else { return Ok(None) };
            out = if bytes == 8 { value } else { out << (8 * bytes) | value };
        }
        Ok(Some(out))
    }

    /// Returns the encoded form of a key of one Text or Data, which is encoded as it is; `None` for other keys.
    #[inline]
    pub fn plain_bytes<'k>(&self, parts: &[KeyPart<'k>]) -> Option<&'k [u8]> {
        match (self.parts.as_slice(), parts) {
            ([KeyField { kind: KeyKind::Text, .. }], [KeyPart::Text(text)]) => Some(text.as_bytes()),
            ([KeyField { kind: KeyKind::Data, .. }], [KeyPart::Data(data)]) => Some(data),
            _ => None,
        }
    }

    /// Makes the error of parts that are not a key of fixed length.
    #[cold]
    fn refuse(&self, parts: &[KeyPart<'_>]) -> Error {
        match self.encode(parts, &mut Vec::new()) {
            Err(error) => error,
            Ok(_) => Error::invalid("key", "has no number, since its length varies"),
        }
    }

    /// Returns an encoded key for people: parts as JSON would have them, comma separated.
    pub fn describe(&self, key: &[u8]) -> String {
        let mut rest = key;
        let mut out = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            out.push(part.describe(&mut rest, self.revision, index + 1 == self.parts.len()));
        }
        out.join(",")
    }
}

impl KeyField {
    /// Returns the bytes of a Text or Data part; `None` for null.
    fn bytes<'r>(&self, row: StructRef<'r>) -> Read<Option<&'r [u8]>> {
        let Some(at) = row.pointer_at(self.offset) else { return Ok(None) };
        match self.kind {
            KeyKind::Text => row.words().text_bytes_of(at),
            _ => row.words().data_of(at),
        }
    }

    /// Returns the number of bytes and the order-preserving value of an integer part.
    #[inline]
    fn number(&self, row: StructRef<'_>) -> (u8, u64) {
        let at = self.offset as usize;
        match self.kind {
            KeyKind::Bool => (1, u64::from(row.bit(at)) ^ self.default),
            KeyKind::Unsigned(n) => (n, raw(row, at, n) ^ self.default),
            KeyKind::Signed(n) => (n, raw(row, at, n) ^ self.default ^ (1 << (8 * n - 1))),
            KeyKind::Text | KeyKind::Data => (0, 0),
        }
    }

    /// Takes this part off an encoded key.
    fn describe(&self, key: &mut &[u8], revision: KeyRevision, last: bool) -> String {
        match self.kind {
            KeyKind::Text => format!("{:?}", String::from_utf8_lossy(&revision.pop(key, last))),
            KeyKind::Data => format!("{:02x?}", revision.pop(key, last)),
            KeyKind::Bool => (pop_integer(key, 1) == 1).to_string(),
            KeyKind::Unsigned(n) => pop_integer(key, n).to_string(),
            KeyKind::Signed(n) => (pop_integer(key, n) - (1 << (8 * n - 1))).to_string(),
        }
    }
}

fn pop_integer(key: &mut &[u8], bytes: u8) -> i128 {
    let (part, rest) = key.split_at(key.len().min(bytes as usize));
    *key = rest;
    part.iter().fold(0, |sum, byte| sum << 8 | i128::from(*byte))
}

#[inline]
fn raw(row: StructRef<'_>, at: usize, bytes: u8) -> u64 {
    match bytes {
        1 => u64::from(u8::from_le_bytes(row.scalar(at))),
        2 => u64::from(u16::from_le_bytes(row.scalar(at))),
        4 => u64::from(u32::from_le_bytes(row.scalar(at))),
        _ => u64::from_le_bytes(row.scalar(at)),
    }
}

impl KeyKind {
    fn describe(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Signed(_) => "an integer",
            Self::Unsigned(_) => "an integer that is not negative",
            Self::Text => "text",
            Self::Data => "bytes",
        }
    }
}

fn resolve(schema: &Schema, ty: &StructType, path: &str) -> Result<KeyField> {
    let record_type = &ty.name;
    let mut ty = ty;
    let mut rest = path;
    loop {
        let (name, tail) = rest.split_once('.').map_or((rest, None), |(name, tail)| (name, Some(tail)));
        let refuse = |why: &str| {
            Err(Error::from(Fault::KeyField { field: format!("{record_type}.{path}"), problem: why.to_owned() }))
        };
        let Some(field) = ty.field_by_capnp_name_first(name) else {
            let names: Vec<_> = ty.fields.iter().map(super::schema::FieldType::json_name).collect();
            return refuse(&format!("{} has no such field; it has {}", ty.name, names.join(", ")));
        };
        if field.discriminant.is_some() {
            return refuse("a member of a union cannot be part of a key");
        }
        match (&field.kind, tail) {
            (FieldKind::Group(id), Some(tail)) => {
                ty = schema.struct_type(*id)?;
                rest = tail;
            }
            (FieldKind::Slot { offset, ty, default }, None) => {
                let kind = match ty {
                    Type::Bool => KeyKind::Bool,
                    Type::Text if field.is_json => return refuse("a text that is JSON cannot be part of a key"),
                    Type::Text => KeyKind::Text,
                    Type::Data if field.vector.is_none() => KeyKind::Data,
                    other => match integer_bytes(other) {
                        Some(kind) => kind,
                        None => return refuse("only integers, Bool, enums, Text and Data can be part of a key"),
                    },
                };
                if matches!(default, DefaultValue::Pointer(_)) {
                    // A value equal to the default is stored as null, and no key is null.
                    return refuse("a text or bytes with a default value cannot be part of a key");
                }
                let unit = match kind {
                    KeyKind::Signed(n) | KeyKind::Unsigned(n) => u32::from(n),
                    _ => 1,
                };
                let offset = offset.saturating_mul(unit);
                return Ok(KeyField { name: path.to_owned(), kind, offset, default: default.bits() });
            }
            _ => return refuse("a key field must be a plain value"),
        }
    }
}

fn push_integer(value: i128, bytes: u8, out: &mut Vec<u8>) -> bool {
    match fitting(value, bytes) {
        Some(value) => {
            out.extend_from_slice(&value.to_be_bytes()[8 - bytes as usize..]);
            true
        }
        None => false,
    }
}

/// Returns a number that is not negative and fits a number of bytes.
#[inline]
fn fitting(value: i128, bytes: u8) -> Option<u64> {
    u64::try_from(value).ok().filter(|value| bytes == 8 || value >> (8 * bytes) == 0)
}

/// Returns a signed number, moved so that the smallest of its width is 0; one far out of range stays out of range.
#[inline]
fn from_signed(value: i128, bytes: u8) -> i128 {
    value.saturating_add(1 << (8 * bytes - 1))
}
