//! Versions of a million films: how long a cycle and a refresh take, and whether readers notice.
//!
//! `KAPOK_ROWS` sets the number of films (default 1,000,000), `KAPOK_RUNS` that of cycles (default 30). Each cycle changes
//! 1 % of the films, adds 0.5 % and removes 0.5 %, drawn at random, on a local store.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark stops where something is wrong"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kapok_benches::results::Results;
use kapok_benches::{Movie, Movies, shuffled};
use kapok_consumer::{Consumer, ConsumerSettings, MergedSegments, Store};
use kapok_producer::{CycleReport, MergeSchedule, Producer};
use kapok_samples::movies_capnp::movie;
use tokio::runtime::Runtime;

const SEED: u64 = 42;
const REFRESHES: usize = 50;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The films of the newest version, and where the next new ones come from.
struct Films {
    newest: BTreeMap<u32, Movie>,
    source: Movies,
    cycle: u64,
}

/// What a cycle changes.
struct Churn {
    upserts: Vec<Movie>,
    removed: Vec<u32>,
}

impl Films {
    fn new(rows: usize) -> Self {
        let mut source = Movies::new(SEED);
        let films = (0..rows).map(|_| source.draft().to_movie()).map(|film| (film.id, film)).collect();
        Self { newest: films, source, cycle: 0 }
    }

    /// 1 % changed, 0.5 % added, 0.5 % removed.
    fn churn(&mut self) -> Churn {
        self.cycle += 1;
        let ids: Vec<u32> = self.newest.keys().copied().collect();
        let part = ids.len() / 200;
        let order = shuffled(u32::try_from(ids.len()).unwrap(), SEED + self.cycle);
        let mut chosen = order.iter().map(|at| ids[*at as usize]);
        let removed: Vec<u32> = chosen.by_ref().take(part).collect();
        let mut upserts = Vec::new();
        for id in chosen.take(2 * part) {
            let film = self.newest.get_mut(&id).unwrap();
            film.year = film.year % 2027 + 1;
            film.title.push('!');
            upserts.push(film.clone());
        }
        for _ in 0..part {
            upserts.push(self.source.draft().to_movie());
        }
        for id in &removed {
            self.newest.remove(id);
        }
        for film in &upserts {
            self.newest.insert(film.id, film.clone());
        }
        Churn { upserts, removed }
    }
}

