//! A producer counts what it does.

use std::collections::BTreeMap;

use kapok_producer::{Producer, Validator, metrics as figures};
use kapok_samples::movies_capnp::movie;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::nearest::huts::{DIMENSION, Hut, Huts};

fn numbers(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let entries = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, description, value)| {
        assert!(description.is_some(), "{key:?} is described");
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        ([&[key.key().name().to_owned()], &labels[..]].concat().join(" "), value)
    });
    entries.collect()
}

async fn publish(producer: &Producer, ids: impl Iterator<Item = u32>) -> bool {
    let cycle = producer.run_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in ids {
            movies.add(|mut movie| movie.set_id(id))?;
        }
        Ok(())
    });
    cycle.await.is_ok()
}

#[tokio::test]
async fn cycles_failures_rows_and_merges_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _local = metrics::set_default_local_recorder(&recorder);
    figures::describe();
    let mut producer = Producer::open("memory://producer-metrics").await.unwrap();
    producer.settings_mut().merge_policy.segments_max = 1;
    assert!(publish(&producer, 0..10).await);
    assert!(publish(&producer, 0..10).await);
    assert!(publish(&producer, 2..12).await);
    producer.settings_mut().validators.push(Validator::minimum_count("Movie", 5));
    assert!(!publish(&producer, 0..1).await);

    let found = numbers(&snapshotter);
    let expected = [
        ("kapok_cycles_total outcome=published", 2.0),
        ("kapok_cycles_total outcome=unchanged", 1.0),
        ("kapok_cycle_failures_total kind=Invalid", 1.0),
        ("kapok_published_rows_live type=Movie", 10.0),
        ("kapok_published_rows_dead type=Movie", 0.0),
        ("kapok_merges_total", 1.0),
        ("kapok_version_published", 3.0),
        ("kapok_cycle_step_duration_seconds step=compare", 3.0),
    ];
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(&value), "{name} of {found:#?}");
    }
    assert!(found["kapok_bytes_written_total"] > 1000.0);
}

#[tokio::test]
async fn graphs_that_are_built_are_counted_and_timed() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _local = metrics::set_default_local_recorder(&recorder);
    figures::describe();
    let mut huts = Huts::open("memory://producer-graph-metrics").await;
    let hut = || Hut { vectors: [Some(vec![1.0; DIMENSION]), None, None] };
    huts.publish((0..40).map(|id| (id, hut())).collect()).await;
    huts.change((100..103).map(|id| (id, Some(hut()))).collect()).await;
    let found = numbers(&snapshotter);
    assert_eq!(found.get("kapok_graph_vectors_inserted_total type=Hut"), Some(&43.0), "{found:#?}");
    assert_eq!(found.get("kapok_graph_build_duration_seconds type=Hut"), Some(&2.0), "{found:#?}");
}
