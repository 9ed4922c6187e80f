//! A version that cannot be opened is fetched once, and tried again at growing intervals.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kapok_blobstore::{BlobKind, CommitOutcome, Store};
use kapok_consumer::{Consumer, ErrorKind};
use kapok_testing::{Damage, DamagedFile};

use crate::backend::TestBackend;
use crate::publisher::{Version, announce, folder, polling, stamp, with};
use crate::waiting::{PATIENCE, until};

/// Announces a version whose blobs are sound, but not what its manifest says.
async fn announce_unreadable(store: &Store, version: u64) {
    let stamped = Version::stamped(version);
    let mut manifest = stamped.manifest(version);
    manifest.record_types[0].segments[0].rows += 1;
    manifest.record_types[0].rows += 1;
    stamped.put(store).await;
    assert_eq!(store.manifests().commit(&manifest).await.unwrap(), CommitOutcome::Committed);
    announce(store, version).await;
}

async fn consumer_of_one() -> (Arc<TestBackend>, Store, Consumer) {
    let backend = Arc::new(TestBackend::default());
    let store = backend.store().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    (backend, store, consumer)
}

#[tokio::test]
async fn a_version_that_cannot_be_opened_is_fetched_once_however_often_it_is_tried() {
    let (backend, store, consumer) = consumer_of_one().await;
    announce_unreadable(&store, 2).await;
    backend.take_reads("");
    for _ in 0..5 {
        assert_eq!(consumer.refresh().await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    let segments = backend.take_reads("segments/");
    assert_eq!(segments.len(), 2, "one of films, one of ratings: {segments:?}");
    Version::stamped(3).publish(&store, 3).await;
    assert_eq!(consumer.refresh().await.unwrap().to, 3);
}

#[tokio::test]
async fn only_the_damaged_blobs_of_a_version_in_a_folder_are_mapped_again() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2);
    second.publish(&store, 2).await;
    let file = store.blobs().name(BlobKind::Segment, second.movies[0].id());
    let damaged = DamagedFile::new(&file, Damage::Header).unwrap();
    for _ in 0..2 {
        assert_eq!(consumer.refresh().await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    damaged.restore().unwrap();
    assert_eq!(consumer.refresh().await.unwrap().fetched_blobs, 1);
    assert_eq!(stamp(&consumer.view()), Some(2));
}

#[tokio::test]
async fn a_missing_blob_does_not_cut_off_fetches_that_have_begun() {
    let (backend, store, consumer) = consumer_of_one().await;
    let second = Version::stamped(2);
    second.commit(&store, 2).await;
    store.blobs().delete(BlobKind::Segment, second.ratings[0].id()).await.unwrap();
    announce(&store, 2).await;
    backend.slow_down(&second.movies[0].id().to_string(), Duration::from_millis(100));
    assert_eq!(consumer.refresh().await.unwrap_err().kind(), ErrorKind::NotFound);
    second.put(&store).await;
    assert_eq!(consumer.refresh().await.unwrap().fetched_blobs, 1, "the other one came beside it");
}

#[tokio::test]
async fn a_follower_tries_a_damaged_version_at_growing_intervals() {
    let (backend, store, consumer) = consumer_of_one().await;
    let often = with(polling(Duration::from_millis(10)), |settings| settings.backoff_max = Duration::from_millis(20));
    let _follower = consumer.follow(often);
    announce_unreadable(&store, 2).await;
    until(&consumer, |status| status.failures > 0).await;
    backend.take_reads("");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let failures = consumer.status().failures;
    assert!(failures <= 10, "10 ms, doubled each time: {failures} attempts in two seconds");
    assert_eq!(backend.take_reads("segments/").len(), 0);
    let status = consumer.status();
    assert_eq!(status.failing, Some(2));
    // Whatever is announced next is tried at once: two seconds before the next attempt, at the latest.
    let far_off = |at: SystemTime| at > SystemTime::now() + Duration::from_secs(2);
    until(&consumer, |status| status.retry_at.is_some_and(far_off)).await;
    Version::stamped(3).publish(&store, 3).await;
    let at_three = consumer.wait_until(|view| view.version() == 3);
    tokio::time::timeout(Duration::from_secs(2), at_three).await.expect("the log has a new entry");
    until(&consumer, |status| status.failures == 0).await;
    let status = consumer.status();
    assert_eq!((status.failing, status.retry_at), (None, None));
}

#[tokio::test]
async fn a_follower_gets_to_where_a_refresh_by_hand_did_not() {
    let (backend, store, consumer) = consumer_of_one().await;
    let settings = polling(Duration::from_secs(1));
    let _follower = consumer.follow(settings);
    let opened_at = consumer.status().looked_at;
    until(&consumer, |status| status.looked_at > opened_at).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = Version::stamped(2);
    second.commit(&store, 2).await;
    backend.before_get_of(&second.ratings[0].id().to_string(), std::future::pending());
    announce(&store, 2).await;
    // It reads the log to its end, and is dropped before it has all blobs.
    tokio::time::timeout(Duration::from_millis(100), consumer.refresh()).await.unwrap_err();
    let at_two = consumer.wait_until(|view| view.version() == 2);
    tokio::time::timeout(PATIENCE, at_two).await.expect("the follower goes on");
}

#[tokio::test]
async fn a_repair_is_found_although_it_makes_no_entry_in_the_log() {
    let (_, store, consumer) = consumer_of_one().await;
    let second = Version::stamped(2);
    second.commit(&store, 2).await;
    store.blobs().delete(BlobKind::Segment, second.ratings[0].id()).await.unwrap();
    announce(&store, 2).await;
    let settings = with(polling(Duration::from_millis(10)), |settings| {
        settings.backoff_max = Duration::from_millis(20);
        settings.damaged_wait_max = Duration::from_millis(50);
    });
    let follower = consumer.follow(settings);
    until(&consumer, |status| status.failures >= 5).await;
    second.put(&store).await;
    let at_two = consumer.wait_until(|view| view.version() == 2);
    tokio::time::timeout(PATIENCE, at_two).await.expect("it is tried again");
    Version::stamped(3).commit(&store, 3).await;
    store.blobs().delete(BlobKind::Segment, Version::stamped(3).ratings[0].id()).await.unwrap();
    announce(&store, 3).await;
    until(&consumer, |status| status.retry_at.is_some()).await;
    drop(follower);
    until(&consumer, |status| status.retry_at.is_none()).await;
    assert_eq!(consumer.status().failing, Some(3), "no follower tries again, and the failure is still in the status");
}
