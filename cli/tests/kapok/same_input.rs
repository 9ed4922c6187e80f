//! A file that is published again.

use serde_json::json;

use crate::program::Scene;

const LINES: &str = "{\"id\":1,\"t\":\"a\"}\n{\"id\":2,\"t\":\"b\"}\n";

/// The hash of the input that the newest version's records were published from.
fn input(scene: &Scene) -> Option<[u8; 32]> {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = kapok_blobstore::Store::options().open(scene.store().to_str().unwrap()).await.unwrap();
        let head = store.manifests().head().await.unwrap().unwrap();
        store.manifests().read(head).await.unwrap().record_type("Thing").unwrap().input
    })
}

#[test]
fn a_file_that_was_changed_by_an_upsert_gives_its_records_again() {
    let scene = Scene::new();
    scene.publish(LINES).ok();
    assert!(input(&scene).is_some());
    scene.publish_with("{\"id\":2,\"t\":\"c\"}\n{\"id\":3,\"t\":\"d\"}\n", &["--upsert"]).ok();
    assert_eq!(input(&scene), None);
    scene.publish(LINES).ok();
    assert_eq!(scene.export("Thing"), [json!({"id":1,"t":"a"}), json!({"id":2,"t":"b"})]);
    assert!(scene.publish(LINES).ok().starts_with("unchanged: version 3 holds the same 2 Thing rows"));
}

#[test]
fn the_same_file_with_other_options_is_read() {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"n\":7}\n").ok();
    // Its numbers would be a schema of another kind.
    let schema = "@0xd2b5c8a94f3e1076; struct Thing { id @0 :Int64; n @1 :Text; }";
    scene.file("things.capnp", schema);
    scene.publish_with("{\"id\":1,\"n\":7}\n", &["--key", "id", "--schema", "things.capnp"]).refused(1);
}

#[test]
fn a_tag_makes_a_version_of_the_same_file_and_the_guards_still_look() {
    let scene = Scene::new();
    scene.publish(LINES).ok();
    let before = input(&scene);
    let tagged = scene.publish_with(LINES, &["--key", "id", "--tag", "source=nightly"]).ok();
    assert!(tagged.starts_with("published version 2: 2 Thing rows, 0 added, 0 changed, 0 removed"), "{tagged}");
    assert_eq!(input(&scene), before);
    scene.publish_with(LINES, &["--key", "id", "--tag", "source=nightly", "--min-rows", "3"]).refused(2);
}

#[test]
fn a_rollback_and_the_same_file_again_give_its_records() {
    let scene = Scene::new();
    scene.publish(LINES).ok();
    scene.publish("{\"id\":1,\"t\":\"z\"}\n").ok();
    scene.run(&["rollback", "1"]).ok();
    scene.publish("{\"id\":1,\"t\":\"z\"}\n").ok();
    assert_eq!(scene.export("Thing"), [json!({"id":1,"t":"z"})]);
}

#[test]
fn fields_that_were_absent_are_told_of_each_time() {
    let scene = Scene::new();
    scene.file("things.capnp", "@0xd2b5c8a94f3e1076; struct Thing { id @0 :Int64; n @1 :Int64; }");
    for _ in 0..2 {
        let ran = scene.publish_with("{\"id\":1}\n", &["--key", "id", "--schema", "things.capnp"]);
        assert!(ran.err.contains("absent and taken for their defaults"), "{}", ran.err);
    }
    assert_eq!(input(&scene), None);
}

#[test]
fn a_line_that_shows_more_than_the_first_lines_counts() {
    let scene = Scene::new();
    let line = |id| {
        let more = if id == 8000 { ",\"rare\":1.5,\"n\":null" } else { ",\"n\":3" };
        format!("{{\"id\":{id},\"text\":\"some words to fill the first lines\"{more}}}\n")
    };
    let lines: String = (0..9000).map(line).collect();
    scene.publish(&lines).ok();
    let record = scene.run(&["get", "Thing", "8000"]).ok();
    assert!(record.contains("\"rare\":1.5") && !record.contains("\"n\""), "{record}");
    let idl = scene.run(&["schema", "Thing"]).ok();
    assert!(idl.contains("nIsNull") && idl.contains("rareIsNull"), "{idl}");
}

#[test]
fn the_same_file_over_damaged_records_makes_them_whole() {
    let scene = Scene::new();
    let line = |id| format!("{{\"id\":{id},\"t\":\"title-{id:05}\"}}\n");
    let lines: String = (0..50).map(line).collect();
    scene.publish(&lines).ok();
    let segments = std::fs::read_dir(scene.store().join("segments")).unwrap();
    let segment = segments.map(|entry| entry.unwrap().path()).next().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(11).position(|text| text == b"title-00007").unwrap();
    bytes[at + 6] = b'X';
    // In place of the file, which is read-only.
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, bytes).unwrap();
    assert!(scene.run(&["get", "Thing", "7"]).ok().contains("title-X0007"));
    assert!(scene.publish(&lines).ok().starts_with("published version 2"));
    assert!(scene.run(&["get", "Thing", "7"]).ok().contains("title-00007"));
}

#[test]
fn a_key_may_be_named_as_the_file_names_it() {
    let scene = Scene::new();
    let publish = |options: &[&str]| scene.publish_with("{\"user_id\":1}\n", options).ok();
    publish(&["--key", "user_id"]);
    assert!(input(&scene).is_some());
    for key in ["user_id", "userId"] {
        assert!(publish(&["--key", key]).starts_with("unchanged"), "{key}");
    }
}
