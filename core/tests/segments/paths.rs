//! Field handles read paths through maps and lists as a naive reading of records does.

use std::sync::Arc;

use kapok_core::ErrorKind;
use kapok_core::field::{Each, FieldValue, List};
use kapok_core::schema::{FieldType, Schema, StructType, Type};
use kapok_core::segment::{Encoding, SealedSegment, Sharing, Stage};
use kapok_core::view::Tables;
use kapok_ingest::{MessageWriter, Value};
use kapok_samples::dataset::{add, seal, view};
use kapok_samples::random::Random;
use serde_json::{Value as Json, json};

const ORDER: u64 = 0xf000_0000_0000_0001;

fn list(of: Type) -> Type {
    Type::List(Box::new(of))
}

/// Orders with maps and nested lists; without what came later, if they are old.
fn schema(is_old: bool) -> Schema {
    let mut schema = Schema::new();
    let mut insert = |id: u64, name: &str, fields: Vec<(&str, Type)>, later: usize| {
        let kept = if is_old { fields.len() - later } else { fields.len() };
        let fields = (0..).zip(fields).take(kept).map(|(ordinal, (name, ty))| FieldType {
            is_map: ["labels", "sizes", "places"].contains(&name),
            null_of: name.strip_suffix("IsNull").map(str::to_owned),
            json_name: (name == "address").then(|| "the address".to_owned()),
            ..FieldType::slot(name, ordinal, 0, ty)
        });
        let mut ty = StructType::new(ORDER - 1 + id, name, fields.collect());
        ty.lay_out().unwrap();
        schema.insert_struct(ty);
    };
    let of = |id: u64| Type::Struct(ORDER - 1 + id);
    let order = vec![
        ("id", Type::UInt32),
        ("items", list(of(2))),
        ("sizes", list(of(4))),
        ("tags", list(Type::Text)),
        ("labels", list(of(5))),
        ("places", list(of(6))),
        ("address", of(7)),
    ];
    insert(1, "Order", order, 3);
    let item = vec![
        ("productId", Type::UInt32),
        ("parts", list(of(3))),
        ("note", Type::Text),
        ("price", Type::Int16),
        ("priceIsNull", Type::Bool),
        ("names", list(Type::Text)),
        ("from", of(7)),
    ];
    insert(2, "Item", item, 5);
    insert(3, "Part", vec![("n", Type::Int8), ("inner", list(of(3)))], 1);
    insert(4, "Size", vec![("key", Type::Int16), ("value", Type::Int32)], 0);
    insert(5, "Label", vec![("key", Type::Text), ("value", Type::Text)], 0);
    insert(6, "Site", vec![("key", Type::Text), ("value", of(7))], 0);
    insert(7, "Place", vec![("city", Type::Text), ("lines", list(Type::Text)), ("zip", Type::UInt16)], 0);
    schema
}

fn text(random: &mut Random) -> Json {
    json!(["", "a", "en", "de]", "x.y", "\u{e9}\0"][random.below(6)])
}

/// A list of up to three, or null.
fn some(random: &mut Random, mut of: impl FnMut(&mut Random) -> Json) -> Json {
    match random.below(5) {
        0 => Json::Null,
        n => (1..n).map(|_| of(random)).collect(),
    }
}

fn place(random: &mut Random) -> Json {
    let (lines, zip) = (some(random, text), random.below(9));
    match random.below(4) {
        0 => Json::Null,
        1 => json!({ "zip": zip, "lines": lines }),
        _ => json!({ "city": text(random), "zip": zip, "lines": lines }),
    }
}

/// An object whose keys are texts.
fn map(random: &mut Random, mut of: impl FnMut(&mut Random) -> Json) -> Json {
    let entries = (0..random.below(4)).map(|_| (text(random).as_str().unwrap().to_owned(), of(random)));
    entries.collect::<serde_json::Map<_, _>>().into()
}

