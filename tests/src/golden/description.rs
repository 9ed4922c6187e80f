//! What is in a store, as text: every record of every version, what versions are made of, how they differ, and the log.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kapok_blobstore::Store;
use kapok_consumer::{Changes, Consumer, View};
use kapok_core::key::KeyRevision;
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::{Id, Manifest, RecordType, SegmentEntry, Tombstones, decode_rows};
use kapok_core::segment::RowId;
use kapok_core::segment::Sharing;
use kapok_core::view::Table;
use kapok_index::nearest::{Effort, SearchSettings};

/// So many keys of changes are told; of more, their number and the first and the last.
const KEYS_MAX: usize = 12;

/// Files of text, by their paths: `log.txt`, `versions.txt`, `changes.txt`, `<version>/<record type>.jsonl`, and for types with
/// graphs of vectors `<version>/<record type>.nearest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(pub BTreeMap<String, String>);

impl Description {
    /// Reads what [`save`](Self::save) has written.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn load(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8").to_owned();
            if path.is_dir() {
                let inner = Self::load(&path).0.into_iter();
                files.extend(inner.map(|(inner, text)| (format!("{name}/{inner}"), text)));
            } else {
                files.insert(name, fs::read_to_string(&path).expect("text"));
            }
        }
        Self(files)
    }

    /// Writes the files into a folder.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn save(&self, folder: &Path) {
        for (name, text) in &self.0 {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
    }

    /// The records of a version, one a line: each file's name and text.
    pub fn records(&self, version: u64) -> impl Iterator<Item = (&str, &str)> {
        let folder = format!("{version}/");
        self.0.iter().filter_map(move |(name, text)| {
            let name = name.strip_prefix(&folder)?.strip_suffix(".jsonl")?;
            Some((name, text.as_str()))
        })
    }

    /// The versions that it has records of.
    pub fn versions(&self) -> Vec<u64> {
        let mut versions: Vec<u64> = self.0.keys().filter_map(|name| name.split_once('/')?.0.parse().ok()).collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}

/// Reads all of a store.
///
/// # Panics
/// If something cannot be read.
pub async fn describe(folder: &Path) -> Description {
    let store = Store::open(folder.to_str().expect("a name in UTF-8")).await.expect("a store");
    let mut files = BTreeMap::from([("log.txt".to_owned(), log(&store).await)]);
    let (mut views, mut versions) = (Vec::new(), String::new());
    for version in store.manifests().versions().await.expect("versions") {
        if store.manifests().is_retired(version).await.expect("a manifest") {
            let _ = writeln!(versions, "version {version}: retired\n");
            continue;
        }
        let view = open(&store, version).await;
        versions.push_str(&parts(view.manifest()));
        for table in view.tables() {
            files.insert(format!("{version}/{}.jsonl", table.name()), records(table));
            let nearest = nearest(&view, table);
            if !nearest.is_empty() {
                files.insert(format!("{version}/{}.nearest", table.name()), nearest);
            }
        }
        views.push(Arc::new(view));
    }
    files.insert("versions.txt".to_owned(), versions);
    files.insert("changes.txt".to_owned(), all_changes(&store, &views).await);
    Description(files)
}

/// A version as a consumer has it that is held on it; the store gets an entry of the log.
///
/// # Panics
/// If something cannot be read.
pub async fn pinned(folder: &Path, version: u64) -> Arc<View> {
    let url = folder.to_str().expect("a name in UTF-8");
    let store = Store::options().writable().open(url).await.expect("a store");
    store.announcements().pin(version, "test", "").await.expect("a pin");
    let view = Consumer::open(url).await.expect("a consumer").view_arc();
    assert_eq!(view.version(), version);
    view
}

async fn open(store: &Store, version: u64) -> View {
    let manifest = store.manifests().read(version).await.expect("a manifest");
    let blobs = store.blobs().load(&manifest, &BlobMap::new()).await.expect("blobs");
    View::open(Arc::new(manifest), &blobs).expect("a view")
}

/// The records of a type as JSON, one a line, in key order.
///
/// # Panics
/// If one cannot be read.
pub fn records(table: &Table) -> String {
    let mut lines = String::new();
    for at in table.row_ids_in_key_order().expect("row ids") {
        let record = table.record(at).expect("a record");
        let _ = writeln!(lines, "{}", record.to_json_string().expect("JSON"));
    }
    lines
}

/// Searches whose answers are told, of each field and effort.
const SEARCHES: usize = 6;

/// What is nearest to some records by each field that has graphs, with distances to the bit.
fn nearest(view: &View, table: &Table) -> String {
    let mut out = String::new();
    let record_type = table.struct_type();
    for field in record_type.fields.iter().filter(|field| field.vector.is_some()) {
        let Ok(nearest) = view.nearest(&format!("{}.{}", table.name(), field.name)) else { continue };
        if nearest.graphs().next().is_none() {
            continue;
        }
        let at = table.row_ids_in_key_order().expect("row ids");
        let with_vector: Vec<RowId> =
            at.into_iter().filter(|at| nearest.vector(*at).expect("a row id").is_some()).collect();
        for at in with_vector.iter().step_by((with_vector.len() / SEARCHES).max(1)) {
            for effort in [Effort::Exact, Effort::Ef(12)] {
                let settings = SearchSettings { effort, ..SearchSettings::new(5) };
                let hits = nearest.search_like(*at, &settings).expect("hits");
                let hits = hits.iter().map(|hit| format!("{}:{:08x}", key(table, hit.row_id), hit.distance.to_bits()));
                let hits = hits.collect::<Vec<_>>().join(" ");
                let _ = writeln!(out, "{} {effort:?} {}: {hits}", field.name, key(table, *at));
            }
        }
    }
    out
}

