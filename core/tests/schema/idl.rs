//! The stock compiler reads a printed schema back as what it was.

use crate::compile::{self, structure, union, without_files};
use kapok_core::schema::{
    DefaultValue, FieldKind, FieldType, RecordDeclaration, Schema, StructType, Type, to_camel_case, unique_name,
};
use kapok_ingest::SchemaRequest;
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::{movie, rating};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

const REQUEST: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/samples.cgr"));

const STORED_FILES: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/schemas.cgr"));

/// Prints, compiles, and reads back the same record types; `None` without the tool.
fn trip(test: &str, schema: &Schema, roots: &[(&str, u64)]) -> Option<Schema> {
    let declarations: Vec<_> =
        roots.iter().map(|(name, type_id)| RecordDeclaration { name, type_id: *type_id, key: &[] }).collect();
    let idl = schema.to_idl(&declarations).unwrap();
    let loaded = compile::compile(test, &idl)?;
    let mut again = Schema::new();
    for (name, id) in roots {
        let (schema, found) = loaded.record_type(name).unwrap();
        assert_eq!(found, *id, "{idl}");
        let (segment, root) = loaded.record_type(&format!("{name}Segment")).unwrap();
        assert_eq!(segment.struct_type(root).unwrap().fields[0].name, "rows");
        again = union(again, &schema);
    }
    Some(again)
}

fn assert_same(schema: &Schema, again: &Schema) {
    let (schema, again) = (without_files(schema), without_files(again));
    for ty in schema.structs() {
        assert_eq!(Some(ty), again.get_struct(ty.id), "{}", ty.name);
    }
    assert_eq!(schema, again);
}

#[test]
fn example_schemas_survive_printing_and_compiling() {
    let samples = ["Kinds", "Movie", "Rating", "Tree", "Address"].map(|name| (REQUEST, name));
    let stored = ["Announcement", "Marker", "VectorSpace"].map(|name| (STORED_FILES, name));
    let mut all = Schema::new();
    let mut roots = Vec::new();
    for (request, name) in samples.into_iter().chain(stored) {
        let (schema, id) = SchemaRequest::decode(request).unwrap().record_type(name).unwrap();
        roots.push((name, id));
        if let Some(again) = trip("example", &schema, &[(name, id)]) {
            assert_same(&schema, &again);
        }
        all = union(all, &schema);
    }
    if let Some(again) = trip("examples", &all, &roots) {
        assert_same(&all, &again);
    }
}

#[test]
fn generated_code_and_request_give_equal_schemas() {
    let request = SchemaRequest::decode(REQUEST).unwrap();
    assert_eq!(Schema::of::<kinds::Owned>().unwrap(), request.record_type("Kinds").unwrap());
    assert_eq!(Schema::of::<movie::Owned>().unwrap(), request.record_type("Movie").unwrap());
    assert_eq!(Schema::of::<rating::Owned>().unwrap(), request.record_type("Rating").unwrap());
}

#[test]
fn printing_is_deterministic_and_needs_no_import() {
    let (schema, id) = Schema::of::<kinds::Owned>().unwrap();
    let declaration = [RecordDeclaration { name: "Kinds", type_id: id, key: &[] }];
    let idl = schema.to_idl(&declaration).unwrap();
    assert_eq!(idl, schema.to_idl(&declaration).unwrap());
    assert!(!idl.contains("import"));
    assert!(idl.contains("struct KindsSegment @0x"));
    assert!(idl.contains("$key(\"id,code\")"));
    assert!(!idl.contains("annotation map"), "only annotations in use are declared");
}

