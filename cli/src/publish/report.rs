//! Reports a cycle to people and to scripts.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use kapok_producer::{CycleReport, GraphReport, Outcome};
use serde::Serialize;

use super::trial::Sample;
use crate::duration;
use crate::failure::Result;

/// Report of a publish, or of a dry run.
#[derive(Serialize)]
pub struct PublishReport<'r> {
    outcome: &'static str,
    /// Whether this was a dry run, which commits nothing.
    dry_run: bool,
    version: u64,
    #[serde(rename = "type")]
    record_type: &'r str,
    rows: u64,
    added: u64,
    changed: u64,
    removed: u64,
    /// Whether all records were written anew, by another schema: then all of before are removed, and all of now added.
    replaced: bool,
    /// Fields that the schema gained.
    grown: &'r [String],
    /// Number of keys to delete that had no record.
    keys_absent: u64,
    /// Number of lines that a later one of the same key took the place of, of an upsert.
    superseded: u64,
    /// How often a number, Bool or enum was absent and took its default, by field.
    absent: BTreeMap<String, u64>,
    /// Number of segments that the cycle wrote.
    segments: usize,
    bytes: u64,
    index_bytes: u64,
    /// Bytes of blobs that the store did not have yet.
    bytes_written: u64,
    /// Vectors that were inserted into graphs.
    vectors_inserted: u64,
    /// Time of building graphs.
    graph_duration_ms: u128,
    /// The version that holds merged segments, made after this one was announced.
    merged_version: Option<u64>,
    /// Findings that need attention although the cycle succeeded.
    warnings: &'r [String],
    duration_ms: u128,
    /// The first keys of each kind, of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<&'r Sample>,
    #[serde(skip)]
    duration: Duration,
    #[serde(skip)]
    graphs: GraphReport,
}

impl<'r> PublishReport<'r> {
    /// Reports what a cycle did to a record type.
    pub fn of(report: &'r CycleReport, record_type: &'r str, keys_absent: u64, trial: Option<&'r Sample>) -> Self {
        let ty = report.types.iter().find(|ty| ty.name == record_type).or_else(|| report.types.first());
        let duration = report.steps.total();
        Self {
            outcome: match (report.outcome, trial.is_some()) {
                (Outcome::Published { .. }, false) => "published",
                (Outcome::Published { .. }, true) => "would publish",
                (Outcome::Unchanged { .. }, _) => "unchanged",
            },
            dry_run: trial.is_some(),
            version: report.outcome.version(),
            record_type,
            rows: ty.map_or(0, |ty| ty.rows),
            added: ty.map_or(0, |ty| ty.added),
            changed: ty.map_or(0, |ty| ty.updated),
            removed: ty.map_or(0, |ty| ty.removed),
            replaced: ty.is_some_and(|ty| ty.replaced),
            grown: ty.map_or(&[], |ty| &ty.grown),
            keys_absent,
            superseded: ty.map_or(0, |ty| ty.superseded),
            absent: ty.map_or_else(BTreeMap::new, |ty| ty.absent.clone()),
            segments: ty.map_or(0, |ty| ty.segments),
            bytes: ty.map_or(0, |ty| ty.segment_bytes),
            index_bytes: ty.map_or(0, |ty| ty.index_bytes),
            bytes_written: report.bytes_written,
            vectors_inserted: report.graphs.inserted,
            graph_duration_ms: report.graphs.duration.as_millis(),
            merged_version: report.merged.as_ref().map(|merged| merged.version),
            warnings: &report.warnings,
            duration_ms: duration.as_millis(),
            sample: trial,
            duration,
            graphs: report.graphs,
        }
    }

    /// Prints a line for people, and details below it.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        let Self { version, record_type, .. } = self;
        let (rows, duration) = (HumanCount(self.rows), duration::shown(self.duration));
        if self.outcome == "unchanged" {
            writeln!(out, "unchanged: version {version} holds the same {rows} {record_type} rows ({duration})")?;
        } else {
            let counts = match self.replaced {
                true => format!("all written anew in place of {}", HumanCount(self.removed)),
                false => format!(
                    "{} added, {} changed, {} removed",
                    HumanCount(self.added),
                    HumanCount(self.changed),
                    HumanCount(self.removed)
                ),
            };
            writeln!(
                out,
                "{} version {version}: {rows} {record_type} rows, {counts}; {} {} segment(s), {} and {} of indexes \
                 ({duration})",
                self.outcome,
                if self.dry_run { "would write" } else { "wrote" },
                self.segments,
                HumanBytes(self.bytes),
                HumanBytes(self.index_bytes),
            )?;
        }
        if self.graphs.graphs > 0 {
            let (inserted, duration) = (HumanCount(self.graphs.inserted), duration::shown(self.graphs.duration));
            writeln!(out, "built {} graph(s), {inserted} vectors inserted ({duration})", self.graphs.graphs)?;
        }
        for grown in self.grown {
            writeln!(out, "schema {}: {grown}", if self.dry_run { "would grow" } else { "grew" })?;
        }
        if self.keys_absent > 0 {
            writeln!(out, "{} key(s) to delete were not there", HumanCount(self.keys_absent))?;
        }
        if let Some(sample) = self.sample {
            sample.print(out)?;
            writeln!(out, "dry run: nothing was published")?;
        }
        if let Some(merged) = self.merged_version {
            writeln!(out, "merged segments into version {merged}, in which no record differs")?;
        }
        Ok(())
    }
}
