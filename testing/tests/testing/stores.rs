//! A faulty store is a store, and fixtures publish what they are given.

use kapok_blobstore::Store;
use kapok_consumer::Consumer;
use kapok_testing::{Fault, FaultyStore, publish_json, publish_records};
use serde::{Deserialize, Serialize};

async fn open(_name: &str) -> Store {
    FaultyStore::new().open().await.unwrap()
}

mod faulty_store {
    kapok_testing::conformance!(super::open);
}

#[derive(Serialize, Deserialize)]
struct Hut {
    id: u32,
    name: String,
}

#[tokio::test]
async fn fixtures_publish_all_records_of_a_type_and_leave_others() {
    let store = open("").await;
    let huts = [Hut { id: 1, name: "Top".to_owned() }, Hut { id: 2, name: "Valley".to_owned() }];
    publish_records(&store, "Hut", &["id"], &huts).await.unwrap();
    publish_json(&store, "Path", &["from", "to"], [r#"{"from": 1, "to": 2}"#]).await.unwrap();
    let consumer = Consumer::builder(store).open().await.unwrap();
    let view = consumer.view();
    let hut: Hut = view.deserialize_by_key("Hut", &2_u32).unwrap().unwrap();
    assert_eq!((hut.id, hut.name.as_str()), (2, "Valley"));
    assert_eq!(view.table("Path").unwrap().iter().count(), 1);
}

#[tokio::test]
async fn the_way_past_the_faults_sees_the_same_store() {
    let faulty = FaultyStore::new();
    let store = faulty.open().await.unwrap();
    faulty.faults().arm(1, Fault::CutOff);
    publish_json(&store, "Hut", &["id"], [r#"{"id": 1}"#]).await.unwrap_err();
    let sound = faulty.open_sound().await.unwrap();
    publish_json(&sound, "Hut", &["id"], [r#"{"id": 1}"#]).await.unwrap();
    assert_eq!(sound.manifests().head().await.unwrap(), Some(1));
    store.manifests().head().await.unwrap_err();
    faulty.faults().disarm();
    assert_eq!(store.manifests().head().await.unwrap(), Some(1));
}
