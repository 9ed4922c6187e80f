//! The metrics that an operator watches are recorded.

use std::collections::BTreeMap;

use kapok_blobstore::BlobKind;
use kapok_consumer::{Consumer, describe_metrics};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::publisher::{Version, announce, folder, memory, movies, ratings};

/// Returns every metric with its labels; for a histogram, the number of its values.
fn numbers(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let entries = snapshotter.snapshot().into_vec().into_iter().map(|(key, unit, description, value)| {
        assert!(unit.is_some() && description.is_some(), "{key:?} is described");
        let key = key.key();
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        ([&[key.name().to_owned()], &labels[..]].concat().join(" "), value)
    });
    entries.collect()
}

#[tokio::test]
async fn refreshes_and_failures_are_counted_and_the_view_is_measured() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _local = metrics::set_default_local_recorder(&recorder);
    describe_metrics();
    let store = memory().await;
    let first = Version { movies: vec![movies(0..10, 1).without(&[3, 4])], ratings: vec![ratings(0..10, 1)] };
    first.publish(&store, 1).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let loaded = consumer.status().last_refresh.unwrap();
    let found = numbers(&snapshotter);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let bytes = loaded.fetched_bytes as f64;
    for (name, expected) in [
        ("kapok_refresh_duration_seconds", 1.0),
        ("kapok_refresh_fetched_bytes_total", bytes),
        ("kapok_refresh_fetched_blobs_total", 5.0),
        ("kapok_mapped_bytes", 0.0),
        ("kapok_heap_bytes", bytes),
        ("kapok_rows_live type=Movie", 8.0),
        ("kapok_rows_dead type=Movie", 2.0),
        ("kapok_rows_live type=Rating", 10.0),
        ("kapok_rows_dead type=Rating", 0.0),
        ("kapok_version_current", 1.0),
        ("kapok_version_announced", 1.0),
        ("kapok_lag_versions", 0.0),
    ] {
        assert_eq!(found.get(name), Some(&expected), "{name}");
    }
    assert!(found["kapok_version_age_seconds"] > 1e9, "it was made in 1970");

    let third = Version::stamped(3);
    third.commit(&store, 3).await;
    store.blobs().delete(BlobKind::Segment, third.movies[0].id()).await.unwrap();
    announce(&store, 3).await;
    consumer.refresh().await.unwrap_err();
    consumer.refresh().await.unwrap_err();
    let found = numbers(&snapshotter);
    for (name, expected) in [
        ("kapok_refresh_failures_total", 2.0),
        ("kapok_version_current", 1.0),
        ("kapok_version_announced", 3.0),
        ("kapok_lag_versions", 2.0),
    ] {
        assert_eq!(found.get(name), Some(&expected), "{name}");
    }
}

#[tokio::test]
async fn a_record_type_that_is_gone_has_no_rows() {
    let recorder = DebuggingRecorder::new();
    let _local = metrics::set_default_local_recorder(&recorder);
    describe_metrics();
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store).open().await.unwrap();
    consumer.refresh_to(0).await.unwrap();
    // A snapshot sets gauges to 0, so there is but one.
    let found = numbers(&recorder.snapshotter());
    assert_eq!((found["kapok_rows_live type=Movie"], found["kapok_mapped_bytes"]), (0.0, 0.0));
    assert_eq!(found.get("kapok_refresh_duration_seconds"), Some(&2.0), "both swaps");
}

#[tokio::test]
async fn what_readers_do_is_counted_by_the_next_refresh() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _local = metrics::set_default_local_recorder(&recorder);
    describe_metrics();
    let store = memory().await;
    Version::stamped(1).publish(&store, 1).await;
    let consumer = Consumer::builder(store).open().await.unwrap();
    let before = numbers(&snapshotter)["kapok_queries_total"];
    let view = consumer.view_arc();
    let query = std::thread::spawn(move || view.query("Movie", "year > 0").unwrap().count().unwrap());
    assert_eq!(query.join().unwrap(), 10);
    consumer.refresh().await.unwrap();
    let after = numbers(&snapshotter);
    assert!(after["kapok_queries_total"] > before);
    for strategy in ["exact", "codes", "walk", "two_hops"] {
        for name in ["kapok_vector_segment_searches_total", "kapok_vector_distances_total"] {
            assert!(after.contains_key(&format!("{name} strategy={strategy}")), "{after:#?}");
        }
    }
    assert!(after.contains_key("kapok_vector_searches_total"));
}

#[tokio::test]
async fn maps_and_the_heap_are_told_apart_for_each_record_type() {
    let path = tempfile::tempdir().unwrap();
    for (store, is_folder) in [(memory().await, false), (folder(path.path()).await, true)] {
        let version = Version { movies: vec![movies(0..1000, 1)], ratings: vec![ratings(0..10, 1)] };
        version.publish(&store, 1).await;
        let consumer = Consumer::builder(store).open().await.unwrap();
        let report = consumer.memory().await.unwrap();
        let (total, bytes) = (report.total, consumer.status().last_refresh.unwrap().fetched_bytes);
        assert_eq!(report.version, 1);
        assert_eq!((total.mapped_bytes, total.heap_bytes), if is_folder { (bytes, 0) } else { (0, bytes) });
        let (films, votes) = (report.types["Movie"], report.types["Rating"]);
        assert_eq!(films.mapped_bytes + films.heap_bytes + votes.mapped_bytes + votes.heap_bytes, bytes);
        assert!(films.mapped_bytes + films.heap_bytes > votes.mapped_bytes + votes.heap_bytes);
        if cfg!(target_os = "linux") {
            let resident = total.resident_bytes.unwrap();
            assert!(resident <= total.mapped_bytes && (resident > 0) == is_folder, "{total:?}");
            assert_eq!(total.cached_bytes, Some(total.mapped_bytes), "it was written a moment ago: {total:?}");
        }
    }
}
