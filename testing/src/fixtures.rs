//! Versions from a few lines of test code.

use kapok_blobstore::Store;
use kapok_ingest::{Inference, InferenceSettings, Value};
use kapok_producer::{CycleReport, Declaration, Producer, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Publishes JSON objects as all records of a type, whose schema is inferred from them. Other record types stay.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = kapok_blobstore::Store::options().writable().open("memory://huts").await?;
/// kapok_testing::publish_json(&store, "Hut", &["id"], [r#"{"id": 1, "name": "Top"}"#]).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` for lines that are no records of one type, and those of a cycle.
pub async fn publish_json(
    store: &Store,
    record_type: &str,
    key: &[&str],
    lines: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<CycleReport> {
    let settings = InferenceSettings { key: key.iter().map(|&field| field.to_owned()).collect(), ..Default::default() };
    let mut inference = Inference::new(record_type, settings)?;
    let mut records = Vec::new();
    for (number, line) in (1..).zip(lines) {
        let record = Value::from_json(line.as_ref().as_bytes())?;
        inference.observe(&record, number)?;
        records.push(record);
    }
    let (schema, type_id) = inference.finish()?;
    let declaration = Declaration::new(schema, type_id)?.inferred();
    let producer = Producer::builder(store.clone()).open().await?;
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut writer = cycle.values(record_type)?;
        for record in &records {
            writer.add(record)?;
        }
        Ok(())
    });
    cycle.await
}

/// Publishes values of a Rust type as all records of a type. Other record types stay.
///
/// # Errors
/// `Invalid` for a type that has no counterpart, and those of a cycle.
pub async fn publish_records<T: Serialize + DeserializeOwned>(
    store: &Store,
    record_type: &str,
    key: &[&str],
    records: &[T],
) -> Result<CycleReport> {
    let declaration = Declaration::of_rust_type::<T>(record_type, key)?;
    let producer = Producer::builder(store.clone()).open().await?;
    let cycle = producer.run_cycle(|cycle| {
        cycle.declare(&declaration)?;
        let mut writer = cycle.values(record_type)?;
        for record in records {
            writer.add_serde(record)?;
        }
        Ok(())
    });
    cycle.await
}
