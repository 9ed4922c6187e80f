//! Writes the tables of README.md and the chart beside this crate from what the other benchmarks measured last.
//!
//! It runs last if all benchmarks are run. Figures of fewer than a million films are for trying out: nothing is written.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

mod chart;
mod indexes;
mod publishing;
mod reading;
mod table;
mod vectors;
mod versions;

use std::fs;
use std::path::Path;

use kapok_benches::results::Results;

const FILMS: usize = 1_000_000;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = folder.join("../README.md");
    let mut text = fs::read_to_string(&readme).unwrap();
    if let Some([reading, publishing, versions]) = results(["reading", "publishing", "versions"]) {
        let tables = [reading::table(&reading), publishing::table(&publishing), versions::table(&versions)];
        text = with_section(&text, "bench", &tables.join("\n"));
        fs::write(folder.join("reading.svg"), chart::draw(&reading)).unwrap();
        println!("wrote benches/reading.svg");
    }
    if let Some([indexes]) = results(["indexes"]) {
        text = with_section(&text, "indexes", &indexes::table(&indexes));
    }
    match Results::read("vectors") {
        Ok(results) => text = with_section(&text, "vectors", &vectors::table(&results)),
        Err(_) => {
            println!("README.md keeps its table of vectors: run `cargo bench -p kapok-benches --bench vectors` first");
        }
    }
    fs::write(&readme, text).unwrap();
}

/// Returns what some programs measured last; `None` if one of them did not run, or on fewer films.
fn results<const N: usize>(programs: [&str; N]) -> Option<[Results; N]> {
    let read = |program: &str| match Results::read(program) {
        Ok(results) if results.rows == FILMS => Some(results),
        Ok(results) => {
            println!("README.md keeps its tables: {program} was measured with {} films", results.rows);
            None
        }
        Err(_) => {
            println!("README.md keeps its tables: run `cargo bench -p kapok-benches --bench {program}` first");
            None
        }
    };
    programs.iter().map(|program| read(program)).collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// Puts tables between the marks of a section.
fn with_section(text: &str, name: &str, tables: &str) -> String {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    println!("wrote the section {name} of README.md");
    format!("{before}{begin}{tables}{end}{after}")
}
