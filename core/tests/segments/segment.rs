//! Segments hold what was put into them, and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use capnp::message::{self, HeapAllocator, ReaderOptions, SegmentArray};
use kapok_core::schema::Schema;
use kapok_core::segment::{Encoding, SealSettings, SealedSegment, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;

const GENRES: [&str; 4] = ["drama", "comedy", "war", "film noir"];

fn movies(sharing: Sharing) -> Encoding {
    let (schema, id) = Schema::of::<movie::Owned>().unwrap();
    Encoding::new(Arc::new(schema), id, &["id".to_owned()], sharing).unwrap()
}

fn add_movie(stage: &mut Stage, id: u32) {
    let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(4096));
    let mut movie: movie::Builder<'_> = message.init_root();
    movie.set_id(id);
    movie.set_title(format!("Movie number {id}"));
    movie.set_year(1900 + (id % 125) as u16);
    let mut genres = movie.init_genres(id % 5);
    for index in 0..id % 5 {
        genres.set(index, GENRES[(id / 5 + index) as usize % 4]);
    }
    add(stage, &message);
}

fn add(stage: &mut Stage, message: &message::Builder<HeapAllocator>) {
    let segments = message.get_segments_for_output();
    assert_eq!(segments.len(), 1);
    stage.add_struct(Words::new(segments[0]).struct_of(0).unwrap().unwrap()).unwrap();
}

fn seal(stage: Stage, settings: SealSettings) -> Vec<SealedSegment> {
    stage.seal(settings).unwrap().map(Result::unwrap).collect()
}

fn check_movies(bytes: &[u8], ids: &[u32]) {
    let segments = [&bytes[8..]];
    let options = *ReaderOptions::new().traversal_limit_in_words(None);
    let message = message::Reader::new(SegmentArray::new(&segments), options);
    let root: capnp::any_pointer::Reader<'_> = message.get_root().unwrap();
    let root: capnp::schema_capnp::node::Reader<'_> = root.get_as().unwrap();
    let list = capnp::raw::get_struct_pointer_section(root).get(0);
    let list: capnp::struct_list::Reader<'_, movie::Owned> = list.get_as().unwrap();
    assert_eq!(list.len() as usize, ids.len());
    for (movie, id) in list.iter().zip(ids) {
        assert_eq!(movie.get_id(), *id);
        assert_eq!(movie.get_title().unwrap(), format!("Movie number {id}").as_str());
        let genres: Vec<_> = movie.get_genres().unwrap().iter().map(|g| g.unwrap().to_str().unwrap()).collect();
        let expected: Vec<_> = (0..id % 5).map(|index| GENRES[(id / 5 + index) as usize % 4]).collect();
        assert_eq!(genres, expected);
    }
}

#[test]
fn generated_readers_read_what_was_staged_in_key_order() {
    for sharing in [Sharing::Shared, Sharing::StrictTree] {
        let mut stage = Stage::new(&movies(sharing));
        for id in (0..1000).rev() {
            add_movie(&mut stage, id);
        }
        let sealed = seal(stage, SealSettings::default());
        assert_eq!(sealed.len(), 1);
        assert_eq!((&sealed[0].first_key[..], &sealed[0].last_key[..]), (&[0, 0, 0, 0][..], &[0, 0, 3, 231][..]));
        check_movies(&sealed[0].bytes, &(0..1000).collect::<Vec<_>>());
        let segment = Segment::open("s", Bytes::from(sealed[0].bytes.clone()), 1000).unwrap();
        assert_eq!(segment.row(7).unwrap().scalar::<4>(0), [7, 0, 0, 0]);
        assert!(segment.row(1000).is_none());
    }
}

