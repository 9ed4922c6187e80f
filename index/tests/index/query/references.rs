//! A naive reading of references, and random ways back.

use kapok_core::record::{Record, ValueRef};
use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type};
use kapok_index::View;
use kapok_samples::random::Random;

use super::library::TYPES;
use super::naive::Step;
use crate::indexed::Key;

/// The struct type of a record type.
pub fn target_of<'s>(schema: &'s Schema, name: &str) -> &'s StructType {
    schema.structs().find(|ty| ty.name == name).unwrap()
}

/// The reference of a struct by its name: that of a field, or that of several.
fn reference(ty: &StructType, name: &str) -> Option<(String, Vec<String>)> {
    if let Some(field) = ty.field(name) {
        if is_list(field) {
            return None;
        }
        return field.reference.clone().map(|target| (target, vec![name.to_owned()]));
    }
    let of_several = ty.references.iter().find(|reference| reference.name == name)?;
    Some((of_several.target.clone(), of_several.fields.clone()))
}

/// The values that refer; `None` if one of them is null.
fn values(record: Record<'_>, fields: &[String]) -> Option<Vec<Key>> {
    let get = |path: &String| match path.split_once('.') {
        None => record.get(path).unwrap(),
        Some((outer, inner)) => {
            record.get(outer).unwrap().as_record().map_or(ValueRef::Null, |inside| inside.get(inner).unwrap())
        }
    };
    let keys = fields.iter().map(|path| Key::of(get(path)));
    keys.map(|key| (key != Key::Null).then_some(key)).collect()
}

/// What a name leads to, if it is that of a reference that is followed.
pub fn follow<'v>(view: &'v View, record: Record<'v>, name: &str, goes_on: bool) -> Option<ValueRef<'v>> {
    let ty = record.struct_type();
    let (target, fields) = reference(ty, name)?;
    if ty.field(name).is_some() && !goes_on {
        return None;
    }
    Some(values(record, &fields).map_or(ValueRef::Null, |wanted| record_of_key(view, &target, &wanted)))
}

/// The record of a type whose key has some values; `Null` if there is none, or one of them is null.
pub fn record_of<'v>(view: &'v View, target: &str, key: &[ValueRef<'v>]) -> ValueRef<'v> {
    let wanted: Vec<Key> = key.iter().map(|value| Key::of(*value)).collect();
    if wanted.contains(&Key::Null) { ValueRef::Null } else { record_of_key(view, target, &wanted) }
}

fn record_of_key<'v>(view: &'v View, target: &str, wanted: &[Key]) -> ValueRef<'v> {
    let table = view.table(target).unwrap();
    let key: Vec<String> = table.key().names().map(str::to_owned).collect();
    let found = table.row_ids().map(|row| table.record(row).unwrap());
    let mut found = found.filter(|found| values(*found, &key).as_deref() == Some(wanted));
    let one = found.next();
    assert!(found.next().is_none(), "a key of two records");
    one.map_or(ValueRef::Null, ValueRef::Struct)
}

fn is_list(field: &FieldType) -> bool {
    matches!(&field.kind, FieldKind::Slot { ty: Type::List(_), .. })
}

/// The records of a type that refer to a record by a path.
pub fn referrers<'v>(
    view: &'v View,
    record: Record<'v>,
    record_type: &str,
    path: &[Step],
) -> Option<Vec<ValueRef<'v>>> {
    let table = view.table(record_type).ok()?;
    let target = view.table(&record.struct_type().name).ok()?;
    let key: Vec<String> = target.key().names().map(str::to_owned).collect();
    let wanted = values(record, &key).unwrap();
    let refers = |found: &Record<'v>| refers(view, (ValueRef::Struct(*found), None), path, &wanted);
    let all = table.row_ids().map(|row| table.record(row).unwrap());
    Some(all.filter(refers).map(ValueRef::Struct).collect())
}

/// Whether what is at a place, or one of the elements that a path leads to, refers by it to the record of a key.
/// `at`: with the record type that elements refer to.
fn refers<'v>(view: &'v View, (at, target): (ValueRef<'v>, Option<&'v str>), path: &[Step], wanted: &[Key]) -> bool {
    match (at, path) {
        (at, []) => Key::of(at) == wanted[0] && wanted.len() == 1,
        (ValueRef::List(list), [Step::Each, rest @ ..]) => {
            list.iter().any(|element| refers(view, (element.unwrap(), target), rest, wanted))
        }
        (ValueRef::Null, _) => false,
        (at, [Step::Name(_), ..]) if at.as_record().is_none() => {
            refers(view, (record_of(view, target.unwrap(), &[at]), None), path, wanted)
        }
        (ValueRef::Struct(at), [Step::Name(name)]) => {
            let (_, fields) = reference(at.struct_type(), name).unwrap();
            values(at, &fields).as_deref() == Some(wanted)
        }
        (ValueRef::Struct(at), [Step::Name(name), rest @ ..]) => {
            let target = at.struct_type().field(name).and_then(|field| field.reference.as_deref());
            let next = follow(view, at, name, true).unwrap_or_else(|| at.get(name).unwrap());
            refers(view, (next, target), rest, wanted)
        }
        _ => false,
    }
}

/// A random path by which records refer to those of a type, and their type.
pub fn back_references<'s>(r: &mut Random, schema: &'s Schema, to: &StructType) -> Option<(Vec<Step>, &'s StructType)> {
    let mut all = Vec::new();
    for ty in schema.structs().filter(|ty| TYPES.contains(&ty.name.as_str())) {
        walk(schema, ty, &[Step::Name(ty.name.clone())], &to.name, &mut all);
    }
    let path = all.get(r.below(all.len().max(1)))?;
    let Step::Name(name) = &path[0] else { panic!("{path:?}") };
    Some((path.clone(), target_of(schema, name)))
}

fn walk(schema: &Schema, ty: &StructType, path: &[Step], to: &str, out: &mut Vec<Vec<Step>>) {
    let of_fields = ty.fields.iter().filter_map(|field| Some((steps_of(field), field.reference.as_ref()?)));
    let of_several =
        ty.references.iter().map(|reference| (vec![Step::Name(reference.name.clone())], &reference.target));
    for (steps, target) in of_fields.chain(of_several) {
        let path = [path, &steps].concat();
        if target == to {
            out.push(path.clone());
        }
        if path.iter().filter(|step| **step != Step::Each).count() < 3 {
            walk(schema, target_of(schema, target), &path, to, out);
        }
    }
    for field in &ty.fields {
        let FieldKind::Slot { ty, .. } = &field.kind else { continue };
        if let Type::Struct(id) = ty.innermost() {
            walk(schema, schema.struct_type(*id).unwrap(), &[path, &steps_of(field)].concat(), to, out);
        }
    }
}

/// A field, and the elements of the list that it is.
fn steps_of(field: &FieldType) -> Vec<Step> {
    let mut out = vec![Step::Name(field.name.clone())];
    let FieldKind::Slot { ty, .. } = &field.kind else { return out };
    let mut ty = ty;
    while let Type::List(element) = ty {
        out.push(Step::Each);
        ty = element;
    }
    out
}
