//! The table of reads.

use kapok_benches::results::Results;

use crate::table::{Unit, row};

/// A question: what it is called, how its figures are written, and the names of the rows that answer it.
pub struct Question {
    pub label: &'static str,
    pub unit: Unit,
    group: &'static str,
    kapok: &'static str,
    /// With std's map, with `FxHash`; the same twice if there is no map.
    heap: [&'static str; 2],
    rkyv: &'static str,
    capnp: &'static str,
}

const KEY: &str = "random key to title and year";
const ROW: &str = "random row to title and year";
const RKYV_MAP: &str = "rkyv, mapped: its hash map";
const HELD: &str = "capnp's reader, held list of a plain message";

pub const QUESTIONS: [Question; 14] = [
    Question {
        label: "key → title, year; `&str`",
        unit: Unit::Nanoseconds,
        group: KEY,
        kapok: "kapok: lookup, field handles, &str",
        heap: ["heap: std HashMap, Vec", "heap: FxHashMap, Vec"],
        rkyv: "rkyv, mapped: its hash map, its vector, &str checked when it was opened",
        capnp: "capnp's reader, plain message, FxHashMap beside it, &str",
    },
    Question { label: "… as bytes", kapok: "kapok: lookup, field handles, bytes", ..KEY_QUESTION },
    Question {
        label: "… `find_many` of 10,000",
        kapok: "kapok: find_many of 10,000, field handles, &str",
        ..KEY_QUESTION
    },
    Question { label: "… generated reader", kapok: "kapok: generated reader, &str", ..KEY_QUESTION },
    Question {
        label: "key → row",
        unit: Unit::Nanoseconds,
        group: "key to row alone",
        kapok: "kapok: lookup",
        heap: ["heap: std HashMap", "heap: FxHashMap"],
        rkyv: RKYV_MAP,
        capnp: "",
    },
    Question {
        label: "absent key",
        unit: Unit::Nanoseconds,
        group: "absent key",
        kapok: "kapok: lookup",
        heap: ["", "heap: FxHashMap"],
        rkyv: RKYV_MAP,
        capnp: "",
    },
    Question {
        label: "row → title, year; `&str`",
        unit: Unit::Nanoseconds,
        group: ROW,
        kapok: "kapok: field handles, &str",
        heap: ["heap: Vec", "heap: Vec"],
        rkyv: "rkyv, mapped: its vector",
        capnp: "capnp's reader, held list of a plain message, &str",
    },
    Question { label: "… as bytes", kapok: "kapok: field handles, bytes", group: ROW, ..KEY_QUESTION },
    Question { label: "… generated reader", kapok: "kapok: generated reader, &str", group: ROW, ..KEY_QUESTION },
    Question {
        label: "row → year",
        unit: Unit::Nanoseconds,
        group: "random row to year",
        kapok: "kapok: field handle",
        heap: ["heap: Vec", "heap: Vec"],
        rkyv: "rkyv, mapped: its vector",
        capnp: HELD,
    },
    Question {
        label: "scan: sum of years",
        unit: Unit::Milliseconds,
        group: "scan: sum of years",
        kapok: "kapok: field handle, for_each",
        heap: ["heap: Vec", "heap: Vec"],
        rkyv: "rkyv, mapped",
        capnp: "capnp's reader, plain message",
    },
    Question {
        label: "scan: lengths of titles, bytes",
        unit: Unit::Milliseconds,
        group: "scan: sum of title lengths",
        kapok: "kapok: field handle, bytes, for_each",
        heap: ["heap: Vec", "heap: Vec"],
        rkyv: "rkyv, mapped",
        capnp: "capnp's reader, plain message",
    },
    Question {
        label: "… `&str`",
        unit: Unit::Milliseconds,
        group: "scan: sum of title lengths",
        kapok: "kapok: field handle, &str, for_each",
        ..KEY_QUESTION
    },
    Question {
        label: "scan: all bytes of titles, `&str`",
        unit: Unit::Milliseconds,
        group: "scan: sum of the bytes of all titles",
        kapok: "kapok: field handle, &str, for_each",
        heap: ["heap: Vec", "heap: Vec"],
        rkyv: "rkyv, mapped",
        capnp: "capnp's reader, plain message",
    },
];

/// A question by key that only Kapok answers in its own way.
const KEY_QUESTION: Question =
    Question { label: "", unit: Unit::Nanoseconds, group: KEY, kapok: "", heap: ["", ""], rkyv: "", capnp: "" };

impl Question {
    /// Returns whether others answer it too.
    pub fn stands_alone(&self) -> bool {
        !self.rkyv.is_empty()
    }

    /// Names of its figures: Kapok fresh and in use, heap with std's map and with `FxHash`, rkyv, Cap'n Proto's reader.
    pub fn names(&self) -> [String; 6] {
        let each = if matches!(self.unit, Unit::Nanoseconds) { ", each" } else { "" };
        let name = |answer: &str, age: &str| {
            if answer.is_empty() { String::new() } else { format!("{} ({age})/{answer}{each}", self.group) }
        };
        let [std, fx] = self.heap;
        let std = if std == fx { "" } else { std };
        [
            name(self.kapok, "fresh"),
            name(self.kapok, "in use"),
            name(std, "fresh"),
            name(fx, "fresh"),
            name(self.rkyv, "fresh"),
            name(self.capnp, "fresh"),
        ]
    }
}

pub fn table(results: &Results) -> String {
    let mut out = format!(
        "One million films (id, title of about 20 characters, year, one to four of 20 genres, runtime), made from a seed.\n\
         {}; {}. Medians, warm page cache, every row measured\n\
         in one run. The machine is shared: trust ratios. *In use*: seven incremental cycles later, eight segments, a tenth\n\
         of the rows dead. Every title read has a byte loaded. **Bold** is the best of a row. rkyv is validated when it is opened,\n\
         texts included.\n\n\
         ![Reads of Kapok and of others](benches/reading.svg)\n\n\
         | read | Kapok | Kapok, in use | heap, std's map | heap, FxHash | rkyv | capnp's reader |\n\
         |---|---|---|---|---|---|---|\n",
        results.machine, results.date
    );
    let bytes = [
        "bytes, kapok (fresh)",
        "bytes, kapok (in use)",
        "",
        "",
        "bytes, rkyv (fresh)",
        "bytes, plain message (fresh)",
    ];
    out += &row(results, "bytes with index (plain message: without)", Unit::Megabytes, &bytes);
    for (count, written) in [("10000", "10,000"), ("100000", "100,000"), ("1000000", "1,000,000")] {
        let name = |answer: &str| format!("open and read the first record by key/{answer}/{count}");
        let (kapok, heap) = (name("kapok: consumer, view, lookup"), name("heap: postcard, Vec, HashMap"));
        let rkyv = name("rkyv: validated, already mapped");
        let label = format!("open, first record by key: {written} films");
        out += &row(results, &label, Unit::Milliseconds, &[&kapok, "", &heap, "", &rkyv, ""]);
    }
    for question in QUESTIONS {
        out += &row(results, question.label, question.unit, &question.names().each_ref().map(String::as_str));
    }
    out
}
