//! The view is always the version that it should be, and only that.

use kapok_blobstore::AnnouncementDraft;
use kapok_consumer::{Consumer, ErrorKind};
use kapok_samples::movies_capnp::movie;

use crate::publisher::{Version, folder, memory, movies, ratings, stamp};

#[tokio::test]
async fn a_consumer_opens_at_the_announced_version() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    Version::stamped(2).publish(&store, 2).await;
    Version::stamped(3).commit(&store, 3).await;
    let consumer = Consumer::open(store.url()).await.unwrap();
    let view = consumer.view();
    assert_eq!((view.version(), stamp(&view)), (2, Some(2)));
    let movies = view.records::<movie::Owned>().unwrap();
    assert_eq!(movies.by_key(&7_u32).unwrap().unwrap().get_title().unwrap(), "Movie 7 of 2");
    let status = consumer.status();
    assert_eq!((status.current, status.wanted, status.announced, status.sequence), (2, 2, 2, 2));
    assert!(!status.is_behind() && status.last_error.is_none() && status.refreshed_at.is_some());
}

#[tokio::test]
async fn a_consumer_of_nothing_announced_has_the_empty_view() {
    let store = memory().await;
    Version::stamped(1).commit(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    assert_eq!((consumer.view().version(), consumer.view().tables().len()), (0, 0));
    assert!(consumer.status().last_refresh.is_none());
    crate::publisher::announce(&store, 1).await;
    let refreshed = consumer.refresh().await.unwrap();
    assert_eq!((refreshed.from, refreshed.to, refreshed.fetched_blobs), (0, 1, 4));
    assert_eq!(stamp(&consumer.view()), Some(1));
}

#[tokio::test]
async fn a_place_without_a_store_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let error = Consumer::open(folder.path().to_str().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn pins_and_rollbacks_are_followed_and_lifted() {
    let store = memory().await;
    for version in 1..=3 {
        Version::stamped(version).publish(&store, version).await;
    }
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let at = async || {
        consumer.refresh().await.unwrap();
        assert_eq!(stamp(&consumer.view()), Some(consumer.view().version()));
        consumer.view().version()
    };
    assert_eq!(at().await, 3);
    store.announcements().append(|latest| AnnouncementDraft::pin(latest, 1, "ops", "")).await.unwrap().unwrap();
    assert_eq!(at().await, 1);
    assert_eq!((consumer.status().pinned, consumer.status().announced), (Some(1), 3));
    assert_eq!(Consumer::builder(store.clone()).open().await.unwrap().view().version(), 1, "opened at the pin");
    Version::stamped(4).publish(&store, 4).await;
    assert_eq!(at().await, 1, "the pin holds");
    store.announcements().append(|latest| AnnouncementDraft::unpin(latest, "ops", "")).await.unwrap().unwrap();
    assert_eq!(at().await, 4);
    store.announcements().append(|latest| AnnouncementDraft::rollback(latest, 2, "ops", "")).await.unwrap().unwrap();
    assert_eq!(at().await, 2);
}

#[tokio::test]
async fn a_held_view_goes_on_reading_its_own_version() {
    let folder_path = tempfile::tempdir().unwrap();
    let store = folder(folder_path.path()).await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let (guard, kept) = (consumer.view(), consumer.view().into_arc());
    let titles = kept.field::<&str>("Movie.title").unwrap();
    Version::stamped(2).publish(&store, 2).await;
    consumer.refresh().await.unwrap();
    assert_eq!((stamp(&guard), stamp(&kept), stamp(&consumer.view())), (Some(1), Some(1), Some(2)));
    assert_eq!(titles.iter().next().unwrap().unwrap(), "Movie 0 of 1");
}

#[tokio::test]
async fn clones_see_the_same_swap() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let one = Consumer::builder(store.clone()).open().await.unwrap();
    let two = one.clone();
    Version::stamped(2).publish(&store, 2).await;
    one.refresh().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&one.view_arc(), &two.view_arc()));
    assert_eq!(two.status().current, 2);
}

#[tokio::test]
async fn a_refresh_with_nothing_new_swaps_nothing() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let before = consumer.view_arc();
    let refreshed = consumer.refresh().await.unwrap();
    assert_eq!((refreshed.from, refreshed.to, refreshed.fetched_blobs), (1, 1, 0));
    assert!(std::sync::Arc::ptr_eq(&before, &consumer.view_arc()));
    assert_eq!(consumer.status().last_refresh.unwrap().from, 0, "the last that swapped");
}

#[tokio::test]
async fn any_version_can_be_asked_for_until_the_next_refresh() {
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    Version::stamped(2).publish(&store, 2).await;
    Version::stamped(3).commit(&store, 3).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    for version in [3, 1, 0, 2, 1] {
        consumer.refresh_to(version).await.unwrap();
        assert_eq!(stamp(&consumer.view()), Some(version).filter(|version| *version != 0));
        assert_eq!(consumer.status().wanted, version);
    }
    assert_eq!(consumer.refresh_to(9).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(consumer.view().version(), 1);
    assert!(consumer.status().is_behind());
    assert_eq!(consumer.refresh().await.unwrap().to, 2);
}

#[tokio::test]
async fn blobs_that_two_versions_share_are_mapped_once() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    let shared = || ratings(0..10, 1);
    Version { movies: vec![movies(0..10, 1)], ratings: vec![shared()] }.publish(&store, 1).await;
    let second = Version { movies: vec![movies(0..10, 1).without(&[3, 4]), movies(3..4, 1)], ratings: vec![shared()] };
    second.publish(&store, 2).await;
    store.announcements().append(|latest| AnnouncementDraft::rollback(latest, 1, "test", "")).await.unwrap();
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let old = consumer.view_arc();
    let refreshed = consumer.refresh_to(2).await.unwrap();
    let new = consumer.view_arc();
    assert_eq!(refreshed.fetched_blobs, 3, "tombstones, a segment and its index");
    let address = |view: &kapok_consumer::View, table: &str| {
        view.table(table).unwrap().segments()[0].segment().bytes().as_ptr().addr()
    };
    assert_eq!(address(&old, "Rating"), address(&new, "Rating"));
    assert_eq!(address(&old, "Movie"), address(&new, "Movie"));
    assert_eq!((old.table("Movie").unwrap().len(), new.table("Movie").unwrap().len()), (10, 9));
    assert!(new.find("Movie", &4_u32).unwrap().is_none() && old.find("Movie", &4_u32).unwrap().is_some());
    let third = new.find("Movie", &3_u32).unwrap().unwrap();
    assert_eq!(new.table("Movie").unwrap().place(third).unwrap().0, 1);
    #[cfg(target_os = "linux")]
    assert_eq!(crate::swapping::maps_of(path.path()).len(), 7, "each blob of both versions once");
}
