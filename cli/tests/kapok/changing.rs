//! The program applies changes to what is there, and nothing else.

use serde_json::{Value, json};

use crate::program::Scene;

const THINGS: &str = "{\"id\":1,\"name\":\"one\"}\n{\"id\":2,\"name\":\"two\"}\n{\"id\":3,\"name\":\"three\"}\n";

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish(THINGS).ok();
    scene
}

fn names(scene: &Scene) -> Vec<(i64, String)> {
    let mut names: Vec<_> = scene
        .export("Thing")
        .iter()
        .map(|thing| (thing["id"].as_i64().unwrap(), thing["name"].as_str().unwrap().to_owned()))
        .collect();
    names.sort();
    names
}

fn told(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn an_upsert_replaces_and_adds_and_leaves_the_rest() {
    let scene = scene();
    scene.file(
        "more.jsonl",
        "{\"id\":2,\"name\":\"zwei\"}\n{\"id\":4,\"name\":\"four\"}\n{\"id\":1,\"name\":\"one\"}\n",
    );
    let report = told(&scene.run(&["publish", "more.jsonl", "--type", "Thing", "--upsert", "--json"]).ok());
    assert_eq!(report["outcome"], "published");
    assert_eq!(
        [&report["added"], &report["changed"], &report["removed"], &report["rows"]],
        [1, 1, 0, 4].map(|n| json!(n)).each_ref()
    );
    let expected = [(1, "one"), (2, "zwei"), (3, "three"), (4, "four")];
    assert_eq!(names(&scene), expected.map(|(id, name)| (id, name.to_owned())));
}

#[test]
fn an_upsert_tells_of_lines_that_a_later_one_replaces() {
    let scene = scene();
    let lines = ["{\"id\":2,\"name\":\"zwei\"}", "{\"id\":4,\"name\":\"four\"}", "{\"id\":2,\"name\":\"deux\"}"];
    scene.file("twice.jsonl", [&lines[..], &lines[2..]].concat().join("\n"));
    let ran = scene.run(&["publish", "twice.jsonl", "--type", "Thing", "--upsert", "--json"]);
    assert!(ran.code == 0 && ran.err.contains("superseded=2"), "{}", ran.err);
    let report = told(&ran.out);
    assert_eq!([&report["superseded"], &report["changed"]], [2, 1].map(|n| json!(n)).each_ref());
    let expected = [(1, "one"), (2, "deux"), (3, "three"), (4, "four")];
    assert_eq!(names(&scene), expected.map(|(id, name)| (id, name.to_owned())));
    scene.file("once.jsonl", lines[0]);
    scene.run(&["publish", "once.jsonl", "--type", "Thing", "--upsert"]).ok();
}

#[test]
fn a_key_may_be_named_as_another_field_is_in_cap_n_proto() {
    // The fields are aB, named a_b, and aB2, named aB.
    let lines = "{\"a_b\":1,\"aB\":7}\n{\"a_b\":2,\"aB\":7}\n";
    for (key, more, count) in [("a_b", "{\"a_b\":2,\"aB\":8}\n", 2), ("a_b,aB", "{\"a_b\":2,\"aB\":8}\n", 3)] {
        let scene = Scene::new();
        scene.publish_with(lines, &["--key", key]).ok();
        let keys: Vec<&str> = ["2", "7"][..key.split(',').count()].to_vec();
        let got = scene.run(&[&["get", "Thing"], &keys[..]].concat()).ok();
        assert_eq!(got, "{\"a_b\":2,\"aB\":7}\n");
        // Named again and not, by all records and by changes.
        for options in [&["--key", key][..], &[], &["--upsert"], &["--upsert", "--key", key]] {
            let text = scene.publish_with(lines, options).ok();
            assert!(text.starts_with("unchanged: version 1 "), "{options:?}: {text}");
        }
        scene.publish_with(more, &["--upsert"]).ok();
        assert_eq!(scene.export("Thing").len(), count);
        let line = scene.publish_with(lines, &["--key", "aB"]).refused(1);
        assert!(line.contains("key"), "{line}");
    }
    let scene = Scene::new();
    let line = scene.publish_with(lines, &["--key", "aB"]).refused(2);
    assert!(line.contains("duplicate key: type=Thing key=7"), "{line}");
}

#[test]
fn keys_of_a_file_are_deleted_with_or_without_new_records() {
    let scene = scene();
    scene.file("gone.txt", "2\n99\n\n");
    let report = told(&scene.run(&["publish", "--type", "Thing", "--delete-keys", "gone.txt", "--json"]).ok());
    assert_eq!([&report["removed"], &report["rows"]], [1, 2].map(|n| json!(n)).each_ref());
    scene.file("gone.txt", "1\n");
    scene.file("more.jsonl", "{\"id\":9,\"name\":\"nine\"}\n");
    scene.run(&["publish", "more.jsonl", "--type", "Thing", "--upsert", "--delete-keys", "gone.txt"]).ok();
    assert_eq!(names(&scene), [(3, "three".to_owned()), (9, "nine".to_owned())]);
}

#[test]
fn changes_that_change_nothing_make_no_version() {
    let scene = scene();
    scene.file("same.jsonl", THINGS);
    let text = scene.run(&["publish", "same.jsonl", "--type", "Thing", "--upsert"]).ok();
    assert!(text.starts_with("unchanged: version 1 "), "{text}");
    let text = scene.run(&["publish", "same.jsonl", "--type", "Thing"]).ok();
    assert!(text.starts_with("unchanged: version 1 "), "{text}");
}

#[test]
fn a_bad_line_or_key_names_its_place_and_changes_nothing() {
    let scene = scene();
    scene.file("bad.jsonl", "{\"id\":5,\"name\":\"five\"}\n{\"name\":\"no key\"}\n");
    let line = scene.run(&["publish", "bad.jsonl", "--type", "Thing", "--upsert"]).refused(2);
    assert!(line.contains("bad.jsonl") && line.contains("line 2"), "{line}");
    scene.file("gone.txt", "1\nzwei\n");
    let line = scene.run(&["publish", "--type", "Thing", "--delete-keys", "gone.txt"]).refused(2);
    assert!(line.contains("gone.txt line 2") && line.contains("an integer"), "{line}");
    let err = scene.run(&["publish", "--type", "Thing", "--delete-keys", "gone.txt", "--json"]).err;
    let error = &told(&err)["error"];
    assert_eq!((error["line"].as_u64(), error["field"].as_str()), (Some(2), Some("Thing.id")), "{err}");
    scene.file("twice.jsonl", "{\"id\":5}\n{\"id\":6}\n{\"id\":5}\n");
    let err = scene.run(&["publish", "twice.jsonl", "--type", "Thing", "--json"]).err;
    assert_eq!(told(&err)["error"]["line"], 3, "{err}");
    assert_eq!(names(&scene).len(), 3);
}

#[test]
fn a_version_to_build_on_that_does_not_exist_is_named_with_those_that_do() {
    let scene = scene();
    scene.file("more.jsonl", "{\"id\":4,\"name\":\"four\"}\n");
    let line = scene.run(&["publish", "more.jsonl", "--type", "Thing", "--upsert", "--on", "99"]).refused(1);
    assert!(line.contains("version 99 does not exist; the store has 1"), "{line}");
}

#[test]
fn a_whole_file_and_keys_to_delete_do_not_go_together() {
    let scene = scene();
    scene.file("all.jsonl", THINGS);
    scene.file("gone.txt", "1\n");
    let line = scene.run(&["publish", "all.jsonl", "--type", "Thing", "--delete-keys", "gone.txt"]).refused(2);
    assert!(line.contains("--upsert"), "{line}");
}

#[test]
fn after_a_rollback_changes_must_name_the_version_they_build_on() {
    let scene = scene();
    scene.publish("{\"id\":1,\"name\":\"bad\"}\n").ok();
    scene.run(&["rollback", "1", "--reason", "bad names"]).ok();
    scene.file("more.jsonl", "{\"id\":4,\"name\":\"four\"}\n");
    let line = scene.run(&["publish", "more.jsonl", "--type", "Thing", "--upsert"]).refused(1);
    assert!(line.contains("from version 2 to 1") && line.contains("--on 1"), "{line}");
    scene.run(&["publish", "more.jsonl", "--type", "Thing", "--upsert", "--on", "1"]).ok();
    assert_eq!(names(&scene).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(names(&scene).iter().all(|(_, name)| name != "bad"));
}

#[test]
fn a_merge_is_a_version_in_which_no_record_differs() {
    let scene = scene();
    assert_eq!(scene.run(&["merge"]).ok(), "nothing to merge\n");
    for id in 10..20 {
        scene.file("one.jsonl", format!("{{\"id\":{id},\"name\":\"n{id}\"}}\n"));
        scene.run(&["publish", "one.jsonl", "--type", "Thing", "--upsert"]).ok();
    }
    // The tenth segment was one too many: a publish merges by itself.
    let segments = told(&scene.run(&["segments", "Thing", "--json"]).ok());
    assert!(segments.as_array().unwrap().len() <= 8, "{segments}");
    assert_eq!(names(&scene).len(), 13);
    let versions = told(&scene.run(&["versions", "--json"]).ok());
    assert!(versions.as_array().unwrap().len() > 11, "{versions}");
}

#[test]
fn keys_to_delete_that_were_not_there_are_counted() {
    let scene = scene();
    scene.file("gone.txt", "2\n99\n2\n98\n");
    let text = scene.run(&["publish", "--type", "Thing", "--delete-keys", "gone.txt"]).ok();
    assert!(text.contains(" 1 removed;") && text.ends_with("\n2 key(s) to delete were not there\n"), "{text}");
    let report = told(&scene.run(&["publish", "--type", "Thing", "--delete-keys", "gone.txt", "--json"]).ok());
    assert_eq!((&report["outcome"], &report["keys_absent"]), (&json!("unchanged"), &json!(4)));
}

#[test]
fn a_merge_that_damage_keeps_from_being_made_names_the_segment() {
    let scene = Scene::new();
    scene.publish("{\"id\":0}\n").ok();
    for id in 1..8 {
        scene.publish_with(format!("{{\"id\":{id}}}\n"), &["--upsert"]).ok();
    }
    let damage = |how: fn(&mut Vec<u8>)| {
        let folder = std::fs::read_dir(scene.store().join("segments")).unwrap();
        let segments: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        for segment in &segments {
            let mut bytes = std::fs::read(segment).unwrap();
            how(&mut bytes);
            std::fs::remove_file(segment).unwrap();
            std::fs::write(segment, bytes).unwrap();
        }
        segments
    };
    damage(|bytes| *bytes.last_mut().unwrap() ^= 1);
    let upsert = scene.publish_with("{\"id\":8}\n", &["--upsert"]);
    assert!(upsert.code == 0 && upsert.err.contains("not merged"), "{}", upsert.err);
    for how in [|_: &mut Vec<u8>| {}, |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 8)] {
        let segments = damage(how);
        let ran = scene.run(&["merge"]);
        assert_eq!(ran.out, "");
        let refused = ran.refused(1);
        let is_named = |segment: &std::path::PathBuf| refused.contains(segment.file_name().unwrap().to_str().unwrap());
        assert!(segments.iter().any(is_named), "{refused}");
        assert!(refused.contains("Thing are not merged") && refused.contains("kapok repair"), "{refused}");
        let json = scene.run(&["merge", "--json"]);
        assert!(json.code == 1 && json.out.contains("\"versions\":[]"), "{}", json.out);
    }
}
