//! Schemas that were declared, inferred and derived, and that grew, lost fields and types, and were replaced.

use std::collections::BTreeMap;
use std::path::Path;

use kapok_ingest::{Inference, InferenceSettings};
use kapok_producer::{Declaration, Evolution, Producer, Value};
use serde::{Deserialize, Serialize};

use super::history::{Change, Part, add, changes, declared, delete, full, merge, producer, put_as};

const REQUEST_1: &[u8] = include_bytes!("../../golden/v1/schemas/things-1.cgr");
const REQUEST_2: &[u8] = include_bytes!("../../golden/v1/schemas/things-2.cgr");

const THINGS_1: &str = include_str!("../../golden/v1/input/things-1.jsonl");
const THINGS_2: &str = include_str!("../../golden/v1/input/things-2.jsonl");
const GONE_1: &str = include_str!("../../golden/v1/input/gone-1.jsonl");
const GONE_2: &str = include_str!("../../golden/v1/input/gone-2.jsonl");
const HUTS_1: &str = include_str!("../../golden/v1/input/huts-1.jsonl");
const HUTS_2: &str = include_str!("../../golden/v1/input/huts-2.jsonl");
const HUTS_3: &str = include_str!("../../golden/v1/input/huts-3.jsonl");

/// A record type that is derived from a Rust type.
#[derive(Serialize, Deserialize)]
struct Package {
    name: String,
    version: (u16, u16, u16),
    priority: Priority,
    installed_kib: Option<u64>,
    depends: Vec<Dependency>,
    checksums: BTreeMap<String, String>,
    letter: char,
    offset: i8,
    ratio: Option<f32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Priority {
    Required,
    NiceToHave,
}

#[derive(Serialize, Deserialize)]
struct Dependency {
    on: String,
    optional: bool,
}

fn packages() -> Vec<Package> {
    let dependency = |on: &str, optional| Dependency { on: on.to_owned(), optional };
    let package = |name: &str, installed_kib, depends| Package {
        name: name.to_owned(),
        version: (1, 2, 0),
        priority: if name == "libwood" { Priority::Required } else { Priority::NiceToHave },
        installed_kib,
        depends,
        checksums: BTreeMap::from([("blake3".to_owned(), "00ff".to_owned())]),
        letter: 'ß',
        offset: -1,
        ratio: installed_kib.map(|_| 0.1),
    };
    vec![
        package("cotton", Some(4096), vec![]),
        package("kapok", Some(0), vec![dependency("cotton", false), dependency("libwood", true)]),
        package("libwood", None, vec![]),
    ]
}

/// A schema inferred from records: a new one, or that of the newest version grown, where integers may become floats.
async fn inferred(producer: &Producer, lines: &str, evolution: Evolution) -> Declaration {
    let word = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let head = producer.head().await.expect("a head");
    let known = head.as_ref().and_then(|head| Some((&head.schema, head.record_type("Hut")?.type_id)));
    let mut inference = if let Some((schema, type_id)) = known {
        Inference::extending(schema, type_id, InferenceSettings::default())
    } else {
        let (key, maps, json) = (word(&["id"]), word(&["prices"]), word(&["note"]));
        Inference::new("Hut", InferenceSettings { key, maps, json, ..InferenceSettings::default() })
    }
    .expect("an inference");
    if evolution == Evolution::Widen {
        inference.widen_integers();
    }
    for (line, record) in (1..).zip(lines.lines()) {
        inference.observe(&Value::from_json(record.as_bytes()).expect("JSON"), line).expect("a record");
    }
    let (schema, type_id) = inference.finish().expect("a schema");
    Declaration::new(schema, type_id).expect("a declaration").key(["id"]).inferred().evolution(evolution)
}

pub(super) async fn write(folder: &Path) {
    let producer = producer(folder).await;
    let package = Declaration::of_rust_type::<Package>("Package", &["name"]).expect("a declaration");
    let huts = inferred(&producer, HUTS_1, Evolution::Append).await;
    full(&producer, 1, |cycle| {
        add(cycle, &declared(REQUEST_1, "Thing"), THINGS_1)?;
        add(cycle, &declared(REQUEST_1, "Gone"), GONE_1)?;
        add(cycle, &huts, HUTS_1)?;
        cycle.declare(&package)?;
        let mut writer = cycle.values("Package")?;
        Ok(packages().iter().try_for_each(|package| writer.add_serde(package))?)
    })
    .await;
    // Fields, enumerants, members and types come, others are renamed; the records that there are stay as they are.
    let huts = inferred(&producer, HUTS_2, Evolution::Append).await;
    changes(&producer, 2, |cycle| {
        put_as(cycle, &declared(REQUEST_2, "Thing"), THINGS_2)?;
        put_as(cycle, &huts, HUTS_2)?;
        delete(cycle, "Thing", &[Part::Int(3)])
    })
    .await;
    let report = producer.drop_type("Gone").await.expect("a cycle");
    assert_eq!(report.outcome.version(), 3);
    for (version, field) in [(4, "phone"), (5, "rooms.heated")] {
        let report = producer.drop_field("Hut", field).await.expect("a cycle");
        assert_eq!(report.outcome.version(), version);
    }
    // Integers become floats.
    let huts = inferred(&producer, HUTS_3, Evolution::Widen).await;
    changes(&producer, 6, |cycle| put_as(cycle, &huts, HUTS_3)).await;
    let gone = declared(REQUEST_2, "Gone").evolution(Evolution::Republish);
    full(&producer, 7, |cycle| add(cycle, &gone, GONE_2)).await;
    // Things of both schemas.
    merge(&producer, 8).await;
}

pub(super) fn next_changes() -> Vec<Change> {
    let thing = r#"{"number":1,"title":"next","condition":"used","none":null,"note":"no note","stock":-5}"#;
    let hut = r#"{"id":"hut-2","name":"Hut Two","height_m":2140.0,"rooms":[{}],"größe":3,"note":"text"}"#;
    let before = r#"{"number":1,"title":"one","condition":"fresh","none":null,"note":"no note","stock":-5}"#;
    vec![
        Change {
            record_type: "Thing",
            put: r#"{"number":1,"title":"next","condition":"used"}"#.to_owned(),
            printed: thing.to_owned(),
            replaced: Some(before.to_owned()),
            delete: vec![Part::Int(5)],
            deleted: concat!(
                r#"{"number":5,"title":"five","condition":"fresh","amount":1,"note":"no note","stock":-5,"#,
                r#""embedding":[0.5,1.0]}"#
            )
            .to_owned(),
        },
        Change {
            record_type: "Hut",
            put: r#"{"id":"hut-9"}"#.to_owned(),
            printed: r#"{"id":"hut-9"}"#.to_owned(),
            replaced: None,
            delete: vec![Part::Text("hut-2")],
            deleted: hut.to_owned(),
        },
    ]
}
