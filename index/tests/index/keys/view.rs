//! Lookups in a whole version.

use std::sync::Arc;

use kapok_core::ErrorKind;
use kapok_core::key::KeyPart;
use kapok_core::record::ValueRef;
use kapok_core::segment::RowId;
use kapok_index::{Lookup, View};
use kapok_samples::kinds_capnp::kinds;
use roaring::RoaringBitmap;

use super::fixture::{Values, Version, seal};

fn none() -> RoaringBitmap {
    RoaringBitmap::new()
}

fn records(keys: impl IntoIterator<Item = u32>) -> Vec<Values> {
    keys.into_iter().map(|key| Values { code: format!("code {key}"), ..Values::with_u32(key) }).collect()
}

/// Two segments of u32 keys: 0 to 9, of which 3 and 4 are dead, then 3, 20 and 21.
fn two_segments() -> Version {
    let mut version = Version::new(&["u32"]);
    version.push(&records(0..10), &RoaringBitmap::from_iter([3, 4]));
    version.push(&records([3, 20, 21]), &none());
    version.index(0);
    version.index(1);
    version
}

/// What lookups answer.
fn at(view: &View, place: usize, row: u32) -> Option<RowId> {
    let row_id = view.table("Kinds").unwrap().row_id(place, row);
    assert!(row_id.is_some(), "place={place} row={row}");
    row_id
}

#[test]
fn a_live_row_is_found_in_whichever_segment_has_it() {
    let version = two_segments();
    let view = version.open().unwrap();
    let lookup = view.lookup("Kinds").unwrap();
    let cases = [
        (0, at(&view, 0, 0)),
        (9, at(&view, 0, 9)),
        (3, at(&view, 1, 0)),
        (4, None),
        (10, None),
        (20, at(&view, 1, 1)),
        (22, None),
    ];
    for (key, expected) in cases {
        assert_eq!(lookup.find(&key).unwrap(), expected, "{key}");
        assert_eq!(view.find("Kinds", &key).unwrap(), expected, "{key}");
    }
}

#[test]
fn a_row_that_is_dead_in_one_segment_is_looked_for_in_the_others() {
    let mut version = Version::new(&["u32"]);
    version.push(&records(0..10), &RoaringBitmap::from_iter([5]));
    version.push(&records([3, 5]), &RoaringBitmap::from_iter([0]));
    for indexed in [false, true] {
        if indexed {
            version.index(0);
            version.index(1);
        }
        let view = version.open().unwrap();
        assert_eq!(view.find("Kinds", &3).unwrap(), at(&view, 0, 3));
        assert_eq!(view.find("Kinds", &5).unwrap(), at(&view, 1, 1));
    }
}

/// Enough segments that their indexes are looked at in more than one go, enough rows that one group in seven is full.
#[test]
fn keys_of_forty_segments_are_found_one_by_one_and_together() {
    const SEGMENTS: u32 = 40;
    const KEYS: u32 = 9000;
    // Every segment has keys of its own and some that a later segment replaces; a tenth of all is deleted, a third is nowhere.
    let segment_of = |key: u32| (key.wrapping_mul(0x9E37_79B1) >> 16) % SEGMENTS;
    let is_anywhere = |key: &u32| !key.is_multiple_of(3);
    let is_replaced = |key: u32| key.is_multiple_of(7) && segment_of(key) + 1 < SEGMENTS;
    let is_deleted = |key: u32| key % 10 == 1;
    let mut version = Version::new(&["u32"]);
    let mut expected = vec![None; KEYS as usize];
    for segment in 0..SEGMENTS {
        let is_here = |key: &u32| segment_of(*key) == segment || is_replaced(*key) && segment_of(*key) + 1 == segment;
        let keys: Vec<u32> = (0..KEYS).filter(is_anywhere).filter(is_here).collect();
        let is_dead = |key: u32| is_deleted(key) || is_replaced(key) && segment_of(key) == segment;
        let mut dead = none();
        for (row, key) in (0..).zip(&keys) {
            if is_dead(*key) {
                dead.insert(row);
            } else {
                expected[*key as usize] = Some((segment as usize, row));
            }
        }
        version.push(&records(keys), &dead);
    }
    for indexed in [false, true] {
        if indexed {
            (0..SEGMENTS as usize).for_each(|place| version.index(place));
        }
        let view = version.open().unwrap();
        let lookup = view.lookup("Kinds").unwrap();
        let expected: Vec<_> =
            expected.iter().map(|found| found.and_then(|(place, row)| at(&view, place, row))).collect();
        let keys: Vec<u32> = (0..KEYS).collect();
        let found: Vec<_> = keys.iter().map(|key| lookup.find(key).unwrap()).collect();
        assert_eq!(found, expected, "indexed={indexed}");
        assert_eq!(lookup.find_many(&keys).unwrap(), expected, "indexed={indexed}");
        view.verify_keys().unwrap();
        let (keys, row_ids): (Vec<u32>, Vec<RowId>) =
            keys.iter().zip(&expected).filter_map(|(key, found)| Some((*key, (*found)?))).unzip();
        assert_eq!(view.field::<u32>("Kinds.u32").unwrap().get_many(&row_ids).unwrap(), keys);
        let codes: Vec<_> = keys.iter().map(|key| format!("code {key}")).collect();
        assert_eq!(view.field::<&str>("Kinds.code").unwrap().get_many(&row_ids).unwrap(), codes);
        // Scans give the same rows.
        let mut scanned: Vec<u32> = view.field::<u32>("Kinds.u32").unwrap().iter().map(Result::unwrap).collect();
        let mut handed = Vec::new();
        view.field::<u32>("Kinds.u32").unwrap().for_each(|key| handed.push(key)).unwrap();
        assert_eq!(scanned, handed);
        scanned.sort_unstable();
        assert_eq!(scanned, keys);
    }
}

