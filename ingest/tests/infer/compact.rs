//! Integer fields are as narrow as their values allow, and wider when that is asked for.

use std::sync::Arc;

use kapok_core::Result;
use kapok_core::record::Record;
use kapok_core::schema::{OlderSchema, Schema, Type};
use kapok_core::words::Words;
use kapok_ingest::{Inference, InferenceSettings, MessageWriter, Value};
use proptest::prelude::*;

use crate::rules::print;

fn settings() -> InferenceSettings {
    let (key, maps) = (vec!["id".to_owned()], Vec::new());
    InferenceSettings { key, maps, compact: true, ..InferenceSettings::default() }
}

fn feed(mut inference: Inference, records: &[impl AsRef<str>]) -> Result<(Schema, u64)> {
    for (line, record) in (1..).zip(records) {
        inference.observe(&Value::from_json(record.as_ref().as_bytes()).unwrap(), line)?;
    }
    inference.finish()
}

fn compact(records: &[impl AsRef<str>]) -> (Schema, u64) {
    feed(Inference::new("Package", settings()).unwrap(), records).unwrap()
}

fn printed((schema, id): &(Schema, u64)) -> String {
    print(schema, *id)
}

/// Extends a known type by records, which may widen it.
fn widen((known, id): &(Schema, u64), records: &[impl AsRef<str>]) -> Result<(Schema, u64)> {
    let mut inference = Inference::extending(known, *id, InferenceSettings::default())?;
    inference.widen_integers();
    feed(inference, records)
}

#[test]
fn a_field_is_the_narrowest_signed_type_that_holds_four_times_the_extremes() {
    for (values, expected) in [
        (vec!["0"], "Int8"),
        (vec!["31", "-32"], "Int8"),
        (vec!["32"], "Int16"),
        (vec!["-33"], "Int16"),
        (vec!["8191", "-8192", "1"], "Int16"),
        (vec!["1", "8192"], "Int32"),
        (vec!["-8193", "1"], "Int32"),
        (vec!["536870911", "-536870912"], "Int32"),
        (vec!["536870912"], "Int64"),
        (vec!["-536870913"], "Int64"),
        // Nothing holds four times these.
        (vec!["9223372036854775807", "-9223372036854775808"], "Int64"),
        (vec!["1", "9223372036854775808"], "UInt64"),
        (vec!["1", "0.5"], "Float64"),
        (vec!["null", "1"], "Int8"),
    ] {
        let records: Vec<_> = (1..).zip(&values).map(|(id, value)| format!("{{\"id\":{id},\"n\":{value}}}")).collect();
        let flag = if values.contains(&"null") { ", nIsNull :Bool nullOf n" } else { "" };
        assert_eq!(printed(&compact(&records)), format!("id :Int8, n :{expected}{flag}"), "{values:?}");
    }
}

#[test]
fn keys_lists_nested_structs_and_values_of_maps_are_narrow_too() {
    let records = [
        r#"{"id":-5,"list":[[1],[40]],"o":{"p":1,"q":[{"r":9000}]},"map":{"x":7},"vector":[1,2],"kept":[1,null]}"#,
        r#"{"id":5000,"list":[[]],"o":{"p":-33,"q":[]},"map":{"y":-9000},"vector":[3,4],"kept":5}"#,
    ];
    let settings = InferenceSettings {
        maps: vec!["map".to_owned()],
        vectors: vec!["vector".into()],
        json: vec!["kept".to_owned()],
        ..settings()
    };
    let found = feed(Inference::new("Package", settings).unwrap(), &records).unwrap();
    assert_eq!(
        printed(&found),
        "id :Int16, list :List(List(Int16)), o :O{p :Int16, q :List(Q{r :Int32})}, \
         map :List(MapEntry{key :Text, value :Int32}) map, vector :List(Float32) vector 2, kept :Text json"
    );
}

