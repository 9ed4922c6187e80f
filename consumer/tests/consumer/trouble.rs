//! If anything goes wrong, the view stays and the consumer reports the error.

use std::sync::Arc;

use capnp::message::ReaderOptions;
use capnp::serialize;
use kapok_blobstore::{BlobId, BlobKind, CommitOutcome};
use kapok_consumer::{Consumer, Error, ErrorKind};
use kapok_schemas::manifest_capnp::manifest;
use object_store::ObjectStoreExt;

use crate::backend::TestBackend;
use crate::publisher::{Version, announce, folder, memory, stamp};

/// Refreshes, which must fail with this kind of error and change nothing but the status.
async fn refuses(consumer: &Consumer, wanted: u64, kind: ErrorKind) -> Error {
    let before = consumer.view_arc();
    let failures = consumer.status().failures;
    let error = consumer.refresh().await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(Arc::ptr_eq(&before, &consumer.view_arc()), "the view stays");
    assert_eq!(stamp(&consumer.view()), Some(before.version()));
    let status = consumer.status();
    assert_eq!((status.current, status.wanted, status.failures), (before.version(), wanted, failures + 1));
    assert_eq!(status.last_error.unwrap().to_string(), error.to_string());
    error
}

#[tokio::test]
async fn a_missing_blob_keeps_the_view_until_it_is_back() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2);
    second.publish(&store, 2).await;
    let id = second.ratings[0].id();
    let rows = store
        .blobs()
        .get(BlobKind::Segment, id, store.blobs().size(BlobKind::Segment, id).await.unwrap().unwrap())
        .await;
    store.blobs().delete(BlobKind::Segment, id).await.unwrap();
    let error = refuses(&consumer, 2, ErrorKind::NotFound).await;
    assert!(error.to_string().contains("version=2") && error.to_string().contains(&id.to_string()), "{error}");
    refuses(&consumer, 2, ErrorKind::NotFound).await;
    store.blobs().put(BlobKind::Segment, id, rows.unwrap()).await.unwrap();
    assert_eq!(consumer.refresh().await.unwrap().to, 2);
    let status = consumer.status();
    assert!(status.failures == 0 && status.last_error.is_none());
}

#[tokio::test]
async fn a_damaged_blob_of_a_folder_keeps_the_view() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2);
    second.publish(&store, 2).await;
    let file = store.blobs().name(BlobKind::Segment, second.movies[0].id());
    let whole = std::fs::read(&file).unwrap();
    let mut garbled = whole.clone();
    garbled[..16].fill(0xff);
    for damaged in [&garbled[..], &whole[..whole.len() - 8], &[]] {
        std::fs::write(&file, damaged).unwrap();
        let error = refuses(&consumer, 2, ErrorKind::Corrupt).await;
        assert!(error.to_string().contains(&file), "{error}");
    }
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(consumer.refresh().await.unwrap().to, 2);
}

#[tokio::test]
async fn a_damaged_blob_of_another_store_keeps_the_view() {
    let backend = Arc::new(TestBackend::default());
    let store = backend.store().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2);
    second.publish(&store, 2).await;
    let name = format!("set/segments/{}", second.movies[0].id()).into();
    let mut bytes = backend.memory.get(&name).await.unwrap().bytes().await.unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    backend.memory.put(&name, bytes.into()).await.unwrap();
    let error = refuses(&consumer, 2, ErrorKind::Corrupt).await;
    assert!(error.to_string().contains("hash"), "{error}");
}

#[tokio::test]
async fn a_version_of_a_newer_release_keeps_the_view() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2).manifest(2);
    let payload = second.encode().unwrap();
    let message = serialize::read_message_from_flat_slice(&mut &payload[..], ReaderOptions::new()).unwrap();
    let mut newer = capnp::message::Builder::new_default();
    newer.set_root(message.get_root::<manifest::Reader<'_>>().unwrap()).unwrap();
    newer.get_root::<manifest::Builder<'_>>().unwrap().init_required_features(1).set(0, "teleport");
    let payload = serialize::write_message_to_words(&newer);
    let outcome = store.manifests().commit_bytes(2, &payload, second.writer_token).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);
    announce(&store, 2).await;
    let error = refuses(&consumer, 2, ErrorKind::Incompatible).await;
    assert!(error.to_string().contains("teleport"), "{error}");
}

#[tokio::test]
async fn a_manifest_under_the_name_of_another_version_is_corrupt() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let third = Version::stamped(2).manifest(3);
    store.manifests().commit_bytes(2, &third.encode().unwrap(), third.writer_token).await.unwrap();
    announce(&store, 2).await;
    let error = refuses(&consumer, 2, ErrorKind::Corrupt).await;
    assert!(error.to_string().contains("expected=version 2 found=version 3"), "{error}");
}

#[tokio::test]
async fn nothing_is_lost_when_the_folder_vanishes() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(&path.path().join("store")).await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    std::fs::rename(path.path().join("store"), path.path().join("elsewhere")).unwrap();
    refuses(&consumer, 1, ErrorKind::Unavailable).await;
    std::fs::remove_dir_all(path.path().join("elsewhere")).unwrap();
    let error = refuses(&consumer, 1, ErrorKind::Unavailable).await;
    assert!(matches!(error, Error::LogWentBack { seen: 1, found: 0, .. }), "{error}");
}

#[tokio::test]
async fn a_version_that_is_retired_during_a_refresh_is_given_up_for_the_one_that_the_log_names_now() {
    let backend = Arc::new(TestBackend::default());
    let store = backend.store().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2);
    second.publish(&store, 2).await;
    let gone: BlobId = second.movies[0].id();
    let writer = store.clone();
    backend.before_get_of(&gone.to_string(), async move {
        writer.blobs().delete(BlobKind::Segment, gone).await.unwrap();
        Version::stamped(3).publish(&writer, 3).await;
    });
    assert_eq!(consumer.refresh().await.unwrap().to, 3);
    assert_eq!(stamp(&consumer.view()), Some(3));
}
