#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::Value;

#[derive(Serialize)]
struct Meters(f64);

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Shape {
    Point,
    Circle(f32),
    Segment(i8, u8),
    #[serde(rename = "rect")]
    Box {
        width: u16,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Everything<'a> {
    is_new: bool,
    letter: char,
    text: &'a str,
    length: Meters,
    unit: Unit,
    nothing: Option<u8>,
    something: Option<i64>,
    pair: (u8, i8),
    shapes: Vec<Shape>,
    map: BTreeMap<u32, &'a str>,
    #[serde(skip)]
    _skipped: u8,
}

struct Bytes(&'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

fn error<T: Serialize>(value: &T) -> String {
    Value::from_serde(value).unwrap_err().to_string()
}

#[test]
fn every_kind_of_rust_value_becomes_its_value() {
    let value = Everything {
        is_new: true,
        letter: 'é',
        text: "x",
        length: Meters(1.5),
        unit: Unit,
        nothing: None,
        something: Some(-1),
        pair: (1, -1),
        shapes: vec![Shape::Point, Shape::Circle(0.1), Shape::Segment(-1, 1), Shape::Box { width: 7 }],
        map: BTreeMap::from([(1, "one")]),
        _skipped: 0,
    };
    let variant = |name: &'static str, payload| Value::Variant(name.into(), Box::new(payload));
    let expected = Value::Struct(vec![
        ("isNew".into(), Value::Bool(true)),
        ("letter".into(), Value::Text("é".into())),
        ("text".into(), Value::Text("x".into())),
        ("length".into(), Value::Float64(1.5)),
        ("unit".into(), Value::Null),
        ("nothing".into(), Value::Null),
        ("something".into(), Value::Int(-1)),
        ("pair".into(), Value::List(vec![Value::UInt(1), Value::Int(-1)])),
        (
            "shapes".into(),
            Value::List(vec![
                variant("point", Value::Null),
                variant("circle", Value::Float32(0.1)),
                variant("segment", Value::List(vec![Value::Int(-1), Value::UInt(1)])),
                variant("rect", Value::Struct(vec![("width".into(), Value::UInt(7))])),
            ]),
        ),
        ("map".into(), Value::Map(vec![(Value::UInt(1), Value::Text("one".into()))])),
    ]);
    assert_eq!(Value::from_serde(&value).unwrap(), expected);
    assert_eq!(Value::from_serde(&Bytes(b"\x00\xff")).unwrap(), Value::Data(vec![0, 255]));
    assert!(matches!(Value::from_serde(&f32::NAN).unwrap(), Value::Float32(n) if n.is_nan()));
}

#[test]
fn flattened_fields_make_a_map_of_names() {
    #[derive(Serialize)]
    struct Inner {
        b: u8,
    }
    #[derive(Serialize)]
    struct Outer {
        a: u8,
        #[serde(flatten)]
        inner: Inner,
    }
    let expected =
        Value::Map(vec![(Value::Text("a".into()), Value::UInt(1)), (Value::Text("b".into()), Value::UInt(2))]);
    assert_eq!(Value::from_serde(&Outer { a: 1, inner: Inner { b: 2 } }).unwrap(), expected);
}

#[test]
fn what_has_no_place_is_refused_with_its_type_and_path() {
    #[derive(Serialize)]
    struct Wide {
        counts: Vec<BTreeMap<&'static str, u128>>,
    }
    let wide = Wide { counts: vec![BTreeMap::new(), BTreeMap::from([("all", 1)])] };
    let message = error(&wide);
    assert!(message.contains("Wide.counts[1].all: u128 has no Cap'n Proto type"), "{message}");
    assert!(error(&1_i128).starts_with("i128: i128 has no Cap'n Proto type"));
    assert!(error(&BTreeMap::from([(vec![1], 1)])).contains("a map's keys must be"));
    assert!(error(&BTreeMap::from([(None::<&str>, 1)])).contains("a map's keys must be"));
}

#[test]
fn a_map_that_repeats_a_key_is_refused_by_name() {
    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(usize::MAX))?;
            map.serialize_entry("again", &1)?;
            map.serialize_entry("again", &2)?;
            map.end()
        }
    }
    assert!(error(&Twice).contains("duplicate key \"again\""));
}

#[test]
fn enum_keys_become_texts() {
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    enum Colour {
        Red,
        Grey(u8),
    }
    let expected = Value::Map(vec![(Value::Text("Red".into()), Value::Bool(true))]);
    assert_eq!(Value::from_serde(&BTreeMap::from([(Colour::Red, true)])).unwrap(), expected);
    assert!(error(&BTreeMap::from([(Colour::Grey(1), true)])).contains("a map's keys must be"));
}

#[test]
fn nesting_ends_at_64() {
    #[derive(Serialize)]
    struct Chain(Vec<Chain>);
    let chain = |depth: usize| (1..depth).fold(Chain(vec![]), |inner, _| Chain(vec![inner]));
    assert!(Value::from_serde(&chain(64)).is_ok());
    assert!(error(&chain(65)).contains("nesting depth allows 64, needed 65"));
}
