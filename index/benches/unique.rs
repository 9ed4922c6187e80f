//! How long a lookup takes, from a random key to a title and a year, among a million films.
//!
//! Beside it stands what a program would do that keeps the films on its own heap: `HashMap<u32, usize>` and
//! `Vec<Movie>`. Answers are compared before anything is timed.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message::{self, HeapAllocator};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::manifest::{Manifest, RecordType, SegmentEntry};
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, SealSettings, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{Binding, BuiltArtifact, IndexSet, UniqueIndex, View, unique};
use kapok_samples::movies_capnp::movie;

const MOVIES: u32 = 1_000_000;
const LOOKUPS: usize = 1 << 20;

struct Movie {
    title: String,
    year: u16,
}

/// Scattered, so that keys are not their own positions; each once.
fn id(index: u32) -> u32 {
    index.wrapping_mul(2_654_435_761)
}

fn title(id: u32) -> String {
    format!("The one with the number {id}")
}

fn year(id: u32) -> u16 {
    u16::try_from(1900 + id % 125).unwrap()
}

fn movies() -> (Encoding, View, Segment, Vec<u8>) {
    let (schema, type_id) = Schema::of::<movie::Owned>().unwrap();
    let encoding = Encoding::new(Arc::new(schema), type_id, &["id".into()], Sharing::Shared).unwrap();
    let mut stage = Stage::new(&encoding);
    for id in (0..MOVIES).map(id) {
        let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(32));
        let mut movie: movie::Builder<'_> = message.init_root();
        movie.set_id(id);
        movie.set_title(title(id));
        movie.set_year(year(id));
        let segments = message.get_segments_for_output();
        stage.add_struct(Words::new(segments[0]).struct_of(0).unwrap().unwrap()).unwrap();
    }
    let sealed = stage.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
    assert_eq!(sealed.rows, MOVIES);
    let mut blobs = BlobMap::new();
    let entry = sealed.entry(Sharing::Shared);
    let bytes = Bytes::from(sealed.bytes);
    let segment = Segment::open("segment", bytes.clone(), sealed.rows).unwrap();
    blobs.insert(sealed.id, Blob { name: "segment".into(), bytes });
    let [BuiltArtifact { artifact, bytes }] =
        IndexSet::of_key(&encoding).unwrap().build_lacking(&segment, &entry, &[]).unwrap().try_into().unwrap();
    blobs.insert(artifact.id, Blob { name: "index".into(), bytes: bytes.clone() });
    let index = unique::build(encoding.key(), &segment, &Binding::default()).unwrap();
    let entry = SegmentEntry { artifacts: vec![artifact], ..entry };
    let record_type = RecordType {
        name: "Movie".into(),
        type_id,
        key: vec!["id".into()],
        rows: MOVIES.into(),
        segments: vec![entry],
        changes: None,
        ..RecordType::default()
    };
    let manifest = Manifest {
        version: 1,
        parent: None,
        created_unix_ms: 0,
        writer: String::new(),
        writer_token: [0; 16],
        announce_itself: false,
        log_sequence: 0,
        schema: Arc::clone(encoding.schema()),
        record_types: vec![record_type],
        tags: BTreeMap::new(),
    };
    (encoding, View::open(Arc::new(manifest), &blobs).unwrap(), segment, index)
}

/// Random keys, the same in each run: of films that there are, and of others.
fn keys() -> (Vec<u32>, Vec<u32>) {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u32::try_from(state >> 32).unwrap()
    };
    let hits = (0..LOOKUPS).map(|_| id(random() % MOVIES)).collect();
    let misses = (0..LOOKUPS).map(|_| id(MOVIES + random() % MOVIES)).collect();
    (hits, misses)
}

/// Something that depends on the year and on the title from its first byte to its last.
fn digest(title: &[u8], year: u16) -> u64 {
    u64::from(title[0]) + u64::from(title[title.len() - 1]) + u64::from(year)
}

/// As many lookups as there are keys, of which each depends on the one before.
fn chase(keys: &[u32], mut find: impl FnMut(&u32) -> u64) -> u64 {
    let mut sum = 0;
    for position in 0..keys.len() {
        sum += find(&keys[position ^ usize::from(sum % 2 == 1)]);
    }
    sum
}

