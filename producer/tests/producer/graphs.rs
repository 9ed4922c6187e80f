//! Graphs of vectors are built while segments are stored, and tell how far they are.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use kapok_producer::{CycleReport, ErrorKind, GraphListener, MergeSchedule, Outcome, Producer, Result, Store};
use kapok_testing::object_store::memory::InMemory;
use kapok_testing::{Hooks, Intercept, refused};
use tokio::sync::oneshot;

use crate::nearest::huts::{FIELDS, Hut, Numbers, declaration};

const PATIENCE: Duration = Duration::from_mins(1);

async fn publish(producer: &Producer, huts: &BTreeMap<i32, Hut>) -> Result<CycleReport> {
    let names = FIELDS.map(|field| field.name);
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(&declaration(names))?;
        let mut writer = cycle.values("Hut")?;
        Ok(huts.iter().try_for_each(|(id, hut)| writer.add_json(hut.json(*id, names).as_bytes()))?)
    });
    cycle.await
}

fn huts(ids: std::ops::Range<i32>) -> BTreeMap<i32, Hut> {
    let mut r = Numbers::new(17);
    ids.map(|id| (id, Hut::random(&mut r))).collect()
}

/// The ids of all blobs of the newest version.
async fn blobs(store: &Store) -> Vec<kapok_core::manifest::Id> {
    let head = store.manifests().head().await.unwrap().unwrap();
    store.manifests().read(head).await.unwrap().blobs().map(|blob| blob.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_is_built_while_its_segment_is_put() {
    // The put waits for the graph to begin, and the graph for the put.
    let (graph_begins, mut graph_began) = {
        let (sender, receiver) = oneshot::channel();
        (Mutex::new(Some(sender)), Some(receiver))
    };
    let (put_begins, put_began) = mpsc::channel();
    let hooks = Hooks::new(move |request| {
        if request.payload.is_none() || !request.names("segments") {
            return None;
        }
        let (graph_began, put_begins) = (graph_began.take()?, put_begins.clone());
        let waiting = async move {
            put_begins.send(()).unwrap();
            tokio::time::timeout(PATIENCE, graph_began).await.expect("a graph while the segment is put").unwrap();
            Ok(())
        };
        Some(waiting.boxed())
    });
    let backend = Arc::new(hooks).over(Arc::new(InMemory::new()));
    let store = Store::options().writable().object_store(backend, "data").open("test://data").await.unwrap();
    let mut producer = Producer::builder(store.clone()).open().await.unwrap();
    let put_began = Mutex::new(put_began);
    producer.settings_mut().graph_listener = Some(GraphListener::new(move |_| {
        if let Some(graph_begins) = graph_begins.lock().unwrap().take() {
            put_began.lock().unwrap().recv_timeout(PATIENCE).expect("a put while the graph is built");
            graph_begins.send(()).unwrap();
        }
    }));
    let huts = huts(0..500);
    publish(&producer, &huts).await.unwrap();

    let plain = Producer::open("memory://graphs-plain").await.unwrap();
    publish(&plain, &huts).await.unwrap();
    assert_eq!(blobs(&store).await, blobs(plain.store()).await);
}

#[tokio::test]
async fn nothing_is_committed_unless_segment_and_graph_are_stored() {
    for folder in ["segments", "indexes"] {
        let hooks = Hooks::new(move |request| (request.payload.is_some() && request.names(folder)).then(refused));
        let backend = Arc::new(hooks).over(Arc::new(InMemory::new()));
        let store = Store::options().writable().object_store(backend, "data").open("test://data").await.unwrap();
        let producer = Producer::builder(store.clone()).open().await.unwrap();
        let error = publish(&producer, &huts(0..300)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(store.manifests().head().await.unwrap(), None, "{folder}");
    }
}

#[tokio::test]
async fn graphs_tell_how_far_they_are_and_the_report_what_was_built() {
    let mut producer = Producer::open("memory://graphs-told").await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    producer.settings_mut().graph_listener = Some(GraphListener::new(move |step| {
        let graph = step.graph;
        telling.lock().unwrap().push((
            format!("{}.{}", step.record_type, graph.index),
            graph.linked,
            graph.planted,
            graph.vectors,
        ));
    }));
    producer.settings_mut().merge_schedule = MergeSchedule::Manual;
    (producer.settings_mut().merge_policy.segments_max, producer.settings_mut().merge_policy.vector_segments_max) =
        (1, 1);
    let all = huts(0..3000);
    let held = |place: usize| all.values().filter(|hut| hut.vectors[place].is_some()).count();
    let report = publish(&producer, &all).await.unwrap();
    assert_eq!((report.graphs.graphs, report.graphs.planted), (3, 0));
    assert_eq!(report.graphs.inserted, (held(0) + held(1) + held(2)) as u64);
    assert!(report.graphs.duration > Duration::ZERO && report.graphs.duration < report.steps.write);
    for (place, field) in FIELDS.iter().enumerate() {
        let told = told.lock().unwrap();
        let steps: Vec<_> = told.iter().filter(|step| step.0 == format!("Hut.hnsw({})", field.name)).collect();
        let total = held(place);
        assert_eq!((steps[0].1, steps.last().unwrap().1), (0, total), "{steps:?}");
        assert!(steps.iter().all(|step| step.2 == 0 && step.3 == total), "{steps:?}");
        assert!(steps.is_sorted_by_key(|step| step.1), "{steps:?}");
        // Batches are many; a few of them are told a second, the last one and the end.
        let seconds = usize::try_from(report.graphs.duration.as_secs()).unwrap() + 1;
        assert!(steps.len() <= 4 * seconds + 3, "{steps:?}");
    }
    let unchanged = publish(&producer, &all).await.unwrap();
    assert!(matches!(unchanged.outcome, Outcome::Unchanged { .. }) && unchanged.graphs.graphs == 0);

    // A merge plants the rows of the larger graph and inserts the rest.
    let mut more = all.clone();
    more.extend(huts(5000..5040));
    let report = publish(&producer, &more).await.unwrap();
    let inserted = report.graphs.inserted;
    let merged = producer.merge().await.unwrap().unwrap();
    assert_eq!((merged.graphs.graphs, merged.graphs.inserted), (3, inserted));
    assert_eq!(merged.graphs.planted, (held(0) + held(1) + held(2)) as u64);
}
