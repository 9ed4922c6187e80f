//! Keys of several fields that the rules of key revision 0 encode alike, and their neighbours.

use std::path::Path;

use kapok_producer::Declaration;
use serde::{Deserialize, Serialize};

use super::history::{Change, Part, add, changes, delete, full, merge, producer, put};
use Part::{Bool, Int, Text};

#[derive(Serialize, Deserialize)]
struct Thing {
    name: String,
    number: u8,
    rest: String,
    note: String,
}

#[derive(Serialize, Deserialize)]
struct Place {
    first: String,
    height: i16,
    second: String,
    open: bool,
    note: Option<String>,
}

const THINGS: &str = r#"{"name":"","number":255,"rest":"\u0000k","note":"as the next"}
{"name":"\u0000","number":107,"rest":"","note":"as the one before"}
{"name":"\u0000","number":255,"rest":"","note":"two of them"}
{"name":"\u0000\u0000","number":255,"rest":"","note":"three of them"}
{"name":"\u0001","number":0,"rest":"","note":"the escape itself"}
{"name":"\u0001\u0001","number":1,"rest":"","note":"twice"}
{"name":"\u0002","number":1,"rest":"\u0002","note":"behind it"}
{"name":"a\u0000b","number":255,"rest":"c","note":"within"}
{"name":"a","number":255,"rest":"b","note":"without"}"#;

const PLACES: &str = r#"{"first":"","height":32512,"second":"\u0000x","open":true,"note":"less than the next"}
{"first":"\u0000","height":32767,"second":"","open":false}
{"first":"\u0000","height":-32768,"second":"\u0001","open":true}
{"first":"zürich","height":-1,"second":"日本\u0000","open":false}
{"first":"zürich","height":-1,"second":"日本\u0000","open":true}
{"first":"zürich","height":-1,"second":"日本","open":true}"#;

pub(super) async fn write(folder: &Path) {
    let producer = producer(folder).await;
    let things = Declaration::of_rust_type::<Thing>("Thing", &["name", "number", "rest"]).expect("a record type");
    let things = things.index("hash(note)").index("sorted(number, -rest)");
    let places =
        Declaration::of_rust_type::<Place>("Place", &["first", "height", "second", "open"]).expect("a record type");
    full(&producer, 1, |cycle| {
        add(cycle, &things, THINGS)?;
        add(cycle, &places, PLACES)
    })
    .await;
    changes(&producer, 2, |cycle| {
        delete(cycle, "Thing", &[Text(""), Int(255), Text("\0k")])?;
        put(cycle, "Thing", r#"{"name":"\u0000","number":107,"rest":"","note":"changed"}"#)?;
        put(cycle, "Place", r#"{"first":"\u0000","height":32767,"second":"","open":true,"note":"came"}"#)?;
        delete(cycle, "Place", &[Text("zürich"), Int(-1), Text("日本\0"), Bool(true)])
    })
    .await;
    changes(&producer, 3, |cycle| {
        put(cycle, "Thing", r#"{"name":"","number":255,"rest":"\u0000k","note":"came back"}"#)
    })
    .await;
    merge(&producer, 4).await;
}

pub(super) fn next_changes() -> Vec<Change> {
    let record_type = "Thing";
    let put = r#"{"name":"","number":255,"rest":"\u0000k","note":"next"}"#.to_owned();
    vec![Change {
        record_type,
        printed: put.clone(),
        put,
        replaced: Some(r#"{"name":"","number":255,"rest":"\u0000k","note":"came back"}"#.to_owned()),
        delete: vec![Text("\0"), Int(107), Text("")],
        deleted: r#"{"name":"\u0000","number":107,"rest":"","note":"changed"}"#.to_owned(),
    }]
}
