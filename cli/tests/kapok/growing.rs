//! A declared type grows only if a switch allows it.

use serde_json::json;

use crate::program::{Ran, Scene};

const SCHEMA: &str = "@0xd1a2b3c4d5e6f708;
struct Hut @0xd1a2b3c4d5e6f709 { id @0 :UInt32; name @1 :Text; rooms @2 :List(Room); }
struct Room @0xd1a2b3c4d5e6f70a { beds @0 :UInt32; }
";
const HUTS: &str = "{\"id\":1,\"name\":\"One\",\"rooms\":[{\"beds\":2}]}\n{\"id\":2,\"name\":\"Two\",\"rooms\":[]}\n";

fn publish(scene: &Scene, lines: &str, options: &[&str]) -> Ran {
    scene.file("huts.jsonl", lines);
    let mut arguments = vec!["publish", "huts.jsonl", "--type", "Hut", "--key", "id"];
    arguments.extend(options);
    scene.run(&arguments)
}

/// A store whose type was published by a schema file.
fn declared() -> Scene {
    let scene = Scene::new();
    scene.file("hut.capnp", SCHEMA);
    publish(&scene, HUTS, &["--schema", "hut.capnp"]).ok();
    scene
}

#[track_caller]
fn refuses(scene: &Scene, lines: &str, options: &[&str], grown: &[&str]) {
    let before = scene.versions();
    let message = publish(scene, lines, options).refused(2);
    for part in grown.iter().chain(&["--grow"]) {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
    assert_eq!(scene.versions(), before);
}

#[test]
fn data_adds_no_field_to_a_declared_type_unless_told_to() {
    let scene = declared();
    let more = "{\"id\":2,\"nmae\":\"Two\",\"rooms\":[{\"beds\":1,\"view\":\"sea\"}]}\n";
    refuses(&scene, more, &["--upsert"], &["Hut.nmae Text", "Hut.rooms.view Text"]);
    refuses(&scene, &format!("{HUTS}{}", more.replace(":2,", ":3,")), &[], &["Hut.nmae Text", "Hut.rooms.view Text"]);
    refuses(&scene, more, &["--upsert", "--dry-run"], &["Hut.nmae Text"]);
    // What adds nothing goes through, and the type stays declared.
    publish(&scene, &HUTS.replace("One", "Uno"), &[]).ok();
    publish(&scene, "{\"id\":3,\"name\":\"Three\",\"rooms\":[]}", &["--upsert"]).ok();
    refuses(&scene, more, &["--upsert"], &["Hut.nmae Text"]);
    let grew = publish(&scene, more, &["--upsert", "--grow"]).ok();
    assert!(grew.contains("schema grew: Hut.nmae Text"), "{grew}");
    assert_eq!(scene.export("Hut")[1], json!({"id":2,"nmae":"Two","rooms":[{"beds":1,"view":"sea"}]}));
    refuses(&scene, "{\"id\":2,\"other\":\"x\"}", &["--upsert"], &["Hut.other Text"]);
    scene.run(&["verify"]).ok();
}

#[test]
fn a_declared_type_stays_so_through_merges_dropped_fields_and_other_types() {
    let scene = declared();
    publish(&scene, "{\"id\":7,\"name\":\"x\",\"rooms\":[]}", &["--upsert"]).ok();
    scene.run(&["merge"]).ok();
    scene.publish("{\"id\":1}").ok();
    scene.publish("{\"id\":1,\"size\":1}").ok();
    scene.run(&["drop-field", "Hut", "name"]).ok();
    refuses(&scene, "{\"id\":1,\"other\":\"x\"}", &["--upsert"], &["Hut.other Text"]);
}

#[test]
fn a_republish_by_data_makes_a_type_of_data_and_a_schema_file_a_declared_one() {
    let scene = declared();
    let wider = "{\"id\":1,\"name\":\"One\",\"height\":5}\n{\"id\":2,\"name\":\"Two\",\"height\":6}\n";
    publish(&scene, wider, &["--republish"]).ok();
    let grew = publish(&scene, "{\"id\":1,\"name\":\"One\",\"height\":5,\"more\":\"x\"}", &["--upsert"]).ok();
    assert!(grew.contains("schema grew: Hut.more Text"), "{grew}");
    // The same records by the type's own schema, from now on declared.
    let schema = scene.run(&["schema"]).ok();
    scene.file("own.capnp", schema);
    let all = scene.run(&["export", "Hut"]).ok();
    let args = ["--schema", "own.capnp"];
    let said = publish(&scene, &all, &args).ok();
    assert!(said.contains("0 added, 0 changed, 0 removed"), "{said}");
    let again = publish(&scene, &all, &args).ok();
    assert!(again.contains("unchanged"), "{again}");
    refuses(&scene, "{\"id\":1,\"name\":\"One\",\"other\":1}", &["--upsert"], &["Hut.other Int64"]);
    // Null where there was none before is an addition too.
    refuses(&scene, "{\"id\":1,\"name\":\"One\",\"height\":null}", &["--upsert"], &["heightIsNull"]);
}

#[test]
fn a_schema_file_imports_the_annotations_without_an_import_path() {
    let scene = Scene::new();
    scene.file(
        "hut.capnp",
        "@0xd1a2b3c4d5e6f708; using Kapok = import \"/kapok.capnp\";\n\
         struct Hut $Kapok.key(\"id\") { id @0 :UInt32; hutName @1 :Text; }\n",
    );
    scene.file("huts.jsonl", "{\"id\":1,\"hutName\":\"One\"}");
    let publish = ["publish", "huts.jsonl", "--type", "Hut", "--schema", "hut.capnp"];
    scene.run(&publish).ok();
    assert_eq!(scene.export("Hut"), [json!({"id": 1, "hutName": "One"})]);

    // A file of the user's own on an import path comes first.
    std::fs::create_dir(scene.path("own")).unwrap();
    scene.file("own/kapok.capnp", "@0xd1a2b3c4d5e6f70b;");
    let refused = scene.run(&[&publish[..], &["--import-path", "own"]].concat()).refused(2);
    assert!(refused.contains("key"), "{refused}");
}
