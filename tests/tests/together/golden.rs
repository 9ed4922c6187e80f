//! Golden stores are read as they were when they were written, and the same records are the same bytes: see
//! `tests/golden/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kapok_blobstore::Store;
use kapok_consumer::{Consumer, View};
use kapok_core::key::KeyParts;
use kapok_producer::Producer;
use kapok_samples::kinds_capnp::kinds;
use kapok_tests::forge::{Newer, newer};
use kapok_tests::golden::{Description, Golden, KEYS, Part, Stored, Written, describe, pinned, records};
use tempfile::TempDir;

/// A copy of a golden store, to be written to.
pub(crate) struct Copy(TempDir);

impl Copy {
    pub(crate) fn of(golden: Stored) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&golden.store(), folder.path());
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn url(&self) -> &str {
        self.path().to_str().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Says which line of which file differs.
fn assert_same(golden: Stored, found: &Description, expected: &Description) {
    for (name, expected) in &expected.0 {
        let found = found.0.get(name).unwrap_or_else(|| panic!("{golden:?}: no {name}"));
        for (number, (found, expected)) in (1..).zip(found.lines().zip(expected.lines())) {
            assert_eq!(found, expected, "{golden:?}: {name}, line {number}");
        }
        assert_eq!(found, expected, "{golden:?}: {name}");
    }
    assert!(found.0.keys().eq(expected.0.keys()), "{golden:?}: {:?}", found.0.keys());
}

fn assert_records(view: &View, expected: &Description, when: &str) {
    let mut names = Vec::new();
    for (name, lines) in expected.records(view.version()) {
        assert_eq!(records(view.table(name).unwrap()), lines, "{when}: version {} {name}", view.version());
        names.push(name);
    }
    let found: Vec<_> = view.tables().iter().map(kapok_core::view::Table::name).collect();
    assert_eq!(found, names, "{when}: version {}", view.version());
}

#[tokio::test]
async fn golden_stores_hold_what_they_held_when_they_were_written() {
    for golden in Stored::all() {
        let expected = Description::load(&golden.expected());
        assert!(expected.versions().len() > 1, "{golden:?}");
        assert_same(golden, &describe(&golden.store()).await, &expected);
    }
}

#[tokio::test]
async fn golden_stores_have_no_problem() {
    for golden in Stored::all() {
        let store = Store::open(golden.store().to_str().unwrap()).await.unwrap();
        let report = kapok_verify::verify_store(&store, &|_| {}).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "{golden:?}");
        assert_eq!((report.unreferenced_blobs, report.left_over_files), (0, 0), "{golden:?}");
        assert!(report.foreign_files.is_empty(), "{golden:?} {:?}", report.foreign_files);
        assert_eq!(report.versions, Description::load(&golden.expected()).versions().len(), "{golden:?}");
        assert!(report.merges + report.unchecked_merges > 0, "{golden:?}");
    }
}

#[tokio::test]
async fn consumers_open_every_version() {
    for golden in Stored::all() {
        let (copy, expected) = (Copy::of(golden), Description::load(&golden.expected()));
        for version in expected.versions() {
            let view = pinned(copy.path(), version).await;
            assert_records(&view, &expected, &format!("{golden:?}"));
            view.verify_keys().unwrap();
        }
    }
}

#[tokio::test]
async fn keys_of_every_kind_find_their_records() {
    for written in [Written::V1, Written::V2, Written::V3] {
        assert_finds_keys(Stored { golden: Golden::Keys, written }).await;
    }
}

