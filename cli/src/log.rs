//! `kapok log`: prints the announcement log.

use std::io::Write;

use clap::Args;
use kapok_blobstore::Announcement;
use serde::Serialize;

use crate::dataset::rfc3339;
use crate::failure::Result;
use crate::store_argument::StoreArgument;
use crate::table::Table;

/// Print the announcement log, oldest entry first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok log --store data/debian
  kapok log --store data/debian --json

Each entry holds the whole answer: consumers are on the pinned version, or where none is pinned on the announced one.")]
pub struct Log {
    #[command(flatten)]
    store: StoreArgument,
}

/// An entry of the log, as JSON output.
#[derive(Serialize)]
pub struct LogEntry {
    sequence: u64,
    created: String,
    action: String,
    /// The version that consumers are on; `None` if nothing is announced.
    current: Option<u64>,
    announced: Option<u64>,
    pinned: Option<u64>,
    /// The highest version that was ever announced.
    highest: Option<u64>,
    rolled_back: bool,
    by: String,
    reason: String,
}

impl From<&Announcement> for LogEntry {
    fn from(entry: &Announcement) -> Self {
        let known = |version| Some(version).filter(|version| *version != 0);
        Self {
            sequence: entry.sequence,
            created: rfc3339(entry.created_unix_ms),
            action: entry.action.to_string(),
            current: known(entry.current()),
            announced: known(entry.announced),
            pinned: entry.pinned,
            highest: known(entry.highest),
            rolled_back: entry.is_rolled_back(),
            by: entry.by.clone(),
            reason: entry.reason.clone(),
        }
    }
}

impl Log {
    /// Prints all entries.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.store.open().await?;
        let entries: Vec<_> = store.announcements().list().await?.iter().map(LogEntry::from).collect();
        if json {
            serde_json::to_writer_pretty(&mut *out, &entries)?;
            writeln!(out)?;
            return Ok(());
        }
        let mut table = Table::new(&[">entry", "created", "action", ">announced", ">pinned", "by", "reason"]);
        let number = |version: Option<u64>| version.map_or_else(|| "-".to_owned(), |version| version.to_string());
        for entry in entries {
            table.push([
                entry.sequence.to_string(),
                entry.created,
                entry.action.clone(),
                number(entry.announced),
                number(entry.pinned),
                entry.by.clone(),
                entry.reason.clone(),
            ]);
        }
        Ok(table.print(out)?)
    }
}
