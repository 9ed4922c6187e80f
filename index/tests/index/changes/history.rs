//! Makes versions of a dataset by hand, each from any earlier one, beside a map of what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message;
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::manifest::{Id, Manifest, RecordType, RowChanges, SegmentEntry, Tombstones};
use kapok_core::schema::Schema;
use kapok_core::segment::RowId;
use kapok_core::segment::{Encoding, SealSettings, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{ChangeSource, IndexSet, TypeChanges, View};
use kapok_samples::kinds_capnp::kinds;
use roaring::RoaringBitmap;

/// Key → payload.
pub type Model = BTreeMap<u32, u32>;

/// Keys that came, changed (payload before and after) and went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Net {
    pub added: Vec<(u32, u32)>,
    pub updated: Vec<(u32, u32, u32)>,
    pub removed: Vec<(u32, u32)>,
}

#[derive(Clone)]
pub struct Part {
    pub entry: SegmentEntry,
    pub rows: Vec<(u32, u32)>,
    pub dead: RoaringBitmap,
}

#[derive(Clone)]
pub struct Version {
    pub manifest: Arc<Manifest>,
    pub parts: Vec<Part>,
    pub live: Model,
}

pub struct History {
    pub encoding: Encoding,
    pub blobs: BlobMap,
    /// Version 0 is the empty one.
    pub versions: Vec<Version>,
}

pub fn bitmap(rows: &RoaringBitmap) -> Vec<u8> {
    let mut out = Vec::new();
    rows.serialize_into(&mut out).unwrap();
    out
}

fn write(record: &mut kinds::Builder<'_>, key: u32, payload: u32) {
    record.set_u32(key);
    record.set_code(format!("{key:08}"));
    record.set_f64(f64::from(payload));
}

impl History {
    pub fn new(key: &str) -> Self {
        let (schema, id) = Schema::of::<kinds::Owned>().unwrap();
        let encoding = Encoding::new(Arc::new(schema), id, &[key.to_owned()], Sharing::Shared).unwrap();
        let mut manifest = Manifest::clone(View::empty().manifest());
        manifest.schema = Arc::clone(encoding.schema());
        let empty = Version { manifest: Arc::new(manifest), parts: Vec::new(), live: Model::new() };
        let mut history = Self { encoding, blobs: BlobMap::new(), versions: vec![empty] };
        history.commit(0, Vec::new(), Some(RowChanges::default()));
        history
    }

    fn insert(&mut self, bytes: Vec<u8>) -> Id {
        let id = *blake3::hash(&bytes).as_bytes();
        self.blobs.insert(id, Blob { name: Arc::from("blob"), bytes: Bytes::from(bytes) });
        id
    }

    /// A segment of rows in key order.
    pub fn part(&mut self, rows: Vec<(u32, u32)>) -> Option<Part> {
        let mut stage = Stage::new(&self.encoding);
        for (key, payload) in &rows {
            let mut message = message::Builder::new_default();
            write(&mut message.init_root(), *key, *payload);
            let segments = message.get_segments_for_output();
            let words = segments.concat();
            stage.add_struct(Words::new(&words).struct_of(0).unwrap().unwrap()).unwrap();
        }
        let sealed = stage.seal(SealSettings::default()).unwrap().next()?.unwrap();
        let entry = sealed.entry(Sharing::Shared);
        let id = self.insert(sealed.bytes);
        let segment = Segment::open("s", self.blobs.get(&id).unwrap().bytes.clone(), sealed.rows).unwrap();
        let built = IndexSet::of_key(&self.encoding).unwrap().build_lacking(&segment, &entry, &[]).unwrap();
        let artifacts = built.iter().map(|built| built.artifact.clone()).collect();
        for built in built {
            self.insert(built.bytes.to_vec());
        }
        let entry = SegmentEntry { artifacts, ..entry };
        Some(Part { entry, rows, dead: RoaringBitmap::new() })
    }

    /// Commits a version of these segments and returns its number.
    pub fn commit(&mut self, parent: usize, mut parts: Vec<Part>, changes: Option<RowChanges>) -> usize {
        let mut live = Model::new();
        for part in &mut parts {
            part.entry.dead = u32::try_from(part.dead.len()).unwrap();
            let empty = part.dead.is_empty();
            part.entry.tombstones = if empty { Tombstones::None } else { Tombstones::Inline(bitmap(&part.dead)) };
            let rows = (0..).zip(&part.rows).filter(|(row, _)| !part.dead.contains(*row));
            live.extend(rows.map(|(_, (key, payload))| (*key, *payload)));
        }
        let version = self.versions.len();
        let mut manifest = Manifest::clone(&self.versions[0].manifest);
        manifest.version = version as u64;
        manifest.parent = Some(parent as u64).filter(|parent| *parent != 0);
        manifest.record_types = vec![RecordType {
            name: "Kinds".into(),
            type_id: self.encoding.type_id(),
            key: self.encoding.key().names().map(ToOwned::to_owned).collect(),
            rows: live.len() as u64,
            segments: parts.iter().map(|part| part.entry.clone()).collect(),
            changes,
            ..RecordType::default()
        }];
        self.versions.push(Version { manifest: Arc::new(manifest), parts, live });
        version
    }

