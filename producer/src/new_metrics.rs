//! Refuses a metric for a field whose stored vectors no metric can compare: they were taken when the field had none.

use kapok_core::Fault;
use kapok_core::schema::{FieldKind, Metric, Schema, StructType};
use kapok_core::vectors::VectorField;
use kapok_core::view::Table;
use kapok_index::View;
use roaring::RoaringBitmap;

use crate::error::Result;
use crate::manifest_draft::{ManifestDraft, TypePlan};

/// Checks the rows that stay of all record types, whose plans are these, for each field that gets a metric.
///
/// # Errors
/// `Invalid`, with the key and the field of the first row found.
pub(crate) fn check(draft: &ManifestDraft, plans: &[TypePlan], prior: &View) -> Result<()> {
    if *prior.manifest().schema == draft.schema {
        return Ok(());
    }
    for name in draft.record_types.keys() {
        let plan = plans.iter().find(|plan| plan.schema.encoding.record_type() == name);
        if plan.is_some_and(|plan| plan.is_anew) {
            continue;
        }
        let Ok(table) = prior.table(name) else { continue };
        let mut paths = Vec::new();
        find_fields(table.schema(), &draft.schema, table.struct_type(), "", &mut paths)?;
        for path in paths {
            check_field(table, &path, plan.map_or(&[], |plan| &plan.difference.dead))?;
        }
    }
    Ok(())
}

/// Collects the vector fields that have a metric in the new schema and none in the old one, by their old names.
fn find_fields(
    old: &Schema,
    new: &Schema,
    ty: &StructType,
    prefix: &str,
    out: &mut Vec<String>,
) -> kapok_core::Result<()> {
    let Some(next) = new.get_struct(ty.id) else { return Ok(()) };
    let metric = |ty: &StructType, ordinal| {
        let field = ty.fields.iter().find(|field| field.ordinal == ordinal)?;
        Some(field.vector?.metric)
    };
    for field in &ty.fields {
        let path = format!("{prefix}{}", field.name);
        if let FieldKind::Group(id) = field.kind {
            find_fields(old, new, old.struct_type(id)?, &format!("{path}."), out)?;
        } else if metric(ty, field.ordinal) == Some(Metric::Unspecified)
            && metric(next, field.ordinal).is_some_and(|metric| metric != Metric::Unspecified)
        {
            out.push(path);
        }
    }
    Ok(())
}

/// Checks the vectors of a field in the live rows, less those that the cycle replaces.
fn check_field(table: &Table, path: &str, dead: &[RoaringBitmap]) -> Result<()> {
    let field = VectorField::exactly(table.schema(), table.struct_type(), path)?;
    if !field.element().is_float() {
        return Ok(());
    }
    for (place, source) in table.segments().iter().enumerate() {
        let column = field.open(source.segment(), table.extents(place))?;
        if column.is_empty() {
            continue;
        }
        let dead = dead.get(place);
        for row in source.live_rows().filter(|row| dead.is_none_or(|dead| !dead.contains(*row))) {
            // The slot of a row without a vector is zeros.
            let Some(element) = column.find_infinite(row) else { continue };
            let mut key = Vec::new();
            if let Some(row) = source.segment().row(row) {
                _ = table.key().encode_row(row, &mut key);
            }
            let (field, key) = (format!("{}.{path}", table.name()), table.key().describe(&key));
            return Err(kapok_core::Error::from(Fault::NotFinite { field, key, element }).into());
        }
    }
    Ok(())
}
