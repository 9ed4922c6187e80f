//! Three real states of Debian's package list become three versions that cost what changed between them.

use std::collections::HashMap;
use std::path::PathBuf;

use kapok_consumer::Consumer;
use serde_json::Value;

use crate::program::{Scene, json_lines};

/// The data sets, where they are.
pub fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("KAPOK_DATA").map_or_else(|| PathBuf::from("../../shared/data"), PathBuf::from);
    let folder = std::path::absolute(folder.join("debian")).unwrap();
    if !folder.join("v2.jsonl.zst").exists() {
        eprintln!("skipped: {} is absent; set KAPOK_DATA", folder.display());
        return None;
    }
    Some(folder)
}

/// Lines by package.
fn lines(text: &str) -> HashMap<String, &str> {
    let package = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["package"].as_str().unwrap().to_owned()
    };
    text.lines().map(|line| (package(line), line)).collect()
}

#[test]
fn three_full_publishes_write_what_changed_and_every_road_leads_to_the_same_view() {
    let Some(data) = data() else { return };
    let scene = Scene::new();
    let mut texts = Vec::new();
    let mut written = Vec::new();
    for version in 0..3 {
        let path = data.join(format!("v{version}.jsonl.zst"));
        let bytes = std::fs::read(&path).unwrap();
        texts.push(String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap());
        let path = path.display().to_string();
        let report = scene.run(&["publish", &path, "--type", "Package", "--key", "package", "--json"]).ok();
        let report: Value = serde_json::from_str(&report).unwrap();
        written.push(report["bytes_written"].as_u64().unwrap());
    }
    for (step, expected) in [(1, [230, 1_018, 0]), (2, [632, 1_711, 180])] {
        let (before, after) = (lines(&texts[step - 1]), lines(&texts[step]));
        let changed = after.iter().filter(|(package, line)| before.get(*package) != Some(*line));
        let json_bytes: u64 = changed.map(|(_, line)| line.len() as u64).sum();
        println!("version {}: wrote {} bytes for {json_bytes} of JSON", step + 1, written[step]);
        assert!(written[step] <= 2 * json_bytes, "{} bytes for {json_bytes} of JSON", written[step]);

        let versions = [step.to_string(), (step + 1).to_string()];
        let diff = scene.run(&["diff", &versions[0], &versions[1], "--all", "--json"]).ok();
        let diff: Value = serde_json::from_str(&diff).unwrap();
        let found = ["added", "changed", "removed"].map(|what| diff[what].as_array().unwrap().len());
        assert_eq!(found, expected);
        assert_eq!(diff["types"][0]["evidence"], "manifests");
    }
    for (version, text) in (1..).zip(&texts) {
        let by_package = |records: Vec<Value>| -> HashMap<String, Value> {
            records.into_iter().map(|it| (it["package"].as_str().unwrap().to_owned(), it)).collect()
        };
        let exported = scene.run(&["export", "Package", "--version", &version.to_string()]).ok();
        // Not by assert_eq, which would print both.
        assert!(by_package(json_lines(&exported)) == by_package(json_lines(text)), "version {version} differs");
    }
    roads(&scene);
}

/// v0 → v1 → v2, v0 → v2, v2 → v0 → v2, straight to v2.
fn roads(scene: &Scene) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = scene.store().display().to_string();
    let contents = |road: &[u64]| {
        runtime.block_on(async {
            let consumer = Consumer::open(&url).await.unwrap();
            for version in road {
                consumer.refresh_to(*version).await.unwrap();
            }
            let view = consumer.view_arc();
            view.verify_keys().unwrap();
            let table = view.table("Package").unwrap();
            let record = |at| table.record(at).unwrap().to_json_string().unwrap();
            (view.version(), table.row_ids_in_key_order().unwrap().into_iter().map(record).collect::<Vec<_>>())
        })
    };
    let straight = contents(&[]);
    assert_eq!((straight.0, straight.1.len()), (3, 64_118));
    for road in [&[1, 2, 3][..], &[1, 3], &[3, 1, 3]] {
        assert!(contents(road) == straight, "the road {road:?} leads elsewhere");
    }
}