#[test]
fn integers_of_any_width_find_a_key_and_none_where_they_do_not_fit() {
    let view = two_segments();
    let view = view.open().unwrap();
    let lookup = view.lookup("Kinds").unwrap();
    let seven =
        [lookup.find(&7_u8), lookup.find(&7_i8), lookup.find(&7_u64), lookup.find(&7_i64), lookup.find(&(&7_i16))];
    assert!(seven.into_iter().all(|found| found.unwrap() == at(&view, 0, 7)));
    for key in [-1, i64::MIN, i64::MAX, 1 << 32, (1 << 32) + 7] {
        assert_eq!(lookup.find(&key).unwrap(), None, "{key}");
    }
    let extreme = kapok_core::key::KeyPart::Int(i128::MAX);
    assert_eq!(lookup.find(&extreme).unwrap(), None);
}

#[test]
fn a_signed_key_far_out_of_range_is_not_found() {
    let mut version = Version::new(&["i32"]);
    version.push(&[Values { i32: -5, ..Values::default() }], &none());
    let view = version.open().unwrap();
    assert_eq!(view.find("Kinds", &-5).unwrap(), at(&view, 0, 0));
    for key in [i128::MAX, i128::MIN, 1 << 32, -5 + (1 << 32)] {
        assert_eq!(view.find("Kinds", &kapok_core::key::KeyPart::Int(key)).unwrap(), None, "{key}");
    }
}

#[test]
fn keys_of_other_types_are_refused() {
    let version = two_segments();
    let view = version.open().unwrap();
    let lookup = view.lookup("Kinds").unwrap();
    let wrong = [lookup.find("7"), lookup.find(&true), lookup.find(&(7, 7)), lookup.find(&b"7"[..])];
    for error in wrong {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let error = view.find("Kind", &7).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("Kinds"), "{error}");
}

#[test]
fn an_encoded_key_finds_a_record() {
    let version = two_segments();
    let view = version.open().unwrap();
    let lookup = view.lookup("Kinds").unwrap();
    let mut encoded = Vec::new();
    assert!(lookup.table().key().encode(&[KeyPart::Int(20)], &mut encoded).unwrap());
    assert_eq!(lookup.find_encoded(&encoded).unwrap(), at(&view, 1, 1));
    for other in [&[][..], &[20], &[0, 0, 0, 0, 20], &[0; 40]] {
        assert_eq!(lookup.find_encoded(other).unwrap(), None);
    }
}

#[test]
fn text_and_composite_keys_find_records() {
    for (key, indexed) in
        [(&["code"][..], true), (&["code"], false), (&["code", "u32"], true), (&["u32", "code"], false)]
    {
        let mut version = Version::new(key);
        version.push(&records(0..100), &none());
        if indexed {
            version.index(0);
        }
        let view = version.open().unwrap();
        let lookup = view.lookup("Kinds").unwrap();
        let (text, number) = ("code 42", 42);
        let found = match key {
            ["code"] => lookup.find(text),
            ["code", "u32"] => lookup.find(&(text, number)),
            _ => lookup.find(&(number, text.to_owned())),
        };
        let found = found.unwrap().unwrap();
        assert_eq!(view.field::<u32>("Kinds.u32").unwrap().get(found).unwrap(), number);
        let missing = match key {
            ["code"] => lookup.find("code 420"),
            ["code", "u32"] => lookup.find(&("code 42", 43)),
            _ => lookup.find(&(42, "code 43")),
        };
        assert_eq!(missing.unwrap(), None);
    }
}

