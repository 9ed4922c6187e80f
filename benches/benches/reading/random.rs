//! Random reads: by key and by row, of films in no order.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use kapok_benches::shuffled;
use kapok_index::View;
use kapok_samples::movies_capnp::movie;

use crate::peers::{Archive, Heap, Plain};
use crate::store::Age;

/// Reads of one measured iteration.
const BATCH: usize = 1000;

/// Keys of one bulk lookup.
const MANY: usize = 10_000;

/// A title and a year, as every row of these tables hands them on: the first byte of the title is loaded.
#[inline]
fn touch(title: &[u8], year: u16) {
    black_box((title.len(), title.first().copied(), year));
}

/// Slices of a shuffled list, one after another and round its end: what was read last is not in the caches.
struct Batches<'o, T> {
    order: &'o [T],
    len: usize,
    next: usize,
}

impl<'o, T> Batches<'o, T> {
    fn new(order: &'o [T], len: usize) -> Self {
        Self { order, len: len.min(order.len()), next: 0 }
    }

    fn next(&mut self) -> &'o [T] {
        let len = self.len;
        if self.next + len > self.order.len() {
            self.next = 0;
        }
        self.next += len;
        &self.order[self.next - len..self.next]
    }
}

fn group<'c>(c: &'c mut Criterion, age: Age, question: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(format!("{question} ({})", age.name()));
    group.throughput(Throughput::Elements(BATCH as u64));
    group
}

/// A row: what is done with each item of a batch.
fn row<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, items: &[T], mut read: impl FnMut(&T)) {
    let mut batches = Batches::new(items, BATCH);
    group.bench_function(name, |b| b.iter(|| batches.next().iter().for_each(&mut read)));
}

/// A row: what is done with [`MANY`] items at once, measured by the batch.
fn many<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, items: &[T], mut read: impl FnMut(&[T])) {
    let mut batches = Batches::new(items, MANY);
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function(name, |b| b.iter(|| read(batches.next())));
    group.throughput(Throughput::Elements(BATCH as u64));
}

