//! Which schema a Rust type gives, and which types give none.
#![expect(dead_code, reason = "types that are only described")]

use kapok_ingest::schema_of_rust_type;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::result::Result as StdResult;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::record::Record;
use kapok_core::schema::{FieldKind, FieldType, Schema, Type};
use kapok_core::words::{Pointer, Words};
use kapok_ingest::MessageWriter;
use kapok_ingest::Value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn ty(field: &FieldType) -> &Type {
    match &field.kind {
        FieldKind::Slot { ty, .. } => ty,
        FieldKind::Group(_) => panic!("a group"),
    }
}

/// A struct as text, without the fields of structs within it.
fn print(schema: &Schema, id: u64) -> Vec<String> {
    let fields = schema.get_struct(id).unwrap().fields.iter();
    fields
        .map(|field| {
            let json = field.json_name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
            let flag = field.null_of.as_ref().map_or(String::new(), |of| format!(" nullOf {of}"));
            let map = if field.is_map { " map" } else { "" };
            format!("{}{json} :{}{flag}{map}", field.name, print_type(schema, ty(field)))
        })
        .collect()
}

fn print_type(schema: &Schema, ty: &Type) -> String {
    match ty {
        Type::List(element) => format!("List({})", print_type(schema, element)),
        Type::Struct(id) => schema.get_struct(*id).unwrap().name.clone(),
        Type::Enum(id) => schema.get_enum(*id).unwrap().name.clone(),
        other => format!("{other:?}"),
    }
}

fn named(schema: &Schema, name: &str) -> Vec<String> {
    print(schema, crate::rules::named(schema, name).id)
}

fn of<T: DeserializeOwned>() -> Result<(Schema, u64)> {
    schema_of_rust_type::<T>("Package", &[])
}

/// Bytes as `serde_bytes` has them.
struct Bytes;

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> StdResult<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_byte_buf<E>(self, _: Vec<u8>) -> StdResult<Bytes, E> {
                Ok(Bytes)
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}
/// A text that takes no text of ours.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Picky;

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> StdResult<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("not picky enough: {text}")))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Colour {
    DarkRed,
    #[serde(rename = "g")]
    Green,
}

#[derive(Deserialize)]
struct Newtype(String);

#[derive(Deserialize)]
struct Address {
    street: String,
    zip: Option<u32>,
}

#[derive(Deserialize)]
struct Everything {
    #[serde(rename = "the-id")]
    id: u64,
    i8: i8,
    i16: i16,
    i32: i32,
    i64: i64,
    u8: u8,
    u16: u16,
    u32: NonZeroU32,
    f32: f32,
    f64: f64,
    flag: bool,
    letter: char,
    text: String,
    boxed: Box<str>,
    newtype: Newtype,
    picky: Picky,
    ip: std::net::Ipv4Addr,
    data: Bytes,
    nothing: (),
    phantom: PhantomData<u8>,
    colour: Colour,
    address: Address,
    list: Vec<i16>,
    set: HashSet<String>,
    array: [f32; 3],
    pair: (u8, u8),
    matrix: Vec<Vec<f64>>,
    texts: Vec<Option<String>>,
    addresses: Vec<Address>,
    colours: Vec<Colour>,
    map: HashMap<String, u16>,
    by_number: BTreeMap<u32, Option<f32>>,
    by_ip: BTreeMap<std::net::Ipv6Addr, Address>,
    #[serde(default)]
    maybe_size: Option<u32>,
    maybe_flag: Option<bool>,
    maybe_colour: Option<Colour>,
    maybe_text: Option<String>,
    maybe_address: Option<Address>,
    maybe_map: Option<HashMap<String, String>>,
    #[serde(skip)]
    skipped: Option<Box<Everything>>,
    last: i32,
}

