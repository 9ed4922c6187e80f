//! Compares the records and changes of a cycle with the version before, by key and content.

use kapok_core::ErrorKind;
use kapok_core::segment::Difference;
use kapok_core::view::Table;
use kapok_index::View;

use crate::changed_type::{Change, ChangeSet};
use crate::cycle::CycleRecords;
use crate::error::Result;
use crate::manifest_draft::{TypePlan, rows_of};
use crate::staged_schema::StagedSchema;

/// Plans what a full cycle does to the record types that it touches.
pub(crate) fn compare(records: &CycleRecords, prior: &View, warnings: &mut Vec<String>) -> Result<Vec<TypePlan>> {
    let mut plans = Vec::new();
    for (name, staged) in &records.types {
        let mut rows = staged.join()?.sort()?;
        let live = rows.len() as u64;
        let table = prior.table(name).ok().filter(|_| !staged.schema.is_new);
        let compared = table.map(|table| rows.compare(table.key(), table.segments())).transpose();
        let unreadable = match &compared {
            Err(error) if error.kind() == ErrorKind::Corrupt => Some(error.to_string()),
            _ => prior.left_out().get(name).cloned(),
        };
        let difference = match (unreadable, compared) {
            (None, compared) => compared?,
            (Some(reason), _) => {
                let version = prior.version();
                warnings.push(format!(
                    "record type {name} of version {version} could not be read, so all of its records were written \
                     and none compared: {reason}"
                ));
                None
            }
        };
        let is_anew = difference.is_none();
        let difference = difference.unwrap_or_else(|| Difference {
            added: live,
            removed: rows_of(prior, name),
            ..Default::default()
        });
        plans.push(TypePlan { schema: staged.schema.clone(), rows, difference, live, is_anew });
    }
    Ok(plans)
}

/// Plans what changes do to a record type.
pub(crate) fn plan_changes(schema: StagedSchema, changes: ChangeSet, prior: &View) -> Result<TypePlan> {
    let name = schema.encoding.record_type();
    let table = prior.table(name).ok().filter(|_| !schema.is_new);
    let lookup = table.map(|_| prior.lookup(name)).transpose()?;
    let mut difference = Difference::default();
    difference.dead.resize_with(table.map_or(0, |table| table.segments().len()), Default::default);
    let ChangeSet { stage, latest } = changes;
    let mut written = Vec::new();
    for (key, change) in latest {
        let before = match &lookup {
            Some(lookup) => lookup.find_encoded(&key)?,
            None => None,
        };
        let place = before.zip(table).map(|(row_id, table)| table.place(row_id)).transpose()?;
        let record = before.zip(table).map(|(row_id, table)| table.row(row_id)).transpose()?;
        match (change, record) {
            (Change::Put(row), Some(record)) => {
                let same = stage.row_equals(row, record).map_err(|malformed| malformed.into_error(name))?;
                if same {
                    difference.unchanged += 1;
                    continue;
                }
                difference.updated += 1;
                written.push(row);
            }
            (Change::Put(row), None) => {
                difference.added += 1;
                written.push(row);
            }
            (Change::Delete, Some(_)) => difference.removed += 1,
            (Change::Delete, None) => continue,
        }
        if let Some((segment, row)) = place {
            difference.dead[segment].insert(row);
        }
    }
    let live = table.map_or(0, Table::len) + difference.added - difference.removed;
    if table.is_none() {
        // A type that is published anew loses all its records of before.
        difference.removed = rows_of(prior, name);
    }
    let is_anew = table.is_none();
    // Sorted, so that the order of the hash map does not matter.
    written.sort_unstable();
    let rows = stage.sort_rows(written)?;
    Ok(TypePlan { schema, rows, difference, live, is_anew })
}
