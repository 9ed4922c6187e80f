//! What is left of a cycle, a merge, a gc or a refresh when one of its requests is spoilt, whichever it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kapok_blobstore::{BlobId, BlobKind, GcSettings, Store, StoreSettings};
use kapok_consumer::{Consumer, ConsumerSettings, MergedSegments};
use kapok_producer::{MergeSchedule, Outcome, Producer, ProducerSettings};
use kapok_testing::{Fault, Faults};
use kapok_tests::faults::checks;
use kapok_tests::faults::films::{Films, assert_films, publish, publish_some};
use kapok_tests::faults::place::Place;

/// Of the films of these tests.
const SEED: u64 = 7;
/// No work of these tests makes more requests.
const REQUESTS_MAX: usize = 400;

/// Which requests are spoilt, counted from 1.
#[derive(Debug, Clone, Copy)]
pub struct Which {
    pub first: usize,
    pub step: usize,
}

impl Which {
    const ALL: Self = Self { first: 1, step: 1 };

    fn numbers(self) -> impl Iterator<Item = usize> {
        (self.first..REQUESTS_MAX).step_by(self.step)
    }
}

/// What is at work while a request is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Full,
    Incremental,
    Merges,
    Merge,
    Gc,
}

async fn producer(store: Store, schedule: MergeSchedule) -> Producer {
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = schedule;
    let policy = &mut settings.merge_policy;
    (policy.segments_max, policy.live_min, policy.small_bytes, policy.segment_bytes_max) = (1, 1.0, 0, 1 << 20);
    Producer::builder(store).settings(settings).open().await.expect("a producer")
}

fn patience(fault: Fault) -> StoreSettings {
    let settings = StoreSettings::default();
    let silent = matches!(fault, Fault::Silent | Fault::DoneSilent);
    if silent { settings.with_timeout(Duration::from_millis(20)) } else { settings }
}

/// Three versions: the films at step 0, 1 and 2.
async fn history(store: &Store) {
    let producer = producer(store.clone(), MergeSchedule::Manual).await;
    publish(&producer, &Films::at(SEED, 0), 0).await.expect("the first cycle");
    for step in 1..=2 {
        let (before, after) = (Films::at(SEED, step - 1), Films::at(SEED, step));
        let ids = Films::differing(&[&before, &after]);
        publish_some(&producer, &after, &ids, step).await.expect("a cycle");
    }
}

async fn work(work: Work, store: &Store, producer: &Producer) -> Result<(), String> {
    let (before, after) = (Films::at(SEED, 2), Films::at(SEED, 3));
    let done = match work {
        Work::Full => publish(producer, &after, 3).await.map(drop),
        Work::Incremental | Work::Merges => {
            publish_some(producer, &after, &Films::differing(&[&before, &after]), 3).await.map(drop)
        }
        Work::Merge => producer.merge().await.map(drop),
        Work::Gc => {
            let settings = GcSettings::default().with_keep(1).with_grace(Duration::ZERO).with_no_writers();
            store.gc(&settings).await.map(drop).map_err(kapok_producer::Error::from)
        }
    };
    done.map_err(|error| error.to_string())
}

/// Spoils those requests of the work in turn. Returns how many that were, and how many made the work fail.
pub async fn spoil_each(place: impl Fn() -> Place, fault: Fault, what: Work, which: Which) -> (usize, usize) {
    let mut failures = 0;
    for (spoilt, number) in which.numbers().enumerate() {
        let place = place();
        let faults = place.faults();
        let store = place.faulty(&faults, patience(fault)).await.expect("a store");
        history(&store).await;
        let merging = if what == Work::Merges { MergeSchedule::AfterCycles } else { MergeSchedule::Manual };
        let fresh = producer(store.clone(), MergeSchedule::Manual).await;
        let producer = producer(store.clone(), merging).await;

        faults.arm(number, fault);
        let outcome = work(what, &store, &producer).await;
        let struck = faults.disarm();
        let when = format!("{what:?} {fault:?} request={number} {struck:?} {outcome:?}");
        if let Err(error) = &outcome {
            failures += 1;
            assert!(struck.is_some(), "{when}");
            assert!(error.contains("test://films/"), "names no file: {when}");
        }
        let create = struck.as_deref().is_some_and(|struck| {
            struck.starts_with("create manifests/") || struck.starts_with("create announcements/")
        });
        // A gc overwrites manifests; all others create them.
        let settled = matches!(fault, Fault::ReplyLost | Fault::DoneSilent) && create && what != Work::Gc;
        assert!(!settled || outcome.is_ok(), "a create that was done is settled by reading back: {when}");
        let next = if number.is_multiple_of(3) { &producer } else { &fresh };
        aftermath(&place, next, &when, number, outcome.is_ok()).await;
        if struck.is_none() {
            return (spoilt, failures);
        }
    }
    panic!("{what:?} never ends");
}