    /// A cycle on top of any version: sets some keys, deletes others.
    pub fn cycle(&mut self, parent: usize, sets: &Model, deletes: &[u32]) -> usize {
        let mut parts = self.versions[parent].parts.clone();
        let mut changes = RowChanges::default();
        for part in &mut parts {
            let gone = |key: &u32| sets.contains_key(key) || deletes.contains(key);
            let rows = (0_u32..).zip(&part.rows).filter(|(row, (key, _))| !part.dead.contains(*row) && gone(key));
            let removed: RoaringBitmap = rows.map(|(row, _)| row).collect();
            if !removed.is_empty() {
                changes.removed.push((part.entry.id, bitmap(&removed)));
                part.dead |= removed;
            }
        }
        if let Some(fresh) = self.part(sets.iter().map(|(key, payload)| (*key, *payload)).collect()) {
            let id = fresh.entry.id;
            changes.added.push((id, bitmap(&(0..fresh.entry.rows).collect())));
            // The same records as an earlier segment: its rows live again, as they are named by the same id.
            parts.retain(|part| part.entry.id != id);
            parts.push(fresh);
        }
        self.commit(parent, parts, Some(changes))
    }

    /// A merge of the segments in a range of places, as a version of its own with no changes.
    pub fn merge(&mut self, parent: usize, places: std::ops::Range<usize>) -> usize {
        let mut parts = self.versions[parent].parts.clone();
        let end = places.end.min(parts.len());
        let inputs: Vec<_> = parts.drain(places.start.min(end)..end).collect();
        let mut rows = Model::new();
        for part in &inputs {
            let live = (0..).zip(&part.rows).filter(|(row, _)| !part.dead.contains(*row));
            rows.extend(live.map(|(_, (key, payload))| (*key, *payload)));
        }
        if let Some(merged) = self.part(rows.into_iter().collect()) {
            parts.retain(|part| part.entry.id != merged.entry.id);
            parts.insert(0, merged);
        }
        self.commit(parent, parts, Some(RowChanges::default()))
    }

    pub fn view(&self, version: usize) -> View {
        View::open(Arc::clone(&self.versions[version].manifest), &self.blobs).unwrap()
    }

    pub fn manifests(&self) -> Vec<Arc<Manifest>> {
        self.versions.iter().rev().map(|version| Arc::clone(&version.manifest)).collect()
    }

    /// What the maps of two versions differ in.
    pub fn expected(&self, old: usize, new: usize) -> Net {
        let (old, new) = (&self.versions[old].live, &self.versions[new].live);
        let both = old.iter().filter_map(|(key, before)| Some((*key, *before, *new.get(key)?)));
        let only = |here: &Model, there: &Model| {
            here.iter().filter(|(key, _)| !there.contains_key(key)).map(|(key, payload)| (*key, *payload)).collect()
        };
        Net {
            added: only(new, old),
            updated: both.filter(|(_, before, after)| before != after).collect(),
            removed: only(old, new),
        }
    }

    /// What two views differ in, and how that was found out.
    pub fn found(&self, old: usize, new: usize, manifests: &[Arc<Manifest>]) -> (Net, ChangeSource) {
        let (before, after) = (self.view(old), self.view(new));
        let changes = after.changes_since(&before, manifests).unwrap();
        match changes.of("Kinds") {
            Some(changes) => (net(&before, &after, changes), changes.source),
            None => (Net::default(), ChangeSource::Manifests),
        }
    }
}

/// The records that changes name.
pub fn net(old: &View, new: &View, changes: &TypeChanges) -> Net {
    let pair = |view: &View, at: RowId| {
        let key = view.field::<u32>("Kinds.u32").unwrap().get(at).unwrap();
        assert_eq!(view.find_live(at), Some(at), "a live row");
        let payload = view.field::<f64>("Kinds.f64").unwrap().get(at).unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was made of one")]
        (key, payload as u32)
    };
    let updated = changes.updated.iter().map(|(before, after)| {
        let (before, after) = (pair(old, *before), pair(new, *after));
        assert_eq!(before.0, after.0, "one key");
        (before.0, before.1, after.1)
    });
    Net {
        added: changes.added.iter().map(|at| pair(new, *at)).collect(),
        updated: updated.collect(),
        removed: changes.removed.iter().map(|at| pair(old, *at)).collect(),
    }
}

trait FindLive {
    fn find_live(&self, at: RowId) -> Option<RowId>;
}

impl FindLive for View {
    fn find_live(&self, at: RowId) -> Option<RowId> {
        self.table("Kinds").unwrap().row_ids().find(|other| *other == at)
    }
}
