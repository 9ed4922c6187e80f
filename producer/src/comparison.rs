//! Compares the records and changes of a cycle with the version before, by key and content.

use kapok_core::ErrorKind;
use kapok_core::segment::{Difference, Stage, in_parallel};
use kapok_core::view::Table;
use kapok_index::{Lookup, View};

use crate::changed_key::ExactKeys;
use crate::changed_type::{Change, ChangeSet};
use crate::cycle::CycleRecords;
use crate::error::Result;
use crate::manifest_draft::{TypePlan, rows_of};
use crate::staged_schema::StagedSchema;

/// Changes that one thread compares before it takes the next.
const CHANGES_AT_ONCE: usize = 2048;

/// Plans what a full cycle does to the record types that it touches.
pub(crate) fn compare(records: &CycleRecords, prior: &View, warnings: &mut Vec<String>) -> Result<Vec<TypePlan>> {
    let mut plans = Vec::new();
    for (name, staged) in &records.types {
        let mut rows = staged.join()?.sort()?;
        let compared = staged.prior().map(|table| rows.compare(table.key(), table.segments())).transpose();
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
                rows = rows.take_back()?;
                None
            }
        };
        let is_anew = difference.is_none();
        let difference = difference.unwrap_or_else(|| Difference {
            added: rows.len() as u64,
            removed: rows_of(prior, name),
            ..Default::default()
        });
        let live = difference.added + difference.updated + difference.unchanged;
        plans.push(TypePlan { schema: staged.schema.clone(), rows, difference, live, is_anew, superseded: 0 });
    }
    Ok(plans)
}

/// Plans what changes do to a record type.
pub(crate) fn plan_changes(schema: StagedSchema, changes: ChangeSet, prior: &View) -> Result<TypePlan> {
    let name = schema.encoding.record_type();
    let table = prior.table(name).ok().filter(|_| !schema.is_new);
    let before = table.map(|table| prior.lookup(name).map(|lookup| (table, lookup))).transpose()?;
    let mut difference = Difference::default();
    difference.dead.resize_with(table.map_or(0, |table| table.segments().len()), Default::default);
    let ChangeSet { stage, latest, exact, superseded } = changes;
    let (keys, latest): (Vec<Vec<u8>>, Vec<Change>) = latest.into_iter().unzip();
    // What a change replaces is anywhere in memory: threads wait for it together.
    let tasks = keys.chunks(CHANGES_AT_ONCE).zip(latest.chunks(CHANGES_AT_ONCE)).collect();
    let compared = in_parallel(tasks, |(keys, changes): (&[Vec<u8>], &[Change])| match &before {
        Some((table, lookup)) => ChangesDifference::new(&stage, &exact, table, lookup, keys, changes),
        None => Ok(ChangesDifference::of_none(changes)),
    });
    let mut written = Vec::new();
    for part in compared {
        let part = part?;
        difference.added += part.added;
        difference.updated += part.updated;
        difference.removed += part.removed;
        difference.unchanged += part.unchanged;
        for (place, row) in part.dead {
            difference.dead[place].insert(row);
        }
        written.extend(part.written);
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
    Ok(TypePlan { schema, rows, difference, live, is_anew, superseded })
}

/// Difference of some changes from the version before.
#[derive(Default)]
struct ChangesDifference {
    added: u64,
    updated: u64,
    removed: u64,
    unchanged: u64,
    /// Segments and rows that die.
    dead: Vec<(usize, u32)>,
    /// Staged rows to be written.
    written: Vec<u32>,
}

impl ChangesDifference {
    /// Changes of a record type without records.
    fn of_none(changes: &[Change]) -> Self {
        let mut out = Self::default();
        for change in changes {
            if let Change::Put(row) = change {
                out.added += 1;
                out.written.push(*row);
            }
        }
        out
    }

    fn new(
        stage: &Stage,
        exact: &ExactKeys,
        table: &Table,
        lookup: &Lookup<'_>,
        keys: &[Vec<u8>],
        changes: &[Change],
    ) -> Result<Self> {
        let mut out = Self::default();
        let (name, spec) = (table.name(), stage.encoding().key());
        for ((key, change), row_id) in keys.iter().zip(changes).zip(lookup.find_many_encoded(keys)?) {
            let Some(row_id) = row_id else {
                if let Change::Put(row) = change {
                    out.added += 1;
                    out.written.push(*row);
                }
                continue;
            };
            if let Change::Put(row) = change {
                let record = table.row(row_id)?;
                if let Some(key) = exact.get(key)
                    && let Some(first) = key.other_key(table, record, spec)?
                {
                    return Err(key.alike(spec, name, &first));
                }
                if stage.row_equals(*row, record).map_err(|malformed| malformed.into_error(name))? {
                    out.unchanged += 1;
                    continue;
                }
                out.updated += 1;
                out.written.push(*row);
            } else {
                out.removed += 1;
            }
            out.dead.push(table.place(row_id)?);
        }
        Ok(out)
    }
}
