//! `gc` takes what nobody needs, and only that.

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
    let text = scene.run(&["gc", "--keep", "0", "--grace", "0s", "--no-writers"]).ok();
    assert!(text.starts_with("retired 2 version(s): 1, 3\nkept 2 version(s): 2, 4\ndeleted 4 blob(s)"), "{text}");
    assert_eq!(files(&scene), before - 4, "a segment and its index each");
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
    let mut said =
        parsed(&scene.run(&["gc", "--keep", "3", "--grace", "0s", "--no-writers", "--dry-run", "--json"]).ok());
    assert_eq!((&said["retired"], &said["kept"]), (&json!([1]), &json!([2, 3, 4])));
    assert_eq!((&said["dry_run"], &said["debris"]), (&json!(true), &json!([{ "name": "dataset#1", "bytes": 4 }])));
    assert_eq!(said["deleted"].as_array().unwrap().len(), 2, "a segment and its index");
    let text = scene.run(&["gc", "--keep", "3", "--grace", "0s", "--no-writers", "--dry-run"]).ok();
    assert!(text.starts_with("would retire 1 version(s): 1\nwould keep 3 version(s): 2-4\nwould delete 2 "), "{text}");
    assert_eq!(files(&scene), before);
    let done = parsed(&scene.run(&["gc", "--keep", "3", "--grace", "0s", "--no-writers", "--json"]).ok());
    said["dry_run"] = json!(false);
    assert_eq!(done, said);
    assert_eq!(files(&scene), before - 2);
    assert!(!scene.store().join("dataset#1").exists());
}

#[test]
fn what_is_young_stays_unless_told_otherwise() {
    let scene = scene();
    let before = files(&scene);
    for (grace, name) in [(&[][..], "1h"), (&["--grace", "1h"], "1h"), (&["--grace", "7d"], "7d")] {
        let text = scene.run(&[&["gc", "--keep", "0"], grace].concat()).ok();
        let expected = format!(
            "retired no version\nkept 4 version(s): 1-4\nof these for nothing but the grace period of {name}: 2 version(s): \
             1, 3\ndeleted 0 blob(s) and 0 leftover(s), 0 B\n"
        );
        assert_eq!(text, expected);
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
        &["gc", "--keep", "1", "--grace", "59m"],
    ] {
        assert_eq!(scene.run(arguments).code, 2, "{arguments:?}");
    }
    assert!(scene.run(&["gc", "--keep", "1", "--grace", "5"]).err.contains("30s, 10m, 1h or 7d"));
    assert_eq!(parsed(&scene.versions()).as_array().unwrap().len(), 4);
}

#[test]
fn a_version_that_cannot_be_read_is_named_by_each_verb_and_goes_when_its_number_is_given() {
    let scene = scene();
    let path = scene.store().join(format!("manifests/{:020}", 3));
    std::fs::write(&path, "strange").unwrap();
    let listed = parsed(&scene.versions());
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert!(listed[2]["unreadable"].as_str().unwrap().contains("00003"), "{listed}");
    assert_eq!(listed[3]["rows"], json!(1));
    let table = scene.run(&["versions"]).ok();
    assert!(table.contains("cannot be read: file is corrupt"), "{table}");

    let history = scene.run(&["history", "Thing", "1"]);
    assert!(history.code == 0 && history.out.contains("four"), "{}{}", history.out, history.err);
    assert!(history.err.starts_with("kapok: warning: version 3 is left out"), "{}", history.err);
    let diff = scene.run(&["diff", "1", "4"]);
    assert!(diff.code == 0 && diff.out.contains("1 changed"), "{}{}", diff.out, diff.err);
    assert!(diff.err.contains("version 3 is left out"), "{}", diff.err);

    let before = files(&scene);
    let text = scene.run(&["gc", "--keep", "1", "--grace", "0s", "--no-writers"]).refused(1);
    assert!(text.contains("version 3 cannot be read") && text.contains("--retire-unreadable 3"), "{text}");
    assert_eq!(files(&scene), before);
    let gc = ["gc", "--keep", "1", "--grace", "0s", "--no-writers", "--retire-unreadable", "3", "--json"];
    let said = parsed(&scene.run(&gc).ok());
    assert_eq!((&said["retired"], &said["unreadable"]), (&json!([3]), &json!([])));
    assert_eq!(said["deleted"].as_array().unwrap().len(), 4, "the segments of 1 and 3, and their indexes");
    scene.run(&["verify"]).ok();
    assert_eq!(scene.run(&["history", "Thing", "1"]).code, 0);
}

#[test]
fn a_lost_blob_of_a_version_that_stays_is_named_and_holds_everything() {
    let scene = scene();
    let segments = parsed(&scene.run(&["segments", "Thing", "--version", "4", "--json"]).ok()).to_string();
    let lost = std::fs::read_dir(scene.store().join("segments")).unwrap().map(|it| it.unwrap());
    let lost = lost.into_iter().find(|it| segments.contains(&it.file_name().into_string().unwrap())).unwrap();
    std::fs::remove_file(lost.path()).unwrap();
    let before = files(&scene);
    let text = scene.run(&["gc", "--keep", "1", "--grace", "0s", "--no-writers"]).refused(1);
    assert!(text.contains("version 4 lacks 1 blob(s), the first segments/"), "{text}");
    assert_eq!(files(&scene), before);
    assert_eq!(scene.run(&["get", "Thing", "1", "--version", "3"]).code, 0, "it can still be rolled back to");
}

#[test]
fn the_help_of_each_verb_has_examples() {
    let scene = Scene::new();
    for verb in ["log", "announce", "pin", "unpin", "rollback", "gc"] {
        let help = scene.run(&[verb, "--help"]).ok();
        assert!(help.contains("Examples:\n  ") && help.contains(&format!("kapok {verb}")), "{help}");
    }
}
