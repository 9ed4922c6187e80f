//! Merges a producer's schema into the dataset's, or refuses what cannot be merged.
//!
//! Accepted: appended fields, enumerants, union members and types, and renames of them all. Everything else is refused,
//! since old segments stay as they are; publishing the whole record type anew is the way out. Types are matched by id.

use std::collections::{HashSet, VecDeque};

use super::places::{PlacedField, Places, describe_type, difference};
use super::steps::{Step, Steps};
use super::{FieldKind, Schema, StructType, Type, VectorSpace};
use crate::error::{Error, Result};
use crate::fault::Fault;

/// What to do if the producer's schema is older than the dataset's: it lacks fields, union members or enumerants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OlderSchema {
    /// Refuse.
    #[default]
    Refuse,
    /// Go on with the dataset's newer type.
    KeepNewer,
}

/// A schema on the way from the dataset's to the next one.
struct Evolution<'s> {
    dataset: &'s Schema,
    next: &'s Schema,
    older: OlderSchema,
    merged: Schema,
    steps: Steps,
    open: VecDeque<(Step, Type)>,
    seen: HashSet<u64>,
}

impl Schema {
    /// Returns this dataset's schema with a producer's types for some record types (by type id in `next`) merged in.
    /// Types that those do not reach stay.
    ///
    /// Keys are compared if both schemas declare one, dimensions and metrics of vectors if both know one: a key that the
    /// record type got elsewhere, and a dimension fixed by the first record, are the caller's to compare.
    ///
    /// # Errors
    /// `Incompatible` for a change that is not accepted, naming the field by its path, the old and the new; `Invalid`
    /// if one of the schemas is broken.
    pub fn evolve(&self, next: &Self, record_types: &[u64], older: OlderSchema) -> Result<Self> {
        let mut evolution = Evolution {
            dataset: self,
            next,
            older,
            merged: self.clone(),
            steps: Steps::default(),
            open: VecDeque::new(),
            seen: HashSet::new(),
        };
        for id in record_types {
            let at = evolution.steps.begin(&next.struct_type(*id)?.name);
            evolution.open.push_back((at, Type::Struct(*id)));
        }
        while let Some((at, ty)) = evolution.open.pop_front() {
            match ty {
                Type::Struct(id) if evolution.seen.insert(id) => evolution.merge_struct(at, id)?,
                Type::Enum(id) if evolution.seen.insert(id) => evolution.merge_enum(at, id)?,
                _ => {}
            }
        }
        Ok(evolution.merged)
    }
}