/// With the faults off: the announced version is whole, the next cycle runs, and gc takes away what is left.
///
/// The next producer is the same one, or another one, or first one with nothing to say: the last two announce what is left.
async fn aftermath(place: &Place, producer: &Producer, when: &str, number: usize, done: bool) {
    let store = place.store().await.expect("a store");
    let (before, after, next) = (Films::at(SEED, 2), Films::at(SEED, 3), Films::at(SEED, 4));
    let view = checks::announced(&store, when).await;
    checks::assert_sound(&view, when);
    checks::assert_files(&store, when).await;
    let expected = if view.manifest().tags["step"] == "3" { &after } else { &before };
    assert!(view.version() >= 3, "announced={} {when}", view.version());
    assert_films(&view, expected, when);
    let works_on_records = !when.starts_with("Merge ") && !when.starts_with("Gc");
    assert!(!done || !works_on_records || expected == &after, "reported as done: {when}");

    let head = producer.head().await.expect("a head").expect("a version");
    match number % 3 {
        0 => {}
        1 => drop(producer.announce_left_over().await.unwrap_or_else(|error| panic!("{error}: {when}"))),
        _ => {
            let step = head.tags["step"].parse().expect("a number");
            let idle = publish(producer, &Films::at(SEED, step), step).await;
            let idle = idle.unwrap_or_else(|error| panic!("{error}: {when}")).outcome;
            assert_eq!(idle, Outcome::Unchanged { version: head.version }, "{when}");
        }
    }
    if !number.is_multiple_of(3) {
        assert_eq!(head.version, checks::announced(&store, when).await.version(), "left unannounced: {when}");
    }
    let ids: BTreeSet<u32> = Films::differing(&[&before, &after, &next]);
    publish_some(producer, &next, &ids, 4).await.unwrap_or_else(|error| panic!("the next cycle: {error}: {when}"));
    let view = checks::announced(&store, when).await;
    assert_eq!(store.manifests().head().await.expect("a head"), Some(view.version()), "{when}");
    assert_films(&view, &next, when);
    checks::assert_swept(&store, when).await;
    let view = checks::announced(&store, when).await;
    assert_films(&view, &next, when);
}

async fn spoil_all(what: Work, requests_min: usize) {
    use Fault::{CutOff, DoneCutOff, DoneSilent, Refused, ReplyLost, Silent, Torn};
    for fault in [Refused, Silent, ReplyLost, DoneSilent, CutOff, DoneCutOff] {
        let (requests, failures) = spoil_each(Place::memory, fault, what, Which::ALL).await;
        assert!(requests >= requests_min, "{what:?} {fault:?} requests={requests}");
        assert!(what == Work::Merges || failures > requests / 2, "{what:?} {fault:?} {failures} of {requests}");
    }
    // A file of a folder has no body to be cut short, and a wait is a wait.
    for fault in [Refused, ReplyLost, Torn] {
        let (requests, _) = spoil_each(Place::folder, fault, what, Which::ALL).await;
        assert!(requests >= requests_min / 2, "{what:?} {fault:?} requests={requests}");
    }
}

#[tokio::test]
async fn whichever_request_of_a_full_cycle_is_spoilt_nothing_is_lost() {
    spoil_all(Work::Full, 20).await;
}

#[tokio::test]
async fn whichever_request_of_an_incremental_cycle_is_spoilt_nothing_is_lost() {
    spoil_all(Work::Incremental, 20).await;
}

#[tokio::test]
async fn whichever_request_of_a_cycle_that_merges_is_spoilt_nothing_is_lost() {
    spoil_all(Work::Merges, 40).await;
}

#[tokio::test]
async fn whichever_request_of_a_merge_is_spoilt_nothing_is_lost() {
    spoil_all(Work::Merge, 20).await;
}

