//! Real cycles keep the bounds of merging; what that costs those who follow.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kapok_blobstore::{CacheSettings, Store};
use kapok_consumer::{Consumer, ConsumerSettings, MergedSegments, View};
use kapok_core::manifest::BlobRole;
use kapok_core::manifest::{Manifest, decode_rows, encode_rows};
use kapok_producer::{CycleReport, Producer, ProducerSettings};
use kapok_samples::movies_capnp::movie;
use kapok_tests::model::Random;
use object_store::memory::InMemory;

const FILMS: u32 = 2000;
const CYCLES: u32 = 150;
/// 1 %.
const CHANGED: u32 = 20;

fn fill(id: u32, year: u16, mut film: movie::Builder<'_>) {
    film.set_id(id);
    film.set_year(year);
    film.set_title(format!("film {id}, shown in {year}, {}", "and remembered ".repeat(id as usize % 7)));
    film.init_genres(1).set(0, if id.is_multiple_of(3) { "drama" } else { "comedy" });
}

/// Bytes of the indexes and tombstones that one version has and the other lacks, without the indexes of merged segments,
/// which are made.
async fn other_bytes(store: &Store, before: &Manifest, after: &Manifest) -> u64 {
    let known: HashSet<_> = before.blobs().map(|blob| blob.id).collect();
    let mut bytes = 0;
    for segment in after.record_types.iter().flat_map(|ty| &ty.segments) {
        if segment.merged_from.is_empty() && !known.contains(&segment.id) {
            bytes += segment.artifacts.iter().map(|index| index.size).sum::<u64>();
        }
    }
    let tombstones = after.blobs().filter(|blob| blob.role == BlobRole::Tombstones && !known.contains(&blob.id));
    bytes + store.blobs().fetch(tombstones).await.unwrap().iter().map(|(_, blob)| blob.bytes.len() as u64).sum::<u64>()
}

fn years(view: &View) -> BTreeMap<u32, u16> {
    view.verify_keys().unwrap();
    let records = view.records::<movie::Owned>().unwrap();
    let found: BTreeMap<u32, u16> = records.iter().map(|film| (film.get_id(), film.get_year())).collect();
    assert_eq!(found.len() as u64, view.table("Movie").unwrap().len());
    found
}

#[tokio::test]
async fn cycles_of_small_changes_keep_the_bounds_and_cost_a_follower_the_changes_only() {
    let mut settings = ProducerSettings::default();
    settings.merge_policy.small_bytes = 0;
    let store = Store::options().writable().open("memory://merging").await.unwrap();
    let producer = Producer::builder(store.clone()).settings(settings).open().await.unwrap();
    let full = producer.run_cycle(|cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        (0..FILMS).try_for_each(|id| films.add(|film| fill(id, 1, film)))?;
        Ok(())
    });
    full.await.unwrap();
    let mut model: BTreeMap<u32, u16> = (0..FILMS).map(|id| (id, 1)).collect();
    let follower = {
        let mut settings = ConsumerSettings::default();
        settings.merged_segments = MergedSegments::Make;
        Consumer::builder(Store::open("memory://merging").await.unwrap()).settings(settings).open().await.unwrap()
    };
    let (mut fetched, mut changed, mut merges, mut made) = (0, 0, 0, 0);
    let mut random = Random::new(1);
    for cycle in 0..CYCLES {
        let year = u16::try_from(cycle).unwrap() + 2;
        let ids: Vec<u32> = (0..CHANGED).map(|_| random.below(FILMS)).collect();
        let report = producer.run_incremental_cycle(|cycle| {
            let mut films = cycle.records::<movie::Owned>()?;
            ids.iter().try_for_each(|id| films.upsert(|film| fill(*id, year, film)))?;
            Ok(())
        });
        let report = report.await.unwrap();
        assert_eq!(report.merge_error, None);
        model.extend(ids.iter().map(|id| (*id, year)));
        changed += report.types.iter().map(|ty| ty.segment_bytes).sum::<u64>();
        merges += usize::from(report.merged.is_some());

        // One version after the other, as a follower that is quick sees them.
        let published = report.outcome.version();
        for version in published..=report.merged.map_or(published, |merged| merged.version) {
            let before = follower.view_arc();
            let refreshed = follower.refresh_to(version).await.unwrap();
            assert_eq!(refreshed.not_made, 0);
            made += refreshed.made_bytes;
            let after = follower.view_arc();
            fetched += refreshed.fetched_bytes - other_bytes(&store, before.manifest(), after.manifest()).await;
        }

        let view = follower.view_arc();
        let segments = &view.manifest().record_type("Movie").unwrap().segments;
        let (mut live, mut all) = (0.0, 0.0);
        for segment in segments {
            let bytes = f64::from(u32::try_from(segment.size).unwrap());
            all += bytes;
            live += bytes * f64::from(segment.rows - segment.dead) / f64::from(segment.rows);
        }
        assert!(segments.len() <= 8, "cycle {cycle}: {} segments", segments.len());
        assert!(live >= 0.7 * all, "cycle {cycle}: {:.1} % live", 100.0 * live / all);
        if cycle % 10 == 9 {
            assert_eq!(years(&view), model, "cycle {cycle}");
        }
    }
    println!("changed={changed} fetched={fetched} made={made} merges={merges}");
    assert!(merges >= 10 && made > changed, "merges={merges} made={made}");
    assert!(fetched <= changed * 12 / 10, "fetched={fetched} changed={changed}");
    let straight = Consumer::open("memory://merging").await.unwrap();
    assert_eq!(years(&straight.view()), model);
}