impl Evolution<'_> {
    fn merge_struct(&mut self, at: Step, id: u64) -> Result<()> {
        let path = &*self.steps.path(at);
        let new = self.next.struct_type(id)?;
        if self.dataset.get_enum(id).is_some() {
            return Err(refused(path, "type", "an enum", "a struct"));
        }
        let new_places = Places::of(self.next, new)?;
        for field in new_places.by_ordinal.values() {
            if let FieldKind::Slot { ty, .. } = &field.field.kind
                && let ty @ (Type::Struct(id) | Type::Enum(id)) = ty.innermost()
                && !self.seen.contains(id)
            {
                let step = self.steps.go(at, &field.path);
                self.open.push_back((step, ty.clone()));
            }
        }
        let Some(old) = self.dataset.get_struct(id) else {
            self.merged.insert_struct(StructType::clone(new));
            for group in new_places.groups.keys() {
                self.merged.insert_struct(StructType::clone(self.next.struct_type(*group)?));
            }
            return Ok(());
        };
        let old_places = Places::of(self.dataset, old)?;
        self.compare_fields(path, &old_places, &new_places)?;
        compare_keys(path, (old, &old_places), (new, &new_places))?;
        let is_older = old_places.last_ordinal() > new_places.last_ordinal();
        if is_older && self.older == OlderSchema::Refuse {
            return Err(too_old(path, &old_places, &new_places));
        }
        for id in std::iter::once(&id).chain(if is_older { &old_places.groups } else { &new_places.groups }.keys()) {
            let mut ty = StructType::clone(if is_older { self.dataset } else { self.next }.struct_type(*id)?);
            if !is_older && let Ok(before) = self.dataset.struct_type(*id) {
                ty.data_words = ty.data_words.max(before.data_words);
                ty.pointer_words = ty.pointer_words.max(before.pointer_words);
            }
            for field in &mut ty.fields {
                let Some(ordinal) = field.ordinal else { continue };
                let revisions = (old_places.by_ordinal.get(&ordinal), new_places.by_ordinal.get(&ordinal));
                if let (Some(PlacedField { field: old, .. }), Some(PlacedField { field: new, .. })) = revisions {
                    field.vector = old.vector.zip(new.vector).and_then(|(old, new)| old.joined(new));
                    let (known, other) = if is_older { (old, new) } else { (new, old) };
                    field.reference = known.reference.clone().or_else(|| other.reference.clone());
                }
            }
            if *id == new.id && ty.indexes.is_empty() {
                ty.indexes.clone_from(&old.indexes);
            }
            if *id == new.id && ty.references.is_empty() {
                let (from, from_places, to_places) =
                    if is_older { (new, &new_places, &old_places) } else { (old, &old_places, &new_places) };
                ty.references.clone_from(&from.references);
                for reference in &mut ty.references {
                    reference.fields = translate_key(&reference.fields, from_places, to_places);
                }
            }
            if *id == new.id && ty.key.is_empty() {
                ty.key = if is_older {
                    translate_key(&new.key, &new_places, &old_places)
                } else {
                    translate_key(&old.key, &old_places, &new_places)
                };
            }
            self.merged.insert_struct(ty);
        }
        Ok(())
    }

    fn merge_enum(&mut self, at: Step, id: u64) -> Result<()> {
        let path = &*self.steps.path(at);
        let new = self.next.enum_type(id)?;
        if self.dataset.get_struct(id).is_some() {
            return Err(refused(path, "type", "a struct", "an enum"));
        }
        let old_count = self.dataset.get_enum(id).map_or(0, |old| old.enumerants.len());
        let new_count = new.enumerants.len();
        if new_count >= old_count {
            self.merged.insert_enum(new.as_ref().clone());
        } else if self.older == OlderSchema::Refuse {
            return Err(older(
                path,
                &format!("enum {}", new.name),
                &format!("{old_count} enumerants, {new_count} known"),
            ));
        }
        Ok(())
    }

    fn compare_fields(&self, path: &str, old_places: &Places<'_>, new_places: &Places<'_>) -> Result<()> {
        for (ordinal, old) in &old_places.by_ordinal {
            let path = format!("{path}.{}", old.path);
            let Some(new) = new_places.by_ordinal.get(ordinal) else {
                if Some(*ordinal) < new_places.last_ordinal() {
                    return Err(refused(&path, "field", &format!("@{ordinal}"), "none of this ordinal"));
                }
                continue;
            };
            if let Some(found) = difference((self.dataset, old), (self.next, new)) {
                return Err(refused(&path, found.what, &found.old, &found.new));
            }
            if old.groups != new.groups {
                return Err(refused(&path, "group", &old.path, &new.path));
            }
            if let (FieldKind::Slot { ty: old_ty, .. }, FieldKind::Slot { ty: new_ty, .. }) =
                (&old.field.kind, &new.field.kind)
                && old_ty != new_ty
            {
                let describe = |schema, ty: &Type| match ty.innermost() {
                    Type::Struct(id) | Type::Enum(id) => format!("{} @{id:#018x}", describe_type(schema, ty)),
                    _ => describe_type(schema, ty),
                };
                let (old, new) = (describe(self.dataset, old_ty), describe(self.next, new_ty));
                return Err(refused(&path, "type id", &old, &new));
            }
            if let Some((old, new)) = vector_change(old.field.vector, new.field.vector) {
                return Err(refused(&path, "vector", &old, &new));
            }
            compare_meaning(&path, (old, old_places), (new, new_places))?;
        }
        for (id, old) in &old_places.groups {
            if let Some(new) = new_places.groups.get(id) {
                compare_meaning(&format!("{path}.{}", old.path), (old, old_places), (new, new_places))?;
            }
        }
        if let Some(skipped) = new_places
            .by_ordinal
            .keys()
            .find(|n| !old_places.by_ordinal.contains_key(n) && Some(**n) < old_places.last_ordinal())
        {
            return Err(refused(path, "field", "none of this ordinal", &format!("@{skipped}")));
        }
        if let Some((new, taken)) = new_places.collision(old_places) {
            return Err(refused(&format!("{path}.{new}"), "place", &taken, &new));
        }
        Ok(())
    }
}

