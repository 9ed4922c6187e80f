//! The table of declared indexes.

use kapok_benches::results::Results;

use crate::table::{Unit, figure, row};

/// Label, question, unit, and whether the heap answers it by a map that hashes.
const QUESTIONS: [(&str, &str, Unit, bool); 6] = [
    ("title → year: `key(title)`, a unique index", "title to year", Unit::Nanoseconds, true),
    ("year → minutes of its films, each: `hash(year)`", "minutes of a year", Unit::Nanoseconds, true),
    ("first film from a title on: `sorted(title)`, a tree", "first from a title", Unit::Nanoseconds, false),
    ("first film from a year on: `sorted(year)`, a tree", "first from a year", Unit::Nanoseconds, false),
    ("count of `year >= 1990 and runtimeMin < 100`: scan", "count by scan", Unit::Milliseconds, false),
    ("… with these indexes, as planned", "count", Unit::Milliseconds, false),
];

pub fn table(results: &Results) -> String {
    let mut out = format!(
        "The same films, with titles that no two share, beside maps on the heap and SQLite {} (bundled, one file, mapped, statements\n\
         prepared once) with the same indexes.\n\
         {}, {} when the run began; {}.\n\n\
         | question, answers compared first | Kapok | Kapok, in use | heap, std's map | heap, FxHash | SQLite |\n\
         |---|---|---|---|---|---|\n",
        sqlite(results),
        results.machine,
        load(results),
        results.date
    );
    out += &row(
        results,
        "bytes with these indexes",
        Unit::Megabytes,
        &["bytes, kapok (fresh)", "bytes, kapok (in use)", "", "", "bytes, sqlite (fresh)"],
    );
    for (label, question, unit, is_hashed) in QUESTIONS {
        let each = if matches!(unit, Unit::Nanoseconds) { ", each" } else { "" };
        let name = |age: &str, answer: &str| format!("indexes: {question} ({age})/{answer}{each}");
        let fx = if is_hashed { name("fresh", "heap, Fx") } else { String::new() };
        let names =
            [name("fresh", "kapok"), name("in use", "kapok"), name("fresh", "heap, std"), fx, name("fresh", "sqlite")];
        out += &row(results, label, unit, &names.each_ref().map(String::as_str));
    }
    out
}

fn sqlite(results: &Results) -> String {
    let number = figure(results, "sqlite, version");
    let part = |unit: f64| (number / unit).floor() % 1000.0;
    format!("{}.{}.{}", part(1e6), part(1e3), part(1.0))
}

/// Says how busy the machine was.
fn load(results: &Results) -> String {
    format!("{:.1} processes at work", figure(results, "load"))
}
