//! Consumers are never sent to a version that is gone.

use std::sync::Arc;

use kapok_blobstore::{Announcement, ErrorKind, Store};
use kapok_testing::Operation;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::dataset::{gc, load, once, open, publish};

async fn published() -> Arc<dyn ObjectStore> {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    publish(&open(&backend).await).await;
    backend
}

async fn latest(store: &Store) -> Announcement {
    store.announcements().latest(None).await.unwrap().unwrap()
}

#[tokio::test]
async fn consumers_are_steered_by_one_entry_each() {
    let store = open(&published().await).await;
    assert_eq!(store.announcements().announce(5, "ops", "again").await.unwrap(), None);
    assert_eq!(store.announcements().pin(2, "ops", "again").await.unwrap(), None);
    let made = store.announcements().announce(6, "ops", "new").await.unwrap().unwrap();
    assert_eq!((made.current(), made.announced, made.is_rolled_back()), (2, 6, false));
    let made = store.announcements().rollback(3, "ops", "bad data").await.unwrap().unwrap();
    assert_eq!((made.announced, made.highest, made.is_rolled_back()), (3, 6, true));
    assert_eq!((made.by.as_str(), made.reason.as_str()), ("ops", "bad data"));
    let made = store.announcements().unpin("ops", "").await.unwrap().unwrap();
    assert_eq!((made.current(), made.highest), (3, 6));
    assert_eq!(store.announcements().unpin("ops", "").await.unwrap(), None);
    let made = store.announcements().announce(4, "ops", "").await.unwrap().unwrap();
    assert!(made.is_rolled_back(), "6 was announced before");
    let made = store.announcements().rollback(6, "ops", "it was fine").await.unwrap().unwrap();
    assert_eq!((made.announced, made.is_rolled_back()), (6, false));
    assert_eq!(latest(&store).await, made);
}

#[tokio::test]
async fn a_version_that_is_not_there_or_retired_is_refused() {
    let store = open(&published().await).await;
    gc(&store).await;
    let before = latest(&store).await;
    for version in [0, 3, 7] {
        for refused in [
            store.announcements().announce(version, "ops", "").await,
            store.announcements().pin(version, "ops", "").await,
            store.announcements().rollback(version, "ops", "").await,
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
    }
    assert_eq!(latest(&store).await, before);
}

#[tokio::test]
async fn a_pin_of_a_version_that_a_gc_retires_meanwhile_is_undone() {
    let backend = published().await;
    let collector = open(&backend).await;
    let collect = async move { drop(gc(&collector).await) };
    let hooked = once(&backend, Operation::Create, "announcements", collect);
    let error = open(&hooked).await.announcements().pin(3, "ops", "hold").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("version=3 action=pin; the entry was undone"), "{error}");
    let store = open(&backend).await;
    let latest = latest(&store).await;
    assert_eq!((latest.announced, latest.pinned), (5, Some(2)), "as before");
    assert!(latest.reason.contains("version 3 was retired meanwhile"), "{latest:?}");
    load(&store, latest.current()).await.unwrap();
    gc(&store).await;
}

#[tokio::test]
async fn a_rollback_to_a_version_that_a_gc_retires_meanwhile_is_undone() {
    let backend = published().await;
    let collector = open(&backend).await;
    let collect = async move { drop(gc(&collector).await) };
    let hooked = once(&backend, Operation::Create, "announcements", collect);
    let error = open(&hooked).await.announcements().rollback(3, "ops", "bad data").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let store = open(&backend).await;
    let latest = latest(&store).await;
    assert_eq!((latest.announced, latest.pinned, latest.is_rolled_back()), (5, Some(2), false), "as before");
    load(&store, 5).await.unwrap();
}
