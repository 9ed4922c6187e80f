#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fault::Fault;
use crate::record::fixture::{Fixture, SHEET_COLOUR, SHEET_FLAG, list_pointer, struct_pointer};
use crate::record::{Budget, ValueRef};
use crate::schema::{FieldType, Type};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
    Blue,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Address<'a> {
    street: Option<&'a str>,
    city: Option<String>,
    zip: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Place<'a> {
    lat: f64,
    lon: f32,
    label: Option<&'a str>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Contact {
    Email(Option<String>),
    Phone(u64),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Which<'a> {
    None,
    Count(u8),
    Name(Option<&'a str>),
    #[serde(borrow)]
    Where(Address<'a>),
    Span {
        from: u32,
        to: u64,
    },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Tree {
    value: i32,
    #[serde(default)]
    children: Vec<Tree>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(in crate::record) struct Kinds<'a> {
    id: i64,
    code: Option<&'a str>,
    nothing: (),
    flag_on: bool,
    i8: i8,
    i16: i32,
    u64: u64,
    f32: f32,
    colour: Colour,
    text: String,
    data: Option<&'a [u8]>,
    #[serde(borrow)]
    address: Option<Address<'a>>,
    place: Place<'a>,
    contact: Contact,
    voids: Option<Vec<()>>,
    bools: Option<[bool; 3]>,
    i64s: Option<(i64, i64)>,
    colours: Option<Vec<Colour>>,
    texts: Option<Vec<Option<&'a str>>>,
    datas: Option<Vec<Option<Vec<u8>>>>,
    addresses: Option<Vec<Address<'a>>>,
    matrix: Option<Vec<Option<Vec<i32>>>>,
    groups: Option<Vec<Vec<Address<'a>>>>,
    tree: Option<Box<Tree>>,
    embedding: Option<Vec<f32>>,
    codes: Option<Vec<u8>>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Flat<'a> {
    id: i64,
    #[serde(borrow, flatten)]
    which: Which<'a>,
}

#[test]
fn a_full_record_becomes_a_struct_that_borrows() {
    let fixture = Fixture::full();
    let expected = Kinds {
        id: -9_007_199_254_740_993,
        code: Some("α\"\n"),
        nothing: (),
        flag_on: false,
        i8: -128,
        i16: 0,
        u64: u64::MAX,
        f32: 0.1,
        colour: Colour::Blue,
        text: String::new(),
        data: Some(&[0, 1, 254, 255]),
        address: Some(Address { street: Some("Main St"), city: None, zip: 12345 }),
        place: Place { lat: -0.5, lon: 0.0, label: Some("here") },
        contact: Contact::Phone(5_551_234),
        voids: Some(vec![(), ()]),
        bools: Some([true, false, true]),
        i64s: Some((i64::MIN, i64::MAX)),
        colours: Some(vec![Colour::Red, Colour::Blue]),
        texts: Some(vec![Some("a"), None, Some("")]),
        datas: Some(vec![None, Some(b"xyz".to_vec())]),
        addresses: Some(vec![
            Address { street: None, city: Some("Oslo".into()), zip: 0 },
            Address { street: None, city: None, zip: 1 },
        ]),
        matrix: Some(vec![Some(vec![1, -2]), None, Some(vec![])]),
        groups: Some(vec![vec![Address { street: Some("s"), city: None, zip: 0 }]]),
        tree: Some(Box::new(Tree {
            value: 0,
            children: vec![
                Tree { value: 1, children: vec![] },
                Tree { value: 0, children: vec![Tree { value: 2, children: vec![] }] },
            ],
        })),
        embedding: Some(vec![1.0, 0.25, -1.5, 0.0]),
        codes: Some(vec![1, 2, 3, 4, 5, 6]),
    };
    assert_eq!(fixture.record().deserialize::<Kinds<'_>>().unwrap(), expected);
    // The trait's own door.
    assert_eq!(Kinds::deserialize(fixture.record()).unwrap(), expected);
    assert_eq!(Option::<Kinds<'_>>::deserialize(ValueRef::Struct(fixture.record())).unwrap(), Some(expected));
}

#[test]
fn an_empty_record_becomes_defaults_and_nones() {
    let fixture = Fixture::empty();
    let kinds: Kinds<'_> = fixture.record().deserialize().unwrap();
    assert_eq!((kinds.code, kinds.i16, kinds.f32, kinds.colour), (None, -7, 1.5, Colour::Green));
    assert_eq!((kinds.text.as_str(), kinds.data, kinds.voids), ("unnamed", None, None));
    assert_eq!(kinds.contact, Contact::Email(None));
}

#[test]
fn a_union_becomes_the_variant_of_its_active_member() {
    let address = Address { street: None, city: Some("Rome".into()), zip: 0 };
    let none = Fixture::empty();
    let count = Fixture::kinds(|mut root| root.set_count(7));
    let name = Fixture::kinds(|mut root| root.set_name("x"));
    let nameless = Fixture::member(2);
    let nowhere = Fixture::kinds(|root| _ = root.init_where());
    let place = Fixture::kinds(|root| root.init_where().set_city("Rome"));
    let span = Fixture::kinds(|root| root.init_span().set_to(9));
    let cases = [
        (&none, Which::None),
        (&count, Which::Count(7)),
        (&name, Which::Name(Some("x"))),
        (&nameless, Which::Name(None)),
        (&nowhere, Which::Where(Address { street: None, city: None, zip: 0 })),
        (&place, Which::Where(address)),
        (&span, Which::Span { from: 0, to: 9 }),
    ];
    for (fixture, expected) in cases {
        assert_eq!(fixture.record().deserialize::<Which<'_>>().unwrap(), expected);
        assert_eq!(fixture.record().deserialize::<Flat<'_>>().unwrap(), Flat { id: 0, which: expected });
    }
}

#[test]
fn a_member_of_a_newer_writer_is_no_variant() {
    let fixture = Fixture::member(200);
    let error = fixture.record().deserialize::<Which<'_>>().unwrap_err();
    assert_eq!(error.to_string(), "Kinds: union member that the schema does not know: 200");
    assert!(fixture.record().deserialize::<Kinds<'_>>().is_ok());
}

#[derive(Debug, Deserialize, PartialEq)]
enum SheetColour {
    #[serde(rename = "red")]
    Red,
    #[serde(rename = "deep blue")]
    DeepBlue,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Sheet<T> {
    #[serde(rename = "the id")]
    id: i32,
    price: Option<i16>,
    tags: T,
    colour: SheetColour,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Entry {
    key: String,
    value: u8,
}

#[test]
fn maps_become_maps_or_sequences_of_entries_as_the_type_asks() {
    let fixture = Fixture::sheet(SHEET_COLOUR);
    let tags = BTreeMap::from([("a", 7), ("b\u{1}", 8)]);
    let expected = Sheet { id: -2, price: Some(12), tags, colour: SheetColour::DeepBlue };
    assert_eq!(fixture.record().deserialize::<Sheet<BTreeMap<&str, u64>>>().unwrap(), expected);
    let mut fixture = Fixture::sheet(SHEET_FLAG);
    let tags = vec![Entry { key: "a".into(), value: 7 }, Entry { key: "b\u{1}".into(), value: 8 }];
    let expected = Sheet { id: -2, price: None, tags, colour: SheetColour::Red };
    assert_eq!(fixture.record().deserialize::<Sheet<Vec<Entry>>>().unwrap(), expected);
    let mut entry = fixture.schema.get_struct(2).unwrap().as_ref().clone();
    entry.fields[0] = FieldType::slot("key", 0, 0, Type::UInt8);
    fixture.schema.insert_struct(entry);
    let sheet: Sheet<BTreeMap<u8, u64>> = fixture.record().deserialize().unwrap();
    assert_eq!(sheet.tags, BTreeMap::from([(7, 7), (8, 8)]));
}

#[test]
fn an_unknown_enumerant_is_no_variant() {
    let fixture = Fixture::sheet(9 * SHEET_COLOUR);
    let error = fixture.record().deserialize::<Sheet<Vec<Entry>>>().unwrap_err();
    assert_eq!(error.to_string(), "Sheet.colour: enumerant that the schema does not know: value=9");
}

#[test]
fn what_does_not_fit_is_told_with_its_path() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Narrow {
        matrix: Vec<Option<Vec<u8>>>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Missing {
        code: String,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Short {
        bools: (bool, bool),
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Deep {
        tags: BTreeMap<String, Vec<u8>>,
    }
    let full = Fixture::full();
    let error = full.record().deserialize::<Narrow>().unwrap_err();
    assert_eq!(error.to_string(), "Kinds.matrix[0][1]: invalid value: integer `-2`, expected u8");
    let error = Fixture::empty().record().deserialize::<Missing>().unwrap_err().to_string();
    assert_eq!(error, "Kinds: missing field `code`");
    let error = full.record().deserialize::<Short>().unwrap_err();
    assert_eq!(error.to_string(), "Kinds.bools: list too long: len=3 unread=1");
    let error = Fixture::sheet(0).record().deserialize::<Deep>().unwrap_err().to_string();
    assert_eq!(error, "Sheet.tags.a: invalid type: integer `7`, expected a sequence");
    let error = Fixture::kinds(|mut root| root.set_count(256)).record().deserialize::<Which<'_>>().unwrap_err();
    assert_eq!(error.to_string(), "Kinds.count: invalid value: integer `256`, expected u8");
}

#[test]
fn corrupt_words_stay_corrupt_through_serde() {
    let mut fixture = Fixture::sheet(0);
    fixture.bytes[24..32].copy_from_slice(&list_pointer(0, 2, 4).to_le_bytes());
    let error = fixture.record().deserialize::<Sheet<Vec<Entry>>>().unwrap_err();
    assert!(matches!(error.fault(), Fault::Corrupt { offset: 32, .. }), "{error}");
}

#[test]
fn endless_data_stops_at_the_budget_or_the_depth_limit() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Voids {
        items: Vec<()>,
    }
    let error = Fixture::shared(28).record().deserialize_within::<Tree>(&mut Budget::new(10_000)).unwrap_err();
    assert!(matches!(error.fault(), Fault::Budget { budget: 10_000, .. }), "{error}");
    let error = Fixture::cycle().record().deserialize::<Tree>().unwrap_err();
    assert!(matches!(error.fault(), Fault::Limit { allowed: 64, .. }), "{error}");
    let voids = Fixture::list_of(Type::Void, &[struct_pointer(0, 0, 1), list_pointer(0, 0, (1 << 29) - 1)]);
    let error = voids.record().deserialize::<Voids>().unwrap_err();
    assert!(matches!(error.fault(), Fault::Budget { .. }), "{error}");
}

#[test]
fn fields_that_nobody_asks_for_cost_nothing_more() {
    #[derive(Deserialize)]
    struct Nothing {}
    let mut budget = Budget::new(1000);
    let fixture = Fixture::full();
    let Nothing {} = fixture.record().deserialize_within(&mut budget).unwrap();
    assert_eq!(1000 - budget.left(), fixture.record().struct_type().fields.len() as u64);
}