#[tokio::test]
async fn whichever_request_of_a_gc_is_spoilt_nothing_is_lost() {
    spoil_all(Work::Gc, 20).await;
}

#[tokio::test]
async fn whichever_request_of_the_first_cycle_is_spoilt_the_next_one_makes_the_store() {
    let films = Films::at(SEED, 0);
    for fault in [Fault::Refused, Fault::Silent, Fault::ReplyLost, Fault::DoneCutOff, Fault::Torn] {
        for number in 1..REQUESTS_MAX {
            let place = if fault == Fault::Torn { Place::folder() } else { Place::memory() };
            let faults = place.faults();
            faults.arm(number, fault);
            let outcome = async {
                let store = place.faulty(&faults, patience(fault)).await.map_err(kapok_producer::Error::from)?;
                publish(&Producer::builder(store).open().await?, &films, 0).await
            };
            let outcome = outcome.await;
            let struck = faults.disarm();
            let when = format!("the first {fault:?} request={number} {struck:?} {outcome:?}");
            let store = place.store().await.unwrap_or_else(|error| panic!("{error}: {when}"));
            let producer = Producer::builder(store.clone()).open().await.expect("a producer");
            publish(&producer, &films, 0).await.unwrap_or_else(|error| panic!("{error}: {when}"));
            assert_films(&*checks::announced(&store, &when).await, &films, &when);
            checks::assert_files(&store, &when).await;
            checks::assert_swept(&store, &when).await;
            if struck.is_none() {
                assert!(number > 20, "{when}");
                break;
            }
        }
    }
}

/// A store, and a consumer of an older version whose requests can be spoilt.
///
/// Returns the version to be on, too: a merge, if the consumer is to make it, of the films at step 3.
async fn consumer_behind(place: &Place, fault: Fault, merged_segments: MergedSegments) -> (Arc<Faults>, Consumer, u64) {
    let store = place.store().await.expect("a store");
    history(&store).await;
    let faults = place.faults();
    let mut settings = ConsumerSettings::default();
    settings.merged_segments = merged_segments;
    settings.verify = true;
    let store_of_consumer = place.faulty(&faults, patience(fault)).await.expect("a store");
    let consumer = Consumer::builder(store_of_consumer).settings(settings).open().await.expect("a consumer");
    let producer = producer(store, MergeSchedule::AfterCycles).await;
    let (before, after) = (Films::at(SEED, 2), Films::at(SEED, 3));
    publish_some(&producer, &after, &Films::differing(&[&before, &after]), 3).await.expect("a cycle");
    let version = producer.head().await.expect("a head").expect("a version").version;
    (faults, consumer, version)
}

/// Spoils those requests of a refresh in turn. Returns how many that were.
pub async fn spoil_refresh(place: impl Fn() -> Place, fault: Fault, merges: MergedSegments, which: Which) -> usize {
    let (before, after) = (Films::at(SEED, 2), Films::at(SEED, 3));
    for (spoilt, number) in which.numbers().enumerate() {
        let place = place();
        let (faults, consumer, version) = consumer_behind(&place, fault, merges).await;
        faults.arm(number, fault);
        let outcome = consumer.refresh().await;
        let struck = faults.disarm();
        let when = format!("refresh {fault:?} {merges:?} request={number} {struck:?} {outcome:?}");
        let old = consumer.view_arc();
        assert_eq!(old.version(), if outcome.is_ok() { version } else { 3 }, "{when}");
        assert_films(&old, if outcome.is_ok() { &after } else { &before }, &when);
        assert_eq!(consumer.status().last_error.is_some(), outcome.is_err(), "{when}");
        assert!(outcome.is_ok() || struck.is_some(), "{when}");

        consumer.refresh().await.unwrap_or_else(|error| panic!("{error}: {when}"));
        assert_eq!(consumer.view().version(), version, "{when}");
        assert_films(&consumer.view(), &after, &when);
        checks::assert_sound(&consumer.view(), &when);
        let stayed = if outcome.is_ok() { version } else { 3 };
        assert_eq!(old.version(), stayed, "the old view is as it was: {when}");
        if struck.is_none() {
            return spoilt;
        }
    }
    panic!("a refresh never ends");
}

