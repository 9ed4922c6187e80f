//! Which changes of a schema a dataset accepts.

use crate::compile;
use kapok_core::schema::{FieldKind, FieldType, OlderSchema, Schema, StructType, Type};
use kapok_core::{ErrorKind, Fault};

/// Ids of the types that the tables use.
const HEAD: &str = "@0xd1a3c5e7f9b80000;
annotation key @0xf7291de39313eea8 (struct) :Text;
annotation reference @0xd35a7e9c41b80f26 (field) :Text;
annotation references @0xb8c1f02d6e3a9f47 (struct) :List(Text);
annotation vector @0xccebdc6615962e09 (field) :VectorSpace;
annotation nullOf @0xdf34b6c854d9fcf2 (field) :Text;
annotation map @0xfb88118952f87590 (field) :Void;
annotation json @0xa31e1ce466686a85 (field) :Void;
annotation name @0xfa5b1fd61c2e7c3d (field, enumerant, group, union) :Text;
enum Metric @0x99773155b6c746d6 { unspecified @0; l2 @1; cosine @2; innerProduct @3; hamming @4; }
enum VectorElement @0xe0c7a94d5b3f2816 { asType @0; float16 @1; bfloat16 @2; bit @3; }
struct VectorSpace @0xec355c8530cf18e2 { dimension @0 :UInt32; metric @1 :Metric; element @2 :VectorElement; }
";
const MOVIE: u64 = 0xd1a3_c5e7_f9b8_0001;

/// `$M`, `$A`, `$B` and `$E` stand for ids.
fn schema(body: &str) -> Option<Schema> {
    let mut idl = format!("{HEAD}{body}");
    for (letter, n) in [("$M", 1), ("$A", 2), ("$B", 3), ("$E", 4)] {
        idl = idl.replace(&format!("{letter} "), &format!("@{:#x} ", 0xd1a3_c5e7_f9b8_0000_u64 + n));
    }
    let loaded = compile::compile("evolve", &idl)?;
    let name = if idl.contains("struct Film") { "Film" } else { "Movie" };
    let (schema, id) = loaded.record_type(name).unwrap();
    assert_eq!(id, MOVIE);
    Some(schema)
}

fn movie(body: &str) -> String {
    format!("struct Movie $M $key(\"id\") {{ id @0 :UInt32; {body} }}")
}

#[test]
fn appending_and_renaming_are_accepted() {
    for (old, new) in [
        (movie(""), movie("title @1 :Text; year @2 :UInt16; a @3 :A; struct A $A { x @0 :Movie; }")),
        (movie("e @1 :E; enum E $E { a @0; }"), movie("e @1 :E; enum E $E { a @0; b @1; }")),
        (movie("union { a @1 :Int8; b @2 :Int8; }"), movie("union { a @1 :Int8; b @2 :Int8; c @3 :Text; }")),
        (movie(""), movie("union { a @1 :Int8; b @2 :Int8; }")),
        (
            movie("g :group { a @1 :Int8; }"),
            movie("h :group { b @1 :Int8; c @2 :Text; } u :union { d @3 :Int8; e @4 :Int8; }"),
        ),
        (
            movie("a @1 :A; struct A $A { x @0 :Int8; }"),
            movie("b @1 :List; y @2 :Bool; struct List $A { z @0 :Int8; w @1 :Int64; }"),
        ),
        (
            movie("t @1 :Text;"),
            "struct Film $M $key(\"number\") { number @0 :UInt32; name @1 :Text $name(\"n\"); }".to_owned(),
        ),
        (movie("v @1 :Data $vector(metric = l2);"), movie("v @1 :Data $vector((dimension = 8, metric = l2));")),
        (movie("v @1 :Data $vector((dimension = 8));"), movie("v @1 :Data $vector((dimension = 8, metric = l2));")),
        (
            movie("v @1 :Data $vector((dimension = 8, element = bit));"),
            movie("v @1 :Data $vector((dimension = 8, metric = hamming, element = bit));"),
        ),
        (movie("n @1 :Int8; nIsNull @2 :Bool $nullOf(\"n\");"), movie("m @1 :Int8; mIsNull @2 :Bool $nullOf(\"m\");")),
        (movie("n @1 :Int8;"), movie("n @1 :Int8; nIsNull @2 :Bool $nullOf(\"n\");")),
        (movie("n @1 :Int8;"), movie("m @1 :Int8 $reference(\"Film\");")),
        (movie("n @1 :Int8 $reference(\"Film\");"), movie("n @1 :Int8 $reference(\"Person\");")),
    ] {
        let (Some(dataset), Some(next)) = (schema(&old), schema(&new)) else { return };
        assert_eq!(dataset.evolve(&next, &[MOVIE], OlderSchema::Refuse).unwrap(), next, "{new}");
        assert_eq!(dataset.evolve(&dataset, &[MOVIE], OlderSchema::Refuse).unwrap(), dataset);
        // Both revisions of code read the result.
        next.check_readable_as(MOVIE, &dataset, MOVIE).unwrap();
        dataset.check_readable_as(MOVIE, &next, MOVIE).unwrap();
    }
}

