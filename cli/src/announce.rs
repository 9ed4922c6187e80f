//! `kapok announce`, `pin`, `unpin`, `rollback`: set the version that consumers should be on.

use std::io::Write;

use clap::Args;
use kapok_blobstore::{Announcement, Store};
use serde::Serialize;

use crate::dataset::read_manifest;
use crate::failure::{Failure, Result};
use crate::log::LogEntry;
use crate::store_argument::StoreArgument;

/// Announce a version that is newer than the announced one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok announce --store data/debian 7 --reason 'looked at by hand'
  kapok announce --store data/debian 7 --by nightly --json

A pin stays: consumers follow once it is lifted. To announce an older version, use kapok rollback.")]
pub struct Announce {
    #[command(flatten)]
    target: Target,
}

/// Hold every consumer on a version, whatever is announced
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok pin --store data/debian 5 --reason 'freeze for the release'
  kapok unpin --store data/debian")]
pub struct Pin {
    #[command(flatten)]
    target: Target,
}

/// Let consumers follow the announced version again
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok unpin --store data/debian --reason 'release is out'
  kapok unpin --store data/debian --by nightly --json")]
pub struct Unpin {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    signature: Signature,
}

/// Announce another version, older or newer than the announced one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok rollback --store data/debian 5 --reason 'prices were wrong'
  kapok log --store data/debian

A pin stays, and holds consumers where they are until it is lifted.")]
pub struct Rollback {
    #[command(flatten)]
    target: Target,
}

/// The version that consumers should go to, and who decides so.
#[derive(Debug, Args)]
struct Target {
    /// The version
    #[arg(value_name = "VERSION", value_parser = clap::value_parser!(u64).range(1..))]
    version: u64,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    signature: Signature,
}

/// Who decides so, and why.
#[derive(Debug, Args)]
struct Signature {
    /// Why, for the log
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Who, for the log
    #[arg(long, value_name = "WHO", env = "USER", default_value = "unknown")]
    by: String,
}

#[derive(Serialize)]
struct AnnouncementOutput {
    /// Whether an entry was made; otherwise there was nothing to do.
    changed: bool,
    /// The entry that was made, or else the latest one.
    entry: Option<LogEntry>,
}

impl Announce {
    /// Announces the version.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let Target { version, signature: Signature { by, reason }, .. } = &self.target;
        let store = self.target.store().await?;
        let made = self.target.known(&store, store.announcements().announce(*version, by, reason).await).await?;
        if made.is_none() {
            let announced = store.announcements().latest(None).await?.map_or(0, |entry| entry.announced);
            if announced > *version {
                return Err(Failure::no(format!(
                    "version {version} is older than the announced version {announced}; use kapok rollback {version}"
                )));
            }
        }
        tell(json, out, &store, made, &format!("version {version} is announced already")).await
    }
}

impl Pin {
    /// Pins the version.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let Target { version, signature: Signature { by, reason }, .. } = &self.target;
        let store = self.target.store().await?;
        let made = self.target.known(&store, store.announcements().pin(*version, by, reason).await).await?;
        tell(json, out, &store, made, &format!("version {version} is pinned already")).await
    }
}

impl Unpin {
    /// Lifts the pin.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.store.open().await?;
        let made = store.announcements().unpin(&self.signature.by, &self.signature.reason).await?;
        tell(json, out, &store, made, "no version is pinned").await
    }
}

impl Rollback {
    /// Announces the version, older or newer.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let Target { version, signature: Signature { by, reason }, .. } = &self.target;
        let store = self.target.store().await?;
        let made = self.target.known(&store, store.announcements().rollback(*version, by, reason).await).await?;
        if made.is_none() && store.announcements().latest(None).await?.is_none() {
            return Err(Failure::no(format!("nothing was announced yet; use kapok announce {version}")));
        }
        tell(json, out, &store, made, &format!("version {version} is announced already")).await
    }
}

impl Target {
    async fn store(&self) -> Result<Store> {
        self.store.open().await
    }

    /// Adds the versions that there are to the error of an unknown one.
    async fn known<T>(&self, store: &Store, result: kapok_blobstore::Result<T>) -> Result<T> {
        if let Err(kapok_blobstore::Error::NotFound { .. }) = &result {
            read_manifest(store, self.version).await?;
        }
        Ok(result?)
    }
}

fn moved(entry: &Announcement) -> String {
    let announced = entry.announced;
    let state = match entry.pinned {
        Some(pinned) => format!("version {pinned} is pinned, version {announced} is announced"),
        None => format!("version {announced} is announced"),
    };
    format!("entry {}: {}: {state}", entry.sequence, entry.action)
}

/// Prints the entry that was made, or the latest one if there was nothing to do.
async fn tell(
    json: bool,
    out: &mut impl Write,
    store: &Store,
    made: Option<Announcement>,
    nothing_to_do: &str,
) -> Result<()> {
    if !json {
        let text = made.as_ref().map_or_else(|| nothing_to_do.to_owned(), moved);
        return Ok(writeln!(out, "{text}")?);
    }
    let changed = made.is_some();
    let entry = if changed { made } else { store.announcements().latest(None).await? };
    serde_json::to_writer_pretty(
        &mut *out,
        &AnnouncementOutput { changed, entry: entry.as_ref().map(LogEntry::from) },
    )?;
    Ok(writeln!(out)?)
}
