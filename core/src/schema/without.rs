//! Takes a field out of a schema, so that no later field can be mistaken for it.
//!
//! The field's ordinal stays taken, by a `Void` field of another name, since programs compiled for the old schema would
//! otherwise read the next field added in its place. What lies behind it moves, so records are to be written anew.

use std::collections::BTreeSet;

use super::names::unique_name;
use super::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::error::{Error, Result};
use crate::fault::Fault;

/// A schema without a field that it had, and how records lose it.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldRemoval {
    /// The schema.
    pub schema: Schema,
    /// JSON names from the record down to the field.
    pub json_path: Vec<String>,
}

impl Schema {
    /// Returns the schema in which a record type has no field `path` any more: its name, or names joined by dots,
    /// through structs and lists of structs. `key`: the record type's key fields.
    ///
    /// # Errors
    /// `NotFound` for a field that there is not, listing those that there are. `Invalid` for a field of the key, a
    /// `nullOf` flag, a map's entries, and for a field of a struct that has groups or unions, or that other fields have
    /// too.
    pub fn without_field(&self, type_id: u64, key: &[String], path: &str) -> Result<FieldRemoval> {
        let root = self.struct_type(type_id)?;
        let subject = format!("{}.{path}", root.name);
        let mut owner = root;
        let mut json_path = Vec::new();
        let mut steps = path.split('.').peekable();
        let name = loop {
            let step = steps.next().unwrap_or_default();
            let field = owner.field_by_any_name(step).ok_or_else(|| absent(&subject, owner))?;
            json_path.push(field.json_name().to_owned());
            let FieldKind::Slot { ty, .. } = &field.kind else { return Err(refused(&subject, GROUPS)) };
            if steps.peek().is_none() {
                break field.name.clone();
            }
            if field.is_map {
                return Err(refused(&subject, "it is in the entries of a map; drop the map itself"));
            }
            let Type::Struct(id) = ty.innermost() else { return Err(absent(&subject, owner)) };
            owner = self.struct_type(*id)?;
        };
        if owner.id == type_id && key.contains(&name) {
            return Err(refused(
                &subject,
                "it is a field of the primary key; republish the record type with another key",
            ));
        }
        let is_plain = |field: &FieldType| matches!(field.kind, FieldKind::Slot { .. }) && field.discriminant.is_none();
        if !owner.fields.iter().all(is_plain) {
            return Err(refused(&subject, GROUPS));
        }
        let uses = self.uses_of(owner.id) + usize::from(owner.id == type_id);
        if uses > 1 {
            let detail = format!("its struct {} is that of {uses} fields or record types; {BY_FILE}", owner.name);
            return Err(refused(&subject, &detail));
        }
        let mut ty = StructType::clone(owner);
        let dropped = |field: &FieldType| field.name == name || field.null_of.as_ref() == Some(&name);
        if let Some(number) = ty.field(&name).and_then(|field| field.null_of.as_ref()) {
            return Err(refused(&subject, &format!("it says whether {number} is null; drop {number} instead")));
        }
        let taken: BTreeSet<String> = ty.fields.iter().map(|field| field.name.clone()).collect();
        for field in ty.fields.iter_mut().filter(|field| dropped(field)) {
            field.empty(&taken);
        }
        let goes_through = |path: &String| path.split('.').next() == Some(&name);
        ty.references.retain(|reference| !reference.fields.iter().any(goes_through));
        ty.lay_out()?;
        let mut schema = self.clone();
        schema.insert_struct(ty);
        Ok(FieldRemoval { schema, json_path })
    }

    /// Returns how many fields of all types hold this struct, or lists of it.
    fn uses_of(&self, id: u64) -> usize {
        let holds = |field: &&FieldType| match &field.kind {
            FieldKind::Slot { ty, .. } => matches!(ty.innermost(), Type::Struct(held) if *held == id),
            FieldKind::Group(_) => false,
        };
        self.structs().flat_map(|ty| &ty.fields).filter(holds).count()
    }
}

impl FieldType {
    /// Leaves nothing of it but its ordinal.
    fn empty(&mut self, taken: &BTreeSet<String>) {
        self.name = unique_name(taken, &format!("dropped{}", self.ordinal.unwrap_or(self.code_order)));
        self.kind = FieldKind::Slot { offset: 0, ty: Type::Void, default: DefaultValue::Zero };
        (self.json_name, self.vector, self.null_of, self.reference) = (None, None, None, None);
        (self.is_map, self.is_json) = (false, false);
    }
}

const BY_FILE: &str = "publish the records anew by a schema file without it (--schema, --republish)";
const GROUPS: &str = "its struct has groups or unions; publish the records anew by a schema file without it (--schema, \
                      --republish)";

fn refused(subject: &str, why: &str) -> Error {
    Fault::NotDroppable { field: subject.to_owned(), reason: why.to_owned() }.into()
}

fn absent(subject: &str, owner: &StructType) -> Error {
    let fields = owner.fields.iter().map(|field| field.json_name().to_owned()).collect();
    Fault::NoFieldToDrop { path: subject.to_owned(), type_name: owner.name.clone(), fields }.into()
}
