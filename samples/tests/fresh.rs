//! The committed request is what the `.capnp` files give today.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_macros, reason = "tests may measure and print")]

use std::fs;

use kapok_build::{Compiler, Error};

#[test]
fn the_committed_request_generates_what_the_files_do() {
    let generated = tempfile::tempdir().unwrap();
    let compiler = Compiler::new().crate_root("::kapok_schemas").out_dir(generated.path());
    match compiler.file("kinds.capnp").file("movies.capnp").run() {
        Err(Error::MissingTool { .. }) => return eprintln!("skipped: the capnp tool is not installed"),
        done => done.unwrap(),
    }
    for name in ["kinds_capnp.rs", "movies_capnp.rs"] {
        // The header names the version of the tool.
        let code = |folder: &std::path::Path| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            text.lines().filter(|line| !line.starts_with("//")).map(str::to_owned).collect::<Vec<_>>()
        };
        let committed = code(env!("OUT_DIR").as_ref());
        assert!(committed == code(generated.path()), "{name}: make samples.cgr anew, as src/lib.rs says");
    }
}