fn benchmark(criterion: &mut Criterion) {
    let (encoding, view, segment, index_bytes) = movies();
    let key = encoding.key();
    let index = UniqueIndex::open("index", index_bytes.into(), MOVIES, &Binding::default()).unwrap();
    index.verify(key, &segment).unwrap();
    let heap: Vec<Movie> = (0..MOVIES).map(id).map(|id| Movie { title: title(id), year: year(id) }).collect();
    let by_id: HashMap<u32, usize> = (0..MOVIES).map(id).zip(0..).collect();
    let (hits, misses) = keys();

    let lookup = view.lookup("Movie").unwrap();
    let titles = view.field::<&str>("Movie.title").unwrap();
    let title_bytes = view.field::<&[u8]>("Movie.title").unwrap();
    let years = view.field::<u16>("Movie.year").unwrap();
    let records = view.records::<movie::Owned>().unwrap();
    for key in &hits {
        let row_id = lookup.find(key).unwrap().unwrap();
        let movie = &heap[by_id[key]];
        assert_eq!((titles.get(row_id).unwrap(), years.get(row_id).unwrap()), (movie.title.as_str(), movie.year));
    }
    assert!(misses.iter().all(|key| lookup.find(key).unwrap().is_none() && !by_id.contains_key(key)));

    let mut group = criterion.benchmark_group("random key to title and year");
    group.throughput(Throughput::Elements(LOOKUPS as u64));
    group.sample_size(20);
    group.bench_function("kapok, title as bytes", |bencher| {
        bencher.iter(|| {
            hits.iter().fold(0, |sum, key| match lookup.find(key).unwrap() {
                Some(at) => sum + digest(title_bytes.get(at).unwrap(), years.get(at).unwrap()),
                None => sum,
            })
        });
    });
    group.bench_function("kapok, title as text", |bencher| {
        bencher.iter(|| {
            hits.iter().fold(0, |sum, key| match lookup.find(key).unwrap() {
                Some(at) => sum + digest(titles.get(at).unwrap().as_bytes(), years.get(at).unwrap()),
                None => sum,
            })
        });
    });
    group.bench_function("kapok, generated reader", |bencher| {
        bencher.iter(|| {
            hits.iter().fold(0, |sum, key| match records.by_key(key).unwrap() {
                Some(movie) => sum + digest(movie.get_title().unwrap().as_bytes(), movie.get_year()),
                None => sum,
            })
        });
    });
    group.bench_function("std HashMap and Vec", |bencher| {
        bencher.iter(|| {
            hits.iter().fold(0, |sum, key| match by_id.get(key) {
                Some(at) => sum + digest(heap[*at].title.as_bytes(), heap[*at].year),
                None => sum,
            })
        });
    });
    group.finish();

    // Each key known only when the answer before it is: how long one lookup takes, rather than how many overlap.
    let mut group = criterion.benchmark_group("one after another, random key to title and year");
    group.throughput(Throughput::Elements(LOOKUPS as u64));
    group.sample_size(20);
    group.bench_function("kapok, title as bytes", |bencher| {
        bencher.iter(|| {
            chase(&hits, |key| match lookup.find(key).unwrap() {
                Some(at) => digest(title_bytes.get(at).unwrap(), years.get(at).unwrap()),
                None => 0,
            })
        });
    });
    group.bench_function("std HashMap and Vec", |bencher| {
        bencher.iter(|| {
            chase(&hits, |key| match by_id.get(key) {
                Some(at) => digest(heap[*at].title.as_bytes(), heap[*at].year),
                None => 0,
            })
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("random key to row_id");
    group.throughput(Throughput::Elements(LOOKUPS as u64));
    group.sample_size(20);
    for (name, keys) in [("hit", &hits), ("miss", &misses)] {
        group.bench_function(format!("kapok, {name}"), |bencher| {
            bencher.iter(|| {
                keys.iter().fold(0, |sum, key| sum + lookup.find(key).unwrap().map_or(0, |at| at.row() as usize))
            });
        });
        group.bench_function(format!("std HashMap, {name}"), |bencher| {
            bencher.iter(|| keys.iter().fold(0, |sum, key| sum + by_id.get(key).copied().unwrap_or(0)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("build");
    group.throughput(Throughput::Elements(MOVIES.into()));
    group.sample_size(20);
    group.bench_function("kapok", |bencher| {
        bencher.iter(|| unique::build(key, black_box(&segment), &Binding::default()).unwrap());
    });
    group.bench_function("std HashMap", |bencher| {
        bencher.iter(|| (0..MOVIES).map(id).zip(0..).collect::<HashMap<u32, usize>>());
    });
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
