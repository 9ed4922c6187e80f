//! Checks that a store is as it must be, whatever happened to those who wrote to it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{BlobId, BlobKind, FileKind, GcReport, GcSettings, Store};
use kapok_consumer::{Consumer, View};
use kapok_core::manifest::BlobMap;

/// The version that consumers should be on, read as a consumer reads it.
///
/// # Panics
/// Where it cannot be read, saying `when`.
pub async fn announced(store: &Store, when: &str) -> Arc<View> {
    match Consumer::builder(store.clone()).open().await {
        Ok(consumer) => consumer.view_arc(),
        Err(error) => panic!("the announced version cannot be read: {error}: {when}"),
    }
}

/// Hashes and walks all segments of a view, and checks its indexes.
///
/// # Panics
/// Where something is wrong, saying `when`.
pub fn assert_sound(view: &View, when: &str) {
    let fail = |error| panic!("version={}: {error}: {when}", view.version());
    view.verify_keys().unwrap_or_else(fail);
    for table in view.tables() {
        let ty = view.manifest().expect_record_type(table.name()).expect("its own type");
        for (entry, source) in ty.segments.iter().zip(table.segments()) {
            let encoding = ty.encoding(table.schema(), entry.sharing);
            encoding.and_then(|encoding| encoding.verify(source.segment(), entry)).unwrap_or_else(fail);
            source.segment().verify_hash(&entry.id).unwrap_or_else(fail);
        }
    }
}

/// Checks every file: no blob is half there, none has another content than its name says, and the numbers of versions
/// and announcements have no gaps.
///
/// # Panics
/// Where that is not so, saying `when`.
pub async fn assert_files(store: &Store, when: &str) {
    let (mut versions, mut sequences) = (Vec::new(), Vec::new());
    for file in store.files().list().await.expect("a listing") {
        match file.what {
            FileKind::Manifest(version) => versions.push(version),
            FileKind::Announcement(sequence) => sequences.push(sequence),
            _ => {}
        }
        if let Err(error) = store.files().check(&file).await {
            panic!("{error}: {when}");
        }
    }
    assert!(versions.iter().copied().eq(1..=versions.len() as u64), "{versions:?} {when}");
    assert!(sequences.iter().copied().eq(1..=sequences.len() as u64), "{sequences:?} {when}");
    let log = store.announcements().list().await.expect("the log");
    assert!(log.is_sorted_by_key(|entry| entry.announced), "announcements went back: {log:?} {when}");
}

/// Collects with no grace, and asserts that what is left is named by a live manifest, and whole.
///
/// # Panics
/// Where that is not so, saying `when`.
pub async fn assert_swept(store: &Store, when: &str) -> GcReport {
    let settings = GcSettings::default().with_keep(1).with_grace(Duration::ZERO).with_no_writers();
    let report = store.gc(&settings).await.unwrap_or_else(|error| panic!("gc: {error}: {when}"));
    let mut named = HashSet::new();
    for version in store.manifests().live().await.expect("versions") {
        let manifest = store.manifests().read(version).await.expect("a manifest");
        let lacking = store.blobs().missing(&manifest).await.expect("looks");
        assert!(lacking.is_empty(), "version={version} lacks {lacking:?}: {when}");
        named.extend(manifest.blobs().map(|blob| (BlobKind::from(blob.role), BlobId::from(blob.id))));
        let blobs = store.blobs().load(&manifest, &BlobMap::new()).await.expect("blobs");
        assert_sound(&View::open(Arc::new(manifest), &blobs).expect("a view"), when);
    }
    for file in store.files().list().await.expect("a listing") {
        match file.what {
            FileKind::Foreign => panic!("{} is left: {when}", file.name),
            FileKind::Blob(kind, id) => assert!(named.contains(&(kind, id)), "{} is left: {when}", file.name),
            _ => {}
        }
    }
    report
}
