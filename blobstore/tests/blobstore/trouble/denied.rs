//! A missing right is named in the error.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kapok_blobstore::{AnnouncementDraft, BlobId, BlobKind, ErrorKind, Store, fresh_token};
use kapok_testing::Intercept;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::link::Link;

async fn scene(announced: u64) -> (Arc<Link>, Store, Store) {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let writing = |backend| Store::options().writable().object_store(backend, "data").open("test://data");
    let writer = writing(Arc::clone(&backend)).await.unwrap();
    for version in 1..=announced {
        publish(&writer, version).await;
    }
    let link = Arc::new(Link::default());
    link.get_only.store(true, Ordering::SeqCst);
    let backend = link.over(backend);
    let reader = Store::options().object_store(backend, "data").open("test://data").await.unwrap();
    (link, writer, reader)
}

async fn publish(store: &Store, version: u64) {
    let token = fresh_token();
    store.manifests().commit_bytes(version, &token, token).await.unwrap();
    store
        .announcements()
        .append(|latest| AnnouncementDraft::announce(latest, version, "test", ""))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_follower_that_may_only_read_learns_what_is_new() {
    let (_, writer, reader) = scene(5).await;
    assert!(!reader.hides_missing());
    for hint in [None, Some(3), None, Some(5)] {
        assert_eq!(reader.announcements().latest(hint).await.unwrap().unwrap().announced, 5);
    }
    assert!(reader.hides_missing(), "that is told");
    assert_eq!(reader.announcements().get(6).await.unwrap(), None, "no news");
    assert_eq!(reader.manifests().head().await.unwrap(), Some(5));
    publish(&writer, 6).await;
    assert_eq!(reader.announcements().get(6).await.unwrap().unwrap().announced, 6);
    assert_eq!(reader.announcements().get(7).await.unwrap(), None);
    assert_eq!(reader.announcements().latest(None).await.unwrap().unwrap().announced, 6);
}

#[tokio::test]
async fn rights_that_are_taken_away_are_no_silence() {
    let (link, _, reader) = scene(5).await;
    assert_eq!(reader.announcements().get(6).await.unwrap(), None);
    link.closed.store(true, Ordering::SeqCst);
    for error in [
        reader.announcements().get(6).await.unwrap_err(),
        reader.announcements().latest(None).await.unwrap_err(),
        reader.announcements().latest(Some(5)).await.unwrap_err(),
        reader.manifests().head().await.unwrap_err(),
        reader.manifests().read_bytes(5).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("s3:GetObject"), "{error}");
    }
}

#[tokio::test]
async fn an_error_names_the_right_that_is_missing() {
    let (_, _, reader) = scene(2).await;
    let blob = Bytes::from_static(b"blob");
    let token = fresh_token();
    for (error, right) in [
        (reader.manifests().live().await.unwrap_err(), "s3:ListBucket"),
        (
            reader.blobs().put(BlobKind::Segment, BlobId::of(&blob), blob.clone()).await.map(drop).unwrap_err(),
            "s3:PutObject",
        ),
        (reader.manifests().commit_bytes(3, &token, token).await.map(drop).unwrap_err(), "s3:PutObject"),
        (reader.blobs().get(BlobKind::Segment, BlobId::of(&blob), 4).await.map(drop).unwrap_err(), "s3:ListBucket"),
        (reader.manifests().read_bytes(9).await.map(drop).unwrap_err(), "s3:ListBucket"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains(right), "{error}");
    }
}

#[tokio::test]
async fn a_log_of_which_nothing_can_be_read_is_denied_and_not_empty() {
    let (_, _, reader) = scene(0).await;
    assert_eq!(reader.announcements().latest(None).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(reader.announcements().get(1).await.unwrap_err().kind(), ErrorKind::Denied);
}
