//! The program tells what is different between two versions, and each swap that takes a consumer there.

use serde_json::{Value, json};

use crate::program::{Scene, json_lines, run_in};

const BEFORE: &str = r#"{"id":1,"name":"one","place":{"city":"Ulm","zip":1},"tags":["a"]}
{"id":2,"name":"two","place":{"city":"Bonn","zip":2},"tags":["a","b"]}
{"id":3,"name":"three","place":{"city":"Kiel","zip":3},"tags":[]}
"#;

/// 1 is removed, 2 is changed in two places, 3 stays, 4 is added.
const AFTER: &str = r#"{"id":4,"name":"four","place":{"city":"Jena","zip":4},"tags":[]}
{"id":2,"name":"two","place":{"city":"Berlin","zip":2},"tags":["b"]}
{"id":3,"name":"three","place":{"city":"Kiel","zip":3},"tags":[]}
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish(BEFORE).ok();
    scene.publish(AFTER).ok();
    scene
}

fn diff(scene: &Scene, arguments: &[&str]) -> Value {
    let text = scene.run(&[&["diff", "--json"], arguments].concat()).ok();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_diff_has_the_keys_of_records_and_the_fields_that_changed() {
    let diff = diff(&scene(), &["1", "2"]);
    assert_eq!((&diff["from"], &diff["to"]), (&json!(1), &json!(2)));
    let counts = json!({"type": "Thing", "added": 1, "changed": 1, "removed": 1, "evidence": "manifests"});
    assert_eq!(diff["types"], json!([counts]));
    assert_eq!(diff["added"], json!([{"type": "Thing", "key": {"id": 4}}]));
    assert_eq!(diff["removed"], json!([{"type": "Thing", "key": {"id": 1}}]));
    assert_eq!(
        diff["changed"],
        json!([{"type": "Thing", "key": {"id": 2}, "fields": [
            {"field": "place.city", "before": "Bonn", "after": "Berlin"},
            {"field": "tags", "before": ["a", "b"], "after": ["b"]},
        ]}])
    );
}

#[test]
fn the_diff_back_is_the_reverse() {
    let diff = diff(&scene(), &["2", "1"]);
    assert_eq!(
        (&diff["added"], &diff["removed"]),
        (&json!([{"type": "Thing", "key": {"id": 1}}]), &json!([{"type": "Thing", "key": {"id": 4}}]))
    );
    let city = &diff["changed"][0]["fields"][0];
    assert_eq!(city, &json!({"field": "place.city", "before": "Berlin", "after": "Bonn"}));
}

#[test]
fn what_was_undone_in_between_is_no_difference() {
    let scene = scene();
    scene.publish(BEFORE).ok();
    let counts = |from, to| {
        let diff = diff(&scene, &[from, to]);
        ["added", "changed", "removed"].map(|what| diff["types"][0][what].as_u64().unwrap())
    };
    assert_eq!(counts("1", "3"), [0, 0, 0]);
    assert_eq!(counts("2", "2"), [0, 0, 0]);
    assert_eq!(counts("2", "3"), [1, 1, 1]);
}

#[test]
fn people_see_the_counts_first_and_a_limit_says_what_it_left_out() {
    let scene = scene();
    let whole = "version 1 -> 2\nThing: 1 added, 1 changed, 1 removed\n\nThing\n  + 4\n  ~ 2\n      place.city: \"Bonn\" -> \
                 \"Berlin\"\n      tags: [\"a\",\"b\"] -> [\"b\"]\n  - 1\n";
    assert_eq!(scene.run(&["diff", "1", "2"]).ok(), whole);
    let counts = "version 1 -> 2\nThing: 1 added, 1 changed, 1 removed\n";
    assert_eq!(scene.run(&["diff", "1", "2", "--limit", "0"]).ok(), counts);
    scene.publish("{\"id\":9,\"name\":\"nine\"}\n").ok();
    let text = scene.run(&["diff", "2", "3", "--limit", "1"]).ok();
    assert!(text.contains("3 removed\n"), "{text}");
    assert!(text.ends_with("\nThing\n  + 9\n  - 2\n  - … and 2 more\n"), "{text}");
    assert_eq!(diff(&scene, &["1", "2", "--limit", "0"])["added"], json!([]));
}

#[test]
fn a_field_that_only_one_version_has_is_told_where_it_has_a_value() {
    let scene = Scene::new();
    scene.publish("{\"id\":1}\n{\"id\":2}\n").ok();
    scene.publish("{\"id\":1,\"note\":\"new\"}\n{\"id\":2}\n").ok();
    let diff = diff(&scene, &["1", "2"]);
    assert_eq!(
        diff["changed"],
        json!([{"type": "Thing", "key": {"id": 1}, "fields": [{"field": "note", "after": "new"}]}])
    );
    assert!(scene.run(&["diff", "1", "2"]).ok().contains("note: (none) -> \"new\""));
    assert!(scene.run(&["diff", "2", "1"]).ok().contains("note: \"new\" -> (none)"));
}

#[test]
fn a_type_that_only_one_version_has_is_all_added_or_all_removed() {
    let scene = scene();
    scene.file("others.jsonl", "{\"at\":\"b c\",\"n\":1}\n{\"at\":\"a\",\"n\":1}\n");
    scene.run(&["publish", "others.jsonl", "--type", "Other", "--key", "at,n"]).ok();
    let diff = diff(&scene, &["2", "3", "--type", "Other"]);
    assert_eq!(diff["types"].as_array().unwrap().len(), 1);
    let keys: Vec<_> = diff["added"].as_array().unwrap().iter().map(|it| &it["key"]).collect();
    assert_eq!(keys, [&json!({"at": "a", "n": 1}), &json!({"at": "b c", "n": 1})]);
    let text = scene.run(&["diff", "3", "2"]).ok();
    assert!(text.starts_with("version 3 -> 2\nOther: 0 added, 0 changed, 2 removed\nThing: 0 added,"), "{text}");
    assert!(text.ends_with("\nOther\n  - a 1\n  - \"b c\" 1\n"), "{text}");
}

#[test]
fn versions_and_types_that_are_not_there_are_refused() {
    let scene = scene();
    assert_eq!(scene.run(&["diff", "1", "9"]).refused(1), "version 9 does not exist; the store has 1, 2");
    assert_eq!(scene.run(&["diff", "7", "2"]).refused(1), "version 7 does not exist; the store has 1, 2");
    assert!(scene.run(&["diff", "1", "2", "--type", "Nothing"]).refused(1).contains("version 2 has Thing"));
}

#[test]
fn watching_ends_at_the_version_asked_for_and_tells_each_swap() {
    let scene = scene();
    let first = json_lines(&scene.run(&["watch", "--json", "--until", "2"]).ok());
    assert_eq!(first.len(), 1);
    assert_eq!((&first[0]["from"], &first[0]["to"]), (&json!(0), &json!(2)));
    assert_eq!(first[0]["rows"], json!({"Thing": 3}));
    assert!(first[0]["fetched_bytes"].as_u64().unwrap() > 0 && first[0]["fetched_blobs"].as_u64().unwrap() >= 2);
    assert!(scene.run(&["watch", "--until", "2"]).ok().contains("  0 -> 2: "));

    let mut watching = scene.start(&["watch", "--json", "--until", "3", "--poll-ms", "20"]);
    watching.until(|printed| printed.lines().count() == 1);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!watching.is_finished(), "it waits for version 3");
    scene.publish(BEFORE).ok();
    let swaps = json_lines(&watching.join().ok());
    assert_eq!(swaps.last().unwrap()["to"], json!(3));
    assert_eq!(swaps.last().unwrap()["from"], json!(2));
}

