//! A mistake wipes nothing, and what is meant goes through.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Value, json};

use crate::program::{Scene, run_in};

fn things(ids: Range<u32>) -> String {
    ids.fold(String::new(), |mut lines, id| {
        _ = writeln!(lines, "{{\"id\":{id},\"size\":{}}}", id * 2);
        lines
    })
}

/// A store of a hundred things.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish(&things(0..100)).ok();
    scene
}

#[track_caller]
fn refused(scene: &Scene, lines: &str, options: &[&str], expected: &[&str]) {
    let before = (scene.versions(), files(scene));
    let message = scene.publish_with(lines, options).refused(2);
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    assert_eq!((scene.versions(), files(scene)), before, "nothing is written");
}

fn files(scene: &Scene) -> usize {
    ["segments", "indexes", "manifests"]
        .iter()
        .map(|folder| std::fs::read_dir(scene.store().join(folder)).map_or(0, Iterator::count))
        .sum()
}

#[test]
fn a_file_without_records_does_not_empty_a_type() {
    let scene = scene();
    for lines in ["", "\n", " \n\t\n\r\n"] {
        refused(&scene, lines, &[], &["not_empty(Thing)", "before=100", "--allow-empty"]);
        refused(&scene, lines, &["--allow-removed"], &["not_empty(Thing)", "--allow-empty"]);
    }
    let nothing = zstd::encode_all(&b""[..], 1).unwrap();
    scene.file("things.jsonl", nothing);
    let ran = scene.run(&["publish", "things.jsonl", "--type", "Thing"]);
    assert!(ran.refused(2).contains("--allow-empty"));
    let text = scene.publish_with("", &["--allow-empty"]).ok();
    assert!(text.starts_with("published version 2: 0 Thing rows, 0 added, 0 changed, 100 removed"), "{text}");
    // The type keeps its key and schema.
    scene.publish_with(things(0..1), &[]).ok();
}

#[test]
fn deleting_every_key_does_not_empty_a_type() {
    let scene = Scene::new();
    scene.publish(&things(0..3)).ok();
    scene.file("gone.txt", "0\n1\n2\n");
    let delete =
        |more: &[&str]| scene.run(&[&["publish", "--type", "Thing", "--delete-keys", "gone.txt"], more].concat());
    assert!(delete(&[]).refused(2).contains("--allow-empty"));
    assert_eq!(scene.export("Thing").len(), 3);
    delete(&["--allow-empty"]).ok();
    assert_eq!(scene.export("Thing").len(), 0);
}

#[test]
fn an_empty_upsert_is_unchanged() {
    let scene = scene();
    scene.file("none.jsonl", "\n");
    let text = scene.run(&["publish", "none.jsonl", "--type", "Thing", "--upsert"]).ok();
    assert!(text.starts_with("unchanged: version 1 holds the same 100 Thing rows"), "{text}");
}

#[test]
fn a_file_of_less_than_half_is_refused_from_ten_removed_records_on() {
    let scene = scene();
    refused(&scene, &things(51..100), &[], &["removed=51 before=100 after=49", "--allow-removed", "--max-removed"]);
    // Others in their place are as bad: it goes by key.
    refused(&scene, &things(200..300), &[], &["removed=100 before=100 after=100"]);
    scene.publish_with(things(50..100), &[]).ok();
    scene.publish_with(things(80..100), &["--allow-removed"]).ok();
    let few = Scene::new();
    few.publish(&things(0..10)).ok();
    few.publish_with(things(9..10), &[]).ok();
}

#[test]
fn a_republish_is_held_against_the_number_of_rows() {
    let scene = scene();
    let anew = |rows: u32| (0..rows).map(|n| format!("{{\"name\":\"n{n}\"}}\n")).collect::<Vec<_>>().concat();
    let republish = ["--republish", "--key", "name"];
    refused(&scene, &anew(49), &republish, &["removed=51 before=100 after=49"]);
    scene.publish_with(anew(50), &republish).ok();
    scene.publish_with("{\"code\":1}\n", &["--republish", "--key", "code", "--allow-removed"]).ok();
    assert_eq!(scene.export("Thing"), [json!({"code": 1})]);
}

