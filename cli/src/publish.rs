//! `kapok publish`: publishes JSON lines as a new version.
//!
//! The records of a file are the whole record type; other record types of the dataset are carried over. Without a
//! schema the first lines give one (or extend the one that the dataset has). If a later line does not fit, the file is read
//! twice more: to infer the schema of all lines, and to write them. The file that was published last is only hashed.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kapok_blobstore::Store;
use kapok_core::schema::FieldKind;
use kapok_core::{ErrorKind, Fault};
use kapok_producer::{
    AbsentFields, CycleReport, Error, Evolution, IncrementalCycle, MergeSchedule, OlderSchema, Outcome, Producer,
    ProducerSettings, Sharing,
};

use crate::dataset::read_manifest;
use crate::failure::{Failure, Parts, Result};
use crate::notice;
use crate::progress::StoringBar;
use crate::store_argument::{StoreArgument, open};

mod deletion;
mod foreign;
mod guards;
mod inferring;
mod input;
mod lines;
mod population;
mod report;
mod trial;
mod vector_argument;
pub mod vector_files;

use guards::Guards;
use report::PublishReport;
use trial::Sample;

pub use input::Input;
pub use lines::Lines;
pub use population::{Population, SchemaSource};
use vector_argument::VectorArgument;
pub use vector_files::VectorFiles;

/// How often changes are applied anew because other producers were faster.
const ATTEMPTS_MAX: u32 = 10;

/// Publish JSON lines as the new content of a record type
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok publish packages.jsonl.zst --store data/debian --type Package --key package
  zcat ratings.jsonl.gz | kapok publish - --store data/films --type Rating --key movie,user
  kapok publish films.jsonl --store data/films --type Movie --schema films.capnp --tag source=nightly
  kapok publish corrected.jsonl --store data/films --type Movie --upsert
  kapok publish --store data/films --type Movie --delete-keys gone.txt
  kapok publish films.jsonl --store data/films --type Movie --dry-run
  kapok publish ratings.jsonl --store data/films --type Rating --upsert --widen
  kapok publish films.jsonl --store data/films --type Movie --key id --compact
  kapok publish films.jsonl --store data/films --type Movie --vector plot:cosine --vectors plots.npy
  xz -dc films.jsonl.xz | kapok publish - --store data/films --type Movie --max-removed 5%

The file holds all records of the type, one JSON object a line; .zst and .gz are read as they are. Only records that differ
from the version before are written, and where none does there is no new version. The file that was published last is only
hashed. With --upsert or --delete-keys all records that are not spoken of stay. Other record types of the store are carried
over. Nothing is committed unless every line fits, and no store is made before they do.