async fn assert_finds_keys(golden: Stored) {
    let expected = Description::load(&golden.expected());
    let consumer = Consumer::open(golden.store().to_str().unwrap()).await.unwrap();
    let view = consumer.view();
    for (name, _, keys) in KEYS {
        let lines: Vec<&str> = expected.0[&format!("4/{name}.jsonl")].lines().collect();
        assert_eq!(lines.len(), keys.len(), "{name}");
        for (key, line) in keys.iter().zip(lines) {
            let parts: Vec<_> = key.iter().map(Part::key_part).collect();
            let record = view.record_by_key(name, &KeyParts(&parts)).unwrap().unwrap();
            assert_eq!(record.to_json_string().unwrap(), line, "{name} {key:?}");
        }
    }
    // The same by plain values, and what is not there.
    let found = |record: Option<kapok_core::record::Record<'_>>| record.map(|it| it.to_json_string().unwrap());
    let found_by_u64 = |key: u64| found(view.record_by_key("ByU64", &key).unwrap());
    assert_eq!(found_by_u64(u64::MAX), Some(r#"{"k":18446744073709551615,"note":"last"}"#.to_owned()));
    assert_eq!(found_by_u64(2), None);
    let by_text = found(view.record_by_key("ByText", "a\0b").unwrap());
    assert_eq!(by_text, Some(r#"{"k":"a\u0000b","note":"note 2"}"#.to_owned()));
    assert_eq!(found(view.record_by_key("ByText", "a\0").unwrap()), None);
    let by_texts = |key: (&str, &str, &str)| found(view.record_by_key("ByTexts", &key).unwrap());
    assert_eq!(by_texts(("a", "b", "")), Some(r#"{"s":"a","t":"b","u":"","note":"note 3"}"#.to_owned()));
    assert_eq!(by_texts(("a", "", "a")), None);
}

#[tokio::test]
async fn generated_readers_and_field_handles_read_what_was_published() {
    let golden = Stored { golden: Golden::Kinds, written: Written::V2 };
    let expected = Description::load(&golden.expected());
    let consumer = Consumer::open(golden.store().to_str().unwrap()).await.unwrap();
    let view = consumer.view();
    let records = view.records::<kinds::Owned>().unwrap();
    let (ids, texts) = (view.field::<i64>("Kinds.id").unwrap(), view.field::<&str>("Kinds.text").unwrap());
    let lines = expected.0["4/Kinds.jsonl"].lines();
    let mut count = 0;
    for line in lines {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let (id, code) = (json["id"].as_i64().unwrap(), json["code"].as_str().unwrap());
        let record = records.by_key(&(id, code)).unwrap().unwrap();
        assert_eq!((record.get_id(), record.get_code().unwrap().to_str().unwrap()), (id, code));
        assert_eq!((Some(record.get_u8().into()), Some(record.get_u64())), (json["u8"].as_u64(), json["u64"].as_u64()));
        assert_eq!(Some(record.get_text().unwrap().to_str().unwrap()), json["text"].as_str());
        assert_eq!(record.get_place().get_lat().to_bits(), json["place"]["lat"].as_f64().unwrap().to_bits());
        let lists = (record.get_addresses().unwrap().len() as usize, record.get_matrix().unwrap().len() as usize);
        let items = |name: &str| json[name].as_array().map_or(0, Vec::len);
        assert_eq!(lists, (items("addresses"), items("matrix")), "{line}");
        let at = view.find("Kinds", &(id, code)).unwrap().unwrap();
        assert_eq!((ids.get(at).unwrap(), Some(texts.get(at).unwrap())), (id, json["text"].as_str()));
        count += 1;
    }
    assert_eq!(count, records.iter().count());
}

#[tokio::test]
async fn the_same_records_make_the_same_segments_and_indexes() {
    for golden in Stored::newest() {
        let folder = tempfile::tempdir().unwrap();
        let anew = folder.path().join("store");
        golden.golden.write(&anew).await;
        // Blobs are named by their bytes.
        for kind in ["segments", "indexes", "tombstones"] {
            assert_eq!(names(&anew.join(kind)), names(&golden.store().join(kind)), "{golden:?} {kind}");
        }
        // Which version has which, the log, and all records.
        assert_same(golden, &describe(&anew).await, &Description::load(&golden.expected()));
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_copy_goes_on_by_changes_and_merges() {
    for golden in Stored::all() {
        let (copy, expected) = (Copy::of(golden), Description::load(&golden.expected()));
        golden.golden.go_on(copy.path()).await;
        let found = describe(copy.path()).await;

        let (versions, all) = (expected.versions(), found.versions());
        let head = versions[versions.len() - 1];
        assert_eq!(all, [&versions[..], &[head + 1, head + 2]].concat(), "{golden:?}");
        for (name, text) in expected.0.iter().filter(|(name, _)| name.contains('/')) {
            assert_eq!(&found.0[name], text, "{golden:?} {name} stays as it is");
        }
        let changes = golden.golden.next_changes();
        for (name, before) in expected.records(head) {
            let mut lines: BTreeSet<&str> = before.lines().collect();
            for change in changes.iter().filter(|change| change.record_type == name) {
                assert!(lines.remove(change.deleted.as_str()), "{golden:?} {}", change.deleted);
                if let Some(replaced) = &change.replaced {
                    assert!(lines.remove(replaced.as_str()), "{golden:?} {replaced}");
                }
                assert!(lines.insert(&change.printed));
            }
            for version in [head + 1, head + 2] {
                let after: BTreeSet<&str> = found.0[&format!("{version}/{name}.jsonl")].lines().collect();
                assert_eq!(after, lines, "{golden:?} version {version} {name}");
            }
        }
        let store = Store::open(copy.url()).await.unwrap();
        let merged = store.manifests().read(head + 2).await.unwrap();
        for change in &changes {
            let segments = &merged.record_type(change.record_type).unwrap().segments;
            assert!(
                matches!(&segments[..], [one] if one.dead == 0 && one.merged_from.len() > 1),
                "{golden:?} {segments:?}"
            );
        }
        let report = kapok_verify::verify_store(&store, &|_| {}).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "{golden:?}");
    }
}

const NEWER: [(Newer, &str); 2] =
    [(Newer::FormatVersion(2), "format_version=2"), (Newer::Feature("time-travel"), "required_feature=time-travel")];

/// Makes a file of a copy ask for something new.
fn forge(copy: &Copy, name: &str, what: Newer) {
    let path = copy.path().join(name);
    let file = newer(name, &fs::read(&path).unwrap().into(), what);
    fs::write(path, file).unwrap();
}

/// Says what is asked for, and what to do.
fn assert_refused<T, E: std::fmt::Display>(outcome: Result<T, E>, kind: impl Fn(&E) -> String, says: &str) {
    let Err(error) = outcome else { panic!("accepted: {says}") };
    let text = error.to_string();
    assert_eq!(kind(&error), "Incompatible", "{text}");
    assert!(text.contains(says) && text.contains("upgrade"), "{text}");
}

#[tokio::test]
async fn a_manifest_of_a_newer_format_is_refused_by_name_and_consumers_stay() {
    for (what, says) in NEWER {
        let copy = Copy::of(Stored { golden: Golden::Kinds, written: Written::V2 });
        let store = Store::options().writable().open(copy.url()).await.unwrap();
        store.announcements().pin(3, "test", "").await.unwrap();
        let consumer = Consumer::open(copy.url()).await.unwrap();
        forge(&copy, "manifests/00000000000000000004", what);

        assert_refused(store.manifests().read(4).await, |error| format!("{:?}", error.kind()), says);
        store.announcements().unpin("test", "").await.unwrap();
        assert_refused(consumer.refresh().await, |error| format!("{:?}", error.kind()), says);
        assert_eq!(consumer.view().version(), 3);
        assert_refused(Consumer::open(copy.url()).await, |error| format!("{:?}", error.kind()), says);
        let producer = Producer::open(copy.url()).await.unwrap();
        let cycle = producer.run_cycle(|cycle| Ok(cycle.records::<kinds::Owned>().map(drop)?)).await;
        assert_refused(cycle, |error| format!("{:?}", error.kind()), says);
        let cycle = producer.run_incremental_cycle(|cycle| Ok(cycle.values("Kinds").map(drop)?)).await;
        assert_refused(cycle, |error| format!("{:?}", error.kind()), says);
        let report = kapok_verify::verify_store(&store, &|_| {}).await.unwrap();
        assert!(report.problems.iter().any(|problem| problem.contains(says)), "{:?}", report.problems);
    }
}

#[tokio::test]
async fn a_log_and_a_marker_of_a_newer_format_are_refused_by_name() {
    for (what, says) in NEWER {
        let copy = Copy::of(Stored { golden: Golden::Kinds, written: Written::V2 });
        forge(&copy, "announcements/00000000000000000004", what);
        assert_refused(Consumer::open(copy.url()).await, |error| format!("{:?}", error.kind()), says);
        forge(&copy, "dataset", what);
        assert_refused(Store::open(copy.url()).await, |error| format!("{:?}", error.kind()), says);
        assert_refused(Producer::open(copy.url()).await, |error| format!("{:?}", error.kind()), says);
    }
}
