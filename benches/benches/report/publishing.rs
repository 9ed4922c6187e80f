//! The table of publishing.

use std::fmt::Write as _;

use kapok_benches::results::Results;

use crate::table::{Unit, figure, row};

pub fn table(results: &Results) -> String {
    let published = Unit::Megabytes.write(figure(results, "published"));
    let mut out = format!(
        "| publishing the million ({published} with its index); {} | one populating thread | two |\n|---|---|---|\n",
        results.date
    );
    let columns = |name: &str| ["1", "2"].map(|threads| format!("{name}, {threads}"));
    let mut add = |label: &str, unit: Unit, name: &str| {
        let [one, two] = columns(name);
        let cells = [one, two].map(|name| unit.write(figure(results, &name)));
        writeln!(out, "| {label} | {} | {} |", cells[0], cells[1]).unwrap();
    };
    add("whole cycle", Unit::Milliseconds, "cycle");
    add("of that: populate", Unit::Milliseconds, "populate");
    add("… write", Unit::Milliseconds, "write");
    add("… verify", Unit::Milliseconds, "verify");
    add("peak memory above that before, by bytes published", Unit::Times, "peak");
    out += &row(results, "making the records alone", Unit::Milliseconds, &["making", ""]);
    let private = figure(results, "private, most") / 1e6;
    out + &format!(
        "\nFour processes that read every record of that store at once have at most {private:.1} MB each to themselves, and\n\
         share the rest.\n"
    )
}
