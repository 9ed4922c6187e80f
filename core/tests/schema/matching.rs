//! Which generated types may read which datasets.

use crate::compile;
use kapok_core::ErrorKind;
use kapok_core::schema::Schema;
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::{movie, rating};

/// Two revisions of `Movie`, with type ids of their own, and names of their own in the second.
fn revisions(test: &str, old: &str, new: &str) -> Option<[(Schema, u64); 2]> {
    let file = |id: u64, name: &str, body: &str| {
        let idl = format!(
            "@{:#x};\nstruct {name} @{:#x} {{\n{body}\n}}\n",
            0xd1a3_c5e7_f9b8_0000 + id,
            0xd1a3_c5e7_f9b8_0001 + id
        );
        compile::compile(test, &idl).map(|loaded| loaded.record_type(name).unwrap())
    };
    Some([file(0, "Movie", old)?, file(16, "Film", new)?])
}

#[test]
fn either_side_may_know_more() {
    for (dataset, program) in [
        ("id @0 :UInt32; title @1 :Text;", "number @0 :UInt32; name @1 :Text;"),
        ("id @0 :UInt32;", "id @0 :UInt32; title @1 :Text; year @2 :UInt16; far @3 :Film;"),
        ("colour @0 :C; enum C { red @0; }", "colour @0 :D; enum D { rouge @0; vert @1; }"),
        ("union { a @0 :Int8; b @1 :Text; }", "union { x @0 :Int8; y @1 :Text; z @2 :Int64; } w @3 :Bool;"),
        ("id @0 :Int8; union { a @1 :Int8; b @2 :Text; }", "id @0 :Int8;"),
        ("lat @0 :Float32; lon @1 :Float32;", "place :group { lat @0 :Float32; lon @1 :Float32; }"),
        (
            "a @0 :Int8; union { b @1 :Int8; g :group { c @2 :Int16; } }",
            "a @0 :Int8; union { b @1 :Int8; g :group { c @2 :Int16; d @3 :Int32; e @5 :Text; } h @4 :Int8; } f @6 :Int8;",
        ),
        ("t @0 :T; struct T { kids @0 :List(T); }", "u @0 :U; struct U { kids @0 :List(U); more @1 :List(List(U)); }"),
        ("a @0 :Int32 = 7; t @1 :Text = \"x\";", "a @0 :Int32 = 7; t @1 :Text = \"x\";"),
    ] {
        let Some([(old, old_id), (new, new_id)]) = revisions("readable", dataset, program) else { return };
        old.check_readable_as(old_id, &new, new_id).unwrap();
        new.check_readable_as(new_id, &old, old_id).unwrap();
    }
}