A publish that would leave the type without records is refused, and so is a file that would remove more than half of them
(and at least 10): the counts are told, exit code 2. The guards let it through, or set other bounds.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
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
    /// Folder in which the schema's imports are searched
    #[arg(long, value_name = "FOLDER", requires = "schema")]
    import_path: Vec<PathBuf>,
    /// A field that holds vectors: lists of numbers, all of one length. Behind the metric (cosine, l2, dot, or hamming for bits)
    /// may stand what its index is to be, as in 'embedding:l2,m=16,ef=200,codes=sq8'. A known metric stays
    #[arg(long, value_name = "FIELD[:METRIC]", conflicts_with = "schema")]
    vector: Vec<VectorArgument>,
    /// A .npy or .fvecs file that has the vectors of a field, row i that of line i; it is mapped, and must not change meanwhile
    #[arg(long, value_name = "[FIELD=]FILE", requires = "file")]
    vectors: Vec<String>,
    /// A JSON list of keys: row i of --vectors is that of the record of key i. Records of other keys have no vector
    #[arg(long, value_name = "FILE", requires = "vectors")]
    vector_keys: Option<PathBuf>,
    /// An object whose keys are data
    #[arg(long, value_name = "PATH", conflicts_with = "schema")]
    map: Vec<String>,
    /// A member that is kept as JSON text and given back as JSON, such as a list whose elements are not of one type
    #[arg(long, value_name = "PATH", conflicts_with = "schema")]
    as_json: Vec<String>,
    /// A field that holds the key of records of some type, as in 'movieId: Movie', or several that do together, as in
    /// 'edition: Edition(movieId, number)': queries lead from one record to the other
    #[arg(long, value_name = "REFERENCE", conflicts_with = "schema")]
    reference: Vec<String>,
    /// Make integer fields that are new no wider than they need be: the narrowest signed type that holds four times the
    /// values, the key's included. What comes later and does not fit is refused, until --widen. Fields that the dataset
    /// has stay as they are, but with --republish
    #[arg(long, conflicts_with = "schema")]
    compact: bool,
    /// Write equal values as often as they occur, for readers that ask for strict trees
    #[arg(long)]
    strict_tree: bool,
    /// Refuse lines that lack a number, Bool or enum which the schema cannot call null [default: take its default, and
    /// warn]
    #[arg(long)]
    no_absent: bool,
    /// Keep fields that the dataset has and the file of --schema does not know yet, with their values if --upsert
    /// leaves records as they are [default: refuse the older schema]
    #[arg(long, requires = "schema")]
    keep_newer_fields: bool,
    /// Accept any change of the schema or the key; consumers with generated code of the old kind will refuse it
    #[arg(long)]
    republish: bool,
    /// Make integer fields wider, or Float64, if the file has integers beyond them, or floats, and write all records of
    /// the type anew; refused if a stored integer is not equal to any Float64. Fields of the key stay integers. Consumers
    /// with generated code of the old kind will refuse it
    #[arg(long, conflicts_with = "republish")]
    widen: bool,
    /// Let the file's records add fields to a type that was published with --schema or by generated code
    #[arg(long, conflicts_with = "schema")]
    grow: bool,
    /// Add the file's records, or replace those of the same keys; all others stay. Of lines of one key the last counts, and
    /// a warning tells how many came before
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
    /// Say what would be published, and publish nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    guards: Guards,
}

/// Outcome of a publish.
struct PublishOutcome {
    report: CycleReport,
    keys_absent: u64,
}