#[test]
fn without_versions_the_announced_one_is_compared_with_the_last_that_differs() {
    let scene = Scene::new();
    scene.publish(BEFORE).ok();
    assert!(scene.run(&["diff"]).refused(1).contains("no version before 1"));
    scene.publish(AFTER).ok();
    assert_eq!(scene.run(&["diff"]).ok(), scene.run(&["diff", "1", "2"]).ok());
    for id in 10..20 {
        scene.file("one.jsonl", format!("{{\"id\":{id},\"name\":\"n{id}\"}}\n"));
        scene.run(&["publish", "one.jsonl", "--type", "Thing", "--upsert"]).ok();
    }
    let versions: Value = serde_json::from_str(&scene.versions()).unwrap();
    let last = versions.as_array().unwrap().len();
    assert!(last > 12, "a merge is the last version or not far from it: {versions}");
    let diff = diff(&scene, &[]);
    assert_eq!(diff["types"][0]["added"], json!(1), "{diff}");
    let counts = |version: u64| {
        let diff: Value =
            serde_json::from_str(&scene.run(&["diff", "--json", &version.to_string(), &last.to_string()]).ok())
                .unwrap();
        diff["types"][0]["added"].as_u64().unwrap()
    };
    let from = diff["from"].as_u64().unwrap();
    assert_eq!((counts(from), counts(from + 1)), (1, 0), "none after it differs");
    // One version is compared with the announced one.
    assert_eq!(scene.run(&["diff", "1"]).ok(), scene.run(&["diff", "1", &last.to_string()]).ok());
    scene.run(&["rollback", "2"]).ok();
    assert_eq!(scene.run(&["diff"]).ok(), scene.run(&["diff", "1", "2"]).ok());
}

