//! How long queries without an index take, among a million films: the time of whole scans on one core.
//!
//! Counts are compared with those of a loop over a `Vec` of the same films before anything is timed.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message::{self, HeapAllocator};
use criterion::{Criterion, criterion_group, criterion_main};
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::segment::Sharing;
use kapok_core::segment::Stage;
use kapok_index::View;
use kapok_index::query::Aggregate;
use kapok_samples::dataset;
use kapok_samples::movies_capnp::movie;

const MOVIES: u32 = 1_000_000;
const GENRES: [&str; 5] = ["Drama", "Comedy", "Crime", "Western", "Documentary"];

struct Film {
    id: u32,
    title: String,
    year: u16,
    runtime_min: u16,
    genre: usize,
}

fn films() -> Vec<Film> {
    let film = |id: u32| {
        let random = id.wrapping_mul(2_654_435_761) >> 8;
        Film {
            id,
            title: format!("The one with the number {random}"),
            year: u16::try_from(1900 + random % 125).unwrap(),
            runtime_min: u16::try_from(random / 125 % 200).unwrap(),
            genre: random as usize / 25_000 % GENRES.len(),
        }
    };
    (0..MOVIES).map(film).collect()
}

fn view(films: &[Film]) -> View {
    let encoding = dataset::encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    for film in films {
        let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(64));
        let mut movie: movie::Builder<'_> = message.init_root();
        movie.set_id(film.id);
        movie.set_title(film.title.as_str());
        movie.set_year(film.year);
        movie.set_runtime_min(film.runtime_min);
        movie.init_genres(1).set(0, GENRES[film.genre]);
        dataset::add(&mut stage, message.get_segments_for_output()[0]);
    }
    let (mut blobs, mut entries) = (BlobMap::new(), Vec::new());
    for sealed in dataset::seal(stage, None) {
        entries.push(sealed.entry(Sharing::Shared));
        blobs.insert(sealed.id, Blob { name: Arc::from("segment"), bytes: Bytes::from(sealed.bytes) });
    }
    View::open(Arc::new(dataset::manifest(&encoding, entries)), &blobs).unwrap()
}

fn scans(c: &mut Criterion) {
    let films = films();
    let view = view(&films);
    let count = |holds: &dyn Fn(&Film) -> bool| films.iter().filter(|film| holds(film)).count() as u64;
    let cases: [(&str, u64); 6] = [
        ("year >= 1990 and runtimeMin < 100", count(&|film| film.year >= 1990 && film.runtime_min < 100)),
        ("year = 1990 or year = 2000", count(&|film| film.year == 1990 || film.year == 2000)),
        ("title ^= 'The one with the number 77'", count(&|film| film.title.starts_with("The one with the number 77"))),
        ("title *= '777'", count(&|film| film.title.contains("777"))),
        ("'Drama' in genres", count(&|film| film.genre == 0)),
        ("year = 1990 and title ~= 'THE numb*'", count(&|film| film.year == 1990)),
    ];
    let mut group = c.benchmark_group("scan of a million films");
    group.sample_size(20);
    for (expression, expected) in cases {
        let rows = view.query("Movie", expression).unwrap();
        assert_eq!(rows.count().unwrap(), expected, "{expression}");
        group.bench_function(expression, |b| b.iter(|| black_box(&rows).count().unwrap()));
    }
    let all = view.query("Movie", "true").unwrap();
    let aggregates = [Aggregate::count(), Aggregate::avg("runtimeMin").unwrap()];
    group.bench_function("avg(runtimeMin) by year", |b| b.iter(|| all.group_by(&["year"], &aggregates).unwrap().len()));
    group.bench_function("avg(runtimeMin) by genres[]", |b| {
        b.iter(|| all.group_by(&["genres[]"], &aggregates).unwrap().len());
    });
    group.finish();
}

criterion_group!(benches, scans);
criterion_main!(benches);