#[test]
fn a_mismatch_names_the_field_and_both_sides() {
    let address = |zip: &str| format!("address @0 :A; struct A {{ street @0 :Text; zip @1 :{zip}; }}");
    let (int, text) = (address("UInt32"), address("Text"));
    for (dataset, program, expected) in [
        (int.as_str(), text.as_str(), ["Movie.address.zip", "type", "dataset=UInt32", "program=Text"]),
        ("id @0 :Int32;", "id @0 :UInt32;", ["Movie.id", "type", "dataset=Int32", "program=UInt32"]),
        ("a @0 :List(Int8);", "a @0 :List(Int16);", ["Movie.a", "type", "List(Int8)", "List(Int16)"]),
        ("a @0 :List(Text);", "a @0 :List(Data);", ["Movie.a", "type", "List(Text)", "List(Data)"]),
        ("a @0 :Text;", "a @0 :Data;", ["Movie.a", "type", "Text", "Data"]),
        ("a @0 :UInt16;", "a @0 :E; enum E { x @0; }", ["Movie.a", "type", "UInt16", "enum E"]),
        (
            "a @0 :List(S); struct S { x @0 :Int8; }",
            "a @0 :List(Int8);",
            ["Movie.a", "type", "List(struct S)", "List(Int8)"],
        ),
        ("a @0 :Int32;", "a @0 :Int32 = 1;", ["Movie.a", "default", "none", "bits 0x1"]),
        ("a @0 :Text = \"x\";", "a @0 :Text = \"y\";", ["Movie.a", "default", "dataset=", "program="]),
        ("g :group { a @0 :Int8; b @1 :Int8; }", "a @0 :Int8; b @1 :Bool;", ["Movie.g.b", "type", "Int8", "Bool"]),
        // One field that only one side has in a union, in both directions.
        ("a @0 :Int8;", "union { a @0 :Int8; b @1 :Int8; }", ["Movie.a", "union", "outside of unions", "member 0"]),
        ("union { a @0 :Int8; b @1 :Int8; }", "a @0 :Int8;", ["Movie.a", "union", "member 0", "outside of unions"]),
        (
            "u :union { a @0 :Int8; b @1 :Int8; } c @2 :Int16;",
            "c @2 :Int16; u @1! :union { a @0 :Int8; b @3 :Int8; }",
            ["Movie.u.b", "kind", "dataset=a value", "program=a union"],
        ),
        (
            "a @0 :Int64; b @1 :Int16; c @2 :Int8; d @3 :Int8;",
            "a @0 :Int64; u @1! :union { c @2 :Int8; d @3 :Int8; }",
            ["Movie.b", "kind", "dataset=a value", "program=a union"],
        ),
    ] {
        let Some([(old, old_id), (new, new_id)]) = revisions("mismatch", dataset, program) else { return };
        let error = old.check_readable_as(old_id, &new, new_id).expect_err(program);
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Incompatible, "{text}");
        for part in expected.into_iter().chain(["publish the record type anew"]) {
            assert!(text.contains(part), "{part} not in: {text}");
        }
    }
}

#[test]
fn a_field_that_lies_where_the_other_side_keeps_something_else_is_refused() {
    // What @1 is, the program does not know; its union's discriminant lies there.
    let dataset = "a @0 :Int64; b @1 :Int16;";
    let program = "a @0 :Int64; u @1! :union { c @2 :Int8; d @3 :Int8; }";
    let Some([(old, old_id), (mut new, new_id)]) = revisions("places", dataset, program) else { return };
    let mut ty = new.struct_type(new_id).unwrap().as_ref().clone();
    ty.fields.iter_mut().find(|field| field.name == "u").unwrap().ordinal = None;
    new.insert_struct(ty);
    for error in [old.check_readable_as(old_id, &new, new_id), new.check_readable_as(new_id, &old, old_id)] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains("place differs"), "{text}");
    }
}

#[test]
fn generated_types_read_what_their_own_schema_describes() {
    for (schema, id) in [
        Schema::of::<kinds::Owned>().unwrap(),
        Schema::of::<movie::Owned>().unwrap(),
        Schema::of::<rating::Owned>().unwrap(),
    ] {
        schema.check_readable_as(id, &schema, id).unwrap();
    }
    let (kinds, kinds_id) = Schema::of::<kinds::Owned>().unwrap();
    let (movie, movie_id) = Schema::of::<movie::Owned>().unwrap();
    let text = kinds.check_readable_as(kinds_id, &movie, movie_id).unwrap_err().to_string();
    assert!(text.contains("Kinds.id") && text.contains("Int64") && text.contains("UInt32"), "{text}");
}

#[test]
fn a_program_that_knows_a_dropped_field_does_not_read_what_came_in_its_place() {
    let (mut program, id) = Schema::of::<movie::Owned>().unwrap();
    let mut ty = (**program.struct_type(id).unwrap()).clone();
    ty.references = ["a: Edition(id, title)", "b: Edition(id)"].map(|text| text.parse().unwrap()).to_vec();
    program.insert_struct(ty);
    let without = program.without_field(id, &["id".to_owned()], "title").unwrap();
    assert_eq!(without.schema.struct_type(id).unwrap().references, ["b: Edition(id)".parse().unwrap()]);
    assert_eq!(without.json_path, ["title"]);
    let error = without.schema.check_readable_as(id, &program, id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("Movie.dropped1") && error.to_string().contains("program=Text"), "{error}");
    let grown = without.schema.evolve(&program, &[id], kapok_core::schema::OlderSchema::KeepNewer);
    assert!(grown.is_err(), "the place of a dropped field is not given to another one");
}
