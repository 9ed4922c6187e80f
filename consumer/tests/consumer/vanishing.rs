//! A store that is gone is told from one without news.

use std::time::Duration;

use kapok_consumer::{Consumer, ConsumerSettings, FollowSettings};

use crate::publisher::{Version, folder, polling, with};
use crate::waiting::{PATIENCE, until};

/// Waits until a poll of the follower is over that began after this was called.
async fn polled(consumer: &Consumer) {
    let before = consumer.status().looked_at;
    while consumer.status().looked_at == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[tokio::test]
async fn a_store_that_is_gone_is_not_taken_for_a_silent_log() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(&path.path().join("store")).await;
    Version::stamped(1).publish(&store, 1).await;
    let mut settings = ConsumerSettings::default();
    settings.max_staleness = Some(Duration::from_secs(1));
    let consumer = Consumer::builder(store).settings(settings).open().await.unwrap();
    let _follower = consumer.follow(polling(Duration::from_millis(250)));
    polled(&consumer).await;
    std::fs::rename(path.path().join("store"), path.path().join("away")).unwrap();
    let refused = async {
        while consumer.fresh_view().is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Sooner than the sixty polls after which the store itself is looked for.
    tokio::time::timeout(Duration::from_secs(12), refused).await.expect("there is no log that could answer");
    // The next poll fails.
    until(&consumer, |status| status.failures > 0).await;
    std::fs::rename(path.path().join("away"), path.path().join("store")).unwrap();
    let back = async {
        while consumer.fresh_view().is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("it is back");
}

#[tokio::test]
async fn a_store_without_an_announcement_that_is_gone_is_an_error() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(&path.path().join("store")).await;
    let consumer = Consumer::builder(store).open().await.unwrap();
    std::fs::remove_dir_all(path.path().join("store")).unwrap();
    consumer.refresh().await.unwrap_err();
    assert_eq!(consumer.status().failures, 1);
}

#[tokio::test]
async fn the_watch_of_a_folder_notices_that_it_is_gone_and_begins_anew_when_it_is_back() {
    let path = tempfile::tempdir().unwrap();
    let (place, away) = (path.path().join("store"), path.path().join("away"));
    let store = folder(&place).await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    // Two polls are nine seconds apart at least.
    let settings = with(FollowSettings::default(), |settings| settings.poll = Some(Duration::from_secs(10)));
    let _follower = consumer.follow(settings);
    polled(&consumer).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    // A copy comes in its place, so that the folder that was watched is no more.
    std::fs::create_dir(&away).unwrap();
    for folder in ["segments", "indexes", "tombstones", "manifests", "announcements"] {
        if !place.join(folder).is_dir() {
            continue;
        }
        std::fs::create_dir(away.join(folder)).unwrap();
        for file in std::fs::read_dir(place.join(folder)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), away.join(folder).join(file.file_name())).unwrap();
        }
    }
    std::fs::copy(place.join("dataset"), away.join("dataset")).unwrap();
    std::fs::remove_dir_all(&place).unwrap();
    let reported = async {
        while consumer.status().failures == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(8), reported).await.expect("before the next poll");
    std::fs::rename(&away, &place).unwrap();
    until(&consumer, |status| status.failures == 0).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    Version::stamped(2).publish(&store, 2).await;
    let at_two = consumer.wait_until(|view| view.version() == 2);
    tokio::time::timeout(Duration::from_secs(8), at_two).await.expect("the new folder is watched");
}
