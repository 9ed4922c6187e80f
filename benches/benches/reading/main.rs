//! Reading a million films: what a heap of structs, rkyv and Cap'n Proto's own reader do, and what Kapok does.
//!
//! Every row answers the same question over the same data in one run, and every answer is checked against the heap's before
//! anything is timed. A row that reads a text loads a byte of it, and says how far it checks it. Each question is asked of a
//! fresh store and of one in use. `KAPOK_ROWS` sets the number of films (default 1,000,000).
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

mod opening;
mod peers;
mod random;
mod scans;
mod store;

use criterion::{Criterion, criterion_group, criterion_main};
use kapok_consumer::Consumer;
use tokio::runtime::Runtime;

use peers::{Archive, Heap, Plain};
use store::{Age, Store};

fn rows() -> usize {
    std::env::var("KAPOK_ROWS").map_or(1_000_000, |text| text.parse().unwrap())
}

fn opening(c: &mut Criterion) {
    opening::compare(c, rows());
}

fn reading(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for age in [Age::Fresh, Age::InUse] {
        let store = Store::new(&runtime, age, rows());
        let consumer = runtime.block_on(Consumer::open(store.url())).unwrap();
        let heap = Heap::new(store.movies);
        let archive = Archive::new(store.folder.path(), &heap.movies);
        let plain = Plain::new(&heap.movies);
        let view = consumer.view();
        let entry = view.manifest().record_type("Movie").unwrap();
        let segments: u64 = entry.segments.iter().map(|segment| segment.size).sum();
        let indexes: u64 = entry.segments.iter().flat_map(|segment| &segment.artifacts).map(|index| index.size).sum();
        println!(
            "{}: bytes with index: kapok {} ({} of them index), rkyv {}; without one: plain message {}",
            age.name(),
            segments + indexes,
            indexes,
            archive.bytes(),
            plain.bytes(),
        );
        random::compare(c, age, &view, &heap, &archive, &plain);
        scans::compare(c, age, &view, &heap, &archive, &plain);
    }
}

criterion_group!(benches, opening, reading);
criterion_main!(benches);
