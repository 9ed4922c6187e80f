//! A known schema grows by appending only.

use std::sync::Arc;

use kapok_core::record::Record;
use kapok_core::schema::{FieldKind, OlderSchema, Schema, StructType, Type};
use kapok_core::words::{Pointer, Words};
use kapok_core::{ErrorKind, Result};
use kapok_ingest::{Inference, InferenceSettings, MessageWriter, Value, schema_of_rust_type};
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;
use proptest::prelude::*;

use crate::rules::named;

fn feed(mut inference: Inference, records: &[impl AsRef<str>]) -> Result<(Schema, u64)> {
    for (line, record) in (1..).zip(records) {
        inference.observe(&Value::from_json(record.as_ref().as_bytes()).unwrap(), line)?;
    }
    inference.finish()
}

fn settings() -> InferenceSettings {
    InferenceSettings {
        key: vec!["id".into()],
        maps: vec!["map".into()],
        vectors: vec!["vector".into()],
        ..InferenceSettings::default()
    }
}

fn infer(records: &[impl AsRef<str>]) -> Result<(Schema, u64)> {
    // The settings' paths need not occur in what is only extended: give both at once.
    let settings = InferenceSettings { key: vec!["id".into()], ..InferenceSettings::default() };
    feed(Inference::new("Package", settings)?, records)
}

fn extend(known: &Schema, id: u64, records: &[impl AsRef<str>]) -> Result<(Schema, u64)> {
    feed(Inference::extending(known, id, settings())?, records)
}

/// Name, ordinal, offset and type of each field.
fn places(ty: &StructType) -> Vec<(String, Option<u16>, u32, Type)> {
    let fields = ty.fields.iter().map(|field| match &field.kind {
        FieldKind::Slot { offset, ty, .. } => (field.name.clone(), field.ordinal, *offset, ty.clone()),
        FieldKind::Group(_) => panic!("a group"),
    });
    fields.collect()
}

