//! What declared indexes cost: cycles and refreshes of films with five of them, beside the same without.
//!
//! `KAPOK_ROWS` sets the number of films (default 1,000,000), `KAPOK_RUNS` that of runs (default 7; medians are printed). A unique
//! index on the films' links, two hash indexes, a sorted and a text index; each cycle changes 2 % of the films.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

use std::path::Path;
use std::time::{Duration, Instant};

use kapok_benches::{Movie, Movies, shuffled};
use kapok_consumer::{Consumer, ConsumerSettings, Store};
use kapok_producer::{Declaration, MergeSchedule, Producer};
use kapok_samples::movies_capnp::movie;
use tokio::runtime::Runtime;

const SEED: u64 = 42;
const INDEXES: [&str; 5] = ["key(title, id)", "hash(year)", "hash(genres[])", "sorted(runtimeMin)", "text(title)"];

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// One way to publish and read the films.
struct Way {
    name: &'static str,
    producer: Producer,
    consumer: Consumer,
    cycles: Vec<Duration>,
    refreshes: Vec<Duration>,
}

/// Whether the producer or the consumer has the indexes.
#[derive(Clone, Copy, PartialEq)]
enum Indexes {
    None,
    Shipped,
    Own,
}

fn main() {
    let (rows, runs) = (number("KAPOK_ROWS", 1_000_000), number("KAPOK_RUNS", 7));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{rows} films, {threads} processors, local store, 2 % changed in each of {runs} cycles; {}",
        INDEXES.join(", ")
    );
    let runtime = Runtime::new().unwrap();
    let mut source = Movies::new(SEED);
    let films: Vec<Movie> = (0..rows).map(|_| source.draft().to_movie()).collect();
    first_cycles(&runtime, &films, threads);

    let folder = tempfile::tempdir().unwrap();
    let mut ways: Vec<Way> =
        [("without", Indexes::None), ("shipped", Indexes::Shipped), ("consumer's own", Indexes::Own)]
            .map(|(name, indexes)| open(&runtime, &folder.path().join(name), name, indexes, &films))
            .into();
    for run in 0..runs {
        let order = shuffled(u32::try_from(rows).unwrap(), SEED + run as u64);
        let changed: Vec<Movie> = order[..rows / 50].iter().map(|at| changed(&films[*at as usize], run)).collect();
        for way in &mut ways {
            cycle(&runtime, way, &changed);
        }
    }
    for way in &mut ways {
        println!("{:15} incremental cycle {}, refresh {}", way.name, told(&mut way.cycles), told(&mut way.refreshes));
    }
    let shipped = median(&mut ways[1].cycles).as_secs_f64() / median(&mut ways[0].cycles).as_secs_f64();
    println!("incremental cycle with indexes : without = {shipped:.2}");
    check(&ways, &films);
    openings(&runtime);
}

/// A film as a run changes it.
fn changed(film: &Movie, run: usize) -> Movie {
    let mut film = film.clone();
    film.year = film.year % 2027 + 1;
    film.title = format!("{} {run}", film.title);
    film
}

/// First full cycles, with indexes and without, in turns.
fn first_cycles(runtime: &Runtime, films: &[Movie], threads: usize) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        for (times, indexes) in times.iter_mut().zip([Indexes::None, Indexes::Shipped]) {
            let folder = tempfile::tempdir().unwrap();
            let producer = producer(runtime, folder.path());
            times.push(publish(runtime, &producer, indexes, films, threads));
        }
    }
    let [without, with] = times.map(|mut times| median(&mut times));
    println!(
        "first full cycle: {with:?} with indexes, {without:?} without = {:.2}",
        with.as_secs_f64() / without.as_secs_f64()
    );
}

fn producer(runtime: &Runtime, folder: &Path) -> Producer {
    let mut producer = runtime.block_on(Producer::open(folder.to_str().unwrap())).unwrap();
    producer.settings_mut().merge_schedule = MergeSchedule::Manual;
    producer
}