impl Publish {
    /// Runs one cycle.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        // Opened before a store is created, so that unreadable input leaves nothing behind.
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
        let store = open(Store::options().create_later(), &self.store.store).await?;
        let ended = self.publish(&store, &population, input.as_ref(), keys.as_ref(), json, out).await;
        // If no version was made, no store is left behind.
        store.remove_uncreated();
        ended
    }

    async fn publish(
        &self,
        store: &Store,
        population: &Population,
        input: Option<&Input>,
        keys: Option<&Input>,
        json: bool,
        out: &mut impl Write,
    ) -> Result<()> {
        let mut settings = ProducerSettings::default();
        let is_full = keys.is_none() && !self.upsert;
        settings.validators = self.guards.validators(&self.record_type, is_full);
        let bar = StoringBar::default();
        settings.graph_listener = Some(bar.listener());
        let producer = if self.dry_run {
            settings.merge_schedule = MergeSchedule::Manual;
            Producer::builder(store.overlay()).settings(settings).open().await?
        } else {
            Producer::builder(store.clone()).settings(settings).open().await?
        };
        if let Some(version @ 1..) = self.on {
            read_manifest(producer.store(), version).await?;
        }
        if self.compact && !self.republish && has_only_wide_integers(producer.store(), &self.record_type).await {
            notice::warn(
                json,
                &format!(
                    "--compact makes new fields narrow, and {} has integers of 64 bits already, which stay; to choose all \
                     types anew, publish all records with --republish --compact",
                    self.record_type
                ),
            );
        }
        let outcome = match input {
            Some(input) if is_full => {
                let report = run_cycle_with(&producer, population, input, &bar, |error| self.explain(error)).await;
                report.map(|report| PublishOutcome { report, keys_absent: 0 })
            }
            _ => self.run_changes(&producer, population, input, keys, json).await,
        };
        bar.end();
        let PublishOutcome { report, keys_absent } = outcome?;
        if matches!(report.outcome, Outcome::Unchanged { .. }) {
            self.guards.check_unchanged(&report, &self.record_type)?;
        }
        let sample = match self.dry_run {
            true => Some(Sample::of(producer.store(), &report, &self.record_type).await?),
            false => None,
        };
        for warning in &report.warnings {
            notice::warn(json, warning);
        }
        if let Some(error) = &report.merge_error {
            notice::warn(
                json,
                &format!("published, but not all was merged that should be: {error}; kapok merge tries again"),
            );
        }
        if let Some(warning) = absent_warning(&report) {
            notice::warn(json, &warning);
        }
        if let Some(warning) = superseded_warning(&report) {
            notice::warn(json, &warning);
        }
        let published = PublishReport::of(&report, &self.record_type, keys_absent, sample.as_ref());
        if json {
            serde_json::to_writer(&mut *out, &published)?;
            return Ok(writeln!(out)?);
        }
        published.print(out)
    }

    /// Applies changes to the newest version, and again if another producer was faster.
    async fn run_changes(
        &self,
        producer: &Producer,
        population: &Population,
        input: Option<&Input>,
        keys: Option<&Input>,
        json: bool,
    ) -> Result<PublishOutcome> {
        let mut attempt = 1;
        loop {
            let mut keys_absent = 0;
            let populate = |cycle: &IncrementalCycle| {
                if let Some(input) = input {
                    population.upsert(cycle, input, threads())?;
                }
                if let Some(keys) = keys {
                    keys_absent = deletion::delete_keys(cycle, &population.record_type, keys)?;
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
                Ok(report) => return Ok(PublishOutcome { report, keys_absent }),
                Err(Error::Conflict { version, winner }) if self.on.is_none() && attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                    notice::warn(
                        json,
                        &format!(
                            "version {version} was committed by another producer meanwhile: writer={winner}; applying the \
                             changes on top of it, attempt={attempt} of {ATTEMPTS_MAX}"
                        ),
                    );
                    // Several processes wait for different times.
                    let spread_ms = u64::from(std::process::id() % 16);
                    tokio::time::sleep(Duration::from_millis(u64::from(attempt) * (5 + spread_ms))).await;
                }
                Err(error) => return Err(self.explain(error)),
            }
        }
    }

    /// Explains an error of a cycle, with the switches that have to do with it.
    fn explain(&self, error: Error) -> Failure {
        match error {
            Error::RolledBack { announced, highest } => Failure::no(format!(
                "the store was rolled back from version {highest} to {announced}; say which version to build on: \
                 --on {announced} drops what came after it"
            )),
            Error::UnannouncedHead { version, announced, sequence } => Failure::no(format!(
                "version {version} is unannounced since entry {sequence} of the log sent consumers back; say which version \
                 to build on: --on {announced} leaves it out, and kapok announce {version} announces it all the same"
            )),
            Error::Conflict { version, winner } => {
                let file = if self.upsert || self.delete_keys.is_some() { "changes" } else { "file" };
                Failure::of(
                    ErrorKind::Conflict,
                    format!(
                        "version {version} was committed by another producer meanwhile: writer={winner}; nothing was \
                         published. See what it changed (kapok diff), then publish the {file} again"
                    ),
                )
                .with_parts(Parts { winner: Some(winner), ..Parts::default() })
            }
            error => self.guards.explain(error, &self.record_type),
        }
    }

    fn population(&self) -> Result<Population> {
        let schema = match &self.schema {
            None => SchemaSource::Inferred {
                vectors: self.vector.clone(),
                maps: self.map.clone(),
                json: self.as_json.clone(),
                references: self.reference.clone(),
            },
            Some(path) => SchemaSource::load(path, &self.import_path, &self.record_type)?,
        };
        Ok(Population {
            record_type: self.record_type.clone(),
            key: self.key.clone(),
            schema,
            compact: self.compact,
            sharing: if self.strict_tree { Sharing::StrictTree } else { Sharing::Shared },
            evolution: match (self.republish, self.widen) {
                (true, _) => Evolution::Republish,
                (_, true) => Evolution::Widen,
                _ => Evolution::Append,
            },
            may_grow: self.grow,
            vectors: VectorFiles::open(&self.vectors, self.vector_keys.as_deref(), &self.vector)?,
            absent_fields: if self.no_absent { AbsentFields::Refused } else { AbsentFields::Default },
            older: if self.keep_newer_fields { OlderSchema::KeepNewer } else { OlderSchema::default() },
            tags: self.tag.clone(),
        })
    }
}

