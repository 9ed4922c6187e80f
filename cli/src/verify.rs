//! `kapok verify`: checks every byte of a store.
//!
//! [`kapok_verify`] says what is checked, and in which order.

use std::cell::RefCell;
use std::io::Write;

use clap::Args;
use indicatif::{HumanBytes, ProgressBar};
use kapok_blobstore::Store;
use kapok_verify::{Progress, Report, verify_store, verify_version};
use serde::Serialize;

use crate::dataset::read_manifest;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::store_argument::StoreArgument;
use crate::terminal::one_line;

/// Check every byte of a store, or of one version
///
/// It may run beside publishes and gc. Blobs that no version names and files that writers left behind are counted;
/// files that are none of a store's are named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok verify --store data/debian
  kapok verify --store data/debian --strict
  kapok verify --store data/debian --version 3 --json

Exit code 1: something is wrong; each finding is a line on standard output.")]
pub struct Verify {
    #[command(flatten)]
    store: StoreArgument,
    /// Only this version [default: every file of the store and every version]
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// Fail on files that no version needs, too: of failed or retired publishes, or of somebody else
    #[arg(long)]
    strict: bool,
}

/// JSON output.
#[derive(Serialize)]
struct Findings {
    ok: bool,
    #[serde(flatten)]
    report: Report,
}

impl Verify {
    /// Checks the store, and prints all that is wrong.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.store.open().await?;
        let bar = RefCell::new(None);
        let show = |progress| show(&mut bar.borrow_mut(), progress);
        let report = match self.version {
            Some(version) => {
                // Fails with a list of the versions that there are.
                drop(read_manifest(&store, version).await?);
                verify_version(&store, version, &show).await?
            }
            None => verify_store(&store, &show).await?,
        };
        if let Some(bar) = bar.take() {
            ProgressBar::finish_and_clear(&bar);
        }
        let failure = self.failure(&report, &store);
        let findings = Findings { ok: failure.is_none(), report };
        if json {
            serde_json::to_writer_pretty(&mut *out, &findings)?;
            writeln!(out)?;
        } else {
            findings.print(out)?;
        }
        failure.map_or(Ok(()), Err)
    }

    fn failure(&self, report: &Report, store: &Store) -> Option<Failure> {
        let url = store.url();
        if let Some(first) = report.problems.first() {
            return Some(Failure::no(format!("{} problem(s) in store {url}: {first}", report.problems.len())));
        }
        (self.strict && !report.is_tidy()).then(|| {
            Failure::no(format!(
                "store {url} is whole, but holds what no version needs: unreferenced_blobs={} left_over_files={} \
                 foreign_files={}; `kapok gc` deletes the first two once they are old enough",
                report.unreferenced_blobs,
                report.left_over_files,
                report.foreign_files.len()
            ))
        })
    }
}

fn show(bar: &mut Option<ProgressBar>, progress: Progress) {
    match progress {
        Progress::Hashing { size } => *bar = Some(progress::bytes("hashing", size)),
        Progress::Hashed { size } => {
            if let Some(bar) = bar {
                bar.inc(size);
            }
        }
        _ => {
            if let Some(bar) = bar.replace(progress::spinner("walking")) {
                bar.finish_and_clear();
            }
        }
    }
}

impl Findings {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        let report = &self.report;
        for problem in &report.problems {
            writeln!(out, "{}", one_line(problem))?;
        }
        for name in &report.foreign_files {
            writeln!(out, "{}: foreign file, none of a store's", one_line(name))?;
        }
        if !report.is_ok() {
            return Ok(());
        }
        let size = HumanBytes(report.size);
        let (files, versions, segments) = (report.files, report.versions, report.segments);
        write!(out, "ok: {files} file(s), {size}, {versions} version(s), {segments} segment(s) walked")?;
        for (count, what) in [
            (report.unchecked_changes, "list(s) of changes whose parent is gone"),
            (report.unchecked_merges, "merged segment(s) whose sources are gone"),
            (report.unreferenced_blobs, "blob(s) that no version names"),
            (report.left_over_files, "file(s) that writers left behind"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        writeln!(out)?;
        Ok(())
    }
}
