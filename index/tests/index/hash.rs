//! The hash index gives the same answers as a naive scan by dynamic records, and refuses or survives hostile bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::ErrorKind;
use kapok_core::manifest::IndexSpec;
use kapok_core::paths::Scalar;
use kapok_core::record::{Record, ValueRef};
use kapok_core::segment::{RowId, SealSettings, Segment, Sharing, Stage};
use kapok_core::words::Words;
use kapok_index::{Binding, HashIndex, IndexedRows, View, hash};
use kapok_samples::random::Random;

use crate::indexed::{Dataset, Key, values};

/// Fields of every kind, through structs, groups, unions and lists, and several of one element.
const INDEXES: [&str; 22] = [
    "hash(u16)",
    "hash(i16)",
    "hash(u64)",
    "hash(flagOn)",
    "hash(colour)",
    "hash(f32)",
    "hash(f64)",
    "hash(text)",
    "hash(data)",
    "hash(address.city)",
    "hash(place.label)",
    "hash(count)",
    "hash(where.zip)",
    "hash(span.from)",
    "hash(contact.email)",
    "hash(texts[])",
    "hash(i64s[])",
    "hash(bools[])",
    "hash(addresses[].city)",
    "hash(addresses[].city, addresses[].zip, u8)",
    "hash(matrix[][])",
    "hash(groups[][].street)",
];

/// The tuples of a record: values of one element stand together, and with those of what is around it.
fn tuples(record: Record<'_>, paths: &[String]) -> BTreeSet<Vec<Key>> {
    tuples_of_elements(record, paths).into_values().collect()
}

/// The tuple of each element.
fn tuples_of_elements(record: Record<'_>, paths: &[String]) -> BTreeMap<Vec<u32>, Vec<Key>> {
    let all: Vec<_> = paths.iter().map(|path| values(record, path)).collect();
    let places: BTreeSet<&Vec<u32>> = all.iter().flat_map(|values| values.iter().map(|(at, _)| at)).collect();
    // Those that no list goes on from.
    let is_last = |place: &&Vec<u32>| !places.iter().any(|other| other.len() > place.len() && other.starts_with(place));
    let value = |values: &[(Vec<u32>, Key)], place: &[u32]| {
        values.iter().find(|(at, _)| place.starts_with(at)).unwrap().1.clone()
    };
    places
        .iter()
        .copied()
        .filter(is_last)
        .map(|place| (place.clone(), all.iter().map(|values| value(values, place)).collect()))
        .collect()
}

#[test]
fn every_index_answers_as_a_naive_scan_does() {
    let mut r = Random::new(7);
    for sizes in [&[1][..], &[200, 40, 30], &[60, 1, 60, 10]] {
        let dataset = Dataset::random(&INDEXES, &mut r, sizes);
        let view = dataset.open();
        view.verify_new(&dataset.blobs, |_| true).unwrap();
        view.verify_keys().unwrap();
        let table = view.table("Kinds").unwrap();
        for text in INDEXES {
            let spec: IndexSpec = text.parse().unwrap();
            let lookup = view.hash_lookup("Kinds", text).unwrap();
            let mut model: BTreeMap<Vec<Key>, Vec<RowId>> = BTreeMap::new();
            for row_id in table.row_ids() {
                for tuple in tuples(table.record(row_id).unwrap(), &spec.fields) {
                    model.entry(tuple).or_default().push(row_id);
                }
            }
            for (tuple, rows) in &model {
                let scalars: Vec<_> = tuple.iter().map(Key::scalar).collect();
                assert_eq!(&lookup.find(&scalars).unwrap(), rows, "{text} {tuple:?}");
                assert_eq!(lookup.count(&scalars).unwrap(), rows.len() as u64, "{text} {tuple:?}");
                for row_id in table.row_ids() {
                    assert_eq!(lookup.contains(&scalars, row_id).unwrap(), rows.contains(&row_id), "{text} {tuple:?}");
                }
            }
            // What no record has.
            for special in [Scalar::Null, Scalar::EmptyList, Scalar::NullElement] {
                let asked = vec![special; spec.fields.len()];
                let key = match special {
                    Scalar::Null => Key::Null,
                    Scalar::EmptyList => Key::EmptyList,
                    _ => Key::NullElement,
                };
                let rows = model.get(&vec![key; spec.fields.len()]).cloned().unwrap_or_default();
                assert_eq!(lookup.find(&asked).unwrap(), rows, "{text} {special:?}");
            }
        }
    }
}

