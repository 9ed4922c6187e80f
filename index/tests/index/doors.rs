//! Every door gives the same answer for the same record, and for one that is not there.

use kapok_core::segment::RowId;
use kapok_core::{ErrorKind, Result};
use kapok_index::View;
use kapok_samples::kinds_capnp::kinds;
use roaring::RoaringBitmap;
use serde::Deserialize;

use crate::keys::fixture::{Values, Version};

/// Two segments of u32 keys: 0 to 4, of which 3 and 4 are dead, then 3 and 20.
fn version() -> Version {
    let mut version = Version::new(&["u32"]);
    let records = |keys: &[u32]| keys.iter().map(|key| Values::with_u32(*key)).collect::<Vec<_>>();
    version.push(&records(&[0, 1, 2, 3, 4]), &RoaringBitmap::from_iter([3, 4]));
    version.push(&records(&[3, 20]), &RoaringBitmap::new());
    version.index(0);
    version
}

#[derive(Deserialize)]
struct Keyed {
    u32: u32,
}

/// What a door says of a record: its key, that there is none, or that it was asked in a wrong way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Record(u64),
    None,
    Refused(ErrorKind),
}

fn answer<K: Into<u64>>(read: Result<Option<K>>) -> Answer {
    match read {
        Ok(Some(key)) => Answer::Record(key.into()),
        Ok(None) => Answer::None,
        Err(error) => Answer::Refused(error.kind()),
    }
}

fn key_of(record: kinds::Reader<'_>) -> u32 {
    record.get_u32()
}

/// Every door that takes a key.
fn by_key(view: &View, key: u32) -> Vec<(&'static str, Answer)> {
    let (table, lookup) = (view.table("Kinds").unwrap(), view.lookup("Kinds").unwrap());
    let records = view.records::<kinds::Owned>().unwrap();
    let mut encoded = Vec::new();
    assert!(table.key().encode(&[kapok_core::key::KeyPart::Int(key.into())], &mut encoded).unwrap());
    let live = |row_id: RowId| table.record(row_id).unwrap().get("u32").unwrap().as_u64().unwrap();
    let dynamic =
        |record: Option<kapok_core::record::Record<'_>>| record.map(|r| r.get("u32").unwrap().as_u64().unwrap());
    vec![
        ("View::find", answer(view.find("Kinds", &key).map(|at| at.map(live)))),
        ("View::record_by_key", answer(view.record_by_key("Kinds", &key).map(dynamic))),
        (
            "View::deserialize_by_key",
            answer(view.deserialize_by_key("Kinds", &key).map(|r| r.map(|Keyed { u32 }| u32))),
        ),
        ("Lookup::find", answer(lookup.find(&key).map(|at| at.map(live)))),
        ("Lookup::find_encoded", answer(lookup.find_encoded(&encoded).map(|at| at.map(live)))),
        ("Lookup::record_by_key", answer(lookup.record_by_key(&key).map(dynamic))),
        ("Lookup::deserialize_by_key", answer(lookup.deserialize_by_key(&key).map(|r| r.map(|Keyed { u32 }| u32)))),
        ("Records::by_key", answer(records.by_key(&key).map(|r| r.map(kinds::Reader::get_u32)))),
        ("Records::lookup", answer(records.lookup().find(&key).map(|at| at.map(live)))),
    ]
}

/// Every door that takes a row id.
fn by_row_id(view: &View, at: RowId) -> Vec<(&'static str, Answer)> {
    let table = view.table("Kinds").unwrap();
    let records = view.records::<kinds::Owned>().unwrap();
    let readers = table.records::<kinds::Owned>().unwrap();
    let (numbers, optional) =
        (view.field::<u32>("Kinds.u32").unwrap(), view.field::<Option<u32>>("Kinds.u32").unwrap());
    let row = |(place, row): (usize, u32)| {
        let read = table.segments()[place].segment().read_row::<kinds::Owned, _>(row, key_of);
        read.unwrap().expect("a row that the table has")
    };
    vec![
        ("Table::place", answer(table.place(at).map(row).map(Some))),
        ("Table::row", answer(table.row(at).map_or_else(Err, |_| numbers.get(at).map(Some)))),
        ("Table::record", answer(table.record(at).map(|record| record.get("u32").unwrap().as_u64()))),
        ("Readers::get", answer(readers.get(at).map(|record| Some(record.get_u32())))),
        ("Records::get", answer(records.get(at).map(|record| Some(record.get_u32())))),
        ("Field::get", answer(numbers.get(at).map(Some))),
        ("Field::get, optional", answer(optional.get(at))),
    ]
}

/// Every door that takes a bare row number of a segment.
fn by_row(view: &View, place: usize, row: u32) -> Vec<(&'static str, Answer)> {
    let table = view.table("Kinds").unwrap();
    let segment = table.segments()[place].segment();
    let readers = table.records::<kinds::Owned>().unwrap();
    let read = |at: RowId| readers.get(at).map(kinds::Reader::get_u32);
    vec![
        ("Table::row_id", answer(table.row_id(place, row).map(read).transpose())),
        ("Segment::read_row", answer(segment.read_row::<kinds::Owned, _>(row, key_of))),
        (
            "Segment::row",
            answer(segment.row(row).map(|_| read(table.row_id(place, row).expect("a row id"))).transpose()),
        ),
    ]
}

