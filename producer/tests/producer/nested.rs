//! What no reader could read is refused before it is committed.

use kapok_core::schema::{FieldKind, Type};
use kapok_ingest::{Inference, InferenceSettings};
use kapok_producer::{Declaration, Error, ErrorKind, Outcome, Producer, Value};

fn lists(depth: u32) -> Value {
    (0..depth).fold(Value::Int(1), |value, _| Value::List(vec![value]))
}

fn record(value: Value) -> Value {
    Value::Struct(vec![("id".into(), Value::Int(1)), ("grid".into(), value)])
}

fn infer(value: Value) -> kapok_core::Result<Declaration> {
    let settings = InferenceSettings { key: vec!["id".to_owned()], ..InferenceSettings::default() };
    let mut inference = Inference::new("Film", settings)?;
    inference.observe(&record(Value::Null), 6)?;
    inference.observe(&record(value), 7)?;
    let (schema, id) = inference.finish()?;
    Ok(Declaration::new(schema, id).unwrap().key(["id"]))
}

async fn publish(url: &str, declaration: &Declaration, value: Value) -> Result<Outcome, Error> {
    let producer = Producer::open(url).await?;
    let report = producer.run_cycle(|cycle| {
        cycle.declare(declaration)?;
        let mut films = cycle.values("Film")?;
        films.add(&record(value))?;
        Ok(())
    });
    report.await.map(|report| report.outcome)
}

#[tokio::test]
async fn lists_as_deep_as_a_reader_takes_are_published_and_deeper_ones_refused_with_line_and_field() {
    let deep = infer(lists(32)).unwrap();
    publish("memory://nested-32", &deep, lists(32)).await.unwrap();
    let producer = Producer::open("memory://nested-32").await.unwrap();
    assert_eq!(producer.restore().await.unwrap(), 1);
    for depth in [33, 34, 60] {
        for value in [lists(depth), (1..depth).fold(Value::List(Vec::new()), |value, _| Value::List(vec![value]))] {
            let error = infer(value).unwrap_err().to_string();
            assert!(error.contains("line=7") && error.contains("Film.grid"), "{error}");
        }
    }
}

/// A struct that somebody declared, which inference never saw.
#[tokio::test]
async fn a_declared_schema_that_no_reader_takes_is_refused_before_the_commit() {
    let (mut schema, id) = {
        let settings = InferenceSettings { key: vec!["id".to_owned()], ..InferenceSettings::default() };
        let mut inference = Inference::new("Film", settings).unwrap();
        inference.observe(&record(lists(1)), 1).unwrap();
        inference.finish().unwrap()
    };
    let mut film = (**schema.struct_type(id).unwrap()).clone();
    let field = film.fields.iter_mut().find(|field| field.name == "grid").unwrap();
    let FieldKind::Slot { ty, .. } = &mut field.kind else { panic!("{field:?}") };
    for _ in 0..40 {
        *ty = Type::List(Box::new(ty.clone()));
    }
    schema.insert_struct(film);
    let url = "memory://nested-declared";
    let declaration = Declaration::new(schema, id).unwrap().key(["id"]);
    let error = publish(url, &declaration, lists(41)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("grid"), "{error}");
    let producer = Producer::open(url).await.unwrap();
    assert_eq!(
        (producer.head().await.unwrap(), producer.store().manifests().versions().await.unwrap()),
        (None, Vec::new())
    );
}