const DEFAULTS: &str = r#"
@0xd1a3c5e7f9b82641;
struct Defaults @0xd1a3c5e7f9b82642 {
  negative @0 :Float32 = -0.0;
  tiny @1 :Float64 = 5e-324;
  huge @2 :Float64 = 1.7976931348623157e308;
  inf @3 :Float32 = inf;
  minusInf @4 :Float64 = -inf;
  nan @5 :Float64 = nan;
  nan32 @6 :Float32 = nan;
  tenth @7 :Float32 = 0.1;
  least @8 :Int64 = -9223372036854775808;
  most @9 :UInt64 = 18446744073709551615;
  text @10 :Text = "\x00a\0\"\\\n\r\t\a\177é?";
  data @11 :Data = 0x"00 ff 80";
  voids @12 :List(Void) = [void, void];
  bools @13 :List(Bool) = [true, false, true, true, false, false, true, true, true];
  bytes @14 :List(UInt8) = [1, 2, 255];
  shorts @15 :List(Int16) = [-1, 300];
  floats @16 :List(Float32) = [1.5, -inf, nan];
  doubles @17 :List(Float64) = [1e300];
  colours @18 :List(Colour) = [blue, red];
  texts @19 :List(Text) = ["", "x"];
  datas @20 :List(Data) = ["", 0x"01"];
  matrix @21 :List(List(Int32)) = [[], [1, 2]];
  noStructs @22 :List(Inner) = [];
  structs @23 :List(Inner) = [(), (a = 7), (a = 3, place = (lat = 2.5), name = "")];
  inner @24 :Inner = ();
  chosen @25 :Inner = (count = 0);
  grouped @26 :Inner = (span = ());
  spanned @27 :Inner = (span = (to = 9), contact = (phone = 5));
  nested @28 :Inner = (inner = (inner = (a = 1)));
  colour @29 :Colour = blue;
  first @30 :Inner = (none = void, contact = (email = "e"));
  struct Inner @0xd1a3c5e7f9b82643 {
    a @0 :Int32 = 3;
    place :group { lat @1 :Float64; lon @2 :Float32 = 1; }
    union {
      none @3 :Void;
      count @4 :UInt16;
      name @5 :Text;
      span :group { from @6 :UInt32; to @7 :UInt32; }
    }
    inner @8 :Inner;
    contact @10! :union { email @9 :Text; phone @11 :UInt64; }
  }
  enum Colour @0xd1a3c5e7f9b82644 { blue @2; red @0; green @1; }
}
"#;

#[test]
fn default_values_of_every_kind_survive() {
    let Some(loaded) = compile::compile("defaults", DEFAULTS) else { return };
    let (schema, id) = loaded.record_type("Defaults").unwrap();
    let again = trip("defaults", &schema, &[("Defaults", id)]).unwrap();
    assert_same(&schema, &again);
}

#[test]
fn equal_names_in_several_scopes_are_told_apart() {
    let idl = r"
@0xd1a3c5e7f9b82641;
struct Outer @0xd1a3c5e7f9b82642 {
  struct Outer @0xd1a3c5e7f9b82643 {
    struct Leaf @0xd1a3c5e7f9b82644 { a @0 :Int8; }
    own @0 :Leaf;
    far @1 : .Leaf;
    top @2 :List(.Outer);
  }
  struct OuterSegment @0xd1a3c5e7f9b82645 { b @0 :Int8; outer @1 :Outer; }
  inner @0 :Outer;
  leaf @1 :Leaf;
  deep @2 :List(Outer.Leaf);
  segment @3 :OuterSegment;
  metric @4 :Metric;
}
struct Leaf @0xd1a3c5e7f9b82646 { c @0 :Text; segment @1 :Outer.OuterSegment; }
enum Metric @0xd1a3c5e7f9b82647 { metre @0; }
";
    let Some(loaded) = compile::compile("scopes", idl) else { return };
    let (schema, id) = loaded.record_type("Outer").unwrap();
    assert_eq!((id, schema.structs().count()), (0xd1a3_c5e7_f9b8_2642, 5));
    let again = trip("scopes", &schema, &[("Outer", id)]).unwrap();
    assert_same(&schema, &again);
}

#[test]
fn names_that_collide_at_the_top_level_get_numbers() {
    // The scopes of two nested types are not part of the schema.
    let id = |n: u64| 1 << 63 | n;
    let mut schema = Schema::new();
    let leaf = |id| structure(id, "Leaf", 1, vec![FieldType::slot("a", 0, 0, Type::Int8)]);
    schema.insert_struct(leaf(id(1)));
    schema.insert_struct(leaf(id(2)));
    schema.insert_struct(structure(id(3), "Text", 1, vec![FieldType::slot("a", 0, 0, Type::Text)]));
    let fields = [id(1), id(2), id(3)];
    let fields = (0..).zip(fields).map(|(n, id)| FieldType::slot(&format!("f{n}"), n, 0, Type::Struct(id))).collect();
    schema.insert_struct(structure(id(4), "Leaf", 1, fields));
    let idl = schema.to_idl(&[RecordDeclaration { name: "Leaf", type_id: id(4), key: &["f0".to_owned()] }]).unwrap();
    for line in ["struct Leaf @0x8000000000000004 $key(\"f0\")", "struct Leaf2 @0x8000000000000001", "f2 @2 :Text2;"] {
        assert!(idl.contains(line), "{line} not in\n{idl}");
    }
    let Some(loaded) = compile::compile("collide", &idl) else { return };
    let (again, _) = loaded.record_type("Leaf").unwrap();
    assert_eq!(again.structs().map(|ty| ty.id).collect::<Vec<_>>(), [id(1), id(2), id(3), id(4)]);
}

