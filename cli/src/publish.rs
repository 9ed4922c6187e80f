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
use kapok_producer::{CycleReport, Evolution, Outcome, Producer, Sharing};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::progress;
use crate::store_argument::StoreArgument;

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

The file holds all records of the type, one JSON object a line; .zst and .gz are read as they are. Other record types of
the store are carried over. Nothing is committed unless every line fits.")]
pub struct Publish {
    /// JSON lines, plain or compressed by zstd or gzip; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
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
    segments: usize,
    bytes: u64,
    index_bytes: u64,
    /// Of blobs that the store did not have yet.
    bytes_written: u64,
    duration_ms: u128,
}

impl Publish {
    /// Runs one cycle.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        // Before a store is made: what cannot be read leaves nothing behind.
        let input = Input::open(&self.file)?;
        let population = self.population()?;
        let producer = Producer::open(&self.store.store).await?;
        let report = run_cycle(&producer, &population, &input).await?;
        if json {
            serde_json::to_writer(&mut *out, &Published::of(&report, &population.record_type))?;
            return Ok(writeln!(out)?);
        }
        Published::of(&report, &population.record_type).print(out)
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

/// Runs a cycle that publishes all of the input.
pub async fn run_cycle(producer: &Producer, population: &Population, input: &Input) -> Result<CycleReport> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
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
            segments: ty.map_or(0, |ty| ty.segments),
            bytes: ty.map_or(0, |ty| ty.segment_bytes),
            index_bytes: ty.map_or(0, |ty| ty.index_bytes),
            bytes_written: report.bytes_written,
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
                "published version {version}: {rows} {record_type} rows in {} segment(s), {} and {} of indexes ({duration:.1?})",
                self.segments,
                HumanBytes(self.bytes),
                HumanBytes(self.index_bytes),
            )?;
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