fn part(random: &mut Random) -> Json {
    let n = random.below(200) as i64 - 100;
    json!({ "n": n, "inner": some(random, |random| json!({ "n": random.below(3) })) })
}

fn old_part(random: &mut Random) -> Json {
    json!({ "n": random.below(3) })
}

fn size(random: &mut Random) -> Json {
    json!({ "key": random.below(7) as i64 - 3, "value": random.below(1000) })
}

fn order(random: &mut Random, id: u32, is_old: bool) -> Json {
    let mut order = json!({ "id": id, "sizes": some(random, size), "tags": some(random, text) });
    if is_old {
        order["items"] =
            some(random, |random| json!({ "productId": random.below(9), "parts": some(random, old_part) }));
        return order;
    }
    order["items"] = some(random, |random| {
        let price = if random.one_in(3) { Json::Null } else { json!(random.below(100) as i64 - 50) };
        let note = if random.one_in(3) { Json::Null } else { text(random) };
        let (parts, names) = (some(random, part), some(random, text));
        let item = json!({ "productId": random.below(9), "parts": parts, "note": note, "price": price });
        let mut item = item;
        (item["names"], item["from"]) = (names, place(random));
        item
    });
    (order["labels"], order["places"]) = (map(random, text), map(random, place));
    order["the address"] = place(random);
    order
}

fn sealed(is_old: bool, ids: std::ops::Range<u32>, random: &mut Random) -> (Encoding, SealedSegment) {
    let encoding = Encoding::new(Arc::new(schema(is_old)), ORDER, &["id".to_owned()], Sharing::Shared).unwrap();
    let mut writer = MessageWriter::of_records(&encoding).unwrap();
    let mut stage = Stage::new(&encoding);
    for id in ids {
        let line = order(random, id, is_old).to_string();
        add(&mut stage, writer.write(&Value::from_json(line.as_bytes()).unwrap()).unwrap());
    }
    (encoding, seal(stage, None).remove(0))
}

/// Orders, some of which an older schema wrote.
fn orders(seed: u64) -> Tables {
    let mut random = Random::new(seed);
    let (_, old) = sealed(true, 0..40, &mut random);
    let (encoding, new) = sealed(false, 40..140, &mut random);
    view(&encoding, &[old, new], Sharing::Shared)
}

/// Reads a path of all orders by a handle, and naively; the two must be the same.
fn compare<'v, T: FieldValue<'v>>(
    view: &'v Tables,
    path: &str,
    of_handle: impl Fn(T) -> Json,
    of_record: impl Fn(&Json) -> Json,
) -> Vec<Json> {
    let (table, field) = (view.table("Order").unwrap(), view.field::<T>(path).unwrap());
    let mut found = Vec::new();
    for (row_id, iterated) in table.row_ids().zip(&field) {
        let record: Json = serde_json::from_str(&table.record(row_id).unwrap().to_json_string().unwrap()).unwrap();
        let expected = of_record(&record);
        assert_eq!(of_handle(field.get(row_id).unwrap()), expected, "{path} of {record}");
        assert_eq!(of_handle(iterated.unwrap()), expected, "{path} of {record}");
        found.push(expected);
    }
    let mut handed = Vec::new();
    field.for_each(|value| handed.push(of_handle(value))).unwrap();
    assert_eq!(handed, found);
    assert!(found.iter().any(|value| *value != found[0]), "{path}: all are {}", found[0]);
    found
}

fn items<'v, T: FieldValue<'v>>(each: Each<'v, T>, of: impl Fn(T) -> Json) -> Json {
    assert_eq!(each.len() as usize, each.iter().count());
    assert_eq!(each.is_empty(), each.get(0).unwrap().is_none());
    each.into_iter().map(|value| of(value.unwrap())).collect()
}

/// Something of each item of a list in a record; none of a list that is not there.
fn each(list: &Json, of: impl Fn(&Json) -> Json) -> Json {
    list.as_array().map_or(json!([]), |list| list.iter().map(of).collect())
}

