//! `kapok versions`: which versions does a store have?

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use indicatif::HumanCount;
use kapok_blobstore::Store;
use serde::Serialize;

use crate::dataset::rfc3339;
use crate::failure::Result;
use crate::store_argument::StoreArgument;
use crate::table::Table;

/// List the versions of a store
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok versions --store data/debian
  kapok versions --store data/debian --json")]
pub struct Versions {
    #[command(flatten)]
    store: StoreArgument,
}

#[derive(Serialize)]
struct VersionEntry {
    version: u64,
    created: String,
    parent: Option<u64>,
    rows: u64,
    /// Live records of each record type.
    types: BTreeMap<String, u64>,
    tags: BTreeMap<String, String>,
    /// It is the version that was announced last.
    announced: bool,
    /// It holds every consumer.
    pinned: bool,
}

impl Versions {
    /// Lists the versions that were not retired, oldest first.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = Store::open(&self.store.store).await?;
        let latest = store.latest_announcement(None).await?;
        let mut entries = Vec::new();
        for version in store.live_versions().await? {
            let manifest = store.read_manifest(version).await?;
            entries.push(VersionEntry {
                version,
                created: rfc3339(manifest.created_unix_ms),
                parent: manifest.parent,
                rows: manifest.record_types.iter().map(|ty| ty.rows).sum(),
                types: manifest.record_types.into_iter().map(|ty| (ty.name, ty.rows)).collect(),
                tags: manifest.tags,
                announced: latest.as_ref().is_some_and(|entry| entry.announced == version),
                pinned: latest.as_ref().is_some_and(|entry| entry.pinned == Some(version)),
            });
        }
        if json {
            serde_json::to_writer_pretty(&mut *out, &entries)?;
            writeln!(out)?;
            return Ok(());
        }
        let mut table = Table::new(&[">version", "created", ">parent", ">rows", "types", "state", "tags"]);
        for entry in &entries {
            let types: Vec<&str> = entry.types.keys().map(String::as_str).collect();
            let tags: Vec<_> = entry.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let state = match (entry.announced, entry.pinned) {
                (true, true) => "announced, pinned",
                (true, false) => "announced",
                (false, true) => "pinned",
                (false, false) => "",
            };
            table.push([
                entry.version.to_string(),
                entry.created.clone(),
                entry.parent.map_or_else(|| "-".to_owned(), |parent| parent.to_string()),
                HumanCount(entry.rows).to_string(),
                types.join(","),
                state.to_owned(),
                tags.join(" "),
            ]);
        }
        Ok(table.print(out)?)
    }
}
