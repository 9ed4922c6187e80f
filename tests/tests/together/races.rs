//! Nothing is lost when several producers publish to one store at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kapok_blobstore::Store;
use kapok_consumer::Consumer;
use kapok_producer::{Error, ErrorKind, MergeSchedule, Outcome, Producer, ProducerSettings};
use kapok_samples::movies_capnp::movie;
use kapok_tests::faults::checks;

/// Producer p writes ids from p times this on; the first of them counts its cycles.
const IDS: u32 = 1000;

/// Producers that add films to one store at once.
#[derive(Debug, Clone, Copy)]
pub struct Race {
    pub racers: u32,
    /// Of all racers together.
    pub cycles: u32,
    pub schedule: MergeSchedule,
}

impl Race {
    fn cycles_of(self, number: u32) -> u32 {
        self.cycles / self.racers + u32::from(number < self.cycles % self.racers)
    }
}

/// What came of a race.
#[derive(Default)]
struct Tally {
    /// Whose cycle made which version.
    winners: Mutex<BTreeMap<u64, String>>,
    /// Which version was lost to whom.
    losses: Mutex<Vec<(String, u64, String)>>,
    ended: AtomicUsize,
}

/// Counts a racer as ended, also one that panics: the reader waits for all.
struct End<'a>(&'a AtomicUsize);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn open(url: &str) -> Store {
    Store::options().writable().open(url).await.expect("a store")
}

async fn producer(url: &str, number: u32, schedule: MergeSchedule) -> Producer {
    let mut settings = ProducerSettings::default();
    settings.writer = format!("racer-{number}");
    settings.merge_schedule = schedule;
    let policy = &mut settings.merge_policy;
    (policy.segments_max, policy.live_min, policy.small_bytes, policy.segment_bytes_max) = (3, 0.7, 0, 1 << 20);
    Producer::builder(open(url).await).settings(settings).open().await.expect("a producer")
}

/// Adds a film and raises the count, again and again; one that loses a race tries again.
async fn add_films(producer: &Producer, number: u32, cycles: u32, tally: &Tally) {
    let writer = format!("racer-{number}");
    let mut done = 0;
    while done < cycles {
        let (counter, next) = (number * IDS, done + 1);
        let outcome = producer
            .run_incremental_cycle(|cycle| {
                let mut movies = cycle.records::<movie::Owned>()?;
                movies.upsert(|mut film| {
                    film.set_id(counter);
                    film.set_year(u16::try_from(next).expect("few"));
                })?;
                movies.upsert(|mut film| {
                    film.set_id(counter + next);
                    film.set_title(format!("{counter} {next}"));
                })?;
                Ok(())
            })
            .await;
        match outcome {
            Ok(report) => {
                assert_eq!(report.merge_error, None);
                let Outcome::Published { version } = report.outcome else { panic!("{report:?}") };
                let before = tally.winners.lock().expect("sound").insert(version, writer.clone());
                assert_eq!(before, None, "version {version} was committed twice");
                done = next;
            }
            Err(error @ Error::Conflict { .. }) => {
                assert_eq!(error.kind(), ErrorKind::Conflict);
                let text = error.to_string();
                let Error::Conflict { version, winner } = error else { unreachable!() };
                assert!(text.contains(&winner) && text.contains(&version.to_string()), "{text}");
                tally.losses.lock().expect("sound").push((writer.clone(), version, winner));
            }
            Err(error) => panic!("{writer}: {error}"),
        }
    }
}

/// Reads along, and sees each producer's cycles whole and in order.
async fn read_along(url: &str, racers: u32, tally: &Tally) -> usize {
    let consumer = Consumer::builder(open(url).await).open().await.expect("a consumer");
    let (mut version, mut counts, mut swaps) = (0, vec![0; racers as usize], 0);
    loop {
        let last = tally.ended.load(Ordering::SeqCst) == racers as usize;
        let refreshed = consumer.refresh().await.expect("a refresh");
        assert!(refreshed.to >= version, "from {version} to {}", refreshed.to);
        swaps += usize::from(refreshed.to > version);
        version = refreshed.to;
        if version > 0 {
            let view = consumer.view();
            let films = view.records::<movie::Owned>().expect("films");
            for (number, seen) in (0_u32..).zip(&mut counts) {
                let Some(counter) = films.by_key(&(number * IDS)).expect("a lookup") else { continue };
                let count = u32::from(counter.get_year());
                assert!(count >= *seen, "version={version}: racer {number} was at {seen} and is at {count}");
                *seen = count;
                for id in number * IDS + 1..=number * IDS + count {
                    assert!(films.by_key(&id).expect("a lookup").is_some(), "version={version} lost film {id}");
                }
                assert!(films.by_key(&(number * IDS + count + 1)).expect("a lookup").is_none(), "half a cycle");
            }
        }
        if last {
            return swaps;
        }
        tokio::task::yield_now().await;
    }
}

