//! Mutated segments behind an honest manifest, and one that lies about rows and extents.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::SegmentEntry;
use kapok_core::manifest::{Blob, BlobMap};
use kapok_core::segment::{Encoding, SealedSegment, Segment, Sharing, Stage};
use kapok_core::view::Tables;
use kapok_samples::cases::{Tally, run};
use kapok_samples::dataset::{add, encoding, manifest, seal};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::{Kinds, Tree};
use kapok_samples::walk::read;

use crate::CASE_MAX;
use crate::mutation::mutate;

/// Segments to begin with, with their encodings.
pub fn movies() -> (Encoding, SealedSegment) {
    let encoding = encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    for id in 0..30_u32 {
        let mut message = capnp::message::Builder::new_default();
        let mut movie: movie::Builder<'_> = message.init_root();
        movie.set_id(id);
        movie.set_title(format!("Movie {}", id % 20).as_str());
        movie.set_year(1990 + id as u16);
        let mut genres = movie.init_genres(id % 4);
        (0..id % 4).for_each(|index| genres.set(index, ["drama", "war", "film noir"][(id + index) as usize % 3]));
        add(&mut stage, message.get_segments_for_output()[0]);
    }
    (encoding, seal(stage, None).remove(0))
}

pub fn kinds(sharing: Sharing) -> (Encoding, SealedSegment) {
    let encoding = encoding::<kinds::Owned>(sharing);
    let mut stage = Stage::new(&encoding);
    let mut r = Random::new(5);
    for id in 0..14 {
        let mut record = Kinds::random(&mut r, id);
        if id == 7 {
            record.tree = Some(Tree::chain(12));
        }
        add(&mut stage, record.plain().get_segments_for_output()[0]);
    }
    (encoding, seal(stage, None).remove(0))
}

#[test]
fn mutated_movies_give_data_or_errors() {
    let source = movies();
    run("movies", CASE_MAX, |r, tally| case(&source, Sharing::Shared, r, tally));
}

#[test]
fn mutated_records_of_every_kind_give_data_or_errors() {
    let sources = [Sharing::Shared, Sharing::StrictTree].map(|sharing| (kinds(sharing), sharing));
    run("kinds", CASE_MAX, |r, tally| {
        let (source, sharing) = &sources[r.below(2)];
        case(source, *sharing, r, tally);
    });
}

fn case((encoding, source): &(Encoding, SealedSegment), sharing: Sharing, r: &mut Random, tally: &mut Tally) {
    let mut bytes = source.bytes.clone();
    mutate(&mut bytes, r);
    let mut entry = source.entry(sharing);
    entry.size = bytes.len() as u64;
    if r.one_in(8) {
        lie(&mut entry, r);
    }
    check(encoding, bytes, entry, tally);
}

/// Reads bytes that may be anything through every door.
pub fn check(encoding: &Encoding, bytes: Vec<u8>, entry: SegmentEntry, tally: &mut Tally) {
    let bytes = Bytes::from(bytes);
    let Ok(segment) = Segment::open("segment", bytes.clone(), entry.rows) else {
        return tally.count("refused on opening");
    };
    let verified = encoding.verify(&segment, &entry);
    tally.count_result(&verified, "verified", "refused by verify");
    let mut blobs = BlobMap::new();
    blobs.insert(entry.id, Blob { name: Arc::from("segment"), bytes });
    let Ok(view) = Tables::open(Arc::new(manifest(encoding, vec![entry])), &blobs) else {
        assert!(verified.is_err());
        return tally.count("no view");
    };
    let errors = read(&view);
    tally.count(if errors == 0 { "read" } else { "read with errors" });
    assert!(verified.is_err() || errors == 0, "what verify accepts must be readable: {errors} errors");
}

fn lie(entry: &mut SegmentEntry, r: &mut Random) {
    let values = [0, 1, 8, 24, 64, u64::MAX, u64::MAX - 7, 1 << 32, r.next()];
    let index = r.below(entry.extents.len());
    match r.below(7) {
        0 => entry.rows = [0, 1, entry.rows + 1, u32::MAX][r.below(4)],
        1 => entry.extents[index].offset = values[r.below(9)],
        2 => entry.extents[index].size = values[r.below(9)],
        3 => entry.extents[index].stride = values[r.below(9)] as u32,
        4 => drop(entry.extents.remove(index)),
        5 => entry.first_key.push(1),
        _ => entry.extents.reverse(),
    }
}

#[test]
fn honest_segments_verify_and_read_without_errors() {
    let mut tally = Tally::default();
    let sources = [
        (movies(), Sharing::Shared),
        (kinds(Sharing::Shared), Sharing::Shared),
        (kinds(Sharing::StrictTree), Sharing::StrictTree),
    ];
    for ((encoding, source), sharing) in &sources {
        check(encoding, source.bytes.clone(), source.entry(*sharing), &mut tally);
    }
    assert_eq!((tally.times("verified"), tally.times("read")), (3, 3));
}
