#![expect(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;
use std::sync::Arc;

use capnp::message::{Reader, ReaderOptions, SegmentArray};
use kapok_samples::kinds_capnp::{Colour, kinds};

use super::MessageWriter;
use crate::Value;
use kapok_core::schema::Schema;

mod annotated;
mod refusals;

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::List(items.into())
}

pub(super) fn members<const N: usize>(members: [(&'static str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

pub(super) fn map<const N: usize>(entries: [(Value, Value); N]) -> Value {
    Value::Map(entries.into())
}

pub(super) fn variant(name: &'static str, payload: Value) -> Value {
    Value::Variant(Cow::Borrowed(name), Box::new(payload))
}

pub(super) fn kinds_writer() -> MessageWriter {
    let (schema, id) = Schema::of::<kinds::Owned>().unwrap();
    MessageWriter::new(Arc::new(schema), id).unwrap()
}

/// What generated code reads.
fn read(value: &Value, check: impl FnOnce(kinds::Reader<'_>)) {
    let mut writer = kinds_writer();
    read_bytes(writer.write(value).unwrap(), check);
}

fn read_bytes(bytes: &[u8], check: impl FnOnce(kinds::Reader<'_>)) {
    let mut words = capnp::Word::allocate_zeroed_vec(bytes.len() / 8);
    capnp::Word::words_to_bytes_mut(&mut words).copy_from_slice(bytes);
    let segments = [capnp::Word::words_to_bytes(&words)];
    let message = Reader::new(SegmentArray::new(&segments), ReaderOptions::new());
    check(message.get_root().unwrap());
}

#[test]
fn generated_code_reads_numbers_texts_and_data() {
    let value = members([
        ("id", Value::Int(-5)),
        ("code", text("x1")),
        ("nothing", Value::Null),
        ("flag", Value::Bool(true)),
        ("flagOn", Value::Bool(false)),
        ("i8", Value::Int(-128)),
        ("i16", Value::Int(-32_768)),
        ("i32", Value::UInt(2_147_483_647)),
        ("u8", Value::UInt(255)),
        ("u16", Value::Int(65_535)),
        ("u32", Value::UInt(4_294_967_295)),
        ("u64", Value::UInt(u64::MAX)),
        ("f32", Value::Float64(0.1)),
        ("f64", Value::Float64(-2.5)),
        ("colour", text("blue")),
        ("text", text("é")),
        ("data", Value::Data(vec![1, 2, 3])),
    ]);
    read(&value, |kinds| {
        assert_eq!(kinds.get_id(), -5);
        assert_eq!(kinds.get_code().unwrap(), "x1");
        assert!(kinds.get_flag());
        assert!(!kinds.get_flag_on());
        assert_eq!(kinds.get_i8(), -128);
        assert_eq!(kinds.get_i16(), -32_768);
        assert_eq!(kinds.get_i32(), i32::MAX);
        assert_eq!(kinds.get_u8(), 255);
        assert_eq!(kinds.get_u16(), 65_535);
        assert_eq!(kinds.get_u32(), u32::MAX);
        assert_eq!(kinds.get_u64(), u64::MAX);
        assert_eq!(kinds.get_f32().to_bits(), 0.1_f32.to_bits());
        assert_eq!(kinds.get_f64().to_bits(), (-2.5_f64).to_bits());
        assert_eq!(kinds.get_colour().unwrap(), Colour::Blue);
        assert_eq!(kinds.get_text().unwrap(), "é");
        assert_eq!(kinds.get_data().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn absent_and_null_fields_have_their_defaults() {
    let null =
        members([("text", Value::Null), ("address", Value::Null), ("place", Value::Null), ("i64s", Value::Null)]);
    for value in [members([]), null] {
        read(&value, |kinds| {
            assert!(kinds.get_flag_on());
            assert_eq!(kinds.get_i16(), -7);
            assert_eq!(kinds.get_u8(), 200);
            assert_eq!(kinds.get_f32().to_bits(), 1.5_f32.to_bits());
            assert_eq!(kinds.get_colour().unwrap(), Colour::Green);
            assert_eq!(kinds.get_text().unwrap(), "unnamed");
            assert!(!kinds.has_text() && !kinds.has_address() && !kinds.has_i64s() && !kinds.has_embedding());
            assert!(matches!(kinds.which().unwrap(), kinds::None(())));
            assert!(matches!(kinds.get_contact().which().unwrap(), kinds::contact::Email(_)));
            assert_eq!(kinds.get_place().get_lat().to_bits(), 0);
        });
    }
}

#[test]
fn empty_is_not_null() {
    let empty = [("text", text("")), ("data", Value::Data(vec![])), ("texts", list([])), ("addresses", list([]))];
    read(&members(empty), |kinds| {
        assert!(kinds.has_text() && kinds.has_data() && kinds.has_texts() && kinds.has_addresses());
        assert_eq!(kinds.get_text().unwrap(), "");
        assert!(kinds.get_data().unwrap().is_empty());
        assert_eq!(kinds.get_texts().unwrap().len(), 0);
        assert_eq!(kinds.get_addresses().unwrap().len(), 0);
    });
}

#[test]
fn generated_code_reads_structs_and_groups() {
    let leaf = |value| members([("value", Value::Int(value))]);
    let value = members([
        ("address", map([(text("zip"), Value::UInt(1234)), (text("city"), text("Bern"))])),
        ("place", members([("label", text("here")), ("lon", Value::Int(7)), ("lat", Value::Float32(46.5))])),
        (
            "tree",
            members([
                ("children", list([leaf(1), members([("children", list([leaf(3)]))])])),
                ("value", Value::Int(9)),
            ]),
        ),
    ]);
    read(&value, |kinds| {
        let address = kinds.get_address().unwrap();
        assert_eq!((address.get_city().unwrap().to_str().unwrap(), address.get_zip()), ("Bern", 1234));
        assert!(!address.has_street());
        let place = kinds.get_place();
        assert_eq!((place.get_lat().to_bits(), place.get_lon().to_bits()), (46.5_f64.to_bits(), 7_f64.to_bits()));
        assert_eq!(place.get_label().unwrap(), "here");
        let tree = kinds.get_tree().unwrap();
        assert_eq!(tree.get_value(), 9);
        let children = tree.get_children().unwrap();
        assert_eq!((children.len(), children.get(0).get_value(), children.get(1).get_value()), (2, 1, 0));
        assert_eq!(children.get(1).get_children().unwrap().get(0).get_value(), 3);
    });
}

#[test]
fn generated_code_reads_lists() {
    let address = |city| members([("city", text(city))]);
    let ints = |items: &[i64]| Value::List(items.iter().copied().map(Value::Int).collect());
    let floats = |items: &[f32]| Value::List(items.iter().copied().map(Value::Float32).collect());
    let value = members([
        ("voids", list([Value::Null, Value::Null, Value::Null])),
        ("bools", Value::List((0..19).map(|n| Value::Bool(n % 3 == 0)).collect())),
        ("i8s", ints(&[-1, 2, -3])),
        ("i64s", ints(&[i64::MIN, 0, i64::MAX])),
        ("u16s", ints(&[65_535, 1, 2, 3, 4])),
        (
            "f32s",
            list([Value::Float64(1e-50), text("NaN"), text("Infinity"), text("-Infinity"), Value::Int(16_777_216)]),
        ),
        ("f64s", list([Value::Float32(0.5), text("-Infinity"), Value::UInt(1 << 60)])),
        ("colours", list([text("blue"), variant("red", Value::Null), Value::UInt(1), Value::Int(2)])),
        ("texts", list([text("a"), Value::Null, text("")])),
        ("datas", list([Value::Data(vec![7]), Value::Null, text("AQID"), text("/+8="), ints(&[0, 255])])),
        ("addresses", list([address("A"), members([]), address("C")])),
        ("matrix", list([ints(&[1, 2, 3]), Value::Null, ints(&[]), ints(&[-4])])),
        ("groups", list([list([address("G")]), list([])])),
        ("embedding", floats(&[0.25, -0.5, 1.0, 2.0])),
        ("codes", ints(&[1, 2, 3, 4, 5, 6])),
    ]);
    read(&value, |kinds| {
        assert_eq!(kinds.get_voids().unwrap().len(), 3);
        let bools: Vec<bool> = kinds.get_bools().unwrap().iter().collect();
        assert_eq!(bools, (0..19).map(|n| n % 3 == 0).collect::<Vec<_>>());
        assert_eq!(kinds.get_i8s().unwrap().iter().collect::<Vec<_>>(), [-1, 2, -3]);
        assert_eq!(kinds.get_i64s().unwrap().iter().collect::<Vec<_>>(), [i64::MIN, 0, i64::MAX]);
        assert_eq!(kinds.get_u16s().unwrap().iter().collect::<Vec<_>>(), [65_535, 1, 2, 3, 4]);
        let bits: Vec<u32> = kinds.get_f32s().unwrap().iter().map(f32::to_bits).collect();
        assert_eq!(bits, [0, 0x7fc0_0000, 0x7f80_0000, 0xff80_0000, 16_777_216_f32.to_bits()]);
        let bits: Vec<u64> = kinds.get_f64s().unwrap().iter().map(f64::to_bits).collect();
        assert_eq!(bits, [0.5_f64.to_bits(), f64::NEG_INFINITY.to_bits(), 1_152_921_504_606_846_976_f64.to_bits()]);
        let colours: Vec<Colour> = kinds.get_colours().unwrap().iter().map(Result::unwrap).collect();
        assert_eq!(colours, [Colour::Blue, Colour::Red, Colour::Green, Colour::Blue]);
        let texts: Vec<_> = kinds.get_texts().unwrap().iter().map(|text| text.unwrap().to_string().unwrap()).collect();
        assert_eq!(texts, ["a", "", ""]);
        let datas: Vec<_> = kinds.get_datas().unwrap().iter().map(Result::unwrap).collect();
        assert_eq!(datas, [&[7][..], &[], &[1, 2, 3], &[0xff, 0xef], &[0, 255]]);
        let addresses = kinds.get_addresses().unwrap();
        let cities: Vec<_> = addresses.iter().map(|address| address.get_city().unwrap().to_string().unwrap()).collect();
        assert_eq!(cities, ["A", "", "C"]);
        let matrix: Vec<Vec<i32>> =
            kinds.get_matrix().unwrap().iter().map(|row| row.unwrap().iter().collect()).collect();
        assert_eq!(matrix, [vec![1, 2, 3], vec![], vec![], vec![-4]]);
        let groups = kinds.get_groups().unwrap();
        assert_eq!((groups.len(), groups.get(1).unwrap().len()), (2, 0));
        assert_eq!(groups.get(0).unwrap().get(0).get_city().unwrap(), "G");
        let embedding: Vec<f32> = kinds.get_embedding().unwrap().iter().collect();
        assert_eq!(embedding, [0.25, -0.5, 1.0, 2.0]);
        assert_eq!(kinds.get_codes().unwrap(), [1, 2, 3, 4, 5, 6]);
    });
}

#[test]
fn not_a_number_has_one_form_in_another_precision() {
    let odd = [f64::from_bits(0x7ff0_0000_0000_0001), f64::from_bits(0xfff8_0000_0000_0007)].map(Value::Float64);
    let single = Value::Float32(f32::from_bits(0xffc0_0003));
    read(&members([("f32s", list(odd)), ("f64s", list([single]))]), |kinds| {
        assert!(kinds.get_f32s().unwrap().iter().all(|float| float.to_bits() == 0x7fc0_0000));
        assert_eq!(kinds.get_f64s().unwrap().get(0).to_bits(), 0x7ff8_0000_0000_0000);
    });
}

#[test]
fn a_list_of_small_integers_may_be_given_as_data() {
    read(&members([("i8s", Value::Data(vec![255, 1]))]), |kinds| {
        assert_eq!(kinds.get_i8s().unwrap().iter().collect::<Vec<_>>(), [-1, 1]);
    });
}

#[test]
fn null_among_texts_data_and_lists_is_a_null_pointer() {
    let mut writer = kinds_writer();
    let value = members([("texts", list([text(""), Value::Null]))]);
    let words = kapok_core::words::Words::new(writer.write(&value).unwrap());
    let kinds = words.struct_of(0).unwrap().unwrap();
    let texts = (0..u32::from(kinds.pointer_count()))
        .find_map(|slot| match kinds.pointer(slot).unwrap() {
            kapok_core::words::Pointer::List(list) => Some(list),
            _ => None,
        })
        .unwrap();
    assert_eq!(words.text_of(texts.pointer_at(0).unwrap()).unwrap(), Some(""));
    assert_eq!(words.text_of(texts.pointer_at(1).unwrap()).unwrap(), None);
}

#[test]
fn the_member_that_is_given_selects_itself() {
    let span = || members([("to", Value::UInt(9)), ("from", Value::UInt(4))]);
    for value in
        [members([("span", span())]), members([("none", Value::Null), ("span", span()), ("name", Value::Null)])]
    {
        read(&value, |kinds| {
            let kinds::Span(span) = kinds.which().unwrap() else { panic!("another member") };
            assert_eq!((span.get_from(), span.get_to()), (4, 9));
        });
    }
    read(&members([("count", Value::UInt(0))]), |kinds| {
        assert!(matches!(kinds.which().unwrap(), kinds::Count(0)));
    });
    read(&members([("where", members([]))]), |kinds| {
        let kinds::Where(address) = kinds.which().unwrap() else { panic!("another member") };
        assert!(!address.unwrap().has_city());
    });
    read(&members([("contact", members([("phone", Value::UInt(41))]))]), |kinds| {
        assert!(matches!(kinds.get_contact().which().unwrap(), kinds::contact::Phone(41)));
    });
}

#[test]
fn null_selects_a_void_or_a_pointer_where_it_stands_alone() {
    for value in [members([("name", Value::Null)]), members([("count", Value::Null), ("name", Value::Null)])] {
        read(&value, |kinds| assert!(matches!(kinds.which().unwrap(), kinds::Name(Ok(name)) if name.is_empty())));
    }
    let undecided = members([("where", Value::Null), ("name", Value::Null)]);
    for value in [undecided, members([("none", Value::Null)]), members([("count", Value::Null)])] {
        read(&value, |kinds| assert!(matches!(kinds.which().unwrap(), kinds::None(()))));
    }
}

#[test]
fn a_variant_selects_the_member_of_its_name() {
    let value = members([("contact", variant("phone", Value::UInt(7))), ("name", text("n"))]);
    read(&value, |kinds| {
        assert!(matches!(kinds.get_contact().which().unwrap(), kinds::contact::Phone(7)));
        assert!(matches!(kinds.which().unwrap(), kinds::Name(Ok(name)) if name == "n"));
    });
    read(&members([("contact", variant("email", Value::Null))]), |kinds| {
        assert!(matches!(kinds.get_contact().which().unwrap(), kinds::contact::Email(Ok(email)) if email.is_empty()));
    });
}

#[test]
fn a_writer_keeps_nothing_of_earlier_values_not_even_of_refused_ones() {
    let full = members([
        ("id", Value::Int(-1)),
        ("code", text("abc")),
        ("u64", Value::UInt(u64::MAX)),
        ("count", Value::UInt(8)),
    ]);
    let mut writer = kinds_writer();
    let first = writer.write(&members([])).unwrap().to_vec();
    writer.write(&full).unwrap();
    assert_eq!(writer.write(&members([])).unwrap(), first);
    writer.write(&members([("tree", members([("value", text("no"))]))])).unwrap_err();
    assert_eq!(writer.write(&members([])).unwrap(), first);
    let bytes = writer.write(&full).unwrap().to_vec();
    assert_eq!(kinds_writer().write(&full).unwrap(), bytes);
    assert_eq!(writer.clone().write(&full).unwrap(), bytes);
}

#[test]
fn the_order_of_members_does_not_matter_to_what_is_written() {
    let mut given = vec![
        (Cow::Borrowed("id"), Value::Int(3)),
        (Cow::Borrowed("texts"), list([text("a")])),
        (Cow::Borrowed("code"), text("c")),
        (Cow::Borrowed("name"), text("n")),
    ];
    let mut writer = kinds_writer();
    let bytes = writer.write(&Value::Struct(given.clone())).unwrap().to_vec();
    given.reverse();
    assert_eq!(writer.write(&Value::Struct(given)).unwrap(), bytes);
}
