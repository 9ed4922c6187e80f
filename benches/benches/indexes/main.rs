//! Declared indexes of a million films: what maps of structs on the heap and `SQLite` with the same indexes do, and what Kapok
//! does.
//!
//! Every answer is checked against the heap's before anything is timed. Kapok is asked of a fresh store and of one in use.
//! `KAPOK_ROWS` sets the number of films (default 1,000,000).
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark stops where something is wrong")]

mod answers;
mod heap;
mod sqlite;
#[path = "../reading/store.rs"]
mod store;

use std::collections::hash_map::RandomState;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use kapok_benches::results::Results;
use kapok_benches::{Movie, shuffled};
use kapok_consumer::Consumer;
use tokio::runtime::Runtime;

use answers::{Answers, Kapok};
use heap::Heap;
use sqlite::Sqlite;
use store::{Age, Store};

const INDEXES: [&str; 4] = ["key(title)", "hash(year)", "sorted(year)", "sorted(title)"];
/// Questions of one measured iteration.
const BATCH: usize = 100;
/// Questions whose answers are compared first.
const CHECKED: usize = 2000;

/// A run with a filter, or one that measures nothing, leaves the results of the last whole run alone.
fn main() {
    let is_whole = std::env::args().skip(1).all(|argument| argument == "--bench");
    let rows = std::env::var("KAPOK_ROWS").map_or(1_000_000, |text| text.parse().unwrap());
    let mut results = Results::new(rows);
    let load = load();
    println!("{}; load {load}, SQLite {}", results.machine, rusqlite::version());
    results.add_number("load", load);
    results.add_number("sqlite, version", f64::from(rusqlite::version_number()));
    let quick = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let mut criterion = quick.sample_size(20).configure_from_args();
    for age in [Age::Fresh, Age::InUse] {
        compare(&mut criterion, age, rows, &mut results);
    }
    criterion.final_summary();
    if is_whole {
        results.add_criterion().unwrap();
        results.write("indexes").unwrap();
    }
}

/// Returns how many processes were at work in the last minute; 0 where the system does not tell.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// A film whose title no other has.
fn film(film: Movie) -> Movie {
    Movie { title: format!("{} {:x}", film.title, film.id), ..film }
}

fn compare(c: &mut Criterion, age: Age, rows: usize, results: &mut Results) {
    let runtime = Runtime::new().unwrap();
    let started = Instant::now();
    let store = Store::new(&runtime, age, rows, &INDEXES, film);
    let movies = &store.movies;
    println!("published in {:?}", started.elapsed());
    let consumer = runtime.block_on(Consumer::open(store.url())).unwrap();
    let view = consumer.view_arc();
    let ty = view.manifest().record_type("Movie").unwrap();
    let (live, all) = (ty.rows, ty.segments.iter().map(|segment| u64::from(segment.rows)).sum::<u64>());
    println!("{}: {} segments, {live} live rows of {all}", age.name(), ty.segments.len());
    let mut add = |what: &str, bytes: u64| {
        println!("bytes, {what}: {bytes}");
        results.add_number(&format!("bytes, {what} ({})", age.name()), bytes as f64);
    };
    add(
        "kapok",
        ty.segments.iter().map(|segment| segment.size + segment.artifacts.iter().map(|it| it.size).sum::<u64>()).sum(),
    );

    let heap = Heap::<RandomState>::new(movies);
    measure(c, age, "kapok", movies, &heap, &Kapok::new(&view));
    // The others hold the same films whatever the age.
    if age == Age::Fresh {
        let connection = sqlite::load(store.folder.path(), movies);
        add("sqlite", sqlite::bytes(&connection));
        measure(c, age, "sqlite", movies, &heap, &Sqlite::new(&connection));
        measure(c, age, "heap, std", movies, &heap, &heap);
        measure(c, age, "heap, Fx", movies, &heap, &Heap::<rustc_hash::FxBuildHasher>::new(movies));
    }
}

/// Compares answers with those of the heap, then times them.
fn measure(c: &mut Criterion, age: Age, name: &str, movies: &[Movie], heap: &impl Answers, asked: &impl Answers) {
    let order = shuffled(u32::try_from(movies.len()).unwrap(), 7);
    let order: Vec<&Movie> = order.into_iter().map(|at| &movies[at as usize]).collect();
    for film in order.iter().take(CHECKED) {
        assert_eq!(asked.year_of_title(&film.title), film.year, "{name}");
        assert_eq!(asked.first_from_title(&film.title[1..]), heap.first_from_title(&film.title[1..]), "{name}");
        assert_eq!(asked.first_from_year(film.year + 1), heap.first_from_year(film.year + 1), "{name}");
    }
    for film in order.iter().take(50) {
        assert_eq!(asked.minutes_of_year(film.year), heap.minutes_of_year(film.year), "{name}");
    }
    assert_eq!((asked.count_by_scan(), asked.count()), (heap.count_by_scan(), heap.count()), "{name}");

    let mut next = 0;
    let mut row = |c: &mut Criterion, question: &str, ask: &mut dyn FnMut(&Movie)| {
        let mut group = group(c, age, question);
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                next = if next + BATCH > order.len() { 0 } else { next };
                order[next..next + BATCH].iter().for_each(|film| ask(film));
                next += BATCH;
            });
        });
    };
    row(c, "title to year", &mut |film| _ = black_box(asked.year_of_title(&film.title)));
    row(c, "first from a title", &mut |film| _ = black_box(asked.first_from_title(&film.title[1..])));
    row(c, "first from a year", &mut |film| _ = black_box(asked.first_from_year(film.year)));
    let matches: u64 = order.iter().take(50).map(|film| asked.minutes_of_year(film.year).0).sum();
    let mut matching = group(c, age, "minutes of a year");
    matching.throughput(Throughput::Elements(matches));
    matching.bench_function(name, |b| {
        b.iter(|| order[..50].iter().map(|film| asked.minutes_of_year(film.year).1).sum::<u64>());
    });
    matching.finish();
    group(c, age, "count by scan").bench_function(name, |b| b.iter(|| asked.count_by_scan()));
    group(c, age, "count").bench_function(name, |b| b.iter(|| asked.count()));
}

fn group<'c>(c: &'c mut Criterion, age: Age, question: &str) -> BenchmarkGroup<'c, WallTime> {
    c.benchmark_group(format!("indexes: {question} ({})", age.name()))
}
