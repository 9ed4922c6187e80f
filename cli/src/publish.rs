//! `kapok publish`: JSON lines in, a new version out.
//!
//! The records of a file are the whole record type; other record types of the dataset are carried over. Without a schema
//! the file is read twice: once to infer one (or to extend the one that the dataset has), once to write.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_core::Fault;
use kapok_producer::{CycleReport, Evolution, IncrementalCycle, Outcome, Producer, Sharing};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::progress;
use crate::store_argument::StoreArgument;

mod deletion;
mod input;
mod key_check;
mod lines;
mod population;

pub use input::Input;
pub use lines::Lines;
pub use population::{Population, SchemaSource};

/// Publish JSON lines as the new content of a record type
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok publish packages.jsonl.zst --store data/debian --type Package --key package
  zcat ratings.jsonl.gz | kapok publish - --store data/films --type Rating --key movie,user
  kapok publish films.jsonl --store data/films --type Movie --schema films.capnp --tag source=nightly
  kapok publish corrected.jsonl --store data/films --type Movie --upsert
  kapok publish --store data/films --type Movie --delete-keys gone.txt

The file holds all records of the type, one JSON object a line; .zst and .gz are read as they are. Only records that differ
from the version before are written, and where none does there is no new version. With --upsert or --delete-keys all
records that are not spoken of stay. Other record types of the store are carried over. Nothing is committed unless every
line fits.")]
pub struct Publish {
    /// JSON lines, plain or compressed by zstd or gzip; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "delete_keys")]
    file: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgument,
    /// The record type
    #[arg(long = "type", value_name = "NAME")]
    record_type: String,
    /// The fields of the primary key [default: those of the schema, or of the dataset]
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    key: Vec<String>,
    /// The schema, as a .capnp file (needs the capnp tool) or a .cgr file [default: inferred]
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Where the schema's imports are searched
    #[arg(long, value_name = "FOLDER", requires = "schema")]
    import_path: Vec<PathBuf>,
    /// A field that holds vectors: lists of numbers, all of one length
    #[arg(long, value_name = "FIELD", conflicts_with = "schema")]
    vector: Vec<String>,
    /// An object whose keys are data
    #[arg(long, value_name = "PATH", conflicts_with = "schema")]
    map: Vec<String>,
    /// Write equal values as often as they occur, for readers that ask for strict trees
    #[arg(long)]
    strict_tree: bool,
    /// Accept any change of the schema or the key; consumers with generated code of the old kind will refuse it
    #[arg(long)]
    republish: bool,
    /// Add the file's records, or replace those of the same keys; all others stay
    #[arg(long, conflicts_with = "republish")]
    upsert: bool,
    /// Remove the records of these keys, one a line as get takes them, fields separated by tabs; - for standard input
    #[arg(long, value_name = "FILE")]
    delete_keys: Option<PathBuf>,
    /// The version that --upsert and --delete-keys build on, needed after a rollback [default: the newest]
    #[arg(long, value_name = "VERSION")]
    on: Option<u64>,
    /// A tag of the version
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    tag: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Published<'r> {
    outcome: &'static str,
    version: u64,
    #[serde(rename = "type")]
    record_type: &'r str,
    rows: u64,
    added: u64,
    changed: u64,
    removed: u64,
    /// Written by this cycle.
    segments: usize,
    bytes: u64,
    index_bytes: u64,
    /// Of blobs that the store did not have yet.
    bytes_written: u64,
    /// The version that holds merged segments, made after this one was announced.
    merged_version: Option<u64>,
    duration_ms: u128,
}

