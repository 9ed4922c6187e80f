//! Record types and fields are dropped.

use serde_json::json;

use crate::program::Scene;

#[test]
fn a_field_goes_and_one_that_is_added_later_does_not_read_its_bytes() {
    let scene = Scene::new();
    let lines = concat!(
        r#"{"id":1,"verison":"1.0","size":7,"rooms":[{"beds":2,"view":"sea"},{"beds":3}],"score":1.5}"#,
        "\n",
        r#"{"id":2,"verison":"2.0","size":null,"rooms":[],"score":"NaN"}"#,
        "\n"
    );
    scene.publish(&lines.replace("\"NaN\"", "2.5")).ok();
    scene.run(&["drop-field", "Thing", "verison"]).ok();
    scene.run(&["drop-field", "--type", "Thing", "rooms.view"]).ok();
    let left =
        [json!({"id":1,"size":7,"rooms":[{"beds":2},{"beds":3}],"score":1.5}), json!({"id":2,"rooms":[],"score":2.5})];
    assert_eq!(scene.export("Thing"), left);
    let grown = r#"{"id":2,"size":3,"rooms":[],"score":2.5,"version":"3.0"}"#;
    scene.file("grown.jsonl", grown);
    scene.run(&["publish", "grown.jsonl", "--type", "Thing", "--upsert"]).ok();
    let after = [left[0].clone(), serde_json::from_str(grown).unwrap()];
    assert_eq!(scene.export("Thing"), after);
    // A number goes with its flag.
    scene.run(&["drop-field", "Thing", "size"]).ok();
    let schema = scene.run(&["schema"]).ok();
    assert!(!schema.contains("size") && schema.contains(":Void"), "{schema}");
    assert_eq!(scene.export("Thing")[0], json!({"id":1,"rooms":[{"beds":2},{"beds":3}],"score":1.5}));
    scene.run(&["verify"]).ok();
    scene.run(&["rollback", "1"]).ok();
    assert_eq!(scene.export("Thing")[0]["verison"], "1.0");
}

#[test]
fn a_field_that_cannot_be_dropped_is_refused_and_says_why() {
    let scene = Scene::new();
    scene.publish(r#"{"id":1,"size":7,"room":{"beds":2}}"#).ok();
    scene.publish(r#"{"id":1,"size":null,"room":{"beds":2}}"#).ok();
    for (field, why) in [
        ("id", "primary key"),
        ("sizeIsNull", "drop size instead"),
        ("verison", "has id, size, room"),
        ("room.doors", "has beds"),
        ("size.beds", "has id, size, room"),
    ] {
        let ran = scene.run(&["drop-field", "Thing", field]);
        assert!(ran.code != 0 && ran.err.contains(why), "{field}: {}", ran.err);
    }
    assert_eq!(scene.run(&["drop-field", "Thing"]).code, 2);
    assert_eq!(scene.run(&["versions", "--json"]).ok().matches("\"created\"").count(), 2);
}

#[test]
fn a_record_type_goes_with_its_records_and_comes_back_by_a_rollback() {
    let scene = Scene::new();
    scene.publish("{\"id\":1}\n{\"id\":2}").ok();
    scene.file("typo.jsonl", "{\"id\":7}\n{\"id\":8}\n{\"id\":9}");
    scene.run(&["publish", "typo.jsonl", "--type", "Thign", "--key", "id", "--tag", "from=typo"]).ok();
    let ran = scene.run(&["drop-type", "Thign"]).ok();
    assert!(ran.contains("3 rows removed"), "{ran}");
    assert_eq!(scene.run(&["export", "Thign"]).code, 1);
    assert_eq!(scene.export("Thing").len(), 2);
    for (versions, count) in [(["2", "3"], "3 removed"), (["3", "2"], "3 added"), (["1", "3"], "no difference")] {
        let out = scene.run(&["diff", versions[0], versions[1]]).ok();
        assert!(count == "no difference" || out.contains(count), "{versions:?}: {out}");
        assert!(count != "no difference" || !out.contains("Thign"), "{versions:?}: {out}");
    }
    let schema = scene.run(&["schema"]).ok();
    assert!(!schema.contains("Thign"), "{schema}");
    scene.run(&["verify"]).ok();
    let wrong = scene.run(&["drop-type", "Thign"]);
    assert!(wrong.code != 0 && wrong.err.contains("Thing"), "{}", wrong.err);
    // Another type of that name begins anew.
    scene.file("again.jsonl", "{\"id\":\"x\"}");
    scene.run(&["publish", "again.jsonl", "--type", "Thign", "--key", "id"]).ok();
    let out = scene.run(&["diff", "2", "4"]).ok();
    assert!(out.contains("1 added") && out.contains("3 removed"), "{out}");
    scene.run(&["rollback", "2"]).ok();
    assert_eq!(scene.export("Thign").len(), 3);
}

#[test]
fn nothing_is_dropped_from_a_store_that_is_not_there() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["drop-type", "Thing"]).code, 1);
    assert!(!scene.store().exists());
}

#[test]
fn a_damaged_segment_is_not_written_anew_as_if_it_were_sound() {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"a\":\"VALUE007\",\"b\":1}\n").ok();
    let segment = scene.only_file("segments");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|text| text == b"VALUE007").unwrap();
    bytes[at] ^= 1;
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, bytes).unwrap();
    let before = scene.versions();
    scene.file("more.jsonl", "{\"id\":2,\"a\":\"x\",\"b\":0.5}\n");
    for rewriting in
        [&["drop-field", "Thing", "b"][..], &["publish", "more.jsonl", "--type", "Thing", "--upsert", "--widen"]]
    {
        let message = scene.run(rewriting).refused(1);
        assert!(
            message.contains("hash") && message.contains(segment.file_name().unwrap().to_str().unwrap()),
            "{message}"
        );
    }
    assert_eq!(scene.versions(), before);
}