#[test]
fn records_are_read_by_key_through_both_doors() {
    let version = two_segments();
    let view = version.open().unwrap();
    let records = view.records::<kinds::Owned>().unwrap();
    assert_eq!(records.by_key(&20).unwrap().unwrap().get_code().unwrap(), "code 20");
    assert!(records.by_key(&4).unwrap().is_none());
    assert_eq!(records.get(at(&view, 1, 1).unwrap()).unwrap().get_u32(), 20);
    assert_eq!(records.iter().count(), 11);
    assert_eq!(records.lookup().find(&20).unwrap(), at(&view, 1, 1));
    let record = view.record_by_key("Kinds", &21).unwrap().unwrap();
    assert!(matches!(record.get("code").unwrap(), ValueRef::Text("code 21")));
    assert!(view.record_by_key("Kinds", &22).unwrap().is_none());
}

#[test]
fn an_empty_view_has_no_types() {
    let view = View::empty();
    assert_eq!(view.version(), 0);
    assert_eq!(view.find("Kinds", &1).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(view.records::<kinds::Owned>().err().unwrap().kind(), ErrorKind::NotFound);
    view.verify_keys().unwrap();
}

#[test]
fn views_and_lookups_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<View>();
    shared::<Lookup<'static>>();
    let version = two_segments();
    let view = Arc::new(version.open().unwrap());
    let lookup = view.lookup("Kinds").unwrap();
    std::thread::scope(|scope| {
        for key in 5..9 {
            let view = &view;
            scope.spawn(move || assert_eq!(lookup.find(&key).unwrap(), at(view, 0, key)));
        }
    });
}

#[test]
fn artifacts_that_do_not_fit_are_refused() {
    let mut version = two_segments();
    version.segments[0].artifacts[0].size += 1;
    assert_eq!(version.open().unwrap_err().kind(), ErrorKind::Corrupt);
    version = two_segments();
    version.segments[0].artifacts[0].id = [7; 32];
    assert_eq!(version.open().unwrap_err().kind(), ErrorKind::NotFound);
    version = two_segments();
    let other = version.segments[1].artifacts.clone();
    version.segments[0].artifacts = other;
    let error = version.open().unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("index 1"), "{error}");
    version = two_segments();
    version.segments[0].artifacts[0].kind = "unheard of".into();
    let view = version.open().unwrap();
    assert_eq!(view.find("Kinds", &9).unwrap(), at(&view, 0, 9));
}

#[test]
fn bounds_in_the_manifest_that_are_no_keys_are_refused() {
    for (first, last) in [(vec![], vec![0, 0, 0, 9]), (vec![0; 4], vec![9]), (vec![0, 0, 0, 9], vec![0; 4])] {
        let mut version = two_segments();
        (version.segments[0].first_key, version.segments[0].last_key) = (first, last);
        assert_eq!(version.open().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn verifying_finds_what_lookups_would_trip_over() {
    let corrupt = |version: &Version, what: &str| {
        let error = version.open().unwrap().verify_keys().unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(what), "{error}");
    };
    two_segments().open().unwrap().verify_keys().unwrap();

    let mut version = two_segments();
    version.segments[0].last_key = vec![0, 0, 0, 10];
    corrupt(&version, "first and last key");

    // Rows 4 and 5 change places.
    let mut version = Version::new(&["u32"]);
    let mut sealed = seal(&version.encoding, &records(0..10)).unwrap();
    let segment = super::fixture::open(&sealed.bytes, 10);
    let start = 8 + segment.rows_at() + 4 * segment.stride();
    sealed.bytes[start..start + 2 * segment.stride()].rotate_left(segment.stride());
    version.push_sealed(sealed, &none());
    corrupt(&version, "a key after 5");

    let mut version = Version::new(&["u32"]);
    version.push(&records(0..10), &none());
    version.push(&records([3]), &none());
    corrupt(&version, "the only live row of key 3");

    // The index of another segment of as many rows.
    let mut version = Version::new(&["u32"]);
    version.push(&records(0..10), &none());
    version.push(&records(10..20), &none());
    version.index(0);
    version.index(1);
    let other = version.segments[1].artifacts.clone();
    version.segments[0].artifacts = other;
    let error = version.open().unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("the index of segment"), "{error}");
}
