#![expect(clippy::unwrap_used, reason = "tests")]

use std::io;

use crate::record::Budget;
use crate::record::fixture::{Fixture, SHEET_COLOUR, SHEET_FLAG, list_pointer, struct_pointer};
use crate::schema::{FieldType, Type};
use crate::{Error, Fault};

#[test]
fn an_empty_record_prints_its_defaults_and_its_active_members() {
    assert_eq!(
        Fixture::empty().json(),
        concat!(
            r#"{"id":0,"flag":false,"flagOn":true,"i8":0,"i16":-7,"i32":0,"u8":200,"u16":0,"u32":0,"u64":0,"#,
            r#""f32":1.5,"f64":0.0,"colour":"green","text":"unnamed","place":{"lat":0.0,"lon":0.0},"none":null,"#,
            r#""contact":{"email":null}}"#
        )
    );
}

#[test]
fn every_kind_of_value_prints_in_the_order_of_declaration() {
    assert_eq!(
        Fixture::full().json(),
        concat!(
            r#"{"id":-9007199254740993,"code":"α\"\n","flag":true,"flagOn":false,"i8":-128,"i16":0,"i32":-2147483648,"#,
            r#""u8":0,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"f32":0.1,"f64":1e+300,"colour":"blue","#,
            r#""text":"","data":"AAH+/w==","address":{"street":"Main St","zip":12345},"#,
            r#""place":{"lat":-0.5,"lon":0.0,"label":"here"},"span":{"from":1,"to":2},"contact":{"phone":5551234},"#,
            r#""voids":[null,null],"bools":[true,false,true],"i8s":[-1,0,1],"#,
            r#""i64s":[-9223372036854775808,9223372036854775807],"u16s":[0,65535],"f32s":[0.1,"NaN","Infinity"],"#,
            r#""f64s":[0.1,"-Infinity",-0.0],"colours":["red","blue"],"texts":["a",null,""],"datas":[null,"eHl6"],"#,
            r#""addresses":[{"city":"Oslo","zip":0},{"zip":1}],"matrix":[[1,-2],null,[]],"#,
            r#""groups":[[{"street":"s","zip":0}]],"#,
            r#""tree":{"value":0,"children":[{"value":1},{"value":0,"children":[{"value":2}]}]},"#,
            r#""embedding":[1.0,0.25,-1.5,0.0],"codes":"AQIDBAUG"}"#
        )
    );
}

