//! A follower brings each new version soon, at little cost, until it is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kapok_blobstore::{AnnouncementDraft, BlobKind};
use kapok_consumer::{Consumer, ErrorKind, FollowSettings, View, Watch};

use crate::backend::TestBackend;
use crate::publisher::{Version, announce, folder, memory, polling, stamp, with};
use crate::waiting::{PATIENCE, until};

fn often() -> FollowSettings {
    polling(Duration::from_millis(5))
}

/// Waits for a version, whose records must be its own.
async fn at(consumer: &Consumer, version: u64) -> Arc<View> {
    let reached = consumer.wait_until(|view| view.version() == version);
    let view = tokio::time::timeout(PATIENCE, reached).await.expect("the version is reached");
    assert_eq!(stamp(&view), Some(version));
    view
}

#[tokio::test]
async fn an_empty_store_fills_by_polling() {
    let store = memory().await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let _follower = consumer.follow(often());
    assert_eq!(consumer.view().version(), 0);
    Version::stamped(1).publish(&store, 1).await;
    at(&consumer, 1).await;
    Version::stamped(2).publish(&store, 2).await;
    at(&consumer, 2).await;
    store.announcements().append(|latest| AnnouncementDraft::rollback(latest, 1, "ops", "")).await.unwrap().unwrap();
    at(&consumer, 1).await;
}

#[tokio::test]
async fn a_folder_is_watched_so_that_nobody_waits_for_the_poll() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let settings = with(FollowSettings::default(), |settings| settings.poll = Some(Duration::from_hours(1)));
    let _follower = consumer.follow(settings);
    // The watch begins with the task; from then on every announcement is seen.
    until(&consumer, |status| status.looked_at.is_some()).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    for version in 1..=3 {
        Version::stamped(version).publish(&store, version).await;
        at(&consumer, version).await;
    }
}

#[cfg(feature = "watch")]
#[tokio::test]
async fn the_watch_of_a_folder_is_a_stream_of_hints() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let settings = with(polling(Duration::from_hours(1)), |settings| settings.watch = Watch::Nothing);
    let watcher = store.announcements().watch().unwrap().expect("a folder");
    let _follower = consumer.follow_hints(settings, watcher.into_hints());
    for version in 1..=3 {
        Version::stamped(version).publish(&store, version).await;
        at(&consumer, version).await;
    }
}