pub fn compare(c: &mut Criterion, age: Age, view: &View, heap: &Heap, archive: &Archive, plain: &Plain) {
    let lookup = view.lookup("Movie").unwrap();
    let title = view.field::<&str>("Movie.title").unwrap();
    let bytes = view.field::<&[u8]>("Movie.title").unwrap();
    let year = view.field::<u16>("Movie.year").unwrap();
    let records = view.records::<movie::Owned>().unwrap();
    let archived = archive.open();
    let message = plain.open();
    let list: capnp::struct_list::Reader<'_, movie::Owned> = message.get_root().unwrap();

    // Answers first.
    for (film, at) in heap.movies.iter().zip(0..) {
        let expected = (film.title.as_str(), film.year);
        let row_id = lookup.find(&film.id).unwrap().unwrap();
        assert_eq!((title.get(row_id).unwrap(), year.get(row_id).unwrap()), expected);
        assert_eq!(bytes.get(row_id).unwrap(), expected.0.as_bytes());
        let record = records.by_key(&film.id).unwrap().unwrap();
        assert_eq!((record.get_title().unwrap().to_str().unwrap(), record.get_year()), expected);
        let found = archived.by_key(film.id).unwrap();
        assert_eq!((found.title.as_str(), found.year.to_native()), expected);
        let found = heap.by_key(film.id).unwrap();
        assert_eq!((found.title.as_str(), found.year), expected);
        let found = list.get(heap.by_id_fx[&film.id]);
        assert_eq!((found.get_title().unwrap().to_str().unwrap(), found.get_year()), expected);
        assert_eq!(heap.by_id_fx[&film.id], at);
        // Ids are multiples of 7.
        let absent = film.id + 3;
        assert_eq!(lookup.find(&absent).unwrap(), None);
        assert!(heap.by_key_fx(absent).is_none() && archived.by_key(absent).is_none());
    }

    let order = shuffled(u32::try_from(heap.movies.len()).unwrap(), 7);
    let keys: Vec<u32> = order.iter().map(|at| heap.movies[*at as usize].id).collect();
    let row_ids: Vec<_> = keys.iter().map(|key| lookup.find(key).unwrap().unwrap()).collect();

    let mut rows = group(c, age, "random key to title and year");
    row(&mut rows, "kapok: lookup, field handles, &str", &keys, |key| {
        let found = lookup.find(key).unwrap().unwrap();
        touch(title.get(found).unwrap().as_bytes(), year.get(found).unwrap());
    });
    row(&mut rows, "kapok: lookup, field handles, bytes", &keys, |key| {
        let found = lookup.find(key).unwrap().unwrap();
        touch(bytes.get(found).unwrap(), year.get(found).unwrap());
    });
    many(&mut rows, "kapok: find_many of 10,000, field handles, &str", &keys, |keys| {
        for found in lookup.find_many(keys).unwrap() {
            let found = found.unwrap();
            touch(title.get(found).unwrap().as_bytes(), year.get(found).unwrap());
        }
    });
    many(&mut rows, "kapok: find_many and get_many of 10,000, &str", &keys, |keys| {
        let found: Vec<_> = lookup.find_many(keys).unwrap().into_iter().map(Option::unwrap).collect();
        for (title, year) in title.get_many(&found).unwrap().into_iter().zip(year.get_many(&found).unwrap()) {
            touch(title.as_bytes(), year);
        }
    });
    row(&mut rows, "kapok: generated reader, &str", &keys, |key| {
        let film = records.by_key(key).unwrap().unwrap();
        touch(film.get_title().unwrap().to_str().unwrap().as_bytes(), film.get_year());
    });
    row(&mut rows, "heap: std HashMap, Vec", &keys, |key| {
        let film = heap.by_key(*key).unwrap();
        touch(film.title.as_bytes(), film.year);
    });
    row(&mut rows, "heap: FxHashMap, Vec", &keys, |key| {
        let film = heap.by_key_fx(*key).unwrap();
        touch(film.title.as_bytes(), film.year);
    });
    row(&mut rows, "rkyv, mapped: its hash map, its vector, &str checked when it was opened", &keys, |key| {
        let film = archived.by_key(*key).unwrap();
        touch(film.title.as_bytes(), film.year.to_native());
    });
    row(&mut rows, "capnp's reader, plain message, FxHashMap beside it, &str", &keys, |key| {
        let film = list.get(heap.by_id_fx[key]);
        touch(film.get_title().unwrap().to_str().unwrap().as_bytes(), film.get_year());
    });
    rows.finish();

    let mut rows = group(c, age, "key to row alone");
    row(&mut rows, "kapok: lookup", &keys, |key| {
        black_box(lookup.find(key).unwrap());
    });
    row(&mut rows, "heap: std HashMap", &keys, |key| {
        black_box(heap.by_id.get(key));
    });
    row(&mut rows, "heap: FxHashMap", &keys, |key| {
        black_box(heap.by_id_fx.get(key));
    });
    row(&mut rows, "rkyv, mapped: its hash map", &keys, |key| {
        black_box(archived.by_key(*key));
    });
    rows.finish();

    let absent: Vec<u32> = keys.iter().map(|key| key + 3).collect();
    let mut rows = group(c, age, "absent key");
    row(&mut rows, "kapok: lookup", &absent, |key| {
        black_box(lookup.find(key).unwrap());
    });
    row(&mut rows, "heap: FxHashMap", &absent, |key| {
        black_box(heap.by_id_fx.get(key));
    });
    row(&mut rows, "rkyv, mapped: its hash map", &absent, |key| {
        black_box(archived.by_key(*key));
    });
    rows.finish();

    let mut rows = group(c, age, "random row to title and year");
    row(&mut rows, "kapok: field handles, &str", &row_ids, |at| {
        touch(title.get(*at).unwrap().as_bytes(), year.get(*at).unwrap());
    });
    row(&mut rows, "kapok: field handles, bytes", &row_ids, |at| {
        touch(bytes.get(*at).unwrap(), year.get(*at).unwrap());
    });
    row(&mut rows, "kapok: generated reader, &str", &row_ids, |at| {
        let film = records.get(*at).unwrap();
        touch(film.get_title().unwrap().to_str().unwrap().as_bytes(), film.get_year());
    });
    row(&mut rows, "heap: Vec", &order, |at| {
        let film = &heap.movies[*at as usize];
        touch(film.title.as_bytes(), film.year);
    });
    row(&mut rows, "rkyv, mapped: its vector", &order, |at| {
        let film = &archived.movies()[*at as usize];
        touch(film.title.as_bytes(), film.year.to_native());
    });
    row(&mut rows, "capnp's reader, held list of a plain message, &str", &order, |at| {
        let film = list.get(*at);
        touch(film.get_title().unwrap().to_str().unwrap().as_bytes(), film.get_year());
    });
    rows.finish();

    let mut rows = group(c, age, "random row to year");
    row(&mut rows, "kapok: field handle", &row_ids, |at| {
        black_box(year.get(*at).unwrap());
    });
    row(&mut rows, "kapok: generated reader", &row_ids, |at| {
        black_box(records.get(*at).unwrap().get_year());
    });
    row(&mut rows, "heap: Vec", &order, |at| {
        black_box(heap.movies[*at as usize].year);
    });
    row(&mut rows, "rkyv, mapped: its vector", &order, |at| {
        black_box(archived.movies()[*at as usize].year.to_native());
    });
    row(&mut rows, "capnp's reader, held list of a plain message", &order, |at| {
        black_box(list.get(*at).get_year());
    });
    rows.finish();
}
