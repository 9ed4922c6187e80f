//! The table of versions.

use std::fmt::Write as _;

use kapok_benches::results::Results;

use crate::table::{Unit, figure};

pub fn table(results: &Results) -> String {
    let mut out = format!(
        "| versions of the million, each with 1 % changed, 0.5 % added, 0.5 % removed; {} | median | worst |\n|---|---|---|\n",
        results.date
    );
    for (label, name) in [
        ("incremental cycle, first upsert to announcement", "incremental"),
        ("full cycle, one populating thread", "full, 1"),
        ("full cycle, two", "full, 2"),
        ("restore: open the store, map the newest version", "restore"),
        ("refresh of a consumer with its key index, announcement seen to swap done", "refresh"),
        ("… across a merge, mapping the producer's file", "refresh, mapped"),
        ("… across a merge, making the segment from its sources", "refresh, made"),
        ("merge, by the producer, after the announcement", "merge"),
    ] {
        let [median, worst] =
            ["median", "worst"].map(|part| Unit::Milliseconds.write(figure(results, &format!("{name}, {part}"))));
        let runs = figure(results, &format!("{name}, runs"));
        writeln!(out, "| {label} ({runs:.0}) | {median} | {worst} |").unwrap();
    }
    out.push_str(
        "\n| random reads beside 50 such cycles and their merges | median | p99.9 | p99.999 | longest |\n|---|---|---|---|---|\n",
    );
    for reader in ["view not swapped", "view swapped each time"] {
        let cells = ["median", "p99.9", "p99.999", "longest"].map(|part| {
            let ns = figure(results, &format!("{reader}, {part}"));
            let unit = if ns < 100_000.0 { Unit::Nanoseconds } else { Unit::Milliseconds };
            unit.write(ns)
        });
        writeln!(out, "| {reader} | {} |", cells.join(" | ")).unwrap();
    }
    out + &format!(
        "\nDownloaded by a consumer that makes merges itself, over those cycles: {:.2} times the segments of the changed rows, indexes\n\
         and tombstones included.\n",
        figure(results, "downloaded")
    )
}
