//! Reading a million films: what a heap of structs, rkyv and Cap'n Proto's own reader do, and what Kapok does.
//!
//! Every row answers the same question over the same data in one run, and every answer is checked against the heap's before
//! anything is timed. `KAPOK_ROWS` sets the number of films (default 1,000,000).
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark stops where something is wrong")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use capnp::message::{self, HeapAllocator, ReaderOptions};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kapok_benches::{Movie, Movies, shuffled};
use kapok_consumer::Consumer;
use kapok_producer::Producer;
use kapok_samples::movies_capnp::movie;
use tokio::runtime::Runtime;

const SEED: u64 = 42;

/// Films on the heap, with the map that finds one by its key.
#[derive(rkyv::Archive, rkyv::Serialize, serde::Serialize, serde::Deserialize)]
struct Catalogue {
    movies: Vec<Movie>,
    by_id: HashMap<u32, usize>,
}

impl Catalogue {
    fn new(count: usize) -> Self {
        let mut source = Movies::new(SEED);
        let movies: Vec<Movie> = (0..count).map(|_| source.draft().to_movie()).collect();
        let by_id = movies.iter().enumerate().map(|(index, movie)| (movie.id, index)).collect();
        Self { movies, by_id }
    }
}

fn rows() -> usize {
    std::env::var("KAPOK_ROWS").map_or(1_000_000, |text| text.parse().unwrap())
}

/// A store with one version of so many films.
fn store(runtime: &Runtime, count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let producer = Producer::open(folder.path().to_str().unwrap()).await.unwrap();
        let populate = |cycle: &kapok_producer::Cycle| {
            let mut writer = cycle.records::<movie::Owned>()?;
            let mut source = Movies::new(SEED);
            for _ in 0..count {
                let draft = source.draft();
                writer.add(|film| draft.fill(film))?;
            }
            Ok(())
        };
        producer.run_cycle(populate).await.unwrap();
    });
    folder
}

/// Films as a plain Cap'n Proto message, as a builder lays it out: one segment, record after record.
fn plain_message(movies: &[Movie]) -> Vec<u8> {
    let words = u32::try_from(movies.len() * 16 + 1024).unwrap();
    let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(words));
    let mut list: capnp::struct_list::Builder<'_, movie::Owned> =
        message.initn_root(u32::try_from(movies.len()).unwrap());
    for (index, film) in (0..).zip(movies) {
        let mut out = list.reborrow().get(index);
        out.set_id(film.id);
        out.set_title(film.title.as_str());
        out.set_year(film.year);
        out.set_runtime_min(film.runtime_min);
        let mut genres = out.init_genres(u32::try_from(film.genres.len()).unwrap());
        for (index, genre) in (0..).zip(&film.genres) {
            genres.set(index, genre.as_str());
        }
    }
    capnp::serialize::write_message_to_words(&message)
}

fn opening(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("open and read the first record by key");
    for count in [10_000, 100_000, rows()] {
        let catalogue = Catalogue::new(count);
        let folder = store(&runtime, count);
        let url = folder.path().to_str().unwrap().to_owned();
        let wanted = &catalogue.movies[count / 2];
        let traditional = folder.path().with_extension("postcard");
        std::fs::write(&traditional, postcard::to_stdvec(&catalogue.movies).unwrap()).unwrap();

        let kapok = || {
            let consumer = runtime.block_on(Consumer::open(&url)).unwrap();
            let view = consumer.view();
            let found = view.find("Movie", &wanted.id).unwrap().unwrap();
            view.field::<u16>("Movie.year").unwrap().get(found).unwrap()
        };
        let heap = || {
            let movies: Vec<Movie> = postcard::from_bytes(&std::fs::read(&traditional).unwrap()).unwrap();
            let by_id: HashMap<u32, usize> = movies.iter().enumerate().map(|(at, movie)| (movie.id, at)).collect();
            movies[by_id[&wanted.id]].year
        };
        assert_eq!((kapok(), heap()), (wanted.year, wanted.year));
        group.bench_function(BenchmarkId::new("kapok: consumer, view, lookup", count), |b| b.iter(kapok));
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("heap: postcard, Vec, HashMap", count), |b| b.iter(heap));
        std::fs::remove_file(&traditional).unwrap();
    }
    group.finish();
}

