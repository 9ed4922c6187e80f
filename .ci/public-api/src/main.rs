//! Compares the public items of crates with the files that list them: `kapok-public-api FOLDER check|write JSON...`
//!
//! Each JSON file is what rustdoc tells of a crate. Its items stand in `FOLDER/CRATE.txt`, one a line, in order.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use serde_json::Value;

/// Version of rustdoc's JSON that `public-api` reads.
const FORMAT_VERSION: u64 = 57;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, verb, files @ ..] = arguments.as_slice() else {
        return Err("usage: kapok-public-api FOLDER check|write JSON...".into());
    };
    let mut is_same = true;
    for file in files {
        let text = fs::read_to_string(file)?;
        let version = serde_json::from_str::<Value>(&text)?["format_version"].as_u64();
        if version != Some(FORMAT_VERSION) {
            println!(
                "SKIPPED: rustdoc of this toolchain writes format {version:?}, this program reads {FORMAT_VERSION}"
            );
            return Ok(ExitCode::SUCCESS);
        }
        let name = Path::new(file).file_stem().and_then(|stem| stem.to_str()).ok_or("a file without a name")?;
        let snapshot = Path::new(folder).join(format!("{name}.txt"));
        let items = items(file)?;
        if verb == "write" {
            fs::create_dir_all(folder)?;
            fs::write(&snapshot, items)?;
        } else {
            is_same &= compare(&snapshot, &items);
        }
    }
    if is_same {
        return Ok(ExitCode::SUCCESS);
    }
    println!("if that is meant: .ci/public-api/run write, and tell it in CHANGELOG.md");
    Ok(ExitCode::FAILURE)
}

/// The public items of a crate, without the implementations that every type has and those that are derived.
fn items(file: &str) -> Result<String, Box<dyn Error>> {
    let api = public_api::Builder::from_rustdoc_json(file)
        .omit_auto_derived_impls(true)
        .omit_auto_trait_impls(true)
        .omit_blanket_impls(true)
        .build()?;
    Ok(api.items().map(|item| format!("{item}\n")).collect())
}

/// Prints the lines that only one of the two has. Returns whether the two are the same.
fn compare(snapshot: &Path, items: &str) -> bool {
    let known = fs::read_to_string(snapshot).unwrap_or_default();
    if known == items {
        return true;
    }
    println!("{}:", snapshot.display());
    for (sign, one, other) in [('-', known.as_str(), items), ('+', items, known.as_str())] {
        let other: HashSet<&str> = other.lines().collect();
        one.lines().filter(|line| !other.contains(line)).for_each(|line| println!("{sign} {line}"));
    }
    false
}
