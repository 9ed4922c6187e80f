//! Finds the vector fields of a record type.

use kapok_core::schema::{FieldKind, Metric, Schema, StructType};
use kapok_core::view::Table;

use crate::failure::{Failure, Result};

/// Returns the vector fields that have a metric, by JSON names, those in groups with dots between names.
pub fn names(table: &Table) -> Vec<String> {
    let mut out = Vec::new();
    push(table.schema(), table.struct_type(), "", &mut out);
    out
}

/// Returns the name of the only one.
pub fn only(table: &Table) -> Result<String> {
    match names(table).as_slice() {
        [field] => Ok(field.clone()),
        [] => Err(none(table.name())),
        several => Err(Failure::usage(format!("give --field, which is one of {}", several.join(", ")))),
    }
}

/// Makes the failure of a record type that has none.
pub fn none(record_type: &str) -> Failure {
    Failure::usage(format!("{record_type} has no vector field with a metric; publish one with --vector FIELD:cosine"))
}

/// Adds those of a struct. Groups hold no groups of themselves, so that this ends.
fn push(schema: &Schema, ty: &StructType, path: &str, out: &mut Vec<String>) {
    for field in &ty.fields {
        let name = format!("{path}{}", field.json_name());
        if field.vector.is_some_and(|space| space.metric != Metric::Unspecified) {
            out.push(name);
        } else if let FieldKind::Group(id) = &field.kind
            && let Some(group) = schema.get_struct(*id)
        {
            push(schema, group, &format!("{name}."), out);
        }
    }
}
