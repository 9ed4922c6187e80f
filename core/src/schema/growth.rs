//! Lists what a record type's schema grew by, from one version to the next.

use std::collections::BTreeSet;

use super::{FieldKind, FieldType, Schema, Type};
use crate::error::Result;

impl Schema {
    /// Lists the fields and enumerants that a record type reaches here and that `before`, an older schema of it, does not
    /// have: `verison Text`, `rooms.beds Int64`, `priority: enumerant low`. Of what a new field leads to only the field
    /// itself is told, and flags that say that another field is null are not.
    pub fn growth(&self, before: &Self, type_id: u64) -> Vec<String> {
        let mut grown = Vec::new();
        let mut seen = BTreeSet::from([type_id]);
        // Structs that both have, each with the path that leads there.
        let mut open = vec![(type_id, String::new())];
        while let Some((id, path)) = open.pop() {
            let known = before.ordinals(id);
            let mut groups = vec![(id, path)];
            while let Some((group, path)) = groups.pop() {
                let Some(ty) = self.get_struct(group) else { continue };
                for field in &ty.fields {
                    let name = format!("{path}{}", field.json_name());
                    match &field.kind {
                        FieldKind::Group(inner) => groups.push((*inner, format!("{name}."))),
                        FieldKind::Slot { ty, .. } if field.ordinal.is_some_and(|it| !known.contains(&it)) => {
                            if field.null_of.is_none() {
                                grown.push(format!("{name} {}", self.growth_type(ty)));
                            }
                        }
                        FieldKind::Slot { ty, .. } => match innermost(ty) {
                            Type::Struct(inner) if seen.insert(*inner) => open.push((*inner, format!("{name}."))),
                            Type::Enum(inner) if seen.insert(*inner) => {
                                self.grown_enum(before, *inner, &name, &mut grown);
                            }
                            _ => {}
                        },
                    }
                }
            }
        }
        grown.sort();
        grown
    }

    /// Lists the flags for null that a record type reaches here and that `before` does not have: `Hut.heightIsNull Bool`.
    ///
    /// # Errors
    /// `Invalid` if there is no such type.
    pub fn grown_flags(&self, before: &Self, type_id: u64) -> Result<Vec<String>> {
        let mut grown = Vec::new();
        for ty in self.closure([type_id])?.structs() {
            let Some(known) = before.get_struct(ty.id) else { continue };
            let is_new = |flag: &&FieldType| known.fields.iter().all(|field| field.ordinal != flag.ordinal);
            let flags = ty.fields.iter().filter(|field| field.null_of.is_some());
            grown.extend(flags.filter(is_new).map(|flag| format!("{}.{} Bool", ty.name, flag.name)));
        }
        grown.sort();
        Ok(grown)
    }

    /// Ordinals of all fields of a struct, those of its groups included.
    fn ordinals(&self, id: u64) -> BTreeSet<u16> {
        let (mut ordinals, mut groups) = (BTreeSet::new(), vec![id]);
        while let Some(group) = groups.pop() {
            for field in self.get_struct(group).iter().flat_map(|ty| &ty.fields) {
                match &field.kind {
                    FieldKind::Group(inner) => groups.push(*inner),
                    FieldKind::Slot { .. } => ordinals.extend(field.ordinal),
                }
            }
        }
        ordinals
    }

    fn grown_enum(&self, before: &Self, id: u64, path: &str, grown: &mut Vec<String>) {
        let known = before.get_enum(id).map_or(0, |ty| ty.enumerants.len());
        let new = self.get_enum(id).into_iter().flat_map(|ty| ty.enumerants.iter().skip(known));
        grown.extend(new.map(|it| format!("{path}: enumerant {}", it.json_name())));
    }

    fn growth_type(&self, ty: &Type) -> String {
        let (mut inner, mut lists) = (ty, 0);
        while let Type::List(element) = inner {
            (inner, lists) = (&**element, lists + 1);
        }
        let name = match inner {
            Type::Struct(id) => self.get_struct(*id).map_or_else(String::new, |ty| ty.name.clone()),
            Type::Enum(id) => self.get_enum(*id).map_or_else(String::new, |ty| ty.name.clone()),
            simple => format!("{simple:?}"),
        };
        format!("{}{name}{}", "List(".repeat(lists), ")".repeat(lists))
    }
}

fn innermost(mut ty: &Type) -> &Type {
    while let Type::List(element) = ty {
        ty = element;
    }
    ty
}