async fn open_to_make(url: &str) -> Consumer {
    let mut settings = ConsumerSettings::default();
    settings.merged_segments = MergedSegments::Make;
    Consumer::builder(Store::open(url).await.unwrap()).settings(settings).open().await.unwrap()
}

/// A producer that keeps one segment, with a thousand films in the first.
async fn producer(url: &str) -> Producer {
    let mut settings = ProducerSettings::default();
    settings.merge_policy.segments_max = 1;
    let producer = Producer::builder(Store::options().writable().open(url).await.unwrap())
        .settings(settings)
        .open()
        .await
        .unwrap();
    change(&producer, 0..1000, 1).await;
    producer
}

async fn change(producer: &Producer, ids: std::ops::Range<u32>, year: u16) -> CycleReport {
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut films = cycle.records::<movie::Owned>()?;
        ids.into_iter().try_for_each(|id| films.upsert(|film| fill(id, year, film)))?;
        Ok(())
    });
    cycle.await.unwrap()
}

#[tokio::test]
async fn a_follower_that_never_saw_the_fresh_segment_fetches_it_rather_than_the_merged_one() {
    let url = "memory://merged-at-once";
    let producer = producer(url).await;
    change(&producer, 0..10, 2).await;
    let consumer = open_to_make(url).await;
    let old = consumer.view_arc();
    let (before, report) = (old.version(), change(&producer, 5..15, 3).await);
    let merged = report.merged.unwrap();
    let refreshed = consumer.refresh().await.unwrap();
    assert_eq!((refreshed.from, refreshed.to, refreshed.not_made), (before, merged.version, 0));
    assert!(refreshed.made_bytes >= merged.segment_bytes, "{refreshed:?}");
    assert!(refreshed.fetched_bytes < 2 * report.types[0].segment_bytes, "{refreshed:?}");
    // What changed is told by the segment that came and went in between, not by comparing all.
    let changes = consumer.changes_between(&old, &consumer.view_arc()).await.unwrap();
    let films = changes.of("Movie").unwrap();
    assert_eq!((films.added.len(), films.updated.len(), films.removed.len()), (0, 10, 0));
    assert_eq!(films.source, kapok_index::ChangeSource::Manifests);
    let years = years(&consumer.view());
    assert_eq!([years[&0], years[&5], years[&14], years[&15]], [2, 3, 3, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_processes_of_a_host_one_makes_a_merged_segment_and_the_others_map_it() {
    let (backend, host) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let options = || Store::options().object_store(Arc::clone(&backend) as _, "set");
    let mut settings = ProducerSettings::default();
    settings.merge_policy.segments_max = 1;
    let store = options().writable().open("test://one-merges").await.unwrap();
    let producer = Producer::builder(store).settings(settings).open().await.unwrap();
    change(&producer, 0..1000, 1).await;
    let mut consumers = Vec::new();
    for _ in 0..8 {
        let cached = options().cache(CacheSettings::in_folder(host.path())).open("test://one-merges").await.unwrap();
        let mut settings = ConsumerSettings::default();
        settings.merged_segments = MergedSegments::Make;
        consumers.push(Consumer::builder(cached).settings(settings).open().await.unwrap());
    }
    for year in 2..8 {
        let merged = change(&producer, 5..15, year).await.merged.unwrap();
        let refreshes = consumers.iter().map(|consumer| {
            let consumer = consumer.clone();
            tokio::spawn(async move { consumer.refresh().await.unwrap() })
        });
        let refreshed = futures::future::join_all(refreshes.collect::<Vec<_>>()).await;
        let made: Vec<_> = refreshed.into_iter().map(|it| it.unwrap().made_bytes).filter(|made| *made > 0).collect();
        assert!(made.len() == 1 && made[0] >= merged.segment_bytes, "{made:?} {merged:?}");
        for consumer in &consumers {
            assert_eq!(years(&consumer.view())[&5], year);
        }
    }
}

#[tokio::test]
async fn a_segment_that_comes_out_otherwise_is_fetched_and_counted() {
    let url = "memory://other-sources";
    let producer = producer(url).await;
    change(&producer, 0..10, 2).await;
    let consumer = open_to_make(url).await;
    let merged = change(&producer, 5..15, 3).await.merged.unwrap();
    // The same version again, but its merge sources leaves one more row behind than the segment does.
    let store = producer.store();
    let mut lying = store.manifests().read(merged.version).await.unwrap();
    (lying.version, lying.writer_token) = (merged.version + 1, [9; 16]);
    let segments = lying.record_types.iter_mut().flat_map(|ty| &mut ty.segments);
    let source = segments.flat_map(|segment| &mut segment.merged_from).max_by_key(|one| one.rows).unwrap();
    let mut dropped = match source.dropped.as_slice() {
        [] => roaring::RoaringBitmap::new(),
        rows => decode_rows("merge sources", rows).unwrap(),
    };
    assert!(dropped.insert(999));
    source.dropped = encode_rows(&dropped);
    assert_eq!(store.manifests().commit(&lying).await.unwrap(), kapok_blobstore::CommitOutcome::Committed);

    let refreshed = consumer.refresh_to(lying.version).await.unwrap();
    assert_eq!((refreshed.not_made, refreshed.made_bytes), (1, 0));
    assert!(refreshed.fetched_bytes >= merged.segment_bytes, "{refreshed:?}");
    assert_eq!(years(&consumer.view()).len(), 1000);
}