#[test]
fn references_stay_until_others_are_declared() {
    let record = |notes: &str, body: &str| format!("struct Movie $M $key(\"id\") {notes} {{ id @0 :UInt32; {body} }}");
    let old = record("$references([\"edition: Edition(id, g.n)\"])", "g :group { n @1 :Int8 $reference(\"Film\"); }");
    let renamed = record("", "group :group { number @1 :Int8; } more @2 :Text;");
    let other = record("$references([\"other: Edition(id)\"])", "g :group { n @1 :Int8 $reference(\"Person\"); }");
    let (Some(old), Some(renamed), Some(other)) = (schema(&old), schema(&renamed), schema(&other)) else { return };
    let references = |schema: &Schema| {
        let ty = schema.struct_type(MOVIE).unwrap();
        let FieldKind::Group(group) = ty.fields.iter().find(|field| field.name.starts_with('g')).unwrap().kind else {
            panic!("no group")
        };
        let texts = ty.references.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        (texts, schema.struct_type(group).unwrap().fields[0].reference.clone().unwrap())
    };
    let pair = |text: &str, target: &str| (text.to_owned(), target.to_owned());
    // The names of fields follow renames.
    let kept = old.evolve(&renamed, &[MOVIE], OlderSchema::Refuse).unwrap();
    assert_eq!(references(&kept), pair("edition: Edition(id, group.number)", "Film"));
    assert_eq!(
        references(&old.evolve(&other, &[MOVIE], OlderSchema::Refuse).unwrap()),
        pair("other: Edition(id)", "Person")
    );
    // An older program takes none away, and adds those that it alone declares.
    let kept = kept.evolve(&old, &[MOVIE], OlderSchema::KeepNewer).unwrap();
    assert_eq!(references(&kept), pair("edition: Edition(id, group.number)", "Film"));
    let added = renamed.evolve(&old, &[MOVIE], OlderSchema::KeepNewer).unwrap();
    assert_eq!(references(&added), pair("edition: Edition(id, group.number)", "Film"));
}

