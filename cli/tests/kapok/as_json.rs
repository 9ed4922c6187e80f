//! Members that no type holds come out as they went in.

use serde_json::json;

use crate::program::{Scene, json_lines};

const LINES: &str = r#"{"id":1,"mixed":[1,null,3],"deep":[{"any":{"b":[1,"x",{"c":null}],"a":1.0}}],"tags":{"x":1,"y":[true]}}
{"id":2,"mixed":"x\n\"\u0007","deep":[{"any":18446744073709551615},{"any":-0.0},{"any":null},{}],"tags":{"z":"s"}}
{"id":3,"mixed":null,"deep":[],"tags":{}}
{"id":4,"mixed":{"a":[],"":{}},"tags":{"n":[null]}}
"#;

const PATHS: [&str; 10] =
    ["--key", "id", "--as-json", "mixed", "--as-json", "deep.any", "--map", "tags", "--as-json", "tags.*"];

#[test]
fn mixed_lists_come_out_as_they_went_in_and_later_publishes_need_no_option() {
    let scene = Scene::new();
    scene.publish_with(LINES, &PATHS).ok();
    let mut expected = json_lines(LINES);
    expected[1]["deep"][2].as_object_mut().unwrap().clear();
    expected[2].as_object_mut().unwrap().remove("mixed");
    assert_eq!(scene.export("Thing"), expected);
    let first = &scene.run(&["export", "Thing"]).ok();
    assert!(first.contains(r#""any":{"b":[1,"x",{"c":null}],"a":1.0}"#) && first.contains(r#""any":-0.0"#), "{first}");
    assert!(scene.run(&["get", "Thing", "1"]).ok().contains(r#""mixed":[1,null,3]"#));
    scene.run(&["verify"]).ok();
    scene.file("more.jsonl", r#"{"id":5,"mixed":[[],"x"]}"#);
    scene.run(&["publish", "more.jsonl", "--type", "Thing", "--upsert"]).ok();
    scene.file("changed.jsonl", r#"{"id":1,"mixed":[1,null,4],"tags":{"x":[2,"y"]}}"#);
    scene.run(&["publish", "changed.jsonl", "--type", "Thing", "--upsert"]).ok();
    let diff = scene.run(&["diff", "2", "3"]).ok();
    assert!(diff.contains("mixed"), "{diff}");
    let records = scene.export("Thing");
    assert_eq!(records[4], json!({"id":5,"mixed":[[],"x"]}));
    assert_eq!(records[0], json!({"id":1,"mixed":[1,null,4],"tags":{"x":[2,"y"]}}));
    // Written anew, by way of JSON.
    scene.run(&["drop-field", "Thing", "tags"]).ok();
    assert_eq!(scene.export("Thing")[0], json!({"id":1,"mixed":[1,null,4]}));
    let schema = scene.run(&["schema"]).ok();
    assert!(schema.contains("mixed @1 :Text $json;"), "{schema}");
    // What is published again is the same.
    let same = scene.run(&["export", "Thing"]).ok();
    scene.file("same.jsonl", &same);
    assert!(scene.run(&["publish", "same.jsonl", "--type", "Thing"]).ok().contains("unchanged"));
}

#[test]
fn what_does_not_go_together_names_the_way_in() {
    for (lines, path) in [
        (r#"{"id":1,"a":{"list":[1,null,3]}}"#, "--as-json a.list"),
        (r#"{"id":1,"a":[{"list":[1,"x"]}]}"#, "--as-json a.list"),
        (r#"{"id":1,"list":[[{"x":1},2]]}"#, "--as-json list"),
        ("{\"id\":1,\"a\":1}\n{\"id\":2,\"a\":{}}", "--as-json a"),
    ] {
        let scene = Scene::new();
        let refused = scene.publish(lines).refused(2);
        assert!(refused.ends_with(path), "{refused}");
        let option = path.rsplit(' ').next().unwrap();
        scene.publish_with(lines, &["--key", "id", "--as-json", option]).ok();
        assert_eq!(scene.export("Thing"), json_lines(lines));
    }
}

#[test]
fn a_field_that_is_there_becomes_json_only_where_all_is_published_anew() {
    let scene = Scene::new();
    scene.publish(r#"{"id":1,"list":[1,2]}"#).ok();
    let mixed = r#"{"id":1,"list":[1,"x"]}"#;
    let with_null = r#"{"id":1,"list":[1,null]}"#;
    for message in [scene.publish(with_null).refused(2), scene.publish_with(mixed, &["--as-json", "list"]).refused(1)] {
        assert!(message.contains("--republish"), "{message}");
    }
    scene.publish_with(mixed, &["--as-json", "list", "--republish", "--key", "id"]).ok();
    assert_eq!(scene.export("Thing"), json_lines(mixed));
}

#[test]
fn options_that_no_data_can_follow_are_refused() {
    let scene = Scene::new();
    let lines = r#"{"id":1,"a":[1]}"#;
    for (options, part) in [
        (&["--key", "id", "--as-json", "id"][..], "key"),
        (&["--key", "id", "--as-json", "b"], "no record has"),
        (&["--key", "id", "--as-json", "a", "--map", "a"], "named both"),
    ] {
        let message = scene.publish_with(lines, options).refused(2);
        assert!(message.contains(part), "{message}");
    }
}
