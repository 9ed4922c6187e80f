//! Writes the tables of README.md and the chart beside this crate from what the other benchmarks measured last.
//!
//! It runs last if all benchmarks are run. Figures of fewer than a million films are for trying out: nothing is written.
#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

mod chart;
mod publishing;
mod reading;
mod table;
mod versions;

use std::fs;
use std::path::Path;

use kapok_benches::results::Results;

const BEGIN: &str = "<!-- bench:begin -->\n";
const END: &str = "<!-- bench:end -->";
const FILMS: usize = 1_000_000;

fn main() {
    let mut all = Vec::new();
    for program in ["reading", "publishing", "versions"] {
        let results = Results::read(program);
        let Ok(results) = results else {
            println!("README.md stays as it is: run `cargo bench -p kapok-benches --bench {program}` first");
            return;
        };
        if results.rows != FILMS {
            println!("README.md stays as it is: {program} was measured with {} films", results.rows);
            return;
        }
        all.push(results);
    }
    let [reading, publishing, versions] = &all[..] else { return };
    let tables = [reading::table(reading), publishing::table(publishing), versions::table(versions)];

    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = folder.join("../README.md");
    let text = fs::read_to_string(&readme).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    fs::write(&readme, format!("{before}{BEGIN}{}{END}{after}", tables.join("\n"))).unwrap();
    fs::write(folder.join("reading.svg"), chart::draw(reading)).unwrap();
    println!("wrote the tables of README.md and benches/reading.svg");
}
