//! `kapok watch`: prints each swap of a consumer, with its cost.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_blobstore::{Error as StoreError, LogWatcher, Store, clock};
use kapok_consumer::{Consumer, RefreshReport, View};
use kapok_index::TypeChanges;
use serde::Serialize;

use crate::dataset::rfc3339;
use crate::duration;
use crate::failure::{Failure, Result};
use crate::notice;
use crate::store_argument::{StoreArgument, warn_if_uncached};
use crate::terminal::one_line;

/// Follow a store as a consumer does, and print each swap with its cost
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok watch --store data/debian
  kapok watch --store data/debian --json                        (one line of JSON per swap)
  kapok watch --store data/debian --until 12                    (for scripts: wait for version 12)

Goes on until it is interrupted. A store that does not exist yet is waited for. The first line is the first load; the
others count what changed: +added ~changed -removed. A rollback, a pin and what ends it stand with their reason. What cannot be read is told on standard error, and
tried again. Exit code 0 where --until was reached.")]
pub struct Watch {
    #[command(flatten)]
    store: StoreArgument,
    /// End once the view is of version N or a newer one
    #[arg(long, value_name = "N")]
    until: Option<u64>,
    /// Milliseconds between two looks for news; a store in a folder tells at once
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    poll_ms: u64,
}

#[derive(Serialize)]
struct Swap {
    at: String,
    from: u64,
    to: u64,
    fetched_blobs: usize,
    fetched_bytes: u64,
    duration_us: u64,
    /// Live records of each record type.
    rows: BTreeMap<String, u64>,
    /// What changed in each record type that changed; `None` for the first load.
    changes: Option<BTreeMap<String, Counts>>,
    /// What moved the consumer: announce, pin, unpin or rollback.
    action: Option<String>,
    by: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Counts {
    added: usize,
    changed: usize,
    removed: usize,
}

impl Watch {
    /// Refreshes whenever there may be a new version, and prints each swap.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.open(json).await?;
        // Begins to watch before the first refresh, so that no announcement in between is missed.
        let hints = hints(&store, json);
        let consumer = Consumer::builder(store).open().await?;
        let mut seen = consumer.view_arc();
        if let Some(first) = consumer.status().last_refresh {
            Swap::of(first, &consumer, None).await.print(json, out)?;
        }
        let mut told = None;
        while self.until.is_none_or(|version| consumer.view().version() < version) {
            tokio::select! {
                () = tokio::time::sleep(self.poll()) => {}
                () = hinted(hints.as_ref()) => {}
            }
            match consumer.refresh().await {
                Ok(done) => {
                    told = None;
                    if done.from != done.to {
                        Swap::of(done, &consumer, Some(&seen)).await.print(json, out)?;
                        seen = consumer.view_arc();
                    }
                }
                Err(error) => tell(json, error.to_string(), &mut told),
            }
        }
        Ok(())
    }

    /// Opens the store, as soon as there is one.
    async fn open(&self, json: bool) -> Result<Store> {
        let mut told = None;
        loop {
            match Store::open(&self.store.store).await {
                Err(StoreError::NotAStore { reason, .. }) if is_yet_to_come(&reason) => {
                    tell(json, format!("store {} is not there yet; waiting for it", self.store.store), &mut told);
                }
                opened => {
                    let store = opened?;
                    warn_if_uncached(&store);
                    return Ok(store);
                }
            }
            tokio::time::sleep(self.poll()).await;
        }
    }

    fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}

/// Returns whether nothing is at the location yet, so that a store may still be created there.
fn is_yet_to_come(reason: &str) -> bool {
    ["the folder does not exist", "it is empty"].contains(&reason)
}

fn hints(store: &Store, json: bool) -> Option<LogWatcher> {
    store.announcements().watch().unwrap_or_else(|error| {
        tell(json, format!("looking for news at intervals only: {error}"), &mut None);
        None
    })
}

async fn hinted(hints: Option<&LogWatcher>) {
    match hints {
        Some(hints) => hints.changed().await,
        None => std::future::pending().await,
    }
}

/// Warns of what went wrong, once as long as it is the same.
fn tell(json: bool, message: String, told: &mut Option<String>) {
    if told.as_ref() != Some(&message) {
        notice::warn(json, &message);
        *told = Some(message);
    }
}

impl Swap {
    /// Describes a refresh, from the view `before` unless it is the first load.
    async fn of(done: RefreshReport, consumer: &Consumer, before: Option<&Arc<View>>) -> Self {
        let view = consumer.view_arc();
        let changes = match before.filter(|before| before.version() > 0) {
            Some(before) => consumer.changes_between(before, &view).await.ok(),
            None => None,
        };
        let counts =
            |ty: &TypeChanges| Counts { added: ty.added.len(), changed: ty.updated.len(), removed: ty.removed.len() };
        let changes = changes.map(|changes| {
            let changed = changes.types.iter().filter(|ty| !ty.is_empty());
            changed.map(|ty| (ty.record_type.clone(), counts(ty))).collect()
        });
        // An entry that is newer than the one that moved the consumer is about another version.
        let latest = consumer.store().announcements().latest(Some(consumer.status().sequence)).await.ok().flatten();
        let latest = latest.filter(|latest| latest.current() == done.to);
        Self {
            at: rfc3339(clock::now_unix_ms()),
            from: done.from,
            to: done.to,
            fetched_blobs: done.fetched_blobs,
            fetched_bytes: done.fetched_bytes,
            duration_us: u64::try_from(done.duration.as_micros()).unwrap_or(u64::MAX),
            rows: view.tables().iter().map(|table| (table.name().to_owned(), table.len())).collect(),
            changes,
            action: latest.as_ref().map(|latest| latest.action.to_string()),
            by: latest.as_ref().map(|latest| latest.by.clone()),
            reason: latest.map(|latest| latest.reason).filter(|reason| !reason.is_empty()),
        }
    }

    /// Prints and flushes the swap, so that it is seen at once through a pipe.
    fn print(&self, json: bool, out: &mut impl Write) -> Result<()> {
        if json {
            serde_json::to_writer(&mut *out, self)?;
            writeln!(out)?;
        } else {
            let rows = self.rows.iter().map(|(name, rows)| format!("{name} {}{}", HumanCount(*rows), self.signs(name)));
            write!(
                out,
                "{}  {} -> {}: {} blob(s), {}, {}; rows: {}",
                self.at,
                self.from,
                self.to,
                self.fetched_blobs,
                HumanBytes(self.fetched_bytes),
                duration::shown(Duration::from_micros(self.duration_us)),
                rows.collect::<Vec<_>>().join(", "),
            )?;
            if let (Some(action), Some(by)) = (&self.action, &self.by)
                && action != "announce"
            {
                write!(out, "; {action} by {}", one_line(by))?;
                if let Some(reason) = &self.reason {
                    write!(out, ": {}", one_line(reason))?;
                }
            }
            writeln!(out)?;
        }
        out.flush().map_err(Failure::Output)
    }

    fn signs(&self, record_type: &str) -> String {
        match self.changes.as_ref().and_then(|changes| changes.get(record_type)) {
            Some(Counts { added, changed, removed }) => format!(" (+{added} ~{changed} -{removed})"),
            None => String::new(),
        }
    }
}