#[tokio::test]
async fn whichever_request_of_a_refresh_is_spoilt_the_view_stays_and_the_next_refresh_succeeds() {
    for fault in [Fault::Refused, Fault::Silent, Fault::ReplyLost] {
        for merges in [MergedSegments::Make, MergedSegments::Fetch] {
            let requests = spoil_refresh(Place::memory, fault, merges, Which::ALL).await;
            assert!(requests >= 8, "{fault:?} {merges:?} requests={requests}");
        }
    }
}

#[tokio::test]
async fn a_consumer_cut_off_in_mid_download_fetches_only_the_rest() {
    let mut resumed = 0;
    for number in 1..REQUESTS_MAX {
        let place = Place::memory();
        let (faults, consumer, _) = consumer_behind(&place, Fault::CutOff, MergedSegments::Fetch).await;
        faults.arm(number, Fault::CutOff);
        let outcome = consumer.refresh().await;
        let first: Vec<_> = blobs(faults.bodies());
        let struck = faults.disarm();
        let when = format!("cut off at request={number} {struck:?} {outcome:?}");
        assert_films(&consumer.view(), &Films::at(SEED, if outcome.is_ok() { 3 } else { 2 }), &when);
        if struck.is_none() {
            assert_eq!(first.len(), 4, "two segments and their indexes: {when}");
            break;
        }
        assert!(outcome.is_err(), "{when}");
        let rest = consumer.refresh().await.unwrap_or_else(|error| panic!("{error}: {when}"));
        let second = blobs(faults.bodies());
        assert!(second.iter().all(|name| !first.contains(name)), "fetched again: {first:?} {second:?} {when}");
        assert_eq!((first.len() + second.len(), second.len()), (4, rest.fetched_blobs), "{when}");
        resumed += usize::from(!first.is_empty());
        assert_films(&consumer.view(), &Films::at(SEED, 3), &when);
        checks::assert_sound(&consumer.view(), &when);
    }
    assert!(resumed > 0, "some were cut off between two blobs");
}

fn blobs(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| name.starts_with("segments/") || name.starts_with("indexes/")).collect()
}

#[tokio::test]
async fn a_blob_that_is_put_in_parts_is_there_whole_or_not_at_all() {
    let blob = Bytes::from((0..33_u32 << 20).map(|at| (at % 251).to_le_bytes()[0]).collect::<Vec<_>>());
    let id = BlobId::of(&blob);
    for fault in [Fault::Refused, Fault::Silent, Fault::ReplyLost, Fault::CutOff, Fault::DoneCutOff] {
        for number in 1..REQUESTS_MAX {
            let place = Place::memory();
            let faults = place.faults();
            let mut settings = StoreSettings::default().with_timeout(Duration::from_millis(200));
            settings.bytes_per_second_min = u64::MAX;
            let store = place.faulty(&faults, settings).await.expect("a store");
            faults.arm(number, fault);
            let outcome = store.blobs().put(BlobKind::Segment, id, blob.clone()).await;
            let struck = faults.disarm();
            let when = format!("{fault:?} request={number} {struck:?} {outcome:?}");
            let clean = place.store().await.expect("a store");
            let found = clean.blobs().size(BlobKind::Segment, id).await.expect("a look");
            assert!(found.is_none_or(|bytes| bytes == blob.len() as u64), "{found:?} {when}");
            assert!(outcome.is_err() || found.is_some(), "{when}");
            checks::assert_files(&clean, &when).await;
            store
                .blobs()
                .put(BlobKind::Segment, id, blob.clone())
                .await
                .unwrap_or_else(|error| panic!("{error}: {when}"));
            let got = clean.blobs().get(BlobKind::Segment, id, blob.len() as u64).await.expect("a blob");
            assert!(got == blob, "{when}");
            if struck.is_none() {
                assert!(number > 5, "{when}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_view_that_is_held_outlives_what_gc_deletes() {
    let place = Place::folder();
    let store = place.store().await.expect("a store");
    history(&store).await;
    let old = checks::announced(&store, "before").await;
    let producer = producer(store.clone(), MergeSchedule::AfterCycles).await;
    publish(&producer, &Films::at(SEED, 9), 9).await.expect("a cycle");
    let report = checks::assert_swept(&store, "after").await;
    assert!(report.retired.contains(&old.version()) && !report.deleted.is_empty(), "{report:?}");
    assert_films(&old, &Films::at(SEED, 2), "held");
    checks::assert_sound(&old, "held");
}
