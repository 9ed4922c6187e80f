//! The stepping consumer goes everywhere, and leaves the store alone.

use kapok_blobstore::{ErrorKind, Store};
use kapok_testing::{FaultyStore, SteppingConsumer, publish_json};

async fn published(versions: u32) -> Store {
    let store = FaultyStore::new().open().await.unwrap();
    for version in 1..=versions {
        let lines = (1..=version).map(|id| format!(r#"{{"id": {id}, "beds": {version}}}"#));
        publish_json(&store, "Hut", &["id"], lines).await.unwrap();
    }
    store
}

#[tokio::test]
async fn it_goes_version_by_version_and_says_what_changed() {
    let store = published(4).await;
    store.announcements().pin(2, "ops", "hold").await.unwrap();
    let log = store.announcements().list().await.unwrap();
    let mut consumer = SteppingConsumer::open(&store).await.unwrap();
    assert_eq!(consumer.view().version(), 1);
    for version in 2..=4 {
        let step = consumer.step().await.unwrap().unwrap();
        assert_eq!((step.old.version(), step.new.version(), step.report.to), (version - 1, version, version));
        let changes = step.changes.of("Hut").unwrap();
        let updated = usize::try_from(version - 1).unwrap();
        assert_eq!((changes.added.len(), changes.updated.len(), changes.removed.len()), (1, updated, 0));
    }
    assert!(consumer.step().await.unwrap().is_none());
    let back = consumer.step_to(1).await.unwrap();
    assert_eq!(back.changes.of("Hut").unwrap().removed.len(), 3);
    assert_eq!(store.announcements().list().await.unwrap(), log, "the store is as it was");
}

#[tokio::test]
async fn it_sees_what_is_published_later_and_refuses_what_is_not_there() {
    let store = published(2).await;
    let mut consumer = SteppingConsumer::open(&store).await.unwrap();
    consumer.step_to(2).await.unwrap();
    let error = consumer.step_to(3).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(consumer.view().version(), 2);
    for beds in 3..7 {
        publish_json(&store, "Hut", &["id"], [format!(r#"{{"id": 1, "beds": {beds}}}"#)]).await.unwrap();
    }
    assert_eq!(consumer.step().await.unwrap().unwrap().new.version(), 3);
    assert_eq!(consumer.step_to(6).await.unwrap().new.version(), 6);
    assert_eq!(consumer.step_to(2).await.unwrap().new.version(), 2);
}

#[tokio::test]
async fn it_begins_on_nothing_in_an_empty_store() {
    let store = published(0).await;
    let mut consumer = SteppingConsumer::open(&store).await.unwrap();
    assert_eq!(consumer.view().version(), 0);
    assert!(consumer.step().await.unwrap().is_none());
    publish_json(&store, "Hut", &["id"], [r#"{"id": 1}"#]).await.unwrap();
    assert_eq!(consumer.step().await.unwrap().unwrap().changes.of("Hut").unwrap().added.len(), 1);
}
