//! What is told of a cycle, to people and to scripts?

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use kapok_producer::{CycleReport, Outcome};
use serde::Serialize;

use super::trial::Sample;
use crate::duration;
use crate::failure::Result;

/// What a publish did, or would do.
#[derive(Serialize)]
pub struct Published<'r> {
    outcome: &'static str,
    /// Nothing was committed: it is what would be.
    dry_run: bool,
    version: u64,
    #[serde(rename = "type")]
    record_type: &'r str,
    rows: u64,
    added: u64,
    changed: u64,
    removed: u64,
    /// What the schema grew by.
    grown: &'r [String],
    /// Keys that were to be deleted and that no record had.
    keys_absent: u64,
    /// Numbers, Bools and enums that lines did not give and that took their defaults: how often, by field.
    absent: BTreeMap<String, u64>,
    /// Written by this cycle.
    segments: usize,
    bytes: u64,
    index_bytes: u64,
    /// Of blobs that the store did not have yet.
    bytes_written: u64,
    /// The version that holds merged segments, made after this one was announced.
    merged_version: Option<u64>,
    /// What somebody should look at although the cycle is done.
    warnings: &'r [String],
    duration_ms: u128,
    /// The first keys of each kind, of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<&'r Sample>,
    #[serde(skip)]
    duration: Duration,
}

impl<'r> Published<'r> {
    /// What a report says of a record type.
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
            grown: ty.map_or(&[], |ty| &ty.grown),
            keys_absent,
            absent: ty.map_or_else(BTreeMap::new, |ty| ty.absent.clone()),
            segments: ty.map_or(0, |ty| ty.segments),
            bytes: ty.map_or(0, |ty| ty.segment_bytes),
            index_bytes: ty.map_or(0, |ty| ty.index_bytes),
            bytes_written: report.bytes_written,
            merged_version: report.merged.as_ref().map(|merged| merged.version),
            warnings: &report.warnings,
            duration_ms: duration.as_millis(),
            sample: trial,
            duration,
        }
    }

    /// A line for people, and what else there is to say below it.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        let Self { version, record_type, .. } = self;
        let (rows, duration) = (HumanCount(self.rows), duration::shown(self.duration));
        if self.outcome == "unchanged" {
            writeln!(out, "unchanged: version {version} holds the same {rows} {record_type} rows ({duration})")?;
        } else {
            writeln!(
                out,
                "{} version {version}: {rows} {record_type} rows, {} added, {} changed, {} removed; {} {} segment(s), {} \
                 and {} of indexes ({duration})",
                self.outcome,
                HumanCount(self.added),
                HumanCount(self.changed),
                HumanCount(self.removed),
                if self.dry_run { "would write" } else { "wrote" },
                self.segments,
                HumanBytes(self.bytes),
                HumanBytes(self.index_bytes),
            )?;
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