#[tokio::test]
async fn a_hint_is_enough_and_any_number_of_them_are_few_polls() {
    let backend = Arc::new(TestBackend::default());
    let store = backend.store().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let (send, hints) = futures::channel::mpsc::unbounded();
    let settings = polling(Duration::from_hours(1));
    let _follower = consumer.follow_hints(settings, hints);
    at(&consumer, 1).await;
    for version in 2..=4 {
        Version::stamped(version).publish(&store, version).await;
        send.unbounded_send(()).unwrap();
        at(&consumer, version).await;
    }
    let (begun, before) = (Instant::now(), backend.gets());
    // Forged ones, for a second and more.
    while begun.elapsed() < Duration::from_millis(1100) {
        for _ in 0..100 {
            send.unbounded_send(()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let polls_max = usize::try_from(begun.elapsed().as_millis() / 100 + 2).unwrap();
    let gets = backend.gets() - before;
    assert!(gets > 0 && gets <= polls_max, "{gets} gets, {polls_max} polls at most");
    assert_eq!(consumer.view().version(), 4);
}

#[tokio::test]
async fn a_stream_of_hints_that_ends_leaves_the_polls() {
    let store = memory().await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let _follower = consumer.follow_hints(often(), futures::stream::iter([(), ()]));
    Version::stamped(1).publish(&store, 1).await;
    at(&consumer, 1).await;
}

#[tokio::test]
async fn a_follower_that_is_dropped_follows_no_more() {
    let store = memory().await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let follower = consumer.follow(often());
    Version::stamped(1).publish(&store, 1).await;
    at(&consumer, 1).await;
    drop(follower);
    tokio::time::sleep(Duration::from_millis(50)).await;
    Version::stamped(2).publish(&store, 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(consumer.view().version(), 1);
}

#[tokio::test]
async fn an_idle_poll_is_one_get() {
    let backend = Arc::new(TestBackend::default());
    let store = backend.store().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let settings = with(often(), |settings| settings.poll = Some(Duration::from_millis(100)));
    let _follower = consumer.follow(settings);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (begun, before) = (Instant::now(), backend.gets());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let looked_at = consumer.status().looked_at;
    until(&consumer, |status| status.looked_at > looked_at).await;
    let asked = backend.gets() - before;
    // Two polls are 90 ms apart at least.
    let polls = begun.elapsed().as_millis() / 90 + 1;
    assert!(asked >= 1 && asked as u128 <= polls, "{asked} requests in {polls} polls at most");
}

#[tokio::test]
async fn a_version_that_cannot_be_loaded_is_reported_tried_again_and_overtaken() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2);
    second.commit(&store, 2).await;
    let id = second.movies[0].id();
    let bytes = store.blobs().size(BlobKind::Segment, id).await.unwrap().unwrap();
    let rows = store.blobs().get(BlobKind::Segment, id, bytes).await.unwrap();
    store.blobs().delete(BlobKind::Segment, id).await.unwrap();
    announce(&store, 2).await;

    let impatient = consumer.follow(with(often(), |settings| settings.backoff_max = Duration::from_millis(20)));
    until(&consumer, |status| status.failures >= 3).await;
    let status = consumer.status();
    assert_eq!((status.current, status.wanted), (1, 2));
    assert_eq!(status.last_error.unwrap().kind(), ErrorKind::NotFound);
    store.blobs().put(BlobKind::Segment, id, rows).await.unwrap();
    at(&consumer, 2).await;
    assert!(consumer.status().last_error.is_none());
    drop(impatient);

    let third = Version::stamped(3);
    third.commit(&store, 3).await;
    store.blobs().delete(BlobKind::Segment, third.movies[0].id()).await.unwrap();
    announce(&store, 3).await;
    let hour = Duration::from_hours(1);
    let watcher = with(often(), |settings| settings.backoff_max = hour);
    let _patient = consumer.follow(watcher);
    until(&consumer, |status| status.failures >= 8).await;
    Version::stamped(4).publish(&store, 4).await;
    at(&consumer, 4).await;
}

#[tokio::test]
async fn a_damaged_entry_of_the_log_is_reported_and_passed_by() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let entry = path.path().join("announcements").join(format!("{:020}", 2));
    std::fs::write(&entry, "not an announcement").unwrap();
    let _follower = consumer.follow(with(often(), |settings| settings.backoff_max = Duration::from_millis(20)));
    until(&consumer, |status| status.failures >= 2).await;
    assert_eq!(consumer.status().last_error.unwrap().kind(), ErrorKind::Corrupt);
    assert_eq!(consumer.view().version(), 1);
    let other = tempfile::tempdir().unwrap();
    let healthy = folder(other.path()).await;
    for version in 1..=3 {
        Version::stamped(version).publish(&healthy, version).await;
    }
    Version::stamped(3).commit(&store, 3).await;
    let third = format!("announcements/{:020}", 3);
    std::fs::copy(other.path().join(&third), path.path().join(&third)).unwrap();
    at(&consumer, 3).await;
    assert!(consumer.status().last_error.is_none());
}

#[tokio::test]
async fn a_store_that_vanishes_is_noticed_although_it_has_no_news() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(&path.path().join("store")).await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store).open().await.unwrap();
    let _follower = consumer.follow(with(often(), |settings| settings.poll = Some(Duration::from_millis(1))));
    // The first look of a follower is a whole one; it must be over before the store goes.
    let opened_at = consumer.status().looked_at;
    until(&consumer, |status| status.looked_at > opened_at).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    std::fs::rename(path.path().join("store"), path.path().join("away")).unwrap();
    until(&consumer, |status| status.failures > 0).await;
    assert_eq!(consumer.status().last_error.unwrap().kind(), ErrorKind::Unavailable);
    assert_eq!(stamp(&consumer.view()), Some(1));
    std::fs::rename(path.path().join("away"), path.path().join("store")).unwrap();
    until(&consumer, |status| status.failures == 0).await;
}
