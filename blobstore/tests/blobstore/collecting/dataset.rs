//! Versions that consist of a few words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kapok_blobstore::{
    AnnouncementDraft, BlobId, BlobKind, CommitOutcome, Error, GcReport, GcSettings, Store, fresh_token,
};
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::{Artifact, Manifest, RecordType, SegmentEntry, Tombstones};
use kapok_core::schema::Schema;
use kapok_core::segment::Sharing;
use kapok_samples::movies_capnp::rating;
use kapok_testing::{Hooks, Intercept, Operation};
use object_store::ObjectStore;

/// Nothing is too young to go.
pub fn now() -> GcSettings {
    GcSettings::default().with_grace(Duration::ZERO).with_no_writers()
}

/// What was made a moment ago is too young to go.
pub fn later() -> GcSettings {
    GcSettings::default().with_grace(Duration::from_hours(1))
}

/// Opens the prefix that every test uses.
pub async fn open(backend: &Arc<dyn ObjectStore>) -> Store {
    let backend = Arc::clone(backend);
    let store = Store::options().writable().object_store(backend, "data").open("test://data");
    store.await.unwrap()
}

/// Lets it happen once, before the first such request on a path that holds the text.
pub fn once(
    backend: &Arc<dyn ObjectStore>,
    operation: Operation,
    text: &str,
    event: impl Future<Output = ()> + Send + 'static,
) -> Arc<dyn ObjectStore> {
    Arc::new(Hooks::once(operation, text, event)).over(Arc::clone(backend))
}

/// The blobs of a word: its rows, their index, their dead rows.
pub fn blobs_of(word: &str) -> [(BlobKind, BlobId, Bytes); 3] {
    BlobKind::ALL.map(|kind| {
        let bytes = Bytes::from(format!("{}/{word}", kind.folder()));
        (kind, BlobId::of(&bytes), bytes)
    })
}

pub async fn put(store: &Store, word: &str) {
    for (kind, id, bytes) in blobs_of(word) {
        store.blobs().put(kind, id, bytes).await.unwrap();
    }
}

/// A version of these words, made long ago.
pub fn manifest(version: u64, words: &[&str]) -> Manifest {
    let (schema, type_id) = Schema::of::<rating::Owned>().unwrap();
    let segments = words.iter().map(|word| segment(word)).collect();
    let key = vec!["movieId".to_owned(), "source".to_owned()];
    Manifest {
        version,
        parent: None,
        created_unix_ms: i64::try_from(version).unwrap(),
        writer: "test".to_owned(),
        writer_token: fresh_token(),
        announce_itself: false,
        log_sequence: 0,
        schema: Arc::new(schema),
        record_types: vec![RecordType {
            name: "Rating".to_owned(),
            type_id,
            key,
            rows: 0,
            segments,
            changes: None,
            ..RecordType::default()
        }],
        tags: BTreeMap::new(),
    }
}

fn segment(word: &str) -> SegmentEntry {
    let [(_, rows, file), (_, index, index_file), (_, dead, _)] = blobs_of(word);
    let (kind, name) = ("unique".to_owned(), String::new());
    SegmentEntry {
        id: *rows.as_bytes(),
        size: file.len() as u64,
        rows: 1,
        dead: 1,
        first_key: Vec::new(),
        last_key: Vec::new(),
        extents: Vec::new(),
        tombstones: Tombstones::Blob(*dead.as_bytes()),
        artifacts: vec![Artifact { kind, name, id: *index.as_bytes(), size: index_file.len() as u64 }],
        writer_revision: 1,
        sharing: Sharing::Shared,
        merged_from: Vec::new(),
    }
}

/// Puts and commits a version of these words.
pub async fn commit(store: &Store, version: u64, words: &[&str]) {
    for word in words {
        put(store, word).await;
    }
    assert_eq!(store.manifests().commit(&manifest(version, words)).await.unwrap(), CommitOutcome::Committed);
}

/// Versions 1 to 6, each of its own word, the next one's and one that all have. The fifth is announced, the second pinned.
pub async fn publish(store: &Store) {
    for (version, words) in (1..).zip(["ab", "bc", "cd", "de", "ef", "fg"]) {
        commit(store, version, &["all", &words[..1], &words[1..]]).await;
    }
    store.announcements().announce(5, "test", "").await.unwrap().unwrap();
    store.announcements().pin(2, "test", "").await.unwrap().unwrap();
}

/// All blobs of a version, from nothing.
pub async fn load(store: &Store, version: u64) -> Result<BlobMap, Error> {
    store.blobs().load(&store.manifests().read(version).await?, &BlobMap::new()).await
}

/// The words of which there is any blob.
pub async fn words(store: &Store) -> String {
    let mut found = String::new();
    for word in ('a'..='z').map(String::from) {
        for (kind, id, _) in blobs_of(&word) {
            if store.blobs().size(kind, id).await.unwrap().is_some() {
                found.push_str(&word);
            }
        }
    }
    found
}

/// What lies in the store: names, lengths, times.
pub async fn files(store: &Store) -> Vec<(String, u64, i64)> {
    let files = store.files().list().await.unwrap();
    files.into_iter().map(|file| (file.name, file.size, file.modified_unix_ms)).collect()
}

/// Pins whatever is asked for, there or not.
pub async fn pin_blindly(store: &Store, version: u64) {
    store.announcements().append(|latest| AnnouncementDraft::pin(latest, version, "test", "")).await.unwrap();
}

/// A gc right away.
pub async fn gc(store: &Store) -> GcReport {
    store.gc(&now()).await.unwrap()
}
