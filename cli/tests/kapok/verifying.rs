//! Damage is found and named.

use std::path::Path;

use kapok_blobstore::{BlobId, CommitOutcome, Store, fresh_token};
use kapok_core::manifest::{Manifest, MergeSource, RowChanges, encode_rows};

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
        // Somebody else's, and no fault of the store: told, and a failure where that is asked.
        assert!(scene.run(&["verify"]).ok().contains(&format!("{name}: foreign file")));
        assert!(scene.run(&["verify", "--strict"]).refused(1).contains("foreign_files=1"));
        // The version itself is whole.
        scene.run(&["verify", "--version", "1"]).ok();
        std::fs::remove_file(scene.store().join(name)).unwrap();
    }
    scene.run(&["verify"]).ok();
}

#[test]
fn what_writers_leave_behind_is_counted() {
    let scene = scene();
    let segment = scene.only_file("segments");
    std::fs::write(segment.with_file_name(format!("{}#1", segment.file_name().unwrap().to_str().unwrap())), "x")
        .unwrap();
    std::fs::write(scene.store().join("dataset.probe-0"), "x").unwrap();
    let bytes = b"nobody names this";
    std::fs::write(scene.store().join(format!("indexes/{}", BlobId::of(bytes))), bytes).unwrap();
    let ran = scene.run(&["verify"]).ok();
    assert!(ran.contains("1 blob(s) that no version names, 2 file(s) that writers left behind"), "{ran}");
    scene.run(&["verify", "--version", "1", "--strict"]).ok();
    let refused = scene.run(&["verify", "--strict"]).refused(1);
    assert!(refused.contains("unreferenced_blobs=1 left_over_files=2 foreign_files=0"), "{refused}");
    // A blob that is not what its name says would be taken for the one that it is not.
    std::fs::write(scene.store().join(format!("indexes/{}", BlobId::of(b"other"))), bytes).unwrap();
    assert!(scene.run(&["verify"]).refused(1).contains("hash"));
}

#[test]
fn every_problem_is_told_in_json_too() {
    let scene = scene();
    let segment = scene.only_file("segments");
    std::fs::remove_file(scene.only_file("indexes")).unwrap();
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
        let store = Store::options().writable().open(scene.store().to_str().unwrap()).await.unwrap();
        let mut manifest = store.manifests().read(1).await.unwrap();
        (manifest.version, manifest.parent, manifest.writer_token) = (2, Some(1), fresh_token());
        damage(&mut manifest);
        assert_eq!(store.manifests().commit(&manifest).await.unwrap(), CommitOutcome::Committed);
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
    found_in_manifest(|manifest| manifest.record_types[0].segments[0].extents[1].size -= 8, "expected=");
    found_in_manifest(|manifest| manifest.record_types[0].segments[0].artifacts[0].size -= 8, "bytes");
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

/// Another scene, with a copy of the store.
fn copy_of(scene: &Scene) -> Scene {
    let copy = Scene::new();
    for folder in ["manifests", "announcements", "segments", "indexes", "tombstones"] {
        std::fs::create_dir_all(copy.store().join(folder)).unwrap();
        let Ok(files) = std::fs::read_dir(scene.store().join(folder)) else { continue };
        for file in files.map(Result::unwrap) {
            std::fs::copy(file.path(), copy.store().join(folder).join(file.file_name())).unwrap();
        }
    }
    std::fs::copy(scene.store().join("dataset"), copy.store().join("dataset")).unwrap();
    copy
}

/// Puts another manifest in the place of one, with a checksum that is right.
fn change_manifest(scene: &Scene, version: u64, change: impl FnOnce(&mut Manifest)) {
    let forge = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(scene.store().to_str().unwrap()).await.unwrap();
        let mut manifest = store.manifests().read(version).await.unwrap();
        change(&mut manifest);
        let forge = Store::options().writable().open(forge.path().to_str().unwrap()).await.unwrap();
        assert_eq!(forge.manifests().commit(&manifest).await.unwrap(), CommitOutcome::Committed);
    });
    let name = format!("manifests/{version:020}");
    let target = scene.store().join(&name);
    std::fs::remove_file(&target).unwrap();
    std::fs::copy(forge.path().join(&name), target).unwrap();
}

/// A store whose last version merged all segments before; of the first, one row was dead.
fn merged() -> Scene {
    let scene = scene();
    for id in 1..10 {
        let line = format!("{{\"id\":{},\"name\":\"later\"}}\n", if id == 1 { 1 } else { id + 10 });
        scene.publish_with(line, &["--upsert"]).ok();
    }
    scene
}

fn last_version(scene: &Scene) -> u64 {
    let versions: serde_json::Value = serde_json::from_str(&scene.versions()).unwrap();
    versions.as_array().unwrap().iter().map(|version| version["version"].as_u64().unwrap()).max().unwrap()
}

fn manifest_of(scene: &Scene, version: u64) -> Manifest {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(scene.store().to_str().unwrap()).await.unwrap();
        store.manifests().read(version).await.unwrap()
    })
}

