//! Every record has a key of its own, whichever road it came by, and the key is found again.

use kapok_core::schema::{FieldKind, Schema, StructType};
use kapok_ingest::AbsentFields;
use kapok_ingest::Value;
use kapok_ingest::{Inference, InferenceSettings};
use kapok_producer::{BoxError, Declaration, ErrorKind, Outcome, Producer};
use kapok_samples::kinds_capnp::kinds;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Entry {
    id: u32,
    open: bool,
    kind: Kind,
    name: String,
}

#[derive(Deserialize, Serialize)]
enum Kind {
    Hut,
    Inn,
}

/// What serde writes where nothing was measured.
#[derive(Serialize)]
struct Partial {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    open: Option<bool>,
    kind: Kind,
    name: &'static str,
}

fn declaration(key: &[&str]) -> Declaration {
    Declaration::of_rust_type::<Entry>("Entry", key).unwrap()
}

const WHOLE: &str = r#"{"id": 0, "open": false, "kind": "Hut", "name": "a"}"#;

/// What a full and an incremental cycle say to a record, one after the other.
async fn refusals(name: &str, key: &[&str], record: &Value) -> [String; 2] {
    let producer = Producer::open(&format!("memory://keys-{name}")).await.unwrap();
    let declaration = declaration(key);
    let declaration = &declaration;
    let whole = Value::from_json(WHOLE.as_bytes()).unwrap();
    let add = |cycle: &kapok_producer::Cycle| -> Result<(), BoxError> {
        cycle.declare(declaration)?;
        let mut entries = cycle.values("Entry")?;
        entries.add(&whole)?;
        Ok(entries.add(record)?)
    };
    let full = producer.run_cycle(add).await.unwrap_err();
    let upsert = |cycle: &kapok_producer::IncrementalCycle| -> Result<(), BoxError> {
        cycle.declare(declaration)?;
        Ok(cycle.values("Entry")?.upsert(record)?)
    };
    let incremental = producer.run_incremental_cycle(upsert).await.unwrap_err();
    assert_eq!([full.kind(), incremental.kind()], [ErrorKind::Invalid; 2], "{full}; {incremental}");
    [full.to_string(), incremental.to_string()]
}

