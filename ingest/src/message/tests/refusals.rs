//! What does not fit, and how errors say so.

use super::{kinds_writer, list, map, members, text, variant};
use crate::Value;
use kapok_core::record::DEPTH_MAX;
use kapok_core::{ErrorKind, Fault};

fn refusal(value: &Value) -> String {
    let error = kinds_writer().write(value).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

fn one(name: &'static str, value: Value) -> Value {
    members([(name, value)])
}

#[test]
fn a_record_is_a_struct_or_a_map_of_texts() {
    for (value, message) in [
        (Value::Null, "Kinds: expected a struct, found null"),
        (list([]), "Kinds: expected a struct, found a list of 0"),
        (variant("count", Value::UInt(1)), "Kinds: expected a struct, found variant count with a payload"),
        (map([(Value::Int(1), Value::Null)]), "Kinds: expected text for the name of a field, found 1"),
    ] {
        assert_eq!(refusal(&value), message);
    }
}

#[test]
fn numbers_out_of_range_and_of_other_types_are_refused() {
    for (name, value, message) in [
        ("i8", Value::Int(128), "expected Int8 from -128 to 127, found 128"),
        ("i8", Value::Int(-129), "expected Int8 from -128 to 127, found -129"),
        ("i16", Value::UInt(32_768), "expected Int16 from -32768 to 32767, found 32768"),
        ("i32", Value::Int(1 << 31), "expected Int32 from -2147483648 to 2147483647, found 2147483648"),
        (
            "id",
            Value::UInt(1 << 63),
            "expected Int64 from -9223372036854775808 to 9223372036854775807, found 9223372036854775808",
        ),
        ("u8", Value::Int(-1), "expected UInt8 from 0 to 255, found -1"),
        ("u8", Value::UInt(256), "expected UInt8 from 0 to 255, found 256"),
        ("u64", Value::Int(-1), "expected UInt64 from 0 to 18446744073709551615, found -1"),
        ("i32", Value::Float64(1.0), "expected Int32, found the float 1.0"),
        ("i32", text("1"), "expected Int32, found text \"1\""),
        ("i32", Value::Bool(true), "expected Int32, found true"),
        ("i32", Value::Null, "expected Int32, found null: the field is not nullable"),
        ("flag", Value::Null, "expected Bool, found null: the field is not nullable"),
        ("flag", Value::Int(1), "expected Bool, found 1"),
        ("flag", text("true"), "expected Bool, found text \"true\""),
        ("f32", Value::Int(16_777_217), "expected Float32, exactly, found 16777217"),
        ("f32", Value::Float64(1e39), "expected Float32 up to 3.4028235e38, found the float 1e39"),
        ("f32", text("nan"), "expected Float32, found text \"nan\""),
        ("f64", Value::UInt(u64::MAX), "expected Float64, exactly, found 18446744073709551615"),
        ("f64", Value::Int((1 << 53) + 1), "expected Float64, exactly, found 9007199254740993"),
        ("f64", text("1.5"), "expected Float64, found text \"1.5\""),
        ("f64", Value::Bool(false), "expected Float64, found false"),
        ("nothing", Value::Int(0), "expected null (Void), found 0"),
        ("colour", text("Red"), "expected an enumerant of Colour (red,green,blue), found text \"Red\""),
        ("colour", Value::UInt(3), "expected an enumerant of Colour (red,green,blue), found 3"),
        ("colour", Value::Int(-1), "expected an enumerant of Colour (red,green,blue), found -1"),
        ("colour", Value::Null, "expected Colour, found null: the field is not nullable"),
        (
            "colour",
            variant("red", Value::Int(1)),
            "expected an enumerant of Colour (red,green,blue), found variant red with a payload",
        ),
        ("i32", variant("one", Value::Null), "expected Int32, found variant one"),
    ] {
        assert_eq!(refusal(&one(name, value)), format!("Kinds.{name}: {message}"));
    }
}

#[test]
fn texts_data_lists_and_structs_are_not_taken_for_each_other() {
    let long = "x".repeat(41);
    for (name, value, message) in [
        ("text", Value::Int(1), ": expected Text, found 1"),
        ("text", Value::Data(vec![65]), ": expected Text, found data of 1 bytes"),
        ("text", variant("a", Value::Null), ": expected Text, found variant a"),
        ("data", text("AQI"), ": expected Data in base64, found text \"AQI\""),
        ("data", text("AQ=="), ""),
        ("data", text("===="), ": expected Data in base64, found text \"====\""),
        ("data", text("=="), ": expected Data in base64, found text \"==\""),
        ("data", text("A_-="), ": expected Data in base64, found text \"A_-=\""),
        ("data", text("AQIDA"), ": expected Data in base64, found text \"AQIDA\""),
        ("data", Value::Int(1), ": expected Data, base64 or a list of bytes, found 1"),
        ("data", list([Value::Int(256)]), "[0]: expected UInt8 from 0 to 255, found 256"),
        ("i64s", Value::Data(vec![1]), ": expected List(Int64), found data of 1 bytes"),
        ("i64s", text("1"), ": expected List(Int64), found text \"1\""),
        ("i64s", list([Value::Int(0), Value::Null]), "[1]: expected Int64, found null"),
        ("bools", list([Value::Null]), "[0]: expected Bool, found null"),
        ("f32s", list([Value::Null]), "[0]: expected Float32, found null"),
        ("embedding", list([Value::Float32(1.0), text("one")]), "[1]: expected Float32, found text \"one\""),
        ("codes", list([Value::Int(-1)]), "[0]: expected UInt8 from 0 to 255, found -1"),
        ("voids", list([Value::Int(0)]), "[0]: expected null (Void), found 0"),
        ("colours", list([Value::Null]), "[0]: expected an enumerant of Colour (red,green,blue), found null"),
        ("texts", list([Value::Null, Value::Int(3)]), "[1]: expected Text, found 3"),
        ("texts", map([]), ": expected List(Text), found a map of 0 entries"),
        ("matrix", list([list([]), list([Value::Null])]), "[1][0]: expected Int32, found null"),
        ("matrix", list([Value::Int(1)]), "[0]: expected List(Int32), found 1"),
        ("addresses", list([members([]), Value::Null]), "[1]: expected struct Address, found null"),
        ("addresses", one("0", members([])), ": expected List(Address), found a struct of 1 members"),
        ("groups", list([list([one("zip", text("1"))])]), "[0][0].zip: expected UInt32, found text \"1\""),
        ("address", list([]), ": expected struct Address, found a list of 0"),
        ("address", variant("city", text("B")), ": expected struct Address, found variant city with a payload"),
        ("address", one("zip", Value::Int(-1)), ".zip: expected UInt32 from 0 to 4294967295, found -1"),
        ("address", one("town", Value::Null), ": field town is not in type Address; fields=street,city,zip"),
        ("place", text("here"), ": expected struct place, found text \"here\""),
        ("place", variant("lat", Value::Int(1)), ": expected struct place, found variant lat with a payload"),
        ("place", one("lat", text("1")), ".lat: expected Float64, found text \"1\""),
        ("contact", text("a@b.c"), ": expected struct or union contact, found text \"a@b.c\""),
        ("contact", variant("fax", Value::Null), ": field fax is not in type contact; fields=email,phone"),
        ("contact", variant("phone", Value::Null), ".phone: expected UInt64, found null: the field is not nullable"),
        ("none", Value::Bool(true), ": expected null (Void), found true"),
        (
            "tree",
            one("children", list([one("children", list([one("value", text(&long))]))])),
            ".children[0].children[0].value: expected Int32, found text \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"",
        ),
    ] {
        let record = one(name, value);
        if message.is_empty() {
            kinds_writer().write(&record).unwrap();
        } else {
            assert_eq!(refusal(&record), format!("Kinds.{name}{message}"));
        }
    }
}

#[test]
fn members_that_are_unknown_or_doubled_are_refused() {
    let twice = members([("id", Value::Int(1)), ("code", text("c")), ("id", Value::Null)]);
    assert_eq!(refusal(&twice), "Kinds.id: occurs twice");
    let twice = map([(text("id"), Value::Int(1)), (text("id"), Value::Int(1))]);
    assert_eq!(refusal(&twice), "Kinds.id: occurs twice");
    let unknown = refusal(&one("identity", Value::Null));
    assert!(unknown.starts_with("Kinds: field identity is not in type Kinds; fields=id,code,nothing,"), "{unknown}");
    assert!(unknown.ends_with(",…"), "{unknown}");
}

#[test]
fn two_members_of_a_union_are_refused_by_name() {
    let both = members([("name", text("n")), ("none", Value::Null), ("count", Value::UInt(1))]);
    assert_eq!(refusal(&both), "Kinds: count and name are members of one union: give one");
    let both = one("contact", members([("email", text("e")), ("phone", Value::UInt(0))]));
    assert_eq!(refusal(&both), "Kinds.contact: email and phone are members of one union: give one");
}

#[test]
fn a_refusal_has_the_path_and_the_types_as_fields() {
    let error = kinds_writer().write(&one("children", Value::Null)).unwrap_err();
    let Fault::UnknownField { path, field, type_name, fields } = error.fault() else { panic!("{error}") };
    assert_eq!((path.as_str(), field.as_str(), type_name.as_str()), ("Kinds", "children", "Kinds"));
    assert!(fields.iter().any(|name| name == "tree"), "{fields:?}");
    assert_eq!(error.fault().field().as_deref(), Some("Kinds.children"));

    let error = kinds_writer().write(&one("i8", Value::Int(128))).unwrap_err();
    let Fault::Mismatch { field, expected, found } = error.fault() else { panic!("{error}") };
    assert_eq!((field.as_str(), expected.as_str(), found.as_str()), ("Kinds.i8", "Int8 from -128 to 127", "128"));
}

#[test]
fn records_nested_deeper_than_they_may_be_read_are_refused() {
    // Each level is a list and, in it, a struct; the record and its tree are two more.
    let nested = |levels: u32| {
        let leaf = members([]);
        one("tree", (0..levels).fold(leaf, |tree, _| one("children", list([tree]))))
    };
    let levels = (DEPTH_MAX - 2) / 2;
    kinds_writer().write(&nested(levels)).unwrap();
    let error = kinds_writer().write(&nested(levels + 1)).unwrap_err();
    let Fault::Limit { subject, limit: "nesting depth", allowed: 64, needed: 65 } = error.fault() else {
        panic!("{error}")
    };
    assert!(subject.starts_with("Kinds.tree.children[0].children[0]"), "{subject}");
}

#[test]
fn a_limit_of_the_encoding_names_the_field() {
    // All zero, so that it takes no memory.
    let error = kinds_writer().write(&one("data", Value::Data(vec![0; 1 << 29]))).unwrap_err();
    assert_eq!(error.to_string(), "too large: Kinds.data: bytes of a Data allows 536870911, needed 536870912");
}
