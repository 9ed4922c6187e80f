//! Merged segments beside what sealing writes, where a merge has ways of its own.

use bytes::Bytes;
use capnp::message;
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, MergeInput, SealedSegment, Segment, Sharing, Stage};
use kapok_core::{Error, Fault};
use kapok_samples::dataset::{add, encoding, seal};
use kapok_samples::movies_capnp::movie;
use roaring::RoaringBitmap;
use std::sync::Arc;

/// More than two threads' parts of a segment.
const MANY: u32 = 150_000;

fn film(stage: &mut Stage, id: u32, title: Option<&str>, genres: &[&str]) {
    let mut message = message::Builder::new_default();
    let mut film: movie::Builder<'_> = message.init_root();
    film.set_id(id);
    if let Some(title) = title {
        film.set_title(title);
    }
    let mut list = film.init_genres(genres.len() as u32);
    for (at, genre) in (0..).zip(genres) {
        list.set(at, *genre);
    }
    add(stage, message.get_segments_for_output()[0]);
}

/// Titles that are new, that many share, that are long and shared, or that are not there.
fn title(id: u32) -> Option<String> {
    match id % 7 {
        0 => None,
        1 | 2 => Some(format!("of many {}", id % 91)),
        3 => Some(format!("long {} {}", id % 13, "and longer ".repeat(150))),
        4 => Some(String::new()),
        _ => Some(format!("of one {id}")),
    }
}

fn staged(encoding: &Encoding, ids: impl Iterator<Item = u32>) -> Stage {
    let mut stage = Stage::new(encoding);
    for id in ids {
        film(&mut stage, id, title(id).as_deref(), &["drama", ["war", "crime"][id as usize % 2]]);
    }
    stage
}

fn open(name: &str, sealed: &SealedSegment) -> Segment {
    Segment::open(name, Bytes::from(sealed.bytes.clone()), sealed.rows).unwrap()
}

fn inputs(segments: &[Segment]) -> Vec<MergeInput<'_>> {
    segments.iter().map(|segment| MergeInput { segment, dropped: None }).collect()
}

#[test]
fn many_rows_of_several_segments_give_the_bytes_of_sealing_them_at_once() {
    for sharing in [Sharing::Shared, Sharing::StrictTree] {
        let encoding = encoding::<movie::Owned>(sharing);
        let segments: Vec<Segment> = (0..3)
            .map(|part| {
                let sealed = seal(staged(&encoding, (0..MANY).filter(|id| (id / 40_000 + id) % 3 == part)), None);
                open("segment", &sealed[0])
            })
            .collect();
        let dropped: RoaringBitmap = (0..segments[1].rows()).filter(|row| row % 5 < 2).collect();
        let mut inputs = inputs(&segments);
        inputs[1].dropped = Some(&dropped);
        let mut row = 0;
        let kept = (0..MANY).filter(|id| {
            if (id / 40_000 + id) % 3 != 1 {
                return true;
            }
            row += 1;
            !dropped.contains(row - 1)
        });
        let expected = seal(staged(&encoding, kept), None).remove(0);
        let merged = encoding.merge(&inputs).unwrap();
        assert_eq!(
            (merged.rows, &merged.first_key, &merged.last_key),
            (expected.rows, &expected.first_key, &expected.last_key)
        );
        assert_eq!(merged.extents, expected.extents);
        assert!(merged.bytes == expected.bytes, "{sharing:?}");
        assert_eq!(merged.id, expected.id);
    }
}

/// The encoding of films by another key, in whose order no segment by the usual one is.
fn by_title(sharing: Sharing) -> Encoding {
    let (schema, id) = Schema::of::<movie::Owned>().unwrap();
    Encoding::new(Arc::new(schema), id, &["title".to_owned()], sharing).unwrap()
}

#[test]
fn rows_that_are_not_in_the_order_of_their_keys_are_sorted() {
    let (by_id, by_title) = (encoding::<movie::Owned>(Sharing::Shared), by_title(Sharing::Shared));
    let fill = |encoding: &Encoding, ids: &[u32]| {
        let mut stage = Stage::new(encoding);
        ids.iter().for_each(|id| film(&mut stage, *id, Some(&format!("{}", id * 7_919 % 1_000)), &["drama"]));
        stage
    };
    let ids: Vec<u32> = (1..900).collect();
    let segments: Vec<Segment> =
        ids.chunks(300).map(|ids| open("segment", &seal(fill(&by_id, ids), None)[0])).collect();
    let merged = by_title.merge(&inputs(&segments)).unwrap();
    assert!(merged.bytes == seal(fill(&by_title, &ids), None)[0].bytes);
}

