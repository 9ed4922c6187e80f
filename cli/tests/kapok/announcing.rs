//! Consumers go where they are sent, and the log tells who sent them.

use serde_json::{Value, json};

use crate::program::Scene;

/// A store with three versions, the third announced.
fn scene() -> Scene {
    let scene = Scene::new();
    for name in ["one", "two", "three"] {
        scene.publish(&format!("{{\"id\":1,\"name\":\"{name}\"}}\n")).ok();
    }
    scene
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What a consumer reads.
fn read(scene: &Scene) -> String {
    parsed(&scene.run(&["get", "Thing", "1"]).ok())["name"].as_str().unwrap().to_owned()
}

#[test]
fn consumers_follow_pin_rollback_and_announcement() {
    let scene = scene();
    assert_eq!(read(&scene), "three");
    let pinned = scene.run(&["pin", "1", "--reason", "freeze", "--by", "ops"]).ok();
    assert_eq!(pinned, "entry 4: pin: version 1 is pinned, version 3 is announced\n");
    assert_eq!(read(&scene), "one");
    let back = scene.run(&["rollback", "2"]).ok();
    assert_eq!(back, "entry 5: rollback: version 1 is pinned, version 2 is announced\n");
    assert_eq!(read(&scene), "one");
    assert_eq!(scene.run(&["unpin"]).ok(), "entry 6: unpin: version 2 is announced\n");
    assert_eq!(read(&scene), "two");
    assert_eq!(scene.run(&["announce", "3"]).ok(), "entry 7: announce: version 3 is announced\n");
    assert_eq!(read(&scene), "three");
}

#[test]
fn the_log_tells_who_did_what_and_why() {
    let scene = scene();
    scene.run(&["rollback", "2", "--reason", "prices\twere wrong", "--by", "ops"]).ok();
    let log = parsed(&scene.run(&["log", "--json"]).ok());
    assert_eq!(log.as_array().unwrap().len(), 4);
    let entry = &log[3];
    for (field, value) in [
        ("sequence", json!(4)),
        ("action", json!("rollback")),
        ("current", json!(2)),
        ("announced", json!(2)),
        ("pinned", Value::Null),
        ("highest", json!(3)),
        ("rolled_back", json!(true)),
        ("by", json!("ops")),
        ("reason", json!("prices\twere wrong")),
    ] {
        assert_eq!(entry[field], value, "{field}");
    }
    assert_eq!(entry["created"].as_str().unwrap().len(), 24);
    let text = scene.run(&["log"]).ok();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("entry  created"), "{text}");
    assert!(
        lines[4].contains("rollback") && lines[4].contains("ops ") && lines[4].ends_with("  prices were wrong"),
        "{text}"
    );
}

#[test]
fn what_is_so_already_is_no_failure_and_makes_no_entry() {
    let scene = scene();
    scene.run(&["pin", "1"]).ok();
    for (arguments, said) in [
        (&["pin", "1"][..], "version 1 is pinned already\n"),
        (&["announce", "3"], "version 3 is announced already\n"),
        (&["rollback", "3"], "version 3 is announced already\n"),
    ] {
        assert_eq!(scene.run(arguments).ok(), said);
        let told = parsed(&scene.run(&[arguments, &["--json"]].concat()).ok());
        assert_eq!((&told["changed"], &told["entry"]["sequence"]), (&json!(false), &json!(4)));
    }
    let told = parsed(&scene.run(&["unpin", "--json"]).ok());
    assert_eq!((&told["changed"], &told["entry"]["pinned"]), (&json!(true), &Value::Null));
    assert_eq!(scene.run(&["unpin"]).ok(), "no version is pinned\n");
}

#[test]
fn an_older_version_is_announced_by_a_rollback_only() {
    let refused = scene().run(&["announce", "2"]).refused(1);
    assert_eq!(refused, "version 2 is older than the announced version 3; use kapok rollback 2");
}

#[test]
fn an_unknown_version_is_refused_with_those_there_are() {
    let scene = scene();
    for verb in ["announce", "pin", "rollback"] {
        assert_eq!(scene.run(&[verb, "9"]).refused(1), "version 9 does not exist; the store has 1, 2, 3");
        assert_eq!(scene.run(&[verb, "0"]).code, 2);
        assert_eq!(scene.run(&[verb]).code, 2);
    }
    assert_eq!(parsed(&scene.run(&["log", "--json"]).ok()).as_array().unwrap().len(), 3);
    assert!(Scene::new().run(&["log"]).refused(1).contains("not a store"));
    assert!(Scene::new().run(&["pin", "1"]).refused(1).contains("not a store"));
}