#[test]
fn known_fields_keep_their_places_and_new_ones_follow() {
    let (known, id) = infer(&[r#"{"id":1,"flag":true,"name":"x","author":{"age":1}}"#]).unwrap();
    let new = r#"{"id":2,"vector":[1,2],"map":{"x":1},"author":{"mail":"y","age":null},"count":0.5,"name":null}"#;
    let (grown, same_id) = extend(&known, id, &[new]).unwrap();
    assert_eq!(id, same_id);
    let (before, after) = (known.get_struct(id).unwrap(), grown.get_struct(id).unwrap());
    assert_eq!(places(after)[..before.fields.len()], places(before));
    let names: Vec<_> = after.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(
        names,
        ["id", "flag", "name", "author", "vector", "map", "count", "countIsNull", "flagIsNull"],
        "older records lack the count"
    );
    assert_eq!(after.fields[4].vector.unwrap().dimension, 2);
    assert!(after.fields[5].is_map);
    let author = named(&grown, "Author");
    let names: Vec<_> = author.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["age", "mail", "ageIsNull"]);
    // The flags took holes of the first word of flags: the layout is that of one declaration.
    let offsets: Vec<_> =
        places(after).into_iter().filter(|place| place.3 == Type::Bool).map(|place| place.2).collect();
    assert_eq!(offsets, [64, 65, 66]);
    // What fits changes nothing.
    assert_eq!(extend(&grown, id, &[new]).unwrap().0, grown);
    assert_eq!(extend(&grown, id, &[] as &[&str]).unwrap().0, grown);
}

/// What an error says to the end: what to do about a value of another type.
fn with_way_out(facts: &str) -> String {
    match facts {
        _ if facts.contains("known type=Int64, found=a float") => {
            format!("{facts}; to make the field a Float64, publish with --widen")
        }
        _ if facts.contains(": known ") => {
            format!("{facts}; to change the type, publish all records anew (--republish)")
        }
        _ => facts.to_owned(),
    }
}

#[test]
fn integers_of_a_known_type_become_floats_where_that_is_asked_for_but_for_those_of_the_key() {
    let first = r#"{"id":1,"n":1,"list":[[1]],"o":{"p":1,"q":2},"map":{"x":1}}"#;
    let (known, id) = feed(
        Inference::new(
            "Package",
            InferenceSettings { key: vec!["id".into()], maps: vec!["map".into()], ..InferenceSettings::default() },
        )
        .unwrap(),
        &[first],
    )
    .unwrap();
    let widening = |record: &str| {
        let mut inference = Inference::extending(&known, id, settings()).unwrap();
        inference.widen_integers();
        feed(inference, &[record])
    };
    let key = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let floats = r#"{"id":1,"n":0.5,"list":[[0.5]],"o":{"p":0.5,"q":2},"map":{"y":0.5},"new":1}"#;
    assert!(extend(&known, id, &[floats]).is_err());
    let (wide, _) = widening(floats).unwrap();
    assert_eq!(wide.growth(&known, id), ["new Int64"]);
    assert!(known.evolve(&wide, &[id], OlderSchema::Refuse).is_err());
    let base = known.widened(&wide, id, &key(&["id"])).unwrap().unwrap();
    assert_eq!(base.evolve(&wide, &[id], OlderSchema::Refuse).unwrap(), wide);
    assert_eq!(base.widened(&wide, id, &key(&["id"])).unwrap(), None);
    let without_n = known.widened(&wide, id, &key(&["id", "n"])).unwrap().unwrap();
    assert_eq!(without_n.struct_type(id).unwrap().field("n"), known.struct_type(id).unwrap().field("n"));
    assert!(widening(r#"{"id":0.5}"#).is_err());
    assert_eq!(known.widened(&widening(r#"{"id":1,"n":2}"#).unwrap().0, id, &[]).unwrap(), None);
}

#[test]
fn a_value_that_does_not_fit_the_known_type_is_refused() {
    let first =
        r#"{"id":1,"small":1,"float":0.5,"on":true,"text":"x","none":null,"empty":[],"list":[1],"o":{"p":"q"}}"#;
    let (known, id) = infer(&[first]).unwrap();
    for (record, expected) in [
        (r#"{"id":2,"small":0.5}"#, "Package.small: line=1: known type=Int64, found=a float 0.5"),
        (
            r#"{"id":2,"small":9223372036854775808}"#,
            "Package.small: line=1: known type=Int64, found=an integer 9223372036854775808",
        ),
        (
            r#"{"id":2,"float":9007199254740993}"#,
            "Package.float: line=1: known type=Float64, found=an integer 9007199254740993",
        ),
        (r#"{"id":2,"on":1}"#, "Package.on: line=1: known type=Bool, found=an integer 1"),
        (r#"{"id":2,"text":1}"#, "Package.text: line=1: known type=Text, found=an integer 1"),
        (r#"{"id":2,"none":1}"#, "Package.none: line=1: known type=Text, found=an integer 1"),
        (r#"{"id":2,"empty":[1]}"#, "Package.empty[0]: line=1: known type=Text, found=an integer 1"),
        (r#"{"id":2,"list":["x"]}"#, "Package.list[0]: line=1: known type=Int64, found=a text"),
        (
            r#"{"id":2,"list":[1,null]}"#,
            "Package.list[1]: line=1: a list of numbers or bools cannot hold null: null line=1; to keep it as JSON text, \
             publish all records with --republish --as-json list",
        ),
        (r#"{"id":2,"o":"x"}"#, "Package.o: line=1: known as an object, found=a text"),
        (r#"{"id":2,"o":{"p":true}}"#, "Package.o.p: line=1: known type=Text, found=a bool true"),
        (r#"{"small":1}"#, "Package.id: line=1: the record lacks this key field"),
    ] {
        let error = extend(&known, id, &[record]).unwrap_err();
        assert_eq!(error.to_string(), with_way_out(expected), "{record}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let fits = r#"{"id":2,"float":3,"text":null,"empty":["x",null],"list":[],"o":null}"#;
    assert!(extend(&known, id, &[fits]).is_ok());
}

#[test]
fn known_vectors_keep_their_length() {
    let settings = InferenceSettings { vectors: vec!["vector".into()], ..InferenceSettings::default() };
    let (known, id) = feed(Inference::new("Package", settings).unwrap(), &[r#"{"vector":[1,2]}"#]).unwrap();
    let plain = |record: &str| feed(Inference::extending(&known, id, InferenceSettings::default())?, &[record]);
    assert_eq!(plain(r#"{"vector":[1,2.5]}"#).unwrap().0, known);
    assert_eq!(
        plain(r#"{"vector":[1]}"#).unwrap_err().to_string(),
        "Package.vector: line=1: vectors of two lengths: dimension=1, 2 in the schema"
    );
}

#[test]
fn settings_cannot_contradict_the_known_type() {
    let (known, id) = infer(&[r#"{"id":1,"map":{},"vector":[0.5],"other":"x"}"#]).unwrap();
    for (key, vector, map, expected) in [
        (
            "other",
            "x",
            "y",
            "incompatible: Package: key differs: known=[\"id\"] given=[\"other\"]; the key of a record type stays",
        ),
        ("id", "vector", "y", "incompatible: Package.vector: the known schema does not have this field as a vector"),
        ("id", "x", "map", "incompatible: Package.map: the known schema does not have this field as a map"),
    ] {
        let settings = InferenceSettings {
            key: vec![key.into()],
            vectors: vec![vector.into()],
            maps: vec![map.into()],
            ..InferenceSettings::default()
        };
        let error = Inference::extending(&known, id, settings).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), (expected, ErrorKind::Incompatible));
    }
    assert!(Inference::extending(&known, 1, InferenceSettings::default()).is_err());
}

#[test]
fn a_flag_cannot_be_given_by_its_name() {
    let (known, id) = infer(&[r#"{"id":1,"age":1}"#, r#"{"id":2}"#]).unwrap();
    assert_eq!(
        extend(&known, id, &[r#"{"id":1,"ageIsNull":true}"#]).unwrap_err().to_string(),
        "Package.ageIsNull: line=1: the schema has this name for what says that age is null"
    );
}

#[test]
fn a_declared_type_with_unions_takes_what_fits_and_nothing_more() {
    let (known, id) = Schema::of::<kinds::Owned>().unwrap();
    let observe = |record: &str| feed(Inference::extending(&known, id, InferenceSettings::default())?, &[record]);
    let fits = r#"{"id":1,"code":"x","colour":"red","data":"AAAA","count":3,"place":{"lat":1},"contact":{"email":"x"},
        "address":{"city":"y"},"u8":255,"f32":0.5,"tree":{"value":1,"children":[{"value":2,"children":[{}]}]},
        "embedding":[1,2,3,4],"matrix":[[1]],"datas":["AA=="],"i8s":[-128]}"#;
    assert_eq!(observe(fits).unwrap().0, known);
    for (record, expected) in [
        (
            r#"{"id":1,"code":"x","unheard":1}"#,
            "Kinds.unheard: line=1: the schema is declared and lacks this field: type=Kinds has unions or groups and \
             cannot be extended by data",
        ),
        (r#"{"id":1,"code":"x","u8":256}"#, "Kinds.u8: line=1: known type=UInt8, found=an integer 256"),
        (r#"{"id":1,"code":"x","i16":-32769}"#, "Kinds.i16: line=1: known type=Int16, found=an integer -32769"),
        (r#"{"id":1,"code":"x","u64":-1}"#, "Kinds.u64: line=1: known type=UInt64, found=an integer -1"),
        (r#"{"id":1,"code":"x","i8s":[128]}"#, "Kinds.i8s[0]: line=1: known type=Int8, found=an integer 128"),
        (
            r#"{"id":1,"code":"x","tree":{"children":[{"children":[{"value":"x"}]}]}}"#,
            "Kinds.tree.children[0].children[0].value: line=1: known type=Int32, found=a text",
        ),
        (
            r#"{"id":1,"code":"x","embedding":[1,2,3]}"#,
            "Kinds.embedding: line=1: vectors of two lengths: dimension=3, 4 in the schema",
        ),
        (r#"{"id":1}"#, "Kinds.code: line=1: the record lacks this key field"),
    ] {
        assert_eq!(observe(record).unwrap_err().to_string(), with_way_out(expected), "{record}");
    }
    // A struct within it that has none of those grows.
    let (grown, _) = observe(r#"{"id":1,"code":"x","address":{"country":"z"}}"#).unwrap();
    let address = named(&grown, "Address");
    assert_eq!(address.fields.last().unwrap().name, "country");
    assert_eq!(grown.get_struct(id), known.get_struct(id));
}

#[test]
fn in_a_declared_type_what_is_absent_is_the_default() {
    let (known, id) = Schema::of::<movie::Owned>().unwrap();
    let key = &known.get_struct(id).unwrap().key[0];
    let record = format!(r#"{{"{key}":1}}"#);
    let (same, _) = feed(Inference::extending(&known, id, InferenceSettings::default()).unwrap(), &[record]).unwrap();
    assert_eq!(same, known);
}

#[test]
fn values_of_known_maps_grow_as_in_one_run() {
    let records = [r#"{"id":1,"map":{"x":{"a":1}},"vector":[1]}"#, r#"{"id":2,"map":{"y":{"b":null},"z":null}}"#];
    let (once, id) = feed(Inference::new("Package", settings()).unwrap(), &records).unwrap();
    let (first, _) = feed(Inference::new("Package", settings()).unwrap(), &records[..1]).unwrap();
    assert_eq!(extend(&first, id, &records[1..]).unwrap().0, once);
    let value = named(&once, "MapValue");
    assert_eq!(value.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["a", "b", "aIsNull"]);
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only described")]
struct Node {
    id: u64,
    size: u8,
    child: Option<Box<Node>>,
    note: Option<String>,
}

#[test]
fn a_record_within_itself_hides_nothing_that_is_absent() {
    let (known, id) = schema_of_rust_type::<Node>("Node", &["id"]).unwrap();
    let record = r#"{"id":1,"size":1,"child":{"id":2,"size":2}}"#;
    let (same, _) = feed(Inference::extending(&known, id, InferenceSettings::default()).unwrap(), &[record]).unwrap();
    assert_eq!(same, known);
}

/// A record of some of these fields, each of one kind.
fn record() -> impl Strategy<Value = String> {
    let number = || prop_oneof![1 => Just("null".to_owned()), 6 => (0..9_i32).prop_map(|n| n.to_string())];
    let text = || prop_oneof![1 => Just("null".to_owned()), 6 => Just(r#""x""#.to_owned())];
    let inner = (number(), text(), 0_u8..8).prop_map(|(n, t, which)| {
        let members = [format!(r#""n":{n}"#), format!(r#""t":{t}"#), r#""b":true"#.to_owned()];
        let some: Vec<_> = (0..3).filter(|bit| which >> bit & 1 == 1).map(|bit| members[bit].clone()).collect();
        format!("{{{}}}", some.join(","))
    });
    let inners = proptest::collection::vec(inner.clone(), 1..3).prop_map(|all| format!("[{}]", all.join(",")));
    (number(), text(), inner, inners, 0_u16..64, any::<bool>()).prop_map(|(n, t, o, l, which, reversed)| {
        let members = [
            format!(r#""number":{n}"#),
            format!(r#""some_text":{t}"#),
            format!(r#""inner":{o}"#),
            format!(r#""list":{l}"#),
            r#""on":true"#.to_owned(),
            r#""someText":"y""#.to_owned(),
        ];
        let mut some: Vec<_> = (0..6).filter(|bit| which >> bit & 1 == 1).map(|bit| members[bit].clone()).collect();
        if reversed {
            some.reverse();
        }
        some.push(r#""id":1"#.to_owned());
        format!("{{{}}}", some.join(","))
    })
}

/// Whether a schema holds records: each can be written, and reads back as JSON with the same members.
fn assert_holds(schema: &Schema, id: u64, records: &[impl AsRef<str>]) {
    let mut writer = MessageWriter::new(Arc::new(schema.clone()), id).unwrap();
    for record in records {
        let words = writer.write(&Value::from_json(record.as_ref().as_bytes()).unwrap()).unwrap();
        let Pointer::Struct(root) = Words::new(words).pointer(0).unwrap() else { panic!("no struct") };
        let read = Record::new(schema, id, root).unwrap().to_json_string().unwrap();
        let (mut given, read): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(record.as_ref()).unwrap(), serde_json::from_str(&read).unwrap());
        drop_nulls(&mut given);
        assert_eq!(given, read);
    }
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_runs_give_the_schema_of_one(records in proptest::collection::vec(record(), 2..9), cut in 1_usize..8) {
        let cut = cut.min(records.len() - 1);
        let (once, id) = infer(&records).unwrap();
        let (first, _) = infer(&records[..cut]).unwrap();
        match extend(&first, id, &records[cut..]) {
            Ok((twice, _)) => {
                prop_assert_eq!(&once, &twice);
                assert_holds(&twice, id, &records);
            }
            // The first run had to guess.
            Err(e) => prop_assert!(e.to_string().contains("known type=Text"), "{}", e),
        }
    }
}
