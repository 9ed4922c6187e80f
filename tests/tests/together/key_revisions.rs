//! Record types keep the rules by which their keys became bytes at first; keys that these encode alike are refused.

use kapok_consumer::Consumer;
use kapok_core::key::KeyRevision;
use kapok_core::schema::{FieldType, StructType, Type};
use kapok_producer::{BoxError, Cycle, Declaration, ErrorKind, Evolution, IncrementalCycle, Producer};
use kapok_tests::golden::{Golden, Stored, Written};

use crate::golden::Copy;

/// The key of a film in the store, and one that revision 0 encodes alike, as lookups and lines have them.
const STORED: (&str, i64, &str) = ("", 255, "\0k");
const ALIKE: (&str, i64, &str) = ("\0", 107, "");
const ALIKE_LINE: &str = r#"{"name":"\u0000","number":107,"rest":"","year":1,"colour":"Red","tags":[]}"#;
/// Two keys of which the store has neither.
const TWO: [&str; 2] = [
    r#"{"name":"x","number":255,"rest":"\u0000k","year":1,"colour":"Red","tags":[]}"#,
    r#"{"name":"x\u0000","number":107,"rest":"","year":1,"colour":"Red","tags":[]}"#,
];

/// A store of which record type `Film` has a key of revision 0.
fn old_store() -> Copy {
    Copy::of(Stored { golden: Golden::Filters, written: Written::V2 })
}

async fn revisions(producer: &Producer) -> Vec<(String, KeyRevision)> {
    let head = producer.head().await.unwrap().unwrap();
    head.record_types.iter().map(|ty| (ty.name.clone(), ty.key_revision)).collect()
}

async fn film(copy: &Copy, key: (&str, i64, &str)) -> Option<String> {
    let consumer = Consumer::open(copy.url()).await.unwrap();
    let view = consumer.view_arc();
    view.record_by_key("Film", &key).unwrap().map(|film| film.to_json_string().unwrap())
}

/// Runs a cycle that is refused, since it has keys that are encoded alike.
async fn assert_refused(copy: &Copy, keys: [&str; 2], change: impl FnOnce(&IncrementalCycle) -> Result<(), BoxError>) {
    let producer = Producer::open(copy.url()).await.unwrap();
    let before = producer.head().await.unwrap().unwrap().version;
    let error = producer.run_incremental_cycle(change).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let text = error.to_string();
    assert!(text.contains("keys alike") && keys.iter().all(|key| text.contains(key)), "{text}");
    assert_eq!(producer.head().await.unwrap().unwrap().version, before);
}

