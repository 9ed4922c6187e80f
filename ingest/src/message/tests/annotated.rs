//! What annotations and JSON names ask for, which the example schema does without.

use std::sync::Arc;

use super::{list, map, members, text, variant};
use crate::Value;
use crate::message::MessageWriter;
use kapok_core::Result;
use kapok_core::record::{Record, ValueRef};
use kapok_core::schema::{DefaultValue, EnumType, Enumerant, FieldKind, FieldType, Schema, StructType, Type};
use kapok_core::words::Words;

const PACKAGE: u64 = 1;
const TAG: u64 = 2;
const LEVEL: u64 = 3;
const LICENCE: u64 = 4;
const SHAPE: u64 = 5;

fn struct_type(id: u64, name: &str, fields: Vec<FieldType>) -> StructType {
    let mut ty = StructType::new(id, name, fields);
    ty.lay_out().unwrap();
    ty
}

fn map_of(name: &str, ordinal: u16, entry: u64) -> FieldType {
    FieldType { is_map: true, ..FieldType::slot(name, ordinal, 0, Type::List(Box::new(Type::Struct(entry)))) }
}

fn flag(name: &str, ordinal: u16, of: &str) -> FieldType {
    FieldType { null_of: Some(of.to_owned()), ..FieldType::slot(name, ordinal, 0, Type::Bool) }
}

fn named(json_name: &str, field: FieldType) -> FieldType {
    FieldType { json_name: Some(json_name.to_owned()), ..field }
}

fn with_default(bits: u64, mut field: FieldType) -> FieldType {
    if let FieldKind::Slot { default, .. } = &mut field.kind {
        *default = DefaultValue::Bits(bits);
    }
    field
}

/// A union of a number, a text and a number that may be null; beside it, a name.
fn shape() -> StructType {
    let member = |value, field| FieldType { discriminant: Some(value), ..field };
    StructType {
        data_words: 1,
        pointer_words: 2,
        discriminant_count: 3,
        discriminant_offset: 1,
        fields: vec![
            member(0, FieldType::slot("side", 0, 0, Type::UInt16)),
            member(1, FieldType::slot("label", 1, 0, Type::Text)),
            member(2, FieldType::slot("radius", 2, 0, Type::UInt16)),
            FieldType { null_of: Some("radius".to_owned()), ..FieldType::slot("radiusIsNull", 3, 32, Type::Bool) },
            FieldType::slot("name", 4, 1, Type::Text),
        ],
        ..struct_type(SHAPE, "Shape", Vec::new())
    }
}

fn slot_at(offset: u32, ty: Type) -> FieldKind {
    FieldKind::Slot { offset, ty, default: DefaultValue::Zero }
}

fn package() -> StructType {
    struct_type(
        PACKAGE,
        "Package",
        vec![
            FieldType::slot("id", 0, 0, Type::UInt64),
            named("installed_size", with_default(9, FieldType::slot("installedSize", 1, 0, Type::Int32))),
            flag("installedSizeIsNull", 2, "installedSize"),
            with_default(1, FieldType::slot("essential", 3, 0, Type::Bool)),
            with_default(1, flag("essentialIsNull", 4, "essential")),
            map_of("tags", 5, TAG),
            map_of("levels", 6, LEVEL),
            FieldType::slot("licence", 7, 0, Type::Enum(LICENCE)),
            // Each other's names: the JSON name counts.
            named("b", FieldType::slot("a", 8, 0, Type::Text)),
            named("a", FieldType::slot("b", 9, 0, Type::Text)),
            FieldType::slot("shape", 10, 0, Type::Struct(SHAPE)),
        ],
    )
}

fn schema(package: StructType) -> Schema {
    let mut schema = Schema::new();
    schema.insert_struct(package);
    schema.insert_struct(struct_type(
        TAG,
        "Tag",
        vec![
            FieldType::slot("key", 0, 0, Type::Text),
            FieldType::slot("value", 1, 0, Type::Int32),
            flag("valueIsNull", 2, "value"),
        ],
    ));
    schema.insert_struct(struct_type(
        LEVEL,
        "Level",
        vec![FieldType::slot("grade", 0, 0, Type::UInt8), FieldType::slot("label", 1, 0, Type::Text)],
    ));
    let enumerant = |name: &str, json_name: Option<&str>| Enumerant {
        name: name.to_owned(),
        json_name: json_name.map(str::to_owned),
        code_order: 0,
    };
    schema.insert_struct(shape());
    schema.insert_enum(EnumType {
        id: LICENCE,
        name: "Licence".to_owned(),
        scope: 0,
        enumerants: vec![enumerant("mit", Some("MIT")), enumerant("apache2", Some("Apache-2.0"))],
    });
    schema
}