#[test]
fn bounds_are_percentages_and_numbers() {
    let scene = scene();
    refused(
        &scene,
        &things(21..100),
        &["--max-removed", "20%"],
        &["removed=21 before=100", "allowed=20%", "--max-removed"],
    );
    refused(&scene, &things(21..100), &["--max-removed", "20"], &["removed=21", "allowed=20"]);
    scene.publish_with(things(20..100), &["--max-removed", "20%"]).ok();
    let other = things(20..100).replace("}\n", ",\"note\":1}\n");
    refused(&scene, &other, &["--max-changed", "79"], &["changed=80 before=80", "--max-changed"]);
    scene.publish_with(&other, &["--max-changed", "100%"]).ok();
    refused(&scene, &things(20..99), &["--min-rows", "80"], &["rows=79 minimum=80", "--min-rows"]);
    // Also where no version comes of it.
    refused(&scene, &other, &["--min-rows", "81"], &["rows=80 minimum=81", "--min-rows"]);
    scene.file("gone.txt", "20\n21\n");
    let delete = ["publish", "--type", "Thing", "--delete-keys", "gone.txt", "--max-removed", "1"];
    assert!(scene.run(&delete).refused(2).contains("removed=2"));
    for wrong in ["20 %", "-1", "many", "%"] {
        assert_eq!(scene.publish_with(things(0..1), &["--max-removed", wrong]).code, 2, "{wrong}");
    }
}

#[test]
fn a_type_without_records_is_refused_from_the_first_version_on() {
    let scene = Scene::new();
    let request = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/samples.cgr");
    scene.file("movies.jsonl", "");
    let publish = ["publish", "movies.jsonl", "--type", "Movie", "--schema", request];
    assert!(scene.run(&publish).refused(2).contains("--allow-empty"));
    assert!(!scene.store().exists(), "no store is made");
    scene.run(&[&publish[..], &["--allow-empty"]].concat()).ok();
}

#[test]
fn a_publish_that_fails_leaves_no_new_store() {
    let scene = Scene::new();
    let deep = scene.path("a/b/store");
    let publish = |lines: &str, more: &[&str]| {
        scene.file("things.jsonl", lines);
        let arguments = [&["publish", "things.jsonl", "--type", "Thing"], more].concat();
        run_in(&scene.path("."), &arguments, Some(&deep), b"")
    };
    for (lines, more) in [
        ("{\"id\":1}\n{\"id\":\n", &["--key", "id"][..]),
        ("{\"id\":1}\n", &[]),
        ("{\"id\":1}\n{\"id\":1}\n", &["--key", "id"]),
        ("{\"id\":1}\n", &["--key", "id", "--min-rows", "2"]),
        ("{\"id\":1}\n", &["--key", "id", "--upsert", "--on", "7"]),
    ] {
        assert_ne!(publish(lines, more).code, 0);
        assert!(!scene.path("a").exists(), "{lines} {more:?}");
    }
    std::fs::create_dir(scene.path("a")).unwrap();
    publish("{\"id\":}\n", &["--key", "id"]).refused(2);
    assert_eq!(std::fs::read_dir(scene.path("a")).unwrap().count(), 0, "what was there stays");
    publish("{\"id\":1}\n", &["--key", "id"]).ok();
    assert!(deep.join("dataset").is_file());
}

#[test]
fn a_dry_run_tells_all_and_publishes_nothing() {
    let scene = scene();
    let before = (scene.versions(), files(&scene));
    let lines = things(1..101).replace("\"size\":4}", "\"size\":5}");
    let text = scene.publish_with(&lines, &["--dry-run"]).ok();
    assert!(
        text.starts_with("would publish version 2: 100 Thing rows, 1 added, 1 changed, 1 removed; would write "),
        "{text}"
    );
    assert!(text.ends_with("  + 100\n  ~ 2\n      size: 4 -> 5\n  - 0\ndry run: nothing was published\n"), "{text}");
    assert_eq!((scene.versions(), files(&scene)), before);
    let told: Value = serde_json::from_str(&scene.publish_with(&lines, &["--dry-run", "--json"]).ok()).unwrap();
    assert_eq!((&told["dry_run"], &told["outcome"]), (&json!(true), &json!("would publish")));
    assert_eq!(told["sample"], json!({"added": [{"id": 100}], "changed": [{"id": 2}], "removed": [{"id": 0}]}));
    let done: Value = serde_json::from_str(&scene.publish_with(&lines, &["--json"]).ok()).unwrap();
    for field in ["version", "rows", "added", "changed", "removed", "segments", "bytes", "index_bytes", "bytes_written"]
    {
        assert_eq!(told[field], done[field], "{field}");
    }
    let text = scene.publish_with(&lines, &["--dry-run"]).ok();
    assert!(text.starts_with("unchanged: version 2"), "{text}");
    // Guards hold as they would.
    refused(&scene, "", &["--dry-run"], &["--allow-empty"]);
}