#[test]
fn twenty_records_of_a_kind_are_listed_unless_all_are_asked_for() {
    let scene = Scene::new();
    scene.publish("{\"id\":1}\n").ok();
    let many = (0..30).map(|id| format!("{{\"id\":{id}}}\n")).collect::<Vec<_>>().concat();
    scene.publish(&many).ok();
    let text = scene.run(&["diff"]).ok();
    assert_eq!(text.matches("\n  + ").count(), 21, "{text}");
    assert!(text.ends_with("\n  + … and 9 more\n"), "{text}");
    assert_eq!(scene.run(&["diff", "--all"]).ok().matches("\n  + ").count(), 29);
    assert_eq!(diff(&scene, &[])["added"].as_array().unwrap().len(), 20);
    assert_eq!(diff(&scene, &["--all"])["added"].as_array().unwrap().len(), 29);
    assert_eq!(scene.run(&["diff", "--all", "--limit", "3"]).code, 2);
}

#[test]
fn watching_waits_for_the_store_and_tells_what_changed_and_why() {
    let scene = Scene::new();
    let mut watching = scene.start(&["watch", "--until", "4", "--poll-ms", "20"]);
    watching.until_complaint(|complaint| complaint.ends_with('\n'));
    assert!(!watching.is_finished(), "there is no store yet");
    scene.publish(BEFORE).ok();
    watching.until(|printed| printed.contains("  0 -> 1: "));
    scene.publish(AFTER).ok();
    watching.until(|printed| printed.contains("  1 -> 2: "));
    scene.run(&["rollback", "1", "--reason", "wrong\ncities", "--by", "ops"]).ok();
    watching.until(|printed| printed.contains("  2 -> 1: "));
    scene.publish(AFTER).ok();
    watching.until(|printed| printed.contains("  1 -> 3: "));
    scene.publish(BEFORE).ok();
    let ran = watching.join();
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.starts_with("kapok: warning: store ") && ran.err.contains("waiting for it"), "{}", ran.err);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines.iter().any(|line| line.ends_with("rows: Thing 3 (+1 ~1 -1)")), "{}", ran.out);
    let back = lines.iter().find(|line| line.contains("  2 -> 1: ")).expect("the rollback is seen");
    assert!(back.ends_with("rows: Thing 3 (+1 ~1 -1); rollback by ops: wrong cities"), "{back}");
    let arguments = ["watch", "--until", "1"];
    scene.file("notes.txt", "mine");
    assert_eq!(run_in(&scene.path("."), &arguments, Some(&scene.path(".")), b"").code, 1, "that is no store to come");
}

#[test]
fn help_of_diff_history_and_watch_has_examples() {
    let scene = Scene::new();
    for verb in ["diff", "history", "watch"] {
        let help = scene.run(&[verb, "--help"]).ok();
        assert!(help.contains(&format!("Examples:\n  kapok {verb} --store")), "{help}");
    }
}

#[test]
fn records_that_are_equal_after_a_field_was_dropped_or_made_wider_are_not_listed() {
    let lines = "{\"id\":1,\"size\":7,\"list\":[1,2],\"typo\":\"x\"}\n{\"id\":2,\"size\":8,\"list\":[]}\n";
    let scene = Scene::new();
    scene.publish(lines).ok();
    scene.run(&["drop-field", "Thing", "typo"]).ok();
    let dropped = diff(&scene, &["1", "2"]);
    assert_eq!(dropped["types"][0]["changed"], 1, "{dropped}");
    let fields = json!([{"field": "typo", "before": "x"}]);
    assert_eq!(dropped["changed"], json!([{"type": "Thing", "key": {"id": 1}, "fields": fields}]));

    let wider = "{\"id\":2,\"size\":8.5,\"list\":[0.5]}\n{\"id\":3,\"size\":1}\n";
    scene.publish_with(wider, &["--upsert", "--widen"]).ok();
    let widened = diff(&scene, &["2", "3", "--limit", "1"]);
    assert_eq!((&widened["types"][0]["changed"], &widened["types"][0]["added"]), (&json!(1), &json!(1)), "{widened}");
    assert_eq!(widened["changed"][0]["key"], json!({"id": 2}), "{widened}");
    assert!(scene.run(&["diff", "2", "3", "--limit", "0"]).ok().contains("1 added, 1 changed, 0 removed"));
    // Without versions: the last that differs.
    scene.run(&["drop-field", "Thing", "list"]).ok();
    assert_eq!(diff(&scene, &[])["from"], 3);
}