fn or_empty(value: &Json) -> Json {
    if value.is_null() { json!("") } else { value.clone() }
}

fn bytes_of(list: List<'_, &[u8]>) -> Json {
    list.iter().map(|text| json!(std::str::from_utf8(text.unwrap()).unwrap())).collect()
}

fn texts_of(list: List<'_, &str>) -> Json {
    list.iter().map(|text| json!(text.unwrap())).collect()
}

#[test]
fn keys_of_maps_lead_to_their_values() {
    for seed in 0..20 {
        let view = orders(seed);
        for key in ["", "a", "en", "de]", "x.y", "\u{e9}\0", "nowhere"] {
            let path = |map: &str, rest: &str| format!("Order.{map}[{}]{rest}", json!(key));
            let read = |value: Option<&str>| json!(value);
            if key == "nowhere" {
                let field = view.field::<Option<&str>>(&path("labels", "")).unwrap();
                assert!(field.iter().all(|value| value.unwrap().is_none()));
                continue;
            }
            compare::<Option<&str>>(&view, &path("labels", ""), read, |it| it["labels"][key].clone());
            let bytes = |it: Option<&[u8]>| json!(it.map(|it| std::str::from_utf8(it).unwrap()));
            compare::<Option<&[u8]>>(&view, &path("labels", ""), bytes, |it| it["labels"][key].clone());
            compare::<Option<&str>>(&view, &path("places", ".city"), read, |it| it["places"][key]["city"].clone());
            let lines = |it: Option<List<'_, &str>>| it.map_or(Json::Null, texts_of);
            compare::<Option<List<'_, &str>>>(&view, &path("places", ".lines"), lines, |it| {
                it["places"][key]["lines"].clone()
            });
        }
        for key in -3..4 {
            let size = |it: &Json| {
                let entries = it["sizes"].as_array().into_iter().flatten();
                entries.clone().find(|entry| entry["key"] == key).map_or(Json::Null, |entry| entry["value"].clone())
            };
            compare::<Option<i32>>(&view, &format!("Order.sizes[{key}]"), |value| json!(value), size);
        }
    }
}

#[test]
fn paths_through_lists_lead_to_a_value_in_each_element() {
    for seed in 0..20 {
        let view = orders(seed);
        let numbers = |it: Each<'_, u32>| items(it, |n| json!(n));
        compare(&view, "Order.items[].productId", numbers, |it| each(&it["items"], |item| item["productId"].clone()));
        let texts = |it: Each<'_, &str>| items(it, |text| json!(text));
        compare(&view, "Order.items[].note", texts, |it| each(&it["items"], |item| or_empty(&item["note"])));
        let texts = |it: Each<'_, Option<&str>>| items(it, |text| json!(text));
        compare(&view, "Order.items[].note", texts, |it| each(&it["items"], |item| item["note"].clone()));
        compare(&view, "Order.items[].from.city", texts, |it| each(&it["items"], |item| item["from"]["city"].clone()));
        let prices = |it: Option<Each<'_, Option<i16>>>| it.map_or(Json::Null, |it| items(it, |n| json!(n)));
        // Old items have no flag that says null: their prices are 0.
        compare(&view, "Order.items[].price", prices, |it| match &it["items"] {
            Json::Null => Json::Null,
            list => each(list, |item| item["price"].clone()),
        });
        let inner = |it: Each<'_, Each<'_, i8>>| items(it, |it| items(it, |n| json!(n)));
        let parts = |item: &Json| each(&item["parts"], |part| part["n"].clone());
        compare(&view, "Order.items[].parts[].n", inner, |it| each(&it["items"], parts));
        let inmost = |it: Each<'_, Each<'_, Each<'_, i8>>>| items(it, |it| items(it, |it| items(it, |n| json!(n))));
        compare(&view, "Order.items[].parts[].inner[].n", inmost, |it| {
            each(&it["items"], |item| each(&item["parts"], |part| each(&part["inner"], |inner| inner["n"].clone())))
        });
        let names = |it: Each<'_, List<'_, &[u8]>>| items(it, bytes_of);
        compare(&view, "Order.items[].names", names, |it| each(&it["items"], |item| each(&item["names"], Json::clone)));
    }
}

