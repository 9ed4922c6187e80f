//! `kapok export`: all records of a type, as JSON lines.

use std::io::{self, Write};

use clap::Args;
use kapok_core::record::{Budget, Record};

use crate::dataset::Dataset;
use crate::failure::{Failure, Result};
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::type_argument::TypeArgument;

/// Print all records of a type as JSON lines, in key order
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok export --store data/debian Package > packages.jsonl
  kapok export --store data/debian Package --version 3 | head -1")]
pub struct Export {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    #[command(flatten)]
    record_type: TypeArgument,
}

impl Export {
    /// Prints one record after another, straight from the mapped segments.
    pub async fn run(&self, out: &mut impl Write) -> Result<()> {
        let view = Dataset::open(&self.store, &self.version).await?.view(self.record_type.name()).await?;
        let table = view.table(self.record_type.name())?;
        for row_id in table.row_ids_in_key_order()? {
            print(&table.record(row_id)?, out)?;
        }
        Ok(())
    }
}

/// Prints a record on a line of its own.
pub fn print(record: &Record<'_>, out: &mut impl Write) -> Result<()> {
    write(record, out)?;
    Ok(out.write_all(b"\n")?)
}

/// Writes a record as JSON.
pub fn write(record: &Record<'_>, out: &mut impl Write) -> Result<()> {
    record.write_json(out, &mut Budget::default()).map_err(record_failure)
}

/// Makes the failure of writing a record.
pub fn record_failure(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => match error.downcast::<kapok_core::Error>() {
            // An error about a stored record is not the caller's fault.
            Ok(wrong) => Failure::no(wrong.to_string()),
            Err(error) => Failure::Output(error),
        },
        _ => Failure::Output(error),
    }
}
