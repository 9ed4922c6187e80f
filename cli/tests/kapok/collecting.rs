//! Does gc take what nobody needs, and only that?

use serde_json::{Value, json};

use crate::program::Scene;

/// A store with four versions, the second pinned, the fourth announced.
fn scene() -> Scene {
    let scene = Scene::new();
    for name in ["one", "two", "three", "four"] {
        scene.publish(&format!("{{\"id\":1,\"name\":\"{name}\"}}\n")).ok();
    }
    scene.run(&["pin", "2"]).ok();
    scene
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn files(scene: &Scene) -> usize {
    ["segments", "indexes", "manifests", "announcements"]
        .iter()
        .map(|folder| std::fs::read_dir(scene.store().join(folder)).unwrap().count())
        .sum()
}

#[test]
fn what_is_announced_or_pinned_stays_readable_and_the_rest_goes() {
    let scene = scene();
    let before = files(&scene);
    let text = scene.run(&["gc", "--keep", "0", "--grace", "0s"]).ok();
    assert!(text.starts_with("retired 2 version(s): 1, 3\nkept 2 version(s): 2, 4\ndeleted 2 blob(s)"), "{text}");
    assert_eq!(files(&scene), before - 2, "a segment each; all have the same index");
    for (version, name) in [("2", "two"), ("4", "four")] {
        let record = scene.run(&["get", "Thing", "1", "--version", version]).ok();
        assert_eq!(parsed(&record)["name"], json!(name));
    }
    assert!(scene.run(&["get", "Thing", "1", "--version", "3"]).refused(1).contains("version was retired"));
    assert!(scene.run(&["pin", "3"]).refused(1).contains("version was retired: version=3"));
    scene.run(&["verify"]).ok();
    scene.publish("{\"id\":1,\"name\":\"five\"}\n").ok();
    assert_eq!(parsed(&scene.versions())[2]["version"], json!(5), "no number comes again");
}

#[test]
fn a_dry_run_says_the_same_and_does_nothing() {
    let scene = scene();
    std::fs::write(scene.store().join("dataset#1"), "half").unwrap();
    let before = files(&scene);
    let mut said = parsed(&scene.run(&["gc", "--keep", "3", "--grace", "0s", "--dry-run", "--json"]).ok());
    assert_eq!((&said["retired"], &said["kept"]), (&json!([1]), &json!([2, 3, 4])));
    assert_eq!((&said["dry_run"], &said["debris"]), (&json!(true), &json!([{ "name": "dataset#1", "bytes": 4 }])));
    assert_eq!(said["deleted"].as_array().unwrap().len(), 1);
    let text = scene.run(&["gc", "--keep", "3", "--grace", "0s", "--dry-run"]).ok();
    assert!(text.starts_with("would retire 1 version(s): 1\nwould keep 3 version(s): 2-4\nwould delete 1 "), "{text}");
    assert_eq!(files(&scene), before);
    let done = parsed(&scene.run(&["gc", "--keep", "3", "--grace", "0s", "--json"]).ok());
    said["dry_run"] = json!(false);
    assert_eq!(done, said);
    assert_eq!(files(&scene), before - 1);
    assert!(!scene.store().join("dataset#1").exists());
}

#[test]
fn what_is_young_stays_unless_told_otherwise() {
    let scene = scene();
    let before = files(&scene);
    for grace in [&[][..], &["--grace", "1h"], &["--grace", "7d"]] {
        let text = scene.run(&[&["gc", "--keep", "0"], grace].concat()).ok();
        assert_eq!(text, "retired no version\nkept 4 version(s): 1-4\ndeleted 0 blob(s) and 0 leftover(s), 0 B\n");
    }
    assert_eq!(files(&scene), before);
}

#[test]
fn a_gc_that_is_not_understood_touches_nothing() {
    let scene = scene();
    for arguments in [
        &["gc"][..],
        &["gc", "--keep", "-1"],
        &["gc", "--keep", "1", "--grace", "soon"],
        &["gc", "--keep", "1", "--grace", "5"],
    ] {
        assert_eq!(scene.run(arguments).code, 2, "{arguments:?}");
    }
    assert!(scene.run(&["gc", "--keep", "1", "--grace", "5"]).err.contains("30s, 10m, 1h or 7d"));
    assert_eq!(parsed(&scene.versions()).as_array().unwrap().len(), 4);
}

#[test]
fn the_help_of_each_verb_has_examples() {
    let scene = Scene::new();
    for verb in ["log", "announce", "pin", "unpin", "rollback", "gc"] {
        let help = scene.run(&[verb, "--help"]).ok();
        assert!(help.contains("Examples:\n  ") && help.contains(&format!("kapok {verb}")), "{help}");
    }
}
