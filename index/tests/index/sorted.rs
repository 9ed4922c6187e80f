//! The sorted index gives the same answers as naive sorting, and refuses or survives hostile bytes.

use std::cmp::Ordering;
use std::ops::Bound;

use bytes::Bytes;
use kapok_core::ErrorKind;
use kapok_core::manifest::IndexSpec;
use kapok_core::paths::{Paths, Scalar};
use kapok_core::segment::{RowId, SealSettings, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::sorted::{Side, SortFields, SortPlace};
use kapok_index::{Binding, IndexedRows, SortedIndex, View, sorted};
use kapok_samples::movies_capnp::movie;
use kapok_samples::random::Random;

use crate::indexed::{Dataset, Key, values};

const INDEXES: [&str; 12] = [
    "sorted(u16)",
    "sorted(-i16)",
    "sorted(i32)",
    "sorted(-u64)",
    "sorted(f64)",
    "sorted(-f32)",
    "sorted(text)",
    "sorted(-text, u8)",
    "sorted(u8, -i32, text)",
    "sorted(address.city)",
    "sorted(count, data)",
    "sorted(colour, flag)",
];

/// Compares values; null is the last in both directions.
fn naive(a: &Key, b: &Key, is_descending: bool) -> Ordering {
    let order = match (a, b) {
        (Key::Null, _) | (_, Key::Null) => return (*a == Key::Null).cmp(&(*b == Key::Null)),
        (Key::Float(a), Key::Float(b)) => match (a == &u64::MAX, b == &u64::MAX) {
            (false, false) => f64::from_bits(*a).total_cmp(&f64::from_bits(*b)),
            (a, b) => a.cmp(&b),
        },
        (a, b) => a.cmp(b),
    };
    if is_descending { order.reverse() } else { order }
}

/// Live rows with their values, in the order of an index.
fn model(view: &View, spec: &IndexSpec) -> Vec<(Vec<Key>, RowId)> {
    let table = view.table("Kinds").unwrap();
    let mut rows: Vec<(Vec<Key>, RowId)> = table
        .row_ids()
        .map(|row_id| {
            let record = table.record(row_id).unwrap();
            (spec.fields.iter().map(|field| values(record, field)[0].1.clone()).collect(), row_id)
        })
        .collect();
    rows.sort_by(|(a, _), (b, _)| {
        let orders = a.iter().zip(b).enumerate().map(|(at, (a, b))| naive(a, b, spec.is_descending(at)));
        orders.fold(Ordering::Equal, Ordering::then)
    });
    rows.retain(|(values, _)| values[0] != Key::Null);
    rows
}

/// Compares the first values of a row with some.
fn against(row: &[Key], place: &[Key], spec: &IndexSpec) -> Ordering {
    let orders = row.iter().zip(place).enumerate().map(|(at, (a, b))| naive(a, b, spec.is_descending(at)));
    orders.fold(Ordering::Equal, Ordering::then)
}

fn ids<'m>(rows: impl Iterator<Item = &'m (Vec<Key>, RowId)>) -> Vec<RowId> {
    rows.map(|(_, row_id)| *row_id).collect()
}

#[test]
fn ranges_are_those_of_naive_sorting() {
    let mut r = Random::new(21);
    for sizes in [&[1][..], &[150, 40, 30]] {
        let dataset = Dataset::random(&INDEXES, &mut r, sizes);
        let view = dataset.open();
        view.verify_new(&dataset.blobs, |_| true).unwrap();
        for text in INDEXES {
            let spec: IndexSpec = text.parse().unwrap();
            let lookup = view.sorted_lookup("Kinds", text).unwrap();
            let model = model(&view, &spec);
            assert_eq!(lookup.range(Bound::Unbounded, Bound::Unbounded).unwrap(), ids(model.iter()), "{text}");
            for count in [0, 1, 7, 1000] {
                assert_eq!(lookup.first(count).unwrap(), ids(model.iter().take(count)), "{text}");
                assert_eq!(lookup.last(count).unwrap(), ids(model.iter().rev().take(count)), "{text}");
            }
            for (values, _) in model.iter().step_by(5) {
                for len in 1..=values.len() {
                    let place = &values[..len];
                    if place.contains(&Key::Null) {
                        continue;
                    }
                    let asked: Vec<_> = place.iter().map(Key::scalar).collect();
                    let from = |bound, least: Ordering| {
                        let found = lookup.range(bound, Bound::Unbounded).unwrap();
                        let expected = model.iter().filter(|(row, _)| against(row, place, &spec) >= least);
                        assert_eq!(found, ids(expected), "{text} from {place:?}");
                    };
                    from(Bound::Included(&asked[..]), Ordering::Equal);
                    from(Bound::Excluded(&asked[..]), Ordering::Greater);
                    let equal = lookup.range(Bound::Included(&asked), Bound::Included(&asked)).unwrap();
                    let expected = model.iter().filter(|(row, _)| against(row, place, &spec).is_eq());
                    assert_eq!(equal, ids(expected), "{text} = {place:?}");
                    let below = lookup.range(Bound::Unbounded, Bound::Excluded(&asked)).unwrap();
                    let expected = model.iter().filter(|(row, _)| against(row, place, &spec).is_lt());
                    assert_eq!(below, ids(expected), "{text} < {place:?}");
                }
            }
        }
    }
}

