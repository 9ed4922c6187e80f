#![expect(clippy::unwrap_used, reason = "tests")]

use std::io;

use kapok_samples::kinds_capnp::kinds;
use proptest::prelude::any;
use proptest::proptest;

use super::fixture::{Fixture, SHEET_COLOUR, SHEET_FLAG, TREE, list_pointer, struct_pointer, struct_type};
use super::{Budget, Record, ValueRef};
use crate::schema::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::words::{Malformed, Words};
use crate::{ErrorKind, Fault};

#[test]
fn fields_are_found_by_json_name_and_by_cap_n_proto_name() {
    let fixture = Fixture::sheet(0);
    let record = fixture.record();
    assert_eq!(record.get("the id").unwrap().as_i64(), Some(-2));
    assert_eq!(record.get("id").unwrap().as_i64(), Some(-2));
    let error = record.get("nope").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "not found: Sheet.nope: no such field; fields=the id,price,priceIsNull,tags,colour");
}

#[test]
fn fields_come_in_the_order_of_declaration_without_flags() {
    let fixture = Fixture::sheet(SHEET_FLAG | SHEET_COLOUR);
    let names: Vec<_> = fixture.record().fields().map(|field| field.unwrap().0.name.as_str()).collect();
    assert_eq!(names, ["colour", "id", "price", "tags"]);
}

#[test]
fn a_set_flag_makes_its_number_null_and_can_be_read_itself() {
    let unset = Fixture::sheet(0);
    assert_eq!(unset.record().get("price").unwrap().as_i64(), Some(12));
    assert_eq!(unset.record().get("priceIsNull").unwrap().as_bool(), Some(false));
    let set = Fixture::sheet(SHEET_FLAG);
    assert!(set.record().get("price").unwrap().is_null());
    assert_eq!(set.record().get("priceIsNull").unwrap().as_bool(), Some(true));
}

#[test]
fn a_struct_without_words_holds_the_defaults() {
    let empty = Fixture::empty();
    let short = Fixture::by_hand(Schema::of::<kinds::Owned>().unwrap().0, empty.id, &[struct_pointer(-1, 0, 0)]);
    assert_eq!(short.json(), empty.json());
    assert_eq!(short.record().get("i16").unwrap().as_i64(), Some(-7));
    assert_eq!(short.record().get("text").unwrap().as_str(), Some("unnamed"));
    assert!(short.record().get("code").unwrap().is_null());
    assert!(short.record().value_eq(&empty.record(), &mut Budget::default()).unwrap());
}

#[test]
fn values_outlive_the_record_that_gave_them() {
    let fixture = Fixture::full();
    let (code, data, text) = {
        let record = fixture.record();
        (record.get("code").unwrap(), record.get("data").unwrap(), record.get("text").unwrap())
    };
    assert_eq!(code.as_str(), Some("α\"\n"));
    assert_eq!(data.as_bytes(), Some(&[0, 1, 254, 255][..]));
    assert_eq!(text.as_str(), Some(""));
}

#[test]
fn inactive_members_of_a_union_are_null() {
    let fixture = Fixture::kinds(|mut root| root.set_count(7));
    let record = fixture.record();
    assert_eq!(record.active_member().unwrap().name, "count");
    assert_eq!(record.get("count").unwrap().as_u64(), Some(7));
    for inactive in ["none", "name", "where", "span"] {
        assert!(record.get(inactive).unwrap().is_null(), "{inactive}");
    }
}

