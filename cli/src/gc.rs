//! `kapok gc`: retires old versions and deletes the blobs that no version names.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_blobstore::{BlobId, BlobKind, GcReport, GcSettings};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::store_argument::StoreArgument;

/// Retire old versions, and delete the blobs that no version names
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok gc --store data/debian --keep 10 --dry-run
  kapok gc --store data/debian --keep 10
  kapok gc --store data/debian --keep 1 --grace 7d --json
  kapok gc --store data/debian --keep 1 --grace 0s --no-writers

The newest version, the announced and the pinned one, and whatever consumers were on within the grace period always stay.
Producers and consumers may be at work meanwhile, but no second gc; with a grace period shorter than an hour, which is
that of the producers, no producer either: what one has stored for a version that it has not committed yet would go.

A version that cannot be read or that lacks blobs is named, and as long as it stays no blob is deleted: exit code 1. Repair
the store, or give the version up by --retire-unreadable N.")]
pub struct Gc {
    #[command(flatten)]
    store: StoreArgument,
    /// How many of the newest versions to keep
    #[arg(long, value_name = "N")]
    keep: usize,
    /// How long versions that consumers left, and blobs that no version names, stay: 30s, 10m, 1h, 7d [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    grace: Option<Duration>,
    /// No producer is at work until this is done: asked for by a grace period shorter than an hour
    #[arg(long)]
    no_writers: bool,
    /// Retire version N though it cannot be read, is not there, or lacks blobs; may be repeated
    #[arg(long, value_name = "N")]
    retire_unreadable: Vec<u64>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct GcOutput {
    dry_run: bool,
    retired: Vec<u64>,
    kept: Vec<u64>,
    /// Versions that stay only because of the grace period.
    kept_by_grace: Vec<u64>,
    grace_seconds: u64,
    unreadable: Vec<UnreadableOutput>,
    damaged: Vec<DamagedOutput>,
    deleted: Vec<DeletedBlob>,
    /// Temporary files of writers that died.
    #[serde(rename = "debris")]
    orphans: Vec<Orphan>,
    bytes_freed: u64,
}

#[derive(Serialize)]
struct UnreadableOutput {
    version: u64,
    reason: String,
}

#[derive(Serialize)]
struct DamagedOutput {
    version: u64,
    /// The blobs that are lost, as `segments/<id>`.
    lost: Vec<String>,
}

#[derive(Serialize)]
struct DeletedBlob {
    kind: &'static str,
    id: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Orphan {
    name: String,
    bytes: u64,
}

impl Gc {
    /// Runs gc, and prints what was deleted.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.store.open().await?;
        let mut settings =
            GcSettings::default().with_keep(self.keep).with_retire_unreadable(self.retire_unreadable.clone());
        settings.grace = self.grace;
        settings.no_writers = self.no_writers;
        settings.dry_run = self.dry_run;
        let report = store.gc(&settings).await?;
        let trouble = trouble(&report);
        if json {
            serde_json::to_writer_pretty(&mut *out, &GcOutput::of(report, self.dry_run))?;
            writeln!(out)?;
        } else {
            self.print(&report, out)?;
        }
        trouble.map_or(Ok(()), |text| Err(Failure::no(text)))
    }

    fn print(&self, report: &GcReport, out: &mut impl Write) -> Result<()> {
        let verb = |did, would| if self.dry_run { would } else { did };
        writeln!(out, "{} {}", verb("retired", "would retire"), versions(&report.retired))?;
        writeln!(out, "{} {}", verb("kept", "would keep"), versions(&report.kept))?;
        if !report.kept_by_grace.is_empty() {
            let (kept, grace) = (versions(&report.kept_by_grace), grace_text(report.grace));
            writeln!(out, "of these for nothing but the grace period of {grace}: {kept}")?;
        }
        writeln!(
            out,
            "{} {} blob(s) and {} leftover(s), {}",
            verb("deleted", "would delete"),
            HumanCount(report.deleted.len() as u64),
            HumanCount(report.orphans.len() as u64),
            HumanBytes(report.bytes_freed),
        )?;
        Ok(())
    }
}

impl GcOutput {
    fn of(report: GcReport, dry_run: bool) -> Self {
        let deleted = report.deleted.into_iter();
        let orphans = report.orphans.into_iter();
        Self {
            dry_run,
            retired: report.retired,
            kept: report.kept,
            kept_by_grace: report.kept_by_grace,
            grace_seconds: report.grace.as_secs(),
            unreadable: report
                .unreadable
                .into_iter()
                .map(|it| UnreadableOutput { version: it.version, reason: it.reason })
                .collect(),
            damaged: report
                .damaged
                .into_iter()
                .map(|it| DamagedOutput { version: it.version, lost: it.blobs.iter().map(blob_text).collect() })
                .collect(),
            deleted: deleted
                .map(|(kind, id, bytes)| DeletedBlob { kind: kind.folder(), id: id.to_string(), bytes })
                .collect(),
            orphans: orphans.map(|file| Orphan { name: file.name, bytes: file.size }).collect(),
            bytes_freed: report.bytes_freed,
        }
    }
}

/// Says what keeps blobs from being deleted, and what to do about it.
fn trouble(report: &GcReport) -> Option<String> {
    let unreadable = report.unreadable.iter().map(|it| format!("version {} cannot be read: {}", it.version, it.reason));
    let damaged = report.damaged.iter().map(|it| {
        let first = it.blobs.first().map(blob_text).unwrap_or_default();
        format!("version {} lacks {} blob(s), the first {first}", it.version, HumanCount(it.blobs.len() as u64))
    });
    let found: Vec<_> = unreadable.chain(damaged).collect();
    let first =
        report.unreadable.iter().map(|it| it.version).chain(report.damaged.iter().map(|it| it.version)).next()?;
    Some(format!(
        "no blob is deleted as long as it stays so: {}; repair the store, or give a version up by `kapok gc --retire-unreadable {first}`",
        found.join("; ")
    ))
}

fn blob_text((kind, id): &(BlobKind, BlobId)) -> String {
    format!("{}/{id}", kind.folder())
}

/// Formats a grace period as it is given on the command line.
fn grace_text(grace: Duration) -> String {
    let seconds = grace.as_secs();
    let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm')];
    match units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)) {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// Formats a list of versions: `3 version(s): 1, 4-5`.
pub fn versions(numbers: &[u64]) -> String {
    if numbers.is_empty() {
        return "no version".to_owned();
    }
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run[0].to_string(),
    });
    let runs: Vec<_> = runs.collect();
    format!("{} version(s): {}", HumanCount(numbers.len() as u64), runs.join(", "))
}

/// Reads `30s`, `10m`, `1h`, `7d`.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "expected a whole number and a unit: 30s, 10m, 1h or 7d".to_owned();
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit_s = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(unit_s).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("0s", 0), ("30s", 30), ("10m", 600), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "s", "5", "-1s", "+1s", "1.5h", "1h30m", "1 h", "5w", "99999999999999999999s", "9999999999999999999d"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn neighbours_are_told_as_a_run() {
        assert_eq!(versions(&[]), "no version");
        assert_eq!(versions(&[7]), "1 version(s): 7");
        assert_eq!(versions(&[1, 2, 3, 5, 8, 9]), "6 version(s): 1-3, 5, 8-9");
    }
}
