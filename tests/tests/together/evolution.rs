//! A dataset's line goes on when its schema grows, for producers and for consumers that are at work.

use kapok_consumer::Consumer;
use kapok_core::schema::Schema;
use kapok_producer::{Declaration, Error, ErrorKind, OlderSchema, Outcome, Producer, Value};

/// A schema of one record type, as JSON that it is inferred from. Ids derive from names, so these are revisions of one.
fn declaration(json: &str, extending: Option<&Declaration>) -> Declaration {
    use kapok_ingest::{Inference, InferenceSettings};
    let settings = InferenceSettings { key: vec!["id".into()], ..InferenceSettings::default() };
    let mut inference = match extending {
        Some(older) => Inference::extending(older.schema(), older.type_id(), settings).unwrap(),
        None => Inference::new("Thing", settings).unwrap(),
    };
    inference.observe(&Value::from_json(json.as_bytes()).unwrap(), 1).unwrap();
    let (schema, type_id): (Schema, u64) = inference.finish().unwrap();
    Declaration::new(schema, type_id).unwrap().key(["id"])
}

async fn upsert(producer: &Producer, declaration: &Declaration, records: &[&str]) -> Result<Outcome, Error> {
    let report = producer
        .run_incremental_cycle(|cycle| {
            cycle.declare(declaration)?;
            let mut things = cycle.values("Thing")?;
            for record in records {
                things.upsert_json(record.as_bytes())?;
            }
            Ok(())
        })
        .await?;
    Ok(report.outcome)
}

#[tokio::test]
async fn a_running_consumer_sees_new_fields_at_once_and_old_segments_stay() {
    let url = "memory://evolution";
    let producer = Producer::open(url).await.unwrap();
    let first = declaration(r#"{"id":1,"name":"one"}"#, None);
    upsert(&producer, &first, &[r#"{"id":1,"name":"one"}"#, r#"{"id":2,"name":"two"}"#]).await.unwrap();
    let consumer = Consumer::open(url).await.unwrap();
    let old = consumer.view_arc();
    assert!(old.field::<Option<&str>>("Thing.note").is_err());

    let second = declaration(r#"{"id":3,"name":"x","note":"new","count":5}"#, Some(&first));
    upsert(&producer, &second, &[r#"{"id":3,"name":"three","note":"new","count":5}"#]).await.unwrap();
    let refreshed = consumer.refresh().await.unwrap();
    assert_eq!((refreshed.from, refreshed.to, refreshed.fetched_blobs), (1, 2, 2), "a segment and its index");
    let view = consumer.view();
    let segments = |view: &kapok_index::View| view.manifest().record_types[0].segments.clone();
    assert_eq!(segments(&view)[0], segments(&old)[0]);

    let notes = view.field::<Option<&str>>("Thing.note").unwrap();
    let counts = view.field::<Option<i64>>("Thing.count").unwrap();
    // A number that an old record never had is 0: null is what a later record says.
    for (id, note, count) in [(1_i64, None, Some(0)), (2, None, Some(0)), (3, Some("new"), Some(5))] {
        let at = view.find("Thing", &id).unwrap().unwrap();
        assert_eq!((notes.get(at).unwrap(), counts.get(at).unwrap()), (note, count), "{id}");
    }
    let three = view.record_by_key("Thing", &3_i64).unwrap().unwrap().to_json_string().unwrap();
    assert_eq!(three, r#"{"id":3,"name":"three","note":"new","count":5}"#);
}

#[tokio::test]
async fn an_older_producer_is_refused_unless_it_says_so_and_then_newer_fields_stay() {
    let producer = Producer::open("memory://older").await.unwrap();
    let first = declaration(r#"{"id":1,"name":"one"}"#, None);
    let second = declaration(r#"{"id":1,"name":"one","note":"n"}"#, Some(&first));
    let both = [r#"{"id":1,"name":"one","note":"kept"}"#, r#"{"id":2,"name":"two","note":"lost"}"#];
    upsert(&producer, &second, &both).await.unwrap();

    let error = upsert(&producer, &first, &[r#"{"id":2,"name":"zwei"}"#]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("Thing") && error.to_string().contains("note"), "{error}");

    let older = first.older_schema(OlderSchema::KeepNewer);
    upsert(&producer, &older, &[r#"{"id":2,"name":"zwei"}"#]).await.unwrap();
    let consumer = Consumer::open("memory://older").await.unwrap();
    let view = consumer.view();
    let notes = view.field::<Option<&str>>("Thing.note").unwrap();
    let note = |id: i64| notes.get(view.find("Thing", &id).unwrap().unwrap()).unwrap();
    assert_eq!((note(1), note(2)), (Some("kept"), None), "what is replaced is replaced");
}

#[tokio::test]
async fn a_changed_kind_is_refused_by_field_with_the_way_out() {
    let producer = Producer::open("memory://kind").await.unwrap();
    upsert(&producer, &declaration(r#"{"id":1,"size":7}"#, None), &[r#"{"id":1,"size":7}"#]).await.unwrap();
    let error = upsert(&producer, &declaration(r#"{"id":1,"size":"large"}"#, None), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    let text = error.to_string();
    assert!(
        ["Thing.size", "old=Int64 new=Text", "publish the record type anew"].iter().all(|word| text.contains(word)),
        "{text}"
    );
    assert_eq!(producer.store().manifests().versions().await.unwrap(), [1]);
}

#[tokio::test]
async fn a_merge_writes_old_and_new_records_by_the_schema_of_both() {
    let url = "memory://merged-evolution";
    let mut producer = Producer::open(url).await.unwrap();
    producer.settings_mut().merge_policy.segments_max = 1;
    let first = declaration(r#"{"id":1,"name":"one"}"#, None);
    upsert(&producer, &first, &[r#"{"id":1,"name":"one"}"#]).await.unwrap();
    let second = declaration(r#"{"id":3,"name":"x","note":"new"}"#, Some(&first));
    upsert(&producer, &second, &[r#"{"id":2,"name":"two","note":"new"}"#]).await.unwrap();
    let consumer = Consumer::open(url).await.unwrap();
    let view = consumer.view();
    assert_eq!((view.version(), view.manifest().record_types[0].segments.len()), (3, 1));
    let json = |id: i64| view.record_by_key("Thing", &id).unwrap().unwrap().to_json_string().unwrap();
    assert_eq!([json(1), json(2)], [r#"{"id":1,"name":"one"}"#, r#"{"id":2,"name":"two","note":"new"}"#]);
}
