//! How long text indexes of the names of all Debian packages take to build, how large they are, and how fast they answer.
//!
//! The names are those of `debian/v1.jsonl.zst` in the folder that `KAPOK_DATA` names. Answers are compared with those of a naive
//! search before anything is timed. Sizes are printed. `thrpt` of a row of prefixes is that of single
//! results: 33 M a second are 30 ns each.
#![expect(clippy::unwrap_used, reason = "a benchmark")]
#![allow(clippy::disallowed_macros, reason = "sizes are printed")]

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kapok_core::manifest::{Blob, BlobMap, IndexSpec, RecordType};
use kapok_core::segment::{Segment, Sharing, Stage};
use kapok_index::text::Edits;
use kapok_index::{IndexSet, TextLookup, TextMatch, View};
use kapok_samples::dataset;
use kapok_samples::movies_capnp::movie;

const WORDS: &str = "text(title)";
const NAMES: &str = "text(title) terms=whole";

fn names() -> Option<Vec<String>> {
    let data = std::env::var_os("KAPOK_DATA").map_or_else(|| PathBuf::from("../../shared/data"), PathBuf::from);
    let file = File::open(data.join("debian/v1.jsonl.zst")).ok()?;
    let lines = BufReader::new(zstd::Decoder::new(file).ok()?).lines();
    lines.map(|line| Some(line.ok()?.split_once("\"package\":")?.1.split('"').nth(1)?.to_owned())).collect()
}

/// Opens films that are called like the packages, with both indexes.
fn open(c: &mut Criterion, names: &[String]) -> View {
    let encoding = dataset::encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    for (id, name) in (0..).zip(names) {
        let mut message = message::Builder::new_default();
        let mut film: movie::Builder<'_> = message.init_root();
        film.set_id(id);
        film.set_title(name.as_str());
        dataset::add(&mut stage, message.get_segments_for_output()[0]);
    }
    let sealed = dataset::seal(stage, None).pop().unwrap();
    let mut manifest = dataset::manifest(&encoding, Vec::new());
    let specs = [WORDS, NAMES].map(|text| IndexSpec { revision: 1, ..text.parse().unwrap() });
    manifest.record_types[0].indexes = specs.to_vec();
    let set = IndexSet::new(encoding.schema(), &manifest.record_types[0]).unwrap();
    let (mut entry, bytes) = (sealed.entry(Sharing::Shared), Bytes::from(sealed.bytes));
    let segment = Segment::open("segment", bytes.clone(), sealed.rows).unwrap();
    let mut blobs = BlobMap::new();
    blobs.insert(entry.id, Blob { name: Arc::from("segment"), bytes });
    for built in set.build_lacking(&segment, &entry, &[]).unwrap() {
        println!("{:26} {:8} bytes for {} names", built.artifact.name, built.artifact.size, sealed.rows);
        blobs.insert(built.artifact.id, Blob { name: Arc::from("index"), bytes: built.bytes });
        entry.artifacts.push(built.artifact);
    }
    let mut group = c.benchmark_group("build, all processors");
    group.sample_size(10);
    for index in &set.indexes()[1..] {
        group.bench_function(index.name(), |b| b.iter(|| set.build(index, &segment, &entry).unwrap().bytes.len()));
    }
    group.finish();
    let rows = u64::from(sealed.rows);
    manifest.record_types = vec![RecordType { rows, segments: vec![entry], ..manifest.record_types[0].clone() }];
    View::open(Arc::new(manifest), &blobs).unwrap()
}

/// The least number of characters to put in, leave out or replace; names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in (1..).zip(a.bytes()) {
        let mut diagonal = std::mem::replace(&mut row[0], line);
        for (column, to) in (1..).zip(b.bytes()) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column];
            row[column] = replaced.min(diagonal + 1).min(row[column - 1] + 1);
        }
    }
    row[b.len()]
}

/// Words of names, each with a letter replaced.
fn misspelt(names: &[String]) -> Vec<String> {
    let words = names.iter().step_by(631).filter_map(|name| name.split('-').find(|word| word.len() > 5));
    words.map(|word| format!("{}x{}", &word[..3], &word[4..])).collect()
}

fn check(lookup: TextLookup<'_>, names: &[String], wanted: TextMatch<'_>, holds: impl Fn(&str) -> bool) {
    let found: Vec<u64> = lookup.find(wanted).unwrap().into_iter().map(|row_id| row_id.row().into()).collect();
    let expected: Vec<u64> = (0..).zip(names).filter(|(_, name)| holds(name)).map(|(row, _)| row).collect();
    assert_eq!(found, expected, "{wanted:?}");
}

fn text(c: &mut Criterion) {
    let Some(names) = names() else {
        println!("skipped: there is no debian/v1.jsonl.zst; set KAPOK_DATA");
        return;
    };
    let view = open(c, &names);
    let (words, whole) = (view.text_lookup("Movie", WORDS).unwrap(), view.text_lookup("Movie", NAMES).unwrap());
    let misspelt = misspelt(&names);
    let beginnings: Vec<&str> = names.iter().step_by(97).map(|name| &name[..name.len().min(4)]).collect();
    for prefix in beginnings.iter().step_by(5) {
        check(whole, &names, TextMatch::Prefix(prefix), |name| name.starts_with(prefix));
    }
    for word in misspelt.iter().step_by(7) {
        for (edits, most) in [(Edits::One, 1), (Edits::Two, 2)] {
            check(whole, &names, TextMatch::Fuzzy(word, edits), |name| distance(name, word) <= most);
            let has = |name: &str| name.split(['-', '+']).any(|part| distance(part, word) <= most);
            let of_words = words.count(TextMatch::Fuzzy(word, edits)).unwrap();
            assert!(of_words >= names.iter().filter(|name| !name.contains(['.', '+']) && has(name)).count() as u64);
        }
    }

    let mut group = c.benchmark_group("answers");
    for (name, lookup) in [("names", whole), ("words", words)] {
        let results: u64 = beginnings.iter().map(|prefix| lookup.count(TextMatch::Prefix(prefix)).unwrap()).sum();
        println!("{name}: {} beginnings of up to 4 letters have {results} results", beginnings.len());
        group.throughput(Throughput::Elements(results));
        group.bench_function(format!("{name}: results of all these prefixes"), |b| {
            b.iter(|| {
                for prefix in &beginnings {
                    black_box(lookup.find(TextMatch::Prefix(prefix)).unwrap());
                }
            });
        });
        group.throughput(Throughput::Elements(1));
        let mut at = 0;
        let mut next = || {
            at = (at + 1) % misspelt.len();
            misspelt[at].as_str()
        };
        group.bench_function(format!("{name}: one word"), |b| {
            b.iter(|| lookup.count(TextMatch::Exact(next())).unwrap());
        });
        group.bench_function(format!("{name}: within 1 edit"), |b| {
            b.iter(|| lookup.find(TextMatch::Fuzzy(next(), Edits::One)).unwrap());
        });
        group.bench_function(format!("{name}: within 2 edits"), |b| {
            b.iter(|| lookup.find(TextMatch::Fuzzy(next(), Edits::Two)).unwrap());
        });
    }
    group.bench_function("all words, the last one typed in part", |b| {
        b.iter(|| words.find(TextMatch::Typed("lib dev perl te")).unwrap());
    });
    group.finish();
}

criterion_group!(benches, text);
criterion_main!(benches);
