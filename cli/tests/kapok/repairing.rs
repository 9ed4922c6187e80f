//! `repair` says what is lost, puts back what can be, and leaves all else alone.

use std::path::Path;

use serde_json::Value;

use crate::program::Scene;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n").ok();
    scene.publish_with("{\"id\":3,\"name\":\"three\"}\n", &["--key", "id", "--upsert"]).ok();
    scene
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn files(scene: &Scene, folder: &str) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(scene.store().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn backup(scene: &Scene) -> String {
    let copy = scene.path("copy");
    for folder in ["segments", "indexes", "manifests", "announcements"] {
        std::fs::create_dir_all(copy.join(folder)).unwrap();
        for file in files(scene, folder) {
            std::fs::copy(&file, copy.join(folder).join(file.file_name().unwrap())).unwrap();
        }
    }
    std::fs::copy(scene.store().join("dataset"), copy.join("dataset")).unwrap();
    copy.to_str().unwrap().to_owned()
}

#[test]
fn a_whole_store_is_said_to_be_whole() {
    let scene = scene();
    assert!(scene.run(&["repair"]).ok().starts_with("ok: nothing is lost: "));
}

#[test]
fn a_lost_index_is_built_again() {
    let scene = scene();
    let index = files(&scene, "indexes").remove(0);
    let name = index.file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::remove_file(&index).unwrap();
    let dry = scene.run(&["repair", "--dry-run"]).ok();
    assert!(dry.contains(&name) && dry.contains("would be put back: built again from its segment"), "{dry}");
    assert!(!index.exists());
    let done = scene.run(&["repair"]).ok();
    assert!(done.contains("; put back: built again from its segment"), "{done}");
    scene.run(&["verify"]).ok();
}

#[test]
fn a_damaged_segment_is_told_with_what_it_takes_along_and_comes_back_from_a_copy() {
    let scene = scene();
    let copy = backup(&scene);
    for segment in files(&scene, "segments") {
        flip(&segment);
    }
    let ran = scene.run(&["repair"]);
    assert!(ran.out.contains("version 2: 3 of 3 Thing rows cannot be read"), "{}", ran.out);
    assert!(ran.out.contains("next: publish all Thing records again: kapok publish FILE"), "{}", ran.out);
    assert_eq!(ran.out.matches("next: delete segments/").count(), 2, "{}", ran.out);
    let refused = ran.refused(1);
    assert!(refused.contains("2 file(s)") && refused.contains("repair") && refused.contains("--from"), "{refused}");

    let json: Value = serde_json::from_str(&scene.run(&["repair", "--json", "--from", &copy]).ok()).unwrap();
    assert_eq!((&json["ok"], &json["dry_run"]), (&Value::from(true), &Value::from(false)));
    assert_eq!(json["files"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(json["files"][0]["put_back"], "from the second store");
    assert!(json["losses"].as_array().unwrap().iter().all(|loss| loss["put_back"] == true), "{json}");
    scene.run(&["verify"]).ok();
    assert_eq!(scene.export("Thing").len(), 3);
}

#[test]
fn a_store_whose_marker_is_gone_is_one_again() {
    let scene = scene();
    std::fs::remove_file(scene.store().join("dataset")).unwrap();
    assert_ne!(scene.run(&["versions"]).code, 0);
    let done = scene.run(&["repair"]).ok();
    assert!(done.contains("dataset: missing; put back: made anew"), "{done}");
    scene.run(&["verify"]).ok();
    scene.publish_with("{\"id\":4,\"name\":\"four\"}\n", &["--key", "id", "--upsert"]).ok();
}

#[test]
fn lost_manifests_and_announcements_come_from_a_copy_only() {
    let scene = scene();
    let copy = backup(&scene);
    std::fs::remove_file(&files(&scene, "manifests")[0]).unwrap();
    flip(&files(&scene, "announcements")[1]);
    scene.run(&["repair"]).refused(1);
    let done = scene.run(&["repair", "--from", &copy]).ok();
    assert_eq!(done.matches("put back: from the second store").count(), 2, "{done}");
    scene.run(&["verify"]).ok();
}

#[test]
fn a_place_that_is_no_store_is_left_alone() {
    let scene = Scene::new();
    std::fs::create_dir(scene.store()).unwrap();
    std::fs::write(scene.store().join("notes.txt"), "mine").unwrap();
    let refused = scene.run(&["repair"]).refused(1);
    assert!(refused.contains("not a store"), "{refused}");
    assert_eq!(std::fs::read_dir(scene.store()).unwrap().count(), 1);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_told_and_all_else_is_put_back() {
    let scene = scene();
    let copy = backup(&scene);
    let folders = [files(&scene, "segments").remove(0), files(&scene, "manifests").remove(0)];
    for folder in &folders {
        std::fs::remove_file(folder).unwrap();
        std::fs::create_dir(folder).unwrap();
    }
    let lost = files(&scene, "indexes").remove(0);
    std::fs::remove_file(&lost).unwrap();
    let ran = scene.run(&["repair", "--from", &copy]);
    for folder in &folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(ran.out.contains(&format!("{name} is not a file")) && ran.out.contains("move it away"), "{}", ran.out);
    }
    assert!(lost.exists(), "{}", ran.out);
    assert!(ran.refused(1).contains("2 file(s)"));
    for folder in &folders {
        assert!(folder.is_dir());
        std::fs::remove_dir(folder).unwrap();
    }
    scene.run(&["repair", "--from", &copy]).ok();
    scene.run(&["verify"]).ok();
}

#[test]
fn a_manifest_that_is_not_its_own_says_nothing_about_a_copy() {
    let scene = scene();
    let copy = backup(&scene);
    let manifests = files(&scene, "manifests");
    // Whole in itself, and of another version than its name says.
    std::fs::remove_file(&manifests[0]).unwrap();
    std::fs::copy(&manifests[1], &manifests[0]).unwrap();
    let done = scene.run(&["repair", "--from", &copy]).ok();
    assert!(done.contains("manifests/00000000000000000001") && done.contains("from the second store"), "{done}");
    scene.run(&["verify"]).ok();
}
