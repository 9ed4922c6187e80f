//! What a consumer lacks is fetched side by side, wherever it is asked for.

use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{Store, StoreSettings};
use kapok_consumer::{ChangeSource, Consumer};
use kapok_producer::{MergeSchedule, Producer, ProducerSettings};
use kapok_samples::movies_capnp::movie;
use kapok_testing::{Intercept, Slow};
use object_store::memory::InMemory;

async fn change(producer: &Producer, ids: std::ops::Range<u32>, year: u16) {
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        ids.into_iter().try_for_each(|id| {
            films.upsert(|mut film| {
                film.set_id(id);
                film.set_year(year);
                film.set_title(format!("film {id}, shown in {year}"));
            })
        })?;
        Ok(())
    });
    cycle.await.unwrap();
}

#[tokio::test]
async fn sources_of_a_merge_and_segments_that_tell_changes_are_fetched_side_by_side() {
    let memory = Arc::new(InMemory::new());
    let slow = Arc::new(Slow::new("segments/", Duration::from_millis(20)));
    let behind = slow.over(memory.clone());
    let store_settings = StoreSettings::default;
    let writing = Store::options().writable().settings(store_settings()).object_store(memory, "").open("test://beside");
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = MergeSchedule::Manual;
    settings.merge_policy.segments_max = 1;
    let producer = Producer::builder(writing.await.unwrap()).settings(settings).open().await.unwrap();
    change(&producer, 0..1000, 1).await;
    let reading = Store::options().settings(store_settings()).object_store(behind, "").open("test://beside");
    let consumer = Consumer::builder(reading.await.unwrap()).open().await.unwrap();
    let old = consumer.view_arc();
    for year in 2..7 {
        change(&producer, u32::from(year) * 10..u32::from(year) * 10 + 5, year).await;
    }
    let merged = producer.merge().await.unwrap().unwrap();
    assert_eq!(merged.inputs, 6);

    slow.take_most_at_once();
    let refreshed = consumer.refresh().await.unwrap();
    assert_eq!((refreshed.to, refreshed.not_made), (merged.version, 0));
    assert!(refreshed.made_bytes >= merged.segment_bytes, "{refreshed:?}");
    assert_eq!(slow.take_most_at_once(), 5, "what it lacked to make the merged segment");

    let changes = consumer.changes_between(&old, &consumer.view_arc()).await.unwrap();
    let films = changes.of("Movie").unwrap();
    assert_eq!((films.updated.len(), films.source), (25, ChangeSource::Manifests));
    assert_eq!(slow.take_most_at_once(), 5, "what came and went in between");
}
