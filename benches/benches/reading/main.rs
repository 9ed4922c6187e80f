//! Reading a million films: what a heap of structs, rkyv and Cap'n Proto's own reader do, and what Kapok does.
//!
//! Every row answers the same question over the same data in one run, and every answer is checked against the heap's before
//! anything is timed. A row that reads a text loads a byte of it, and says how far it checks it. Each question is asked of a
//! fresh store and of one in use. `KAPOK_ROWS` sets the number of films (default 1,000,000).
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark stops where something is wrong")]

mod opening;
mod peers;
mod random;
mod scans;
mod store;

use std::convert::identity;
use std::time::Duration;

use criterion::Criterion;
use kapok_benches::results::Results;
use kapok_consumer::Consumer;
use tokio::runtime::Runtime;

use peers::{Archive, Heap, Plain};
use store::{Age, Store};

/// A run with a filter, or one that measures nothing, leaves the results of the last whole run alone.
fn main() {
    let is_whole = std::env::args().skip(1).all(|argument| argument == "--bench");
    let rows = std::env::var("KAPOK_ROWS").map_or(1_000_000, |text| text.parse().unwrap());
    let mut results = Results::new(rows);
    let quick = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let mut criterion = quick.configure_from_args();
    opening::compare(&mut criterion, rows);
    for age in [Age::Fresh, Age::InUse] {
        reading(&mut criterion, age, rows, &mut results);
    }
    criterion.final_summary();
    if is_whole {
        results.add_criterion().unwrap();
        results.write("reading").unwrap();
    }
}

fn reading(c: &mut Criterion, age: Age, rows: usize, results: &mut Results) {
    let runtime = Runtime::new().unwrap();
    let store = Store::new(&runtime, age, rows, &[], identity);
    let consumer = runtime.block_on(Consumer::open(store.url())).unwrap();
    let heap = Heap::new(store.movies);
    let archive = Archive::new(store.folder.path(), &heap.movies);
    let plain = Plain::new(&heap.movies);
    let view = consumer.view();
    let entry = view.manifest().record_type("Movie").unwrap();
    let segments: u64 = entry.segments.iter().map(|segment| segment.size).sum();
    let indexes: u64 = entry.segments.iter().flat_map(|segment| &segment.artifacts).map(|index| index.size).sum();
    for (what, bytes) in [
        ("kapok", segments + indexes),
        ("kapok's index", indexes),
        ("rkyv", archive.bytes() as u64),
        ("plain message", plain.bytes() as u64),
    ] {
        let name = format!("bytes, {what} ({})", age.name());
        println!("{name}: {bytes}");
        results.add_number(&name, bytes as f64);
    }
    random::compare(c, age, &view, &heap, &archive, &plain);
    scans::compare(c, age, &view, &heap, &archive, &plain);
}