/// The error of a walk with so many elements.
fn fault(fixture: &Fixture, elements: u64) -> Error {
    let error = fixture.record().write_json(&mut io::sink(), &mut Budget::new(elements)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    error.downcast().unwrap()
}

#[test]
fn names_maps_and_flags_print_as_their_annotations_say() {
    assert_eq!(Fixture::sheet(0).json(), r#"{"colour":"red","the id":-2,"price":12,"tags":{"a":7,"b\u0001":8}}"#);
    assert_eq!(
        Fixture::sheet(SHEET_FLAG | SHEET_COLOUR).json(),
        r#"{"colour":"deep blue","the id":-2,"tags":{"a":7,"b\u0001":8}}"#
    );
}

#[test]
fn an_enumerant_without_a_name_prints_as_its_number() {
    assert!(Fixture::sheet(9 * SHEET_COLOUR).json().starts_with(r#"{"colour":9,"#));
}

#[test]
fn a_map_whose_keys_are_no_texts_prints_as_its_entries() {
    let mut fixture = Fixture::sheet(0);
    let mut entry = fixture.schema.get_struct(2).unwrap().as_ref().clone();
    entry.fields[0] = FieldType::slot("key", 0, 0, Type::UInt8);
    fixture.schema.insert_struct(entry);
    assert!(fixture.json().ends_with(r#""tags":[{"key":7,"value":7},{"key":8,"value":8}]}"#));
}

#[test]
fn a_map_entry_without_a_key_is_an_error_and_not_an_empty_name() {
    let mut fixture = Fixture::sheet(0);
    fixture.bytes[48..56].fill(0);
    let error = fixture.record().to_json_string().unwrap_err();
    assert_eq!(error.to_string(), "Sheet: a map has an entry whose key is null");
}

#[test]
fn a_null_map_value_keeps_its_key() {
    let mut fixture = Fixture::sheet(0);
    let mut entry = fixture.schema.get_struct(2).unwrap().as_ref().clone();
    entry.fields[1] = FieldType::slot("value", 1, 1, Type::Text);
    fixture.schema.insert_struct(entry);
    assert!(fixture.json().ends_with(r#""tags":{"a":null,"b\u0001":null}}"#));
}

#[test]
fn a_budget_counts_fields_items_and_long_texts() {
    let fixture = Fixture::sheet(0);
    let mut budget = Budget::new(100);
    fixture.record().write_json(&mut io::sink(), &mut budget).unwrap();
    // Five fields and two entries.
    assert_eq!(budget.left(), 93);
    assert!(matches!(fault(&fixture, 6).fault(), Fault::Budget { budget: 6, .. }));

    let text = "x".repeat(6400);
    let mut budget = Budget::new(1000);
    let fixture = Fixture::kinds(|mut root| root.set_name(text.as_str()));
    fixture.record().write_json(&mut io::sink(), &mut budget).unwrap();
    let mut empty = Budget::new(1000);
    Fixture::empty().record().write_json(&mut io::sink(), &mut empty).unwrap();
    assert_eq!(empty.left() - budget.left(), 100);
}

#[test]
fn a_chain_that_never_ends_stops_at_the_depth_limit() {
    let error = fault(&Fixture::cycle(), u64::MAX);
    assert_eq!(error.to_string(), "too large: Tree: nesting depth allows 64, needed 65");
}

#[test]
fn a_tree_that_shares_its_branches_stops_at_the_budget() {
    assert!(Fixture::shared(3).json().starts_with(r#"{"value":0,"children":[{"value":0,"children":[{"value":0,"#));
    let error = fault(&Fixture::shared(28), 100_000);
    assert!(matches!(error.fault(), Fault::Budget { budget: 100_000, .. }), "{error}");
    assert!(matches!(Fixture::shared(28).record().to_json_string().unwrap_err().fault(), Fault::Budget { .. }));
}

#[test]
fn lists_that_claim_many_elements_without_bytes_stop_at_the_budget() {
    let voids = Fixture::list_of(Type::Void, &[struct_pointer(0, 0, 1), list_pointer(0, 0, (1 << 29) - 1)]);
    assert!(matches!(fault(&voids, Budget::ELEMENTS_DEFAULT).fault(), Fault::Budget { .. }));
    let tag = struct_pointer((1 << 29) - 1, 0, 0);
    let structs = Fixture::list_of(Type::Struct(1), &[struct_pointer(0, 0, 1), list_pointer(0, 7, 0), tag]);
    assert_eq!(structs.record().get("items").unwrap().as_list().unwrap().len(), (1 << 29) - 1);
    assert!(matches!(fault(&structs, Budget::ELEMENTS_DEFAULT).fault(), Fault::Budget { .. }));
}

#[test]
fn a_text_that_many_pointers_share_stops_at_the_budget() {
    let (pointers, words) = (1000_u32, 100_u32);
    let mut segment = vec![struct_pointer(0, 0, 1), list_pointer(0, 6, pointers)];
    for index in 0..pointers {
        let offset = i32::try_from(pointers - index - 1).unwrap();
        segment.push(list_pointer(offset, 2, words * 8));
    }
    segment.extend(vec![0x2020_2020_2020_2020; words as usize - 1]);
    segment.push(0x0020_2020_2020_2020);
    let fixture = Fixture::list_of(Type::Text, &segment);
    assert!(fixture.record().write_json(&mut io::sink(), &mut Budget::new(20_000)).is_ok());
    assert!(matches!(fault(&fixture, 10_000).fault(), Fault::Budget { .. }));
}

#[test]
fn an_error_of_the_output_comes_back_as_it_is() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = Fixture::full().record().write_json(&mut Full, &mut Budget::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn json_reads_back() {
    let fixture = Fixture::full();
    let value: serde_json::Value = serde_json::from_str(&fixture.json()).unwrap();
    let serde_json::Value::Object(members) = value else { panic!("not an object") };
    assert_eq!(members.len(), 36);
}

/// The JSON of a record whose only field says that it is JSON.
fn kept(text: &str) -> String {
    let mut fixture = Fixture::kinds(|mut kinds| kinds.set_text(text));
    let mut ty = fixture.schema.get_struct(fixture.id).unwrap().as_ref().clone();
    ty.fields.retain(|field| field.name == "text");
    ty.fields[0].is_json = true;
    fixture.schema.insert_struct(ty);
    fixture.json()
}

#[test]
fn kept_json_prints_as_the_value_that_it_is_on_one_line() {
    for (text, expected) in [
        ("null", "null"),
        (" [1, -0.0 ,\n \"a b\\\" \\\\\",\t{ \"\" : { } } ]\r\n", r#"[1,-0.0,"a b\" \\",{"":{}}]"#),
        ("\"\\u2028 \\n\"", r#""\u2028 \n""#),
    ] {
        assert_eq!(kept(text), format!("{{\"text\":{expected}}}"), "{text}");
    }
}

#[test]
fn text_that_is_no_json_prints_as_a_text() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(kept(&deep(63)), format!("{{\"text\":{}}}", deep(63)));
    for text in [
        "x",
        "1 2",
        "[1,]",
        "{\"a\"}",
        "\"\n\"",
        "\"\\ud800\"",
        "1e999",
        "},\"id\":7,{",
        "\"",
        &deep(64),
        &"[".repeat(1 << 16),
    ] {
        let json: serde_json::Value = serde_json::from_str(&kept(text)).unwrap();
        assert_eq!(json["text"], *text);
    }
}
