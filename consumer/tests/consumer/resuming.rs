//! A load that was cut off goes on where it was.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{BlobKind, Store};
use kapok_consumer::{Consumer, ErrorKind};

use crate::backend::TestBackend;
use crate::publisher::{Version, announce, stamp};

/// Within this time, all blobs arrive that are not held up.
const SHORT: Duration = Duration::from_secs(1);

/// Makes a consumer of version 1, and a version 2 whose segment of films arrives and that of ratings does not. The indexes are
/// those of version 1.
async fn cut_off(hook: impl FnOnce(Store) -> futures::future::BoxFuture<'static, ()>) -> (Consumer, Store, Version) {
    let backend = Arc::new(TestBackend::default());
    let store = backend.store().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let second = Version::stamped(2);
    second.publish(&store, 2).await;
    backend.before_get_of(&second.ratings[0].id().to_string(), hook(store.clone()));
    (consumer, store, second)
}

/// Blobs of a version of two segments, which have an index each.
const OWN_BLOBS: usize = 4;

/// As [`cut_off`], by a failure after a second.
async fn failed() -> (Consumer, Store, Version) {
    let (consumer, store, second) = cut_off(|store| {
        Box::pin(async move {
            tokio::time::sleep(SHORT).await;
            store.blobs().delete(BlobKind::Segment, Version::stamped(2).ratings[0].id()).await.unwrap();
        })
    })
    .await;
    assert_eq!(consumer.refresh().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(stamp(&consumer.view()), Some(1));
    (consumer, store, second)
}

#[tokio::test]
async fn a_load_that_failed_fetches_only_what_had_not_arrived() {
    let (consumer, store, second) = failed().await;
    second.put(&store).await;
    assert_eq!(consumer.refresh().await.unwrap().fetched_blobs, 1);
    assert_eq!(stamp(&consumer.view()), Some(2));
}

#[tokio::test]
async fn a_load_that_was_dropped_fetches_only_what_had_not_arrived() {
    let (consumer, ..) = cut_off(|_| Box::pin(pending())).await;
    tokio::time::timeout(SHORT, consumer.refresh()).await.unwrap_err();
    assert_eq!(stamp(&consumer.view()), Some(1));
    assert_eq!(consumer.refresh().await.unwrap().fetched_blobs, 1);
    assert_eq!(stamp(&consumer.view()), Some(2));
}

#[tokio::test]
async fn fetched_blobs_are_dropped_after_the_next_success() {
    let (consumer, store, second) = failed().await;
    Version::stamped(3).publish(&store, 3).await;
    assert_eq!(consumer.refresh().await.unwrap().fetched_blobs, OWN_BLOBS);
    second.put(&store).await;
    assert_eq!(consumer.refresh_to(2).await.unwrap().fetched_blobs, OWN_BLOBS);

    let (consumer, store, second) = failed().await;
    assert_eq!(consumer.refresh_to(1).await.unwrap().to, 1, "it was there all the time");
    second.put(&store).await;
    assert_eq!(consumer.refresh().await.unwrap().fetched_blobs, OWN_BLOBS);
}

#[tokio::test]
async fn blobs_that_another_version_does_not_name_are_dropped_before_it_is_fetched() {
    let (consumer, store, second) = failed().await;
    // The third fails too, and is not of the same blobs.
    let third = Version::stamped(3);
    third.commit(&store, 3).await;
    store.blobs().delete(BlobKind::Segment, third.ratings[0].id()).await.unwrap();
    announce(&store, 3).await;
    consumer.refresh().await.unwrap_err();
    second.put(&store).await;
    assert_eq!(consumer.refresh_to(2).await.unwrap().fetched_blobs, OWN_BLOBS);
}
