//! A segment is on its way while its index is made.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kapok_blobstore::Store;
use kapok_producer::{Producer, ProducerSettings, SealSettings, Verification};
use kapok_samples::movies_capnp::movie;
use kapok_testing::{Hooks, Intercept, Operation, Slow};
use object_store::memory::InMemory;

/// Enough for an index that takes its time.
const ROWS: u32 = 200_000;

async fn segment_and_index_begin() -> Duration {
    let puts: Arc<Mutex<Vec<(String, Instant)>>> = Arc::default();
    let noted = Arc::clone(&puts);
    let hooks = Hooks::new(move |request| {
        if matches!(request.operation, Operation::Create | Operation::Put) {
            noted.lock().expect("sound").push((request.path.to_string(), Instant::now()));
        }
        None
    });
    let slow = Arc::new(Slow::new("segments/", Duration::from_millis(100)));
    let backend = Arc::new(hooks).over(slow.over(Arc::new(InMemory::new())));
    let store = Store::options().writable().object_store(backend, "").open("test://uploading");
    let mut settings = ProducerSettings::default();
    settings.verification = Verification::Open;
    settings.seal = SealSettings::default();
    let producer = Producer::builder(store.await.unwrap()).settings(settings).open().await.unwrap();
    let report = producer.run_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in 0..ROWS {
            movies.add(|mut film| {
                film.set_id(id.wrapping_mul(0x9e37_79b1));
                film.set_year(1990);
            })?;
        }
        Ok(())
    });
    let report = report.await.unwrap();
    let puts = puts.lock().expect("sound");
    let began = |folder: &str| puts.iter().find(|(name, _)| name.starts_with(folder)).unwrap().1;
    let (segment, index) = (began("segments/"), began("indexes/"));
    assert!(segment < index, "the segment waited for its index by {:?}", segment - index);
    println!("rows={ROWS} write={:?} segment_before_index={:?}", report.steps.write, index - segment);
    index - segment
}

/// A busy machine may start the upload late. A producer that made the index first would never be early.
async fn assert_early_once_in(attempts: u32) {
    for _ in 0..attempts {
        if segment_and_index_begin().await > Duration::from_millis(1) {
            return;
        }
    }
    panic!("in none of {attempts} cycles was the segment on its way while its index was made");
}

#[tokio::test]
async fn a_segment_is_uploaded_while_its_index_is_made_on_one_thread() {
    assert_early_once_in(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_is_uploaded_while_its_index_is_made_on_several_threads() {
    assert_early_once_in(10).await;
}