#[test]
fn what_the_language_cannot_say_is_an_error_that_names_the_field() {
    let id = 1 << 63 | 1;
    let print = |change: &dyn Fn(&mut StructType)| {
        let mut ty = structure(id, "Movie", 0, vec![FieldType::slot("score", 0, 0, Type::Float32)]);
        change(&mut ty);
        let mut schema = Schema::new();
        schema.insert_struct(ty);
        schema.to_idl(&[RecordDeclaration { name: "Movie", type_id: id, key: &[] }]).map_err(|e| e.to_string())
    };
    assert!(print(&|_| {}).is_ok());
    let with_default = |ty: Type, default: DefaultValue| {
        move |out: &mut StructType| {
            out.fields[0].kind = FieldKind::Slot { offset: 0, ty: ty.clone(), default: default.clone() };
            out.lay_out().unwrap();
        }
    };
    let nan = print(&with_default(Type::Float32, DefaultValue::Bits(0xffc0_0000))).unwrap_err();
    assert!(nan.contains("Movie.score") && nan.contains("NaN"), "{nan}");
    let short: std::sync::Arc<[u8]> = vec![1, 0, 0, 0, 250, 0, 0, 0].into();
    let cut = print(&with_default(Type::Text, DefaultValue::Pointer(short))).unwrap_err();
    assert!(cut.contains("corrupt") && cut.contains("Movie.score"), "{cut}");
    let empty_structs: Vec<u8> = [1_u64 | 7 << 32, 0x1fff_ffff << 2].into_iter().flat_map(u64::to_le_bytes).collect();
    let many = Type::List(Box::new(Type::Struct(id)));
    let many = print(&with_default(many, DefaultValue::Pointer(empty_structs.into()))).unwrap_err();
    assert!(many.contains("too large: Movie.score"), "{many}");
    assert!(print(&|ty| ty.fields[0].name = "a @0 :Text; b".to_owned()).is_err());
    assert!(print(&|ty| ty.data_words = 2).unwrap_err().contains("size"));
    assert!(
        print(&|ty| ty.fields[0].kind = FieldKind::Slot { offset: 1, ty: Type::Float32, default: DefaultValue::Zero })
            .is_err()
    );
    assert!(print(&|ty| ty.fields[0].kind = FieldKind::Group(id)).is_err());
}

#[test]
fn the_stock_tool_converts_a_segment_by_original_names() {
    let id = 1 << 63 | 1;
    let names = ["installed_size_kib", "größe \"q\" \\ \n\u{1}", "ok"];
    let mut taken = BTreeSet::new();
    let mut fields = Vec::new();
    for (n, json) in (0..).zip(names) {
        let name = unique_name(&taken, &to_camel_case(json));
        let mut field = FieldType::slot(&name, n, 0, Type::Int32);
        field.json_name = (json != name).then(|| json.to_owned());
        taken.insert(name);
        fields.push(field);
    }
    let mut schema = Schema::new();
    schema.insert_struct(structure(id, "Package", 0, fields));
    let idl = schema.to_idl(&[RecordDeclaration { name: "Package", type_id: id, key: &[] }]).unwrap();
    if compile::compile("convert", &idl).is_none() {
        return;
    }
    let path = compile::write_file("convert", &idl);
    let convert = |direction: &str, input: &[u8]| {
        let mut tool = Command::new("capnp")
            .args(["convert", direction])
            .arg(&path)
            .arg("PackageSegment")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        tool.stdin.take().unwrap().write_all(input).unwrap();
        tool.wait_with_output().unwrap().stdout
    };
    let rows: Vec<_> = [1, 2].map(|n| names.iter().map(|name| ((*name).to_owned(), n.into())).collect()).into();
    let json = serde_json::json!({ "rows": rows.into_iter().map(serde_json::Value::Object).collect::<Vec<_>>() });
    let binary = convert("json:binary", json.to_string().as_bytes());
    assert!(!binary.is_empty());
    let again: serde_json::Value = serde_json::from_slice(&convert("binary:json", &binary)).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(json, again);
}