/// The key of a record, for people.
fn key(table: &Table, at: RowId) -> String {
    let mut encoded = Vec::new();
    assert!(table.key().encode_row(table.row(at).expect("a row"), &mut encoded).expect("a key"));
    table.key().describe(&encoded)
}

async fn log(store: &Store) -> String {
    let mut lines = String::new();
    for entry in store.announcements().list().await.expect("the log") {
        let _ = writeln!(
            lines,
            "{}: {} announced={} highest={} pinned={:?} by={:?} reason={:?}",
            entry.sequence, entry.action, entry.announced, entry.highest, entry.pinned, entry.by, entry.reason
        );
    }
    lines
}

/// What a version is made of, times and tokens left out.
fn parts(manifest: &Manifest) -> String {
    let mut out = format!(
        "version {}: parent={:?} log={} announce_itself={} writer={:?} tags={:?}\n",
        manifest.version,
        manifest.parent,
        manifest.log_sequence,
        manifest.announce_itself,
        manifest.writer,
        manifest.tags
    );
    for ty in &manifest.record_types {
        let RecordType { name, type_id, key, rows, declared, .. } = ty;
        let revision = match ty.key_revision {
            KeyRevision::R0 => String::new(),
            KeyRevision::R1 => " key_revision=1".to_owned(),
        };
        let _ = writeln!(out, "  {name} id={type_id:#018x} key={key:?}{revision} rows={rows} declared={declared}");
        for segment in &ty.segments {
            segment_parts(&mut out, segment);
        }
        match &ty.changes {
            None => out.push_str("    changes: not listed\n"),
            Some(changes) => {
                row_sets(&mut out, "added", &changes.added);
                row_sets(&mut out, "removed", &changes.removed);
            }
        }
    }
    out.push('\n');
    out
}

fn segment_parts(out: &mut String, segment: &SegmentEntry) {
    let SegmentEntry { id, size: bytes, rows, dead, writer_revision, .. } = segment;
    let sharing = match segment.sharing {
        Sharing::Shared => "shared",
        Sharing::StrictTree => "strict tree",
    };
    let _ = writeln!(
        out,
        "    segment {} bytes={bytes} rows={rows} dead={dead} revision={writer_revision} {sharing} keys={}..{}",
        hex(id),
        hex(&segment.first_key),
        hex(&segment.last_key)
    );
    for extent in &segment.extents {
        let _ = writeln!(
            out,
            "      extent {:?} offset={} bytes={} stride={}",
            extent.field, extent.offset, extent.size, extent.stride
        );
    }
    match &segment.tombstones {
        Tombstones::None => {}
        Tombstones::Inline(rows) => {
            let _ = writeln!(out, "      tombstones {}", hex(rows));
        }
        Tombstones::Blob(id) => {
            let _ = writeln!(out, "      tombstones in {}", hex(id));
        }
    }
    for artifact in &segment.artifacts {
        let _ = writeln!(
            out,
            "      {} index of {:?} {} bytes={}",
            artifact.kind,
            artifact.name,
            hex(&artifact.id),
            artifact.size
        );
    }
    for source in &segment.merged_from {
        let _ = writeln!(
            out,
            "      merged from {} bytes={} rows={} without {}",
            hex(&source.segment),
            source.size,
            source.rows,
            hash_of(&source.dropped)
        );
    }
}

fn row_sets(out: &mut String, what: &str, sets: &[(Id, Vec<u8>)]) {
    for (segment, rows) in sets {
        let count = decode_rows("rows", rows).expect("rows").len();
        let _ = writeln!(out, "    {what} {count} rows of {}: {}", hex(segment), hash_of(rows));
    }
}

/// Bytes that may be many: all of few, else the hash.
fn hash_of(bytes: &[u8]) -> String {
    if bytes.len() <= 64 { format!("[{}]", hex(bytes)) } else { kapok_blobstore::BlobId::of(bytes).to_string() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is different between each two versions, forward and backward.
async fn all_changes(store: &Store, views: &[Arc<View>]) -> String {
    let consumer = Consumer::builder(store.clone()).open().await.expect("a consumer");
    let mut out = String::new();
    for old in views {
        for new in views.iter().filter(|new| new.version() != old.version()) {
            let changes = consumer.changes_between(old, new).await.expect("changes");
            let _ = writeln!(out, "{} -> {}", old.version(), new.version());
            net(&mut out, old, new, &changes);
        }
    }
    out
}

fn net(out: &mut String, old: &View, new: &View, changes: &Changes) {
    for ty in changes.types.iter().filter(|ty| !ty.is_empty()) {
        let name = &ty.record_type;
        let _ = writeln!(out, "  {name}");
        let updated: Vec<_> = ty.updated.iter().map(|(_, new)| *new).collect();
        keys(out, "+", new, name, &ty.added);
        keys(out, "~", new, name, &updated);
        keys(out, "-", old, name, &ty.removed);
    }
}

fn keys(out: &mut String, sign: &str, view: &View, name: &str, ordinals: &[RowId]) {
    let Ok(table) = view.table(name) else {
        assert!(ordinals.is_empty(), "{name} of a view that has none");
        return;
    };
    let key = |at: &RowId| key(table, *at);
    if let [first, .., last] = ordinals
        && ordinals.len() > KEYS_MAX
    {
        let _ = writeln!(out, "    {sign} {} records, {} to {}", ordinals.len(), key(first), key(last));
        return;
    }
    for at in ordinals {
        let _ = writeln!(out, "    {sign} {}", key(at));
    }
}