/// Returns whether the newest version has the record type with integers of 64 bits and no others, as it is published
/// without `--compact`.
async fn has_only_wide_integers(store: &Store, record_type: &str) -> bool {
    // What cannot be read is told of when the cycle reads it.
    let Ok(Some(version)) = store.manifests().head().await else { return false };
    let Ok(manifest) = store.manifests().read(version).await else { return false };
    let Some(ty) = manifest.record_type(record_type) else { return false };
    let Ok(schema) = manifest.schema.closure([ty.type_id]) else { return false };
    let slots = schema.structs().flat_map(|ty| &ty.fields).filter_map(|field| match &field.kind {
        FieldKind::Slot { ty, .. } if field.vector.is_none() => Some(ty.innermost()),
        _ => None,
    });
    let mut integers = slots.filter(|ty| ty.is_integer()).peekable();
    integers.peek().is_some() && integers.all(|ty| ty.data_bits() == Some(64))
}

/// Warns of fields that lines did not give.
fn absent_warning(report: &CycleReport) -> Option<String> {
    let fields: Vec<String> =
        report.types.iter().flat_map(|ty| &ty.absent).map(|(field, count)| format!("{field}={count}")).collect();
    (!fields.is_empty()).then(|| {
        format!(
            "absent and taken for their defaults, which cannot be told from given values: {}; give them, annotate the \
             schema with $nullOf, or refuse such lines with --no-absent",
            fields.join(", ")
        )
    })
}

fn superseded_warning(report: &CycleReport) -> Option<String> {
    let count: u64 = report.types.iter().map(|ty| ty.superseded).sum();
    (count > 0).then(|| format!("superseded={count}: so many lines have the key of a later one, which counts"))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8)
}

/// Runs a cycle that publishes all of the input.
pub async fn run_cycle(producer: &Producer, population: &Population, input: &Input) -> Result<CycleReport> {
    run_cycle_with(producer, population, input, &StoringBar::default(), Failure::from).await
}

async fn run_cycle_with(
    producer: &Producer,
    population: &Population,
    input: &Input,
    bar: &StoringBar,
    explain: impl Fn(Error) -> Failure,
) -> Result<CycleReport> {
    let threads = threads();
    match cycle(producer, population, input, bar, threads).await {
        // Which of a key's records come first depends on the threads, unless there is one thread.
        Err(kapok_producer::Error::Data(error)) if matches!(error.fault(), Fault::DuplicateKey { .. }) => {
            let error = if threads > 1 { cycle(producer, population, input, bar, 1).await } else { Err(error.into()) };
            error.map_err(|error| Failure::from(error).about(input.name()))
        }
        other => other.map_err(explain),
    }
}

async fn cycle(
    producer: &Producer,
    population: &Population,
    input: &Input,
    bar: &StoringBar,
    threads: usize,
) -> kapok_producer::Result<CycleReport> {
    let cycle = producer.run_cycle(|cycle| {
        population.run(cycle, input, threads)?;
        bar.begin();
        Ok(())
    });
    let report = cycle.await;
    bar.end();
    report
}

fn tag(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        publish: Publish,
    }

    #[test]
    fn a_publish_that_another_producer_won_names_it_in_a_field_of_its_json() {
        let arguments = ["kapok", "huts.jsonl", "--store", "memory://never-opened", "--type", "Hut"];
        let Program { publish } = Program::parse_from(arguments);
        let error = Error::Conflict { version: 3, winner: "ann".to_owned() };
        let line = publish.explain(error).line(true).expect("something to tell");
        let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let error = &told["error"];
        assert_eq!((error["kind"].as_str(), error["winner"].as_str()), (Some("conflict"), Some("ann")), "{line}");
        assert_eq!(error["exit_code"].as_u64(), Some(1), "{line}");
    }
}