impl Publish {
    /// Runs one cycle.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        // Before a store is made: what cannot be read leaves nothing behind.
        let input = self.file.as_deref().map(Input::open).transpose()?;
        let keys = self.delete_keys.as_deref().map(Input::open).transpose()?;
        if keys.is_some() && input.is_some() && !self.upsert {
            return Err(Failure::input("a file of all records leaves no keys to delete; add --upsert, or drop one"));
        }
        if self.on.is_some() && keys.is_none() && !self.upsert {
            return Err(Failure::input(
                "--on is for --upsert and --delete-keys; a file of all records needs no version",
            ));
        }
        let population = self.population()?;
        let producer = Producer::open(&self.store.store).await?;
        let report = match (&input, &keys) {
            (Some(input), None) if !self.upsert => run_cycle(&producer, &population, input).await?,
            _ => self.run_changes(&producer, &population, input.as_ref(), keys.as_ref()).await?,
        };
        if json {
            serde_json::to_writer(&mut *out, &Published::of(&report, &population.record_type))?;
            return Ok(writeln!(out)?);
        }
        Published::of(&report, &population.record_type).print(out)
    }

    async fn run_changes(
        &self,
        producer: &Producer,
        population: &Population,
        input: Option<&Input>,
        keys: Option<&Input>,
    ) -> Result<CycleReport> {
        let populate = |cycle: &IncrementalCycle| {
            if let Some(input) = input {
                population.upsert(cycle, input, threads())?;
            }
            if let Some(keys) = keys {
                deletion::delete_keys(cycle, &population.record_type, keys)?;
            }
            for (key, value) in &population.tags {
                cycle.tag(key, value);
            }
            Ok(())
        };
        let report = match self.on {
            Some(version) => producer.run_incremental_cycle_on(version, populate).await,
            None => producer.run_incremental_cycle(populate).await,
        };
        match report {
            Err(kapok_producer::Error::RolledBack { announced, highest }) => Err(Failure::no(format!(
                "the store was rolled back from version {highest} to {announced}; say which version to build on: \
                 --on {announced} drops what came after it"
            ))),
            report => Ok(report?),
        }
    }

    fn population(&self) -> Result<Population> {
        let schema = match &self.schema {
            None => SchemaSource::Inferred { vectors: self.vector.clone(), maps: self.map.clone() },
            Some(path) => SchemaSource::load(path, &self.import_path, &self.record_type)?,
        };
        Ok(Population {
            record_type: self.record_type.clone(),
            key: self.key.clone(),
            schema,
            sharing: if self.strict_tree { Sharing::StrictTree } else { Sharing::Shared },
            evolution: if self.republish { Evolution::Republish } else { Evolution::Append },
            tags: self.tag.clone(),
        })
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

/// Runs a cycle that publishes all of the input.
pub async fn run_cycle(producer: &Producer, population: &Population, input: &Input) -> Result<CycleReport> {
    let threads = threads();
    match cycle(producer, population, input, threads).await {
        // Which of a key's records come first depends on the threads, but for one.
        Err(kapok_producer::Error::Data(error)) if matches!(error.fault(), Fault::DuplicateKey { .. }) => {
            let error = if threads > 1 { cycle(producer, population, input, 1).await } else { Err(error.into()) };
            error.map_err(|error| Failure::from(error).about(input.name()))
        }
        other => Ok(other?),
    }
}

async fn cycle(
    producer: &Producer,
    population: &Population,
    input: &Input,
    threads: usize,
) -> kapok_producer::Result<CycleReport> {
    let mut writing = None;
    let report = producer
        .run_cycle(|cycle| {
            population.run(cycle, input, threads)?;
            writing = Some(progress::spinner("storing"));
            Ok(())
        })
        .await;
    if let Some(bar) = writing {
        bar.finish_and_clear();
    }
    report
}

impl<'r> Published<'r> {
    fn of(report: &CycleReport, record_type: &'r str) -> Self {
        let ty = report.types.iter().find(|ty| ty.name == record_type).or_else(|| report.types.first());
        Self {
            outcome: match report.outcome {
                Outcome::Published { .. } => "published",
                Outcome::Unchanged { .. } => "unchanged",
            },
            version: report.outcome.version(),
            record_type,
            rows: ty.map_or(0, |ty| ty.rows),
            added: ty.map_or(0, |ty| ty.added),
            changed: ty.map_or(0, |ty| ty.updated),
            removed: ty.map_or(0, |ty| ty.removed),
            segments: ty.map_or(0, |ty| ty.segments),
            bytes: ty.map_or(0, |ty| ty.segment_bytes),
            index_bytes: ty.map_or(0, |ty| ty.index_bytes),
            bytes_written: report.bytes_written,
            merged_version: report.merged.as_ref().map(|merged| merged.version),
            duration_ms: report.steps.total().as_millis(),
        }
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        let Self { version, record_type, .. } = self;
        let rows = HumanCount(self.rows);
        let duration = Duration::from_millis(u64::try_from(self.duration_ms).unwrap_or(u64::MAX));
        if self.outcome == "unchanged" {
            writeln!(out, "unchanged: version {version} holds the same {rows} {record_type} rows ({duration:.1?})")?;
        } else {
            writeln!(
                out,
                "published version {version}: {rows} {record_type} rows, {} added, {} changed, {} removed; wrote {} \
                 segment(s), {} and {} of indexes ({duration:.1?})",
                HumanCount(self.added),
                HumanCount(self.changed),
                HumanCount(self.removed),
                self.segments,
                HumanBytes(self.bytes),
                HumanBytes(self.index_bytes),
            )?;
            if let Some(merged) = self.merged_version {
                writeln!(out, "merged segments into version {merged}, in which no record differs")?;
            }
        }
        Ok(())
    }
}

fn tag(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}