fn reading(c: &mut Criterion) {
    const BATCH: usize = 1000;
    let runtime = Runtime::new().unwrap();
    let count = rows();
    let catalogue = Catalogue::new(count);
    let movies = &catalogue.movies;
    let folder = store(&runtime, count);
    let consumer = runtime.block_on(Consumer::open(folder.path().to_str().unwrap())).unwrap();
    let view = consumer.view();
    let lookup = view.lookup("Movie").unwrap();
    let title = view.field::<&str>("Movie.title").unwrap();
    let title_bytes = view.field::<&[u8]>("Movie.title").unwrap();
    let year = view.field::<u16>("Movie.year").unwrap();
    let records = view.records::<movie::Owned>().unwrap();

    let plain = plain_message(movies);
    let mut slice: &[u8] = &plain;
    let options = *ReaderOptions::new().traversal_limit_in_words(None);
    let plain_reader = capnp::serialize::read_message_from_flat_slice(&mut slice, options).unwrap();
    let plain_list: capnp::struct_list::Reader<'_, movie::Owned> = plain_reader.get_root().unwrap();

    let rkyv_path = folder.path().with_extension("rkyv");
    std::fs::write(&rkyv_path, rkyv::to_bytes::<rkyv::rancor::Error>(&catalogue).unwrap()).unwrap();
    let rkyv_file = std::fs::File::open(&rkyv_path).unwrap();
    // SAFETY: the file was just written by this process and nobody else touches it.
    let rkyv_map = unsafe { memmap2::Mmap::map(&rkyv_file) }.unwrap();
    let archived = rkyv::access::<ArchivedCatalogue, rkyv::rancor::Error>(&rkyv_map).unwrap();

    let segment = view.table("Movie").unwrap().segments()[0].segment();
    println!(
        "bytes: kapok segment {} ({:.2} of the plain message), plain message {}, rkyv {}",
        segment.bytes().len(),
        segment.bytes().len() as f64 / plain.len() as f64,
        plain.len(),
        rkyv_map.len(),
    );

    // Answers first.
    let rows = view.table("Movie").unwrap().row_ids();
    for ((film, row_id), (archived_film, plain_film)) in
        movies.iter().zip(rows).zip(archived.movies.iter().zip(plain_list))
    {
        assert_eq!(lookup.find(&film.id).unwrap(), Some(row_id));
        assert_eq!((title.get(row_id).unwrap(), year.get(row_id).unwrap()), (film.title.as_str(), film.year));
        assert_eq!((archived_film.title.as_str(), archived_film.year.to_native()), (film.title.as_str(), film.year));
        let record = records.get(row_id).unwrap();
        assert_eq!(
            (record.get_title().unwrap().to_str().unwrap(), record.get_year()),
            (film.title.as_str(), film.year)
        );
        assert_eq!(plain_film.get_title().unwrap().to_str().unwrap(), film.title.as_str());
    }
    assert_eq!(lookup.find(&1_u32).unwrap(), None);

    let order = shuffled(u32::try_from(count).unwrap(), 7);
    let table = view.table("Movie").unwrap();
    let row_ids: Vec<_> = order.iter().map(|row| table.row_id(0, *row).unwrap()).collect();
    let keys: Vec<u32> = order.iter().map(|at| movies[*at as usize].id).collect();
    let mut next = 0;
    let mut batch = |len: usize| {
        next = if next + len * 2 > len * (count / len) { 0 } else { next + len };
        next..next + len
    };

    let mut group = c.benchmark_group("random key to title and year");
    group.throughput(Throughput::Elements(BATCH as u64)).measurement_time(Duration::from_secs(4));
    group.bench_function("heap: HashMap, Vec", |b| {
        b.iter(|| {
            for key in &keys[batch(BATCH)] {
                let film = &movies[catalogue.by_id[key]];
                black_box((film.title.as_str(), film.title.as_bytes().first(), film.year));
            }
        });
    });
    group.bench_function("kapok: lookup, field handles, bytes", |b| {
        b.iter(|| {
            for key in &keys[batch(BATCH)] {
                let found = lookup.find(key).unwrap().unwrap();
                let text = title_bytes.get(found).unwrap();
                black_box((text, text.first(), year.get(found).unwrap()));
            }
        });
    });
    group.bench_function("kapok: lookup, field handles, checked UTF-8", |b| {
        b.iter(|| {
            for key in &keys[batch(BATCH)] {
                let found = lookup.find(key).unwrap().unwrap();
                let text = title.get(found).unwrap();
                black_box((text, text.as_bytes().first(), year.get(found).unwrap()));
            }
        });
    });
    group.bench_function("rkyv, mapped: its hash map, its vector", |b| {
        b.iter(|| {
            for key in &keys[batch(BATCH)] {
                let at = archived.by_id.get(&rkyv::rend::u32_le::from_native(*key)).unwrap();
                let film = &archived.movies[at.to_native() as usize];
                black_box((film.title.as_str(), film.title.as_bytes().first(), film.year.to_native()));
            }
        });
    });
    group.finish();

    let mut group = c.benchmark_group("random row to title and year");
    group.throughput(Throughput::Elements(BATCH as u64)).measurement_time(Duration::from_secs(4));
    group.bench_function("capnp's reader, plain message, bytes", |b| {
        b.iter(|| {
            for row in &order[batch(BATCH)] {
                let film = plain_list.get(*row);
                let text = film.get_title().unwrap().as_bytes();
                black_box((text, text.first(), film.get_year()));
            }
        });
    });
    group.bench_function("capnp's reader, plain message, checked UTF-8", |b| {
        b.iter(|| {
            for row in &order[batch(BATCH)] {
                let film = plain_list.get(*row);
                let text = film.get_title().unwrap().to_str().unwrap();
                black_box((text, text.as_bytes().first(), film.get_year()));
            }
        });
    });
    group.bench_function("kapok: field handles, bytes", |b| {
        b.iter(|| {
            for at in &row_ids[batch(BATCH)] {
                let text = title_bytes.get(*at).unwrap();
                black_box((text, text.first(), year.get(*at).unwrap()));
            }
        });
    });
    group.bench_function("kapok: field handles, checked UTF-8", |b| {
        b.iter(|| {
            for at in &row_ids[batch(BATCH)] {
                let text = title.get(*at).unwrap();
                black_box((text, text.as_bytes().first(), year.get(*at).unwrap()));
            }
        });
    });
    group.bench_function("kapok: generated reader", |b| {
        b.iter(|| {
            for at in &row_ids[batch(BATCH)] {
                let film = records.get(*at).unwrap();
                let text = film.get_title().unwrap().to_str().unwrap();
                black_box((text, text.as_bytes().first(), film.get_year()));
            }
        });
    });
    group.bench_function("heap: Vec", |b| {
        b.iter(|| {
            for row in &order[batch(BATCH)] {
                let film = &movies[*row as usize];
                black_box((film.title.as_str(), film.title.as_bytes().first(), film.year));
            }
        });
    });
    group.finish();

    let years = || -> u64 { movies.iter().map(|film| u64::from(film.year)).sum() };
    let kapok_years = || {
        let mut sum = 0_u64;
        year.for_each(|year| sum += u64::from(year)).unwrap();
        sum
    };
    let kapok_iterated_years = || year.iter().map(|year| year.map(u64::from)).sum::<Result<u64, _>>().unwrap();
    let rkyv_years = || -> u64 { archived.movies.iter().map(|film| u64::from(film.year.to_native())).sum() };
    let plain_years = || -> u64 { plain_list.iter().map(|film| u64::from(film.get_year())).sum() };
    assert_eq!([kapok_years(), kapok_iterated_years(), rkyv_years(), plain_years()], [years(); 4]);
    let mut group = c.benchmark_group("scan: sum of years");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("heap: Vec", |b| b.iter(years));
    group.bench_function("kapok: field handle, for_each", |b| b.iter(kapok_years));
    group.bench_function("kapok: field handle, iterator", |b| b.iter(kapok_iterated_years));
    group.bench_function("rkyv, mapped", |b| b.iter(rkyv_years));
    group.bench_function("capnp's reader, plain message", |b| b.iter(plain_years));
    group.finish();

    let lengths = || -> usize { movies.iter().map(|film| film.title.len()).sum() };
    let kapok_lengths = || {
        let mut sum = 0;
        title_bytes.for_each(|text| sum += text.len()).unwrap();
        sum
    };
    let kapok_iterated_lengths =
        || title_bytes.iter().map(|text| text.map(<[u8]>::len)).sum::<Result<usize, _>>().unwrap();
    let kapok_checked = || title.iter().map(|text| text.map(str::len)).sum::<Result<usize, _>>().unwrap();
    let rkyv_lengths = || -> usize { archived.movies.iter().map(|film| film.title.len()).sum() };
    let plain_lengths = || -> usize { plain_list.iter().map(|film| film.get_title().unwrap().len()).sum() };
    let all = [kapok_lengths(), kapok_iterated_lengths(), kapok_checked(), rkyv_lengths(), plain_lengths()];
    assert_eq!(all, [lengths(); 5]);
    let mut group = c.benchmark_group("scan: sum of title lengths");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("heap: Vec", |b| b.iter(lengths));
    group.bench_function("kapok: field handle, bytes, for_each", |b| b.iter(kapok_lengths));
    group.bench_function("kapok: field handle, bytes, iterator", |b| b.iter(kapok_iterated_lengths));
    group.bench_function("kapok: field handle, checked UTF-8, iterator", |b| b.iter(kapok_checked));
    group.bench_function("rkyv, mapped", |b| b.iter(rkyv_lengths));
    group.bench_function("capnp's reader, plain message", |b| b.iter(plain_lengths));
    group.finish();
    std::fs::remove_file(&rkyv_path).unwrap();
}

criterion_group!(benches, opening, reading);
criterion_main!(benches);
