//! Writes `src/generated/` anew from a `CodeGeneratorRequest`, by default the committed `schemas.cgr`:
//!
//! ```text
//! cargo run -p kapok-schemas-generate -- [REQUEST.cgr [OUTPUT_DIRECTORY]]
//! ```
//!
//! After a change of a `.capnp` file, make the request first:
//! `cd schemas && capnp compile -o- --src-prefix=. *.capnp > schemas.cgr`.

use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let request = arguments.next().unwrap_or_else(|| home.join("schemas.cgr"));
    let output = arguments.next().unwrap_or_else(|| home.join("src/generated"));
    std::fs::create_dir_all(&output)?;
    // The types of /capnp/schema.capnp are those that the capnp crate ships.
    let provided = [(0xa93f_c509_624c_72d9, "capnp".to_owned())];
    capnpc::codegen::CodeGenerationCommand::new()
        .output_directory(&output)
        .default_parent_module(vec!["generated".to_owned()])
        .crates_provide_map(provided.into_iter().collect())
        .run(std::fs::File::open(&request)?)?;
    Ok(())
}
