//! `kapok diff`: what is different between two versions?

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use indicatif::HumanCount;
use kapok_blobstore::{ErrorKind, Store};
use kapok_core::blobs::Blobs;
use kapok_core::manifest::Manifest;
use kapok_core::view::{Ordinal, Table};
use kapok_index::{Evidence, TypeChanges, View};
use serde::Serialize;
use serde_json::Value;

use crate::dataset::read_manifest;
use crate::failure::{Failure, Result};
use crate::store_argument::StoreArgument;

pub mod fields;

use fields::{Comparison, FieldChange, key_of, key_text};

/// What is different between two versions: records added, changed and removed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok diff --store data/debian 1 2
  kapok diff --store data/debian 1 2 --type Package --limit 10
  kapok diff --store data/debian 2 1 --json                     (what going back would change)

What lies between the two versions does not matter, only what is different in the end. Records that are changed are told
field by field. Exit code 0 also where there are differences.")]
pub struct Diff {
    #[command(flatten)]
    store: StoreArgument,
    /// The version to start from
    #[arg(value_name = "A")]
    from: u64,
    /// The version to get to
    #[arg(value_name = "B")]
    to: u64,
    /// Only this record type
    #[arg(long = "type", value_name = "TYPE")]
    record_type: Option<String>,
    /// List at most N records of each kind, with 0 only the counts [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

struct VersionDiff {
    from: u64,
    to: u64,
    types: Vec<TypeDiff>,
}

struct TypeDiff {
    record_type: String,
    counts: Counts,
    /// How it was found out: by the changes that manifests list, or by comparing segments.
    evidence: &'static str,
    /// Keys.
    added: Vec<Key>,
    changed: Vec<RecordChange>,
    /// Keys.
    removed: Vec<Key>,
}

#[derive(Serialize)]
struct Counts {
    added: usize,
    changed: usize,
    removed: usize,
}

struct Key {
    fields: Value,
    text: String,
}

struct RecordChange {
    key: Key,
    fields: Vec<FieldChange>,
}

/// What scripts get.
#[derive(Serialize)]
struct Output<'d> {
    from: u64,
    to: u64,
    types: Vec<TypeOutput<'d>>,
    added: Vec<RecordOutput<'d>>,
    changed: Vec<RecordOutput<'d>>,
    removed: Vec<RecordOutput<'d>>,
}

#[derive(Serialize)]
struct TypeOutput<'d> {
    #[serde(rename = "type")]
    record_type: &'d str,
    #[serde(flatten)]
    counts: &'d Counts,
    evidence: &'static str,
}

#[derive(Serialize)]
struct RecordOutput<'d> {
    #[serde(rename = "type")]
    record_type: &'d str,
    key: &'d Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'d [FieldChange]>,
}

impl<'d> Output<'d> {
    fn of(diff: &'d VersionDiff) -> Self {
        let VersionDiff { from, to, .. } = *diff;
        let mut out = Self { from, to, types: Vec::new(), added: Vec::new(), changed: Vec::new(), removed: Vec::new() };
        for ty in &diff.types {
            let record_type = ty.record_type.as_str();
            let of_key = |key: &'d Key| RecordOutput { record_type, key: &key.fields, fields: None };
            out.added.extend(ty.added.iter().map(of_key));
            out.removed.extend(ty.removed.iter().map(of_key));
            let changed = ty.changed.iter();
            out.changed.extend(changed.map(|it| RecordOutput { fields: Some(&it.fields), ..of_key(&it.key) }));
            out.types.push(TypeOutput { record_type, counts: &ty.counts, evidence: ty.evidence });
        }
        out
    }
}