#[tokio::test]
async fn a_change_whose_key_is_encoded_as_a_stored_one_is_refused() {
    let copy = old_store();
    let stored = film(&copy, STORED).await.unwrap();
    let keys = [r#""",255,"\0k""#, r#""\0",107,"""#];
    let value = |line: &str| kapok_ingest::Value::from_json(line.as_bytes()).unwrap();
    assert_refused(&copy, keys, |cycle| Ok(cycle.values("Film")?.upsert_json(ALIKE_LINE.as_bytes())?)).await;
    assert_refused(&copy, keys, |cycle| Ok(cycle.values("Film")?.insert_if_absent(&value(ALIKE_LINE)).map(drop)?))
        .await;
    // Nor does a delete of the one make room for the other.
    assert_refused(&copy, keys, |cycle| {
        let mut films = cycle.values("Film")?;
        assert!(films.delete(&STORED)?);
        Ok(films.upsert_json(ALIKE_LINE.as_bytes())?)
    })
    .await;
    assert_eq!(film(&copy, STORED).await.unwrap(), stored);
}

#[tokio::test]
async fn a_key_that_is_encoded_as_a_stored_one_is_not_there_for_a_producer() {
    let copy = old_store();
    let stored = film(&copy, STORED).await.unwrap();
    let producer = Producer::open(copy.url()).await.unwrap();
    let before = producer.head().await.unwrap().unwrap().version;
    let report = producer
        .run_incremental_cycle(|cycle| {
            let mut films = cycle.values("Film")?;
            assert!(!films.delete(&ALIKE)?);
            assert!(!films.update(&ALIKE, |_| panic!("of another key"))?);
            // The same if the other one is changed in this cycle.
            films.upsert_json(stored.as_bytes())?;
            assert!(!films.delete(&ALIKE)?);
            assert!(!films.update(&ALIKE, |_| panic!("of another key"))?);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(report.outcome.version(), before, "nothing has changed");
    assert_eq!(film(&copy, STORED).await.unwrap(), stored);
}

#[tokio::test]
async fn changes_whose_keys_are_encoded_alike_are_refused() {
    let keys = [r#""x",255,"\0k""#, r#""x\0",107,"""#];
    for lines in [TWO, [TWO[1], TWO[0]]] {
        assert_refused(&old_store(), keys, |cycle| {
            let mut films = cycle.values("Film")?;
            Ok(lines.iter().try_for_each(|line| films.upsert_json(line.as_bytes()))?)
        })
        .await;
    }
}

#[tokio::test]
async fn a_full_cycle_with_keys_that_are_encoded_alike_is_refused() {
    let copy = old_store();
    let producer = Producer::open(copy.url()).await.unwrap();
    let mut films: Vec<String> = kapok_tests::golden::records(producer_view(&copy).await.table("Film").unwrap())
        .lines()
        .map(str::to_owned)
        .collect();
    let whole = films.len();
    for (lines, keys) in [
        (&TWO[..], [r#""x",255,"\0k""#, r#""x\0",107,"""#]),
        // The other one is there as it is.
        (&[ALIKE_LINE], [r#""",255,"\0k""#, r#""\0",107,"""#]),
    ] {
        films.truncate(whole);
        films.extend(lines.iter().map(ToString::to_string));
        let error = publish(&producer, &films, Evolution::Append, same).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        assert!(text.contains("keys alike") && keys.iter().all(|key| text.contains(key)), "{text}");
    }
    // Without the one, the other may come.
    films.truncate(whole);
    films.retain(|film| !film.contains(r#""name":"","number":255"#));
    films.push(ALIKE_LINE.to_owned());
    publish(&producer, &films, Evolution::Append, same).await.unwrap();
    assert!(film(&copy, ALIKE).await.unwrap().contains(r#""number":107"#));
}

async fn producer_view(copy: &Copy) -> std::sync::Arc<kapok_consumer::View> {
    Consumer::open(copy.url()).await.unwrap().view_arc()
}

/// Publishes these films as all of them, after a change of their schema.
async fn publish(
    producer: &Producer,
    films: &[String],
    evolution: Evolution,
    change: impl Fn(&mut StructType),
) -> kapok_producer::Result<()> {
    let head = producer.head().await?.unwrap();
    let type_id = head.record_type("Film").unwrap().type_id;
    let mut schema = head.schema.closure([type_id])?;
    let mut film = (**schema.struct_type(type_id)?).clone();
    change(&mut film);
    film.lay_out()?;
    schema.insert_struct(film);
    let declaration = Declaration::new(schema, type_id)?.key(["name", "number", "rest"]).evolution(evolution);
    let populate = |cycle: &Cycle| {
        cycle.declare(&declaration)?;
        let mut writer = cycle.values("Film")?;
        Ok(films.iter().try_for_each(|film| writer.add_json(film.as_bytes()))?)
    };
    producer.run_cycle(populate).await.map(drop)
}

fn same(_: &mut StructType) {}

fn longer(film: &mut StructType) {
    let ordinal = u16::try_from(film.fields.len()).unwrap();
    film.fields.push(FieldType::slot("more", ordinal, 0, Type::Text));
}

/// No schema that records of before can be read by.
fn other(film: &mut StructType) {
    let number = film.fields.iter().position(|field| field.name == "number").unwrap();
    film.fields[number].kind = FieldType::slot("number", 1, 0, Type::Int64).kind;
}

#[tokio::test]
async fn a_record_type_keeps_its_key_revision_and_a_new_one_gets_the_newest() {
    let copy = old_store();
    let producer = Producer::open(copy.url()).await.unwrap();
    let old = [("Film".to_owned(), KeyRevision::R0)];
    assert_eq!(revisions(&producer).await, old);
    let films: Vec<String> = kapok_tests::golden::records(producer_view(&copy).await.table("Film").unwrap())
        .lines()
        .map(str::to_owned)
        .collect();

    let change = r#"{"name":"\u0000\u0001","number":1,"rest":"","year":1,"colour":"Red","tags":[]}"#;
    let changed = producer.run_incremental_cycle(|cycle| Ok(cycle.values("Film")?.upsert_json(change.as_bytes())?));
    changed.await.unwrap();
    assert_eq!(revisions(&producer).await, old, "changed");
    publish(&producer, &films, Evolution::Append, longer).await.unwrap();
    assert_eq!(revisions(&producer).await, old, "grown");
    producer.drop_field("Film", "more").await.unwrap();
    assert_eq!(revisions(&producer).await, old, "without a field");
    publish(&producer, &films, Evolution::Append, other).await.unwrap_err();
    publish(&producer, &films, Evolution::Republish, other).await.unwrap();
    assert_eq!(revisions(&producer).await, old, "published anew");
    let kept = kapok_tests::golden::records(producer_view(&copy).await.table("Film").unwrap());
    assert_eq!(kept.lines().count(), films.len());

    // As a new one, after it was dropped.
    producer.drop_type("Film").await.unwrap();
    let lines: Vec<&str> =
        kept.lines().chain([r#"{"name":"\u0000","number":107,"rest":"","year":1,"tags":[]}"#]).collect();
    let declaration = Declaration::of_rust_type::<Film>("Film", &["name", "number", "rest"]).unwrap();
    producer
        .run_cycle(|cycle| {
            cycle.declare(&declaration)?;
            let mut writer = cycle.values("Film")?;
            Ok(lines.iter().try_for_each(|line| {
                let mut film: serde_json::Value = serde_json::from_str(line).unwrap();
                film.as_object_mut()
                    .unwrap()
                    .retain(|name, _| ["name", "number", "rest", "year"].contains(&name.as_str()));
                writer.add_json(film.to_string().as_bytes())
            })?)
        })
        .await
        .unwrap();
    assert_eq!(revisions(&producer).await, [("Film".to_owned(), KeyRevision::R1)]);
    for key in [STORED, ALIKE] {
        let found = film(&copy, key).await.unwrap();
        assert!(found.contains(&format!(r#""number":{}"#, key.1)), "{found}");
    }
    let report = kapok_verify::verify_store(producer.store(), &|_| {}).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Film {
    name: String,
    number: u8,
    rest: String,
    year: Option<u16>,
}
