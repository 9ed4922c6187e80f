//! Metrics of a producer, by the `metrics` crate.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::error::{Error, Result};
use crate::graphs::GraphReport;
use crate::report::{CycleReport, MergeReport, Outcome, Steps};
use kapok_core::manifest::Manifest;

const CYCLES: &str = "kapok_cycles_total";
const FAILURES: &str = "kapok_cycle_failures_total";
const STEP_SECONDS: &str = "kapok_cycle_step_duration_seconds";
const CYCLE_SECONDS: &str = "kapok_cycle_duration_seconds";
const WRITTEN: &str = "kapok_bytes_written_total";
const LIVE: &str = "kapok_published_rows_live";
const DEAD: &str = "kapok_published_rows_dead";
const MERGES: &str = "kapok_merges_total";
const MERGE_SECONDS: &str = "kapok_merge_duration_seconds";
const GRAPH_SECONDS: &str = "kapok_graph_build_duration_seconds";
const GRAPH_INSERTED: &str = "kapok_graph_vectors_inserted_total";
const VERSION: &str = "kapok_version_published";

/// Describes a producer's metrics to the program's recorder.
pub fn describe() {
    describe_counter!(CYCLES, "Cycles, by outcome: published or unchanged");
    describe_counter!(FAILURES, "Cycles that failed, by kind of error");
    describe_histogram!(STEP_SECONDS, Unit::Seconds, "Duration of the steps of cycles, by step");
    describe_histogram!(CYCLE_SECONDS, Unit::Seconds, "Duration of cycles from populating to announcing");
    describe_counter!(WRITTEN, Unit::Bytes, "Bytes of blobs that the store did not have");
    describe_counter!(MERGES, "Versions that hold merged segments");
    describe_histogram!(MERGE_SECONDS, Unit::Seconds, "Duration of merges, the announcement included");
    describe_histogram!(GRAPH_SECONDS, Unit::Seconds, "Time of building the graphs of a segment's vectors, by type");
    describe_counter!(GRAPH_INSERTED, "Vectors that were inserted into graphs, by type");
    describe_gauge!(LIVE, "Live rows of the newest version, by type");
    describe_gauge!(DEAD, "Dead rows in the segments of the newest version, by type");
    describe_gauge!(VERSION, "The version that was published last");
}

/// Counts the outcome of a cycle.
pub(crate) fn counted(outcome: Result<CycleReport>, writer: &str) -> Result<CycleReport> {
    match &outcome {
        Ok(report) => {
            let name = if matches!(report.outcome, Outcome::Published { .. }) { "published" } else { "unchanged" };
            counter!(CYCLES, "outcome" => name).increment(1);
            for (step, duration) in steps(&report.steps) {
                histogram!(STEP_SECONDS, "step" => step).record(duration.as_secs_f64());
            }
            histogram!(CYCLE_SECONDS).record(report.steps.total().as_secs_f64());
        }
        Err(error) => {
            counter!(FAILURES, "kind" => format!("{:?}", Error::kind(error))).increment(1);
            tracing::warn!(%error, writer, "cycle failed, nothing new is announced");
        }
    }
    outcome
}

/// Counts what a new version holds.
pub(crate) fn published(bytes_written: u64, manifest: &Manifest) {
    counter!(WRITTEN).increment(bytes_written);
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    gauge!(VERSION).set(manifest.version as f64);
    for ty in &manifest.record_types {
        let dead: u64 = ty.segments.iter().map(|segment| u64::from(segment.dead)).sum();
        #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
        for (name, rows) in [(LIVE, ty.rows as f64), (DEAD, dead as f64)] {
            gauge!(name, "type" => ty.name.clone()).set(rows);
        }
    }
}

/// Counts a merge.
pub(crate) fn merged(report: &MergeReport, manifest: &Manifest) {
    counter!(MERGES).increment(1);
    published(report.bytes_written, manifest);
    histogram!(MERGE_SECONDS).record(report.duration.as_secs_f64());
}

/// Counts the graphs of a segment that were built.
pub(crate) fn graphs_built(record_type: &str, report: &GraphReport) {
    if report.graphs == 0 {
        return;
    }
    histogram!(GRAPH_SECONDS, "type" => record_type.to_owned()).record(report.duration.as_secs_f64());
    counter!(GRAPH_INSERTED, "type" => record_type.to_owned()).increment(report.inserted);
}

fn steps(steps: &Steps) -> [(&'static str, std::time::Duration); 7] {
    [
        ("populate", steps.populate),
        ("compare", steps.compare),
        ("write", steps.write),
        ("verify", steps.verify),
        ("validate", steps.validate),
        ("commit", steps.commit),
        ("announce", steps.announce),
    ]
}
