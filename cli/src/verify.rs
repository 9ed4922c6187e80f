//! `kapok verify`: is every byte of a store what it should be?
//!
//! Every file against its hash or checksum; then every live version: its manifest against its blobs, each segment walked
//! through every pointer, each index against its rows, no key twice. Each blob and each table is walked once, however many
//! versions share it.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use clap::Args;
use indicatif::HumanBytes;
use kapok_blobstore::{BlobId, BlobKind, FileKind, Store};
use kapok_core::blobs::Blobs;
use kapok_core::manifest::{Id, Manifest, RecordType, SegmentEntry};
use kapok_core::segment::{Encoding, Segment};
use kapok_index::View;
use serde::Serialize;

use crate::dataset::read_manifest;
use crate::failure::{Failure, Result};
use crate::progress;
use crate::store_argument::StoreArgument;

/// Check every byte of a store, or of one version
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok verify --store data/debian
  kapok verify --store data/debian --version 3 --json

Exit code 1: something is wrong; each finding is a line on standard output.")]
pub struct Verify {
    #[command(flatten)]
    store: StoreArgument,
    /// Only this version [default: every file of the store and every version]
    #[arg(long, value_name = "N")]
    version: Option<u64>,
}

/// What was looked at and what was found.
#[derive(Default, Serialize)]
struct Findings {
    ok: bool,
    files: usize,
    versions: usize,
    segments: usize,
    bytes: u64,
    /// Blobs that no live version names: what a publish that failed leaves, or one that is under way.
    unreferenced_blobs: usize,
    problems: Vec<String>,
    /// Blobs that are wrong, and are not looked into any further.
    #[serde(skip)]
    bad: HashSet<Id>,
    #[serde(skip)]
    walked: HashSet<Id>,
    #[serde(skip)]
    tables: Vec<Vec<SegmentEntry>>,
    #[serde(skip)]
    named: HashSet<Id>,
}

impl Verify {
    /// Checks, and tells all that is wrong.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = Store::open(&self.store.store).await?;
        let mut findings = Findings::default();
        match self.version {
            Some(version) => {
                let manifest = read_manifest(&store, version).await?;
                findings.check_blobs(&store, &manifest).await;
                findings.walk(&store, manifest).await;
            }
            None => findings.check_store(&store).await?,
        }
        findings.ok = findings.problems.is_empty();
        if json {
            serde_json::to_writer_pretty(&mut *out, &findings)?;
            writeln!(out)?;
        } else {
            findings.print(out)?;
        }
        if findings.ok {
            return Ok(());
        }
        let (count, url) = (findings.problems.len(), store.url());
        Err(Failure::no(format!("{count} problem(s) in store {url}: {}", findings.problems[0])))
    }
}

