//! Every kind of primary key; versions that are retired, and a merged segment whose sources are gone.

use std::path::Path;

use kapok_producer::BoxError;
use serde_json::{Value, json};

use super::history::{Change, Part, add, changes, declared, delete, full, merge, producer, put, retire};
use Part::{Bool, Data, Enum, Int, Text};

const REQUEST: &[u8] = include_bytes!("../../golden/v1/schemas/keys.cgr");

/// Record types with the paths of their keys' fields, and keys in their order, the first and the last of which are the
/// least and the greatest. Each record has the number of its key as `note`.
pub type Keyed = (&'static str, &'static [&'static str], &'static [&'static [Part]]);

/// All of them.
pub const KEYS: &[Keyed] = &[
    ("ByU8", &["k"], &[&[Int(0)], &[Int(1)], &[Int(127)], &[Int(128)], &[Int(255)]]),
    ("ByU16", &["k"], &[&[Int(0)], &[Int(7)], &[Int(255)], &[Int(256)], &[Int(0xffff)]]),
    ("ByU32", &["k"], &[&[Int(0)], &[Int(1)], &[Int(255)], &[Int(0x8000_0000)], &[Int(0xffff_ffff)]]),
    ("ByU64", &["k"], &[&[Int(0)], &[Int(1)], &[Int(1 << 53)], &[Int((1 << 53) + 1)], &[Int(u64::MAX as i128)]]),
    ("ByI8", &["k"], &[&[Int(-128)], &[Int(-1)], &[Int(0)], &[Int(1)], &[Int(127)]]),
    ("ByI16", &["k"], &[&[Int(-32_768)], &[Int(-7)], &[Int(0)], &[Int(7)], &[Int(32_767)]]),
    ("ByI32", &["k"], &[&[Int(i32::MIN as i128)], &[Int(-1)], &[Int(0)], &[Int(256)], &[Int(i32::MAX as i128)]]),
    ("ByI64", &["k"], &[&[Int(i64::MIN as i128)], &[Int(-1)], &[Int(0)], &[Int(1 << 40)], &[Int(i64::MAX as i128)]]),
    ("ByBool", &["k"], &[&[Bool(false)], &[Bool(true)]]),
    ("ByEnum", &["k"], &[&[Enum(0, "red")], &[Enum(1, "green")], &[Enum(2, "blue")]]),
    ("ByText", &["k"], &[&[Text("")], &[Text("a")], &[Text("a\0b")], &[Text("ab")], &[Text("zürich 日本 🌳")]]),
    (
        "ByData",
        &["k"],
        &[
            &[Data(b"", "")],
            &[Data(b"\0", "AA==")],
            &[Data(b"\0\0", "AAA=")],
            &[Data(b"\x7f", "fw==")],
            &[Data(b"\xff", "/w==")],
        ],
    ),
    (
        "ByShortParts",
        &["colour", "at.open", "k"],
        &[
            &[Enum(0, "red"), Bool(false), Int(5)],
            &[Enum(0, "red"), Bool(true), Int(-5)],
            &[Enum(1, "green"), Bool(false), Int(-32_768)],
            &[Enum(1, "green"), Bool(false), Int(0)],
            &[Enum(2, "blue"), Bool(false), Int(0)],
        ],
    ),
    (
        "ByLongParts",
        &["a", "b"],
        &[
            &[Int(0), Int(-1)],
            &[Int(0), Int(1)],
            &[Int(1 << 60), Int(i32::MIN as i128)],
            &[Int(1 << 60), Int(0)],
            &[Int(u64::MAX as i128), Int(i32::MAX as i128)],
        ],
    ),
    (
        "ByTextAndInt",
        &["t", "k"],
        &[
            &[Text(""), Int(126)],
            &[Text("a"), Int(-128)],
            &[Text("a"), Int(0)],
            &[Text("a\0"), Int(-128)],
            &[Text("ab"), Int(-128)],
        ],
    ),
    (
        "ByDataAndText",
        &["d", "t"],
        &[
            &[Data(b"", ""), Text("")],
            &[Data(b"\0", "AA=="), Text("")],
            &[Data(b"\0", "AA=="), Text("x")],
            &[Data(b"\0\xff", "AP8="), Text("")],
            &[Data(b"\xff", "/w=="), Text("x")],
        ],
    ),
    (
        "ByTexts",
        &["s", "t", "u"],
        &[
            &[Text(""), Text(""), Text("")],
            &[Text(""), Text("b"), Text("a")],
            &[Text("a"), Text(""), Text("b")],
            &[Text("a"), Text("b"), Text("")],
            &[Text("ab"), Text(""), Text("")],
        ],
    ),
];

/// The record of a key.
fn record(paths: &[&str], key: &[Part], note: &str) -> String {
    let mut record = json!({ "note": note });
    for (path, part) in paths.iter().zip(key) {
        let mut at: &mut Value = &mut record;
        for name in path.split('.') {
            at = &mut at[name];
        }
        *at = part.json();
    }
    record.to_string()
}

pub(super) async fn write(folder: &Path) {
    let producer = producer(folder).await;
    // All but the last key of each type.
    full(&producer, 1, |cycle| {
        for (name, paths, keys) in KEYS {
            let but_last = &keys[..keys.len() - 1];
            let lines: Vec<_> =
                (0..).zip(but_last).map(|(at, key)| record(paths, key, &format!("note {at}"))).collect();
            add(cycle, &declared(REQUEST, name), &lines.join("\n"))?;
        }
        Ok(())
    })
    .await;
    // The last comes, the first goes, another changes.
    changes(&producer, 2, |cycle| {
        for (name, paths, keys) in KEYS {
            put(cycle, name, &record(paths, keys[keys.len() - 1], "last"))?;
            delete(cycle, name, keys[0])?;
            if keys.len() > 2 {
                put(cycle, name, &record(paths, keys[1], "changed"))?;
            }
        }
        Ok(())
    })
    .await;
    merge(&producer, 3).await;
    changes(&producer, 4, |cycle| KEYS.iter().try_for_each(|keyed| first_again(cycle, keyed))).await;
    retire(&producer, 2, &[1, 2]).await;
}

fn first_again(cycle: &kapok_producer::IncrementalCycle, (name, paths, keys): &Keyed) -> Result<(), BoxError> {
    put(cycle, name, &record(paths, keys[0], "first again"))
}

pub(super) fn next_changes() -> Vec<Change> {
    let line = |key: &str, note: &str| format!(r#"{{"k":{key},"note":"{note}"}}"#);
    let change = |record_type, key: &str, replaced: &str, delete: Part, deleted: String| Change {
        record_type,
        put: line(key, "next"),
        printed: line(key, "next"),
        replaced: Some(line(key, replaced)),
        delete: vec![delete],
        deleted,
    };
    vec![
        change("ByU8", "0", "first again", Int(255), line("255", "last")),
        change("ByI64", "-9223372036854775808", "first again", Int(-1), line("-1", "changed")),
        change("ByText", r#""""#, "first again", Text("a\0b"), line(r#""a\u0000b""#, "note 2")),
        change("ByData", r#""""#, "first again", Data(b"\0\0", "AAA="), line(r#""AAA=""#, "note 2")),
    ]
}
