//! `kapok diff`: prints what is different between two versions.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::Arc;

use clap::Args;
use indicatif::HumanCount;
use kapok_blobstore::{Store, UnreadableVersion};
use kapok_core::manifest::{BlobMap, Manifest, RecordType};
use kapok_core::segment::RowId;
use kapok_core::view::Table;
use kapok_index::{ChangeSource, TypeChanges, View};
use serde::Serialize;
use serde_json::Value;

use crate::dataset::read_manifest;
use crate::failure::{Failure, Result};
use crate::notice;
use crate::store_argument::StoreArgument;

pub mod fields;
mod path;

use fields::{Comparison, FieldChange, key_of, key_text};
use path::{find_path, unreadable_version};

/// What is different between two versions: records added, changed and removed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok diff --store data/debian                                (what the announced version changed)
  kapok diff --store data/debian 1 2 --type Package --all
  kapok diff --store data/debian 2 1 --json                     (what going back would change)

What lies between the two versions does not matter, only what is different in the end. Without versions, the announced one
is compared with the last before it that differs: merges are versions too. With A alone, A is compared with the announced
one. Records that are changed are told field by field. Exit code 0 also where there are differences.")]
pub struct Diff {
    #[command(flatten)]
    store: StoreArgument,
    /// The version to start from
    #[arg(value_name = "A")]
    from: Option<u64>,
    /// The version to get to [default: the announced one]
    #[arg(value_name = "B")]
    to: Option<u64>,
    /// Only this record type
    #[arg(long = "type", value_name = "TYPE")]
    record_type: Option<String>,
    /// List at most N records of each kind, with 0 only the counts
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all")]
    limit: usize,
    /// List all records
    #[arg(long)]
    all: bool,
}

/// What is different between two versions.
pub struct VersionDiff {
    from: u64,
    to: u64,
    /// Record types that both or one of them have.
    pub types: Vec<TypeDiff>,
    /// Versions on the way that cannot be read.
    left_out: Vec<UnreadableVersion>,
}

/// What is different in a record type.
pub struct TypeDiff {
    record_type: String,
    counts: Counts,
    /// How changes were found: by the lists of manifests, or by comparing segments.
    source: &'static str,
    /// Keys.
    pub added: Vec<Key>,
    /// Records of both.
    pub changed: Vec<RecordChange>,
    /// Keys.
    pub removed: Vec<Key>,
}

#[derive(Serialize)]
struct Counts {
    added: usize,
    changed: usize,
    removed: usize,
}

/// The key of a record.
pub struct Key {
    /// Its fields by name.
    pub fields: Value,
    text: String,
}

/// What changed in a record.
pub struct RecordChange {
    /// Which one it is.
    pub key: Key,
    fields: Vec<FieldChange>,
}

/// JSON output.
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
    #[serde(rename = "evidence")]
    source: &'static str,
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
            out.types.push(TypeOutput { record_type, counts: &ty.counts, source: ty.source });
        }
        out
    }
}

impl Diff {
    /// Opens both versions and compares what differs.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.store.open().await?;
        let limit = if self.all { usize::MAX } else { self.limit };
        let only = self.record_type.as_deref();
        let diff = match self.from {
            Some(from) => {
                let to = match self.to {
                    Some(to) => to,
                    None => announced(&store).await?,
                };
                let (before, after) = (read_manifest(&store, from).await?, read_manifest(&store, to).await?);
                check_type(only, &before, &after)?;
                VersionDiff::between(&store, Some(before), after, only, limit).await?
            }
            None => VersionDiff::last(&store, only, limit).await?,
        };
        tell_unreadable(json, &diff.left_out);
        if json {
            serde_json::to_writer_pretty(&mut *out, &Output::of(&diff))?;
            return Ok(writeln!(out)?);
        }
        diff.print(out)
    }
}

/// Returns the version that was announced last, or else the newest.
async fn announced(store: &Store) -> Result<u64> {
    match store.announcements().latest(None).await?.map_or(0, |latest| latest.announced) {
        0 => {
            let none = || Failure::no(format!("store {} has no version yet; publish one", store.url()));
            store.manifests().head().await?.ok_or_else(none)
        }
        version => Ok(version),
    }
}

fn check_type(only: Option<&str>, before: &Manifest, after: &Manifest) -> Result<()> {
    if let Some(name) = only
        && before.expect_record_type(name).is_err()
    {
        after.expect_record_type(name)?;
    }
    Ok(())
}

