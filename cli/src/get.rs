//! `kapok get`: prints the record of a key.

use std::io::Write;

use clap::Args;
use kapok_core::ErrorKind;
use kapok_core::key::KeyParts;

use crate::dataset::Dataset;
use crate::export;
use crate::failure::{Failure, Result};
use crate::key_argument::KeyArgument;
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::type_argument::RecordArgument;

/// Print the record of a key as JSON
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok get --store data/debian Package bash
  kapok get --store data/films Rating 42 7          (a key of two fields)
  kapok get --store data/films Movie -- -1

Bytes are given in base64, enumerants by name. Exit code 1: there is no such record.")]
pub struct Get {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    #[command(flatten)]
    record: RecordArgument,
}

impl Get {
    /// Finds the record by the index of its key.
    pub async fn run(&self, out: &mut impl Write) -> Result<()> {
        let (name, words) = self.record.type_and_key()?;
        let view = Dataset::open(&self.store, &self.version).await?.view(name).await?;
        let key = KeyArgument::parse(view.table(name)?, words)?;
        match view.record_by_key(name, &KeyParts(&key.parts()))? {
            Some(record) => export::print(&record, out),
            None => Err(Failure::of(
                ErrorKind::NotFound,
                format!("{name} {} is not in version {}", words.join(" "), view.version()),
            )),
        }
    }
}
