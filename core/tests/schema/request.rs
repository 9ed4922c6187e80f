//! Which types a compiled file offers as record types.

use crate::compile;
use kapok_core::ErrorKind;
use kapok_ingest::SchemaRequest;

const REQUEST: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/samples.cgr"));

const STORED_FILES: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/schemas.cgr"));

#[test]
fn an_unknown_name_is_answered_with_those_that_there_are() {
    let request = SchemaRequest::decode(REQUEST).unwrap();
    let error = request.record_type("Moive").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("Movie, ") && error.to_string().contains("Kinds"), "{error}");
}

#[test]
fn the_closure_of_a_record_type_holds_nothing_else() {
    let (schema, id) = SchemaRequest::decode(REQUEST).unwrap().record_type("Rating").unwrap();
    assert_eq!(schema.structs().map(|ty| ty.name.as_str()).collect::<Vec<_>>(), ["Rating"]);
    assert_eq!(schema.enums().map(|ty| ty.name.as_str()).collect::<Vec<_>>(), ["Source"]);
    assert_eq!(schema.struct_type(id).unwrap().key, ["movieId", "source"]);
}

#[test]
fn any_pointer_is_refused_only_where_a_record_type_reaches_it() {
    let request = SchemaRequest::decode(STORED_FILES).unwrap();
    request.record_type("Segment").unwrap();
    let text = request.record_type("Manifest").unwrap_err().to_string();
    assert!(text.contains("AnyPointer"), "{text}");
}

#[test]
fn broken_requests_are_refused() {
    assert!(SchemaRequest::decode(&[]).is_err());
    assert!(SchemaRequest::decode(&REQUEST[..REQUEST.len() - 8]).is_err());
    assert!(SchemaRequest::decode(&[REQUEST, &[0; 8]].concat()).is_err());
    assert!(SchemaRequest::decode(&[0; 16]).is_err());
    for at in 0..REQUEST.len() / 64 {
        let mut bytes = REQUEST.to_vec();
        bytes[at * 64 + at % 64] ^= 0x55;
        if let Ok(request) = SchemaRequest::decode(&bytes) {
            for name in request.struct_names() {
                _ = request.record_type(name);
            }
        }
    }
}

const MIXED: &str = "
@0xd1a3c5e7f9b82641;
struct Good { a @0 :Int8; union { b @1 :Text; g :group { c @2 :Other.Inner; } } }
struct Other { struct Inner { d @0 :Int8; } i @0 :Service; }
struct Third { struct Inner { e @0 :Int8; } b @0 :List(Box(Text)); }
struct Deep { good @0 :Good; third @1 :Third; }
struct Box(T) { value @0 :T; }
interface Service { call @0 (x :Int8) -> (y :Int8); }
struct Inner { top @0 :Int8; }
";

#[test]
fn generics_and_interfaces_elsewhere_do_not_matter() {
    let Some(loaded) = compile::compile("mixed", MIXED) else { return };
    assert_eq!(loaded.struct_names(), ["Deep", "Good", "Inner", "Other", "Other.Inner", "Third", "Third.Inner"]);
    loaded.record_type("Good").unwrap();
    let text = loaded.record_type("Other").unwrap_err().to_string();
    assert!(text.contains("Other.i") && text.contains("interface"), "{text}");
    let text = loaded.record_type("Deep").unwrap_err().to_string();
    assert!(text.contains("Deep.third.b") && text.contains("generic"), "{text}");
    assert_eq!(loaded.record_type("Box").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_ambiguous_name_is_an_error_and_a_whole_name_the_way_out() {
    let Some(loaded) = compile::compile("ambiguous", &MIXED.replace("struct Inner { top", "struct Top { top")) else {
        return;
    };
    let text = loaded.record_type("Inner").unwrap_err().to_string();
    assert!(text.contains("ambiguous") && text.contains("Other.Inner") && text.contains("Third.Inner"), "{text}");
    let (schema, id) = loaded.record_type("Third.Inner").unwrap();
    assert_eq!(schema.struct_type(id).unwrap().fields[0].name, "e");
    let Some(loaded) = compile::compile("ambiguous", MIXED) else { return };
    let (schema, id) = loaded.record_type("Inner").unwrap();
    assert_eq!(schema.struct_type(id).unwrap().fields[0].name, "top");
}

#[test]
fn what_the_compiler_says_is_in_the_error() {
    if compile::compile("says", "@0xd1a3c5e7f9b82641;").is_none() {
        return;
    }
    let path = compile::write_file("says", "@0xd1a3c5e7f9b82641; struct S { a @0 :Nope; }");
    let error = SchemaRequest::compile(&path, &[]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("Not defined: Nope"), "{error}");
    std::fs::remove_file(path).unwrap();
    let error = SchemaRequest::compile("no/such/file.capnp", &[]).err().unwrap();
    assert!(error.to_string().contains("no/such/file.capnp"), "{error}");
}

#[test]
fn imports_are_found_along_the_import_paths() {
    let part = compile::write_file(
        "part",
        "@0xd1a3c5e7f9b82641; struct Part @0xd1a3c5e7f9b82642 { a @0 :Int8; } struct Movie { x @0 :Text; }",
    );
    let import = format!("/{}", part.file_name().unwrap().display());
    let idl = format!("@0xd1a3c5e7f9b82643; using P = import \"{import}\"; struct Movie {{ part @0 :P.Part; }}");
    let path = compile::write_file("whole", &idl);
    let found = SchemaRequest::compile(&path, &[part.parent().unwrap().to_owned()]);
    if found.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
        return;
    }
    let loaded = found.unwrap();
    // The compiled file's type comes before the imported one of the same name.
    let (schema, _) = loaded.record_type("Movie").unwrap();
    assert_eq!(schema.get_struct(0xd1a3_c5e7_f9b8_2642).unwrap().name, "Part");
    assert_eq!(loaded.struct_names(), ["Movie"]);
    loaded.record_type("Part").unwrap();
    for path in [part, path] {
        std::fs::remove_file(path).unwrap();
    }
}
