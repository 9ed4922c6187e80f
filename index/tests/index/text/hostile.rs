//! Text indexes that no build wrote give an error or rows of the segment, and never a panic or a search without end.

use bytes::Bytes;
use kapok_core::ErrorKind;
use kapok_core::paths::Paths;
use kapok_core::segment::{Segment, Sharing, Stage};
use kapok_index::text::{Edits, TermPattern, TextRules, build, common_rows};
use kapok_index::{Binding, IndexedRows, TextIndex};
use kapok_samples::dataset;
use kapok_samples::movies_capnp::movie;
use kapok_samples::random::Random;

const HEADER: usize = 64;

/// The text index of films with these titles.
fn index_of(titles: impl Iterator<Item = String>) -> (Vec<u8>, u32) {
    let encoding = dataset::encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    for (id, title) in (0..).zip(titles) {
        let mut message = capnp::message::Builder::new_default();
        let mut film: movie::Builder<'_> = message.init_root();
        film.set_id(id);
        film.set_title(title.as_str());
        dataset::add(&mut stage, message.get_segments_for_output()[0]);
    }
    let sealed = dataset::seal(stage, None).pop().unwrap();
    let segment = Segment::open("films", Bytes::from(sealed.bytes), sealed.rows).unwrap();
    let record = encoding.schema().struct_type(encoding.type_id()).unwrap();
    let paths = Paths::resolve(encoding.schema(), record, &["title"]).unwrap();
    (build(&paths, TextRules::default(), &segment, &IndexedRows::ALL, &Binding::default()).unwrap(), sealed.rows)
}

/// Several blocks, short postings, terms with and without much in common, a long one.
fn few() -> (Vec<u8>, u32) {
    let film = |id: u32| match id % 5 {
        0 => format!("Starship {id} naïve"),
        1 => format!("pneumonoultramicroscopicsilicovolcanoconiosis{}", id % 3),
        2 => format!("the {} of 東京", id * 7919 % 97),
        _ => "Star Wars".to_owned(),
    };
    index_of((0..90).map(film))
}

/// A term whose posting is a bitmap of two containers.
fn many() -> (Vec<u8>, u32) {
    index_of((0..70_000).map(|id| format!("a{}", if id % 9 == 0 { " rare" } else { "" })))
}

/// Asks for all kinds of terms.
fn ask(index: &TextIndex, rows: u32) {
    let asked = ["", "star", "naive", "pneumonoultramicroscopicsilicovolcanoconiosis1", "東", "a", "zzz"];
    let mut sets = Vec::new();
    for text in asked {
        for pattern in [
            TermPattern::Exact(text),
            TermPattern::Prefix(text),
            TermPattern::Fuzzy(text, Edits::One),
            TermPattern::Fuzzy(text, Edits::Two),
        ] {
            match index.find(pattern).and_then(|set| Ok((set.rows()?, set))) {
                Ok((found, set)) => {
                    assert!(found.is_sorted_by(|a, b| a < b) && found.last().is_none_or(|last| *last < rows));
                    assert!(set.numbers().all(|number| number < index.terms()));
                    sets.push(set);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            }
        }
        let walked = index.prefix(text).and_then(|numbers| index.for_each_term(numbers, |_, _| Ok(true)));
        if let Err(error) = walked {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
    }
    for two in sets.chunks(2) {
        if let Ok(found) = common_rows(two) {
            assert!(found.is_sorted_by(|a, b| a < b) && found.last().is_none_or(|last| *last < rows));
        }
    }
}

/// Changes some bits, bytes, numbers or the length, often where the numbers are.
fn mutate(r: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=r.below(3) {
        let from = if r.one_in(4) { 8 } else { HEADER };
        let at = from + r.below((bytes.len() - from).max(1)).min(if r.one_in(2) { 400 } else { usize::MAX });
        let (at, word) = (at.min(bytes.len() - 1), at / 4 * 4);
        match r.below(8) {
            0 => bytes[at] ^= 1 << r.below(8),
            1 => bytes[at] = [0, 1, 15, 0x0f, 0xf0, 0xff, 0x80][r.below(7)],
            2 | 3 if word + 4 <= bytes.len() => {
                let numbers = [0, 1, 2, 3, u32::MAX, u32::MAX - 1, 1 << 31, u32::try_from(r.below(9000)).unwrap()];
                bytes[word..word + 4].copy_from_slice(&numbers[r.below(numbers.len())].to_le_bytes());
            }
            4 | 5 => {
                // A number of another place.
                let other = (HEADER + r.below(bytes.len() - HEADER)) / 4 * 4;
                if other + 4 <= bytes.len() && word + 4 <= bytes.len() {
                    bytes.copy_within(other..other + 4, word);
                }
            }
            6 => bytes.truncate((at / 8 * 8).max(HEADER + 8)),
            _ => bytes.extend_from_slice(&[r.next().to_le_bytes()[0]; 8]),
        }
    }
}

#[test]
fn a_text_index_as_it_was_built_has_no_fault() {
    for (bytes, rows) in [few(), many()] {
        let index = TextIndex::open("i", bytes.into(), rows, &Binding::default()).unwrap();
        let set = index.find(TermPattern::Prefix("")).unwrap();
        assert_eq!(set.rows().unwrap(), (0..rows).collect::<Vec<_>>());
        ask(&index, rows);
    }
}

#[test]
fn mutated_text_indexes_give_errors_or_rows_of_the_segment() {
    let cases = std::env::var("KAPOK_FUZZ_ITERATIONS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4000);
    let mut r = Random::new(47);
    let (few, many) = (few(), many());
    let mut opened = 0_u32;
    for case in 0..cases {
        let (bytes, rows) = if case % 500 == 0 { &many } else { &few };
        let mut bytes = bytes.clone();
        mutate(&mut r, &mut bytes);
        match TextIndex::open("i", bytes.into(), *rows, &Binding::default()) {
            Ok(index) => {
                opened += 1;
                ask(&index, *rows);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
        }
    }
    assert!(opened > cases / 4, "{opened} of {cases} were opened");
}

#[test]
fn postings_that_share_bytes_are_refused_where_terms_are_walked() {
    let (bytes, rows) = many();
    let index = TextIndex::open("i", bytes.clone().into(), rows, &Binding::default()).unwrap();
    assert_eq!(index.terms(), 2);
    // Both terms have the posting of the first.
    let mut shared = bytes;
    shared.copy_within(HEADER..HEADER + 4, HEADER + 4);
    let index = TextIndex::open("i", shared.into(), rows, &Binding::default()).unwrap();
    assert_eq!(index.find(TermPattern::Exact("rare")).unwrap().rows().unwrap(), (0..rows).collect::<Vec<_>>());
    let error = index.find(TermPattern::Prefix("")).unwrap().rows().unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("in order"), "{error}");
}
