//! Is damage found and named?

use std::path::Path;

use kapok_blobstore::{CommitOutcome, Store, fresh_token};
use kapok_core::manifest::Manifest;

use crate::program::Scene;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n").ok();
    assert!(scene.run(&["verify"]).ok().starts_with("ok: "));
    assert!(scene.run(&["verify", "--version", "1"]).ok().starts_with("ok: "));
    scene
}

/// Damages a file and expects it to be named.
#[track_caller]
fn found(scene: &Scene, path: &Path, damage: impl FnOnce(&mut Vec<u8>), with_version: bool) {
    let mut bytes = std::fs::read(path).unwrap();
    damage(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let ran = scene.run(&["verify"]);
    assert!(ran.out.contains(name), "{}", ran.out);
    assert!(ran.refused(1).contains(name));
    if with_version {
        assert!(scene.run(&["verify", "--version", "1"]).refused(1).contains(name));
    }
}

#[test]
fn a_flipped_byte_is_found_in_every_file() {
    for folder in ["segments", "indexes", "manifests", "announcements"] {
        let scene = scene();
        let path = scene.only_file(folder);
        let len = std::fs::metadata(&path).unwrap().len();
        assert!(len > 0);
        let at = usize::try_from(len / 2).unwrap();
        found(&scene, &path, |bytes| bytes[at] ^= 1, folder != "announcements");
    }
}

#[test]
fn the_last_byte_counts_too() {
    for folder in ["segments", "indexes", "manifests"] {
        let scene = scene();
        let path = scene.only_file(folder);
        found(&scene, &path, |bytes| *bytes.last_mut().unwrap() ^= 0x80, true);
    }
}

#[test]
fn a_truncated_file_is_found() {
    for folder in ["segments", "indexes", "manifests", "announcements"] {
        let scene = scene();
        let path = scene.only_file(folder);
        found(&scene, &path, |bytes| bytes.truncate(bytes.len() - 8), folder != "announcements");
    }
}

#[test]
fn an_empty_file_is_found() {
    for folder in ["segments", "indexes", "manifests", "announcements"] {
        let scene = scene();
        let path = scene.only_file(folder);
        found(&scene, &path, Vec::clear, folder != "announcements");
    }
}

#[test]
fn a_file_that_is_gone_is_found() {
    for folder in ["segments", "indexes", "manifests"] {
        let scene = scene();
        std::fs::remove_file(scene.only_file(folder)).unwrap();
        let refused = scene.run(&["verify"]).refused(1);
        assert!(refused.contains("problem(s)"), "{refused}");
    }
}

#[test]
fn a_foreign_file_is_named() {
    let scene = scene();
    for name in ["notes.txt", "segments/stranger"] {
        std::fs::write(scene.store().join(name), "x").unwrap();
        assert!(scene.run(&["verify"]).refused(1).contains(&format!("{name}: foreign file")));
        // The version itself is whole.
        scene.run(&["verify", "--version", "1"]).ok();
        std::fs::remove_file(scene.store().join(name)).unwrap();
    }
    scene.run(&["verify"]).ok();
}

#[test]
fn every_problem_is_told_in_json_too() {
    let scene = scene();
    let segment = scene.only_file("segments");
    std::fs::write(scene.store().join("stranger"), "x").unwrap();
    found(&scene, &segment, |bytes| bytes[40] ^= 1, true);
    let ran = scene.run(&["verify", "--json"]);
    let findings: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(findings["ok"], serde_json::json!(false));
    assert_eq!(findings["problems"].as_array().unwrap().len(), 2, "{findings}");
}

/// Commits a second version whose files are whole, but whose manifest is wrong.
#[track_caller]
fn found_in_manifest(damage: impl FnOnce(&mut Manifest), expected: &str) {
    let scene = scene();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open_for_writing(scene.store().to_str().unwrap()).await.unwrap();
        let mut manifest = store.read_manifest(1).await.unwrap();
        (manifest.version, manifest.parent, manifest.writer_token) = (2, Some(1), fresh_token());
        damage(&mut manifest);
        assert_eq!(store.commit_manifest(&manifest).await.unwrap(), CommitOutcome::Committed);
    });
    for arguments in [&["verify"][..], &["verify", "--version", "2"]] {
        let refused = scene.run(arguments).refused(1);
        assert!(refused.contains(expected), "{refused}");
    }
    scene.run(&["verify", "--version", "1"]).ok();
}

#[test]
fn a_manifest_that_its_segments_belie_is_found() {
    found_in_manifest(|manifest| manifest.record_types[0].rows = 3, "as many rows as the segments");
    found_in_manifest(|manifest| manifest.record_types[0].segments[0].first_key[7] ^= 1, "key");
    found_in_manifest(|manifest| manifest.record_types[0].segments[0].extents[1].bytes -= 8, "expected=");
    found_in_manifest(|manifest| manifest.record_types[0].segments[0].artifacts[0].bytes -= 8, "bytes");
    found_in_manifest(|manifest| manifest.record_types[0].segments[0].rows = 1, "rows");
}

#[test]
fn a_key_with_two_live_rows_is_found() {
    found_in_manifest(
        |manifest| {
            let twice = manifest.record_types[0].segments[0].clone();
            manifest.record_types[0].segments.push(twice);
            manifest.record_types[0].rows *= 2;
        },
        "only live row",
    );
}

#[test]
fn a_version_that_is_announced_but_gone_is_found() {
    let scene = scene();
    std::fs::remove_file(scene.only_file("manifests")).unwrap();
    assert!(scene.run(&["verify"]).refused(1).contains("says version 1, which is not there"));
}
