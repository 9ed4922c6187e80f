//! Steps that the histories of the golden stores are made of.

use std::path::Path;
use std::time::Duration;

use kapok_blobstore::{GcSettings, Store};
use kapok_core::key::{KeyPart, KeyParts};
use kapok_core::schema::Metric;
use kapok_index::View;
use kapok_ingest::SchemaRequest;
use kapok_producer::{
    AnnounceMode, BoxError, Cycle, Declaration, IncrementalCycle, MergeSchedule, Producer, ProducerSettings,
};

/// A part of a primary key.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Of an integer field.
    Int(i128),
    /// Of a Bool field.
    Bool(bool),
    /// Of an enum field: its number and its name.
    Enum(u16, &'static str),
    /// Of a Text field.
    Text(&'static str),
    /// Of a Data field: its bytes, and these in base64.
    Data(&'static [u8], &'static str),
}

impl Part {
    /// As a lookup takes it.
    pub fn key_part(&self) -> KeyPart<'static> {
        match *self {
            Self::Int(value) => KeyPart::Int(value),
            Self::Bool(value) => KeyPart::Bool(value),
            Self::Enum(value, _) => KeyPart::Int(value.into()),
            Self::Text(value) => KeyPart::Text(value),
            Self::Data(value, _) => KeyPart::Data(value),
        }
    }

    /// As JSON has it.
    pub fn json(&self) -> serde_json::Value {
        match *self {
            Self::Int(value) => i64::try_from(value).map_or_else(|_| unsigned(value), Into::into),
            Self::Bool(value) => value.into(),
            Self::Enum(_, name) => name.into(),
            Self::Text(value) => value.into(),
            Self::Data(_, base64) => base64.into(),
        }
    }
}

fn unsigned(value: i128) -> serde_json::Value {
    u64::try_from(value).expect("a key of 64 bits").into()
}

/// A change of the newest version of a store.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of which type.
    pub record_type: &'static str,
    /// A record to put.
    pub put: String,
    /// How it is printed.
    pub printed: String,
    /// How the record of that key was printed before, if there was one.
    pub replaced: Option<String>,
    /// The key of a record to delete.
    pub delete: Vec<Part>,
    /// How that record was printed.
    pub deleted: String,
}

/// A producer whose versions do not depend on who makes them, and who merges when told to.
pub(super) async fn producer(folder: &Path) -> Producer {
    let url = folder.to_str().expect("a name in UTF-8");
    let store = Store::options().writable().open(url).await.expect("a store");
    let mut settings = ProducerSettings::default();
    "golden".clone_into(&mut settings.writer);
    settings.merge_schedule = MergeSchedule::Manual;
    (settings.merge_policy.segments_max, settings.merge_policy.live_min, settings.merge_policy.small_bytes) =
        (1, 1.0, 0);
    settings.merge_policy.vector_segments_max = 1;
    Producer::builder(store).settings(settings).open().await.expect("a producer")
}

/// The record type of a compiled schema.
pub(super) fn declared(request: &[u8], record_type: &str) -> Declaration {
    let (schema, type_id) =
        SchemaRequest::decode(request).expect("a request").record_type(record_type).expect("a type");
    Declaration::new(schema, type_id).expect("a declaration")
}

/// Returns the indexes that vector fields with a metric would get by themselves, which golden stores were written without.
fn vector_indexes(prior: &View, declaration: &Declaration) -> Vec<String> {
    let known = prior.manifest().record_type(declaration.name());
    let is_dropped = |index: &String| known.is_some_and(|ty| ty.dropped_indexes.contains(index));
    let record = declaration.schema().structs().find(|ty| ty.name == declaration.name());
    let fields = record.into_iter().flat_map(|ty| &ty.fields);
    let indexed = fields.filter(|field| field.vector.is_some_and(|space| space.metric != Metric::Unspecified));
    indexed.map(|field| format!("hnsw({})", field.name)).filter(|index| !is_dropped(index)).collect()
}

