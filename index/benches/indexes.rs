//! How long declared indexes of a million films take to build, how large they are, and how fast they answer, beside maps of structs
//! on the heap.
//!
//! Answers are compared with those of the maps before anything is timed. Sizes are printed.
#![expect(clippy::unwrap_used, reason = "a benchmark")]
#![allow(clippy::disallowed_macros, reason = "sizes are printed")]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message::{self, HeapAllocator};
use criterion::{Criterion, criterion_group, criterion_main};
use kapok_core::manifest::{Blob, BlobMap, IndexSpec, RecordType};
use kapok_core::paths::Scalar;
use kapok_core::segment::{Segment, Sharing, Stage};
use kapok_index::{IndexSet, View};
use kapok_samples::dataset;
use kapok_samples::movies_capnp::movie;

const MOVIES: u32 = 1_000_000;
const GENRES: u32 = 20;
const INDEXES: [&str; 6] =
    ["hash(year)", "hash(genres[])", "hash(runtimeMin)", "key(title)", "sorted(year)", "sorted(title)"];

struct Film {
    id: u32,
    title: String,
    year: u16,
    /// As many values as the type has, so that postings are short.
    runtime_min: u16,
    genres: Vec<String>,
}

fn films() -> Vec<Film> {
    let film = |id: u32| {
        let random = id.wrapping_mul(2_654_435_761) ^ id.rotate_left(13).wrapping_mul(40_503);
        Film {
            id,
            title: format!("{:08x} the film {id}", random.wrapping_mul(747_796_405)),
            year: u16::try_from(1900 + random % 125).unwrap(),
            runtime_min: u16::try_from(random / 125 % 65_536).unwrap(),
            genres: (0..=random % 4).map(|at| format!("genre {}", random.rotate_right(at * 7) % GENRES)).collect(),
        }
    };
    (0..MOVIES).map(film).collect()
}

fn seal(films: &[Film]) -> (kapok_core::segment::Encoding, kapok_core::segment::SealedSegment) {
    let encoding = dataset::encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    for film in films {
        let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(128));
        let mut movie: movie::Builder<'_> = message.init_root();
        movie.set_id(film.id);
        movie.set_title(film.title.as_str());
        movie.set_year(film.year);
        movie.set_runtime_min(film.runtime_min);
        let mut genres = movie.init_genres(u32::try_from(film.genres.len()).unwrap());
        for (at, genre) in (0..).zip(&film.genres) {
            genres.set(at, genre.as_str());
        }
        dataset::add(&mut stage, message.get_segments_for_output()[0]);
    }
    let sealed = dataset::seal(stage, None).pop().unwrap();
    assert_eq!(sealed.rows, MOVIES);
    (encoding, sealed)
}

fn indexes(c: &mut Criterion) {
    let films = films();
    let (encoding, sealed) = seal(&films);
    let mut manifest = dataset::manifest(&encoding, Vec::new());
    let mut specs: Vec<IndexSpec> = INDEXES.iter().map(|text| text.parse().unwrap()).collect();
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    for spec in &mut specs {
        spec.revision = 1;
    }
    manifest.record_types[0].indexes = specs;
    let set = IndexSet::new(encoding.schema(), &manifest.record_types[0]).unwrap();
    let (mut entry, bytes) = (sealed.entry(Sharing::Shared), Bytes::from(sealed.bytes));
    let segment = Segment::open("segment", bytes.clone(), sealed.rows).unwrap();
    let mut blobs = BlobMap::new();
    blobs.insert(entry.id, Blob { name: Arc::from("segment"), bytes });
    for built in set.build_lacking(&segment, &entry, &[]).unwrap() {
        blobs.insert(built.artifact.id, Blob { name: Arc::from("index"), bytes: built.bytes });
        entry.artifacts.push(built.artifact);
    }
    let postings = |name: &str| if name == "hash(genres[])" { distinct_genres(&films) } else { u64::from(MOVIES) };
    for artifact in &entry.artifacts {
        #[expect(clippy::cast_precision_loss, reason = "a size")]
        let each = artifact.size as f64 / postings(&artifact.name) as f64;
        println!("{:16} {:10} bytes, {each:.2} a posting", artifact.name, artifact.size);
    }

    let mut group = c.benchmark_group("build, all processors");
    group.sample_size(10);
    for index in &set.indexes()[1..] {
        group.bench_function(index.name(), |b| b.iter(|| set.build(index, &segment, &entry).unwrap().bytes.len()));
    }
    group.finish();

    let ty = RecordType { rows: MOVIES.into(), segments: vec![entry], ..manifest.record_types[0].clone() };
    manifest.record_types = vec![ty];
    let view = View::open(Arc::new(manifest), &blobs).unwrap();
    answers(c, &view, &films);
}

