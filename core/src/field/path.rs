//! Resolves a path such as `address.city` or `labels["en"]`, which leads from a row to a value, or to one in each element of
//! a list.

use std::sync::Arc;

use super::entry::Entry;
use super::step::{Part, Step};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::field::Leaf;
use crate::schema::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::words::{Read, StructRef};

/// Lists that a path goes through, at most.
const LISTS_MAX: usize = 32;

/// A resolved path.
#[derive(Clone, Debug)]
pub(super) struct Path<'v> {
    /// Structs to go through, from the row on.
    hops: Vec<Hop<'v>>,
    /// Union members that the last struct must have active.
    conditions: Vec<Condition>,
    pub leaf: Leaf<'v>,
    /// Whether the value lies in the row itself, unconditionally.
    pub direct: bool,
}

#[derive(Clone, Debug)]
struct Hop<'v> {
    conditions: Vec<Condition>,
    to: Target<'v>,
}

/// What a hop leads to.
#[derive(Clone, Debug)]
enum Target<'v> {
    /// The struct of a pointer.
    Struct(u32),
    /// An entry of a map.
    Entry(Box<Entry<'v>>),
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
        Self::compile_within(schema, record, path, LISTS_MAX, &|| format!("{}.{path}", record.name))
    }

    /// `lists_max`: so many lists it may go through. `whole`: the path from the record type on.
    fn compile_within(
        schema: &'v Schema,
        record: &'v StructType,
        path: &str,
        lists_max: usize,
        whole: &dyn Fn() -> String,
    ) -> Result<Self> {
        let mut ty = record;
        let mut hops = Vec::new();
        let mut conditions = Vec::new();
        let mut left = Some(path);
        while let Some(text) = left {
            let step = match Step::first(ty, text) {
                Ok(step) => step,
                Err(missing) => return missing.error(ty, whole()),
            };
            let Step { field, part, rest } = step;
            left = rest;
            if let Some(value) = field.discriminant {
                conditions.push(Condition { at: ty.discriminant_offset as usize * 2, value });
            }
            let (offset, value, default) = match (&field.kind, rest) {
                (FieldKind::Slot { offset, ty, default }, _) => (*offset, ty, default),
                (FieldKind::Group(id), Some(_)) if part == Part::Whole => {
                    ty = schema.struct_type(*id)?;
                    continue;
                }
                (FieldKind::Group(_), None) if part == Part::Whole => {
                    return Err(no_value(whole(), "a group has no value of its own; go on to one of its fields"));
                }
                (FieldKind::Group(_), _) => return Err(no_value(whole(), "a group has neither elements nor keys")),
            };
            let mut place = (field, Leaf::new(schema, ty, field, offset, value, default));
            if let Part::Entry(key) = &part {
                let (entry, of) = Entry::resolve(schema, field, place.1, key).map_err(|why| no_value(whole(), why))?;
                let to = Target::Entry(Box::new(entry));
                hops.push(Hop { conditions: std::mem::take(&mut conditions), to });
                place =
                    entry_value(schema, of).ok_or_else(|| no_value(whole(), "a map whose entries have no value"))?;
            }
            let (field, mut leaf) = place;
            let FieldKind::Slot { offset, ty: value, default } = &field.kind else { continue };
            match (rest, value) {
                (Some(rest), Type::List(element)) if part == Part::Each => {
                    let Type::Struct(id) = **element else {
                        return Err(no_value(whole(), "its elements have no fields; read the list itself"));
                    };
                    let Some(lists_max) = lists_max.checked_sub(1) else {
                        return Err(no_value(whole(), format!("goes through more than {LISTS_MAX} lists")));
                    };
                    let inner = Self::compile_within(schema, schema.struct_type(id)?, rest, lists_max, whole)?;
                    leaf.each = Some(Arc::new(inner));
                }
                (None, Type::List(_)) if part == Part::Each => {
                    return Err(no_value(whole(), "has no field behind []; read the list itself, without []"));
                }
                _ if part == Part::Each => return Err(no_value(whole(), "only a list has elements")),
                (None, _) => {}
                (Some(_), Type::Struct(id)) => {
                    if matches!(default, DefaultValue::Pointer(_)) {
                        return Err(no_value(whole(), "leads through a struct with a default value; read the record"));
                    }
                    let to = Target::Struct(*offset);
                    hops.push(Hop { conditions: std::mem::take(&mut conditions), to });
                    ty = schema.struct_type(*id)?;
                    continue;
                }
                (Some(next), _) => {
                    let name = field.json_name();
                    let hint = if matches!(value, Type::List(_)) { "; [] behind it goes through a list" } else { "" };
                    return Err(no_value(whole(), format!("{name} is not a struct, so it has no {next}{hint}")));
                }
            }
            let direct = hops.is_empty() && conditions.is_empty();
            return Ok(Self { hops, conditions, leaf, direct });
        }
        Err(no_value(record.name.clone(), "no field named"))
    }

    /// Returns whether a record may have no value at all, not even a default one.
    pub(super) fn may_be_absent(&self) -> bool {
        let conditions = self.hops.iter().map(|hop| hop.conditions.len()).sum::<usize>() + self.conditions.len();
        let is_entry = self.hops.iter().any(|hop| matches!(hop.to, Target::Entry(_)));
        conditions > 0 || is_entry || self.leaf.is_nullable_number()
    }

    /// Returns the struct that holds the value; `None` if a struct on the way is null or a union has another member.
    #[inline]
    pub(super) fn walk(&self, row: StructRef<'v>) -> Read<Option<StructRef<'v>>> {
        let mut at = row;
        for hop in &self.hops {
            if !all_hold(&hop.conditions, at) {
                return Ok(None);
            }
            let next = match &hop.to {
                Target::Struct(slot) => match at.pointer_at(*slot) {
                    Some(word) => at.words().struct_of(word)?,
                    None => None,
                },
                Target::Entry(entry) => entry.find(at)?,
            };
            let Some(next) = next else { return Ok(None) };
            at = next;
        }
        Ok(all_hold(&self.conditions, at).then_some(at))
    }
}

/// Returns whether a struct has all of some union members active.
#[inline]
pub(crate) fn all_hold(conditions: &[Condition], at: StructRef<'_>) -> bool {
    conditions.iter().all(|condition| u16::from_le_bytes(at.scalar(condition.at)) == condition.value)
}

/// Returns the place of the value in the entries of a map.
fn entry_value<'v>(schema: &'v Schema, entry: &'v StructType) -> Option<(&'v FieldType, Leaf<'v>)> {
    let field = entry.field("value")?;
    let FieldKind::Slot { offset, ty, default } = &field.kind else { return None };
    Some((field, Leaf::new(schema, entry, field, *offset, ty, default)))
}

#[cold]
pub(crate) fn no_value(path: String, problem: impl Into<String>) -> Error {
    Fault::Path { path, problem: problem.into() }.into()
}
