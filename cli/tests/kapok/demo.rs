//! The demo runs anywhere, again and again.

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
    // Each of them, pasted on its own or after the others.
    let (_, commands) = text.split_once("Try next:\n").unwrap();
    let (export, commands) = commands.split_once('\n').unwrap();
    assert!(export.contains("export KAPOK_STORE=") && commands.lines().count() >= 6, "{text}");
    for command in commands.lines() {
        let ran = Command::new("sh").args(["-e", "-c", &format!("{export}\n{command}")]).output().unwrap();
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
        assert_eq!(story["rows"], serde_json::json!([3032, 3053]));
        let reads = &story["reads"]["by_version"];
        assert!(versions.iter().all(|version| reads[version.to_string()].as_u64().unwrap() > 0), "{reads}");
    }
    assert!(Path::new(&store).join("dataset").is_file());
    scene.run(&["verify"]).ok();
}

#[test]
fn the_demo_fits_a_terminal_and_shows_a_record_a_diff_and_a_rollback() {
    let scene = Scene::new();
    let text = demo(&scene, &[]);
    let folder = scene.path("tmp").display().to_string();
    for line in text.lines().filter(|line| !line.contains(&folder) && !line.contains(env!("CARGO_BIN_EXE_kapok"))) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for part in [
        "emacs, version 1:\n  {\"package\":\"emacs\"",
        "emacs, version 2:\n",
        "  version: \"1:28.2+1-15+deb12u4\" -> \"1:30.1+1-6~bpo12+1\"\n",
        "+31 ~72 -10 packages",
        "Package: 31 added, 72 changed, 10 removed\n",
        "  + 7zip-standalone\n",
        "  - dovecot-lucene\n",
        "roll back: the consumer is on version 1 again",
        "announce version 2 once more",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn the_demo_refuses_a_store_that_is_not_its_own() {
    let scene = Scene::new();
    scene.publish("{\"id\":1}\n").ok();
    let before = (scene.versions(), scene.run(&["log"]).ok());
    let store = scene.store();
    let refused = scene.run(&["demo", "--store", store.to_str().unwrap()]).refused(2);
    assert!(refused.contains("is not the demo's: version=1 writer="), "{refused}");
    assert_eq!((scene.versions(), scene.run(&["log"]).ok()), before);
    // A demo's store in which somebody published since is not the demo's any more.
    let other = Scene::new();
    demo(&other, &["--store", other.store().to_str().unwrap()]);
    other.publish("{\"id\":1}\n").ok();
    other.run(&["demo", "--store", other.store().to_str().unwrap()]).refused(2);
    // Nor is a folder of other files.
    scene.file("notes.txt", "mine");
    scene.run(&["demo", "--store", scene.path(".").to_str().unwrap()]).refused(2);
}