fn read(value: &Value, check: impl FnOnce(Record<'_>)) {
    let schema = Arc::new(schema(package()));
    let mut writer = MessageWriter::new(Arc::clone(&schema), PACKAGE).unwrap();
    let words = Words::new(writer.write(value).unwrap());
    check(Record::new(&schema, PACKAGE, words.struct_of(0).unwrap().unwrap()).unwrap());
}

fn refusal(value: &Value) -> String {
    let mut writer = MessageWriter::new(Arc::new(schema(package())), PACKAGE).unwrap();
    writer.write(value).unwrap_err().to_string()
}

#[test]
fn absent_and_null_numbers_set_their_flags() {
    let null = members([("installed_size", Value::Null), ("essential", Value::Null)]);
    for value in [members([]), null] {
        read(&value, |package| {
            assert!(package.get("installed_size").unwrap().is_null());
            assert!(package.get("essential").unwrap().is_null());
        });
    }
    let given = members([("installed_size", Value::Int(0)), ("essential", Value::Bool(false))]);
    read(&given, |package| {
        assert_eq!(package.get("installed_size").unwrap().as_i64(), Some(0));
        assert_eq!(package.get("essential").unwrap().as_bool(), Some(false));
    });
}

#[test]
fn the_json_name_comes_first_and_the_name_in_capnp_second() {
    for name in ["installed_size", "installedSize"] {
        read(&members([(name, Value::Int(-3))]), |package| {
            assert_eq!(package.get("installed_size").unwrap().as_i64(), Some(-3));
        });
    }
    read(&members([("a", text("1")), ("b", text("2"))]), |package| {
        let field = package.struct_type().field("a").unwrap();
        assert_eq!(package.value(field).unwrap().as_str(), Some("2"));
    });
    for name in ["Apache-2.0", "apache2"] {
        read(&members([("licence", text(name))]), |package| {
            assert!(matches!(package.get("licence").unwrap(), ValueRef::Enum { value: 1, .. }));
        });
    }
    let twice = members([("installed_size", Value::Int(1)), ("installedSize", Value::Int(1))]);
    assert_eq!(refusal(&twice), "Package.installed_size: occurs twice");
}

#[test]
fn maps_become_entries_in_their_own_order() {
    let entry = |key, value| members([("value", value), ("key", text(key))]);
    for tags in [
        members([("b", Value::Int(1)), ("a", Value::Null), ("c", Value::Int(0))]),
        map([(text("b"), Value::Int(1)), (text("a"), Value::Null), (text("c"), Value::Int(0))]),
        list([entry("b", Value::Int(1)), entry("a", Value::Null), entry("c", Value::Int(0))]),
    ] {
        read(&members([("tags", tags)]), |package| {
            let tags = package.get("tags").unwrap().as_list().unwrap();
            let tags: Vec<_> = tags
                .iter()
                .map(|tag| {
                    let tag = tag.unwrap().as_record().unwrap();
                    (tag.get("key").unwrap().as_str().unwrap(), tag.get("value").unwrap().as_i64())
                })
                .collect();
            assert_eq!(tags, [("b", Some(1)), ("a", None), ("c", Some(0))]);
        });
    }
}

#[test]
fn keys_of_maps_may_be_of_any_type_and_name() {
    let levels = map([(Value::UInt(3), text("c")), (Value::Int(1), Value::Null)]);
    read(&members([("levels", levels)]), |package| {
        let levels = package.get("levels").unwrap().as_list().unwrap();
        let level = |index| levels.get(index).unwrap().unwrap().as_record().unwrap();
        assert_eq!(level(0).get("grade").unwrap().as_u64(), Some(3));
        assert_eq!(level(0).get("label").unwrap().as_str(), Some("c"));
        assert_eq!(level(1).get("grade").unwrap().as_u64(), Some(1));
        assert!(level(1).get("label").unwrap().is_null());
    });
}

#[test]
fn a_union_of_numbers_takes_null_for_those_that_have_a_flag() {
    // Given, the active member, its value, its flag.
    for (given, discriminant, value, is_null) in [
        (members([]), 0, Some(0), false),
        (members([("side", Value::Null)]), 0, Some(0), false),
        (members([("side", Value::Null), ("radius", Value::Null), ("label", Value::Null)]), 0, Some(0), false),
        (members([("side", Value::UInt(3)), ("radius", Value::Null)]), 0, Some(3), false),
        (members([("label", text("l")), ("name", text("n"))]), 1, None, false),
        (members([("radius", Value::UInt(4)), ("label", Value::Null)]), 2, Some(4), false),
        (members([("radius", Value::Null), ("side", Value::Null)]), 2, None, true),
        (variant("radius", Value::Null), 2, None, true),
        (variant("side", Value::UInt(3)), 0, Some(3), false),
    ] {
        read(&members([("shape", given.clone())]), |package| {
            let shape = package.get("shape").unwrap().as_record().unwrap();
            let active = shape.value(shape.active_member().unwrap()).unwrap();
            assert_eq!((shape.discriminant(), active.as_i64()), (discriminant, value), "{given:?}");
            assert_eq!(shape.struct_ref().bit(32), is_null, "{given:?}");
        });
    }
}

#[test]
fn annotated_fields_refuse_what_they_cannot_hold() {
    for (value, message) in [
        (
            members([("installedSizeIsNull", Value::Bool(true))]),
            "Package.installedSizeIsNull: cannot be given by name: give installed_size as null",
        ),
        (
            members([("size", Value::Int(1))]),
            "Package: field size is not in type Package; \
             fields=id,installed_size,essential,tags,levels,licence,b,a,shape",
        ),
        (members([("id", Value::Null)]), "Package.id: expected UInt64, found null: the field is not nullable"),
        (
            members([("licence", text("GPL"))]),
            "Package.licence: expected an enumerant of Licence (MIT,Apache-2.0), found text \"GPL\"",
        ),
        (members([("tags", members([("k", text("v"))]))]), "Package.tags.k: expected Int32, found text \"v\""),
        (
            members([("tags", map([(Value::Null, Value::Int(1))]))]),
            "Package.tags[0].key: expected a map's key, found null",
        ),
        (
            members([("levels", members([("3", text("c"))]))]),
            "Package.levels.3.grade: expected UInt8, found text \"3\"",
        ),
        (members([("shape", variant("name", text("n")))]), "Package.shape.name: not a member of the union of Shape"),
        (
            members([("shape", variant("side", Value::Null))]),
            "Package.shape.side: expected UInt16, found null: the field is not nullable",
        ),
        (members([("levels", text("c"))]), "Package.levels: expected a map or List(Level), found text \"c\""),
    ] {
        assert_eq!(refusal(&value), message);
    }
}

#[test]
fn a_schema_that_contradicts_itself_is_refused() {
    type Change = dyn Fn(&mut StructType);
    let compile = |change: &Change| -> Result<MessageWriter> {
        let mut package = package();
        change(&mut package);
        MessageWriter::new(Arc::new(schema(package)), PACKAGE)
    };
    compile(&|_| ()).unwrap();
    let refused: [(&str, &Change); 12] = [
        ("id: lies beyond the data section", &|ty| ty.fields[0].kind = slot_at(u32::MAX, Type::UInt64)),
        ("id: lies beyond the pointer section", &|ty| ty.fields[0].kind = slot_at(5, Type::Text)),
        ("struct type missing", &|ty| ty.fields[0].kind = slot_at(0, Type::Struct(99))),
        ("enum type missing", &|ty| ty.fields[0].kind = slot_at(0, Type::Enum(99))),
        ("group of more than one struct", &|ty| ty.fields[0].kind = FieldKind::Group(PACKAGE)),
        ("id: has a discriminant beyond the union's members", &|ty| ty.fields[0].discriminant = Some(0)),
        ("the union's discriminant lies beyond", &|ty| (ty.discriminant_count, ty.discriminant_offset) = (2, 8)),
        ("id: is annotated as a map, but is no list of structs", &|ty| ty.fields[0].is_map = true),
        ("id: is annotated as JSON, but is no Text", &|ty| ty.fields[0].is_json = true),
        ("installedSizeIsNull: is the null flag of a field that does not exist", &|ty| {
            ty.fields[2].null_of = Some("no".to_owned());
        }),
        ("installedSizeIsNull: is not the only null flag", &|ty| {
            ty.fields[4].null_of = Some("installedSize".to_owned());
        }),
        ("installedSizeIsNull: is a null flag, but no Bool", &|ty| ty.fields[2].kind = slot_at(3, Type::UInt8)),
    ];
    for (message, change) in refused {
        let error = compile(change).unwrap_err().to_string();
        assert!(error.contains(message), "expected={message:?} found={error:?}");
    }
}

/// A record whose only field keeps JSON.
fn note(value: Value, check: impl FnOnce(Record<'_>)) {
    let field = FieldType { is_json: true, ..FieldType::slot("note", 0, 0, Type::Text) };
    let mut schema = Schema::new();
    schema.insert_struct(struct_type(1, "Note", vec![field]));
    let schema = Arc::new(schema);
    let mut writer = MessageWriter::new(Arc::clone(&schema), 1).unwrap();
    let words = Words::new(writer.write(&members([("note", value)])).unwrap());
    check(Record::new(&schema, 1, words.struct_of(0).unwrap().unwrap()).unwrap());
}

#[test]
fn any_value_is_kept_as_its_json() {
    for (value, stored) in [
        (list([Value::Int(1), Value::Null, text("x\n")]), r#"[1,null,"x\n"]"#),
        (members([("b", Value::Float64(1.0)), ("a", Value::Float32(0.1))]), r#"{"b":1.0,"a":0.1}"#),
        (Value::UInt(u64::MAX), "18446744073709551615"),
        (text(""), r#""""#),
        (Value::Bool(false), "false"),
        (Value::Float64(f64::NEG_INFINITY), r#""-Infinity""#),
        (Value::Data(vec![0, 1, 254, 255]), r#""AAH+/w==""#),
        (map([(text("k"), Value::Null)]), r#"{"k":null}"#),
        (map([(Value::Int(1), Value::Null)]), r#"[{"key":1,"value":null}]"#),
        (variant("unit", Value::Null), r#""unit""#),
        (variant("held", list([])), r#"{"held":[]}"#),
    ] {
        note(value, |note| {
            assert_eq!(note.get("note").unwrap().as_str(), Some(stored));
            assert_eq!(note.to_json_string().unwrap(), format!("{{\"note\":{stored}}}"));
            assert_eq!(note.get("note").unwrap().to_json_string().unwrap(), stored);
        });
    }
    note(Value::Null, |note| assert_eq!(note.to_json_string().unwrap(), "{}"));
}

#[test]
fn json_is_read_as_the_value_that_it_is() {
    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Note<T> {
        note: Option<T>,
    }
    note(list([Value::Int(1), Value::Null]), |note| {
        assert_eq!(note.deserialize::<Note<Vec<Option<u8>>>>().unwrap().note, Some(vec![Some(1), None]));
        assert!(note.deserialize::<Note<bool>>().unwrap_err().to_string().starts_with("Note.note: "));
    });
    note(text("x"), |note| assert_eq!(note.deserialize::<Note<String>>().unwrap().note.as_deref(), Some("x")));
    note(Value::Null, |note| assert_eq!(note.deserialize::<Note<String>>().unwrap().note, None));
}

#[test]
fn json_nests_no_deeper_than_records_do() {
    let nested = |depth: u32| (0..depth).fold(Value::Int(0), |inner, _| list([inner]));
    note(nested(63), |note| {
        let json = note.to_json_string().unwrap();
        assert_eq!(
            Value::from_json(json.as_bytes()).unwrap(),
            members([("note", Value::from_json(&json.as_bytes()[8..json.len() - 1]).unwrap())])
        );
    });
    let field = FieldType { is_json: true, ..FieldType::slot("note", 0, 0, Type::Text) };
    let mut schema = Schema::new();
    schema.insert_struct(struct_type(1, "Note", vec![field]));
    let mut writer = MessageWriter::new(Arc::new(schema), 1).unwrap();
    let error = writer.write(&members([("note", nested(64))])).unwrap_err().to_string();
    assert!(error.contains("Note.note") && error.contains("nesting depth"), "{error}");
}