/// Adds all records of a type.
pub(super) fn add(cycle: &Cycle, declaration: &Declaration, lines: &str) -> Result<(), BoxError> {
    cycle.declare(declaration)?;
    for index in vector_indexes(cycle.prior(), declaration) {
        cycle.drop_index(declaration.name(), &index);
    }
    let mut records = cycle.values(declaration.name())?;
    Ok(lines.lines().try_for_each(|line| records.add_json(line.as_bytes()))?)
}

/// Puts records of a type that the dataset has.
pub(super) fn put(cycle: &IncrementalCycle, record_type: &str, lines: &str) -> Result<(), BoxError> {
    let mut records = cycle.values(record_type)?;
    Ok(lines.lines().try_for_each(|line| records.upsert_json(line.as_bytes()))?)
}

/// Puts records of a type that is new, or whose schema grows.
pub(super) fn put_as(cycle: &IncrementalCycle, declaration: &Declaration, lines: &str) -> Result<(), BoxError> {
    cycle.declare(declaration)?;
    for index in vector_indexes(cycle.prior(), declaration) {
        cycle.drop_index(declaration.name(), &index);
    }
    put(cycle, declaration.name(), lines)
}

/// Deletes a record that is there.
pub(super) fn delete(cycle: &IncrementalCycle, record_type: &str, key: &[Part]) -> Result<(), BoxError> {
    let parts: Vec<_> = key.iter().map(Part::key_part).collect();
    let was_there = cycle.values(record_type)?.delete(&KeyParts(&parts))?;
    assert!(was_there, "{record_type} {key:?}");
    Ok(())
}

/// Runs a full cycle, which must make this version.
pub(super) async fn full(producer: &Producer, version: u64, populate: impl FnOnce(&Cycle) -> Result<(), BoxError>) {
    let report = producer.run_cycle(populate).await.expect("a cycle");
    assert_eq!(report.outcome.version(), version);
}

/// Runs an incremental cycle, which must make this version.
pub(super) async fn changes(
    producer: &Producer,
    version: u64,
    populate: impl FnOnce(&IncrementalCycle) -> Result<(), BoxError>,
) {
    let report = producer.run_incremental_cycle(populate).await.expect("a cycle");
    assert_eq!(report.outcome.version(), version);
}

/// The same on top of an older version.
pub(super) async fn changes_on(
    producer: &Producer,
    on: u64,
    version: u64,
    populate: impl FnOnce(&IncrementalCycle) -> Result<(), BoxError>,
) {
    let report = producer.run_incremental_cycle_on(on, populate).await.expect("a cycle");
    assert_eq!(report.outcome.version(), version);
}

/// Makes each record type one segment without dead rows, in this version.
pub(super) async fn merge(producer: &Producer, version: u64) {
    let merged = producer.merge().await.expect("a merge").expect("something to merge");
    assert_eq!(merged.version, version);
}

/// Commits versions that nobody announces.
pub(super) fn keep_quiet(producer: &mut Producer) {
    producer.settings_mut().announce_mode = AnnounceMode::Never;
}

/// Retires all but so many versions, and those that the log speaks of.
pub(super) async fn retire(producer: &Producer, keep: usize, retired: &[u64]) {
    let settings = GcSettings::default().with_keep(keep).with_grace(Duration::ZERO).with_no_writers();
    let report = producer.store().gc(&settings).await.expect("a gc");
    assert_eq!(report.retired, retired);
}

pub(super) async fn go_on(folder: &Path, next: &[Change]) {
    let producer = producer(folder).await;
    let head = producer.head().await.expect("a head").map_or(0, |head| head.version);
    let populate = |cycle: &IncrementalCycle| {
        for change in next {
            put(cycle, change.record_type, &change.put)?;
            delete(cycle, change.record_type, &change.delete)?;
        }
        Ok(())
    };
    changes(&producer, head + 1, populate).await;
    merge(&producer, head + 2).await;
}