#[test]
fn each_rust_type_gives_its_cap_n_proto_type() {
    let (schema, id) = schema_of_rust_type::<Everything>("Package", &["the-id", "text"]).unwrap();
    assert_eq!(
        print(&schema, id),
        [
            "theId (the-id) :UInt64",
            "i8 :Int8",
            "i16 :Int16",
            "i32 :Int32",
            "i64 :Int64",
            "u8 :UInt8",
            "u16 :UInt16",
            "u32 :UInt32",
            "f32 :Float32",
            "f64 :Float64",
            "flag :Bool",
            "letter :Text",
            "text :Text",
            "boxed :Text",
            "newtype :Text",
            "picky :Text",
            "ip :Text",
            "data :Data",
            "nothing :Void",
            "phantom :Void",
            "colour :Colour",
            "address :Address",
            "list :List(Int16)",
            "set :List(Text)",
            "array :List(Float32)",
            "pair :List(UInt8)",
            "matrix :List(List(Float64))",
            "texts :List(Text)",
            "addresses :List(Address)",
            "colours :List(Colour)",
            "map :List(MapEntry) map",
            "byNumber (by_number) :List(ByNumberEntry) map",
            "byIp (by_ip) :List(ByIpEntry) map",
            "maybeSize (maybe_size) :UInt32",
            "maybeFlag (maybe_flag) :Bool",
            "maybeColour (maybe_colour) :Colour",
            "maybeText (maybe_text) :Text",
            "maybeAddress (maybe_address) :Address",
            "maybeMap (maybe_map) :List(MaybeMapEntry) map",
            "last :Int32",
            "maybeSizeIsNull :Bool nullOf maybeSize",
            "maybeFlagIsNull :Bool nullOf maybeFlag",
            "maybeColourIsNull :Bool nullOf maybeColour",
        ]
    );
    assert_eq!(named(&schema, "Address"), ["street :Text", "zip :UInt32", "zipIsNull :Bool nullOf zip"]);
    assert_eq!(named(&schema, "MapEntry"), ["key :Text", "value :UInt16"]);
    assert_eq!(named(&schema, "ByNumberEntry"), ["key :UInt32", "value :Float32", "valueIsNull :Bool nullOf value"]);
    assert_eq!(named(&schema, "ByIpEntry"), ["key :Text", "value :Address"]);
    let package = schema.get_struct(id).unwrap();
    assert_eq!(package.key, ["theId", "text"]);
    assert!(schema.structs().filter(|ty| ty.id != id).all(|ty| ty.scope == id));
    let colour = schema.enums().next().unwrap();
    let names: Vec<_> = colour.enumerants.iter().map(|e| (e.name.as_str(), e.json_name.as_deref())).collect();
    assert_eq!(names, [("darkRed", Some("dark_red")), ("g", None)]);
    // The same type gives the same schema.
    assert_eq!(schema_of_rust_type::<Everything>("Package", &["the-id", "text"]).unwrap(), (schema, id));
}

#[derive(Deserialize)]
struct Tree {
    value: i32,
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
    by_name: HashMap<String, Tree>,
    other: Other,
    last: bool,
}

#[derive(Deserialize)]
struct Other {
    back: Option<Box<Tree>>,
    name: String,
}

#[test]
fn recursive_types_are_recognised() {
    let (schema, id) = of::<Tree>().unwrap();
    assert_eq!(
        print(&schema, id),
        [
            "value :Int32",
            "children :List(Package)",
            "parent :Package",
            "byName (by_name) :List(ByNameEntry) map",
            "other :Other",
            "last :Bool"
        ]
    );
    assert_eq!(named(&schema, "Other"), ["back :Package", "name :Text"]);
    assert_eq!(named(&schema, "ByNameEntry"), ["key :Text", "value :Package"]);
    assert_eq!(schema.structs().count(), 3);
}

mod elsewhere {
    #[derive(serde::Deserialize)]
    pub struct Address {
        pub planet: String,
    }
}

#[derive(Deserialize)]
struct Wrapper<T> {
    held: T,
}

#[derive(Deserialize)]
struct SameNames {
    here: Address,
    there: elsewhere::Address,
    number: Wrapper<u8>,
    nested: Wrapper<Wrapper<String>>,
}

#[test]
fn types_of_one_name_are_told_apart() {
    let (schema, id) = of::<SameNames>().unwrap();
    assert_eq!(print(&schema, id), ["here :Address", "there :Address2", "number :Wrapper", "nested :Wrapper2"]);
    assert_eq!(named(&schema, "Address2"), ["planet :Text"]);
    assert_eq!(named(&schema, "Wrapper"), ["held :UInt8"]);
    assert_eq!(named(&schema, "Wrapper2"), ["held :Wrapper3"]);
    assert_eq!(named(&schema, "Wrapper3"), ["held :Text"]);
}

#[derive(Deserialize)]
struct Aliased {
    #[serde(alias = "zz", alias = "aa")]
    name: String,
    #[serde(alias = "b")]
    size: u8,
}

#[derive(Deserialize)]
struct PickyAliased {
    #[serde(alias = "other")]
    name: Picky,
}

#[test]
fn aliases_are_no_fields() {
    let (schema, id) = of::<Aliased>().unwrap();
    assert_eq!(print(&schema, id), ["name :Text", "size :UInt8"]);
    let error = of::<PickyAliased>().unwrap_err().to_string();
    assert!(error.contains("a field that is also called name, either name being an alias,"), "{error}");
}

#[derive(Deserialize)]
struct Holder<T> {
    fine: u8,
    field: T,
}