impl Findings {
    fn problem(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    /// Every file, then every live version, newest first: its schema reads the segments of older ones too.
    async fn check_store(&mut self, store: &Store) -> Result<()> {
        let files = store.files().await?;
        let bar = progress::bytes("hashing", files.iter().map(|file| file.bytes).sum());
        let (mut manifests, mut announcements, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
        for file in &files {
            match file.what {
                FileKind::Foreign => self.problem(format!("{}: foreign file, none of a store's", file.name)),
                FileKind::Manifest(version) => manifests.push(version),
                FileKind::Announcement(sequence) => announcements.push(sequence),
                FileKind::Blob(_, id) => blobs.push(*id.as_bytes()),
                _ => {}
            }
            if let Err(error) = store.check_file(file).await {
                self.problem(error.to_string());
                if let FileKind::Blob(_, id) = file.what {
                    self.bad.insert(*id.as_bytes());
                }
            }
            self.files += 1;
            self.bytes += file.bytes;
            bar.inc(file.bytes);
        }
        bar.finish_and_clear();
        self.check_sequence("manifests", &manifests);
        self.check_sequence("announcements", &announcements);
        let mut live = Vec::new();
        for version in manifests.iter().rev() {
            match store.read_manifest(*version).await {
                Ok(manifest) => {
                    live.push(*version);
                    self.walk(store, manifest).await;
                }
                Err(kapok_blobstore::Error::Retired { .. }) => {}
                // Told already where the file itself is wrong.
                Err(error) => self.problem(error.to_string()),
            }
        }
        self.unreferenced_blobs = blobs.iter().filter(|id| !self.named.contains(*id)).count();
        match store.latest_announcement(None).await {
            Ok(Some(latest)) if latest.current() != 0 && !live.contains(&latest.current()) => self.problem(format!(
                "announcements: entry {} says version {}, which is not there",
                latest.sequence,
                latest.current()
            )),
            Ok(_) => {}
            Err(error) => self.problem(error.to_string()),
        }
        Ok(())
    }

    /// Numbers count from 1 and none is ever freed.
    fn check_sequence(&mut self, folder: &str, numbers: &[u64]) {
        let mut expected = 1;
        for number in numbers {
            if *number > expected {
                self.problem(format!("{folder}: {expected:020} is missing, although there is {number:020}"));
            }
            expected = number.saturating_add(1);
        }
    }

    /// The blobs of one version against their hashes.
    async fn check_blobs(&mut self, store: &Store, manifest: &Manifest) {
        let blobs: Vec<_> = manifest.blobs().collect();
        let bar = progress::bytes("hashing", blobs.iter().filter_map(|blob| blob.bytes).sum());
        let mut seen = HashSet::new();
        for blob in blobs {
            if !seen.insert(blob.id) {
                continue;
            }
            self.files += 1;
            let id = BlobId::from(blob.id);
            let problem = match store.fetch([blob]).await {
                Err(error) => Some(error.to_string()),
                Ok(fetched) => {
                    let bytes = fetched.iter().map(|(_, blob)| blob.bytes.len() as u64).sum::<u64>();
                    self.bytes += bytes;
                    bar.inc(bytes);
                    let found = fetched.first().map(|(_, blob)| BlobId::of(&blob.bytes));
                    let name = store.blob_name(BlobKind::from(blob.role), id);
                    found.filter(|found| *found != id).map(|found| format!("{name}: expected hash {id}, found {found}"))
                }
            };
            if let Some(problem) = problem {
                self.problem(problem);
                self.bad.insert(blob.id);
            }
        }
        bar.finish_and_clear();
    }

    /// A version, down to the last pointer.
    async fn walk(&mut self, store: &Store, manifest: Manifest) {
        let version = manifest.version;
        self.versions += 1;
        self.named.extend(manifest.blobs().map(|blob| blob.id));
        if manifest.parent.is_some_and(|parent| parent >= version) {
            self.problem(format!("version {version}: its parent {:?} is not older", manifest.parent));
        }
        let record_types = manifest.record_types.clone();
        let mut alone = manifest;
        for ty in record_types {
            if self.tables.contains(&ty.segments) {
                continue;
            }
            self.tables.push(ty.segments.clone());
            alone.record_types = vec![ty.clone()];
            if alone.blobs().any(|blob| self.bad.contains(&blob.id)) {
                continue;
            }
            let bar = progress::spinner("walking");
            if let Err(failure) = self.walk_type(store, &alone, &ty).await {
                self.problem(format!("version {version}: {}: {failure}", ty.name));
            }
            bar.finish_and_clear();
        }
    }

    /// The segments of a record type, then its keys and indexes over all of them.
    async fn walk_type(&mut self, store: &Store, manifest: &Manifest, ty: &RecordType) -> Result<()> {
        let blobs = store.load(manifest, &Blobs::new()).await?;
        for entry in &ty.segments {
            if !self.walked.insert(entry.id) {
                continue;
            }
            let blob = blobs.expect(&entry.id)?;
            let segment = Segment::open(&blob.name, blob.bytes.clone(), entry.rows)?;
            let encoding = Encoding::new(Arc::clone(&manifest.schema), ty.type_id, &ty.key, entry.sharing)?;
            encoding.verify(&segment, entry)?;
            self.segments += 1;
        }
        Ok(View::open(Arc::new(manifest.clone()), &blobs)?.verify_keys()?)
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        for problem in &self.problems {
            writeln!(out, "{problem}")?;
        }
        if self.ok {
            let bytes = HumanBytes(self.bytes);
            let (files, versions, segments) = (self.files, self.versions, self.segments);
            write!(out, "ok: {files} file(s), {bytes}, {versions} version(s), {segments} segment(s) walked")?;
            if self.unreferenced_blobs > 0 {
                write!(out, ", {} blob(s) that no version names", self.unreferenced_blobs)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