/// Annotations that change what a field's bytes mean.
fn compare_meaning(
    path: &str,
    (old, old_places): (&PlacedField<'_>, &Places<'_>),
    (new, new_places): (&PlacedField<'_>, &Places<'_>),
) -> Result<()> {
    if old.field.is_map != new.field.is_map {
        let describe = |is_map| if is_map { "a map" } else { "a list" };
        return Err(refused(path, "kind", describe(old.field.is_map), describe(new.field.is_map)));
    }
    if old.field.is_json != new.field.is_json {
        let describe = |is_json| if is_json { "JSON" } else { "a text" };
        return Err(refused(path, "kind", describe(old.field.is_json), describe(new.field.is_json)));
    }
    let target = |placed: &PlacedField<'_>, places: &Places<'_>| {
        let name = placed.field.null_of.as_ref()?;
        Some(places.beside(placed, name).ok_or(name.clone()))
    };
    if target(old, old_places) != target(new, new_places) {
        let describe = |placed: &PlacedField<'_>| placed.field.null_of.clone().unwrap_or_else(|| "no field".to_owned());
        return Err(refused(path, "null of", &describe(old), &describe(new)));
    }
    Ok(())
}

/// Compares key fields by ordinal, if both schemas declare a key.
fn compare_keys(
    path: &str,
    (old, old_places): (&StructType, &Places<'_>),
    (new, new_places): (&StructType, &Places<'_>),
) -> Result<()> {
    if old.key.is_empty() || new.key.is_empty() {
        return Ok(());
    }
    if key_ordinals(old_places, &old.key) != key_ordinals(new_places, &new.key) {
        return Err(refused(path, "key", &old.key.join(","), &new.key.join(",")));
    }
    Ok(())
}

fn too_old(path: &str, old: &Places<'_>, new: &Places<'_>) -> Error {
    let missing: Vec<_> =
        old.by_ordinal.iter().filter(|(n, _)| !new.by_ordinal.contains_key(n)).map(|(_, f)| f.path.as_str()).collect();
    older(path, "struct", &format!("fields that it lacks: {}", missing.join(", ")))
}

fn vector_change(old: Option<VectorSpace>, new: Option<VectorSpace>) -> Option<(String, String)> {
    let same = match (old, new) {
        (None, None) => true,
        (Some(old), Some(new)) => old.joined(new).is_some(),
        _ => false,
    };
    let describe = |space: Option<VectorSpace>| match space {
        None => "not a vector".to_owned(),
        Some(VectorSpace { dimension, metric, element }) => {
            format!("dimension {dimension} metric {} element {}", metric.name(), element.name())
        }
    };
    (!same).then(|| (describe(old), describe(new)))
}

/// Returns the key fields by ordinal, or by name if there is no such field.
/// Ordinals of the key's fields, which may lie in groups; the name of one that is not there.
fn key_ordinals<'k>(places: &Places<'_>, key: &'k [String]) -> Vec<std::result::Result<u16, &'k str>> {
    key.iter().map(|path| places.ordinal(path).ok_or(path.as_str())).collect()
}

/// Returns the key of one revision in the names of another: of fields, and of the groups around them.
fn translate_key(key: &[String], from: &Places<'_>, to: &Places<'_>) -> Vec<String> {
    let translated = |path: &String| Some(to.by_ordinal.get(&from.ordinal(path)?)?.path.clone());
    key.iter().map(|path| translated(path).unwrap_or_else(|| path.clone())).collect()
}

impl Schema {
    /// Returns the paths of a record type's key in the names that another revision of the schema has for the fields,
    /// and for the groups around them.
    ///
    /// # Errors
    /// `Invalid` if one of the schemas is broken.
    pub fn translate_key(&self, type_id: u64, key: &[String], other: &Self) -> Result<Vec<String>> {
        let from = Places::of(self, self.struct_type(type_id)?)?;
        Ok(translate_key(key, &from, &Places::of(other, other.struct_type(type_id)?)?))
    }
}

fn refused(path: &str, what: &str, old: &str, new: &str) -> Error {
    let (field, what, old, new) = (path.to_owned(), what.to_owned(), old.to_owned(), new.to_owned());
    Fault::SchemaChange { field, what, old, new }.into()
}

fn older(path: &str, what: &str, missing: &str) -> Error {
    let (field, what, missing) = (path.to_owned(), what.to_owned(), missing.to_owned());
    Fault::OlderSchema { field, what, missing }.into()
}