impl VersionDiff {
    /// Compares the announced version with the last one before it that differs.
    async fn last(store: &Store, only: Option<&str>, limit: usize) -> Result<Self> {
        let to = announced(store).await?;
        let after = read_manifest(store, to).await?;
        let mut before = after.parent;
        let mut left_out = Vec::new();
        let mut comparer = Comparer::new(store, only, limit);
        let mut child = Arc::new(after.clone());
        while let Some(version) = before {
            let manifest = match store.manifests().read(version).await {
                Ok(manifest) => Arc::new(manifest),
                Err(kapok_blobstore::Error::Retired { .. }) => {
                    return Err(Failure::no(format!(
                        "nothing differs between version {to} and those before it that the store still has; version \
                         {version} is retired"
                    )));
                }
                Err(error) => {
                    left_out.push(unreadable_version(version, error)?);
                    // Its parent is not known.
                    before = store.manifests().live().await?.into_iter().rfind(|it| *it < version);
                    continue;
                }
            };
            before = manifest.parent;
            comparer.known.insert(version, Arc::clone(&manifest));
            check_type(only, &manifest, &after)?;
            let is_same = child.parent == Some(version) && keeps_records(&child, &manifest, only);
            child = Arc::clone(&manifest);
            if is_same {
                continue;
            }
            let mut diff = comparer.between(Some(Manifest::clone(&manifest)), after.clone()).await?;
            if diff.types.iter().any(|ty| !ty.counts.is_none()) {
                left_out.retain(|it| !diff.left_out.contains(it));
                diff.left_out.extend(left_out);
                return Ok(diff);
            }
        }
        Err(Failure::no(format!("no version before {to} differs from it; name two: kapok diff A B")))
    }

    /// Compares two versions, or the first one with none, and describes at most `limit` records of each kind.
    pub async fn between(
        store: &Store,
        before: Option<Manifest>,
        after: Manifest,
        only: Option<&str>,
        limit: usize,
    ) -> Result<Self> {
        Comparer::new(store, only, limit).between(before, after).await
    }
}

/// Compares versions of a store, and reads no manifest and no blob twice.
struct Comparer<'a> {
    store: &'a Store,
    only: Option<&'a str>,
    limit: usize,
    /// Manifests that were read.
    known: HashMap<u64, Arc<Manifest>>,
    /// Blobs of the last view that was opened.
    blobs: BlobMap,
}

impl<'a> Comparer<'a> {
    fn new(store: &'a Store, only: Option<&'a str>, limit: usize) -> Self {
        Self { store, only, limit, known: HashMap::new(), blobs: BlobMap::new() }
    }

    async fn between(&mut self, before: Option<Manifest>, after: Manifest) -> Result<VersionDiff> {
        let (from, to) = (before.as_ref().map_or(0, |before| before.version), after.version);
        let old = match before {
            Some(before) => open(self.store, before, self.only, &mut self.blobs).await?,
            None => View::empty(),
        };
        let new = open(self.store, after, self.only, &mut self.blobs).await?;
        let (path, left_out) = find_path(self.store, &self.known, &old, &new).await?;
        // If one of these blobs is gone, segments are compared instead.
        let between = self.store.blobs().fetch(new.lacking_for_changes(&old, &path)?).await.unwrap_or_default();
        let mut segments = BlobMap::new();
        for (id, blob) in between {
            segments.insert(id, blob);
        }
        let changes = new.changes_along(&old, &path, &segments)?;
        let types = changes.types.iter().map(|ty| TypeDiff::of(&old, &new, ty, self.limit));
        Ok(VersionDiff { from, to, types: types.collect::<Result<_>>()?, left_out })
    }
}

/// Returns whether a version has the records of its parent, by its manifest alone, as a merge has.
fn keeps_records(version: &Manifest, parent: &Manifest, only: Option<&str>) -> bool {
    let types = |manifest: &Manifest| {
        let wanted = manifest.record_types.iter().filter(|ty| only.is_none_or(|name| ty.name == name));
        wanted.map(|ty| (ty.name.clone(), ty.type_id, ty.key.clone())).collect::<BTreeSet<_>>()
    };
    let lists_none =
        |ty: &RecordType| ty.changes.as_ref().is_some_and(|it| it.added.is_empty() && it.removed.is_empty());
    let mut wanted = version.record_types.iter().filter(|ty| only.is_none_or(|name| ty.name == name));
    version.schema == parent.schema && types(version) == types(parent) && wanted.all(lists_none)
}

impl Counts {
    fn is_none(&self) -> bool {
        (self.added, self.changed, self.removed) == (0, 0, 0)
    }
}

