//! Reads records in place without generated code.
//!
//! A [`Record`] is a struct in place, together with the type that a [`Schema`] gives it. Nothing is parsed and nothing
//! copied: values borrow from the segment (or, for the defaults of absent texts and lists, from the schema). The rules
//! of Cap'n Proto hold: a field beyond the end of an older, shorter struct has its default, numbers are stored as the
//! XOR with their defaults, and only the active member of a union has a value. What comes on top is Kapok's: a null
//! pointer without a default is [`ValueRef::Null`], and so is a number whose `nullOf` flag is set.
//!
//! On top of a record: JSON out ([`Record::write_json`]), serde out ([`Record::deserialize`]) and comparison by value
//! ([`Record::value_eq`]). These walk everything that a record reaches, so they carry a [`Budget`].

use std::fmt;

use hashbrown::HashSet;

use crate::error::{Error, Result};
use crate::schema::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::words::{StructRef, Words};

mod budget;
mod de;
mod equality;
mod fields;
#[cfg(test)]
pub(crate) mod fixture;
mod json;
mod list;
mod origin;
mod path_error;
#[cfg(test)]
mod tests;
mod value_ref;

pub use budget::{Budget, DEPTH_MAX, deeper};
pub use fields::Fields;
pub use list::{Items, ListValue};
pub use origin::element_size;
pub use path_error::{PathError, PathResult};
pub use value_ref::ValueRef;

use origin::Origin;

/// A struct or group in place, with its type.
#[derive(Clone, Copy)]
pub struct Record<'v> {
    origin: Origin<'v>,
    ty: &'v StructType,
    at: StructRef<'v>,
}

impl<'v> Record<'v> {
    /// Makes a record of the struct `at`, which is of the struct type `id` of `schema`.
    ///
    /// # Errors
    /// `Invalid` if the schema has no such type.
    pub fn new(schema: &'v Schema, id: u64, at: StructRef<'v>) -> Result<Self> {
        Ok(Self::of_type(schema, schema.struct_type(id)?, at))
    }

    /// Returns the struct `at`, which is of a struct type of `schema`.
    pub(crate) fn of_type(schema: &'v Schema, ty: &'v StructType, at: StructRef<'v>) -> Self {
        Self { origin: Origin { schema, blob: "record" }, ty, at }
    }

    /// Names the blob that this record lies in, for errors.
    #[must_use]
    pub fn in_blob(mut self, blob: &'v str) -> Self {
        self.origin.blob = blob;
        self
    }