/// Publishes all films. Returns the time that the steps took.
fn publish(runtime: &Runtime, producer: &Producer, indexes: Indexes, films: &[Movie], threads: usize) -> Duration {
    let mut declaration = Declaration::of::<movie::Owned>().unwrap();
    if indexes == Indexes::Shipped {
        for index in INDEXES {
            declaration = declaration.index(index);
        }
    }
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        std::thread::scope(|scope| {
            for part in films.chunks(films.len().div_ceil(threads)) {
                scope.spawn(move || {
                    let mut movies = cycle.records::<movie::Owned>().unwrap();
                    for film in part {
                        movies.add(|out| film.fill(out)).unwrap();
                    }
                });
            }
        });
        Ok(())
    });
    runtime.block_on(cycle).unwrap().steps.total()
}

fn open(runtime: &Runtime, folder: &Path, name: &'static str, indexes: Indexes, films: &[Movie]) -> Way {
    let producer = producer(runtime, folder);
    publish(runtime, &producer, indexes, films, 2);
    let mut settings = ConsumerSettings::default();
    if indexes == Indexes::Own {
        settings.indexes = INDEXES.map(|index| ("Movie".to_owned(), index.to_owned())).into();
    }
    let store = runtime.block_on(Store::open(folder.to_str().unwrap())).unwrap();
    let consumer = runtime.block_on(Consumer::builder(store).settings(settings).open()).unwrap();
    Way { name, producer, consumer, cycles: Vec::new(), refreshes: Vec::new() }
}

/// Publishes changes, and waits for the consumer.
fn cycle(runtime: &Runtime, way: &mut Way, changed: &[Movie]) {
    let started = Instant::now();
    let report = runtime.block_on(way.producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for film in changed {
            movies.upsert(|out| film.fill(out))?;
        }
        Ok(())
    }));
    way.cycles.push(started.elapsed());
    if std::env::var_os("KAPOK_STEPS").is_some() {
        println!("{}: {:?}", way.name, report.as_ref().unwrap().steps);
    }
    report.unwrap();
    let started = Instant::now();
    let done = runtime.block_on(way.consumer.refresh()).unwrap();
    assert_ne!(done.from, done.to);
    way.refreshes.push(started.elapsed());
}

/// All ways answer as a loop over the films does.
fn check(ways: &[Way], films: &[Movie]) {
    let mut counts = Vec::new();
    for way in ways {
        let view = way.consumer.view();
        let count = |text: &str| view.query("Movie", text).unwrap().count().unwrap();
        counts.push([
            count("year = 1990"),
            count("'Drama' in genres"),
            count("runtimeMin < 60"),
            count("title ~= 'the'"),
        ]);
    }
    assert!(counts.iter().all(|one| *one == counts[0]), "{counts:?}");
    assert_eq!(counts[0][2], films.iter().filter(|film| film.runtime_min < 60).count() as u64);
}

/// Opens of stores with indexes, of few records and of many.
fn openings(runtime: &Runtime) {
    for rows in [10_000, 1_000_000] {
        let mut source = Movies::new(SEED);
        let films: Vec<Movie> = (0..rows).map(|_| source.draft().to_movie()).collect();
        let folder = tempfile::tempdir().unwrap();
        publish(runtime, &producer(runtime, folder.path()), Indexes::Shipped, &films, 2);
        let mut times = Vec::new();
        for _ in 0..101 {
            let started = Instant::now();
            let consumer = runtime.block_on(Consumer::open(folder.path().to_str().unwrap())).unwrap();
            let view = consumer.view();
            assert!(view.find("Movie", &films[rows / 2].id).unwrap().is_some());
            times.push(started.elapsed());
        }
        println!("open to first read with indexes, {rows} films: {:?}", median(&mut times));
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn told(times: &mut [Duration]) -> String {
    let middle = median(times);
    format!("{middle:?} (from {:?} to {:?})", times[0], times[times.len() - 1])
}
