//! `kapok merge`: merges segments into fewer and denser ones.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use indicatif::HumanBytes;
use kapok_core::ErrorKind;
use kapok_producer::Producer;
use serde::Serialize;

use crate::duration;
use crate::failure::{Failure, Result};
use crate::progress::StoringBar;
use crate::store_argument::StoreArgument;

/// Merge small segments, and those with many dead rows, if it is time to
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok merge --store data/debian

Each publish does so by itself. The merged segments are a version of their own, in which no record differs.

Exit code 1 if segments that should be merged cannot be read: they are named, and the others are merged.")]
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
        self.store.open().await?;
        let mut producer = Producer::open(&self.store.store).await?;
        let bar = StoringBar::default();
        producer.settings_mut().graph_listener = Some(bar.listener());
        let mut merged = MergeOutput {
            versions: Vec::new(),
            inputs: 0,
            outputs: 0,
            segment_bytes: 0,
            bytes_written: 0,
            duration_ms: 0,
        };
        let mut not_merged = Vec::new();
        loop {
            // What cannot be read now could not be read before either.
            not_merged.clear();
            let report = producer.merge_and_tell(&mut not_merged).await;
            bar.end();
            let Some(report) = report? else { break };
            merged.versions.push(report.version);
            merged.inputs += report.inputs;
            merged.outputs += report.outputs;
            merged.segment_bytes += report.segment_bytes;
            merged.bytes_written += report.bytes_written;
            merged.duration_ms += report.duration.as_millis();
        }
        if json {
            serde_json::to_writer(&mut *out, &merged)?;
            writeln!(out)?;
        } else {
            merged.print(!not_merged.is_empty(), out)?;
        }
        if not_merged.is_empty() {
            return Ok(());
        }
        let advice = "kapok repair tells what can be put back";
        Err(Failure::of(ErrorKind::Corrupt, format!("{}; {advice}", not_merged.join("; "))))
    }
}

impl MergeOutput {
    fn print(&self, is_blocked: bool, out: &mut impl Write) -> Result<()> {
        match self.versions.last() {
            None if is_blocked => {}
            None => writeln!(out, "nothing to merge")?,
            Some(version) => writeln!(
                out,
                "merged {} segment(s) into {}, {}, as version {version} ({})",
                self.inputs,
                self.outputs,
                HumanBytes(self.segment_bytes),
                duration::shown(Duration::from_millis(u64::try_from(self.duration_ms).unwrap_or(u64::MAX))),
            )?,
        }
        Ok(())
    }
}