#[test]
fn the_elements_that_have_the_values_are_selected() {
    let dataset = Dataset::random(&INDEXES, &mut Random::new(8), &[200, 40, 30]);
    let view = dataset.open();
    let table = view.table("Kinds").unwrap();
    let mut selected = 0;
    for (text, list) in [
        ("hash(texts[])", "texts[]"),
        ("hash(bools[])", "bools[]"),
        ("hash(addresses[].city)", "addresses[]"),
        ("hash(addresses[].city, addresses[].zip, u8)", "addresses[]"),
        ("hash(matrix[][])", "matrix[][]"),
        ("hash(matrix[][])", "matrix[]"),
        ("hash(groups[][].street)", "groups[]"),
        ("hash(groups[][].street)", "groups[][]"),
    ] {
        let spec: IndexSpec = text.parse().unwrap();
        let depth = list.matches("[]").count();
        let mut model: BTreeMap<Vec<Key>, BTreeSet<(RowId, Vec<u32>)>> = BTreeMap::new();
        for row_id in table.row_ids() {
            for (place, tuple) in tuples_of_elements(table.record(row_id).unwrap(), &spec.fields) {
                let elements = model.entry(tuple).or_default();
                if let Some(indexes) = place.get(..depth) {
                    elements.insert((row_id, indexes.to_vec()));
                }
            }
        }
        for (tuple, expected) in model {
            let scalars: Vec<_> = tuple.iter().map(Key::scalar).collect();
            let found = view.hash_lookup("Kinds", text).unwrap().select(list, &scalars).unwrap();
            selected += found.len();
            let mut places: Vec<_> = found.iter().map(|one| (one.row_id, one.indexes.clone())).collect();
            places.sort();
            assert!(places.iter().eq(&expected), "{text} {tuple:?}");
            for one in found {
                match one.element {
                    ValueRef::Struct(address) if text.starts_with("hash(addresses[].city") => {
                        let city = Key::of(address.get("city").unwrap());
                        assert_eq!(if city == Key::Null { Key::NullElement } else { city }, tuple[0]);
                    }
                    element if text == "hash(bools[])" => assert_eq!(Key::of(element), tuple[0]),
                    _ => {}
                }
            }
        }
    }
    assert!(selected > 500, "{selected}");
    let lookup = view.hash_lookup("Kinds", "hash(addresses[].city)").unwrap();
    for wrong in ["addresses", "addresses[].city", "address[]", "addresses[][]", ""] {
        assert_eq!(lookup.select(wrong, &["Bern".into()]).unwrap_err().kind(), ErrorKind::Invalid, "{wrong}");
    }
}

#[test]
fn values_of_other_kinds_are_refused_and_numbers_compare_exactly() {
    let dataset = Dataset::random(&INDEXES, &mut Random::new(3), &[50, 1]);
    let view = dataset.open();
    let find = |name: &str, value: Scalar<'_>| view.hash_lookup("Kinds", name).unwrap().find(&[value]);
    let kind = |name: &str, value: Scalar<'_>| find(name, value).unwrap_err().kind();
    assert_eq!(kind("hash(u16)", "7".into()), ErrorKind::Invalid);
    assert_eq!(kind("hash(text)", 7.into()), ErrorKind::Invalid);
    assert_eq!(kind("hash(flagOn)", 1.into()), ErrorKind::Invalid);
    // No record can have them.
    for value in [Scalar::Int(-1), Scalar::UInt(70_000), Scalar::Float(0.5), Scalar::Float(f64::NAN)] {
        assert_eq!(find("hash(u16)", value).unwrap(), [], "{value:?}");
    }
    let of_int = find("hash(u16)", 0.into()).unwrap();
    assert!(!of_int.is_empty());
    assert_eq!(find("hash(u16)", Scalar::Float(-0.0)).unwrap(), of_int);
    assert_eq!(find("hash(u16)", Scalar::UInt(0)).unwrap(), of_int);
    let error = view.hash_lookup("Kinds", "hash(year)").unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("hash(u16)"), "{error}");
    let error = view.hash_lookup("Kinds", "hash(u16)").unwrap().find(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn artifacts_of_another_segment_or_index_are_refused() {
    let mut r = Random::new(5);
    let mut dataset = Dataset::random(&INDEXES, &mut r, &[40, 40, 1]);
    let one = dataset.entry(0).artifacts.clone();
    // Of the other segment, which has as many rows.
    dataset.manifest.record_types[0].segments[1].artifacts.clone_from(&one);
    let error = View::open(Arc::new(dataset.manifest.clone()), &dataset.blobs).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("segment"), "{error}");
    // Of another field.
    let mut swapped = one.clone();
    let (a, b) = (one.iter().position(|it| it.name == "hash(u16)"), one.iter().position(|it| it.name == "hash(i16)"));
    swapped[a.unwrap()] = kapok_core::manifest::Artifact { name: "hash(u16)".to_owned(), ..one[b.unwrap()].clone() };
    dataset.manifest.record_types[0].segments[1].artifacts.clear();
    dataset.manifest.record_types[0].segments[0].artifacts = swapped;
    let error = View::open(Arc::new(dataset.manifest.clone()), &dataset.blobs).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("hash"), "{error}");
}