#[tokio::test]
async fn a_record_that_lacks_a_key_field_is_refused_with_type_and_field() {
    let partial = Partial { id: None, open: Some(true), kind: Kind::Inn, name: "b" };
    let closed = Partial { id: Some(1), open: None, kind: Kind::Inn, name: "b" };
    let json = |text: &str| Value::from_json(text.as_bytes()).unwrap();
    let map = Value::Map(vec![
        (Value::Text("name".into()), Value::Text("b".into())),
        (Value::Text("open".into()), Value::Bool(true)),
    ]);
    let cases: [(&[&str], &str, Value); 8] = [
        (&["id"], "Entry.id", json(r#"{"open": true, "kind": "Inn", "name": "b"}"#)),
        (&["id"], "Entry.id", json(r#"{"id": null, "open": true, "kind": "Inn", "name": "b"}"#)),
        (&["id"], "Entry.id", Value::from_serde(&partial).unwrap()),
        (&["id"], "Entry.id", map),
        (&["name", "open"], "Entry.open", Value::from_serde(&closed).unwrap()),
        (&["open"], "Entry.open", json(r#"{"id": 1, "kind": "Inn", "name": "b"}"#)),
        (&["id", "kind"], "Entry.kind", json(r#"{"id": 1, "open": true, "name": "b"}"#)),
        (&["name", "id"], "Entry.name", json(r#"{"id": 1, "open": true, "kind": "Inn", "name": null}"#)),
    ];
    for (number, (key, field, record)) in cases.into_iter().enumerate() {
        for message in refusals(&number.to_string(), key, &record).await {
            assert!(message.contains(field) && message.contains("missing key"), "{field}: {message}");
        }
    }
}

fn inferred(lines: &[&str], key: &str) -> Declaration {
    let settings = InferenceSettings { key: vec![key.to_owned()], ..InferenceSettings::default() };
    let mut inference = Inference::new("Tree", settings).unwrap();
    for (line, text) in (1..).zip(lines) {
        inference.observe(&Value::from_json(text.as_bytes()).unwrap(), line).unwrap();
    }
    let (schema, type_id) = inference.finish().unwrap();
    Declaration::new(schema, type_id).unwrap()
}

#[tokio::test]
async fn records_within_a_record_need_no_key() {
    let producer = Producer::open("memory://keys-within").await.unwrap();
    let declaration = inferred(&[r#"{"id": 1, "parts": [{"id": 5}, {}]}"#], "id");
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        Ok(cycle.values("Tree")?.add_json(br#"{"id": 1, "parts": [{"id": 5}, {}]}"#)?)
    });
    assert_eq!(cycle.await.unwrap().outcome, Outcome::Published { version: 1 });
}

/// `Kinds` by a key in a group; `suffix` is added to the names of the group and of the field.
fn grouped(suffix: &str) -> Declaration {
    let (mut schema, type_id) = Schema::of::<kinds::Owned>().unwrap();
    let mut rename = |id: u64, name: &str| -> StructType {
        let mut ty = (**schema.struct_type(id).unwrap()).clone();
        let field = ty.fields.iter_mut().find(|field| field.name == name).unwrap();
        field.name.push_str(suffix);
        let renamed = ty.clone();
        schema.insert_struct(ty);
        renamed
    };
    let kinds = rename(type_id, "place");
    let place = kinds.fields.iter().find(|field| field.name.starts_with("place")).unwrap();
    let FieldKind::Group(group) = place.kind else { panic!("a group") };
    rename(group, "label");
    schema.insert_struct(StructType { key: Vec::new(), ..kinds });
    Declaration::new(schema, type_id).unwrap().key([format!("place{suffix}.label{suffix}")])
}

#[tokio::test]
async fn a_key_in_a_group_is_found_again_after_group_and_field_were_renamed() {
    let producer = Producer::open("memory://keys-renamed").await.unwrap();
    for (suffix, label, rows) in [("", "a", 1), ("New", "b", 2), ("NewNew", "a", 2)] {
        let declaration = grouped(suffix);
        let json = format!(r#"{{"place{suffix}": {{"label{suffix}": "{label}", "lat": 47}}}}"#);
        let cycle = producer.run_incremental_cycle(|cycle| {
            cycle.declare(&declaration)?;
            Ok(cycle.values("Kinds")?.upsert_json(json.as_bytes())?)
        });
        let report = cycle.await.unwrap();
        assert_eq!(report.types[0].rows, rows, "{suffix}");
    }
    // Missing in a group, or with the group.
    for json in [r#"{"placeNewNew": {"lat": 1}}"#, r#"{"u8": 1}"#, r#"{"placeNewNew": null}"#] {
        let cycle = producer.run_incremental_cycle(|cycle| Ok(cycle.values("Kinds")?.upsert_json(json.as_bytes())?));
        let error = cycle.await.unwrap_err().to_string();
        assert!(error.contains("Kinds.placeNewNew.labelNewNew") && error.contains("missing key"), "{json}: {error}");
    }
}

#[tokio::test]
async fn fields_that_are_not_given_take_their_defaults_are_counted_and_can_be_refused() {
    let producer = Producer::open("memory://absent").await.unwrap();
    let publish = async |declaration: &Declaration| {
        let cycle = producer.run_incremental_cycle(|cycle| {
            cycle.declare(declaration)?;
            let mut entries = cycle.values("Entry")?;
            entries.upsert_json(br#"{"id": 1, "open": true, "kind": "Inn", "name": "a"}"#)?;
            entries.upsert_json(br#"{"id": 2, "kind": "Inn", "name": "b"}"#)?;
            entries.upsert_json(br#"{"id": 3}"#)?;
            Ok(())
        });
        cycle.await
    };
    let report = publish(&declaration(&["id"])).await.unwrap();
    let absent: Vec<_> = report.types[0].absent.iter().map(|(field, count)| (field.as_str(), *count)).collect();
    assert_eq!(absent, [("Entry.kind", 1), ("Entry.open", 2)]);
    let error = publish(&declaration(&["id"]).absent_fields(AbsentFields::Refused)).await.unwrap_err();
    assert!(error.to_string().contains("Entry.open: absent"), "{error}");
    // An inferred schema knows absent numbers to be null, and counts none.
    let lines = [r#"{"id": 1, "size": 1, "part": {"at": 1}}"#, r#"{"id": 2}"#, r#"{"id": 3, "part": {}}"#];
    let tree = inferred(&lines, "id").absent_fields(AbsentFields::Refused);
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(&tree)?;
        let mut writer = cycle.values("Tree")?;
        for line in lines {
            writer.add_json(line.as_bytes())?;
        }
        Ok(())
    });
    assert!(cycle.await.unwrap().types[0].absent.is_empty());
}