/// All films, by as many threads.
fn full_cycle(runtime: &Runtime, producer: &Producer, films: &BTreeMap<u32, Movie>, threads: usize) -> CycleReport {
    let all: Vec<&Movie> = films.values().collect();
    let cycle = producer.run_cycle(|cycle| {
        std::thread::scope(|scope| {
            for part in all.chunks(all.len().div_ceil(threads)) {
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
    runtime.block_on(cycle).unwrap()
}

fn incremental_cycle(runtime: &Runtime, producer: &Producer, churn: &Churn) -> CycleReport {
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        for film in &churn.upserts {
            movies.upsert(|out| film.fill(out))?;
        }
        for id in &churn.removed {
            movies.delete(id)?;
        }
        Ok(())
    });
    runtime.block_on(cycle).unwrap()
}

/// A consumer's view against what it should be: all of it.
fn check(consumer: &Consumer, films: &BTreeMap<u32, Movie>) {
    let view = consumer.view();
    let records = view.records::<movie::Owned>().unwrap();
    assert_eq!(records.table().len(), films.len() as u64);
    for film in films.values() {
        let found = records.by_key(&film.id).unwrap().unwrap();
        assert_eq!((found.get_title().unwrap().to_str().unwrap(), found.get_year()), (film.title.as_str(), film.year));
    }
}

fn main() {
    let (rows, runs) = (number("KAPOK_ROWS", 1_000_000), number("KAPOK_RUNS", 30));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{rows} films, {threads} processors, local store, {runs} cycles of 1 % changed, 0.5 % added, 0.5 % removed"
    );
    let mut results = Results::new(rows);
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("store");
    let mut films = Films::new(rows);
    let producer = open(&runtime, &url);
    full_cycle(&runtime, &producer, &films.newest, threads);

    cycles_and_refreshes(&runtime, &producer, &url, &mut films, runs, &mut results);
    full_cycles(&runtime, &producer, &mut films, threads, &mut results);
    restores(&runtime, &url, &mut results);
    reads_during_refreshes(&runtime, &producer, &url, &mut films, &mut results);
    results.write("versions").unwrap();
}

fn open(runtime: &Runtime, url: &Path) -> Producer {
    let mut producer = runtime.block_on(Producer::open(url.to_str().unwrap())).unwrap();
    producer.settings_mut().merge_schedule = MergeSchedule::Manual;
    producer
}

fn cycles_and_refreshes(
    runtime: &Runtime,
    producer: &Producer,
    url: &Path,
    films: &mut Films,
    runs: usize,
    results: &mut Results,
) {
    let url = url.to_str().unwrap();
    let mapping = runtime.block_on(Consumer::open(url)).unwrap();
    let mut settings = ConsumerSettings::default();
    settings.merged_segments = MergedSegments::Make;
    let store = runtime.block_on(Store::open(url)).unwrap();
    let making = runtime.block_on(Consumer::builder(store).settings(settings).open()).unwrap();
    let (mut cycles, mut steps, mut refreshes, mut merges) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut across, mut made) = (Vec::new(), Vec::new());
    let (mut downloaded, mut encoded) = (0, 0);
    for _ in 0..runs {
        let churn = films.churn();
        let started = Instant::now();
        let report = incremental_cycle(runtime, producer, &churn);
        let cycle = started.elapsed();
        cycles.push(cycle);
        steps.push(report.steps);
        encoded += report.types[0].segment_bytes;
        refreshes.push(refresh(runtime, &mapping).0);
        downloaded += refresh(runtime, &making).1;
        while let Some(report) = runtime.block_on(producer.merge()).unwrap() {
            merges.push(report.duration);
            across.push(refresh(runtime, &mapping).0);
            let (duration, bytes) = refresh(runtime, &making);
            made.push(duration);
            downloaded += bytes;
        }
    }
    check(&mapping, &films.newest);
    check(&making, &films.newest);
    print("incremental cycle, first upsert to announcement", &mut cycles).add_to(results, "incremental");
    let median = &steps[steps.len() / 2];
    println!("    one of them: {median:?}");
    print("refresh, announcement seen to swap done", &mut refreshes).add_to(results, "refresh");
    print("merge, by the producer", &mut merges).add_to(results, "merge");
    print("refresh across a merge, mapping the producer's file", &mut across).add_to(results, "refresh, mapped");
    print("refresh across a merge, making it from its sources", &mut made).add_to(results, "refresh, made");
    let downloaded = downloaded as f64 / encoded as f64;
    results.add_number("downloaded", downloaded);
    println!(
        "downloaded by the consumer that makes merges: {downloaded:.2} x the segments of changed rows, indexes and tombstones included"
    );
    let view = mapping.view();
    let entry = view.manifest().record_type("Movie").unwrap();
    let (bytes, live): (u64, f64) = entry.segments.iter().fold((0, 0.0), |(bytes, live), segment| {
        let share = 1.0 - f64::from(segment.dead) / f64::from(segment.rows);
        (bytes + segment.size, live + share * segment.size as f64)
    });
    println!("after these: {} segments, {:.0} % of the bytes alive", entry.segments.len(), live * 100.0 / bytes as f64);
}

/// Duration, and bytes that came over the wire.
fn refresh(runtime: &Runtime, consumer: &Consumer) -> (Duration, u64) {
    let started = Instant::now();
    let done = runtime.block_on(consumer.refresh()).unwrap();
    assert_ne!(done.from, done.to);
    (started.elapsed(), done.fetched_bytes)
}

fn full_cycles(runtime: &Runtime, producer: &Producer, films: &mut Films, threads: usize, results: &mut Results) {
    for threads in [1, threads] {
        let mut durations = Vec::new();
        let mut last = None;
        for _ in 0..5 {
            films.churn();
            let started = Instant::now();
            let report = full_cycle(runtime, producer, &films.newest, threads);
            durations.push(started.elapsed());
            last = Some(report.steps);
        }
        print(&format!("full cycle of the same change, {threads} populating thread(s)"), &mut durations)
            .add_to(results, &format!("full, {threads}"));
        println!("    one of them: {:?}", last.unwrap());
    }
}

fn restores(runtime: &Runtime, url: &Path, results: &mut Results) {
    let mut durations = Vec::new();
    for _ in 0..9 {
        let started = Instant::now();
        let producer = open(runtime, url);
        assert!(runtime.block_on(producer.restore()).unwrap() > 0);
        durations.push(started.elapsed());
    }
    print("restore: a new producer opens the store and maps the newest version", &mut durations)
        .add_to(results, "restore");
}

/// Random reads, each through the view of its moment, while a consumer refreshes: the reader's own, or another. The
/// producer merges as it would by itself, so some of the swaps are across merges.
fn reads_during_refreshes(
    runtime: &Runtime,
    producer: &Producer,
    url: &Path,
    films: &mut Films,
    results: &mut Results,
) {
    let url = url.to_str().unwrap();
    let mut all = [Latencies::none(), Latencies::none()];
    for (swapped, prefault) in [(false, true), (true, true), (false, false), (true, false)].repeat(2) {
        let mut settings = ConsumerSettings::default();
        settings.prefault = prefault;
        let store = runtime.block_on(Store::open(url)).unwrap();
        let reading = runtime.block_on(Consumer::builder(store).settings(settings).open()).unwrap();
        let other = runtime.block_on(Consumer::open(url)).unwrap();
        let ids: Vec<u32> = films.newest.keys().copied().collect();
        let order = shuffled(u32::try_from(ids.len()).unwrap(), SEED);
        let is_over = AtomicBool::new(false);
        let latencies = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut latencies = Latencies::none();
                for at in order.iter().cycle() {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let started = Instant::now();
                    let view = reading.view();
                    let lookup = view.lookup("Movie").unwrap();
                    std::hint::black_box(
                        lookup.find(&ids[*at as usize]).unwrap().map(|at| lookup.table().row(at).unwrap()),
                    );
                    latencies.add(started.elapsed());
                }
                latencies
            });
            for _ in 0..REFRESHES {
                let churn = films.churn();
                incremental_cycle(runtime, producer, &churn);
                refresh(runtime, if swapped { &reading } else { &other });
                while runtime.block_on(producer.merge()).unwrap().is_some() {
                    refresh(runtime, if swapped { &reading } else { &other });
                }
            }
            is_over.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        println!(
            "{} reads beside {REFRESHES} cycles, {}, {}: median {} ns, p99 {} ns, p99.9 {} ns, p99.999 {} ns, longest {:.2} ms",
            latencies.reads,
            if swapped { "view swapped each time" } else { "same load, not swapped" },
            if prefault { "prefault" } else { "no prefault" },
            latencies.quantile(0.5),
            latencies.quantile(0.99),
            latencies.quantile(0.999),
            latencies.quantile(0.99999),
            latencies.longest as f64 / 1e6
        );
        all[usize::from(swapped)].join(&latencies);
    }
    for (name, latencies) in ["view not swapped", "view swapped each time"].into_iter().zip(all) {
        for (part, share) in [("median", 0.5), ("p99.9", 0.999), ("p99.999", 0.99999)] {
            results.add_number(&format!("{name}, {part}"), latencies.quantile(share) as f64);
        }
        results.add_number(&format!("{name}, longest"), latencies.longest as f64);
    }
}

