//! Makes versions by hand, without the producer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use capnp::message::{self, HeapAllocator};
use kapok_blobstore::{AnnouncementDraft, BlobId, BlobKind, CommitOutcome, Store, fresh_token};
use kapok_consumer::{FollowSettings, View, Watch};
use kapok_core::manifest::{Manifest, RecordType, SegmentEntry, Tombstones};
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, SealSettings, SealedSegment, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{BuiltArtifact, IndexSet};
use kapok_samples::movies_capnp::{movie, rating};
use roaring::RoaringBitmap;

/// Rows of one type, and which of them are dead.
pub struct Rows {
    encoding: Encoding,
    sealed: SealedSegment,
    dead: Vec<u32>,
}

/// A version to be published.
pub struct Version {
    pub movies: Vec<Rows>,
    pub ratings: Vec<Rows>,
}

/// Returns settings of a follower that polls, and watches nothing.
pub fn polling(poll: Duration) -> FollowSettings {
    with(FollowSettings::default(), |settings| {
        settings.poll = Some(poll);
        settings.watch = Watch::Nothing;
    })
}

/// Changes settings in place.
pub fn with(mut settings: FollowSettings, change: impl FnOnce(&mut FollowSettings)) -> FollowSettings {
    change(&mut settings);
    settings
}

fn schema() -> (Arc<Schema>, u64, u64) {
    let (mut schema, movie) = Schema::of::<movie::Owned>().unwrap();
    let (other, rating) = Schema::of::<rating::Owned>().unwrap();
    other.structs().for_each(|ty| schema.insert_struct(ty.as_ref().clone()));
    other.enums().for_each(|ty| schema.insert_enum(ty.as_ref().clone()));
    (Arc::new(schema), movie, rating)
}

fn add(stage: &mut Stage, message: &message::Builder<HeapAllocator>) {
    let segments = message.get_segments_for_output();
    stage.add_struct(Words::new(segments[0]).struct_of(0).unwrap().unwrap()).unwrap();
}

fn rows(encoding: Encoding, stage: Stage) -> Rows {
    let sealed = stage.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
    Rows { encoding, sealed, dead: Vec::new() }
}

/// Makes films whose year is the stamp.
pub fn movies(ids: impl Iterator<Item = u32>, stamp: u64) -> Rows {
    let (schema, movie, _) = schema();
    let encoding = Encoding::new(schema, movie, &["id".to_owned()], Sharing::Shared).unwrap();
    let mut stage = Stage::new(&encoding);
    for id in ids {
        let mut message = message::Builder::new_default();
        let mut movie: movie::Builder<'_> = message.init_root();
        movie.set_id(id);
        movie.set_title(format!("Movie {id} of {stamp}"));
        movie.set_year(stamp as u16);
        add(&mut stage, &message);
    }
    rows(encoding, stage)
}

/// Makes ratings whose votes are the stamp.
pub fn ratings(ids: impl Iterator<Item = u32>, stamp: u64) -> Rows {
    let (schema, _, rating) = schema();
    let key = ["movieId".to_owned(), "source".to_owned()];
    let encoding = Encoding::new(schema, rating, &key, Sharing::Shared).unwrap();
    let mut stage = Stage::new(&encoding);
    for id in ids {
        let mut message = message::Builder::new_default();
        let mut rating: rating::Builder<'_> = message.init_root();
        rating.set_movie_id(id);
        rating.set_votes(stamp as u32);
        add(&mut stage, &message);
    }
    rows(encoding, stage)
}

impl Rows {
    /// Returns the same rows, these of them dead.
    pub fn without(mut self, dead: &[u32]) -> Self {
        self.dead = dead.to_vec();
        self
    }

    pub fn id(&self) -> BlobId {
        BlobId::from(self.sealed.id)
    }

