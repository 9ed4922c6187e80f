//! `kapok cache`: looks after the folder in which this host keeps blobs of remote stores.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{HumanBytes, HumanCount};
use kapok_blobstore::clock::now;
use kapok_blobstore::{Cache as Folder, CacheReport, CacheSettings, DamagedCopy};
use serde::Serialize;

use crate::dataset::time;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::table::Table;

/// Look after the cache of this host for remote stores
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok cache stat
  kapok cache prune --to 0
  kapok cache verify --json
  kapok cache forget s3://films/prod

The folder is that of KAPOK_CACHE, else kapok in the user's cache folder. It may be used meanwhile: what living processes have
mapped stays. Exit code 1: there is no cache, verify found damaged files, or nothing was known of the store to forget.")]
pub struct Cache {
    #[command(subcommand)]
    action: Action,
    /// The folder of the cache, in place of the usual one
    #[arg(long, value_name = "PATH", global = true)]
    folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print what is in the cache, and what is known of stores
    Stat,
    /// Remove what was opened least recently
    Prune {
        /// How many bytes to keep at most [default: the budget of the cache]
        #[arg(long, value_name = "BYTES")]
        to: Option<u64>,
    },
    /// Hash every file, and remove those that are damaged, so that they are downloaded again
    Verify,
    /// Forget what is known of a store that was wiped and begun anew on purpose; its blobs stay
    Forget {
        /// The store
        url: String,
    },
}

#[derive(Serialize)]
struct StatOutput {
    folder: String,
    bytes: u64,
    bytes_max: u64,
    mapped_bytes: u64,
    kinds: Vec<KindOutput>,
    /// Blobs that are being downloaded, or were begun.
    unfinished: usize,
    unfinished_bytes: u64,
    stores: Vec<StoreOutput>,
}

#[derive(Serialize)]
struct KindOutput {
    kind: &'static str,
    blobs: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct StoreOutput {
    store: String,
    version: Option<u64>,
    sequence: u64,
    answered: Option<String>,
}

#[derive(Serialize)]
struct PruneOutput {
    removed: usize,
    bytes_removed: u64,
    bytes_left: u64,
}

#[derive(Serialize)]
struct VerifyOutput {
    bytes_hashed: u64,
    damaged: Vec<DamagedOutput>,
}

#[derive(Serialize)]
struct DamagedOutput {
    file: String,
    found: String,
    mapped: bool,
}

#[derive(Serialize)]
struct ForgetOutput<'u> {
    store: &'u str,
    forgotten: bool,
}

impl Cache {
    /// Does what the action says.
    pub fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let settings = self.folder.as_ref().map_or_else(CacheSettings::default, CacheSettings::in_folder);
        let folder = Folder::open(&settings)?.ok_or_else(|| {
            Failure::no(
                "there is no cache: KAPOK_CACHE is off, or the usual folder cannot be used; name one by --folder",
            )
        })?;
        match &self.action {
            Action::Stat => stat(&folder, json, out),
            Action::Prune { to } => prune(&folder, to.unwrap_or(folder.bytes_max()), json, out),
            Action::Verify => verify(&folder, json, out),
            Action::Forget { url } => forget(&folder, url, json, out),
        }
    }
}

fn stat(folder: &Folder, json: bool, out: &mut impl Write) -> Result<()> {
    let report = folder.report()?;
    if json {
        return print_json(&StatOutput::of(folder, report), out);
    }
    writeln!(out, "folder  {}", folder.folder().display())?;
    writeln!(out, "files   {} of {}", HumanBytes(report.bytes), HumanBytes(report.bytes_max))?;
    writeln!(out, "mapped  {}", HumanBytes(report.mapped_bytes))?;
    writeln!(out)?;
    let mut table = Table::new(&["kind", ">blobs", ">bytes"]);
    for (kind, blobs, bytes) in &report.blobs {
        table.push([kind.folder().to_owned(), HumanCount(*blobs as u64).to_string(), HumanBytes(*bytes).to_string()]);
    }
    let (unfinished, bytes) = report.unfinished;
    table.push(["unfinished".to_owned(), HumanCount(unfinished as u64).to_string(), HumanBytes(bytes).to_string()]);
    table.print(out)?;
    if !report.stores.is_empty() {
        writeln!(out)?;
        let mut table = Table::new(&["store", ">version", ">announcement", "log answered"]);
        for known in report.stores {
            let version = known.version.map_or_else(|| "damaged".to_owned(), |version| version.to_string());
            let answered = known.answered_at.map_or_else(String::new, time);
            table.push([known.location, version, known.sequence.to_string(), answered]);
        }
        table.print(out)?;
    }
    Ok(())
}

