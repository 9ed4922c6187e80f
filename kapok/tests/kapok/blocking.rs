//! The blocking twin does what the async calls do, and refuses to be called by async code.

use std::sync::mpsc;
use std::time::Duration;

use kapok::blocking::{Consumer, Producer, Store, wait};
use kapok::read::ConsumerSettings;
use kapok::store::GcSettings;
use kapok::{Error, ErrorKind, FollowSettings, ProducerSettings};

use crate::movies::{Movie, all, upsert};

const SOON: Duration = Duration::from_secs(20);

fn folder() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("movies").to_str().unwrap().to_owned();
    (folder, url)
}

#[test]
fn a_program_of_threads_publishes_reads_and_collects() {
    let (_folder, url) = folder();
    let producer = Producer::open(&url).unwrap();
    let report = producer.run_cycle(all(&[Movie::new(1, "M"), Movie::new(2, "Metropolis")])).unwrap();
    assert_eq!(report.outcome.version(), 1);

    let consumer = Consumer::open(&url).unwrap();
    let old = consumer.view_arc();
    assert_eq!(consumer.fresh_view().unwrap().version(), 1);
    producer.run_incremental_cycle(upsert(&Movie::new(2, "Metropolis (restored)"))).unwrap();
    let refreshed = consumer.refresh().unwrap();
    assert_eq!((refreshed.from, refreshed.to), (1, 2));
    let view = consumer.view();
    let found = view.deserialize_by_key::<Movie>("Movie", &2_u32).unwrap();
    assert_eq!(found, Some(Movie::new(2, "Metropolis (restored)")));
    let changes = consumer.changes_between(&old, &consumer.view_arc()).unwrap();
    assert_eq!(changes.types[0].updated.len(), 1);

    producer.run_incremental_cycle_on(1, upsert(&Movie::new(3, "Laura"))).unwrap();
    assert_eq!(consumer.refresh().unwrap().to, 3);
    assert_eq!(consumer.view().table("Movie").unwrap().len(), 3);
    assert_eq!(consumer.refresh_to(1).unwrap().to, 1);
    assert_eq!(consumer.status().wanted, 1);
    assert_eq!(producer.restore().unwrap(), 3);
    assert!(producer.merge().unwrap().is_none());

    let store = producer.store();
    let mut settings = GcSettings::default();
    (settings.keep, settings.grace, settings.no_writers) = (1, Some(Duration::ZERO), true);
    store.gc(&settings).unwrap();
    assert_eq!(wait(store.as_async().manifests().live()).unwrap().unwrap(), [3]);
}

#[test]
fn a_follower_and_a_listener_run_on_the_shared_runtime() {
    let (_folder, url) = folder();
    let producer = Producer::open(&url).unwrap();
    let consumer = Consumer::open(&url).unwrap();
    let (told, swaps) = mpsc::channel();
    let listener = consumer.on_refresh(move |swap| {
        let changed = swap.changes().unwrap().types.len();
        told.send((swap.new.version(), changed)).unwrap();
    });
    let mut settings = FollowSettings::default();
    settings.poll = Some(Duration::from_millis(10));
    let follower = consumer.follow(settings);
    assert!(consumer.wait_for(1, Duration::from_millis(30)).unwrap().is_none(), "nothing is announced");
    producer.run_cycle(all(&[Movie::new(1, "M")])).unwrap();
    assert_eq!(consumer.wait_for(1, SOON).unwrap().unwrap().version(), 1);
    assert_eq!(swaps.recv_timeout(SOON).unwrap(), (1, 1));
    drop((follower, listener));
}

#[test]
fn stores_that_are_open_are_taken() {
    let store = Store::options().writable().open("memory://blocking-open").unwrap();
    let producer = Producer::builder(&store).settings(ProducerSettings::default()).open().unwrap();
    producer.run_cycle(all(&[Movie::new(1, "M")])).unwrap();
    let consumer = Consumer::builder(&store).settings(ConsumerSettings::default()).open().unwrap();
    assert_eq!(consumer.view().version(), 1);
    assert!(matches!(Store::open("memory://not-there"), Err(Error::Store(_))));
    let refused = producer.run_cycle(|_| Err("no data today".into()));
    assert!(matches!(refused, Err(Error::Publish(_))), "{refused:?}");
}

#[test]
fn async_code_gets_an_error_and_no_panic() {
    let (_folder, url) = folder();
    let producer = Producer::open(&url).unwrap();
    producer.run_cycle(all(&[Movie::new(1, "M")])).unwrap();
    let consumer = Consumer::open(&url).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for blocking_thread in [false, true] {
        let (producer, consumer, url) = (producer.clone(), consumer.clone(), url.clone());
        let calls = move || {
            let store = producer.store();
            let refused = [
                Producer::open(&url).map(drop),
                Consumer::open(&url).map(drop),
                Store::open(&url).map(drop),
                producer.run_cycle(all(&[])).map(drop),
                producer.run_incremental_cycle(upsert(&Movie::new(2, "Laura"))).map(drop),
                producer.merge().map(drop),
                consumer.refresh().map(drop),
                consumer.wait_for(1, SOON).map(drop),
                store.gc(&GcSettings::default()).map(drop),
                wait(async {}),
            ];
            for (call, result) in refused.into_iter().enumerate() {
                let Err(error) = result else { panic!("call {call} was made") };
                assert!(matches!(error, Error::InsideRuntime), "call {call}: {error}");
                assert_eq!(error.kind(), ErrorKind::Invalid);
                assert!(error.to_string().contains("await the async call"), "{error}");
            }
            assert_eq!(consumer.view().version(), 1, "a view is read anywhere");
        };
        runtime.block_on(async move {
            if blocking_thread {
                tokio::task::spawn_blocking(calls).await.unwrap();
            } else {
                tokio::spawn(async move { calls() }).await.unwrap();
            }
        });
    }
    assert_eq!(consumer.refresh().unwrap().to, 1, "outside it goes on");
    // The last of them, and with them the runtime, may go in async code.
    runtime.block_on(async move { drop((producer, consumer)) });
}
