//! `kapok merge`: merges segments into fewer and denser ones.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use kapok_producer::{Producer, Store};
use serde::Serialize;

use crate::duration;
use crate::failure::Result;
use crate::store_argument::StoreArgument;

/// Merge small segments, and those with many dead rows, if it is time to
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok merge --store data/debian

Each publish does so by itself. The merged segments are a version of their own, in which no record differs.")]
pub struct Merge {
    #[command(flatten)]
    store: StoreArgument,
}

#[derive(Serialize)]
struct MergeOutput {
    /// Versions made, in order; none if there was nothing to do.
    versions: Vec<u64>,
    inputs: usize,
    outputs: usize,
    segment_bytes: u64,
    bytes_written: u64,
    duration_ms: u128,
}

impl Merge {
    /// Merges until there is nothing left to do.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        // Fails if there is no store: a producer would create one.
        Store::open(&self.store.store).await?;
        let producer = Producer::open(&self.store.store).await?;
        let mut merged = MergeOutput {
            versions: Vec::new(),
            inputs: 0,
            outputs: 0,
            segment_bytes: 0,
            bytes_written: 0,
            duration_ms: 0,
        };
        while let Some(report) = producer.merge().await? {
            merged.versions.push(report.version);
            merged.inputs += report.inputs;
            merged.outputs += report.outputs;
            merged.segment_bytes += report.segment_bytes;
            merged.bytes_written += report.bytes_written;
            merged.duration_ms += report.duration.as_millis();
        }
        if json {
            serde_json::to_writer(&mut *out, &merged)?;
            return Ok(writeln!(out)?);
        }
        match merged.versions.last() {
            None => writeln!(out, "nothing to merge")?,
            Some(version) => writeln!(
                out,
                "merged {} segment(s) into {}, {}, as version {version} ({})",
                merged.inputs,
                merged.outputs,
                HumanBytes(merged.segment_bytes),
                duration::shown(Duration::from_millis(u64::try_from(merged.duration_ms).unwrap_or(u64::MAX))),
            )?,
        }
        Ok(())
    }
}
