//! A caller who follows the rule for running a cycle again applies each batch of changes once, whatever fails.

use std::time::Duration;

use kapok_blobstore::{Store, StoreSettings};
use kapok_producer::{Error, MergeSchedule, Outcome, Producer, ProducerSettings};
use kapok_samples::movies_capnp::{movie, rating};
use kapok_testing::{Fault, Faults, Held};
use kapok_tests::faults::checks;
use kapok_tests::faults::place::Place;
use kapok_tests::scale::scaled;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Of a feed.
const BATCHES: u16 = 4;
/// The year before any batch.
const YEAR: u16 = 1900;

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    batches: u32,
    /// Attempts that did not return `Ok`.
    failed: u32,
    /// Of these, such as had made their version: to apply the changes again would have been wrong.
    done_unknown: u32,
    /// Futures that were dropped at a request.
    dropped: u32,
}

async fn producer(store: Store) -> Producer {
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = MergeSchedule::AfterCycles;
    let policy = &mut settings.merge_policy;
    (policy.segments_max, policy.live_min, policy.small_bytes, policy.segment_bytes_max) = (2, 0.8, 0, 1 << 20);
    Producer::builder(store).settings(settings).open().await.expect("a producer")
}

/// Adds one to the year of the feed's film, once.
async fn apply(producer: &Producer, feed: u32, batch: u16) -> Result<Outcome, Error> {
    let report = producer.run_incremental_cycle(|cycle| {
        if !cycle.once(&format!("feed-{feed}"), &batch.to_string()) {
            return Ok(());
        }
        let mut movies = cycle.records::<movie::Owned>()?;
        movies.update(&feed, |mut film| {
            let year = film.reborrow().get_year();
            film.set_year(year + 1);
        })?;
        Ok(())
    });
    report.await.map(|report| report.outcome)
}

async fn year(store: &Store, feed: u32) -> u16 {
    let head = store.manifests().head().await.expect("a head").expect("a version");
    let manifest = store.manifests().read(head).await.expect("a manifest");
    let blobs = store.blobs().load(&manifest, &kapok_core::manifest::BlobMap::new()).await.expect("blobs");
    let view = kapok_consumer::View::open(std::sync::Arc::new(manifest), &blobs).expect("a view");
    let movies = view.records::<movie::Owned>().expect("films");
    movies.by_key(&feed).expect("a lookup").expect("a film").get_year()
}

/// Runs the batch once, with something going wrong at a request or not. Whether the caller knows that it is done.
async fn attempt(faults: &Faults, producer: &Producer, feed: u32, batch: u16, random: &mut SmallRng) -> Option<bool> {
    let number = random.random_range(1..45);
    match random.random_range(0..8) {
        0 => drop(faults.disarm()),
        1 => faults.arm(number, Fault::Refused),
        2 => faults.arm(number, Fault::ReplyLost),
        3 => faults.arm(number, Fault::CutOff),
        4 => faults.arm(number, Fault::DoneCutOff),
        5 => faults.arm(number, Fault::DoneSilent),
        // The caller is killed while a request is on its way, there or back.
        held => {
            let when = if held == 6 { Held::Before } else { Held::After };
            faults.hold(number, when, std::future::pending());
            let work = apply(producer, feed, batch);
            let outcome = tokio::time::timeout(Duration::from_millis(25), work).await;
            faults.disarm();
            return outcome.ok().map(|outcome| outcome.is_ok());
        }
    }
    let outcome = apply(producer, feed, batch).await;
    faults.disarm();
    Some(outcome.is_ok())
}

