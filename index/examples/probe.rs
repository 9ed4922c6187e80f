//! How long does a lookup take, from a random key to a title and a year, among a million films?
//!
//! Beside it stands what a program would do that keeps the films on its own heap: `HashMap<u32, usize>` and `Vec<Movie>`.
//! Answers are compared before anything is timed.
#![allow(warnings, clippy::all)]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message::{self, HeapAllocator};
use kapok_core::blobs::{Blob, Blobs};
use kapok_core::manifest::{Artifact, Manifest, RecordType, SegmentEntry, Tombstones};
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, SealSettings, Segment, Sharing, Stage, WRITER_REVISION};
use kapok_core::words::Words;
use kapok_index::{UniqueIndex, View, unique};
use kapok_schemas::movies_capnp::movie;

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
    let sealed = stage.into_segments(SealSettings::default()).unwrap().next().unwrap().unwrap();
    assert_eq!(sealed.rows, MOVIES);
    let mut blobs = Blobs::new();
    let bytes = Bytes::from(sealed.bytes);
    let len = bytes.len() as u64;
    let segment = Segment::open("segment", bytes.clone(), sealed.rows).unwrap();
    blobs.insert(sealed.id, Blob { name: "segment".into(), bytes });
    let index = unique::build(encoding.key(), &segment).unwrap();
    let index_id = *blake3::hash(&index).as_bytes();
    blobs.insert(index_id, Blob { name: "index".into(), bytes: index.clone().into() });
    let entry = SegmentEntry {
        id: sealed.id,
        bytes: len,
        rows: sealed.rows,
        dead: 0,
        first_key: sealed.first_key,
        last_key: sealed.last_key,
        extents: sealed.extents,
        tombstones: Tombstones::None,
        artifacts: vec![Artifact { kind: unique::KIND.into(), name: "id".into(), id: index_id, bytes: index.len() as u64 }],
        writer_revision: WRITER_REVISION,
        sharing: Sharing::Shared,
        recipe: Vec::new(),
    };
    let record_type = RecordType {
        name: "Movie".into(),
        type_id,
        key: vec!["id".into()],
        rows: MOVIES.into(),
        segments: vec![entry],
        changes: None,
    };
    let manifest = Manifest {
        version: 1,
        parent: None,
        created_unix_ms: 0,
        writer: String::new(),
        writer_token: [0; 16],
        announce_itself: false,
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


fn time(name: &str, keys: &[u32], mut f: impl FnMut(&[u32]) -> u64) {
    let mut all = Vec::new();
    let mut sum = 0;
    let filter = std::env::args().nth(1);
    if filter.as_ref().is_some_and(|f| f != name) { return; }
    for _ in 0..(if filter.is_some() { 20 } else { 4 }) {
        for chunk in keys.chunks(4096) {
            let start = std::time::Instant::now();
            sum += black_box(f(chunk));
            all.push(start.elapsed().as_nanos() as f64 / chunk.len() as f64);
        }
    }
    all.sort_by(f64::total_cmp);
    println!("{name:40} p10 {:6.1} median {:6.1} ns  ({sum})", all[all.len() / 10], all[all.len() / 2]);
}

fn table(rows: u32, slots: usize, segment: &Segment, key: &kapok_core::key::KeySpec) -> Vec<u8> {
    let mut t = vec![0u32; slots];
    let bits = 32 - rows.leading_zeros();
    let mask = (1u32 << bits) - 1;
    for row in 0..rows {
        let n = key.row_number(segment.row(row).unwrap());
        let h = xxhash_rust::xxh3::xxh3_64(&(n as u32).to_be_bytes());
        let mut at = ((h as u128 * (slots/16) as u128) >> 64) as usize * 16;
        while t[at] != 0 { at = (at + 1) % slots; }
        t[at] = (h as u32 & !mask) | (row + 1);
    }
    let mut out = b"KAPOKUQ1".to_vec();
    out.extend(rows.to_le_bytes());
    out.extend(bits.to_le_bytes());
    out.extend((slots as u64).to_le_bytes());
    out.resize(64, 0);
    out.extend(t.iter().flat_map(|s| s.to_le_bytes()));
    out
}

fn main() {
    let (encoding, view, segment, _) = movies();
    let key = encoding.key();
    let heap: Vec<Movie> = (0..MOVIES).map(id).map(|id| Movie { title: title(id), year: year(id) }).collect();
    let by_id: HashMap<u32, usize> = (0..MOVIES).map(id).zip(0..).collect();
    let (hits, misses) = keys();
    let lookup = view.lookup("Movie").unwrap();
    let titles = view.field::<&str>("Movie.title").unwrap();
    let title_bytes = view.field::<&[u8]>("Movie.title").unwrap();
    let years = view.field::<u16>("Movie.year").unwrap();
    let records = view.records::<movie::Owned>().unwrap();
    for _ in 0..2 {
        time("kapok bytes", &hits, |k| k.iter().fold(0, |sum, key| match lookup.find(key).unwrap() {
            Some(at) => sum + digest(title_bytes.get(at).unwrap(), years.get(at).unwrap()), None => sum }));
        time("kapok text", &hits, |k| k.iter().fold(0, |sum, key| match lookup.find(key).unwrap() {
            Some(at) => sum + digest(titles.get(at).unwrap().as_bytes(), years.get(at).unwrap()), None => sum }));
        time("kapok reader", &hits, |k| k.iter().fold(0, |sum, key| match records.by_key(key).unwrap() {
            Some(movie) => sum + digest(movie.get_title().unwrap().as_bytes(), movie.get_year()), None => sum }));
        time("HashMap+Vec", &hits, |k| k.iter().fold(0, |sum, key| match by_id.get(key) {
            Some(at) => sum + digest(heap[*at].title.as_bytes(), heap[*at].year), None => sum }));
        time("kapok hit", &hits, |k| k.iter().fold(0, |sum, key| sum + lookup.find(key).unwrap().map_or(0, |at| u64::from(at.row))));
        time("kapok miss", &misses, |k| k.iter().fold(0, |sum, key| sum + lookup.find(key).unwrap().map_or(0, |at| u64::from(at.row))));
        time("HashMap hit", &hits, |k| k.iter().fold(0, |sum, key| sum + by_id.get(key).copied().unwrap_or(0) as u64));
        time("HashMap miss", &misses, |k| k.iter().fold(0, |sum, key| sum + by_id.get(key).copied().unwrap_or(0) as u64));
    }
    if std::env::args().nth(1).is_some() { return; }
    for load in [0.6, 0.65, 0.7, 0.75, 0.8, 0.85] {
        let slots = (f64::from(MOVIES) / load) as usize / 16 * 16 + 16;
        let index = UniqueIndex::open("t", table(MOVIES, slots, &segment, key).into(), MOVIES).unwrap();
        time(&format!("load {load} hit"), &hits, |k| k.iter().fold(0, |sum, k| sum + index.find(key, &segment, &k.to_be_bytes(), u64::from(*k)).unwrap().map_or(0, u64::from)));
        time(&format!("load {load} miss"), &misses, |k| k.iter().fold(0, |sum, k| sum + index.find(key, &segment, &k.to_be_bytes(), u64::from(*k)).unwrap().map_or(0, u64::from)));
    }
    let mut builds: Vec<_> = (0..30).map(|_| { let s = std::time::Instant::now(); black_box(unique::build(key, &segment).unwrap()); s.elapsed().as_micros() }).collect();
    builds.sort();
    println!("build us min {} median {}", builds[0], builds[15]);
}
