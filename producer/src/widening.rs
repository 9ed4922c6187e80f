//! What becomes of the records that changes do not speak of, where integers become floats? They are written anew.

use kapok_core::Fault;
use kapok_index::View;
use kapok_ingest::MessageWriter;
use kapok_ingest::Value;

use crate::changes::ChangeSet;
use crate::cycle::StagedSchema;
use crate::error::Result;
use crate::writer::add_root;

/// Puts every record of the version before that the changes leave alone.
///
/// # Errors
/// `Invalid`, naming key and field, for an integer that no float is equal to; `Corrupt` where records cannot be read.
pub(crate) fn keep_others(schema: &StagedSchema, changes: &mut ChangeSet, prior: &View) -> Result<()> {
    let name = schema.encoding.record_type();
    let table = prior.table(name)?;
    let mut message = MessageWriter::of_records(&schema.encoding)?;
    let mut key = Vec::new();
    for row_id in table.row_ids() {
        key.clear();
        let row = table.row(row_id)?;
        table.key().encode_row(row, &mut key).map_err(|malformed| malformed.into_error(name))?;
        if changes.latest.contains_key(&key) {
            continue;
        }
        let record = Value::from_json(table.record(row_id)?.to_json_string()?.as_bytes())?;
        let words = message.write(&record).map_err(|error| of_record(&table.key().describe(&key), error))?;
        add_root(words, |record| changes.put(record))?;
    }
    Ok(())
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