/// How often a read took how long, in steps of 10 ns.
struct Latencies {
    buckets: Vec<u64>,
    reads: u64,
    longest: u128,
}

impl Latencies {
    fn none() -> Self {
        Self { buckets: vec![0; 100_000], reads: 0, longest: 0 }
    }

    fn join(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(all, more)| *all += more);
        self.reads += other.reads;
        self.longest = self.longest.max(other.longest);
    }

    fn add(&mut self, duration: Duration) {
        let ns = duration.as_nanos();
        let last = self.buckets.len() - 1;
        self.buckets[usize::try_from(ns / 10).unwrap_or(last).min(last)] += 1;
        self.reads += 1;
        self.longest = self.longest.max(ns);
    }

    /// In nanoseconds.
    fn quantile(&self, share: f64) -> usize {
        let wanted = (self.reads as f64 * share) as u64;
        let mut seen = 0;
        let at = self.buckets.iter().position(|count| {
            seen += count;
            seen > wanted
        });
        at.unwrap_or(self.buckets.len()) * 10
    }
}

/// What of a series of durations is kept.
struct Summary {
    median: Duration,
    worst: Duration,
    runs: usize,
}

impl Summary {
    fn add_to(&self, results: &mut Results, name: &str) {
        results.add(&format!("{name}, median"), self.median);
        results.add(&format!("{name}, worst"), self.worst);
        results.add_number(&format!("{name}, runs"), self.runs as f64);
    }
}

fn print(what: &str, durations: &mut [Duration]) -> Summary {
    durations.sort_unstable();
    let at = |at: usize| durations.get(at).copied().unwrap_or_default();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let runs = durations.len();
    let summary = Summary { median: at(runs / 2), worst: at(runs.saturating_sub(1)), runs };
    let (median, least, worst) = (ms(summary.median), ms(at(0)), ms(summary.worst));
    println!("{what}: median {median:.2} ms, least {least:.2}, worst {worst:.2} ({runs} runs)");
    summary
}
