//! `kapok get`: the record of a key.

use std::io::Write;

use clap::Args;
use kapok_core::key::KeyParts;

use crate::dataset::Dataset;
use crate::export;
use crate::failure::{Failure, Result};
use crate::key_argument::KeyArgument;
use crate::store_argument::{StoreArgument, VersionArgument};

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
    /// The record type
    #[arg(value_name = "TYPE")]
    record_type: String,
    /// The key, one argument per key field
    #[arg(value_name = "KEY", required = true, allow_negative_numbers = true)]
    key: Vec<String>,
}

impl Get {
    /// Finds the record by the index of its key.
    pub async fn run(&self, out: &mut impl Write) -> Result<()> {
        let view = Dataset::open(&self.store, &self.version).await?.view(&self.record_type).await?;
        let key = KeyArgument::parse(view.table(&self.record_type)?, &self.key)?;
        match view.record_by_key(&self.record_type, &KeyParts(&key.parts()))? {
            Some(record) => export::print(&record, out),
            None => Err(Failure::no(format!(
                "{} {} is not in version {}",
                self.record_type,
                self.key.join(" "),
                view.version()
            ))),
        }
    }
}