#[test]
fn a_member_of_a_newer_writer_leaves_no_member_active() {
    let fixture = Fixture::member(200);
    let record = fixture.record();
    assert_eq!(record.discriminant(), 200);
    assert!(record.active_member().is_none());
    assert!(record.get("count").unwrap().is_null());
    assert!(fixture.json().contains(r#""place":{"lat":0.0,"lon":0.0},"contact""#));
}

#[test]
fn an_absent_list_has_the_default_that_the_schema_holds() {
    let words: Vec<u8> =
        [list_pointer(0, 3, 2), 0x0002_0001].into_iter().flat_map(|word: u64| word.to_le_bytes()).collect();
    let mut items = FieldType::slot("items", 0, 0, Type::List(Box::new(Type::UInt16)));
    let ty = Type::List(Box::new(Type::UInt16));
    items.kind = FieldKind::Slot { offset: 0, ty, default: DefaultValue::Pointer(words.into()) };
    let mut schema = Schema::new();
    schema.insert_struct(struct_type(1, "Items", (0, 1), vec![items]));
    let absent = Fixture::by_hand(schema.clone(), 1, &[struct_pointer(0, 0, 1), 0]);
    assert_eq!(absent.json(), r#"{"items":[1,2]}"#);
    let empty = Fixture::by_hand(schema, 1, &[struct_pointer(0, 0, 1), list_pointer(0, 3, 0)]);
    assert_eq!(empty.json(), r#"{"items":[]}"#);
}

#[test]
fn a_list_of_another_element_size_is_corrupt_at_its_offset() {
    let mut fixture = Fixture::sheet(0);
    fixture.bytes[24..32].copy_from_slice(&list_pointer(0, 2, 4).to_le_bytes());
    let error = fixture.record().get("tags").unwrap_err();
    let Fault::Corrupt { blob, offset: 32, expected, found } = error.fault() else { panic!("{error}") };
    assert_eq!(blob, "test");
    assert_eq!(expected, "a list pointer of the field's element size");
    assert_eq!(found, "word 0x0000002200000001");
}

#[test]
fn malformed_words_are_told_by_their_offset_in_the_file() {
    let error = Malformed { word: 3, expected: "a pointer" }.into_error("segments/x");
    let Fault::Corrupt { blob, offset: 32, .. } = error.fault() else { panic!("{error}") };
    assert_eq!(blob, "segments/x");
}

#[test]
fn list_items_end_with_the_list() {
    let fixture = Fixture::full();
    let list = fixture.record().get("bools").unwrap().as_list().unwrap();
    assert_eq!(list.len(), 3);
    assert_eq!(list.element_type(), &Type::Bool);
    let bools: Vec<_> = list.iter().map(|item| item.unwrap().as_bool().unwrap()).collect();
    assert_eq!(bools, [true, false, true]);
    assert!(list.get(3).unwrap().is_none());
    assert!(list.get(u32::MAX).unwrap().is_none());
}

#[test]
fn a_group_within_itself_stops_at_the_depth_limit() {
    let group = |id, is_group| StructType {
        is_group,
        ..struct_type(
            id,
            "Loop",
            (0, 0),
            vec![FieldType { kind: FieldKind::Group(2), ..FieldType::slot("inner", 0, 0, Type::Void) }],
        )
    };
    let mut schema = Schema::new();
    schema.insert_struct(group(1, false));
    schema.insert_struct(group(2, true));
    let fixture = Fixture::by_hand(schema, 1, &[struct_pointer(-1, 0, 0)]);
    let record = fixture.record();
    assert!(matches!(record.to_json_string().unwrap_err().fault(), Fault::Limit { allowed: 64, .. }));
    assert!(record.value_eq(&record, &mut Budget::default()).is_err());
    assert!(record.deserialize::<serde_json::Value>().is_err());
}

#[test]
fn records_are_equal_by_value_however_they_were_built() {
    let left = Fixture::full();
    let eq = |right: &Fixture| left.record().value_eq(&right.record(), &mut Budget::default()).unwrap();
    assert!(eq(&left));
    // Built with holes, and its root somewhere else.
    let rebuilt = Fixture::kinds(|mut root| {
        root.set_code("a text that is thrown away");
        root.reborrow().init_where().set_city("thrown away");
        super::fixture::fill(root);
    });
    assert_ne!(left.bytes, rebuilt.bytes);
    assert!(eq(&rebuilt));
    assert!(rebuilt.record().value_eq(&left.record(), &mut Budget::default()).unwrap());
}

#[test]
fn any_difference_in_value_makes_records_unequal() {
    type Change = fn(kinds::Builder<'_>);
    let left = Fixture::full();
    let changes: [(&str, Change); 12] = [
        ("number", |mut root| root.set_u16(1)),
        ("bool", |mut root| root.set_flag(false)),
        ("enum", |mut root| root.set_colour(kapok_samples::kinds_capnp::Colour::Red)),
        ("text", |mut root| root.set_code("β")),
        ("data", |mut root| root.set_data(b"\x00\x01\xfe")),
        ("null list", |mut root| _ = root.reborrow().init_voids(0)),
        ("list length", |root| _ = root.init_voids(3)),
        ("list item", |mut root| root.set_bools(&[true, false, false][..]).unwrap()),
        ("number in a list", |mut root| root.set_f64s(&[0.1, f64::NEG_INFINITY, 0.0][..]).unwrap()),
        ("member", |mut root| root.set_count(1)),
        ("group", |root| root.init_place().set_lat(1.0)),
        ("nested", |root| {
            let mut children = root.get_tree().unwrap().get_children().unwrap();
            children.reborrow().get(1).get_children().unwrap().get(0).set_value(3);
        }),
    ];
    for (what, change) in changes {
        let right = Fixture::kinds(|mut root| {
            super::fixture::fill(root.reborrow());
            change(root);
        });
        let mut budget = Budget::default();
        assert!(!left.record().value_eq(&right.record(), &mut budget).unwrap(), "{what}");
        assert!(!right.record().value_eq(&left.record(), &mut budget).unwrap(), "{what}");
    }
}

#[test]
fn null_and_empty_are_not_equal() {
    let null = Fixture::empty();
    let empty = Fixture::kinds(|mut root| root.set_code(""));
    assert!(!null.record().value_eq(&empty.record(), &mut Budget::default()).unwrap());
    assert!(!empty.record().value_eq(&null.record(), &mut Budget::default()).unwrap());
}

#[test]
fn numbers_are_compared_by_their_bits() {
    let number = |f64: f64| Fixture::kinds(|mut root| root.set_f64(f64));
    let eq = |left: f64, right: f64| {
        number(left).record().value_eq(&number(right).record(), &mut Budget::default()).unwrap()
    };
    assert!(eq(f64::NAN, f64::NAN));
    assert!(!eq(0.0, -0.0));
}

#[test]
fn two_members_of_a_union_differ_although_both_are_null() {
    let (name, place, newer) = (Fixture::member(2), Fixture::member(3), Fixture::member(200));
    let eq = |left: &Fixture, right: &Fixture| left.record().value_eq(&right.record(), &mut Budget::default()).unwrap();
    assert!(eq(&name, &name) && eq(&newer, &newer));
    assert!(!eq(&name, &place) && !eq(&place, &newer) && !eq(&newer, &place));
}

#[test]
fn comparing_lists_without_bytes_stops_at_the_budget() {
    let tag = struct_pointer((1 << 29) - 1, 0, 0);
    let structs = Fixture::list_of(Type::Struct(1), &[struct_pointer(0, 0, 1), list_pointer(0, 7, 0), tag]);
    let mut budget = Budget::default();
    let error = structs.record().value_eq(&structs.record(), &mut budget).unwrap_err();
    assert!(matches!(error.fault(), Fault::Budget { .. }), "{error}");
    // The one field, its two items, and the one field of each.
    let tag = struct_pointer(2, 0, 0);
    let two = Fixture::list_of(Type::Struct(1), &[struct_pointer(0, 0, 1), list_pointer(0, 7, 0), tag]);
    let mut budget = Budget::new(100);
    assert!(two.record().value_eq(&two.record(), &mut budget).unwrap());
    assert_eq!(budget.left(), 100 - 1 - 2 - 2);
}

#[test]
fn a_price_called_null_equals_another_such_whatever_bits_it_left() {
    let left = Fixture::sheet(SHEET_FLAG);
    let mut right = Fixture::sheet(SHEET_FLAG);
    right.bytes[12] ^= 0xff;
    assert!(left.record().value_eq(&right.record(), &mut Budget::default()).unwrap());
    assert!(!left.record().value_eq(&Fixture::sheet(0).record(), &mut Budget::default()).unwrap());
}

#[test]
fn records_of_different_types_cannot_be_compared() {
    let error = Fixture::empty().record().value_eq(&Fixture::sheet(0).record(), &mut Budget::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
}

#[test]
fn comparing_endless_trees_stops_at_the_budget_or_the_depth_limit() {
    let wide = Fixture::shared(28);
    let error = wide.record().value_eq(&wide.record(), &mut Budget::new(10_000)).unwrap_err();
    assert!(matches!(error.fault(), Fault::Budget { budget: 10_000, .. }), "{error}");
    let long = Fixture::cycle();
    let error = long.record().value_eq(&long.record(), &mut Budget::default()).unwrap_err();
    assert!(matches!(error.fault(), Fault::Limit { allowed: 64, .. }), "{error}");
}

/// Walks everything in every way there is.
fn walk(record: &Record<'_>, other: &Record<'_>) {
    drop(record.write_json(&mut io::sink(), &mut Budget::new(10_000)));
    drop(record.deserialize_within::<super::de::tests::Kinds<'_>>(&mut Budget::new(10_000)));
    drop(record.deserialize_within::<serde_json::Value>(&mut Budget::new(10_000)));
    drop(record.value_eq(other, &mut Budget::new(10_000)));
    drop(other.value_eq(record, &mut Budget::new(10_000)));
    for field in record.fields().flatten() {
        if let (_, ValueRef::List(list)) = field {
            drop(list.iter().take(10).last());
        }
    }
}

proptest! {
    #[test]
    fn flipped_bytes_are_values_or_errors(flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..9)) {
        let sound = Fixture::full();
        let mut bytes = sound.bytes.clone();
        for (at, flip) in flips {
            let at = usize::from(at) % bytes.len();
            bytes[at] ^= flip;
        }
        let words = Words::new(&bytes);
        for id in [sound.id, TREE] {
            if let Ok(Some(at)) = words.struct_of(0) {
                walk(&Record::new(&sound.schema, id, at).unwrap(), &sound.record());
            }
        }
    }

    #[test]
    fn any_words_are_values_or_errors(words in proptest::collection::vec(any::<u64>(), 0..64)) {
        let sound = Fixture::full();
        // A root that fits, whatever follows.
        let mut segment = vec![struct_pointer(0, 4, u16::try_from(words.len().min(24)).unwrap())];
        segment.extend(words);
        segment.extend([0; 28]);
        let bytes: Vec<u8> = segment.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = Words::new(&bytes).struct_of(0).unwrap().unwrap();
        walk(&Record::new(&sound.schema, sound.id, at).unwrap(), &sound.record());
    }
}

#[test]
fn debug_prints_the_record() {
    let record = Fixture::sheet(0);
    assert_eq!(format!("{:?}", record.record()), format!("Sheet {}", record.record().to_json_string().unwrap()));
    let list = record.record().get("tags").unwrap();
    assert_eq!(format!("{list:?}"), format!("List({})", list.to_json_string().unwrap()));
}

#[test]
fn debug_of_a_damaged_or_endless_record_ends_in_the_reason() {
    let mut damaged = Fixture::sheet(0);
    damaged.bytes[24..32].copy_from_slice(&list_pointer(0, 2, 4).to_le_bytes());
    let printed = format!("{:?}", damaged.record());
    assert!(printed.starts_with(r#"Sheet {"colour":"#), "{printed}");
    assert!(
        printed.contains(r#""the id":-2"#) && printed.contains(" … (corrupt data: blob=test offset=32 "),
        "{printed}"
    );
    let printed = format!("{:?}", Fixture::shared(28).record());
    assert!(printed.contains("… (record too large to walk: ") && printed.len() < 1 << 20, "{printed:.100}");
}