#[test]
fn changes_that_are_not_listed_are_found() {
    let scene = scene();
    scene.publish("{\"id\":1,\"name\":\"uno\"}\n{\"id\":3,\"name\":\"three\"}\n").ok();
    scene.run(&["verify", "--strict"]).ok();
    for damage in [
        |manifest: &mut Manifest| manifest.record_types[0].changes = Some(RowChanges::default()),
        |manifest: &mut Manifest| manifest.record_types[0].changes.as_mut().unwrap().removed.clear(),
        |manifest: &mut Manifest| {
            manifest.record_types[0].changes.as_mut().unwrap().added[0].1 = encode_rows(&[0].into());
        },
        |manifest: &mut Manifest| {
            manifest.record_types[0].changes.as_mut().unwrap().added[0].1 = encode_rows(&[9].into());
        },
        |manifest: &mut Manifest| manifest.record_types[0].changes.as_mut().unwrap().added[0].0 = [7; 32],
    ] {
        let copy = copy_of(&scene);
        // As if the second version had been committed so: the numbers stay.
        change_manifest(&copy, 2, damage);
        for arguments in [&["verify"][..], &["verify", "--version", "2"]] {
            let refused = copy.run(arguments).refused(1);
            assert!(refused.contains("changes in the manifest"), "{refused}");
        }
    }
    // Not listed, and said so: nothing to be held against the rows.
    change_manifest(&scene, 2, |manifest| manifest.record_types[0].changes = None);
    scene.run(&["verify"]).ok();
}

#[test]
fn a_first_version_lists_all_its_rows() {
    let scene = scene();
    change_manifest(&scene, 1, |manifest| manifest.record_types[0].changes = Some(RowChanges::default()));
    assert!(scene.run(&["verify"]).refused(1).contains("2 rows added"));
}

#[test]
fn merge_sources_that_are_false_is_found() {
    let scene = merged();
    scene.run(&["verify", "--strict"]).ok();
    let version = last_version(&scene);
    let merged_from = manifest_of(&scene, version).record_types[0].segments[0].merged_from.clone();
    assert!(merged_from.len() > 2 && !merged_from[0].dropped.is_empty(), "{merged_from:?}");
    for damage in [
        // The same number of rows left behind, and others; then of another segment; then too few.
        |merged_from: &mut Vec<MergeSource>| merged_from[0].dropped = encode_rows(&[1].into()),
        |merged_from: &mut Vec<MergeSource>| merged_from[0] = merged_from[1].clone(),
        |merged_from: &mut Vec<MergeSource>| drop(merged_from.pop()),
    ] {
        let copy = copy_of(&scene);
        change_manifest(&copy, version, |manifest| damage(&mut manifest.record_types[0].segments[0].merged_from));
        let refused = copy.run(&["verify"]).refused(1);
        assert!(refused.contains("merge sources of segment"), "{refused}");
    }
    // Its segments are collected: said, and no fault.
    for one in merged_from {
        std::fs::remove_file(scene.store().join(format!("segments/{}", BlobId::from(one.segment)))).unwrap();
    }
    let ran = scene.run(&["verify", "--version", &version.to_string()]).ok();
    assert!(ran.contains("1 merged segment(s) whose sources are gone"), "{ran}");
}

#[test]
fn an_index_of_another_segment_with_as_many_rows_is_found() {
    let scene = scene();
    scene.publish("{\"id\":7,\"name\":\"one\"}\n{\"id\":8,\"name\":\"two\"}\n").ok();
    let other = manifest_of(&scene, 1).record_types[0].segments[0].artifacts.clone();
    change_manifest(&scene, 2, |manifest| manifest.record_types[0].segments[0].artifacts = other);
    let refused = scene.run(&["verify"]).refused(1);
    assert!(refused.contains("indexes/"), "{refused}");
}

#[test]
fn a_blob_of_a_terabyte_that_holds_nothing_is_refused_by_its_length() {
    let scene = scene();
    let started = std::time::Instant::now();
    let sparse = |path: &Path| std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    std::fs::create_dir_all(scene.store().join("tombstones")).unwrap();
    sparse(&scene.store().join(format!("tombstones/{}", BlobId::of(b"x"))));
    assert!(scene.run(&["verify"]).refused(1).contains("found 1099511627776 bytes"));
    // Where the manifest names it, no reader takes it for a bitmap.
    change_manifest(&scene, 1, |manifest| {
        let segment = &mut manifest.record_types[0].segments[0];
        (segment.dead, segment.tombstones) = (1, kapok_core::manifest::Tombstones::Blob(*BlobId::of(b"x").as_bytes()));
        manifest.record_types[0].rows = 1;
    });
    assert!(scene.run(&["export", "Thing"]).refused(1).contains("of a bitmap"));
    for folder in ["segments", "indexes"] {
        let scene = self::scene();
        sparse(&scene.only_file(folder));
        assert!(scene.run(&["verify"]).refused(1).contains("found 1099511627776 bytes"));
        assert!(scene.run(&["export", "Thing"]).refused(1).contains("found=1099511627776 bytes"));
    }
    assert!(started.elapsed() < std::time::Duration::from_mins(2), "{:?}", started.elapsed());
}
