//! Which schema records give, and which records give none.

use std::borrow::Cow;

use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type, VectorSpace};
use kapok_core::{Error, Result};
use kapok_ingest::Value;
use kapok_ingest::{Inference, InferenceSettings};

fn infer_with(settings: InferenceSettings, records: &[&str]) -> Result<(Schema, u64)> {
    let mut inference = Inference::new("Package", settings)?;
    for (line, record) in (1..).zip(records) {
        inference.observe(&Value::from_json(record.as_bytes()).unwrap(), line)?;
    }
    inference.finish()
}

fn infer(records: &[&str]) -> Result<(Schema, u64)> {
    infer_with(InferenceSettings::default(), records)
}

fn message(result: Result<(Schema, u64)>) -> String {
    result.map_err(|e: Error| e.to_string()).unwrap_err()
}

fn ty(field: &FieldType) -> &Type {
    match &field.kind {
        FieldKind::Slot { ty, .. } => ty,
        FieldKind::Group(_) => panic!("a group"),
    }
}

/// A struct as text: `name :Type` of each field, nested structs in braces.
pub fn print(schema: &Schema, id: u64) -> String {
    let fields = &schema.get_struct(id).unwrap().fields;
    let fields: Vec<_> = fields
        .iter()
        .map(|field| {
            let flag = field.null_of.as_ref().map_or(String::new(), |of| format!(" nullOf {of}"));
            let map = if field.is_map {
                " map"
            } else if field.is_json {
                " json"
            } else {
                ""
            };
            let vector = field.vector.map_or(String::new(), |space| format!(" vector {}", space.dimension));
            format!("{} :{}{flag}{map}{vector}", field.name, print_type(schema, ty(field)))
        })
        .collect();
    fields.join(", ")
}

fn print_type(schema: &Schema, ty: &Type) -> String {
    match ty {
        Type::List(element) => format!("List({})", print_type(schema, element)),
        Type::Struct(id) => format!("{}{{{}}}", schema.get_struct(*id).unwrap().name, print(schema, *id)),
        other => format!("{other:?}"),
    }
}

fn printed(records: &[&str]) -> String {
    let (schema, id) = infer(records).unwrap();
    print(&schema, id)
}

/// The first struct type of a name that is no group.
pub fn named<'s>(schema: &'s Schema, name: &str) -> &'s StructType {
    schema.structs().find(|ty| !ty.is_group && ty.name == name).unwrap()
}

