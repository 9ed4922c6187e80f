//! No reader ever sees half of a version (I3).
//!
//! Records of two types carry one stamp, and change together, while versions and merges are swapped in under those who read
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kapok_blobstore::Store;
use kapok_consumer::{Consumer, View};
use kapok_producer::{Producer, ProducerSettings};
use kapok_samples::movies_capnp::{movie, rating};
use kapok_tests::model::{Random, source};

/// Films; each has two ratings.
const IDS: u32 = 256;
const READERS: u64 = 2;
/// Films that a cycle stamps, the one of id 0 among them.
const STAMPED: u32 = 24;

/// What the readers have done and seen.
#[derive(Default)]
pub struct Tally {
    reads: AtomicU64,
    torn: AtomicU64,
    swaps_seen: AtomicU64,
}

impl Tally {
    /// Reads of all readers.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Swaps that readers saw, those of each reader counted.
    pub fn swaps_seen(&self) -> u64 {
        self.swaps_seen.load(Ordering::Relaxed)
    }
}

async fn stamp(producer: &Producer, random: &mut Random, stamp: u16, ids: Vec<u32>) -> u64 {
    // Those of a film at once, and the films in no order.
    let first = random.below(IDS);
    let report = producer.run_incremental_cycle(|cycle| {
        let (mut films, mut ratings) = (cycle.records::<movie::Owned>()?, cycle.records::<rating::Owned>()?);
        for id in ids.iter().map(|id| if ids.len() < IDS as usize { *id } else { (id + first) % IDS }) {
            films.upsert(|mut film| {
                film.set_id(id);
                film.set_year(stamp);
                film.set_title(format!("film {id} of {stamp}"));
            })?;
            for from in [0, 1] {
                ratings.upsert(|mut rating| {
                    rating.set_movie_id(id);
                    rating.set_source(source(from));
                    rating.set_votes(u32::from(stamp));
                })?;
            }
        }
        cycle.tag("stamp", stamp.to_string());
        Ok(())
    });
    report.await.unwrap().outcome.version()
}

/// Whether the film and its ratings, and for film 0 the version itself, carry different stamps.
fn is_torn(films: &View, ratings: &View, id: u32) -> bool {
    let film = films.records::<movie::Owned>().unwrap().by_key(&id).unwrap().unwrap().get_year();
    let votes = ratings.records::<rating::Owned>().unwrap();
    let votes = |from: u16| votes.by_key(&(id, from)).unwrap().unwrap().get_votes();
    let told = films.manifest().tags["stamp"].as_str();
    votes(0) != u32::from(film) || votes(1) != u32::from(film) || (id == 0 && told != film.to_string())
}

/// Reads until that many reads are done by all, or, where any torn one is enough, until then.
fn read(
    consumer: &Consumer,
    seed: u64,
    tally: &Tally,
    views: impl Fn() -> (Arc<View>, Arc<View>),
    enough: impl Fn() -> bool,
) {
    let mut random = Random::new(seed);
    let mut version = consumer.view().version();
    while !enough() {
        for _ in 0..64 {
            let (films, ratings) = views();
            if films.version() != version {
                version = films.version();
                tally.swaps_seen.fetch_add(1, Ordering::Relaxed);
            }
            for id in [0, random.below(IDS), random.below(IDS), random.below(IDS)] {
                tally.torn.fetch_add(u64::from(is_torn(&films, &ratings, id)), Ordering::Relaxed);
            }
        }
        tally.reads.fetch_add(64 * 4, Ordering::Relaxed);
    }
}

/// Publishes, merges and swaps for as long as the readers read; the swaps.
async fn swap_under_readers(
    url: &str,
    views: fn(&Consumer) -> (Arc<View>, Arc<View>),
    enough: fn(&Tally) -> bool,
) -> (Arc<Tally>, u64) {
    let mut settings = ProducerSettings::default();
    (settings.merge_policy.segments_max, settings.merge_policy.small_bytes) = (3, 0);
    let producer = Producer::builder(Store::options().writable().open(url).await.unwrap())
        .settings(settings)
        .open()
        .await
        .unwrap();
    let mut random = Random::new(7);
    stamp(&producer, &mut random, 1, (0..IDS).collect()).await;
    let consumer = Consumer::open(url).await.unwrap();
    let (tally, done) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let readers: Vec<_> = (0..READERS)
        .map(|seed| {
            let (consumer, tally) = (consumer.clone(), Arc::clone(&tally));
            std::thread::spawn(move || read(&consumer, seed, &tally, || views(&consumer), || enough(&tally)))
        })
        .collect();
    let waiting = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let outcomes: Vec<_> = readers.into_iter().map(std::thread::JoinHandle::join).collect();
            done.store(true, Ordering::Release);
            outcomes
        }
    });
    let (mut swaps, mut next) = (0, 2);
    while !done.load(Ordering::Acquire) {
        let ids = std::iter::once(0).chain((1..STAMPED).map(|_| random.below(IDS))).collect();
        stamp(&producer, &mut random, next, ids).await;
        next = next.checked_add(1).expect("fewer stamps than that");
        let refreshed = consumer.refresh().await.unwrap();
        swaps += u64::from(refreshed.from != refreshed.to);
    }
    for outcome in waiting.join().unwrap() {
        outcome.expect("a reader panicked");
    }
    (tally, swaps)
}

fn reads_wanted() -> u64 {
    std::env::var("KAPOK_TORN_READS").map_or(10_000_000, |reads| reads.parse().expect("a number of reads"))
}

/// Asserts that no view is torn of those that are read until it is enough.
pub async fn assert_none_torn(url: &str, enough: fn(&Tally) -> bool) {
    let one_view = |consumer: &Consumer| {
        let view = consumer.view().into_arc();
        (Arc::clone(&view), view)
    };
    let (tally, swaps) = swap_under_readers(url, one_view, enough).await;
    let (reads, torn, seen) = (tally.reads(), tally.torn.load(Ordering::Relaxed), tally.swaps_seen());
    println!("reads={reads} torn={torn} swaps={swaps} swaps_seen_by_readers={seen}");
    assert_eq!(torn, 0);
    assert!(swaps >= 20 && seen >= 20, "nothing went on under the readers: swaps={swaps} seen={seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_view_is_ever_torn() {
    assert_none_torn("memory://torn", |tally| tally.reads() >= reads_wanted()).await;
}

/// What the test above would see if a swap were not one of a whole view.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_two_views_is_seen_to_be_torn() {
    let two_views = |consumer: &Consumer| {
        let films = consumer.view_arc();
        std::thread::yield_now();
        (films, consumer.view_arc())
    };
    let enough = |tally: &Tally| tally.torn.load(Ordering::Relaxed) > 0;
    let (tally, _) = swap_under_readers("memory://torn-on-purpose", two_views, enough).await;
    assert!(tally.torn.load(Ordering::Relaxed) > 0);
}
