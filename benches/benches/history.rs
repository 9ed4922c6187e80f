//! What a long history costs: opening a store, and a cycle of one record, after 10 versions and after many.
//!
//! `KAPOK_VERSIONS` sets how many (default 10,000), `KAPOK_ROWS` the number of films (default 1,000,000). Each version upserts
//! one film; merges are made as they come due. Times are medians. `KAPOK_BENCH_DIR` is where the store is made; with
//! `KAPOK_STORE` a store of an earlier run is opened, and nothing else is done.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

use std::path::Path;
use std::time::{Duration, Instant};

use kapok_benches::{Movie, Movies};
use kapok_blobstore::on_this_thread;
use kapok_consumer::Consumer;
use kapok_producer::Producer;
use kapok_samples::movies_capnp::movie;
use tokio::runtime::Runtime;

const OPENINGS: usize = 1_000;
/// Consumers that are held at once.
const OPENED: usize = 50;
const CYCLES: u64 = 100;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Times of opening by a task of a blocking thread, and by the caller's thread as `kapok::blocking` does it.
fn both_openings(runtime: &Runtime, url: &str, id: u32) -> String {
    let by_task = openings(|| runtime.block_on(Consumer::open(url)).unwrap(), id);
    let here = openings(|| runtime.block_on(on_this_thread(Consumer::open(url))).unwrap(), id);
    format!("{by_task:.3?} | {here:.3?}")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Opens the store many times, and reads the first film by its key. To unmap what was opened is no part of it, so it is done
/// now and then in between.
fn openings(open: impl Fn() -> Consumer, id: u32) -> Duration {
    let mut times = Vec::new();
    for _ in 0..OPENINGS / OPENED {
        let mut opened = Vec::new();
        for _ in 0..OPENED {
            let begun = Instant::now();
            let consumer = open();
            let view = consumer.view();
            let found = view.find("Movie", &id).unwrap().unwrap();
            assert_ne!(view.field::<u16>("Movie.year").unwrap().get(found).unwrap(), 0);
            times.push(begun.elapsed());
            drop(view);
            opened.push(consumer);
        }
        drop(opened);
        std::thread::sleep(Duration::from_millis(20));
    }
    median(times)
}

/// Makes a version in which one film changed.
fn upsert(runtime: &Runtime, producer: &Producer, films: &[Movie], number: u64) -> (u64, Duration) {
    let begun = Instant::now();
    let place = usize::try_from(number * 7_919).unwrap() % films.len();
    let cycle = producer.run_incremental_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        movies.upsert(|mut out| {
            films[place].fill(out.reborrow());
            out.set_runtime_min(1_000 + u16::try_from(number % 50_000).unwrap());
        })?;
        Ok(())
    });
    let report = runtime.block_on(cycle).unwrap();
    let kapok_producer::Outcome::Published { version } = report.outcome else { panic!("nothing changed") };
    (report.merged.map_or(version, |merged| merged.version), begun.elapsed())
}

fn main() {
    let (rows, versions) = (number("KAPOK_ROWS", 1_000_000), number("KAPOK_VERSIONS", 10_000) as u64);
    let runtime = Runtime::new().unwrap();
    let mut source = Movies::new(42);
    if let Ok(url) = std::env::var("KAPOK_STORE") {
        let id = source.draft().id;
        println!("{}", both_openings(&runtime, &url, id));
        return;
    }
    let folder = tempfile::tempdir_in(std::env::var("KAPOK_BENCH_DIR").as_deref().unwrap_or("/tmp")).unwrap();
    let url = folder.path().to_str().unwrap();
    let films: Vec<Movie> = (0..rows).map(|_| source.draft().to_movie()).collect();
    let producer = runtime.block_on(Producer::open(url)).unwrap();
    let first = producer.run_cycle(|cycle| {
        let mut movies = cycle.records::<movie::Owned>()?;
        films.iter().try_for_each(|film| movies.add(|out| film.fill(out)))?;
        Ok(())
    });
    runtime.block_on(first).unwrap();
    let mut number = 0;
    println!(
        "| versions | open, first record by key | by the caller's thread | cycle of one record, a merge included where one was due |"
    );
    println!("|---|---|---|---|");
    for target in [10, versions] {
        let mut version = 1;
        while version < target {
            number += 1;
            (version, _) = upsert(&runtime, &producer, &films, number);
        }
        let openings = both_openings(&runtime, url, films[0].id);
        let mut cycles = Vec::new();
        for _ in 0..CYCLES {
            number += 1;
            cycles.push(upsert(&runtime, &producer, &films, number).1);
        }
        let files = |name: &str| std::fs::read_dir(Path::new(url).join(name)).unwrap().count();
        println!("| {target} | {openings} | {:.3?} |", median(cycles));
        println!("  ({} manifests, {} segments stored)", files("manifests"), files("segments"));
    }
}
