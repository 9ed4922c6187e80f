//! Resolves a path by the names of fields.

use super::{Condition, Hop, Hops, LISTS_MAX, Leaf, ListStep, Path, Slot, no_value};
use crate::error::Result;
use crate::schema::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::words::ElementSize;

/// By which names a struct's fields are found.
type Find = for<'s> fn(&'s StructType, &str) -> Option<&'s FieldType>;

/// Returns a path and the lists that it goes through.
pub(super) fn resolve(schema: &Schema, record: &StructType, text: &str, find: Find) -> Result<(Path, Vec<ListStep>)> {
    resolve_to(schema, record, text, find, End::Value)
}

/// Returns the path of a vector field, which goes through no list.
pub(super) fn resolve_vector(
    schema: &Schema,
    record: &StructType,
    text: &str,
    find: Find,
) -> Result<(Path, Vec<ListStep>)> {
    resolve_to(schema, record, text, find, End::Vector)
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Value,
    Vector,
}

fn resolve_to(schema: &Schema, record: &StructType, text: &str, find: Find, end: End) -> Result<(Path, Vec<ListStep>)> {
    let subject = || format!("{}.{text}", record.name);
    let (mut lists, mut hops) = (Vec::new(), Hops::default());
    let (mut names, mut fields) = (Vec::new(), Vec::new());
    let mut owner = record;
    let mut parts = text.split('.').peekable();
    while let Some(part) = parts.next() {
        let name = part.trim_end_matches("[]");
        let through = (part.len() - name.len()) / 2;
        let Some(field) = find(owner, name) else { return Err(owner.no_field(subject())) };
        names.push(format!("{}{}", field.name, "[]".repeat(through)));
        fields.push((owner.id, field.ordinal.unwrap_or(field.code_order)));
        if let Some(value) = field.discriminant {
            hops.conditions.push(Condition { at: owner.discriminant_offset as usize * 2, value });
        }
        let (offset, ty, default) = match &field.kind {
            FieldKind::Slot { offset, ty, default } => (*offset, ty, default),
            FieldKind::Group(id) if through == 0 && parts.peek().is_some() => {
                owner = schema.struct_type(*id)?;
                continue;
            }
            FieldKind::Group(_) => {
                return Err(no_value(subject(), "a group has no value of its own; go on to one of its fields"));
            }
        };
        let mut ty = ty;
        for level in 0..through {
            let Type::List(element) = ty else {
                return Err(no_value(subject(), format!("{name} is no list, so nothing is to be gone through by []")));
            };
            let slot = (level == 0).then(|| slot(offset, default));
            lists.push(ListStep { hops: std::mem::take(&mut hops), slot, size: element_size(element) });
            ty = element;
        }
        if lists.len() > LISTS_MAX {
            return Err(no_value(subject(), format!("goes through more than {LISTS_MAX} lists")));
        }
        if end == End::Vector && parts.peek().is_none() {
            if field.vector.is_none() || through > 0 {
                return Err(no_value(subject(), "is no vector field"));
            }
            // Its pointer is what there is to name.
            let leaf = Leaf::field(owner, field, offset, &Type::Data, &DefaultValue::Zero);
            let Some(leaf) = leaf else { return Err(no_value(subject(), "is no vector field")) };
            return Ok((Path { name: names.join("."), fields, depth: lists.len(), hops, leaf }, lists));
        }
        match (ty, parts.peek()) {
            (Type::List(_), _) => {
                return Err(no_value(subject(), format!("{name} is a list: {part}[] goes through its elements")));
            }
            (Type::Struct(id), Some(_)) => {
                if through == 0 {
                    let conditions = std::mem::take(&mut hops.conditions);
                    hops.hops.push(Hop { conditions, slot: slot(offset, default) });
                }
                owner = schema.struct_type(*id)?;
            }
            (Type::Struct(_), None) => {
                return Err(no_value(subject(), "leads to a struct; go on to one of its fields"));
            }
            (_, Some(next)) => {
                return Err(no_value(subject(), format!("{name} is not a struct, so it has no {next}")));
            }
            (_, None) => {
                let leaf = if through > 0 { Leaf::element(ty) } else { Leaf::field(owner, field, offset, ty, default) };
                let Some(leaf) = leaf else { return Err(no_value(subject(), "leads to a Void, which has no value")) };
                return Ok((Path { name: names.join("."), fields, depth: lists.len(), hops, leaf }, lists));
            }
        }
    }
    Err(no_value(record.name.clone(), "no field named"))
}

pub(super) fn slot(index: u32, default: &DefaultValue) -> Slot {
    let default = if let DefaultValue::Pointer(words) = default { Some(words.clone()) } else { None };
    Slot { index, default }
}

/// Returns the size of elements of a type in a list.
fn element_size(ty: &Type) -> ElementSize {
    match ty {
        Type::Struct(_) => ElementSize::Composite,
        ty => match ty.data_bits() {
            None => ElementSize::Pointer,
            Some(0) => ElementSize::Void,
            Some(1) => ElementSize::Bit,
            Some(8) => ElementSize::Byte,
            Some(16) => ElementSize::TwoBytes,
            Some(32) => ElementSize::FourBytes,
            Some(_) => ElementSize::EightBytes,
        },
    }
}
