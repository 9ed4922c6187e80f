//! The program tells what became of a record.

use serde_json::{Value, json};

use crate::program::Scene;

/// 7 is not there, added, stays twice, changes, is removed, comes back.
fn scene() -> Scene {
    let scene = Scene::new();
    for lines in [
        "{\"id\":1,\"name\":\"one\",\"at\":{\"x\":1}}\n",
        "{\"id\":1,\"name\":\"one\",\"at\":{\"x\":1}}\n{\"id\":7,\"name\":\"seven\",\"at\":{\"x\":7}}\n",
        "{\"id\":1,\"name\":\"uno\",\"at\":{\"x\":1}}\n{\"id\":7,\"name\":\"seven\",\"at\":{\"x\":7}}\n",
    ] {
        scene.publish(lines).ok();
    }
    // Another type: nothing becomes of the things.
    scene.file("others.jsonl", "{\"id\":\"a\"}\n");
    scene.run(&["publish", "others.jsonl", "--type", "Other", "--key", "id"]).ok();
    for lines in [
        "{\"id\":7,\"name\":\"sieben\",\"at\":{\"x\":-7}}\n",
        "{\"id\":1,\"name\":\"uno\",\"at\":{\"x\":1}}\n",
        "{\"id\":7,\"name\":\"sieben\",\"at\":{\"x\":-7}}\n",
    ] {
        scene.publish(lines).ok();
    }
    scene
}

fn history(scene: &Scene, key: &str) -> Vec<Value> {
    serde_json::from_str(&scene.run(&["history", "Thing", key, "--json"]).ok()).unwrap()
}

#[test]
fn a_record_is_told_from_version_to_version_and_quiet_ones_are_folded() {
    let scene = scene();
    let entries = history(&scene, "7");
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            let number = |name: &str| entry[name].as_u64().unwrap();
            (entry["what"].as_str().unwrap(), number("version"), number("until"))
        })
        .collect();
    assert_eq!(told, [("absent", 1, 1), ("added", 2, 4), ("changed", 5, 5), ("removed", 6, 6), ("added", 7, 7)]);
    assert_eq!(entries[1]["record"], json!({"id": 7, "name": "seven", "at": {"x": 7}}));
    assert_eq!(
        entries[2]["fields"],
        json!([
            {"field": "at.x", "before": 7, "after": -7},
            {"field": "name", "before": "seven", "after": "sieben"},
        ])
    );
    let told: Vec<_> = history(&scene, "1").iter().map(|entry| entry["what"].clone()).collect();
    assert_eq!(told, ["added", "changed", "removed", "added", "removed"]);
    assert!(entries[3].get("record").is_none() && entries[3].get("fields").is_none());
    assert_eq!(entries[2]["created"].as_str().unwrap().len(), 24);
}

#[test]
fn people_see_one_line_per_step_and_one_per_field() {
    let text = scene().run(&["history", "Thing", "7"]).ok();
    let without_times: Vec<_> = text
        .lines()
        .map(|line| match line.split_once(", 20") {
            Some((version, rest)) => format!("{version}{}", &rest[rest.find("Z: ").unwrap() + 1..]),
            None => line.to_owned(),
        })
        .collect();
    assert_eq!(
        without_times,
        [
            "version 1: not there",
            "version 2 to 4: added",
            "  {\"at\":{\"x\":7},\"id\":7,\"name\":\"seven\"}",
            "version 5: changed",
            "  at.x: 7 -> -7",
            "  name: \"seven\" -> \"sieben\"",
            "version 6: removed",
            "version 7: added",
            "  {\"at\":{\"x\":-7},\"id\":7,\"name\":\"sieben\"}",
        ]
    );
}

#[test]
fn tags_of_a_version_stand_beside_it() {
    let scene = Scene::new();
    scene.publish_with("{\"id\":1}\n", &["--key", "id", "--tag", "source=test"]).ok();
    assert_eq!(history(&scene, "1")[0]["tags"], json!({"source": "test"}));
    assert!(scene.run(&["history", "Thing", "1"]).ok().contains("added (source=test)\n"));
}

#[test]
fn a_field_that_came_later_and_is_empty_is_no_change() {
    let scene = Scene::new();
    scene.publish("{\"id\":1}\n").ok();
    scene.publish("{\"id\":1}\n{\"id\":2,\"note\":\"x\"}\n").ok();
    let entries = history(&scene, "1");
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["until"], json!(2));
}

#[test]
fn a_record_that_no_version_has_is_a_no_and_a_key_that_cannot_be_is_input() {
    let scene = scene();
    let refused = scene.run(&["history", "Thing", "99"]).refused(1);
    assert_eq!(refused, "Thing 99 is in none of the versions 1, 2, 3, 4, 5, 6, 7");
    assert!(scene.run(&["history", "Thing", "seven"]).refused(2).contains("Thing.id: expected an integer"));
    assert!(scene.run(&["history", "Thing", "1", "2"]).refused(2).contains("the key of Thing has 1 field(s), 2 given"));
    assert!(scene.run(&["history", "Nothing", "1"]).refused(1).contains("Nothing"));
}

#[test]
fn where_older_versions_are_retired_the_trail_says_where_it_begins() {
    let scene = Scene::new();
    for name in ["one", "two", "three"] {
        scene.publish(&format!("{{\"id\":1,\"name\":\"{name}\"}}\n")).ok();
    }
    let whole = scene.run(&["history", "Thing", "1"]).ok();
    assert!(whole.starts_with("version 1, ") && whole.contains(": added"), "{whole}");
    scene.run(&["publish", "things.jsonl", "--type", "Thing"]).ok();
    collect(&scene);
    let text = scene.run(&["history", "Thing", "1"]).ok();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "versions before 3 are retired: the trail begins there");
    assert!(lines[1].starts_with("version 3, ") && lines[1].ends_with(": there"), "{text}");
    let entries: serde_json::Value =
        serde_json::from_str(&scene.run(&["history", "Thing", "1", "--json"]).ok()).unwrap();
    assert_eq!(entries[0]["what"], "present");
}

/// Retires all but the newest version.
fn collect(scene: &Scene) {
    let ran = scene.run(&["gc", "--keep", "1", "--grace", "0s"]);
    if ran.code != 0 {
        scene.run(&["gc", "--keep", "1", "--grace", "0s", "--no-writers"]).ok();
    }
}