#[test]
fn two_rows_of_one_key_are_refused_by_the_names_of_their_segments() {
    let (by_id, by_title) = (encoding::<movie::Owned>(Sharing::Shared), by_title(Sharing::Shared));
    let segment = |name: &str, films: &[(u32, &str)]| {
        let mut stage = Stage::new(&by_id);
        films.iter().for_each(|(id, title)| film(&mut stage, *id, Some(title), &[]));
        open(name, &seal(stage, None)[0])
    };
    let refused = |encoding: &Encoding, segments: &[Segment]| {
        let error = encoding.merge(&inputs(segments)).unwrap_err();
        let Fault::DuplicateKey { key, first, second, .. } = error.fault() else { panic!("{error}") };
        (key.clone(), first.clone(), second.clone())
    };
    let segments = [segment("a", &[(1, "x"), (5, "y")]), segment("b", &[(2, "z"), (3, "u"), (5, "v")])];
    let [first, second] = ["row of a: 1", "row of b: 2"].map(str::to_owned);
    assert_eq!(refused(&by_id, &segments), ("5".to_owned(), first, second));
    // In no order, so they are sorted first.
    let segments = [segment("a", &[(1, "x"), (5, "c")]), segment("b", &[(2, "z"), (3, "x"), (6, "a")])];
    let [first, second] = ["row of a: 0", "row of b: 1"].map(str::to_owned);
    assert_eq!(refused(&by_title, &segments), ("\"x\"".to_owned(), first, second));
    // Without the one of them, all is well.
    let dropped = RoaringBitmap::from([0]);
    let mut inputs = inputs(&segments);
    inputs[0].dropped = Some(&dropped);
    assert_eq!(by_title.merge(&inputs).unwrap().rows, 4);
}

#[test]
fn a_row_without_a_key_is_refused() {
    let (by_id, by_title) = (encoding::<movie::Owned>(Sharing::Shared), by_title(Sharing::Shared));
    let mut stage = Stage::new(&by_id);
    film(&mut stage, 1, Some("x"), &[]);
    film(&mut stage, 2, None, &[]);
    let segment = open("segment", &seal(stage, None)[0]);
    let error = by_title.merge(&inputs(&[segment])).unwrap_err();
    assert!(matches!(error.fault(), Fault::UnsetKey { .. }), "{error}");
}

/// What earlier releases wrote, so that consumers of any release make the same bytes.
#[test]
fn what_segments_share_is_shared_in_a_strict_tree_as_it_always_was() {
    let shared = encoding::<movie::Owned>(Sharing::Shared);
    let strict = encoding::<movie::Owned>(Sharing::StrictTree);
    let segments =
        [0, 1].map(|part| open("segment", &seal(staged(&shared, (0..2_000).filter(|id| id % 2 == part)), None)[0]));
    let merged = strict.merge(&inputs(&segments)).unwrap();
    assert_eq!(merged.id[..8], [0x63, 0x9a, 0x6b, 0x0c, 0x4a, 0xfb, 0x1f, 0x5b]);
    assert_ne!(merged.id, seal(staged(&strict, 0..2_000), None)[0].id, "some is shared");
}

#[test]
fn a_merge_is_written_into_the_memory_that_is_given() {
    #[derive(Debug)]
    enum Failure {
        Data(Error),
        NoRoom(usize),
    }
    impl From<Error> for Failure {
        fn from(error: Error) -> Self {
            Self::Data(error)
        }
    }
    let encoding = encoding::<movie::Owned>(Sharing::Shared);
    let segments = [0..500, 500..900].map(|ids| open("segment", &seal(staged(&encoding, ids), None)[0]));
    let expected = encoding.merge(&inputs(&segments)).unwrap();
    let given = |len| Ok::<_, Failure>(vec![0; len].into_boxed_slice());
    let merged = encoding.merge_into(&inputs(&segments), given).unwrap();
    assert_eq!((&*merged.bytes, merged.id), (&*expected.bytes, expected.id));
    let none = encoding.merge_into(&inputs(&segments), |len| Err::<Vec<u8>, _>(Failure::NoRoom(len)));
    assert!(matches!(none.unwrap_err(), Failure::NoRoom(len) if len == expected.bytes.len()));
    let nothing = encoding.merge_into(&[], |len| Ok::<Vec<u8>, Failure>(vec![0; len]));
    assert!(matches!(nothing.unwrap_err(), Failure::Data(error) if error.to_string().contains("no rows are left")));
    // A stage is sealed likewise.
    let mut sealed = staged(&encoding, 0..900).seal(kapok_core::segment::SealSettings::default()).unwrap();
    let segment = sealed.next_into(given).unwrap().unwrap();
    assert_eq!((&*segment.bytes, segment.id), (&*expected.bytes, expected.id));
    assert!(sealed.next_into(given).is_none());
}
