//! Each error says what to do next.

use kapok_build::{Compiler, Error};

use crate::workshop::{HUT, Workshop};

#[test]
fn a_missing_file_is_named() {
    let workshop = Workshop::new();
    for compiler in [workshop.compiler().file("no/hut.capnp"), workshop.compiler().request("no/hut.capnp")] {
        let error = compiler.run().unwrap_err();
        assert!(matches!(error, Error::MissingFile { .. }));
        let text = format!("{error:?}");
        assert!(text.contains("no/hut.capnp") && text.contains("relative to the package"), "{text}");
    }
}

#[test]
fn a_missing_tool_is_named_with_both_ways_out() {
    let workshop = Workshop::new();
    let hut = workshop.write("hut.capnp", HUT);
    let error = workshop.compiler().tool("no-such-tool").file(hut).run().unwrap_err();
    assert!(matches!(error, Error::MissingTool { .. }));
    let text = error.to_string();
    assert!(["no-such-tool", "capnproto", "compile_request"].iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn what_the_tool_says_is_in_the_error() {
    let workshop = Workshop::new();
    let hut = workshop.write("hut.capnp", HUT.replace(":Text", ":Txt"));
    match workshop.compiler().file(hut).run().unwrap_err() {
        Error::MissingTool { .. } => eprintln!("skipped: the capnp tool is not installed"),
        error => {
            let text = format!("{error:?}");
            assert!(text.contains("hut.capnp:") && text.contains("Txt"), "{text}");
            assert!(text.lines().count() > 1 || !text.contains("\\n"), "line breaks are line breaks: {text}");
        }
    }
}

#[test]
fn a_relative_import_of_the_annotations_gets_a_hint() {
    let workshop = Workshop::new();
    let hut = workshop.write("hut.capnp", HUT.replace("/kapok.capnp", "kapok.capnp"));
    match workshop.compiler().file(hut).run().unwrap_err() {
        Error::MissingTool { .. } => eprintln!("skipped: the capnp tool is not installed"),
        error => assert!(error.to_string().contains("import \"/kapok.capnp\""), "{error}"),
    }
}

#[test]
fn broken_requests_are_refused() {
    let workshop = Workshop::new();
    let request = include_bytes!("../outside/schemas/hut.cgr");
    let broken = [&[][..], &[0; 16], b"struct Hut {}", &request[..request.len() - 8]];
    for bytes in broken {
        let error = workshop.compiler().request(workshop.write("hut.cgr", bytes)).run().unwrap_err();
        assert!(matches!(error, Error::Request { .. }), "{error}");
        assert!(error.to_string().contains("capnp compile -o-"), "{error}");
    }
}

#[test]
fn two_files_of_one_name_are_refused() {
    let workshop = Workshop::new();
    let request = include_bytes!("../outside/schemas/hut.cgr");
    let (one, two) = (workshop.write("one/hut.cgr", request), workshop.write("two/hut.cgr", request));
    let error = workshop.compiler().request(one).request(two).run().unwrap_err();
    assert!(error.to_string().contains("hut_capnp"), "{error}");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let workshop = Workshop::new();
    assert!(matches!(workshop.compiler().run(), Err(Error::NoFiles)));
    for root in ["crate::kapok", "self", "::super::kapok", "", "::"] {
        let error = workshop.compiler().file("hut.capnp").crate_root(root).run().unwrap_err();
        assert!(matches!(error, Error::CrateRoot { .. }), "{root}: {error}");
    }
    if std::env::var_os("OUT_DIR").is_none() {
        assert!(matches!(Compiler::new().file("hut.capnp").run(), Err(Error::NoOutDir)));
    }
}
