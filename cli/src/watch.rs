//! `kapok watch`: what does each swap of a consumer cost?

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_blobstore::{Hints, Store};
use kapok_consumer::{Consumer, Refreshed, View};
use serde::Serialize;

use crate::dataset::rfc3339;
use crate::failure::{Failure, Result};
use crate::store_argument::StoreArgument;

/// Follow a store as a consumer does, and print each swap with its cost
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok watch --store data/debian
  kapok watch --store data/debian --json                        (one line of JSON per swap)
  kapok watch --store data/debian --until 12                    (for scripts: wait for version 12)

Goes on until it is interrupted. The first line is the first load. What cannot be read is told on standard error, and
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
}

impl Watch {
    /// Refreshes whenever there may be news, and prints what that came to.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = Store::open(&self.store.store).await?;
        // Before the first look, so that nothing is announced between the two.
        let hints = hints(&store);
        let consumer = Consumer::with_store(store).await?;
        if let Some(first) = consumer.status().last_refresh {
            Swap::of(first, &consumer.view()).print(json, out)?;
        }
        let mut told = None;
        while self.until.is_none_or(|version| consumer.view().version() < version) {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(self.poll_ms)) => {}
                () = hinted(hints.as_ref()) => {}
            }
            match consumer.refresh().await {
                Ok(done) => {
                    told = None;
                    if done.from != done.to {
                        Swap::of(done, &consumer.view()).print(json, out)?;
                    }
                }
                Err(error) => tell(error.to_string(), &mut told),
            }
        }
        Ok(())
    }
}

fn hints(store: &Store) -> Option<Hints> {
    store.watch().unwrap_or_else(|error| {
        tell(format!("looking for news at intervals only: {error}"), &mut None);
        None
    })
}

async fn hinted(hints: Option<&Hints>) {
    match hints {
        Some(hints) => hints.changed().await,
        None => std::future::pending().await,
    }
}

/// Tells what went wrong, once for as long as it is the same.
fn tell(message: String, told: &mut Option<String>) {
    if told.as_ref() != Some(&message) {
        _ = writeln!(io::stderr(), "kapok: warning: {}", message.replace('\n', " | "));
        *told = Some(message);
    }
}

impl Swap {
    fn of(done: Refreshed, view: &View) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at: rfc3339(i64::try_from(now.as_millis()).unwrap_or(i64::MAX)),
            from: done.from,
            to: done.to,
            fetched_blobs: done.fetched_blobs,
            fetched_bytes: done.fetched_bytes,
            duration_us: u64::try_from(done.duration.as_micros()).unwrap_or(u64::MAX),
            rows: view.tables().iter().map(|table| (table.name().to_owned(), table.len())).collect(),
        }
    }

    /// Each swap is seen when it happens, also through a pipe.
    fn print(&self, json: bool, out: &mut impl Write) -> Result<()> {
        if json {
            serde_json::to_writer(&mut *out, self)?;
            writeln!(out)?;
        } else {
            let rows = self.rows.iter().map(|(name, rows)| format!("{name} {}", HumanCount(*rows)));
            writeln!(
                out,
                "{}  {} -> {}: {} blob(s), {}, {:.1} ms; rows: {}",
                self.at,
                self.from,
                self.to,
                self.fetched_blobs,
                HumanBytes(self.fetched_bytes),
                Duration::from_micros(self.duration_us).as_secs_f64() * 1000.0,
                rows.collect::<Vec<_>>().join(", "),
            )?;
        }
        out.flush().map_err(Failure::Output)
    }
}