async fn run(seed: u64, tally: &mut Tally) {
    let mut random = SmallRng::seed_from_u64(seed);
    let place = Place::memory();
    let clean = place.store().await.expect("a store");
    let maker = producer(clean.clone()).await;
    let first = maker.run_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for id in 0..20 {
            movies.add(|mut film| {
                film.set_id(id);
                film.set_year(YEAR);
            })?;
        }
        Ok(())
    });
    first.await.expect("the first cycle");
    let faults = place.faults();
    let patience = StoreSettings::default().with_timeout(Duration::from_millis(40));
    let store = place.faulty(&faults, patience).await.expect("a store");
    let mut caller = producer(store.clone()).await;
    for batch in 1..=BATCHES {
        for feed in 0..2 {
            let mut attempts = 0;
            loop {
                attempts += 1;
                assert!(attempts < 200, "seed={seed} feed={feed} batch={batch} never ends");
                let known = attempt(&faults, &caller, feed, batch, &mut random).await;
                if known == Some(true) {
                    break;
                }
                tally.failed += 1;
                tally.dropped += u32::from(known.is_none());
                tally.done_unknown += u32::from(year(&clean, feed).await == YEAR + batch);
                if known.is_none() || random.random_bool(0.3) {
                    caller = producer(store.clone()).await;
                }
            }
            tally.batches += 1;
            let when = format!("seed={seed} feed={feed} batch={batch} attempts={attempts}");
            assert_eq!(year(&clean, feed).await, YEAR + batch, "applied once: {when}");
            let view = checks::announced(&clean, &when).await;
            let films = view.records::<movie::Owned>().expect("films");
            let announced = films.by_key(&feed).expect("a lookup").expect("a film").get_year();
            assert_eq!(announced, YEAR + batch, "what is done is announced: {when}");
            // Somebody else publishes another type in full, merges, or collects.
            let other = producer(clean.clone()).await;
            match random.random_range(0..4) {
                0 => {
                    let report = other.run_cycle(|cycle| {
                        let mut ratings = cycle.records::<rating::Owned>()?;
                        ratings.add(|mut rating| rating.set_votes(u32::from(batch) * 10 + feed))?;
                        Ok(())
                    });
                    report.await.expect("a full cycle");
                }
                1 => drop(other.merge().await.expect("a merge")),
                2 => drop(checks::assert_swept(&clean, &when).await),
                _ => {}
            }
        }
    }
    // The last batch of each feed, again and late.
    for feed in 0..2 {
        apply(&caller, feed, BATCHES).await.expect("a cycle");
        assert_eq!(year(&clean, feed).await, YEAR + BATCHES, "seed={seed} feed={feed}");
    }
}

#[tokio::test]
async fn who_runs_a_cycle_again_until_it_returns_applies_each_batch_once() {
    let mut tally = Tally::default();
    for seed in 0..u64::from(scaled(12)) {
        run(seed, &mut tally).await;
    }
    println!("{tally:?}");
    assert!(tally.failed > tally.batches / 2 && tally.done_unknown > 0 && tally.dropped > 0, "{tally:?}");
}

/// At each request of the cycle in turn: refused, lost, hung and cut off, there and back.
#[tokio::test]
async fn an_error_behind_the_commit_says_that_the_version_is_or_may_be_there() {
    let (mut committed, mut unknown) = (0, 0);
    for fault in [Fault::Refused, Fault::ReplyLost, Fault::CutOff, Fault::DoneCutOff, Fault::DoneSilent] {
        for number in 1..200 {
            let place = Place::memory();
            let faults = place.faults();
            let patience = StoreSettings::default().with_timeout(Duration::from_millis(15));
            let store = place.faulty(&faults, patience).await.expect("a store");
            let mut settings = ProducerSettings::default();
            settings.merge_schedule = MergeSchedule::Manual;
            let producer = Producer::builder(store).settings(settings).open().await.expect("a producer");
            faults.arm(number, fault);
            let outcome = producer.run_cycle(|cycle| {
                let mut movies = cycle.records::<movie::Owned>()?;
                movies.add(|mut film| film.set_id(1))?;
                Ok(())
            });
            let outcome = outcome.await;
            let struck = faults.disarm();
            let head = place.store().await.expect("a store").manifests().head().await.expect("a head");
            let when = format!("{fault:?} request={number} {struck:?} {outcome:?}");
            match &outcome {
                Ok(_) => assert_eq!(head, Some(1), "{when}"),
                Err(Error::Committed { version, .. }) => {
                    committed += 1;
                    assert_eq!((*version, head), (1, Some(1)), "{when}");
                }
                Err(Error::MaybeCommitted { version, .. }) => {
                    unknown += 1;
                    assert_eq!(*version, 1, "{when}");
                }
                Err(_) => assert_eq!(head, None, "nothing was committed: {when}"),
            }
            if struck.is_none() {
                break;
            }
        }
    }
    println!("committed={committed} unknown={unknown}");
    assert!(committed > 0 && unknown > 0);
}