#[test]
fn the_same_records_give_the_same_bytes_whatever_thread_added_what_first() {
    let encoding = movies(Sharing::Shared);
    let mut one = Stage::new(&encoding);
    (0..500).for_each(|id| add_movie(&mut one, id));
    let mut first = Stage::new(&encoding);
    let mut second = Stage::new(&encoding);
    (0..500).rev().for_each(|id| add_movie(if id % 3 == 0 { &mut first } else { &mut second }, id));
    second.absorb(first).unwrap();
    let (one, two) = (seal(one, SealSettings::default()), seal(second, SealSettings::default()));
    assert_eq!(one[0].bytes, two[0].bytes);
    assert_eq!(one[0].id, two[0].id);
}

#[test]
fn rows_roll_over_to_further_segments_at_the_target_size() {
    let mut stage = Stage::new(&movies(Sharing::Shared));
    (0..1000).for_each(|id| add_movie(&mut stage, id));
    let target = 8192;
    let sealed = seal(stage, SealSettings { target_bytes: Some(target) });
    assert!(sealed.len() > 3);
    let mut next = 0;
    for segment in &sealed {
        assert!(segment.bytes.len() as u64 <= target, "{}", segment.bytes.len());
        check_movies(&segment.bytes, &(next..next + segment.rows).collect::<Vec<_>>());
        next += segment.rows;
    }
    assert_eq!(next, 1000);
}

#[test]
fn a_duplicate_key_names_both_positions() {
    let mut stage = Stage::new(&movies(Sharing::Shared));
    stage.set_source(&Arc::from("line"), 11);
    for id in [3, 1, 2, 3] {
        add_movie(&mut stage, id);
    }
    let error = stage.seal(SealSettings::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("key=3") && text.contains("first=line 11") && text.contains("second=line 14"), "{text}");
}

#[test]
fn sharing_writes_each_value_of_a_field_once() {
    let sealed = |sharing| {
        let mut stage = Stage::new(&movies(sharing));
        (0..1000).for_each(|id| add_movie(&mut stage, id));
        seal(stage, SealSettings::default()).remove(0)
    };
    let (shared, tree) = (sealed(Sharing::Shared), sealed(Sharing::StrictTree));
    let genres = |segment: &SealedSegment| segment.extents.iter().find(|e| e.field == "genres").unwrap().size;
    // 4 texts of one or two words; lists of 1-4 of them from 4 starting points; the empty list takes no room.
    assert_eq!(genres(&shared), 8 * (1 + 1 + 1 + 2 + 4 * (1 + 2 + 3 + 4)));
    assert!(genres(&tree) > 40 * genres(&shared));
}

#[test]
fn vectors_stand_at_constant_stride_on_cache_lines() {
    let (schema, id) = Schema::of::<kinds::Owned>().unwrap();
    let encoding = Encoding::new(Arc::new(schema), id, &["id".to_owned(), "code".to_owned()], Sharing::Shared).unwrap();
    let mut stage = Stage::new(&encoding);
    for id in 0..10_u8 {
        let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(4096));
        let mut record: kinds::Builder<'_> = message.init_root();
        record.set_id(i64::from(id) - 5);
        record.set_code("x");
        if id != 3 {
            let mut vector = record.reborrow().init_embedding(4);
            (0..4).for_each(|index| vector.set(index, f32::from(id) + f32::from(index as u16) / 8.0));
        }
        record.set_codes(&[id; 6]);
        add(&mut stage, &message);
    }
    let sealed = seal(stage, SealSettings::default()).remove(0);
    for (field, stride) in [("embedding", 16), ("codes", 8)] {
        let extent = sealed.extents.iter().find(|e| e.field == field).unwrap();
        assert_eq!((extent.offset % 64, extent.stride, extent.size), (0, stride, 10 * u64::from(stride)));
    }
    let at = sealed.extents.iter().find(|e| e.field == "embedding").unwrap().offset as usize;
    assert_eq!(sealed.bytes[at + 3 * 16..at + 4 * 16], [0; 16]);
    assert_eq!(sealed.bytes[at + 4 * 16..at + 4 * 16 + 4], 4.0_f32.to_le_bytes());
}