#[test]
fn what_an_artifact_lacks_or_adds_is_found_by_verify() {
    let dataset = Dataset::random(&INDEXES, &mut Random::new(11), &[80, 1]);
    let name = "hash(texts[])";
    dataset.flip_bits_of(name, |view| {
        // Never beyond the segment, whatever it finds.
        let lookup = view.hash_lookup("Kinds", name).unwrap();
        for text in ["", "a", "drama"] {
            _ = lookup.find(&[text.into()]);
            _ = lookup.count(&[text.into()]);
        }
        _ = lookup.find(&[Scalar::EmptyList]);
    });
}

#[test]
fn long_postings_are_bitmaps_and_come_back() {
    // Two values over more rows than a chunk has, and one that nearly every row has.
    let encoding = kapok_samples::dataset::encoding::<kapok_samples::movies_capnp::movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    let rows = 150_000_u32;
    for id in 0..rows {
        let mut message = capnp::message::Builder::new_default();
        let mut film: kapok_samples::movies_capnp::movie::Builder<'_> = message.init_root();
        film.set_id(id);
        film.set_year(if id % 7 == 0 { 1927 } else { 2001 });
        film.set_runtime_min(u16::from(id % 40_000 == 9));
        let segments = message.get_segments_for_output();
        stage.add_struct(Words::new(segments[0]).struct_of(0).unwrap().unwrap()).unwrap();
    }
    let sealed = stage.seal(SealSettings::default()).unwrap().next().unwrap().unwrap();
    let segment = Segment::open("films", Bytes::from(sealed.bytes), rows).unwrap();
    let record = encoding.schema().struct_type(encoding.type_id()).unwrap();
    for (field, value, expected) in [
        ("year", 1927_u16, (0..rows).filter(|id| id % 7 == 0).collect::<Vec<_>>()),
        ("year", 2001, (0..rows).filter(|id| id % 7 != 0).collect()),
        ("runtimeMin", 1, (0..rows).filter(|id| id % 40_000 == 9).collect()),
        ("runtimeMin", 0, (0..rows).filter(|id| id % 40_000 != 9).collect()),
        ("runtimeMin", 2, Vec::new()),
    ] {
        let paths = kapok_core::paths::Paths::resolve(encoding.schema(), record, &[field]).unwrap();
        let binding = Binding::new(&sealed.id, &[1; 32]);
        let bytes = hash::build(&paths, &segment, &IndexedRows::ALL, &binding).unwrap();
        let index = HashIndex::open(field, bytes.into(), rows, &binding).unwrap();
        let posting = index.find(&paths, &segment, &[value.into()]).unwrap();
        let found: Vec<u32> = posting.into_iter().flatten().map(Result::unwrap).collect();
        assert_eq!(found.len(), expected.len(), "{field} {value}");
        assert!(found == expected, "{field} {value}");
        if let Some(posting) = posting {
            assert_eq!(posting.len() as usize, expected.len());
            for row in (0..rows).step_by(97).chain([rows - 1, rows, u32::MAX]) {
                assert_eq!(posting.contains(row), expected.binary_search(&row).is_ok(), "{field} {value} {row}");
            }
        }
    }
}
