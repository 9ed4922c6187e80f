//! `kapok versions`: lists the versions of a store.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use indicatif::HumanCount;
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
    /// Whether it is the version that was announced last.
    announced: bool,
    /// Whether consumers are pinned to it.
    pinned: bool,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Read(ManifestOutput),
    /// Why its manifest cannot be read.
    Unreadable {
        unreadable: String,
    },
}

/// Facts of a manifest.
#[derive(Serialize)]
struct ManifestOutput {
    created: String,
    parent: Option<u64>,
    rows: u64,
    /// Live records of each record type.
    types: BTreeMap<String, u64>,
    tags: BTreeMap<String, String>,
}

impl Versions {
    /// Lists the versions that were not retired, oldest first.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.store.open().await?;
        let latest = store.announcements().latest(None).await?;
        let (manifests, unreadable) = store.manifests().read_all(&store.manifests().live().await?).await?;
        let entry = |version, content| VersionEntry {
            version,
            announced: latest.as_ref().is_some_and(|entry| entry.announced == version),
            pinned: latest.as_ref().is_some_and(|entry| entry.pinned == Some(version)),
            content,
        };
        let unreadable =
            unreadable.into_iter().map(|it| entry(it.version, Content::Unreadable { unreadable: it.reason }));
        let read = manifests.into_iter().map(|manifest| {
            entry(
                manifest.version,
                Content::Read(ManifestOutput {
                    created: rfc3339(manifest.created_unix_ms),
                    parent: manifest.parent,
                    rows: manifest.record_types.iter().map(|ty| ty.rows).sum(),
                    types: manifest.record_types.into_iter().map(|ty| (ty.name, ty.rows)).collect(),
                    tags: manifest.tags,
                }),
            )
        });
        let mut entries: Vec<_> = read.chain(unreadable).collect();
        entries.sort_by_key(|entry| entry.version);
        if json {
            serde_json::to_writer_pretty(&mut *out, &entries)?;
            writeln!(out)?;
            return Ok(());
        }
        let mut table = Table::new(&[">version", "created", ">parent", ">rows", "types", "state", "tags"]);
        for entry in &entries {
            let state = match (entry.announced, entry.pinned) {
                (true, true) => "announced, pinned",
                (true, false) => "announced",
                (false, true) => "pinned",
                (false, false) => "",
            };
            let dash = || "-".to_owned();
            match &entry.content {
                Content::Read(it) => {
                    let types: Vec<&str> = it.types.keys().map(String::as_str).collect();
                    let tags: Vec<_> = it.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    table.push([
                        entry.version.to_string(),
                        it.created.clone(),
                        it.parent.map_or_else(dash, |parent| parent.to_string()),
                        HumanCount(it.rows).to_string(),
                        types.join(","),
                        state.to_owned(),
                        tags.join(" "),
                    ]);
                }
                Content::Unreadable { unreadable } => table.push([
                    entry.version.to_string(),
                    dash(),
                    dash(),
                    dash(),
                    dash(),
                    state.to_owned(),
                    format!("cannot be read: {unreadable}"),
                ]),
            }
        }
        Ok(table.print(out)?)
    }
}
