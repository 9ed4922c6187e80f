//! Listeners, and whoever asks, get the net changes between two views.

use std::sync::mpsc;
use std::time::Duration;

use kapok_blobstore::Store;
use kapok_consumer::{ChangeSource, Changes, Consumer, View};
use kapok_core::manifest;
use roaring::RoaringBitmap;

use crate::backend::TestBackend;
use crate::publisher::{Version, announce, memory, movies, ratings};

const PATIENCE: Duration = Duration::from_mins(1);

fn bitmap(rows: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    rows.iter().collect::<RoaringBitmap>().serialize_into(&mut out).unwrap();
    out
}

/// 1: films 0 to 9. 2: film 3 updated. 3: film 4 updated, film 5 deleted, film 20 added. The manifests list it.
async fn three_versions(store: Store) -> Store {
    let base = || movies(0..10, 1);
    let (second, third) = (|| movies([3].into_iter(), 2), movies([4, 20].into_iter(), 3));
    let (base_id, second_id, third_id) = (base().id(), second().id(), third.id());
    let steps = [
        (vec![base()], Some((base_id, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9])), vec![]),
        (vec![base().without(&[3]), second()], Some((second_id, vec![0])), vec![3]),
        (vec![base().without(&[3, 4, 5]), second(), third], Some((third_id, vec![0, 1])), vec![4, 5]),
    ];
    for (version, (movies, added, removed)) in (1..).zip(steps) {
        let version_of = Version { movies, ratings: vec![ratings(0..2, 1)] };
        let mut manifest = version_of.manifest(version);
        manifest.record_types[0].changes = Some(manifest::RowChanges {
            added: added.into_iter().map(|(id, rows)| (*id.as_bytes(), bitmap(&rows))).collect(),
            removed: if removed.is_empty() { Vec::new() } else { vec![(*base_id.as_bytes(), bitmap(&removed))] },
        });
        manifest.record_types[1].changes = Some(manifest::RowChanges::default());
        version_of.commit_as(&store, &manifest).await;
        announce(&store, version).await;
    }
    store
}

/// Ids of the films that were added, updated and removed.
fn films(old: &View, new: &View, changes: &Changes) -> [Vec<u32>; 3] {
    let changes = changes.of("Movie").unwrap();
    let id = |view: &View, at| view.field::<u32>("Movie.id").unwrap().get(at).unwrap();
    [
        changes.added.iter().map(|at| id(new, *at)).collect(),
        changes.updated.iter().map(|(_, at)| id(new, *at)).collect(),
        changes.removed.iter().map(|at| id(old, *at)).collect(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_asks_gets_the_changes_by_the_manifests_in_between() {
    let consumer = Consumer::builder(three_versions(memory().await).await).open().await.unwrap();
    consumer.refresh_to(1).await.unwrap();
    let (sender, changes) = mpsc::channel();
    let listener = consumer.on_refresh(move |swap| {
        let found = swap.changes().unwrap();
        assert!(std::ptr::eq(found, swap.changes().unwrap()), "found once");
        sender.send((films(&swap.old, &swap.new, found), found.of("Movie").unwrap().source)).unwrap();
    });
    consumer.refresh_to(3).await.unwrap();
    assert_eq!(changes.recv_timeout(PATIENCE).unwrap(), ([vec![20], vec![3, 4], vec![5]], ChangeSource::Manifests));
    drop(listener);
}

#[tokio::test]
async fn a_retired_version_in_between_makes_it_a_comparison_of_the_same_result() {
    let store = three_versions(memory().await).await;
    let consumer = Consumer::builder(store.clone()).open().await.unwrap();
    let third = consumer.view_arc();
    consumer.refresh_to(1).await.unwrap();
    let first = consumer.view_arc();
    let expected = [vec![20], vec![3, 4], vec![5]];
    for source in [ChangeSource::Manifests, ChangeSource::Segments] {
        let changes = consumer.changes_between(&first, &third).await.unwrap();
        assert_eq!(films(&first, &third, &changes), expected);
        assert_eq!(changes.of("Movie").unwrap().source, source);
        assert!(changes.of("Rating").unwrap().is_empty());
        let back = consumer.changes_between(&third, &first).await.unwrap();
        let [added, updated, removed] = expected.clone();
        assert_eq!(films(&third, &first, &back), [removed, updated, added]);
        assert_eq!(back.of("Movie").unwrap().source, source);
        store.manifests().retire(2).await.unwrap();
    }
}

#[tokio::test]
async fn everything_is_new_to_the_empty_view() {
    let consumer = Consumer::builder(three_versions(memory().await).await).open().await.unwrap();
    let third = consumer.view_arc();
    consumer.refresh_to(0).await.unwrap();
    let changes = consumer.changes_between(&consumer.view_arc(), &third).await.unwrap();
    assert_eq!(changes.of("Movie").unwrap().added.len(), 10);
    assert_eq!(changes.of("Rating").unwrap().added.len(), 2);
}

#[tokio::test]
async fn each_manifest_in_between_is_read_once_and_no_other() {
    let backend = TestBackend::default();
    let consumer = Consumer::builder(three_versions(backend.store().await).await).open().await.unwrap();
    let mut views = Vec::new();
    for version in 1..=3 {
        consumer.refresh_to(version).await.unwrap();
        views.push(consumer.view_arc());
    }
    for (old, new, between) in [(0, 2, 1), (2, 0, 1), (0, 1, 0), (2, 1, 0), (1, 1, 0)] {
        backend.take_reads("");
        consumer.changes_between(&views[old], &views[new]).await.unwrap();
        let reads = backend.take_reads("");
        assert_eq!(reads.len(), between, "{reads:?}");
        assert!(reads.iter().all(|file| file.ends_with("manifests/00000000000000000002")), "{reads:?}");
    }
}
