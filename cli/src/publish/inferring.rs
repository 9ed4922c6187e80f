//! Infers a schema from all lines of an input.
//!
//! Lines are checked by several threads against what was seen so far. Only those that show more are parsed as values
//! and observed, in their order.

use std::sync::{Arc, Mutex, PoisonError};

use kapok_core::schema::Schema;
use kapok_ingest::{Inference, MessageWriter};

use super::lines::{Line, Lines, at};
use crate::failure::{Failure, Result};

/// What was seen, as a writer that takes no more than that.
#[derive(Clone, Default)]
struct Known {
    revision: u64,
    writer: Option<MessageWriter>,
}

/// Returns the schema of all records, and the id of the record type in it.
pub fn infer(mut inference: Inference, lines: &Lines<'_>) -> Result<(Schema, u64)> {
    let name = lines.input.name();
    let known = Mutex::new(known(&inference, 1));
    let newest = |mine: &mut Known| {
        let newest = known.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.revision > mine.revision {
            *mine = newest.clone();
        }
    };
    lines.chunks_in_order(
        Known::default,
        |mine, chunk| {
            newest(mine);
            let is_known = |line: Line<'_>| match (&mut mine.writer, line.text) {
                (Some(writer), Some(text)) => matches!(writer.write_seen_json(text), Ok(Some(_))),
                _ => false,
            };
            lines.parse_up_to_failure(&chunk, is_known)
        },
        |records| {
            let shows_more = !records.is_empty();
            for record in records {
                let (line, value) = record?;
                inference.observe(&value, line).map_err(|error| at(name, line, &error))?;
            }
            if shows_more {
                let mut newest = known.lock().unwrap_or_else(PoisonError::into_inner);
                *newest = self::known(&inference, newest.revision + 1);
            }
            Ok(())
        },
    )?;
    inference.finish().map_err(|error| Failure::from(error).about(name))
}

fn known(inference: &Inference, revision: u64) -> Known {
    // A schema that cannot be written yet is told of in the end.
    let writer = inference.schema().and_then(|(schema, id)| MessageWriter::new(Arc::new(schema), id));
    let writer = writer.ok().map(|mut writer| {
        writer.set_seen(&inference.seen());
        writer
    });
    Known { revision, writer }
}