impl Diff {
    /// Opens both versions and compares what differs.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = Store::open(&self.store.store).await?;
        let (before, after) = (read_manifest(&store, self.from).await?, read_manifest(&store, self.to).await?);
        if let Some(name) = &self.record_type
            && before.expect_record_type(name).is_err()
        {
            after.expect_record_type(name)?;
        }
        let trail = self.trail(&store).await?;
        let mut blobs = Blobs::new();
        let old = open(&store, before, self.record_type.as_deref(), &mut blobs).await?;
        let new = open(&store, after, self.record_type.as_deref(), &mut blobs).await?;
        // Where one is gone by now the versions are compared.
        let between = store.fetch(new.lacking_for_changes(&old, &trail)?).await.unwrap_or_default();
        let mut segments = Blobs::new();
        for (id, blob) in between {
            segments.insert(id, blob);
        }
        let changes = new.changes_since_with(&old, &trail, &segments)?;
        let types = changes.types.iter().map(|ty| self.describe(&old, &new, ty));
        let diff = VersionDiff { from: self.from, to: self.to, types: types.collect::<Result<_>>()? };
        if json {
            serde_json::to_writer_pretty(&mut *out, &Output::of(&diff))?;
            return Ok(writeln!(out)?);
        }
        diff.print(out)
    }

    /// Manifests between the two versions, which list what changed.
    async fn trail(&self, store: &Store) -> Result<Vec<Arc<Manifest>>> {
        let between = self.from.min(self.to)..=self.from.max(self.to);
        let mut trail = Vec::new();
        for version in store.live_versions().await? {
            if between.contains(&version) {
                match store.read_manifest(version).await {
                    Ok(manifest) => trail.push(Arc::new(manifest)),
                    // Retired since it was listed; without it segments are compared.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(trail)
    }

    fn describe(&self, old: &View, new: &View, changes: &TypeChanges) -> Result<TypeDiff> {
        let name = &changes.record_type;
        let limit = self.limit.unwrap_or(usize::MAX);
        let keys = |view: &View, ordinals: &[Ordinal]| -> Result<Vec<Key>> {
            ordinals.iter().take(limit).map(|&at| Key::of(view.table(name)?, at)).collect()
        };
        let mut changed = Vec::new();
        if let (Ok(before), Ok(after)) = (old.table(name), new.table(name)) {
            let comparison = Comparison::new(before, after);
            for &(left, right) in changes.updated.iter().take(limit) {
                changed.push(RecordChange { key: Key::of(after, right)?, fields: comparison.changes(left, right)? });
            }
        }
        Ok(TypeDiff {
            record_type: name.clone(),
            counts: Counts {
                added: changes.added.len(),
                changed: changes.updated.len(),
                removed: changes.removed.len(),
            },
            evidence: match changes.evidence {
                Evidence::Trail => "manifests",
                Evidence::Compared => "segments",
            },
            added: keys(new, &changes.added)?,
            changed,
            removed: keys(old, &changes.removed)?,
        })
    }
}

impl Key {
    fn of(table: &Table, at: Ordinal) -> Result<Self> {
        let fields = key_of(table, at)?;
        let text = key_text(table, &fields);
        Ok(Self { fields, text })
    }
}

/// A view of a version, or of one record type of it; empty where the version has no such type. `blobs` are those that are
/// open already, and then those of this view.
pub async fn open(store: &Store, mut manifest: Manifest, only: Option<&str>, blobs: &mut Blobs) -> Result<View> {
    manifest.record_types.retain(|ty| only.is_none_or(|name| ty.name == name));
    *blobs = store.load(&manifest, blobs).await?;
    View::open(Arc::new(manifest), blobs).map_err(|error| Failure::no(error.to_string()))
}

impl VersionDiff {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "version {} -> {}", self.from, self.to)?;
        for ty in &self.types {
            let Counts { added, changed, removed } = ty.counts;
            let [a, c, r] = [added, changed, removed].map(|count| HumanCount(count as u64));
            writeln!(out, "{}: {a} added, {c} changed, {r} removed", ty.record_type)?;
        }
        for ty in self.types.iter().filter(|ty| !ty.is_silent()) {
            writeln!(out, "\n{}", ty.record_type)?;
            ty.print(out)?;
        }
        Ok(())
    }
}

impl TypeDiff {
    fn is_silent(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    fn print(&self, out: &mut impl Write) -> Result<()> {
        for key in &self.added {
            writeln!(out, "  + {}", key.text)?;
        }
        print_left_out('+', self.counts.added - self.added.len(), out)?;
        for record in &self.changed {
            writeln!(out, "  ~ {}", record.key.text)?;
            for change in &record.fields {
                change.print("      ", out)?;
            }
        }
        print_left_out('~', self.counts.changed - self.changed.len(), out)?;
        for key in &self.removed {
            writeln!(out, "  - {}", key.text)?;
        }
        print_left_out('-', self.counts.removed - self.removed.len(), out)
    }
}

fn print_left_out(sign: char, count: usize, out: &mut impl Write) -> Result<()> {
    if count > 0 {
        writeln!(out, "  {sign} … and {} more", HumanCount(count as u64))?;
    }
    Ok(())
}