#[test]
fn other_changes_are_refused_with_field_old_and_new() {
    let zip = |ty: &str| movie(&format!("address @1 :A; struct A $A {{ street @0 :Text; zip @1 :{ty}; }}"));
    let vector = |note: &str| movie(&format!("v @1 :Data {note};"));
    for (old, new, expected) in [
        (zip("UInt32"), zip("Text"), ["Movie.address.zip", "type", "old=UInt32", "new=Text"]),
        (movie("a @1 :Int8;"), movie("a @1 :Int8 = 1;"), ["Movie.a", "default", "old=none", "new=bits 0x1"]),
        (movie("a @1 :List(Int8);"), movie("a @1 :List(Bool);"), ["Movie.a", "type", "List(Int8)", "List(Bool)"]),
        (movie("a @1 :Int8;"), movie("union { a @1 :Int8; b @2 :Int8; }"), ["Movie.a", "union", "outside", "member 0"]),
        (movie("a @1 :Int8;"), movie("g :group { a @1 :Int8; }"), ["Movie.a", "group", "old=a", "new=g.a"]),
        (
            movie("a @1 :A; struct A $A { x @0 :Int8; }"),
            movie("a @1 :A; struct A $B { x @0 :Int8; }"),
            ["Movie.a", "type id", "struct A @0xd1a3c5e7f9b80002", "struct A @0xd1a3c5e7f9b80003"],
        ),
        (
            movie("a @1 :A; struct A $A { x @0 :Int8; }"),
            movie("a @1 :Text; b @2 :A; enum A $A { x @0; }"),
            ["Movie.a", "type", "old=struct A", "new=Text"],
        ),
        (
            vector("$vector((dimension = 4))"),
            vector("$vector((dimension = 5))"),
            ["Movie.v", "vector", "dimension 4", "dimension 5"],
        ),
        (
            vector("$vector(metric = l2)"),
            vector("$vector(metric = cosine)"),
            ["Movie.v", "vector", "metric l2", "metric cosine"],
        ),
        (
            vector("$vector(element = asType)"),
            vector("$vector(element = bit)"),
            ["Movie.v", "vector", "element asType", "element bit"],
        ),
        (vector(""), vector("$vector((dimension = 5))"), ["Movie.v", "vector", "not a vector", "dimension 5"]),
        (
            movie("m @1 :List(A); struct A $A { key @0 :Text; value @1 :Int8; }"),
            movie("m @1 :List(A) $map; struct A $A { key @0 :Text; value @1 :Int8; }"),
            ["Movie.m", "kind", "old=a list", "new=a map"],
        ),
        (movie("a @1 :Text;"), movie("a @1 :Text $json;"), ["Movie.a", "kind", "old=a text", "new=JSON"]),
        (movie("a @1 :Text $json;"), movie("a @1 :Text;"), ["Movie.a", "kind", "old=JSON", "new=a text"]),
        (
            movie("a @1 :Int8; b @2 :Int8; n @3 :Bool $nullOf(\"a\");"),
            movie("a @1 :Int8; b @2 :Int8; n @3 :Bool $nullOf(\"b\");"),
            ["Movie.n", "null of", "old=a", "new=b"],
        ),
        (
            movie("code @1 :Text;"),
            movie("code @1 :Text;").replace("\"id\"", "\"id,code\""),
            ["Movie", "key", "old=id", "new=id,code"],
        ),
    ] {
        let (Some(dataset), Some(next)) = (schema(&old), schema(&new)) else { return };
        let error = dataset.evolve(&next, &[MOVIE], OlderSchema::KeepNewer).expect_err(&new);
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Incompatible, "{text}");
        assert!(matches!(error.fault(), Fault::SchemaChange { .. }), "{text}");
        for part in expected.into_iter().chain(["publish the record type anew"]) {
            assert!(text.contains(part), "{part} not in: {text}");
        }
    }
}

#[test]
fn an_older_schema_is_refused_unless_newer_fields_are_to_be_kept() {
    for (dataset, older) in [
        (movie("title @1 :Text; year @2 :UInt16;"), movie("name @1 :Text;")),
        (movie("union { a @1 :Int8; b @2 :Int8; c @3 :Int8; }"), movie("union { a @1 :Int8; b @2 :Int8; }")),
        (movie("e @1 :E; enum E $E { a @0; b @1; }"), movie("e @1 :E; enum E $E { a @0; }")),
        (movie("a @1 :A; struct A $A { x @0 :Int8; y @1 :Movie; }"), movie("a @1 :A; struct A $A { x @0 :Int8; }")),
    ] {
        let (Some(dataset), Some(older)) = (schema(&dataset), schema(&older)) else { return };
        let text = dataset.evolve(&older, &[MOVIE], OlderSchema::Refuse).unwrap_err().to_string();
        assert!(text.contains("older than the dataset's"), "{text}");
        assert_eq!(dataset.evolve(&older, &[MOVIE], OlderSchema::KeepNewer).unwrap(), dataset);
    }
}