fn assert_all(doors: Vec<(&'static str, Answer)>, expected: Answer, case: &str) {
    for (door, found) in doors {
        assert_eq!(found, expected, "{door}: {case}");
    }
}

#[test]
fn every_door_gives_the_same_answer() {
    let version = version();
    let view = version.open().unwrap();
    for (case, key, expected) in [
        ("live", 1, Answer::Record(1)),
        ("live in the segment without an index", 20, Answer::Record(20)),
        ("dead in one segment, live in another", 3, Answer::Record(3)),
        ("dead", 4, Answer::None),
        ("never there", 7, Answer::None),
        ("beyond all keys", 999, Answer::None),
    ] {
        assert_all(by_key(&view, key), expected, case);
    }
    let mark = |place: usize| view.table("Kinds").unwrap().segments()[place].mark();
    let elsewhere = {
        let mut other = Version::new(&["u32"]);
        other.push(&[Values::with_u32(1)], &RoaringBitmap::new());
        let other = other.open().unwrap();
        other.find("Kinds", &1).unwrap().unwrap()
    };
    for (case, row_id, expected) in [
        ("live", mark(0).row_id(0, 1), Answer::Record(1)),
        ("dead", mark(0).row_id(0, 4), Answer::Record(4)),
        ("live, at another place", mark(1).row_id(0, 1), Answer::Record(20)),
        ("live, at a place that is not", mark(1).row_id(9, 0), Answer::Record(3)),
        ("beyond the last row", mark(0).row_id(0, 5), Answer::Refused(ErrorKind::Invalid)),
        ("beyond the last row, at another place", mark(1).row_id(0, 2), Answer::Refused(ErrorKind::Invalid)),
        ("the last row number of all", mark(0).row_id(0, u32::MAX), Answer::Refused(ErrorKind::Invalid)),
        ("of another segment", elsewhere, Answer::Refused(ErrorKind::Invalid)),
    ] {
        assert_all(by_row_id(&view, row_id), expected, case);
    }
    for (case, row, expected) in [
        ("live", 1, Answer::Record(1)),
        ("dead", 4, Answer::Record(4)),
        ("beyond the last row", 5, Answer::None),
        ("the last row number of all", u32::MAX, Answer::None),
    ] {
        assert_all(by_row(&view, 0, row), expected, case);
    }
}

#[test]
fn every_iterator_gives_the_same_records() {
    let version = version();
    let view = version.open().unwrap();
    let table = view.table("Kinds").unwrap();
    let mut found: Vec<(&str, Vec<u32>)> = Vec::new();
    let (records, numbers) = (view.records::<kinds::Owned>().unwrap(), view.field::<u32>("Kinds.u32").unwrap());
    found.push(("&Records", (&records).into_iter().map(kinds::Reader::get_u32).collect()));
    let mut folded = Vec::new();
    records.iter().for_each(|record| folded.push(record.get_u32()));
    found.push(("Records::iter, folded", folded));
    let mut late = records.iter();
    let mut halved: Vec<u32> = late.by_ref().take(2).map(kinds::Reader::get_u32).collect();
    late.for_each(|record| halved.push(record.get_u32()));
    found.push(("Records::iter, folded from the third on", halved));
    let readers = table.records::<kinds::Owned>().unwrap();
    found.push(("&Readers", (&readers).into_iter().map(kinds::Reader::get_u32).collect()));
    found.push(("&Field", (&numbers).into_iter().map(Result::unwrap).collect()));
    let key = |record: kapok_core::record::Record<'_>| record.get("u32").unwrap().as_u64().unwrap();
    found.push(("&Table", table.into_iter().map(|record| u32::try_from(key(record)).unwrap()).collect()));
    found.push(("Table::deserialize", table.deserialize().map(|keyed: Result<Keyed>| keyed.unwrap().u32).collect()));
    found.push(("Table::row_ids", table.row_ids().map(|at| numbers.get(at).unwrap()).collect()));
    for (door, keys) in found {
        assert_eq!(keys, [0, 1, 2, 3, 20], "{door}");
    }
}

#[test]
fn a_record_that_does_not_fit_its_rust_type_is_an_error_of_its_own() {
    #[derive(Debug, Deserialize)]
    struct Narrow {
        #[expect(dead_code, reason = "read by serde alone")]
        u32: u8,
    }
    let mut version = Version::new(&["u32"]);
    version.push(&[1, 300, 2].map(Values::with_u32), &RoaringBitmap::new());
    let view = version.open().unwrap();
    let read: Vec<Result<Narrow>> = view.table("Kinds").unwrap().deserialize().collect();
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false], "{read:?}");
    let error = view.deserialize_by_key::<Narrow>("Kinds", &300).unwrap_err();
    assert!(error.to_string().starts_with("Kinds.u32: "), "{error}");
}
