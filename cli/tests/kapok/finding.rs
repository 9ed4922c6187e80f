//! `kapok find` searches all record types for a value.

use serde_json::{Value, json};

use crate::program::{Scene, json_lines};

fn scene() -> Scene {
    let scene = Scene::new();
    let lines = [
        r#"{"id":3,"name":"three","size":30,"tags":["a","30"],"rooms":[{"beds":3},{"beds":7}],"where":{"city":"Oslo"}}"#,
        r#"{"id":1,"name":"one","size":10.5,"tags":["Oslo"],"rooms":[],"open":true}"#,
    ];
    scene.publish(&lines.join("\n")).ok();
    let town = scene.file("towns.jsonl", r#"{"town":"Oslo","twin":"three"}"#);
    scene.run(&["publish", town.to_str().unwrap(), "--type", "Town", "--key", "town"]).ok();
    scene
}

fn found(scene: &Scene, arguments: &[&str]) -> Vec<(String, Value, Value)> {
    let lines = json_lines(&scene.run(&[&["find"], arguments].concat()).ok());
    let key = |record: &Value| record.get("id").or(record.get("town")).unwrap().clone();
    lines
        .iter()
        .map(|line| (line["type"].as_str().unwrap().to_owned(), line["fields"].clone(), key(&line["record"])))
        .collect()
}

#[test]
fn a_value_is_found_in_all_types_and_fields() {
    let scene = scene();
    let of = |ty: &str, fields: Value, key: Value| (ty.to_owned(), fields, key);
    for (arguments, expected) in [
        (
            &["Oslo"][..],
            vec![
                of("Thing", json!(["tags[]"]), json!(1)),
                of("Thing", json!(["where.city"]), json!(3)),
                of("Town", json!(["town"]), json!("Oslo")),
            ],
        ),
        (&["three"], vec![of("Thing", json!(["name"]), json!(3)), of("Town", json!(["twin"]), json!("Oslo"))]),
        (&["three", "--type", "Town"], vec![of("Town", json!(["twin"]), json!("Oslo"))]),
        (&["30"], vec![of("Thing", json!(["size", "tags[]"]), json!(3))]),
        (&["\"30\""], vec![of("Thing", json!(["tags[]"]), json!(3))]),
        (&["3"], vec![of("Thing", json!(["id", "rooms[].beds"]), json!(3))]),
        (&["3", "--field", "beds"], vec![of("Thing", json!(["rooms[].beds"]), json!(3))]),
        (&["10.5", "--field", "size"], vec![of("Thing", json!(["size"]), json!(1))]),
        (&["true"], vec![of("Thing", json!(["open"]), json!(1))]),
        (&["Oslo", "--limit", "1"], vec![of("Thing", json!(["tags[]"]), json!(1))]),
        (&["nowhere"], vec![]),
    ] {
        assert_eq!(found(&scene, arguments), expected, "{arguments:?}");
    }
    assert_eq!(scene.run(&["find", "Oslo", "--count"]).ok(), "3\n");
    assert_eq!(scene.run(&["find", "Oslo", "--field", "nmae"]).code, 2);
}