#[test]
fn known_fields_stay_as_they_are_and_new_ones_are_as_narrow_as_is_asked_for() {
    let known = compact(&[r#"{"id":1,"n":1}"#]);
    let more = [r#"{"id":127,"n":-128,"more":1}"#];
    let grown = |settings| printed(&feed(Inference::extending(&known.0, known.1, settings).unwrap(), &more).unwrap());
    assert_eq!(grown(InferenceSettings::default()), "id :Int8, n :Int8, more :Int64, moreIsNull :Bool nullOf more");
    assert_eq!(grown(settings()), "id :Int8, n :Int8, more :Int8, moreIsNull :Bool nullOf more");
}

#[test]
fn an_integer_beyond_a_known_type_is_refused_and_names_what_takes_it() {
    let known = compact(&[r#"{"id":1,"n":1,"o":{"p":[9000]}}"#]);
    let refused = |record: &str| {
        let inference = Inference::extending(&known.0, known.1, InferenceSettings::default()).unwrap();
        feed(inference, &[record]).unwrap_err().to_string()
    };
    for (record, expected) in [
        (
            r#"{"id":128}"#,
            "Package.id: line=1: known type=Int8, found=an integer 128; to make the field wider (Int16), publish with \
             --widen",
        ),
        (
            r#"{"id":1,"n":-129}"#,
            "Package.n: line=1: known type=Int8, found=an integer -129; to make the field wider (Int16), publish with \
             --widen",
        ),
        (
            r#"{"id":1,"o":{"p":[1,2147483648]}}"#,
            "Package.o.p[1]: line=1: known type=Int32, found=an integer 2147483648; to make the field wider (Int64), \
             publish with --widen",
        ),
        (
            r#"{"id":1,"n":9223372036854775808}"#,
            "Package.n: line=1: known type=Int8, found=an integer 9223372036854775808; to change the type, publish all \
             records anew (--republish)",
        ),
    ] {
        assert_eq!(refused(record), expected);
    }
}

#[test]
fn integers_are_widened_to_the_narrowest_type_that_holds_both_and_has_room() {
    let known = compact(&[r#"{"id":1,"n":1,"list":[1]}"#]);
    for (records, expected) in [
        (vec![r#"{"id":127,"n":-128,"list":[127]}"#], "id :Int8, n :Int8, list :List(Int8)"),
        (vec![r#"{"id":128,"n":8191,"list":[8192]}"#], "id :Int16, n :Int16, list :List(Int32)"),
        (vec![r#"{"id":1,"n":128}"#, r#"{"id":2,"n":9000}"#], "id :Int8, n :Int32, list :List(Int8)"),
        (vec![r#"{"id":1,"n":9000}"#, r#"{"id":2,"n":128}"#], "id :Int8, n :Int32, list :List(Int8)"),
        (vec![r#"{"id":1,"n":9000}"#, r#"{"id":2,"n":0.5}"#], "id :Int8, n :Float64, list :List(Int8)"),
        (vec![r#"{"id":1,"n":9223372036854775807}"#], "id :Int8, n :Int64, list :List(Int8)"),
    ] {
        let wider = widen(&known, &records).unwrap();
        assert_eq!(printed(&wider), expected, "{records:?}");
        let key = ["id".to_owned()];
        let base = known.0.widened(&wider.0, known.1, &key).unwrap();
        assert_eq!(
            base.unwrap_or_else(|| known.0.clone()).evolve(&wider.0, &[known.1], OlderSchema::Refuse).unwrap(),
            wider.0
        );
    }
    assert!(widen(&known, &[r#"{"id":9223372036854775808}"#]).is_err());
    assert!(widen(&known, &[r#"{"id":0.5}"#]).is_err());
}

#[test]
fn unsigned_fields_of_a_declared_type_stay_unsigned_until_an_integer_is_negative() {
    use kapok_core::schema::FieldKind;
    let (mut known, id) = compact(&[r#"{"id":1,"a":1,"b":1,"c":1}"#]);
    let mut ty = (**known.struct_type(id).unwrap()).clone();
    for (field, wanted) in ty.fields.iter_mut().zip([Type::UInt8, Type::UInt16, Type::UInt32, Type::UInt64]) {
        let FieldKind::Slot { ty, .. } = &mut field.kind else { panic!("a group") };
        *ty = wanted;
    }
    ty.lay_out().unwrap();
    known.insert_struct(ty);
    let known = (known, id);
    let wider = |record: &str| widen(&known, &[record]).map(|wider| printed(&wider));
    assert_eq!(wider(r#"{"id":256,"a":70000,"b":1,"c":1}"#).unwrap(), "id :UInt16, a :UInt32, b :UInt32, c :UInt64");
    assert_eq!(wider(r#"{"id":-1,"a":-1,"b":-1,"c":1}"#).unwrap(), "id :Int16, a :Int32, b :Int64, c :UInt64");
    assert!(wider(r#"{"id":1,"c":-1}"#).is_err());
}

#[test]
fn what_would_make_a_field_wider_still_is_to_be_observed() {
    let known = compact(&[r#"{"id":1,"n":1}"#]);
    let mut inference = Inference::extending(&known.0, known.1, InferenceSettings::default()).unwrap();
    inference.widen_integers();
    inference.observe(&Value::from_json(br#"{"id":1,"n":128}"#).unwrap(), 1).unwrap();
    let (schema, id) = inference.schema().unwrap();
    let mut writer = MessageWriter::new(Arc::new(schema), id).unwrap();
    writer.set_seen(&inference.seen());
    for (n, shows_nothing_new) in [(8191, true), (8192, false), (32767, false), (-8193, false), (-5, true)] {
        let record = format!("{{\"id\":1,\"n\":{n}}}");
        assert_eq!(writer.write_seen_json(&record).unwrap().is_some(), shows_nothing_new, "{n}");
    }
}

/// Integers of every magnitude.
fn integer() -> impl Strategy<Value = i64> {
    (any::<i64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift)
}

/// The integers that a known schema has a field for.
fn range_of(schema: &Schema, id: u64, name: &str) -> std::ops::RangeInclusive<i128> {
    let field = schema.struct_type(id).unwrap().field(name).unwrap();
    match &field.kind {
        kapok_core::schema::FieldKind::Slot { ty, .. } => ty.integer_range().unwrap(),
        kapok_core::schema::FieldKind::Group(_) => panic!("a group"),
    }
}

/// A record as JSON, after it was written and read.
fn round_trip(schema: &Schema, id: u64, record: &str) -> String {
    let mut writer = MessageWriter::new(Arc::new(schema.clone()), id).unwrap();
    let message = writer.write_json(record.as_bytes()).unwrap();
    let root = Words::new(message).struct_of(0).unwrap().unwrap();
    Record::new(schema, id, root).unwrap().to_json_string().unwrap()
}

proptest! {
    #[test]
    fn every_integer_is_held_with_room_and_no_narrower_type_has_it(values in prop::collection::vec(integer(), 1..20)) {
        let records: Vec<_> = values.iter().map(|v| format!("{{\"id\":{v},\"n\":{v},\"list\":[{v},0]}}")).collect();
        let (schema, id) = compact(&records);
        let range = range_of(&schema, id, "n");
        prop_assert_eq!(&range, &range_of(&schema, id, "id"));
        for record in &records {
            prop_assert_eq!(&round_trip(&schema, id, record), record);
        }
        let fits = |range: &std::ops::RangeInclusive<i128>| values.iter().all(|v| range.contains(&(i128::from(*v) * 4)));
        let narrower = [Type::Int8, Type::Int16, Type::Int32].map(|ty| ty.integer_range().unwrap());
        let expected = narrower.into_iter().find(fits).unwrap_or(Type::Int64.integer_range().unwrap());
        prop_assert_eq!(range, expected);
    }

    #[test]
    fn what_is_widened_holds_old_and_new_whatever_the_order(
        first in prop::collection::vec(integer(), 1..6),
        mut then in prop::collection::vec(integer(), 1..6),
    ) {
        let text = |v: &i64| format!("{{\"id\":{v},\"n\":{v}}}");
        let (first, known) = (first.iter().map(text).collect::<Vec<_>>(), compact(&first.iter().map(text).collect::<Vec<_>>()));
        let records: Vec<_> = then.iter().map(text).collect();
        let (schema, id) = widen(&known, &records).unwrap();
        for record in first.iter().chain(&records) {
            prop_assert_eq!(&round_trip(&schema, id, record), record);
        }
        then.reverse();
        let reversed = widen(&known, &then.iter().map(text).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(&reversed.0, &schema);
        // Records that show nothing new need not be observed.
        let mut inference = Inference::extending(&known.0, id, InferenceSettings::default()).unwrap();
        inference.widen_integers();
        for (line, record) in (1..).zip(&records) {
            let (so_far, id) = inference.schema().unwrap();
            let mut writer = MessageWriter::new(Arc::new(so_far), id).unwrap();
            writer.set_seen(&inference.seen());
            if writer.write_seen_json(record).unwrap().is_none() {
                inference.observe(&Value::from_json(record.as_bytes()).unwrap(), line).unwrap();
            }
        }
        prop_assert_eq!(&inference.finish().unwrap().0, &schema);
    }
}
