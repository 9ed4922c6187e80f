//! What is left when a request is refused, when its reply is lost, and when it is never answered.

mod flaky;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flaky::{Fault, Flaky, Manner};
use kapok_blobstore::{
    AnnouncementDraft, BlobId, BlobKind, CommitOutcome, Error, ErrorKind, Store, StoreSettings, fresh_token,
};
use kapok_testing::Intercept;
use object_store::memory::InMemory;
use object_store::{ObjectStore, PutOptions};

async fn open(backend: Arc<dyn ObjectStore>) -> Result<Store, Error> {
    let settings = StoreSettings::default().with_timeout(Duration::from_millis(200));
    Store::options().writable().settings(settings).object_store(backend, "data").open("test://data").await
}

/// A cycle: opens, puts, commits the next version, announces it, as a producer would. Returns the version.
async fn cycle(backend: Arc<dyn ObjectStore>) -> Result<u64, Error> {
    let store = open(backend).await?;
    let rows = Bytes::from_static(b"some rows");
    store.blobs().put(BlobKind::Segment, BlobId::of(&rows), rows).await?;
    let token = fresh_token();
    let version = loop {
        let version = store.manifests().head().await?.unwrap_or(0) + 1;
        if store.manifests().commit_bytes(version, &token, token).await? == CommitOutcome::Committed {
            break version;
        }
    };
    store.announcements().append(|latest| AnnouncementDraft::announce(latest, version, "cycle", "")).await?;
    Ok(version)
}

#[tokio::test]
async fn whatever_write_misbehaves_the_next_cycle_runs() {
    for fault in [Fault::Refused, Fault::ReplyLost, Fault::TakenByItself, Fault::Silent] {
        let mut number = 1;
        loop {
            let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let flaky = Flaky::new(Manner::Write(number, fault));
            let first = cycle(flaky.over(Arc::clone(&backend))).await;
            if !flaky.struck() {
                assert!(number > 11, "the probe, the marker, a blob, a manifest and an entry were written");
                break;
            }
            let second = cycle(Arc::clone(&backend)).await.unwrap();
            let store = open(backend).await.unwrap();
            let log = store.announcements().list().await.unwrap();
            assert_eq!(log.last().unwrap().current(), second, "{fault:?} at {number}");
            if let Ok(first) = first {
                assert!(log.iter().any(|entry| entry.announced == first), "{fault:?} at {number}");
            }
            for file in store.files().list().await.unwrap() {
                store.files().check(&file).await.unwrap();
            }
            number += 1;
        }
    }
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_ours() {
    for fault in [Fault::ReplyLost, Fault::TakenByItself] {
        let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        open(Arc::clone(&backend)).await.unwrap();
        let token = fresh_token();
        let store = open(Flaky::new(Manner::Write(1, fault)).over(Arc::clone(&backend))).await.unwrap();
        assert_eq!(store.manifests().commit_bytes(1, &token, token).await.unwrap(), CommitOutcome::Committed);
        let store = open(Flaky::new(Manner::Write(1, fault)).over(Arc::clone(&backend))).await.unwrap();
        let entry = store
            .announcements()
            .append(|latest| AnnouncementDraft::announce(latest, 1, "x", ""))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(entry.sequence, 1);
        assert_eq!(store.announcements().list().await.unwrap(), [entry], "once, not twice");
    }
}

#[tokio::test]
async fn a_lost_reply_to_a_lost_race_is_a_lost_race() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let winner = fresh_token();
    open(Arc::clone(&backend)).await.unwrap().manifests().commit_bytes(1, &winner, winner).await.unwrap();
    let store = open(Flaky::new(Manner::Write(1, Fault::ReplyLost)).over(backend)).await.unwrap();
    let loser = fresh_token();
    assert_eq!(store.manifests().commit_bytes(1, &loser, loser).await.unwrap(), CommitOutcome::Lost);
    assert_eq!(store.manifests().read_bytes(1).await.unwrap(), winner.as_slice());
}

#[tokio::test]
async fn a_refused_create_is_unavailable_and_names_the_cause() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    open(Arc::clone(&backend)).await.unwrap();
    let store = open(Flaky::new(Manner::Write(1, Fault::Refused)).over(backend)).await.unwrap();
    let token = fresh_token();
    let error = store.manifests().commit_bytes(1, &token, token).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("refused") && error.to_string().contains("manifests/"), "{error}");
    assert_eq!(
        store.manifests().commit_bytes(1, &token, token).await.unwrap(),
        CommitOutcome::Committed,
        "and may be tried again"
    );
}

#[tokio::test]
async fn a_request_that_is_never_answered_ends() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    open(Arc::clone(&backend)).await.unwrap();
    let store = open(Flaky::new(Manner::Write(1, Fault::Silent)).over(backend)).await.unwrap();
    let rows = Bytes::from_static(b"rows");
    let error = store.blobs().put(BlobKind::Segment, BlobId::of(&rows), rows).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("waited_ms=200;"), "{error}");
}

#[tokio::test]
async fn a_backend_whose_creates_overwrite_is_refused() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let error = open(Flaky::new(Manner::NoConditions).over(Arc::clone(&backend))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("winners=8"), "{error}");
    open(backend).await.expect("nothing was left behind");
}

#[tokio::test]
async fn a_store_that_another_writer_made_meanwhile_is_used() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    assert_eq!(cycle(Arc::clone(&backend)).await.unwrap(), 1);
    let store = open(Flaky::new(Manner::LateRead).over(backend)).await.unwrap();
    assert_eq!(store.manifests().head().await.unwrap(), Some(1));
}

#[tokio::test]
async fn bytes_come_out_aligned_from_wherever_they_came_in() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    assert_eq!(cycle(Arc::clone(&backend)).await.unwrap(), 1);
    let store = open(Flaky::new(Manner::OddAddress).over(backend)).await.unwrap();
    let rows = store.blobs().get(BlobKind::Segment, BlobId::of(b"some rows"), 9).await.unwrap();
    for bytes in [rows, store.manifests().read_bytes(1).await.unwrap()] {
        assert_eq!(bytes.as_ptr().align_offset(8), 0);
    }
    assert_eq!(store.announcements().list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_head_is_found_without_listings() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = open(Arc::clone(&backend)).await.unwrap();
    let blind = open(Flaky::new(Manner::NoListing).over(backend)).await.unwrap();
    assert_eq!(blind.manifests().head().await.unwrap(), None);
    for version in 1..=13 {
        let token = fresh_token();
        store.manifests().commit_bytes(version, &token, token).await.unwrap();
        assert_eq!(blind.manifests().head().await.unwrap(), Some(version));
    }
}

#[tokio::test]
async fn a_blob_damaged_on_the_way_is_corrupt() {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = open(Arc::clone(&backend)).await.unwrap();
    let id = BlobId::of(b"some rows");
    let path = format!("data/segments/{id}").into();
    backend.put_opts(&path, Bytes::from_static(b"some rowz").into(), PutOptions::default()).await.unwrap();
    let error = store.blobs().get(BlobKind::Segment, id, 9).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&id.to_string()), "{error}");
}
