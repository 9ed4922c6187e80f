//! `kapok index`: lists, adds and drops the indexes of record types.

use std::io::Write;

use clap::{Args, ValueEnum};
use indicatif::HumanBytes;
use kapok_core::Fault;
use kapok_core::manifest::{Artifact, Manifest, RecordType};
use kapok_index::vector;
use kapok_producer::{Error, Outcome, Producer};
use serde::Serialize;

use crate::dataset::Dataset;
use crate::duration;
use crate::failure::{Failure, Result};
use crate::notice::warn;
use crate::progress::StoringBar;
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::table::Table;

/// Races against other producers that may be lost.
const ATTEMPTS_MAX: usize = 10;

/// List, add or drop indexes
#[expect(clippy::struct_field_names, reason = "the argument is called so")]
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok index list --store data/films
  kapok index add --store data/films Movie 'hash(year)'
  kapok index add --store data/films Movie 'by_genre: hash(genres[])'
  kapok index add --store data/films Movie 'sorted(-year, title)'
  kapok index add --store data/films Movie 'text(title)'
  kapok index add --store data/films Movie 'hash(year) where runtimeMin > 0'
  kapok index drop --store data/films Movie by_genre

An index is written as [NAME:] KIND(FIELD, ...) [OPTION=VALUE ...] [where EXPR]; without a name it is called as what it is.
Fields are names joined by dots, with [] behind a list that is gone through. With EXPR, as of kapok query, the index holds the
records that satisfy it, and is asked by queries that have its conditions or narrower ones. Kinds:
  key     from values that no two records share to the record; a publish that would break this is refused
  hash    from the values of fields to the records that have them
  sorted  the records in the order of fields, for <, between, prefixes and --order; - before a field: descending
  text    from the words of a text to the records that have them, for ~= with prefixes and typos. Options: terms=whole for
          whole texts in place of words, for = and ^=; fold=none tells upper and lower case apart
  hnsw    from a vector to the records whose vectors are nearest to it, for kapok search. A field that gets a metric gets one.
          Options: m=, m0= and efConstruction= of its graph; codes=sq8, sq4 or none

Adding or dropping one is a version of its own, in which no record changes: all segments get it. Queries give the same
answers with an index and without.")]
pub struct Index {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    /// What to do
    #[arg(value_name = "list|add|drop", hide_possible_values = true)]
    action: Action,
    /// The record type; all of them, to list
    #[arg(value_name = "TYPE")]
    record_type: Option<String>,
    /// The index to add, or the name of the one to drop
    #[arg(value_name = "INDEX")]
    index: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    List,
    Add,
    Drop,
}

#[derive(Serialize)]
struct IndexInfo {
    #[serde(rename = "type")]
    record_type: String,
    name: String,
    kind: String,
    fields: Vec<String>,
    /// What `kapok index add` takes.
    index: String,
    /// Segments that have it, of all.
    segments: usize,
    of_segments: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct ChangeOutput<'r> {
    version: u64,
    changed: bool,
    bytes_written: u64,
    warnings: &'r [String],
    duration_ms: u128,
}

