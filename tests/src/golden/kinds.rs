//! Every kind of field, with and without sharing, a full cycle, changes and a merge.

use std::path::Path;

use kapok_producer::{Declaration, Sharing};

use super::history::{Change, Part, add, changes, declared, delete, full, merge, producer, put};

const KINDS: &[u8] = include_bytes!("../../golden/v1/schemas/kinds.cgr");
const EXTRAS: &[u8] = include_bytes!("../../golden/v1/schemas/extras.cgr");

const KINDS_1: &str = include_str!("../../golden/v1/input/kinds-1.jsonl");
const KINDS_2: &str = include_str!("../../golden/v1/input/kinds-2.jsonl");
const EXTRAS_1: &str = include_str!("../../golden/v1/input/extras-1.jsonl");
const EXTRAS_2: &str = include_str!("../../golden/v1/input/extras-2.jsonl");
const STRICT_1: &str = include_str!("../../golden/v1/input/strict-1.jsonl");
const STRICT_2: &str = include_str!("../../golden/v1/input/strict-2.jsonl");

/// Of each kind, through structs, groups, unions and lists.
const INDEXES: [&str; 6] = [
    "key(id, code)",
    "hash(colour)",
    "by_words: hash(texts[])",
    "hash(addresses[].city, addresses[].zip)",
    "sorted(-text, i32)",
    "sorted(f64)",
];

pub(super) async fn write(folder: &Path) {
    let producer = producer(folder).await;
    let (kinds, extras) = (declared(KINDS, "Kinds"), declared(EXTRAS, "Extras"));
    let kinds = INDEXES.iter().fold(kinds, |kinds, index| kinds.index(*index));
    let strict: Declaration = declared(EXTRAS, "Strict").sharing(Sharing::StrictTree);
    full(&producer, 1, |cycle| {
        cycle.tag("step", "all of it");
        cycle.tag("", "a tag of no name");
        add(cycle, &kinds, KINDS_1)?;
        add(cycle, &extras, EXTRAS_1)?;
        add(cycle, &strict, STRICT_1)?;
        // No records, and a key that the schema does not name.
        cycle.declare(&declared(EXTRAS, "Pair").key(["key"]))?;
        Ok(())
    })
    .await;
    changes(&producer, 2, |cycle| {
        assert!(cycle.once("feed", "batch 1"));
        cycle.tag("step", "changes");
        put(cycle, "Kinds", KINDS_2)?;
        delete(cycle, "Kinds", &[Part::Int(24), Part::Text("lists of lists")])?;
        delete(cycle, "Kinds", &[Part::Int(i64::MAX.into()), Part::Text("a\0b")])?;
        put(cycle, "Extras", EXTRAS_2)?;
        delete(cycle, "Extras", &[Part::Int(1)])?;
        put(cycle, "Strict", STRICT_2)?;
        delete(cycle, "Strict", &[Part::Text("")])
    })
    .await;
    // As at first, but for the records at the end; the types that it does not speak of stay.
    full(&producer, 3, |cycle| {
        cycle.tag("step", "Kinds alone");
        let lines: Vec<_> = KINDS_1.lines().take(28).collect();
        add(cycle, &kinds, &lines.join("\n"))
    })
    .await;
    merge(&producer, 4).await;
}

pub(super) fn next_changes() -> Vec<Change> {
    let printed = concat!(
        r#"{"id":3,"code":"next","flag":false,"flagOn":true,"i8":0,"i16":-7,"i32":0,"u8":200,"u16":0,"u32":0,"u64":0,"#,
        r#""f32":1.5,"f64":0.0,"colour":"blue","text":"next","place":{"lat":0.0,"lon":0.0},"none":null,"#,
        r#""contact":{"email":null},"embedding":[4.0,3.0,2.0,1.0]}"#
    );
    let deleted = concat!(
        r#"{"id":5,"code":"enums","flag":false,"flagOn":true,"i8":0,"i16":-7,"i32":0,"u8":200,"u16":0,"u32":0,"u64":0,"#,
        r#""f32":1.5,"f64":0.0,"colour":"blue","text":"unnamed","place":{"lat":0.0,"lon":0.0},"none":null,"#,
        r#""contact":{"email":null},"colours":["red","green","blue","blue"]}"#
    );
    let strict =
        r#"{"name":"next","leaf":{"label":"same","weight":1.0},"words":["same","same"],"again":["same","same"]}"#;
    vec![
        Change {
            record_type: "Kinds",
            put: r#"{"id":3,"code":"next","colour":"blue","text":"next","embedding":[4,3,2,1]}"#.to_owned(),
            printed: printed.to_owned(),
            replaced: None,
            delete: vec![Part::Int(5), Part::Text("enums")],
            deleted: deleted.to_owned(),
        },
        Change {
            record_type: "Strict",
            put: strict.to_owned(),
            printed: strict.to_owned(),
            replaced: None,
            delete: vec![Part::Text("d")],
            deleted: r#"{"name":"d"}"#.to_owned(),
        },
    ]
}
