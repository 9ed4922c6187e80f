//! Vectors of fields with a metric are such that the metric can compare them.

use kapok_core::schema::{FieldKind, FieldType, Metric, Schema, StructType, Type, VectorElement, VectorSpace};
use kapok_core::vectors::ElementType;
use kapok_producer::{Declaration, Error, ErrorKind, Outcome, Producer, Value};

const RECORD: u64 = 1 << 63 | 0x4d;

fn declaration(ty: Type, metric: Metric, element: VectorElement) -> Declaration {
    let space = VectorSpace { dimension: 0, metric, element };
    let vector = FieldType { vector: Some(space), ..FieldType::slot("embedding", 1, 0, ty) };
    let mut record = StructType::new(RECORD, "Hut", vec![FieldType::slot("id", 0, 0, Type::UInt32), vector]);
    record.lay_out().unwrap();
    assert!(matches!(record.fields[1].kind, FieldKind::Slot { offset: 0, .. }));
    let mut schema = Schema::new();
    schema.insert_struct(record);
    Declaration::new(schema, RECORD).unwrap().key(["id"])
}

fn floats(metric: Metric) -> Declaration {
    declaration(Type::List(Box::new(Type::Float32)), metric, VectorElement::AsType)
}

fn halves(metric: Metric, element: VectorElement) -> Declaration {
    declaration(Type::List(Box::new(Type::UInt16)), metric, element)
}

async fn publish(url: &str, declaration: &Declaration, records: &[&str]) -> Result<Outcome, Error> {
    let producer = Producer::open(url).await?;
    let report = producer.run_cycle(|cycle| {
        cycle.declare(declaration)?;
        let mut huts = cycle.values("Hut")?;
        for record in records {
            huts.add(&Value::from_json(record.as_bytes())?)?;
        }
        Ok(())
    });
    report.await.map(|report| report.outcome)
}

#[track_caller]
fn assert_refused(result: Result<Outcome, Error>, parts: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part} not in: {error}");
    }
}

#[tokio::test]
async fn a_number_that_no_metric_can_compare_refuses_the_publish_and_is_named() {
    let records = [r#"{"id":1,"embedding":[1,2]}"#, r#"{"id":7,"embedding":[1,"NaN"]}"#];
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let refused = publish("memory://vectors-nan", &floats(metric), &records).await;
        assert_refused(refused, &["Hut.embedding", "key=7", "element 1", "NaN or infinite"]);
    }
    let infinite = [r#"{"id":3,"embedding":["-Infinity",0]}"#];
    assert_refused(publish("memory://vectors-nan", &floats(Metric::L2), &infinite).await, &["key=3", "element 0"]);
    publish("memory://vectors-nan", &floats(Metric::Unspecified), &records).await.unwrap();
    // 0x7c00 is infinite as a float16, and finite as a bfloat16.
    let record = [r#"{"id":4,"embedding":[0,31744]}"#];
    let refused = publish("memory://vectors-half", &halves(Metric::L2, VectorElement::Float16), &record).await;
    assert_refused(refused, &["key=4", "element 1"]);
    publish("memory://vectors-half", &halves(Metric::L2, VectorElement::BFloat16), &record).await.unwrap();
}

#[tokio::test]
async fn a_field_gets_a_metric_once_if_the_vectors_that_stay_can_be_compared() {
    let url = "memory://vectors-metric";
    let bad = [r#"{"id":1,"embedding":[1,2]}"#, r#"{"id":2,"embedding":["NaN",2]}"#];
    let good = [bad[0], r#"{"id":2,"embedding":[0,2]}"#];
    publish(url, &floats(Metric::Unspecified), &bad).await.unwrap();
    assert_refused(publish(url, &floats(Metric::L2), &bad).await, &["Hut.embedding", "key=2", "element 0"]);
    // An incremental cycle leaves the row as it is, or replaces it.
    let producer = Producer::open(url).await.unwrap();
    let upsert = async |record: &str| {
        let record = Value::from_json(record.as_bytes()).unwrap();
        let cycle = producer.run_incremental_cycle(|cycle| {
            cycle.declare(&floats(Metric::L2))?;
            cycle.values("Hut")?.upsert(&record)?;
            Ok(())
        });
        cycle.await.map(|report| report.outcome)
    };
    assert_refused(upsert(r#"{"id":9,"embedding":[5,5]}"#).await, &["key=2"]);
    assert!(matches!(upsert(good[1]).await.unwrap(), Outcome::Published { .. }));
    // The declaration alone makes a version; what does not know the metric keeps it.
    assert!(matches!(publish(url, &floats(Metric::Unspecified), &good).await.unwrap(), Outcome::Unchanged { .. }));
    let error = publish(url, &floats(Metric::Cosine), &good).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
    assert!(error.to_string().contains("metric l2") && error.to_string().contains("metric cosine"), "{error}");
}

#[tokio::test]
async fn a_metric_alone_makes_a_version() {
    let records = [r#"{"id":1,"embedding":[1,2]}"#];
    let url = "memory://vectors-metric-alone";
    publish(url, &floats(Metric::Unspecified), &records).await.unwrap();
    assert!(matches!(publish(url, &floats(Metric::L2), &records).await.unwrap(), Outcome::Published { .. }));
}

#[tokio::test]
async fn sixteen_bit_floats_and_bits_are_published_and_verified() {
    let bits = declaration(Type::Data, Metric::Hamming, VectorElement::Bit);
    let half = halves(Metric::Cosine, VectorElement::Float16);
    for (url, declaration, vector, expected) in [
        ("memory://vectors-bits", &bits, "[1,2,255]", (ElementType::Bit, 24, vec![1, 2, 255])),
        ("memory://vectors-f16", &half, "[1,515]", (ElementType::Float16, 2, vec![1, 0, 3, 2])),
    ] {
        let records = [format!(r#"{{"id":1,"embedding":{vector}}}"#), r#"{"id":2}"#.to_owned()];
        publish(url, declaration, &records.each_ref().map(String::as_str)).await.unwrap();
        let producer = Producer::open(url).await.unwrap();
        producer
            .run_incremental_cycle(|cycle| {
                let table = cycle.prior().table("Hut")?;
                let column = &table.vectors("embedding")?[0];
                assert_eq!((column.element(), column.dimension(), column.row(0).to_vec()), expected);
                assert_eq!((column.has(0), column.has(1)), (true, false));
                Ok(())
            })
            .await
            .unwrap();
    }
    let short = [r#"{"id":1,"embedding":[1]}"#, r#"{"id":2,"embedding":[1,2]}"#];
    assert_refused(publish("memory://vectors-short", &bits, &short).await, &["vector of", "elements where all have"]);
}