    /// Returns the segment's manifest entry and its blobs: the rows, their index, their tombstones.
    fn entry(&self) -> (SegmentEntry, Vec<(BlobKind, BlobId, Bytes)>) {
        let file = Bytes::from(self.sealed.bytes.clone());
        let aligned = Segment::open("test", file.clone(), self.sealed.rows).unwrap();
        let entry = self.sealed.entry(Sharing::Shared);
        let [BuiltArtifact { artifact, bytes: index }] =
            IndexSet::of_key(&self.encoding).unwrap().build_lacking(&aligned, &entry, &[]).unwrap().try_into().unwrap();
        let index_id = BlobId::from(artifact.id);
        let mut blobs = vec![(BlobKind::Segment, self.id(), file), (BlobKind::Index, index_id, index)];
        let tombstones = if self.dead.is_empty() {
            Tombstones::None
        } else {
            let mut bitmap = Vec::new();
            self.dead.iter().collect::<RoaringBitmap>().serialize_into(&mut bitmap).unwrap();
            let bitmap = Bytes::from(bitmap);
            let id = BlobId::of(&bitmap);
            blobs.push((BlobKind::Tombstones, id, bitmap));
            Tombstones::Blob(*id.as_bytes())
        };
        let entry = SegmentEntry { dead: self.dead.len() as u32, tombstones, artifacts: vec![artifact], ..entry };
        (entry, blobs)
    }
}

impl Version {
    /// Makes ten films and ten ratings that all have the stamp.
    pub fn stamped(stamp: u64) -> Self {
        Self { movies: vec![movies(0..10, stamp)], ratings: vec![ratings(0..10, stamp)] }
    }

    pub fn manifest(&self, version: u64) -> Manifest {
        let (schema, movie, rating) = schema();
        let table = |name: &str, type_id, key: &[&str], segments: &[Rows]| {
            let segments: Vec<_> = segments.iter().map(|rows| rows.entry().0).collect();
            RecordType {
                name: name.to_owned(),
                type_id,
                key: key.iter().map(|name| (*name).to_owned()).collect(),
                rows: segments.iter().map(|entry| u64::from(entry.rows - entry.dead)).sum(),
                segments,
                changes: None,
                ..RecordType::default()
            }
        };
        Manifest {
            version,
            parent: version.checked_sub(1).filter(|parent| *parent != 0),
            created_unix_ms: 0,
            writer: "test".to_owned(),
            writer_token: fresh_token(),
            announce_itself: false,
            log_sequence: 0,
            schema,
            record_types: vec![
                table("Movie", movie, &["id"], &self.movies),
                table("Rating", rating, &["movieId", "source"], &self.ratings),
            ],
            tags: BTreeMap::new(),
        }
    }

    /// Puts the blobs and commits the manifest.
    pub async fn commit(&self, store: &Store, version: u64) {
        self.commit_as(store, &self.manifest(version)).await;
    }

    /// Puts the blobs and commits a manifest that names them.
    pub async fn commit_as(&self, store: &Store, manifest: &Manifest) {
        self.put(store).await;
        let outcome = store.manifests().commit(manifest).await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed);
    }

    /// Puts the blobs.
    pub async fn put(&self, store: &Store) {
        for (kind, id, bytes) in self.movies.iter().chain(&self.ratings).flat_map(|rows| rows.entry().1) {
            store.blobs().put(kind, id, bytes).await.unwrap();
        }
    }

    /// Commits and announces.
    pub async fn publish(&self, store: &Store, version: u64) {
        self.commit(store, version).await;
        announce(store, version).await;
    }
}

pub async fn announce(store: &Store, version: u64) {
    store
        .announcements()
        .append(|latest| AnnouncementDraft::announce(latest, version, "test", ""))
        .await
        .unwrap()
        .unwrap();
}

/// Opens a store in the memory of the process, under a name of its own.
pub async fn memory() -> Store {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let url = format!("memory://consumer-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Store::options().writable().open(&url).await.unwrap()
}

/// Opens a store in a folder.
pub async fn folder(path: &Path) -> Store {
    Store::options().writable().open(path.to_str().unwrap()).await.unwrap()
}

/// Returns the stamp of all records of a view; `None` for the empty view. Panics if they have more than one.
pub fn stamp(view: &View) -> Option<u64> {
    let mut stamps: Vec<u64> = Vec::new();
    if view.version() != 0 {
        stamps.extend(view.field::<u16>("Movie.year").unwrap().iter().map(|year| u64::from(year.unwrap())));
        stamps.extend(view.field::<u32>("Rating.votes").unwrap().iter().map(|votes| u64::from(votes.unwrap())));
    }
    stamps.dedup();
    assert!(stamps.len() <= 1, "torn: version={} stamps={stamps:?}", view.version());
    stamps.first().copied()
}