fn distinct_genres(films: &[Film]) -> u64 {
    let distinct = |film: &Film| film.genres.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
    films.iter().map(distinct).sum()
}

fn answers(c: &mut Criterion, view: &View, films: &[Film]) {
    let mut by_year: HashMap<u16, Vec<u32>> = HashMap::new();
    let mut by_title: HashMap<&str, u32> = HashMap::new();
    let mut in_order: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    for film in films {
        by_year.entry(film.year).or_default().push(film.id);
        by_title.insert(&film.title, film.id);
        in_order.insert((&film.title, film.id), film.id);
    }
    let years = view.hash_lookup("Movie", "hash(year)").unwrap();
    let titles = view.alternate_lookup("Movie", "key(title)").unwrap();
    let (year_order, title_order) =
        (view.sorted_lookup("Movie", "sorted(year)").unwrap(), view.sorted_lookup("Movie", "sorted(title)").unwrap());
    let (ids, runtimes) = (view.field::<u32>("Movie.id").unwrap(), view.field::<u16>("Movie.runtimeMin").unwrap());
    for (year, expected) in &by_year {
        let found = years.find(&[(*year).into()]).unwrap();
        let found: Vec<u32> = found.into_iter().map(|row_id| ids.get(row_id).unwrap()).collect();
        assert_eq!(&found, expected);
    }
    for film in films.iter().step_by(997) {
        assert_eq!(ids.get(titles.find(&[film.title.as_str().into()]).unwrap().unwrap()).unwrap(), film.id);
        let first = title_order.prefix(film.title.as_str().into()).unwrap();
        assert_eq!(ids.get(first[0]).unwrap(), film.id);
    }

    let mut group = c.benchmark_group("answers");
    let mut at = 0_usize;
    let mut next = |step: usize| {
        at = (at + step) % films.len();
        &films[at]
    };
    group.bench_function("count of a year", |b| b.iter(|| years.count(&[next(997).year.into()]).unwrap()));
    let per_year = u64::from(MOVIES) / by_year.len() as u64;
    group.bench_function(format!("a year's runtimes, about {per_year} matches"), |b| {
        b.iter(|| {
            let mut sum = 0_u64;
            years.for_each(&[next(997).year.into()], |row_id| sum += u64::from(runtimes.get(row_id).unwrap())).unwrap();
            sum
        });
    });
    group.bench_function("the same in a HashMap of Vecs", |b| {
        b.iter(|| by_year[&next(997).year].iter().map(|id| u64::from(films[*id as usize].runtime_min)).sum::<u64>());
    });
    group.bench_function("title -> year, alternate key", |b| {
        let year = view.field::<u16>("Movie.year").unwrap();
        b.iter(|| year.get(titles.find(&[next(104_729).title.as_str().into()]).unwrap().unwrap()).unwrap());
    });
    group.bench_function("title -> year, HashMap", |b| {
        b.iter(|| films[by_title[black_box(next(104_729).title.as_str())] as usize].year);
    });
    group.bench_function("first film from a title on", |b| {
        b.iter(|| {
            let title = [Scalar::from(next(104_729).title.as_str())];
            title_order.first_from(Bound::Included(&title)).unwrap()
        });
    });
    group.bench_function("first film from a title on, BTreeMap", |b| {
        b.iter(|| *in_order.range((next(104_729).title.as_str(), 0)..).next().unwrap().1);
    });
    group.bench_function("first film from a year on", |b| {
        b.iter(|| year_order.first_from(Bound::Included(&[next(997).year.into()])).unwrap());
    });
    group.finish();
}

criterion_group!(benches, indexes);
criterion_main!(benches);