fn on_a_thread<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// Runs a race in the store of this URL. Each racer opens it for itself, as another process would.
pub fn run(url: &str, race: Race) {
    let tally = Tally::default();
    let tally_ref = &tally;
    // The store is made before they race for it.
    on_a_thread(async { drop(open(url).await) });
    let swaps = std::thread::scope(|scope| {
        for number in 0..race.racers {
            scope.spawn(move || {
                let _end = End(&tally_ref.ended);
                on_a_thread(async {
                    let producer = producer(url, number, race.schedule).await;
                    add_films(&producer, number, race.cycles_of(number), tally_ref).await;
                });
            });
        }
        scope.spawn(move || on_a_thread(read_along(url, race.racers, tally_ref))).join().expect("a reader")
    });
    let (winners, losses) = (tally.winners.into_inner().expect("sound"), tally.losses.into_inner().expect("sound"));
    println!("{url} {race:?}: losses={} swaps={swaps}", losses.len());
    assert_eq!(winners.len(), race.cycles as usize);
    assert!(!losses.is_empty(), "there was no race");
    on_a_thread(async {
        let store = open(url).await;
        assert_nothing_lost(&store, race).await;
        assert_one_winner_each(&store, &winners, &losses, race).await;
        checks::assert_swept(&store, "after the race").await;
    });
}

async fn assert_nothing_lost(store: &Store, race: Race) {
    checks::assert_files(store, "after the race").await;
    let view = checks::announced(store, "after the race").await;
    assert_eq!(store.manifests().head().await.expect("a head"), Some(view.version()), "the last one is announced");
    checks::assert_sound(&view, "after the race");
    let films = view.records::<movie::Owned>().expect("films");
    assert_eq!(films.table().len(), u64::from(race.cycles + race.racers));
    for number in 0..race.racers {
        let counter = films.by_key(&(number * IDS)).expect("a lookup").expect("a counter");
        assert_eq!(u32::from(counter.get_year()), race.cycles_of(number));
    }
}

/// Versions are those of the cycles, and merges between them; each builds on the one before.
async fn assert_one_winner_each(
    store: &Store,
    winners: &BTreeMap<u64, String>,
    losses: &[(String, u64, String)],
    race: Race,
) {
    let mut writers = BTreeMap::new();
    let mut merges = 0;
    for version in 1..=store.manifests().head().await.expect("a head").expect("a version") {
        let manifest = store.manifests().read(version).await.expect("a manifest");
        assert_eq!(manifest.parent, Some(version - 1).filter(|parent| *parent > 0), "version={version}");
        let changes = manifest.record_types.iter().filter_map(|ty| ty.changes.as_ref());
        let is_merge = changes.into_iter().all(|changes| changes.added.is_empty() && changes.removed.is_empty());
        match winners.get(&version) {
            Some(winner) => assert_eq!(&manifest.writer, winner, "version={version}"),
            None => assert!(is_merge, "version {version} is nobody's"),
        }
        merges += usize::from(is_merge);
        writers.insert(version, manifest.writer);
    }
    println!("versions={} merges={merges}", writers.len());
    assert_eq!(writers.len() - merges, race.cycles as usize);
    assert_eq!(merges > 0, race.schedule == MergeSchedule::AfterCycles);
    for (loser, version, winner) in losses {
        assert_eq!(writers.get(version), Some(winner), "lost by {loser}");
        assert_ne!(loser, winner, "lost to itself: version {version}");
    }
}

fn run_hundred_cycles(url: &str, racers: u32, schedule: MergeSchedule) {
    run(url, Race { racers, cycles: 100, schedule });
}

#[test]
fn two_producers_in_memory_lose_nothing() {
    run_hundred_cycles("memory://race-of-two", 2, MergeSchedule::Manual);
}

#[test]
fn eight_producers_in_memory_lose_nothing() {
    run_hundred_cycles("memory://race-of-eight", 8, MergeSchedule::Manual);
}

#[test]
fn eight_producers_that_merge_in_memory_lose_nothing() {
    run_hundred_cycles("memory://race-of-eight-that-merge", 8, MergeSchedule::AfterCycles);
}

#[test]
fn two_producers_in_a_folder_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    run_hundred_cycles(&folder.path().to_string_lossy(), 2, MergeSchedule::Manual);
}

#[test]
fn eight_producers_that_merge_in_a_folder_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    run_hundred_cycles(&folder.path().to_string_lossy(), 8, MergeSchedule::AfterCycles);
}
