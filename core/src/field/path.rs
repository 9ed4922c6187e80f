//! Resolves a path such as `address.city`, which leads from a row to a value.

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::field::Leaf;
use crate::schema::{DefaultValue, FieldKind, Schema, StructType, Type};
use crate::words::{Read, StructRef};

/// A resolved path.
#[derive(Clone, Debug)]
pub(super) struct Path<'v> {
    /// Structs to go through, from the row on.
    hops: Vec<Hop>,
    /// Union members that the last struct must have active.
    conditions: Vec<Condition>,
    pub leaf: Leaf<'v>,
    /// Whether the value lies in the row itself, unconditionally.
    pub direct: bool,
}

#[derive(Clone, Debug)]
struct Hop {
    conditions: Vec<Condition>,
    slot: u32,
}

/// A union's discriminant and the value that makes a member active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Bytes into the data section.
    pub at: usize,
    pub value: u16,
}

impl<'v> Path<'v> {
    pub(super) fn compile(schema: &'v Schema, record: &'v StructType, path: &str) -> Result<Self> {
        let mut ty = record;
        let mut hops = Vec::new();
        let mut conditions = Vec::new();
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let Some(field) = ty.field_by_any_name(name) else {
                return Err(ty.no_field(format!("{}.{path}", record.name)));
            };
            if let Some(value) = field.discriminant {
                conditions.push(Condition { at: ty.discriminant_offset as usize * 2, value });
            }
            match (&field.kind, names.peek()) {
                (FieldKind::Group(id), Some(_)) => ty = schema.struct_type(*id)?,
                (FieldKind::Group(_), None) => {
                    let subject = format!("{}.{path}", record.name);
                    return Err(no_value(subject, "a group has no value of its own; go on to one of its fields"));
                }
                (FieldKind::Slot { offset, ty: value, default }, None) => {
                    let leaf = Leaf::new(schema, ty, field, *offset, value, default);
                    let direct = hops.is_empty() && conditions.is_empty();
                    return Ok(Self { hops, conditions, leaf, direct });
                }
                (FieldKind::Slot { offset, ty: Type::Struct(id), default }, Some(_)) => {
                    if matches!(default, DefaultValue::Pointer(_)) {
                        let subject = format!("{}.{path}", record.name);
                        return Err(no_value(subject, "leads through a struct with a default value; read the record"));
                    }
                    hops.push(Hop { conditions: std::mem::take(&mut conditions), slot: *offset });
                    ty = schema.struct_type(*id)?;
                }
                (FieldKind::Slot { .. }, Some(next)) => {
                    let subject = format!("{}.{path}", record.name);
                    return Err(no_value(subject, format!("{name} is not a struct, so it has no {next}")));
                }
            }
        }
        Err(no_value(record.name.clone(), "no field named"))
    }

    /// Returns whether a record may have no value at all, not even a default one.
    pub(super) fn may_be_absent(&self) -> bool {
        let conditions = self.hops.iter().map(|hop| hop.conditions.len()).sum::<usize>() + self.conditions.len();
        conditions > 0 || self.leaf.is_nullable_number()
    }

    /// Returns the struct that holds the value; `None` if a struct on the way is null or a union has another member.
    #[inline]
    pub(super) fn walk(&self, row: StructRef<'v>) -> Read<Option<StructRef<'v>>> {
        let mut at = row;
        for hop in &self.hops {
            if !all_hold(&hop.conditions, at) {
                return Ok(None);
            }
            let Some(word) = at.pointer_at(hop.slot) else { return Ok(None) };
            match at.words().struct_of(word)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(all_hold(&self.conditions, at).then_some(at))
    }
}

/// Returns whether a struct has all of some union members active.
#[inline]
pub(crate) fn all_hold(conditions: &[Condition], at: StructRef<'_>) -> bool {
    conditions.iter().all(|condition| u16::from_le_bytes(at.scalar(condition.at)) == condition.value)
}

#[cold]
pub(crate) fn no_value(path: String, problem: impl Into<String>) -> Error {
    Fault::Path { path, problem: problem.into() }.into()
}
