//! Does the demo run anywhere, again and again?

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::Scene;

/// Runs the demo in a folder of its own, with a folder for temporary files of its own.
fn demo(scene: &Scene, arguments: &[&str]) -> String {
    std::fs::create_dir_all(scene.path("tmp")).unwrap();
    std::fs::create_dir_all(scene.path("elsewhere")).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_kapok"))
        .arg("demo")
        .args(arguments)
        .current_dir(scene.path("elsewhere"))
        .env("TMPDIR", scene.path("tmp"))
        // The demo does not publish into the store that somebody works with.
        .env("KAPOK_STORE", scene.path("precious"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), "");
    assert!(ran.status.success());
    assert!(!scene.path("precious").exists());
    assert_eq!(std::fs::read_dir(scene.path("elsewhere")).unwrap().count(), 0);
    String::from_utf8(ran.stdout).unwrap()
}

fn left(scene: &Scene) -> Vec<PathBuf> {
    std::fs::read_dir(scene.path("tmp")).unwrap().map(|it| it.unwrap().path()).collect()
}

#[test]
fn the_demo_runs_twice_and_leaves_one_store_that_it_names() {
    let scene = Scene::new();
    demo(&scene, &[]);
    let first = left(&scene);
    // A stranger's folder is not the demo's to remove, whatever its name.
    std::fs::create_dir(scene.path("tmp/kapok-demo-mine")).unwrap();
    let text = demo(&scene, &[]);
    let second = left(&scene);
    assert_eq!(second.len(), 2, "{second:?}");
    assert!(!second.contains(&first[0]));
    let commands: Vec<_> = text.lines().filter(|line| line.contains(" --store ")).collect();
    assert!(commands.len() >= 4, "{text}");
    for command in commands {
        let ran = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(ran.status.success() && !ran.stdout.is_empty(), "{command}");
    }
}

#[test]
fn the_demo_removes_its_store_where_it_is_asked_to() {
    let scene = Scene::new();
    assert!(demo(&scene, &["--rm"]).contains("was removed"));
    assert!(left(&scene).is_empty());
}

#[test]
fn the_demo_goes_on_in_a_store_of_its_own() {
    let scene = Scene::new();
    let store = scene.store();
    for versions in [[1, 2], [3, 4]] {
        let story: Value =
            serde_json::from_str(&demo(&scene, &["--json", "--store", store.to_str().unwrap()])).unwrap();
        assert_eq!(story["versions"], serde_json::json!(versions));
        assert_eq!(story["rows"], serde_json::json!([3032, 3001]));
        let reads = &story["reads"]["by_version"];
        assert!(versions.iter().all(|version| reads[version.to_string()].as_u64().unwrap() > 0), "{reads}");
    }
    assert!(Path::new(&store).join("dataset").is_file());
    scene.run(&["verify"]).ok();
}