impl TypeDiff {
    fn of(old: &View, new: &View, changes: &TypeChanges, limit: usize) -> Result<Self> {
        let name = &changes.record_type;
        let keys = |view: &View, row_ids: &[RowId]| -> Result<Vec<Key>> {
            row_ids.iter().take(limit).map(|&at| Key::of(view.table(name)?, at)).collect()
        };
        let mut changed = Vec::new();
        let mut changed_count = changes.updated.len();
        if let (Ok(before), Ok(after)) = (old.table(name), new.table(name)) {
            let comparison = Comparison::new(before, after);
            let is_by_names = comparison.is_by_names();
            let compared = if is_by_names { changes.updated.len() } else { limit };
            for &(left, right) in changes.updated.iter().take(compared) {
                let fields = comparison.changes(left, right)?;
                if is_by_names && fields.is_empty() {
                    changed_count -= 1;
                } else if changed.len() < limit {
                    changed.push(RecordChange { key: Key::of(after, right)?, fields });
                }
            }
        }
        Ok(Self {
            record_type: name.clone(),
            counts: Counts { added: changes.added.len(), changed: changed_count, removed: changes.removed.len() },
            source: match changes.source {
                ChangeSource::Manifests => "manifests",
                ChangeSource::Segments => "segments",
            },
            added: keys(new, &changes.added)?,
            changed,
            removed: keys(old, &changes.removed)?,
        })
    }
}

impl Key {
    fn of(table: &Table, at: RowId) -> Result<Self> {
        let fields = key_of(table, at)?;
        let text = key_text(table, &fields);
        Ok(Self { fields, text })
    }
}

/// Warns of versions that are left out, and why.
pub fn tell_unreadable(json: bool, versions: &[UnreadableVersion]) {
    for it in versions {
        notice::warn(json, &format!("version {} is left out, it cannot be read: {}", it.version, it.reason));
    }
}

/// Opens a view of a version, or of one record type of it; an empty view if the version has no such type.
///
/// `blobs` holds the blobs that are open already, and afterwards those of this view.
pub async fn open(store: &Store, mut manifest: Manifest, only: Option<&str>, blobs: &mut BlobMap) -> Result<View> {
    manifest.record_types.retain(|ty| only.is_none_or(|name| ty.name == name));
    *blobs = store.blobs().load(&manifest, blobs).await?;
    View::open(Arc::new(manifest), blobs).map_err(|error| Failure::no(error.to_string()))
}

impl VersionDiff {
    /// Prints the counts, then the records that are described.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
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

    /// Prints the records that are described, and how many are not.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use kapok_blobstore::{AnnouncementDraft, CommitOutcome, fresh_token};
    use kapok_core::manifest::RowChanges;
    use kapok_producer::{Declaration, Producer};
    use kapok_testing::{Counting, Intercept};
    use object_store::memory::InMemory;

    use super::*;

    #[derive(Serialize, serde::Deserialize)]
    struct Hut {
        id: u32,
    }

    async fn publish(producer: &Producer, id: u32) {
        let cycle = producer.run_cycle(|cycle| {
            cycle.declare(&Declaration::of_rust_type::<Hut>("Hut", &["id"])?)?;
            Ok(cycle.values("Hut")?.add_serde(&Hut { id })?)
        });
        cycle.await.unwrap();
    }

    /// The number of requests of a diff without versions, if so many versions in which nothing changed came last.
    async fn requests_after(quiet: u64) -> usize {
        let counting = Arc::new(Counting::default());
        let backend = counting.over(Arc::new(InMemory::new()));
        let store = Store::options().writable().object_store(backend, "huts").open("test://huts").await.unwrap();
        let producer = Producer::builder(store.clone()).open().await.unwrap();
        publish(&producer, 1).await;
        publish(&producer, 2).await;
        let mut manifest = store.manifests().read(2).await.unwrap();
        manifest.record_types[0].changes = Some(RowChanges::default());
        for version in 3..3 + quiet {
            (manifest.version, manifest.parent, manifest.writer_token) = (version, Some(version - 1), fresh_token());
            assert_eq!(store.manifests().commit(&manifest).await.unwrap(), CommitOutcome::Committed);
            let announce = |latest: Option<&_>| AnnouncementDraft::announce(latest, version, "test", "");
            store.announcements().append(announce).await.unwrap().unwrap();
        }
        counting.take();
        let diff = VersionDiff::last(&store, None, 10).await.unwrap();
        assert_eq!((diff.from, diff.to), (1, 2 + quiet));
        assert_eq!((diff.types[0].added.len(), diff.types[0].removed.len()), (1, 1));
        counting.take().len()
    }

    #[tokio::test]
    async fn the_last_that_differs_is_found_by_one_request_for_each_version() {
        let (none, many) = (requests_after(0).await, requests_after(30).await);
        assert!(many <= none + 30 + 2, "{none} and {many}");
    }
}
