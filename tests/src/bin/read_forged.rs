//! Does everything with forged stores, one after another, and says so: `read_forged FIRST COUNT`.
//!
//! Before each case it prints the case's number, after it what came of it. Who dies or falls silent did so in the case that
//! was printed last. `read_forged FIRST 1 show` tells what was done to the store.

use std::env;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{GcSettings, Store};
use kapok_consumer::{Consumer, ConsumerSettings, MergedSegments};
use kapok_core::manifest::BlobMap;
use kapok_core::record::Budget;
use kapok_core::schema::RecordDeclaration;
use kapok_core::view::Table;
use kapok_index::{Lookup, View};
use kapok_ingest::{Inference, InferenceSettings};
use kapok_producer::Producer;
use kapok_tests::faults::films::{Films, publish_some};
use kapok_tests::forge::{self, Files};
use kapok_verify::verify_store;
use object_store::ObjectStore;

/// Elements of a record that are looked at.
const ELEMENTS: u64 = 20_000;

/// How far things went.
#[derive(Default)]
struct Tally {
    opened: bool,
    sound: bool,
    records: u64,
    errors: u64,
    published: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [first, count, show @ ..] = arguments.as_slice() else { return ExitCode::FAILURE };
    let (Ok(first), Ok(count)) = (first.parse::<u64>(), count.parse::<u64>()) else { return ExitCode::FAILURE };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let honest = runtime.block_on(forge::honest());
    for case in first..first.saturating_add(count) {
        say(&format!("case {case}"));
        let (files, done) = forge::forged(&honest, case);
        if !show.is_empty() {
            say(&format!("# {done:?}"));
        }
        let worked = process_time();
        let tally = runtime.block_on(use_all(&files));
        let Tally { opened, sound, records, errors, published } = tally;
        let ms = process_time().saturating_sub(worked).as_millis();
        say(&format!("done {ms} {} {} {records} {errors} {}", u8::from(opened), u8::from(sound), u8::from(published)));
    }
    ExitCode::SUCCESS
}

/// The time that this process has worked: a machine that does other things too makes it no longer.
#[cfg(unix)]
fn process_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ProcessCPUTime).try_into().expect("a duration")
}

#[cfg(not(unix))]
fn process_time() -> Duration {
    std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970")
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    _ = writeln!(out, "{line}");
    _ = out.flush();
}

async fn use_all(files: &Files) -> Tally {
    let mut tally = Tally::default();
    let backend: Arc<dyn ObjectStore> = forge::backend(files).await;
    let open = Store::options().object_store(Arc::clone(&backend), "").open("test://forged");
    let Ok(store) = open.await else { return tally };
    tally.opened = true;
    let report = verify_store(&store, &|_| {}).await;
    tally.sound = report.is_ok_and(|report| report.is_ok());
    let mut views = Vec::new();
    for version in store.manifests().versions().await.unwrap_or_default() {
        if let Some(view) = view(&store, version, &mut tally).await {
            read(&view, &mut tally);
            views.push(view);
        }
    }
    for pair in views.windows(2) {
        tally.errors += u64::from(pair[1].changes_since(&pair[0], &[]).is_err());
    }
    drop(views);
    consume(&store, &mut tally).await;
    publish(backend, &mut tally).await;
    let settings = GcSettings::default().with_keep(1).with_grace(Duration::ZERO).with_no_writers();
    tally.errors += u64::from(store.gc(&settings).await.is_err());
    tally
}

/// A version, and all that is done with its schema.
async fn view(store: &Store, version: u64, tally: &mut Tally) -> Option<View> {
    let Ok(manifest) = store.manifests().read(version).await else {
        tally.errors += 1;
        return None;
    };
    let declared: Vec<_> = manifest
        .record_types
        .iter()
        .map(|ty| RecordDeclaration { name: &ty.name, type_id: ty.type_id, key: &ty.key })
        .collect();
    tally.errors += u64::from(manifest.schema.to_idl(&declared).is_err());
    for ty in &manifest.record_types {
        let inference = Inference::extending(&manifest.schema, ty.type_id, InferenceSettings::default());
        tally.errors += u64::from(inference.and_then(Inference::finish).is_err());
    }
    let Ok(blobs) = store.blobs().load(&manifest, &BlobMap::new()).await else {
        tally.errors += 1;
        return None;
    };
    View::open(Arc::new(manifest), &blobs).ok()
}

/// All records, printed and looked up by their keys.
fn read(view: &View, tally: &mut Tally) {
    for table in view.tables() {
        let Ok(lookup) = view.lookup(table.name()) else { continue };
        read_table(table, lookup, tally);
    }
}

fn read_table(table: &Table, lookup: Lookup<'_>, tally: &mut Tally) {
    for row_id in table.row_ids() {
        let record = table.record(row_id).and_then(|record| {
            let mut json = Vec::new();
            let printed = record.write_json(&mut json, &mut Budget::new(ELEMENTS));
            printed.map_err(|error| kapok_core::Error::invalid("record", error.to_string()))?;
            let text = serde_json::from_slice::<serde_json::Value>(&json).expect("a record is JSON");
            assert!(text.is_object(), "a record is an object: {text}");
            Ok(())
        });
        tally.records += 1;
        tally.errors += u64::from(record.is_err());
        let mut key = Vec::new();
        let row = table.row(row_id).expect("an row_id of this table");
        if !table.key().encode_row(row, &mut key).unwrap_or(false) {
            continue;
        }
        match lookup.find_encoded(&key) {
            Err(_) | Ok(None) => {
                assert!(!tally.sound, "a record of a store that verify passes is not found");
                tally.errors += 1;
            }
            Ok(Some(found)) => {
                let mut other = Vec::new();
                let row = table.row(found).expect("an row_id of this table");
                assert!(table.key().encode_row(row, &mut other).unwrap_or(false) && other == key, "a wrong record");
            }
        }
    }
}

async fn consume(store: &Store, tally: &mut Tally) {
    for (verify, merges) in [(true, MergedSegments::Make), (false, MergedSegments::Fetch)] {
        let mut settings = ConsumerSettings::default();
        (settings.verify, settings.merged_segments) = (verify, merges);
        tally.errors += u64::from(Consumer::builder(store.clone()).settings(settings).open().await.is_err());
    }
}

async fn publish(backend: Arc<dyn ObjectStore>, tally: &mut Tally) {
    let open = Store::options().writable().object_store(backend, "").open("test://forged");
    let Ok(store) = open.await else { return };
    let Ok(producer) = Producer::builder(store).open().await else {
        tally.errors += 1;
        return;
    };
    let (before, after) = (Films::at(7, 5), Films::at(7, 6));
    let published = publish_some(&producer, &after, &Films::differing(&[&before, &after]), 6).await;
    tally.published = published.is_ok();
    tally.errors += u64::from(published.is_err());
}
