//! What it costs that a store has a long history.

use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{AnnouncementDraft, CommitOutcome, GcSettings, Store, fresh_token};
use kapok_producer::{MergeSchedule, Producer, ProducerSettings};
use kapok_samples::movies_capnp::movie;
use kapok_testing::{Counting, Intercept};
use object_store::memory::InMemory;

/// A store, and a count of what is asked of it.
struct Scene {
    memory: Arc<InMemory>,
    counting: Arc<Counting>,
}

impl Scene {
    fn new() -> Self {
        Self { memory: Arc::default(), counting: Arc::default() }
    }

    async fn store(&self) -> Store {
        let backend = self.counting.over(Arc::clone(&self.memory) as _);
        let opened = Store::options().writable().object_store(backend, "data").open("test://data");
        opened.await.unwrap()
    }

    async fn producer(&self) -> Producer {
        let mut settings = ProducerSettings::default();
        settings.merge_schedule = MergeSchedule::Manual;
        Producer::builder(self.store().await).settings(settings).open().await.unwrap()
    }

    /// Makes the history so many versions long, all with the content of the newest and each announced.
    async fn lengthen(&self, until: u64) {
        let store = self.store().await;
        let mut manifest = store.manifests().read(store.manifests().head().await.unwrap().unwrap()).await.unwrap();
        while manifest.version < until {
            manifest.parent = Some(manifest.version);
            (manifest.version, manifest.writer_token) = (manifest.version + 1, fresh_token());
            assert_eq!(store.manifests().commit(&manifest).await.unwrap(), CommitOutcome::Committed);
            let version = manifest.version;
            store
                .announcements()
                .append(|latest| AnnouncementDraft::announce(latest, version, "test", ""))
                .await
                .unwrap()
                .unwrap();
        }
    }
}

/// Publishes films of a year.
async fn publish(producer: &Producer, year: u16) {
    let cycle = producer.run_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in 0..10 {
            movies.add(|mut film| {
                film.set_id(id);
                film.set_year(year);
            })?;
        }
        Ok(())
    });
    cycle.await.unwrap();
}

/// The requests of a cycle of an open producer, and of a fresh process that opens one and runs a cycle, after so many
/// versions.
async fn cycles_after(versions: u64) -> (usize, usize) {
    let scene = Scene::new();
    let producer = scene.producer().await;
    publish(&producer, 1900).await;
    scene.lengthen(versions - 3).await;
    publish(&producer, 1901).await;
    scene.counting.take();
    publish(&producer, 1902).await;
    let open = scene.counting.take().len();
    publish(&scene.producer().await, 1903).await;
    let fresh = scene.counting.take().len();
    assert_eq!(scene.store().await.manifests().head().await.unwrap(), Some(versions));
    (open, fresh)
}

#[tokio::test]
async fn a_cycle_costs_the_same_after_ten_versions_and_after_a_thousand() {
    let (open_early, fresh_early) = cycles_after(10).await;
    let (open_late, fresh_late) = cycles_after(1_000).await;
    println!("open: {open_early} and {open_late} requests; fresh: {fresh_early} and {fresh_late}");
    assert!(open_early.abs_diff(open_late) <= 4, "{open_early} and {open_late}");
    assert!(fresh_late <= open_late + 20, "{open_late} and {fresh_late}");
    assert!(fresh_late <= fresh_early + 20, "{fresh_early} and {fresh_late}");
}

#[tokio::test]
async fn a_gc_that_finds_nothing_to_do_costs_the_same_after_a_thousand_retired_versions() {
    let scene = Scene::new();
    publish(&scene.producer().await, 1900).await;
    scene.lengthen(1_005).await;
    let now = GcSettings::default().with_keep(5).with_grace(Duration::ZERO).with_no_writers();
    let report = scene.store().await.gc(&now).await.unwrap();
    assert_eq!((report.retired.len(), report.kept.len()), (1_000, 5));
    scene.counting.take();
    let report = scene.store().await.gc(&now).await.unwrap();
    let requests = scene.counting.take().len();
    assert_eq!((report.retired, report.kept.len()), (vec![], 5));
    println!("gc: {requests} requests");
    assert!(requests <= 40, "{requests}");
    let store = scene.store().await;
    scene.counting.take();
    assert_eq!(store.manifests().live().await.unwrap().len(), 5);
    assert_eq!(scene.counting.take().len(), 1, "a listing");
}

#[tokio::test]
async fn a_follower_asks_for_two_entries_where_nothing_is_new() {
    let scene = Scene::new();
    publish(&scene.producer().await, 1900).await;
    scene.lengthen(300).await;
    let store = scene.store().await;
    let latest = store.announcements().latest(None).await.unwrap().unwrap();
    scene.counting.take();
    for hint in [None, Some(latest.sequence)] {
        assert_eq!(store.announcements().latest(hint).await.unwrap().unwrap(), latest);
        assert_eq!(scene.counting.take().len(), 2);
    }
}
