//! Opening: from nothing to the first record found by its key.

use std::collections::HashMap;
use std::convert::identity;

use criterion::{BenchmarkId, Criterion};
use kapok_benches::Movie;
use kapok_consumer::Consumer;
use tokio::runtime::Runtime;

use crate::peers::Archive;
use crate::store::{Age, Store};

pub fn compare(c: &mut Criterion, rows: usize) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("open and read the first record by key");
    for count in [10_000, 100_000, rows] {
        let store = Store::new(&runtime, Age::Fresh, count, &[], identity);
        let wanted = &store.movies[count / 2];
        let archive = Archive::new(store.folder.path(), &store.movies);
        let traditional = store.folder.path().join("movies.postcard");
        std::fs::write(&traditional, postcard::to_stdvec(&store.movies).unwrap()).unwrap();

        let kapok = || {
            let consumer = runtime.block_on(Consumer::open(store.url())).unwrap();
            let view = consumer.view();
            let found = view.find("Movie", &wanted.id).unwrap().unwrap();
            view.field::<u16>("Movie.year").unwrap().get(found).unwrap()
        };
        let heap = || {
            let movies: Vec<Movie> = postcard::from_bytes(&std::fs::read(&traditional).unwrap()).unwrap();
            let by_id: HashMap<u32, usize> = movies.iter().enumerate().map(|(at, movie)| (movie.id, at)).collect();
            movies[by_id[&wanted.id]].year
        };
        let rkyv = || archive.open().by_key(wanted.id).unwrap().year.to_native();
        assert_eq!([kapok(), heap(), rkyv()], [wanted.year; 3]);
        group.bench_function(BenchmarkId::new("kapok: consumer, view, lookup", count), |b| b.iter(kapok));
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("heap: postcard, Vec, HashMap", count), |b| b.iter(heap));
        group.bench_function(BenchmarkId::new("rkyv: validated, already mapped", count), |b| b.iter(rkyv));
        group.sample_size(100);
    }
    group.finish();
}
