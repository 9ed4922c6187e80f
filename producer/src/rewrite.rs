//! Writes stored records anew, as values, if a change of schema would lose data otherwise.

use kapok_core::Fault;
use kapok_core::key::KeySpec;
use kapok_index::View;
use kapok_ingest::{MessageWriter, Value};

use crate::changed_key::ChangedKey;
use crate::changed_type::ChangeSet;
use crate::error::Result;
use crate::staged_schema::StagedSchema;
use crate::writer::add_root;

/// Passes each record of a type on as a value, with its key as `key` encodes it, except those whose key `is_settled`.
///
/// # Errors
/// `Corrupt` if a segment has another hash or a record cannot be read, and those of `is_settled` and `take`.
pub(crate) fn each_value<C>(
    prior: &View,
    record_type: &str,
    key: &KeySpec,
    context: &mut C,
    is_settled: impl Fn(&mut C, &ChangedKey) -> Result<bool>,
    mut take: impl FnMut(&mut C, &[u8], Value) -> Result<()>,
) -> Result<()> {
    let table = prior.table(record_type)?;
    let entries = &prior.manifest().expect_record_type(record_type)?.segments;
    for (source, entry) in table.segments().iter().zip(entries) {
        // A segment that is written anew has a hash of its own, under which wrong bytes would pass as right ones.
        source.segment().verify_hash(&entry.id)?;
    }
    for row_id in table.row_ids() {
        let key = ChangedKey::of_row(table, table.row(row_id)?, key)?;
        if !is_settled(context, &key)? {
            let record = Value::from_json(table.record(row_id)?.to_json_string()?.as_bytes())?;
            take(context, &key.encoded, record)?;
        }
    }
    Ok(())
}

/// Puts every record that the changes do not mention, since its integers become wider ones, or floats.
///
/// # Errors
/// `Invalid`, naming key and field, for an integer that no float is equal to; `Corrupt` if records cannot be read.
pub(crate) fn widen_others(schema: &StagedSchema, changes: &mut ChangeSet, prior: &View) -> Result<()> {
    let table = prior.table(schema.encoding.record_type())?;
    let mut message = MessageWriter::of_records(&schema.encoding)?;
    let key = schema.encoding.key();
    let is_changed = |changes: &mut ChangeSet, changed: &ChangedKey| {
        changes.exact.note(key, table.name(), changed)?;
        Ok(changes.latest.contains_key(&changed.encoded))
    };
    each_value(prior, table.name(), key, changes, is_changed, |changes, encoded, record| {
        let words = message.write(&record).map_err(|error| of_record(&key.describe(encoded), error))?;
        add_root(words, |record| changes.put(record))
    })
}

fn of_record(key: &str, error: kapok_core::Error) -> kapok_core::Error {
    match error.fault() {
        Fault::Mismatch { field, expected, found } => {
            let (field, expected, found) = (field.clone(), expected.clone(), found.clone());
            Fault::StoredMismatch { field, key: key.to_owned(), expected, found }.into()
        }
        _ => error,
    }
}
