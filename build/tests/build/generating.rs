//! What is written, and what it refers to.

use crate::workshop::{HUT, Workshop};

const REQUEST: &[u8] = include_bytes!("../outside/schemas/hut.cgr");

/// Paths in code that begin with `::` and are not the standard library's.
fn crates(code: &str) -> Vec<&str> {
    let mut crates: Vec<_> = code
        .match_indices("::")
        .filter(|(at, _)| !code[..*at].ends_with(|before: char| before.is_alphanumeric() || "_>".contains(before)))
        .map(|(at, _)| code[at + 2..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .filter(|name| *name != "core")
        .collect();
    crates.sort_unstable();
    crates.dedup();
    crates
}

#[test]
fn generated_code_refers_to_kapok_alone() {
    let workshop = Workshop::new();
    let hut = workshop.write("schemas/hut.capnp", HUT);
    if !Workshop::runs(&workshop.compiler().file(hut)) {
        return;
    }
    let code = workshop.generated("hut_capnp.rs");
    assert_eq!(crates(&code), ["kapok"]);
    assert!(code.contains("::kapok::kapok_capnp::vector_space::Owned"), "the annotation's type");
    assert!(code.contains("::kapok::kapok_capnp::Metric"), "a field's type");
    assert!(code.contains("crate::hut_capnp::hut::"), "types of the file itself");
}

#[test]
fn a_request_needs_no_tool_and_gives_the_same_code() {
    let workshop = Workshop::new();
    let request = workshop.write("hut.cgr", REQUEST);
    workshop.compiler().tool("no-such-tool").request(request).run().unwrap();
    let by_request = workshop.generated("hut_capnp.rs");
    let hut = workshop.write("hut.capnp", HUT);
    if Workshop::runs(&workshop.compiler().file(hut)) {
        let without_header = |code: &str| code.lines().skip_while(|line| line.starts_with("//")).collect::<String>();
        let by_file = workshop.generated("hut_capnp.rs");
        assert!(without_header(&by_request) == without_header(&by_file), "make hut.cgr anew, as outside.rs says");
    }
}

#[test]
fn root_and_module_are_the_callers() {
    let workshop = Workshop::new();
    let request = workshop.write("hut.cgr", REQUEST);
    let compiler = workshop.compiler().request(request).crate_root("::data::kapok").parent_module("schemas::generated");
    compiler.run().unwrap();
    let code = workshop.generated("hut_capnp.rs");
    assert_eq!(crates(&code), ["data"]);
    assert!(code.contains("::data::kapok::capnp::") && code.contains("::data::kapok::kapok_capnp::vector_space"));
    assert!(code.contains("crate::schemas::generated::hut_capnp::hut::"));
}

#[test]
fn files_of_several_folders_import_each_other_and_lie_flat() {
    let workshop = Workshop::new();
    let hut = workshop.write(
        "schemas/hut.capnp",
        r#"@0xb1f4c2d3e5a69701;
        using Place = import "parts/place.capnp".Place;
        using Warden = import "/people/ward-en.capnp".Warden;
        struct Hut { place @0 :Place; warden @1 :Warden; }"#,
    );
    let place = workshop.write("schemas/parts/place.capnp", "@0xb1f4c2d3e5a69702; struct Place { lat @0 :Float64; }");
    let warden = workshop.write("shared/people/ward-en.capnp", "@0xb1f4c2d3e5a69703; struct Warden { name @0 :Text; }");
    let compiler = workshop.compiler().file(hut).file(place).file(warden).import_path(workshop.path("shared"));
    if !Workshop::runs(&compiler) {
        return;
    }
    let code = workshop.generated("hut_capnp.rs");
    assert!(code.contains("crate::place_capnp::place::") && code.contains("crate::ward_en_capnp::warden::"));
    assert!(workshop.generated("place_capnp.rs").contains("pub mod place"));
    assert!(workshop.generated("ward_en_capnp.rs").contains("pub mod warden"));
    assert!(code.contains("// source: hut.capnp\n"), "no folder of this machine");
}

#[test]
fn a_copy_of_the_annotations_is_taken_for_kapoks_own() {
    let workshop = Workshop::new();
    let copy = workshop.write("schemas/annotations.capnp", kapok_schemas::KAPOK_CAPNP);
    let hut = workshop.write("schemas/hut.capnp", HUT.replace("/kapok.capnp", "annotations.capnp"));
    if !Workshop::runs(&workshop.compiler().file(hut).file(copy)) {
        return;
    }
    assert!(workshop.generated("hut_capnp.rs").contains("::kapok::kapok_capnp::vector_space::Owned"));
    assert!(!workshop.path("out/annotations_capnp.rs").exists());
}

#[test]
fn schemas_of_schemas_are_those_of_capnp() {
    let workshop = Workshop::new();
    let text = r#"@0xb1f4c2d3e5a69704; struct Shape { node @0 :import "/capnp/schema.capnp".Node; }"#;
    let shape = workshop.write("shape.capnp", text);
    match workshop.compiler().file(shape).run() {
        Ok(()) => assert!(workshop.generated("shape_capnp.rs").contains("::kapok::capnp::schema_capnp::node::")),
        Err(error) => eprintln!("skipped: {error}"),
    }
}