#[test]
fn a_dry_run_of_a_first_version_or_of_changes_makes_nothing_either() {
    let scene = Scene::new();
    let text = scene.publish_with(things(0..100), &["--key", "id", "--dry-run"]).ok();
    assert!(text.contains("  + 0\n") && text.contains("  + … and 95 more\n"), "{text}");
    assert!(!scene.store().exists());
    scene.publish(&things(0..3)).ok();
    scene.file("gone.txt", "1\n77\n");
    let text = scene.run(&["publish", "--type", "Thing", "--delete-keys", "gone.txt", "--dry-run"]).ok();
    assert!(text.contains("1 removed") && text.contains("1 key(s) to delete were not there\n  - 1\n"), "{text}");
    assert_eq!(scene.export("Thing").len(), 3);
}

#[test]
fn upserts_that_race_are_all_applied() {
    let scene = Scene::new();
    scene.publish(&things(0..3)).ok();
    let (writers, rounds) = (3_u32, 6_u32);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let scene = &scene;
            scope.spawn(move || {
                for round in 0..rounds {
                    let line = format!("{{\"id\":{},\"size\":0}}\n", 1000 + writer * 100 + round);
                    let arguments = ["publish", "-", "--type", "Thing", "--upsert"];
                    let ran = scene.run_with_input(&arguments, line.as_bytes());
                    assert_eq!(ran.code, 0, "{}", ran.err);
                    for line in ran.err.lines() {
                        assert!(line.contains("by another producer meanwhile") && line.contains("attempt="), "{line}");
                    }
                }
            });
        }
    });
    assert_eq!(scene.export("Thing").len(), 3 + (writers * rounds) as usize);
}

#[test]
fn what_the_schema_grows_by_is_told_and_refused_where_that_is_asked_for() {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"rooms\":[{\"beds\":1}]}\n").ok();
    let wider = "{\"id\":1,\"rooms\":[{\"beds\":1,\"view\":\"sea\"}],\"verison\":\"2\",\"tags\":[\"a\"]}\n";
    let grown = "Thing.rooms.view Text, Thing.tags List(Text), Thing.verison Text";
    refused(&scene, wider, &["--no-new-fields"], &["no_new_fields(Thing)", grown]);
    let text = scene.publish_with(wider, &["--dry-run"]).ok();
    assert!(text.contains("\nschema would grow: Thing.rooms.view Text\n"), "{text}");
    let text = scene.publish_with(wider, &[]).ok();
    for field in grown.split(", ") {
        assert!(text.contains(&format!("\nschema grew: {field}\n")), "{text}");
    }
    let text = scene.publish_with("{\"id\":2}\n", &["--no-new-fields", "--no-new-types"]).ok();
    assert!(!text.contains("schema"), "{text}");
    scene.file("others.jsonl", "{\"id\":1}\n");
    let publish = ["publish", "others.jsonl", "--type", "Thnig", "--key", "id"];
    let message = scene.run(&[&publish[..], &["--no-new-types"]].concat()).refused(2);
    assert!(message.contains("no_new_types(Thnig)") && message.contains("there=Thing"), "{message}");
    let text = scene.run(&publish).ok();
    assert!(!text.contains("schema grew"), "{text}");
}

#[test]
fn a_merge_makes_no_store() {
    let scene = Scene::new();
    assert!(scene.run(&["merge"]).refused(1).contains("not a store"));
    assert!(!scene.store().exists());
}

#[test]
fn a_damaged_type_is_published_anew_without_a_switch_unless_there_are_fewer_rows() {
    let scene = scene();
    let segment = scene.only_file("segments");
    std::fs::write(&segment, "cut").unwrap();
    let message = scene.publish_with(things(0..40), &[]).refused(2);
    assert!(message.contains("removed=60 before=100 after=40"), "{message}");
    let ran = scene.publish_with(things(0..100), &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("could not be read"), "{}", ran.err);
    assert_eq!(scene.export("Thing").len(), 100);
}