#[test]
fn lists_of_texts_are_read_as_bytes_too_also_within_structs() {
    for seed in 0..20 {
        let view = orders(seed);
        compare(&view, "Order.tags", bytes_of, |it| each(&it["tags"], Json::clone));
        compare(&view, "Order.tags", texts_of, |it| each(&it["tags"], Json::clone));
        for path in ["Order.the address.lines", "Order.address.lines"] {
            compare(&view, path, bytes_of, |it| each(&it["the address"]["lines"], Json::clone));
            let optional = |it: Option<List<'_, &str>>| it.map_or(Json::Null, texts_of);
            compare(&view, path, optional, |it| it["the address"]["lines"].clone());
        }
    }
}

#[track_caller]
fn assert_refused<'v, T: FieldValue<'v>>(view: &'v Tables, path: &str, kind: ErrorKind, says: &str) {
    let Err(error) = view.field::<T>(path) else { panic!("{path} is read") };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says) && error.to_string().contains("Order"), "{error}");
}

#[test]
fn paths_that_lead_nowhere_or_to_another_type_are_refused() {
    use ErrorKind::{Invalid, NotFound};
    let view = orders(1);
    assert_refused::<u32>(&view, "Order.items[].productId", Invalid, "Each<u32>");
    assert_refused::<Option<u32>>(&view, "Order.items[].productId", Invalid, "Each<u32>");
    assert_refused::<Each<'_, u8>>(&view, "Order.items[].productId", Invalid, "UInt32 in each element");
    assert_refused::<Each<'_, i8>>(&view, "Order.items[].parts[].n", Invalid, "in each element in each element");
    assert_refused::<Each<'_, i16>>(&view, "Order.items[].price", Invalid, "Option<i16>");
    assert_refused::<Each<'_, u32>>(&view, "Order.id", Invalid, "cannot be read as Each");
    assert_refused::<Each<'_, &str>>(&view, "Order.tags[]", Invalid, "without []");
    assert_refused::<Each<'_, &str>>(&view, "Order.tags[].x", Invalid, "read the list itself");
    assert_refused::<Each<'_, &str>>(&view, "Order.id[].x", Invalid, "only a list has elements");
    assert_refused::<Each<'_, &str>>(&view, "Order.items[].nothing", NotFound, "nothing");
    assert_refused::<&str>(&view, "Order.items.note", Invalid, "[]");
    assert_refused::<&str>(&view, "Order.labels[\"en\"]", Invalid, "Option<&str>");
    assert_refused::<Option<&str>>(&view, "Order.labels[5]", Invalid, "keys of type Text");
    assert_refused::<Option<i32>>(&view, "Order.sizes[\"a\"]", Invalid, "keys of type Int16");
    assert_refused::<Option<i32>>(&view, "Order.sizes[40000]", Invalid, "keys of type Int16");
    assert_refused::<Option<&str>>(&view, "Order.items[\"en\"]", Invalid, "only a map has keys");
    assert_refused::<Option<&str>>(&view, "Order.labels[en]", Invalid, "expected [] behind a list");
    assert_refused::<Option<&str>>(&view, "Order.labels[\"en\"]x", Invalid, "expected [] behind a list");
    assert_refused::<Option<&str>>(&view, "Order.nothing[\"en\"]", NotFound, "nothing");
    let deep = format!("Order.items[].parts[]{}.n", ".inner[]".repeat(100));
    assert_refused::<Each<'_, i8>>(&view, &deep, Invalid, "more than 32 lists");
}
