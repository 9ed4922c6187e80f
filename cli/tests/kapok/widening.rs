//! Integer fields become floats.

use serde_json::json;

use crate::program::{Scene, json_lines};

const INTEGERS: &str = concat!(
    "{\"id\":1,\"size\":7,\"part\":{\"len\":3},\"parts\":[{\"len\":4}],\"row\":[1,2],\"name\":\"a\"}\n",
    "{\"id\":2,\"size\":null,\"part\":{\"len\":5},\"parts\":[],\"row\":[],\"name\":\"b\"}\n",
    "{\"id\":3,\"size\":-9007199254740992,\"part\":{\"len\":6},\"parts\":[{\"len\":7}],\"row\":[3],\"name\":\"c\"}\n",
);

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish(INTEGERS).ok();
    scene
}

#[test]
fn a_float_after_integers_is_refused_and_names_the_way_out() {
    let scene = scene();
    let before = scene.versions();
    for (line, place) in [
        ("{\"id\":1,\"size\":1.5}", "Thing.size"),
        ("{\"id\":1,\"part\":{\"len\":1.5}}", "Thing.part.len"),
        ("{\"id\":1,\"row\":[1,1.5]}", "Thing.row[1]"),
    ] {
        let message = scene.publish_with(line, &["--upsert"]).refused(2);
        for part in ["line 1", place, "Int64", "--widen"] {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
    for line in ["{\"id\":1,\"size\":\"x\"}", "{\"id\":1,\"part\":[1]}", "{\"id\":1,\"name\":5}"] {
        let message = scene.publish_with(line, &["--upsert"]).refused(2);
        assert!(message.contains("--republish") && !message.contains("--widen"), "{message}");
    }
    let message = scene.publish_with("{\"id\":1.5,\"size\":1}", &["--upsert", "--widen"]).refused(2);
    assert!(message.contains("Thing.id") && !message.contains("--widen"), "{message}");
    assert_eq!(scene.versions(), before);
}

#[test]
fn an_upsert_with_floats_writes_all_other_records_anew_as_floats() {
    let scene = scene();
    let floats = "{\"id\":1,\"size\":7.5,\"part\":{\"len\":3.5},\"parts\":[{\"len\":4.5}],\"row\":[1.5,2.0],\"name\":\"a\"}\n\
                  {\"id\":4,\"size\":8,\"part\":{\"len\":1},\"parts\":[],\"row\":[],\"name\":\"d\",\"extra\":\"x\"}\n\
                  {\"id\":4,\"size\":9,\"part\":{\"len\":1},\"parts\":[],\"row\":[],\"name\":\"d\",\"extra\":\"y\"}\n";
    let ran = scene.publish_with(floats, &["--upsert", "--widen"]);
    assert!(ran.code == 0 && ran.err.contains("superseded=1"), "{}", ran.err);
    let said = ran.out;
    assert!(said.contains("4 Thing rows, all written anew in place of 3;"), "{said}");
    assert!(said.contains("schema grew: Thing.extra Text"), "{said}");
    let records = scene.export("Thing");
    assert_eq!(records.len(), 4);
    let expected = json_lines(floats);
    assert_eq!(records[0], expected[0]);
    let second = json!({"id":2,"part":{"len":5.0},"parts":[],"row":[],"name":"b"});
    assert_eq!(records[1], second);
    assert_eq!(records[2]["size"], json!(-9_007_199_254_740_992.0));
    assert_eq!(records[3], json!({"id":4,"size":9.0,"part":{"len":1.0},"parts":[],"row":[],"name":"d","extra":"y"}));
    let schema = scene.run(&["schema"]).ok();
    assert!(
        schema.contains("size @1 :Float64") && schema.contains("row @") && schema.contains("List(Float64)"),
        "{schema}"
    );
    assert!(schema.contains("id @0 :Int64"), "{schema}");
    assert_eq!(scene.versions().matches("\"created\"").count(), 2, "one version");
    scene.run(&["verify"]).ok();
    // From now on floats and integers come as they like, and nothing is left to widen.
    scene.publish_with("{\"id\":2,\"size\":0.25}", &["--upsert"]).ok();
    scene.publish_with("{\"id\":3,\"size\":1}", &["--upsert", "--widen"]).ok();
    assert_eq!(scene.export("Thing")[1]["size"], 0.25);
    scene.run(&["rollback", "1"]).ok();
    assert_eq!(scene.export("Thing"), json_lines(INTEGERS).into_iter().map(without_null).collect::<Vec<_>>());
}

fn without_null(mut record: serde_json::Value) -> serde_json::Value {
    record.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    record
}

#[test]
fn a_full_file_with_floats_replaces_all_records() {
    let scene = scene();
    let floats = INTEGERS.replace("\"size\":7", "\"size\":7.25");
    let said = scene.publish_with(&floats, &["--widen"]).ok();
    assert!(said.contains("3 Thing rows"), "{said}");
    assert_eq!(scene.export("Thing")[0]["size"], 7.25);
    assert_eq!(scene.export("Thing")[2]["size"], json!(-9_007_199_254_740_992.0));
    // The guards hold as ever.
    let message =
        Scene::publish_with(&scene, "{\"id\":1,\"part\":{\"len\":0.5}}", &["--widen", "--min-rows", "2"]).refused(2);
    assert!(message.contains("minimum_count"), "{message}");
}

#[test]
fn an_integer_that_no_float_is_equal_to_is_named_by_key_and_field() {
    let scene = Scene::new();
    scene
        .publish(
            "{\"id\":1,\"size\":1}\n{\"id\":77,\"size\":9007199254740993}\n{\"id\":3,\"size\":1152921504606846976}",
        )
        .ok();
    let before = scene.versions();
    let message = scene.publish_with("{\"id\":1,\"size\":1.5}", &["--upsert", "--widen"]).refused(2);
    for part in ["key=77", "Thing.size", "9007199254740993"] {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    assert_eq!(scene.versions(), before);
    // A record that goes, or is replaced, is in nobody's way; a power of two is exact.
    scene.publish_with("{\"id\":1,\"size\":1.5}\n{\"id\":77,\"size\":2}", &["--upsert", "--widen"]).ok();
    assert_eq!(scene.export("Thing")[1]["size"].as_f64(), Some(1_152_921_504_606_846_976.0));
}

#[test]
fn keys_to_delete_go_when_the_others_are_widened() {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"size\":1}\n{\"id\":77,\"size\":9007199254740993}\n{\"id\":3,\"size\":5}").ok();
    scene.file("gone.txt", "77\n");
    scene.publish_with("{\"id\":1,\"size\":1.5}", &["--upsert", "--widen", "--delete-keys", "gone.txt"]).ok();
    assert_eq!(scene.export("Thing"), [json!({"id":1,"size":1.5}), json!({"id":3,"size":5.0})]);
}

#[test]
fn a_declared_type_of_narrow_integers_is_widened_and_grows_no_further() {
    let scene = Scene::new();
    scene.file(
        "thing.capnp",
        "@0xd1a2b3c4d5e6f718;\nstruct Thing @0xd1a2b3c4d5e6f719 { id @0 :UInt32; small @1 :Int8 = 5; size @2 :UInt16; }\n",
    );
    scene
        .publish_with(
            "{\"id\":1,\"small\":5,\"size\":2}\n{\"id\":2,\"small\":-3,\"size\":9}",
            &["--key", "id", "--schema", "thing.capnp"],
        )
        .ok();
    let more = "{\"id\":2,\"small\":0.5,\"size\":9,\"extra\":\"x\"}";
    let message = scene.publish_with(more, &["--upsert", "--widen"]).refused(2);
    assert!(message.contains("Thing.extra Text") && message.contains("--grow"), "{message}");
    scene.publish_with("{\"id\":2,\"small\":0.5,\"size\":9}", &["--upsert", "--widen"]).ok();
    assert_eq!(scene.export("Thing"), [json!({"id":1,"small":5.0,"size":2}), json!({"id":2,"small":0.5,"size":9})]);
    scene.run(&["verify"]).ok();
    scene.publish_with(more, &["--upsert"]).refused(2);
}