    /// Returns the schema that this record is read by.
    pub fn schema(&self) -> &'v Schema {
        self.origin.schema
    }

    /// Returns the type of this struct or group.
    pub fn struct_type(&self) -> &'v StructType {
        self.ty
    }

    /// Returns the words that are read.
    pub fn struct_ref(&self) -> StructRef<'v> {
        self.at
    }

    /// Returns the name of the blob that this record lies in.
    pub fn blob(&self) -> &'v str {
        self.origin.blob
    }

    /// Returns the value of the field of a JSON name, or else of a Cap'n Proto name; `Null` for a union's inactive
    /// members.
    ///
    /// # Errors
    /// `NotFound` if there is no such field; `Corrupt` if the words do not hold what the type says.
    pub fn get(&self, name: &str) -> Result<ValueRef<'v>> {
        match self.ty.field_by_any_name(name) {
            Some(field) => self.value(field),
            None => Err(self.no_field(name)),
        }
    }

    /// Returns the value of a field of [`Record::struct_type`]; `Null` for a union's inactive members.
    ///
    /// # Errors
    /// `Corrupt` if the words do not hold what the type says.
    pub fn value(&self, field: &'v FieldType) -> Result<ValueRef<'v>> {
        self.value_unless(field, || self.is_flagged_null(field))
    }

    /// As [`Record::value`], for callers that read all fields and have collected the [`nulls`](Self::nulls).
    fn value_beside(&self, field: &'v FieldType, nulls: &HashSet<&'v str>) -> Result<ValueRef<'v>> {
        self.value_unless(field, || nulls.contains(field.name.as_str()))
    }

    fn value_unless(&self, field: &'v FieldType, is_flagged_null: impl FnOnce() -> bool) -> Result<ValueRef<'v>> {
        if !self.is_active(field) {
            return Ok(ValueRef::Null);
        }
        match &field.kind {
            FieldKind::Group(id) => Ok(ValueRef::Struct(Record { ty: self.origin.schema.struct_type(*id)?, ..*self })),
            FieldKind::Slot { offset, ty, default } if ty.is_pointer() => {
                let stored = match self.at.pointer_at(*offset) {
                    Some(at) => self.origin.pointer(self.at.words(), at, ty, field.is_map)?,
                    None => None,
                };
                match (stored, default) {
                    (Some(value), _) => Ok(annotated(value, field)),
                    (None, DefaultValue::Pointer(words)) => {
                        let origin = Origin { blob: "schema", ..self.origin };
                        let value = origin.pointer(Words::new(words), 0, ty, field.is_map)?;
                        Ok(annotated(value.unwrap_or(ValueRef::Null), field))
                    }
                    (None, _) => Ok(ValueRef::Null),
                }
            }
            FieldKind::Slot { offset, ty, default } => {
                if is_flagged_null() {
                    return Ok(ValueRef::Null);
                }
                self.origin.scalar(ty, self.bits(*offset, ty) ^ default.bits())
            }
        }
    }

    /// Returns the fields and their values in the order in which people declared them: of a union the active member
    /// alone, and no `nullOf` flags.
    pub fn fields(&self) -> Fields<'v> {
        Fields::new(*self)
    }

    /// Returns whether a field is outside the union, or its active member.
    pub(crate) fn is_active(&self, field: &FieldType) -> bool {
        field.discriminant.is_none_or(|value| value == self.discriminant())
    }

    /// Returns the active member of the unnamed union (or of this named one); `None` if there is no union, or if a
    /// newer writer chose a member that this schema does not know.
    pub fn active_member(&self) -> Option<&'v FieldType> {
        let discriminant = self.discriminant();
        self.ty.fields.iter().find(|field| field.discriminant == Some(discriminant))
    }

    /// Returns the value of the union's discriminant; 0 if there is no union.
    pub fn discriminant(&self) -> u16 {
        if self.ty.discriminant_count == 0 {
            return 0;
        }
        u16::from_le_bytes(self.at.scalar(self.ty.discriminant_offset as usize * 2))
    }

    /// Returns whether a set flag says that a number is null.
    fn is_flagged_null(&self, field: &FieldType) -> bool {
        self.ty.fields.iter().any(|flag| flag.null_of.as_ref() == Some(&field.name) && self.is_set(flag))
    }

    /// Returns the names of the fields whose flags say that they are null, in one pass: a type may have as many flags
    /// as fields.
    fn nulls(&self) -> HashSet<&'v str> {
        let flags = self.ty.fields.iter().filter_map(|flag| Some((flag, flag.null_of.as_deref()?)));
        flags.filter(|(flag, _)| self.is_set(flag)).map(|(_, name)| name).collect()
    }

    /// Returns whether a flag is stored as true.
    fn is_set(&self, flag: &FieldType) -> bool {
        match &flag.kind {
            FieldKind::Slot { offset, ty: Type::Bool, default } if self.is_active(flag) => {
                self.at.bit(*offset as usize) != (default.bits() & 1 == 1)
            }
            _ => false,
        }
    }

    /// Returns the stored bits of a number, in the low end.
    #[inline]
    fn bits(&self, offset: u32, ty: &Type) -> u64 {
        let offset = offset as usize;
        match ty.data_bits() {
            Some(1) => u64::from(self.at.bit(offset)),
            Some(8) => u64::from(u8::from_le_bytes(self.at.scalar(offset))),
            Some(16) => u64::from(u16::from_le_bytes(self.at.scalar(offset * 2))),
            Some(32) => u64::from(u32::from_le_bytes(self.at.scalar(offset * 4))),
            Some(64) => u64::from_le_bytes(self.at.scalar(offset * 8)),
            _ => 0,
        }
    }

    #[cold]
    fn no_field(&self, name: &str) -> Error {
        self.ty.no_field(format!("{}.{name}", self.ty.name))
    }
}

/// Returns a text, as the annotations of its field say.
fn annotated<'v>(value: ValueRef<'v>, field: &FieldType) -> ValueRef<'v> {
    match value {
        ValueRef::Text(text) if field.is_json => ValueRef::Json(text),
        value => value,
    }
}

/// The name of the type, then the record as JSON: up to what a small budget allows or what cannot be read, with the
/// reason.
impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.ty.name)?;
        ValueRef::Struct(*self).fmt_json(f)
    }
}