#[derive(Deserialize)]
enum WithData {
    Unit,
    Held(u8),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Untagged {
    One(u8),
    Two(String),
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    One { a: u8 },
}

#[derive(Deserialize)]
struct Flattened {
    #[serde(flatten)]
    rest: HashMap<String, u8>,
}

fn refused<T: DeserializeOwned>() -> String {
    of::<Holder<T>>().unwrap_err().to_string()
}

#[test]
fn types_without_a_cap_n_proto_type_are_refused_by_name() {
    for (found, what, rust_type) in [
        (refused::<i128>(), "a 128-bit integer", "i128"),
        (refused::<WithData>(), "an enum whose variant Held holds data", "WithData"),
        (refused::<StdResult<u8, u8>>(), "an enum whose variant Ok holds data", "Result<u8, u8>"),
        (refused::<Untagged>(), "a type that takes anything", "Content"),
        (refused::<Tagged>(), "a type that takes anything", ""),
        (refused::<serde_json::Value>(), "a type that takes anything", "Value"),
        (refused::<Flattened>(), "a struct that names its fields as it goes (serde flatten)", ""),
        (refused::<(u8, String)>(), "a tuple of different types", ""),
        (refused::<(u8, u16)>(), "a tuple of different types", "u16"),
        (refused::<[u8; 0]>(), "a tuple of no elements", "[u8; 0]"),
        (refused::<Option<Option<u8>>>(), "an optional option", ""),
        (refused::<Option<()>>(), "an optional unit", ""),
        (refused::<Vec<Option<u8>>>(), "a list of optional numbers", ""),
        (refused::<Vec<Option<Address>>>(), "a list of optional numbers, bools, enums or structs", ""),
        (refused::<Vec<HashMap<String, u8>>>(), "a map that is not itself a field", ""),
        (refused::<BTreeMap<Vec<u8>, u8>>(), "a map whose keys are neither texts nor integers nor bools", ""),
        (refused::<BTreeMap<Picky, u8>>(), "a type that could not be traced (not picky enough", ""),
    ] {
        assert!(found.starts_with("Package"), "{found}");
        assert!(found.ends_with("declare the schema instead"), "{found}");
        assert!(found.contains(what), "{found}");
        assert!(found.contains(rust_type), "{found}");
    }
}

#[test]
fn refusals_name_the_path() {
    let found = of::<Holder<Vec<Holder<Option<i128>>>>>().unwrap_err().to_string();
    assert!(found.starts_with("Package.field.field: a 128-bit integer has no Cap'n Proto type: rust_type="), "{found}");
}

#[derive(Deserialize)]
struct Keys {
    id: u64,
    maybe: Option<u64>,
    float: f64,
    list: Vec<u8>,
    address: Address,
    colour: Colour,
}

#[test]
fn keys_exist_are_not_optional_and_have_a_kind_that_keys_have() {
    let keyed = |key: &[&str]| schema_of_rust_type::<Keys>("Package", key);
    assert!(keyed(&["id", "colour"]).is_ok());
    for (key, expected) in [
        (vec!["maybe"], "Package.maybe: a key field cannot be optional"),
        (vec!["float"], "Package.float: only integers, bools, enums, texts and bytes can be keys"),
        (vec!["list"], "Package.list: only integers, bools, enums, texts and bytes can be keys"),
        (vec!["address"], "Package.address: only integers, bools, enums, texts and bytes can be keys"),
        (vec!["id", "id"], "Package.id: named twice in the key"),
    ] {
        assert_eq!(keyed(&key).unwrap_err().to_string(), expected);
    }
    assert!(keyed(&["unheard"]).unwrap_err().to_string().starts_with("Package.unheard: the key names a field"));
    assert!(schema_of_rust_type::<Keys>("no type", &[]).unwrap_err().to_string().contains("try \"NoType\""));
    assert!(of::<u8>().unwrap_err().to_string().starts_with("Package: a record that is not a struct"));
    assert!(of::<Vec<Keys>>().is_err());
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Shelf {
    long_label: String,
    row: Option<i8>,
    kind: Kind,
    maybe_kind: Option<Kind>,
    books: Vec<Book>,
    by_title: BTreeMap<String, Option<u64>>,
    inner: Option<Box<Shelf>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Wide,
    Narrow,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Book {
    title: Option<String>,
    price: f32,
    size: (u16, u16),
}

#[test]
fn values_of_the_type_fit_its_schema() {
    let book = Book { title: None, price: 0.1, size: (1, 2) };
    let empty = Shelf {
        long_label: String::new(),
        row: None,
        kind: Kind::Narrow,
        maybe_kind: None,
        books: vec![],
        by_title: BTreeMap::new(),
        inner: None,
    };
    let full = Shelf {
        long_label: "x".into(),
        row: Some(-1),
        kind: Kind::Wide,
        maybe_kind: Some(Kind::Narrow),
        books: vec![book.clone(), Book { title: Some("y".into()), ..book }],
        by_title: BTreeMap::from([("a".into(), None), ("b".into(), Some(u64::MAX))]),
        inner: Some(Box::new(empty.clone())),
    };
    let (schema, id) = schema_of_rust_type::<Shelf>("Shelf", &["long-label"]).unwrap();
    let mut writer = MessageWriter::new(Arc::new(schema.clone()), id).unwrap();
    for shelf in [empty, full] {
        let words = writer.write(&Value::from_serde(&shelf).unwrap()).unwrap();
        let Pointer::Struct(root) = Words::new(words).pointer(0).unwrap() else { panic!("no struct") };
        let read: Shelf = Record::new(&schema, id, root).unwrap().deserialize().unwrap();
        assert_eq!(read, shelf);
    }
}