fn prune(folder: &Folder, to: u64, json: bool, out: &mut impl Write) -> Result<()> {
    let report = folder.prune(to)?;
    if json {
        let (bytes_removed, bytes_left) = (report.removed_bytes, report.left_bytes);
        return print_json(&PruneOutput { removed: report.removed, bytes_removed, bytes_left }, out);
    }
    let (removed, left) = (HumanBytes(report.removed_bytes), HumanBytes(report.left_bytes));
    writeln!(out, "removed {} file(s), {removed}; {left} left", HumanCount(report.removed as u64))?;
    Ok(())
}

fn verify(folder: &Folder, json: bool, out: &mut impl Write) -> Result<()> {
    let bar = progress::bytes("hashing", folder.report()?.bytes);
    let (started, mut bytes_hashed) = (now(), 0);
    let damaged = folder.verify(|bytes| {
        bytes_hashed += bytes;
        bar.inc(bytes);
    });
    bar.finish_and_clear();
    let damaged = damaged?;
    let trouble = (!damaged.is_empty()).then(|| trouble(&damaged));
    if json {
        let damaged = damaged.into_iter().map(DamagedOutput::of).collect();
        print_json(&VerifyOutput { bytes_hashed, damaged }, out)?;
    } else {
        for copy in &damaged {
            writeln!(out, "removed {}: {}", copy.path.display(), copy.found)?;
        }
        let took = now().duration_since(started).unwrap_or_default();
        writeln!(out, "hashed {} in {:.1} s", HumanBytes(bytes_hashed), took.as_secs_f64())?;
    }
    trouble.map_or(Ok(()), |text| Err(Failure::no(text)))
}

/// Says what to do about files that were damaged.
fn trouble(damaged: &[DamagedCopy]) -> String {
    let mapped = damaged.iter().filter(|copy| copy.is_mapped).count();
    let restart = if mapped > 0 {
        format!("; {mapped} of them are mapped: restart the programs that read them, and check the disk")
    } else {
        "; check the disk".to_owned()
    };
    format!("{} damaged file(s) were removed, and are downloaded again when they are needed{restart}", damaged.len())
}

fn forget(folder: &Folder, url: &str, json: bool, out: &mut impl Write) -> Result<()> {
    let forgotten = folder.forget(url)?;
    if json {
        print_json(&ForgetOutput { store: url, forgotten }, out)?;
    } else if forgotten {
        writeln!(out, "forgot {url}")?;
    }
    if forgotten {
        return Ok(());
    }
    Err(Failure::no(format!("nothing is known of {url}; `kapok cache stat` lists what is")))
}

fn print_json(output: &impl Serialize, out: &mut impl Write) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, output)?;
    writeln!(out)?;
    Ok(())
}

impl StatOutput {
    fn of(folder: &Folder, report: CacheReport) -> Self {
        let kinds = report.blobs.into_iter();
        let stores = report.stores.into_iter();
        Self {
            folder: folder.folder().display().to_string(),
            bytes: report.bytes,
            bytes_max: report.bytes_max,
            mapped_bytes: report.mapped_bytes,
            kinds: kinds.map(|(kind, blobs, bytes)| KindOutput { kind: kind.folder(), blobs, bytes }).collect(),
            unfinished: report.unfinished.0,
            unfinished_bytes: report.unfinished.1,
            stores: stores
                .map(|known| StoreOutput {
                    store: known.location,
                    version: known.version,
                    sequence: known.sequence,
                    answered: known.answered_at.map(time),
                })
                .collect(),
        }
    }
}

impl DamagedOutput {
    fn of(copy: DamagedCopy) -> Self {
        Self { file: copy.path.display().to_string(), found: copy.found, mapped: copy.is_mapped }
    }
}