impl Index {
    /// Lists the indexes, or runs one cycle.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        if self.action == Action::List {
            return self.list(json, out).await;
        }
        let (Some(record_type), Some(index)) = (&self.record_type, &self.index) else {
            return Err(Failure::usage("give TYPE and INDEX, as in: kapok index add Movie 'hash(year)'"));
        };
        if self.version.version.is_some() {
            return Err(Failure::usage(
                "--version is for list: indexes are added to and dropped from the newest version",
            ));
        }
        // Fails if there is no store: a producer would create one.
        self.store.open().await?;
        let mut producer = Producer::open(&self.store.store).await?;
        let bar = StoringBar::default();
        producer.settings_mut().graph_listener = Some(bar.listener());
        let mut attempt = 1;
        let report = loop {
            let cycle = producer.run_incremental_cycle(|cycle| {
                match self.action {
                    Action::Drop => cycle.drop_index(record_type, index),
                    _ => cycle.add_index(record_type, index)?,
                }
                Ok(())
            });
            let report = cycle.await;
            bar.end();
            match report {
                // It says the same on top of the winner's version.
                Err(Error::Conflict { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                // As for a query, a name that is wrong is input that cannot be used.
                Err(Error::Data(error)) if matches!(error.fault(), Fault::NoField { .. }) => {
                    return Err(Failure::input(error.to_string()).with_parts(error.fault()));
                }
                done => break done?,
            }
        };
        for warning in &report.warnings {
            warn(json, warning);
        }
        let changed = matches!(report.outcome, Outcome::Published { .. });
        let version = report.outcome.version();
        if json {
            let (bytes_written, duration_ms) = (report.bytes_written, report.steps.total().as_millis());
            let warnings = &report.warnings;
            serde_json::to_writer(&mut *out, &ChangeOutput { version, changed, bytes_written, warnings, duration_ms })?;
            return Ok(writeln!(out)?);
        }
        let duration = duration::shown(report.steps.total());
        match (changed, self.action) {
            (false, _) => writeln!(out, "version {version} has it already: nothing was published")?,
            (true, Action::Drop) => writeln!(out, "published version {version} without {index} ({duration})")?,
            (true, _) => {
                let written = HumanBytes(report.bytes_written);
                writeln!(out, "published version {version} with {index}; wrote {written} of indexes ({duration})")?;
            }
        }
        Ok(())
    }

    async fn list(&self, json: bool, out: &mut impl Write) -> Result<()> {
        if self.index.is_some() {
            return Err(Failure::usage("list takes a record type, or nothing"));
        }
        let Dataset { manifest, .. } = Dataset::open(&self.store, &self.version).await?;
        let indexes = self.infos(&manifest)?;
        if json {
            serde_json::to_writer_pretty(&mut *out, &indexes)?;
            return Ok(writeln!(out)?);
        }
        let mut table = Table::new(&["type", "index", ">segments", ">bytes"]);
        for info in indexes {
            let segments = format!("{}/{}", info.segments, info.of_segments);
            table.push([info.record_type, info.index, segments, HumanBytes(info.bytes).to_string()]);
        }
        Ok(table.print(out)?)
    }

    fn infos(&self, manifest: &Manifest) -> Result<Vec<IndexInfo>> {
        let types: Vec<&RecordType> = match &self.record_type {
            Some(name) => vec![manifest.expect_record_type(name)?],
            None => manifest.record_types.iter().collect(),
        };
        let mut out = Vec::new();
        for ty in types {
            let key = ("unique", ty.key.join(","), format!("unique({})", ty.key.join(", ")), ty.key.clone());
            let declared = ty
                .indexes
                .iter()
                .map(|spec| (spec.kind.as_str(), spec.name.clone(), spec.to_string(), spec.fields.clone()));
            for (kind, name, index, fields) in std::iter::once(key).chain(declared) {
                let is_it = |artifact: &&Artifact| artifact.kind == kind && (kind == "unique" || artifact.name == name);
                let artifacts = ty.segments.iter().filter_map(|entry| entry.artifacts.iter().find(is_it));
                // Codes belong to the graph of their name.
                let is_codes = |artifact: &&Artifact| {
                    kind == vector::KIND && artifact.kind == vector::CODES_KIND && artifact.name == name
                };
                let codes = ty.segments.iter().flat_map(|entry| entry.artifacts.iter().filter(is_codes));
                let codes_bytes: u64 = codes.map(|artifact| artifact.size).sum();
                let sizes: Vec<u64> = artifacts.map(|artifact| artifact.size).collect();
                out.push(IndexInfo {
                    record_type: ty.name.clone(),
                    kind: kind.to_owned(),
                    name,
                    fields,
                    index,
                    segments: sizes.len(),
                    of_segments: ty.segments.len(),
                    bytes: sizes.iter().sum::<u64>() + codes_bytes,
                });
            }
        }
        Ok(out)
    }
}