#[test]
fn prefixes_and_longest_beginnings_are_those_of_naive_search() {
    let mut r = Random::new(22);
    let dataset = Dataset::random(&INDEXES, &mut r, &[200, 50, 20]);
    let view = dataset.open();
    for text in ["sorted(text)", "sorted(-text, u8)", "sorted(address.city)"] {
        let spec: IndexSpec = text.parse().unwrap();
        let (lookup, model) = (view.sorted_lookup("Kinds", text).unwrap(), model(&view, &spec));
        let bytes = |row: &[Key]| if let Key::Text(bytes) = &row[0] { bytes.clone() } else { Vec::new() };
        let all: Vec<Vec<u8>> = model.iter().map(|(row, _)| bytes(row)).collect();
        for value in &all {
            for len in 0..=value.len() {
                let prefix = &value[..len];
                let expected = model.iter().filter(|(row, _)| bytes(row).starts_with(prefix));
                assert_eq!(lookup.prefix(Scalar::Text(prefix)).unwrap(), ids(expected), "{text} {prefix:?}");
            }
            for suffix in [&b""[..], b"a", b"\xff", b"zz"] {
                let asked = [value.as_slice(), suffix].concat();
                let longest =
                    all.iter().filter(|value| asked.starts_with(value)).max_by_key(|value| value.len()).unwrap();
                let expected = model.iter().filter(|(row, _)| bytes(row) == *longest);
                assert_eq!(lookup.longest_beginning(Scalar::Text(&asked)).unwrap(), ids(expected), "{text} {asked:?}");
            }
        }
    }
    let error = view.sorted_lookup("Kinds", "sorted(u16)").unwrap().prefix(Scalar::UInt(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn changed_bytes_are_found_by_verify_and_never_lead_out_of_the_segment() {
    let dataset = Dataset::random(&INDEXES, &mut Random::new(23), &[120, 1]);
    let name = "sorted(u8, -i32, text)";
    dataset.flip_bits_of(name, |view| {
        let lookup = view.sorted_lookup("Kinds", name).unwrap();
        for value in [0, 3, 200, 255] {
            _ = lookup.range(Bound::Included(&[Scalar::UInt(value)]), Bound::Unbounded);
        }
    });
}

/// Title and year.
type Film = (String, u16);
type Order = fn(&Film, &Film) -> Ordering;

#[test]
fn long_segments_are_sorted_as_naively_whatever_texts_have_in_common() {
    // Rows for several threads, and texts that differ behind what they begin with, or nowhere.
    let encoding = kapok_samples::dataset::encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    let mut r = Random::new(3);
    let films: Vec<Film> = (0..150_000)
        .map(|_| {
            let title = match r.below(4) {
                0 => format!("a{}", "\0".repeat(r.below(12))),
                1 => format!("{}{}", "The long way home, ".repeat(4), r.below(300)),
                2 => format!("The film{}", r.below(5000)),
                _ => r.below(100_000).to_string(),
            };
            (title, u16::try_from(r.below(90)).unwrap())
        })
        .collect();
    for (id, (title, year)) in (0..).zip(&films) {
        let mut message = capnp::message::Builder::new_default();
        let mut film: movie::Builder<'_> = message.init_root();
        film.set_id(id);
        film.set_title(title.as_str());
        film.set_year(*year);
        stage.add_struct(Words::new(message.get_segments_for_output()[0]).struct_of(0).unwrap().unwrap()).unwrap();
    }
    let sealed = stage.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
    let segment = Segment::open("films", Bytes::from(sealed.bytes), sealed.rows).unwrap();
    let record = encoding.schema().struct_type(encoding.type_id()).unwrap();
    let binding = Binding::new(&sealed.id, &[1; 32]);
    let check = |names: &[&str], descending: &[bool], order: Order| {
        let paths = Paths::resolve(encoding.schema(), record, names).unwrap();
        let fields = SortFields { paths: &paths, descending };
        let bytes = sorted::build(fields, &segment, &IndexedRows::ALL, &binding).unwrap();
        let index = SortedIndex::open("sorted", bytes.into(), sealed.rows, &binding).unwrap();
        let found: Vec<u32> = index.rows(index.all()).map(Result::unwrap).collect();
        let mut expected: Vec<u32> = (0..sealed.rows).collect();
        expected.sort_by(|a, b| order(&films[*a as usize], &films[*b as usize]));
        assert!(found == expected, "{names:?} {descending:?}");
        for film in films.iter().step_by(1499) {
            let values = names.iter().map(|name| if *name == "title" { film.0.as_str().into() } else { film.1.into() });
            let values: Vec<Scalar<'_>> = values.collect();
            let place = SortPlace { values: &values, is_prefix: false };
            for side in [Side::Before, Side::Behind] {
                let is_before = |row: &u32| match order(&films[*row as usize], film) {
                    Ordering::Equal => side == Side::Behind,
                    order => order.is_lt(),
                };
                let position = index.position(fields, &segment, &place, side).unwrap();
                assert_eq!(position as usize, expected.partition_point(is_before), "{names:?} {film:?} {side:?}");
            }
        }
    };
    check(&["year"], &[false], |a, b| a.1.cmp(&b.1));
    check(&["year"], &[true], |a, b| b.1.cmp(&a.1));
    check(&["title"], &[false], |a, b| a.0.cmp(&b.0));
    check(&["title"], &[true], |a, b| b.0.cmp(&a.0));
    check(&["year", "title"], &[true, false], |a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    check(&["title", "year"], &[true, false], |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
}