#[test]
fn each_kind_of_value_gives_its_type() {
    for (records, expected) in [
        (vec![r#"{"a":1}"#, r#"{"a":-9223372036854775808}"#], "a :Int64"),
        (vec![r#"{"a":1}"#, r#"{"a":18446744073709551615}"#], "a :UInt64"),
        (vec![r#"{"a":9223372036854775807}"#], "a :Int64"),
        (vec![r#"{"a":1}"#, r#"{"a":1.5}"#, r#"{"a":-9007199254740992}"#], "a :Float64"),
        (vec![r#"{"a":true}"#], "a :Bool"),
        (vec![r#"{"a":"x"}"#], "a :Text"),
        (vec![r#"{"a":null}"#, "{}"], "a :Text"),
        (vec![r#"{"a":[]}"#], "a :List(Text)"),
        (vec![r#"{"a":[null]}"#], "a :List(Text)"),
        (vec![r#"{"a":["x",null]}"#], "a :List(Text)"),
        (vec![r#"{"a":[]}"#, r#"{"a":[1]}"#, r#"{"a":[0.5]}"#], "a :List(Float64)"),
        (vec![r#"{"a":[[1],[],null,[2]]}"#], "a :List(List(Int64))"),
        (vec![r#"{"a":{"b":{"c":"x"}}}"#], "a :A{b :B{c :Text}}"),
        (vec![r#"{"a":{}}"#], "a :A{}"),
        (vec![r#"{"a":[{"b":"x"},{"c":"y"}]}"#], "a :List(A{b :Text, c :Text})"),
        (vec![r#"{"b":1,"a":"x"}"#, r#"{"c":"x","a":"y","b":2}"#], "b :Int64, a :Text, c :Text"),
    ] {
        assert_eq!(printed(&records), expected, "{records:?}");
    }
}

#[test]
fn values_of_different_kinds_are_refused_with_both_lines_and_the_field() {
    for (records, expected) in [
        (
            vec![r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":"x"}"#],
            "Package.a: line=3: mixed types: a text here, an integer line=1; to keep it as JSON text, use --as-json a",
        ),
        (
            vec![r#"{"a":"x"}"#, r#"{"a":true}"#],
            "Package.a: line=2: mixed types: a bool true here, a text line=1; to keep it as JSON text, use --as-json a",
        ),
        (
            vec![r#"{"a":{"b":[0]}}"#, r#"{"a":{"b":[1,2,"x"]}}"#],
            "Package.a.b[2]: line=2: mixed types: a text here, an integer line=1; to keep it as JSON text, use --as-json a.b",
        ),
        (
            vec![r#"{"a":{}}"#, r#"{"a":[]}"#],
            "Package.a: line=2: mixed types: a list here, an object line=1; to keep it as JSON text, use --as-json a",
        ),
        (
            vec![r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":2},{"b":[]}]}"#],
            "Package.a[1].b: line=2: mixed types: a list here, an integer line=1; to keep it as JSON text, use --as-json a.b",
        ),
        (
            vec![r#"{"a":9007199254740993}"#, r#"{"a":1}"#, r#"{"a":0.5}"#],
            "Package.a: line=3: mixed types: float line=3, integer beyond 2^53 line=1; \
             no number type holds both exactly",
        ),
        (
            vec![r#"{"a":0.5}"#, r#"{"a":-9007199254740993}"#],
            "Package.a: line=2: mixed types: float line=1, integer beyond 2^53 line=2; \
             no number type holds both exactly",
        ),
        (
            vec![r#"{"a":-1}"#, r#"{"a":9223372036854775808}"#],
            "Package.a: line=2: mixed types: integer beyond Int64 line=2, negative integer line=1; \
             no integer type holds both",
        ),
        (
            vec![r#"{"a":[1,2]}"#, r#"{"a":[3,null]}"#],
            "Package.a[1]: line=2: a list of numbers or bools cannot hold null: null line=2; to keep it as JSON text, use --as-json a",
        ),
        (
            vec![r#"{"a":[null]}"#, r#"{"a":[true]}"#],
            "Package.a[0]: line=2: a list of numbers or bools cannot hold null: null line=1; to keep it as JSON text, use --as-json a",
        ),
        (
            vec![r#"{"a":[{},null]}"#],
            "Package.a[1]: line=1: a list of objects cannot hold null: null line=1; to keep it as JSON text, use --as-json a",
        ),
        (vec!["[]"], "Package: line=1: found=a list, expected=an object"),
        (vec![], "Package: no record to infer a schema from"),
    ] {
        assert_eq!(message(infer(&records)), expected, "{records:?}");
    }
}

#[test]
fn a_number_or_bool_that_is_null_or_absent_gets_a_flag_where_the_need_is_seen() {
    for (records, expected) in [
        (
            vec![r#"{"a":1,"b":true}"#, r#"{"a":null,"b":false}"#, "{}"],
            "a :Int64, b :Bool, aIsNull :Bool nullOf a, bIsNull :Bool nullOf b",
        ),
        (
            vec![r#"{"a":1}"#, r#"{"b":"x"}"#, r#"{"c":1.5,"a":2}"#],
            "a :Int64, b :Text, aIsNull :Bool nullOf a, c :Float64, cIsNull :Bool nullOf c",
        ),
        (vec![r#"{"a":null}"#, r#"{"a":1}"#], "a :Int64, aIsNull :Bool nullOf a"),
        (vec![r#"{"a":null}"#, r#"{"a":"x"}"#, "{}"], "a :Text"),
        (vec![r#"{"a":[{"b":1},{}]}"#], "a :List(A{b :Int64, bIsNull :Bool nullOf b})"),
        (vec![r#"{"a":{"b":1}}"#, "{}"], "a :A{b :Int64}"),
        // The data has a field of the flag's name.
        (vec![r#"{"a":1}"#, "{}", r#"{"aIsNull":"x"}"#], "a :Int64, aIsNull2 :Bool nullOf a, aIsNull :Text"),
    ] {
        assert_eq!(printed(&records), expected, "{records:?}");
    }
}

#[test]
fn json_names_stay_where_they_differ_and_collisions_get_numbers() {
    let (schema, id) = infer(&[r#"{"installed_size":1,"installedSize":2,"installed-size":3,"size":4,"":5}"#]).unwrap();
    let names: Vec<_> =
        schema.get_struct(id).unwrap().fields.iter().map(|f| (f.name.as_str(), f.json_name.as_deref())).collect();
    assert_eq!(
        names,
        [
            ("installedSize", Some("installed_size")),
            ("installedSize2", Some("installedSize")),
            ("installedSize3", Some("installed-size")),
            ("size", None),
            ("field", Some("")),
        ]
    );
}

#[test]
fn nested_types_are_named_after_their_fields_and_declared_within_their_structs() {
    let (schema, id) =
        infer(&[r#"{"the_author":{"name":{"x":1}},"other":{"the-author":{"y":1}},"package":{"z":1}}"#]).unwrap();
    assert_eq!(
        print(&schema, id),
        "theAuthor :TheAuthor{name :Name{x :Int64}}, other :Other{theAuthor :TheAuthor2{y :Int64}}, \
         package :Package2{z :Int64}"
    );
    assert_eq!(named(&schema, "Package").scope, 0);
    assert_eq!(named(&schema, "TheAuthor").scope, id);
    assert_eq!(named(&schema, "Name").scope, named(&schema, "TheAuthor").id);
}

#[test]
fn type_ids_are_those_of_paths_not_of_contents() {
    let (one, id) = infer(&[r#"{"maintainer":{"name":"x"}}"#]).unwrap();
    let (two, other) = infer(&[r#"{"size":1,"maintainer":{"email":"x"}}"#]).unwrap();
    assert_eq!(id, other);
    assert_eq!(named(&one, "Maintainer").id, named(&two, "Maintainer").id);
    assert_ne!(id, named(&one, "Maintainer").id);
    assert!(one.structs().all(|ty| ty.id >> 63 == 1));
    // Fixed for ever: stored schemas hold it.
    let digest = blake3::hash(b"Package.maintainer");
    let expected = u64::from_be_bytes(digest.as_bytes()[..8].try_into().unwrap()) | 1 << 63;
    assert_eq!(named(&one, "Maintainer").id, expected);
    // Two paths that read alike are two types.
    let (dots, _) = infer(&[r#"{"a.b":{"c":1},"a":{"b":{"d":1}}}"#]).unwrap();
    assert_eq!(dots.structs().count(), 4);
}

fn object_of(count: usize) -> String {
    let members: Vec<_> = (0..count).map(|n| format!(r#""k{n}":{n}"#)).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn an_object_of_many_keys_looks_like_a_map() {
    let fits = format!(r#"{{"a":{{"b":{}}}}}"#, object_of(256));
    assert_eq!(named(&infer(&[&fits]).unwrap().0, "B").fields.len(), 256);
    let many = format!(r#"{{"a":{{"b":{}}}}}"#, object_of(257));
    assert_eq!(
        message(infer(&[&many])),
        "Package.a.b: line=1: an object of more than 256 distinct keys looks like a map; use --map a.b"
    );
    let maps = InferenceSettings { maps: vec!["a.b".into()], ..InferenceSettings::default() };
    let (schema, id) = infer_with(maps, &[&many]).unwrap();
    assert_eq!(print(&schema, id), "a :A{b :List(BEntry{key :Text, value :Int64}) map}");
    // A record cannot be a map.
    assert_eq!(infer(&[&object_of(257)]).unwrap().0.structs().next().unwrap().fields.len(), 257);
    assert_eq!(
        message(infer(&[&object_of(4097)])),
        "Package: line=1: an object of more than 4096 distinct keys; declare the schema"
    );
}

#[test]
fn maps_become_lists_of_entries() {
    let maps = |paths: &[&str]| InferenceSettings {
        maps: paths.iter().map(|path| (*path).to_owned()).collect(),
        ..InferenceSettings::default()
    };
    for (paths, records, expected) in [
        (vec!["a"], vec![r#"{"a":{}}"#], "a :List(AEntry{key :Text, value :Text}) map"),
        (vec!["a"], vec![r#"{"a":null}"#], "a :List(AEntry{key :Text, value :Text}) map"),
        (
            vec!["a"],
            vec![r#"{"a":{"x":1,"y":0.5}}"#, r#"{"a":{"z":null}}"#],
            "a :List(AEntry{key :Text, value :Float64, valueIsNull :Bool nullOf value}) map",
        ),
        (
            vec!["a", "a.*.c"],
            vec![r#"{"a":{"x":{"b":"s","c":{"d":[true]}}}}"#],
            "a :List(AEntry{key :Text, value :AValue{b :Text, \
             c :List(CEntry{key :Text, value :List(Bool)}) map}}) map",
        ),
        (vec!["a.b"], vec![r#"{"a":[{"b":{"x":1}},{}]}"#], "a :List(A{b :List(BEntry{key :Text, value :Int64}) map})"),
    ] {
        let (schema, id) = infer_with(maps(&paths), &records).unwrap();
        assert_eq!(print(&schema, id), expected, "{records:?}");
    }
    for (paths, records, expected) in [
        (vec!["a"], vec![r#"{"a":[1]}"#], "Package.a: line=1: known as a map, found=a list"),
        (
            vec!["a"],
            vec![r#"{"a":{"x":1}}"#, r#"{"a":{"y":"s"}}"#],
            "Package.a.*: line=2: mixed types: a text here, an integer line=1; to keep it as JSON text, use --as-json a.*",
        ),
        (vec!["b"], vec![r#"{"a":{}}"#], "Package.b: the settings name a field that no record has"),
    ] {
        assert_eq!(message(infer_with(maps(&paths), &records)), expected, "{records:?}");
    }
}

#[test]
fn rust_maps_are_maps_without_being_told() {
    let entry = |key: Value| Value::Map(vec![(key, Value::Bool(true))]);
    let record = |held: Value| Value::Struct(vec![(Cow::Borrowed("a"), held)]);
    for (key, expected) in [(Value::Text("x".into()), "Text"), (Value::UInt(1), "Int64")] {
        let mut inference = Inference::new("Package", InferenceSettings::default()).unwrap();
        inference.observe(&record(entry(key)), 1).unwrap();
        let (schema, id) = inference.finish().unwrap();
        assert_eq!(print(&schema, id), format!("a :List(AEntry{{key :{expected}, value :Bool}}) map"));
    }
    let mut inference = Inference::new("Package", InferenceSettings::default()).unwrap();
    let error = inference.observe(&record(entry(Value::Float64(0.5))), 1).unwrap_err();
    assert_eq!(error.to_string(), "Package.a: line=1: a float 0.5 cannot be the key of a map");
    let variant = Value::Variant(Cow::Borrowed("Red"), Box::new(Value::Null));
    let error = inference.observe(&Value::Struct(vec![(Cow::Borrowed("b"), variant)]), 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Package.b: line=2: an enum's variants are not known from one value; declare the schema"
    );
}

#[test]
fn vectors_have_one_length_and_hold_numbers_only() {
    let vectors = || InferenceSettings { vectors: vec!["a".into()], ..InferenceSettings::default() };
    let (schema, id) = infer_with(vectors(), &[r#"{"a":null}"#, r#"{"a":[1,2.5]}"#, "{}"]).unwrap();
    assert_eq!(print(&schema, id), "a :List(Float32) vector 2");
    let space = schema.get_struct(id).unwrap().fields[0].vector;
    assert_eq!(space, Some(VectorSpace { dimension: 2, ..VectorSpace::default() }));
    assert_eq!(print(&infer_with(vectors(), &[r#"{"a":null}"#]).unwrap().0, id), "a :List(Float32) vector 0");
    for (records, expected) in [
        (vec![r#"{"a":[1,2]}"#, r#"{"a":[1]}"#], "Package.a: line=2: vectors of two lengths: dimension=1, 2 in line=1"),
        (vec![r#"{"a":[1,null]}"#], "Package.a[1]: line=1: a vector of Float32 cannot hold null"),
        (vec![r#"{"a":["1"]}"#], "Package.a[0]: line=1: a vector of Float32 cannot hold a text"),
        (vec![r#"{"a":[1e39]}"#], "Package.a[0]: line=1: a vector of Float32 cannot hold a float 1000"),
        (vec![r#"{"a":[]}"#], "Package.a: line=1: dimension=0 of a vector; null says that there is none"),
        (vec![r#"{"a":1}"#], "Package.a: line=1: known as a vector, found=an integer 1"),
        (vec![r#"{"b":1}"#], "Package.a: the settings name a field that no record has"),
    ] {
        let found = message(infer_with(vectors(), &records));
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn every_record_has_its_key() {
    let key = |names: &[&str]| InferenceSettings {
        key: names.iter().map(|name| (*name).to_owned()).collect(),
        ..InferenceSettings::default()
    };
    let (schema, id) = infer_with(key(&["the_id", "b"]), &[r#"{"b":true,"the_id":"x"}"#]).unwrap();
    assert_eq!(schema.get_struct(id).unwrap().key, ["theId", "b"]);
    for (names, records, expected) in [
        (vec!["id"], vec![r#"{"id":1}"#, r#"{"x":1}"#], "Package.id: line=2: the record lacks this key field"),
        (vec!["id"], vec![r#"{"id":null}"#], "Package.id: line=1: a key field cannot be null"),
        (vec!["id"], vec![r#"{"x":1}"#], "Package.id: line=1: the record lacks this key field"),
        (
            vec!["id"],
            vec![r#"{"id":0.5}"#],
            "Package.id: line=1: a float cannot be a key; integers, bools, enums, text and bytes can",
        ),
        (
            vec!["id"],
            vec![r#"{"id":[]}"#],
            "Package.id: line=1: a list cannot be a key; integers, bools, enums, text and bytes can",
        ),
        (
            vec!["id"],
            vec![r#"{"id":{}}"#],
            "Package.id: line=1: an object cannot be a key; integers, bools, enums, text and bytes can",
        ),
        (vec!["id", "id"], vec![r#"{"id":1}"#], "Package.id: named twice in the key"),
    ] {
        assert_eq!(message(infer_with(key(&names), &records)), expected, "{records:?}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (key, vectors, maps, expected) in [
        (vec!["a"], vec!["a"], vec![], "Package.a: a key field cannot be a vector or a map"),
        (vec!["a"], vec![], vec!["a"], "Package.a: a key field cannot be a vector or a map"),
        (vec![], vec!["a"], vec!["a"], "Package.a: named both as a vector and as a map"),
    ] {
        let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let settings = InferenceSettings {
            key: own(key),
            vectors: vectors.iter().map(|path| (*path).into()).collect(),
            maps: own(maps),
            ..InferenceSettings::default()
        };
        assert_eq!(Inference::new("Package", settings).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_record_type_needs_a_name_that_a_type_can_have() {
    for (name, proposed) in [("package", "Package"), ("debian packages", "DebianPackages"), ("", "Record")] {
        assert_eq!(
            Inference::new(name, InferenceSettings::default()).unwrap_err().to_string(),
            format!(
                "record type {name:?}: not a type name: expected=letters and digits, a capital first; try {proposed:?}"
            )
        );
    }
}

#[test]
fn values_nested_too_deep_are_refused() {
    let record = |held| Value::Struct(vec![(Cow::Borrowed("a"), held)]);
    let lists = |depth: usize| record((1..depth).fold(Value::List(vec![]), |held, _| Value::List(vec![held])));
    let objects = |depth: usize| record((1..depth).fold(Value::Struct(vec![]), |held, _| record(held)));
    for (depth, nested, expected) in [
        (32, &lists as &dyn Fn(usize) -> Value, "line=2: lists nested too deep: allowed=32"),
        (64, &objects, "line=2: nested too deep: allowed=64"),
    ] {
        let mut inference = Inference::new("Package", InferenceSettings::default()).unwrap();
        inference.observe(&nested(depth), 1).unwrap();
        let error = inference.observe(&nested(depth + 1), 2).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn what_is_kept_as_json_may_be_anything_and_says_so() {
    let json = |paths: &[&str]| InferenceSettings {
        json: paths.iter().map(|path| (*path).to_owned()).collect(),
        maps: vec!["m".into()],
        ..InferenceSettings::default()
    };
    let records = [r#"{"a":[1,null,"x"],"o":{"b":1},"m":{"k":1}}"#, r#"{"a":7,"o":{"b":[{}]},"m":{"k":{}}}"#, "{}"];
    let (schema, id) = infer_with(json(&["a", "o.b", "m.*"]), &records).unwrap();
    let expected = "a :Text json, o :O{b :Text json}, m :List(MEntry{key :Text, value :Text json}) map";
    assert_eq!(print(&schema, id), expected);
    // The schema remembers it.
    let mut again = Inference::extending(&schema, id, InferenceSettings::default()).unwrap();
    for record in [r#"{"a":{},"o":{"b":true},"m":{"k":[]}}"#, records[0]] {
        again.observe(&Value::from_json(record.as_bytes()).unwrap(), 1).unwrap();
    }
    assert_eq!(again.finish().unwrap(), (schema, id));
    let (known, id) = infer(&[r#"{"a":[1]}"#]).unwrap();
    let settings = InferenceSettings { json: vec!["a".into()], ..InferenceSettings::default() };
    let refused = Inference::extending(&known, id, settings).unwrap_err();
    assert_eq!(refused.kind(), kapok_core::ErrorKind::Incompatible, "{refused}");
}
