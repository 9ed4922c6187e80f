//! `kapok repair`: prints what a store has lost, and puts back what can be made again.

use std::io::Write;

use clap::Args;
use kapok_blobstore::{FileKind, Store};
use kapok_producer::repair::{Loss, LostFile, RepairMode, RepairReport, repair};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::gc::versions;
use crate::store_argument::{StoreArgument, open};

/// Say what a store has lost, and put back what can be made again
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok repair --store data/debian --dry-run
  kapok repair --store data/debian
  kapok repair --store data/debian --from backups/debian

Every file that a version needs is checked by its hash or checksum. A lost segment is merged again where it was merged and
its sources are there; an index is built again from its segment; tombstones are derived from other versions. All else comes
from a second store (--from): blobs of any store that has them; manifests and announcements of a copy of this one.
Files that are sound are never touched. Producers and consumers may be at work meanwhile.

Exit code 0: all is whole now. 1: something stays lost; what to do next is told.")]
pub struct Repair {
    #[command(flatten)]
    store: StoreArgument,
    /// A second store to take files from: a copy, a backup
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Say what would be put back, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct RepairOutput {
    ok: bool,
    dry_run: bool,
    versions: usize,
    blobs: usize,
    /// Files that were missing or damaged.
    files: Vec<FileOutput>,
    /// Record types that could not be read.
    losses: Vec<LostRows>,
    notes: Vec<String>,
    /// What to do about what stays lost.
    next: Vec<String>,
}

#[derive(Serialize)]
struct FileOutput {
    name: String,
    trouble: String,
    versions: Vec<u64>,
    /// What it was made again from; null if it stays lost.
    put_back: Option<String>,
}

#[derive(Serialize)]
struct LostRows {
    version: u64,
    #[serde(rename = "type")]
    record_type: String,
    rows: u64,
    of: u64,
    put_back: bool,
}

impl Repair {
    /// Repairs the store, and prints what was lost, what is back, and what to do about the rest.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = open(Store::options().for_repair(), &self.store.store).await?;
        let from = match &self.from {
            Some(url) => Some(open(Store::options().for_repair(), url).await?),
            None => None,
        };
        let mode = if self.dry_run { RepairMode::DryRun } else { RepairMode::Mend };
        let report = repair(&store, from.as_ref(), mode).await?;
        let next = self.next(&report);
        if json {
            serde_json::to_writer_pretty(&mut *out, &RepairOutput::of(&report, &next))?;
            writeln!(out)?;
        } else {
            self.print(&report, &next, out)?;
        }
        if report.is_whole() {
            return Ok(());
        }
        let lost = report.lost.iter().filter(|file| file.remedy.is_none()).count();
        let first = next.first().map(|step| format!("; {step}")).unwrap_or_default();
        Err(Failure::no(format!("{lost} file(s) of store {} stay lost{first}", store.url())))
    }

    fn print(&self, report: &RepairReport, next: &[String], out: &mut impl Write) -> Result<()> {
        let would = if self.dry_run { "would be " } else { "" };
        for LostFile { name, trouble, versions: needed_by, remedy, .. } in &report.lost {
            write!(out, "{name}: {trouble}")?;
            if !needed_by.is_empty() {
                write!(out, "; needed by {}", versions(needed_by))?;
            }
            match remedy {
                Some(remedy) => writeln!(out, "; {would}put back: {}", remedy.describe())?,
                None => writeln!(out, "; stays lost")?,
            }
        }
        for Loss { version, record_type, rows, of, .. } in report.losses.iter().filter(|loss| !loss.is_mended()) {
            writeln!(out, "version {version}: {rows} of {of} {record_type} rows cannot be read")?;
        }
        for note in &report.notes {
            writeln!(out, "note: {note}")?;
        }
        for step in next {
            writeln!(out, "next: {step}")?;
        }
        let (checked, live) = (report.blobs, report.versions);
        let (lost, back) = (report.lost.len(), report.lost.iter().filter(|file| file.remedy.is_some()).count());
        match (lost, report.is_whole()) {
            (0, _) => writeln!(out, "ok: nothing is lost: {checked} blob(s) of {live} version(s)")?,
            (_, true) => writeln!(out, "ok: {back} file(s) {would}put back; {checked} blob(s) of {live} version(s)")?,
            (_, false) => writeln!(out, "{back} of {lost} lost file(s) {would}put back")?,
        }
        Ok(())
    }

    /// Advises on what stays lost, the most promising step first.
    fn next(&self, report: &RepairReport) -> Vec<String> {
        let mut steps = Vec::new();
        if report.is_whole() {
            return steps;
        }
        let store = &self.store.store;
        if self.from.is_none() {
            steps.push(format!("a copy of the store may have it: kapok repair --store {store} --from COPY"));
        }
        let mut current = report.losses.iter().filter(|loss| loss.version == report.announced && !loss.is_mended());
        let types: Vec<_> = current.by_ref().map(|loss| loss.record_type.as_str()).collect();
        let is_kept =
            |file: &&LostFile| file.remedy.is_none() && !file.is_missing() && matches!(file.what, FileKind::Blob(..));
        for file in report.lost.iter().filter(is_kept).filter(|file| file.versions.contains(&report.announced)) {
            let name = &file.name;
            steps.push(format!(
                "delete {name}: it is of no use, and a publish may take it for sound as long as it opens"
            ));
        }
        for record_type in &types {
            steps.push(format!(
                "publish all {record_type} records again: kapok publish FILE --store {store} --type {record_type}"
            ));
        }
        match report.newest_whole {
            Some(version) if !types.is_empty() => steps.push(format!(
                "until then, consumers can be sent back to version {version}, which is whole: \
                 kapok rollback --store {store} {version}"
            )),
            _ => {}
        }
        let lost: Vec<_> = report.lost.iter().filter(|file| file.remedy.is_none()).collect();
        for file in &lost {
            if let FileKind::Manifest(version) = file.what {
                steps.push(match report.announced == version {
                    true => format!("version {version} is gone: announce or publish another one"),
                    false => format!(
                        "version {version} is gone, and gc stops before it: where no copy has it, give it up by \
                         kapok gc --store {store} --keep N --retire-unreadable {version}"
                    ),
                });
            }
        }
        let is_old = |loss: &&Loss| loss.version != report.announced && !loss.is_mended();
        if types.is_empty() && report.losses.iter().any(|loss| is_old(&loss)) {
            steps.push("consumers are not on a version that lost rows: gc retires such versions in time".to_owned());
        }
        steps
    }
}

impl RepairOutput {
    fn of(report: &RepairReport, next: &[String]) -> Self {
        let files = report.lost.iter().map(|file| FileOutput {
            name: file.name.clone(),
            trouble: file.trouble.clone(),
            versions: file.versions.clone(),
            put_back: file.remedy.as_ref().map(kapok_producer::repair::Remedy::describe),
        });
        let losses = report.losses.iter().map(|loss| LostRows {
            version: loss.version,
            record_type: loss.record_type.clone(),
            rows: loss.rows,
            of: loss.of,
            put_back: loss.is_mended(),
        });
        Self {
            ok: report.is_whole(),
            dry_run: report.dry_run,
            versions: report.versions,
            blobs: report.blobs,
            files: files.collect(),
            losses: losses.collect(),
            notes: report.notes.clone(),
            next: next.to_vec(),
        }
    }
}