#[test]
fn one_type_may_be_newer_where_another_is_older() {
    let old = movie("a @1 :A; b @2 :B; struct A $A { x @0 :Int8; } struct B $B { x @0 :Int8; y @1 :Int8; }");
    let next = movie("a @1 :A; b @2 :B; struct A $A { x @0 :Int8; z @1 :Int8; } struct B $B { x @0 :Int8; }");
    let both =
        movie("a @1 :A; b @2 :B; struct A $A { x @0 :Int8; z @1 :Int8; } struct B $B { x @0 :Int8; y @1 :Int8; }");
    let (Some(old), Some(next), Some(both)) = (schema(&old), schema(&next), schema(&both)) else { return };
    assert_eq!(old.evolve(&next, &[MOVIE], OlderSchema::KeepNewer).unwrap(), both);
}

#[test]
fn a_known_dimension_stays_and_untouched_types_stay() {
    let four = movie("v @1 :Data $vector((dimension = 4, metric = l2)); a @2 :A; struct A $A { x @0 :Int8; }");
    let open = movie("w @1 :Data $vector(metric = l2);");
    let (Some(four), Some(open)) = (schema(&four), schema(&open)) else { return };
    let merged = four.evolve(&open, &[MOVIE], OlderSchema::KeepNewer).unwrap();
    assert_eq!(merged, four);
    let next = open.evolve(&four, &[MOVIE], OlderSchema::Refuse).unwrap();
    assert_eq!(next, four);
    assert_eq!(four.evolve(&Schema::new(), &[], OlderSchema::Refuse).unwrap(), four);
    assert_eq!(Schema::new().evolve(&four, &[MOVIE], OlderSchema::Refuse).unwrap(), four);
    let wider = movie("w @1 :Data $vector(metric = l2); a @2 :A; b @3 :Bool; struct A $A { x @0 :Int8; }");
    let wider = four.evolve(&schema(&wider).unwrap(), &[MOVIE], OlderSchema::Refuse).unwrap();
    let field = wider.struct_type(MOVIE).unwrap().field("w").unwrap().vector.unwrap();
    assert_eq!(field.dimension, 4);
}

/// A record of `id @0` and two groups, one in the other, with `number @1` in the inner one, which is the key. Names end
/// in `suffix`.
fn nested(suffix: &str) -> Schema {
    let name = |name: &str| format!("{name}{suffix}");
    let ty = |id: u64, scope: u64, fields: Vec<FieldType>| StructType {
        scope,
        data_words: 1,
        is_group: scope != 0,
        key: if scope == 0 {
            vec![name("id"), [name("outer"), name("inner"), name("number")].join(".")]
        } else {
            vec![]
        },
        ..StructType::new(id, name("Nested"), fields)
    };
    let group = |of: &str, id: u64| FieldType {
        kind: FieldKind::Group(id),
        ordinal: None,
        ..FieldType::slot(&name(of), 0, 0, Type::Void)
    };
    let mut schema = Schema::default();
    schema.insert_struct(ty(1, 0, vec![FieldType::slot(&name("id"), 0, 0, Type::UInt32), group("outer", 2)]));
    schema.insert_struct(ty(2, 1, vec![group("inner", 3)]));
    schema.insert_struct(ty(3, 2, vec![FieldType::slot(&name("number"), 1, 1, Type::UInt32)]));
    schema
}

#[test]
fn a_key_field_in_nested_groups_is_found_under_the_new_names_of_all_of_them() {
    let (old, new) = (nested(""), nested("New"));
    let key = |schema: &Schema| schema.struct_type(1).unwrap().key.clone();
    assert_eq!(old.translate_key(1, &key(&old), &new).unwrap(), ["idNew", "outerNew.innerNew.numberNew"]);
    assert_eq!(new.translate_key(1, &key(&new), &old).unwrap(), key(&old));
    // Where both revisions are annotated, and where only the older one is.
    assert_eq!(old.evolve(&new, &[1], OlderSchema::Refuse).unwrap(), new);
    let mut plain = new.clone();
    plain.insert_struct(StructType { key: Vec::new(), ..(**new.struct_type(1).unwrap()).clone() });
    assert_eq!(old.evolve(&plain, &[1], OlderSchema::Refuse).unwrap(), new);
}
