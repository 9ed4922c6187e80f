//! Input that cannot be used is refused with its line and field, and nothing is committed.

use crate::program::{Ran, Scene, run_in};

/// A store with one version.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"size\":1,\"tags\":[\"a\"]}\n{\"id\":2,\"size\":2,\"tags\":[]}\n").ok();
    scene
}

/// Publishes what must be refused: the message says all of `expected`, and the versions are what they were.
#[track_caller]
fn refused(lines: impl AsRef<[u8]>, expected: &[&str]) {
    let scene = scene();
    let before = scene.versions();
    check(scene.publish_with(&lines, &["--key", "id"]), 2, expected);
    assert_eq!(scene.versions(), before);
    // The same of a dataset's first version: nothing is known.
    let scene = Scene::new();
    let ran = scene.publish_with(&lines, &["--key", "id"]);
    check(ran, 2, expected);
    assert!(!scene.store().exists(), "no store is made");
}

#[track_caller]
fn check(ran: Ran, code: i32, expected: &[&str]) {
    let message = ran.refused(code);
    for part in expected {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn an_index_and_a_query_of_an_unknown_field_are_input_that_cannot_be_used() {
    let scene = scene();
    check(scene.run(&["query", "Thing", "nothing = 1"]), 2, &["nothing"]);
    for index in ["hash(nothing)", "sorted(tags[].nothing)", "hash(size) where nothing > 1"] {
        let (ran, before) = (scene.run(&["index", "add", "Thing", index]), scene.versions());
        check(ran, 2, &["nothing"]);
        assert_eq!(scene.versions(), before);
    }
    check(scene.run(&["index", "add", "Nothing", "hash(size)"]), 1, &["Nothing"]);
}

#[test]
fn malformed_json_is_refused_with_line_and_column() {
    refused("{\"id\":1}\n\n{\"id\":2,}\n", &["things.jsonl", "line 3", "trailing comma", "column 9"]);
    refused("{\"id\":1}\n{\"id\":2", &["line 2", "EOF"]);
    refused("{\"id\":1} {\"id\":2}\n", &["line 1", "trailing characters"]);
    refused("{\"id\":1,\"size\":1,\"size\":2}\n", &["line 1", "duplicate key \"size\""]);
    refused("{\"id\":1}\n[2]\n", &["line 2"]);
    refused("{\"id\":1}\n2\n", &["line 2"]);
    refused("{\"id\":1,\"size\":18446744073709551616}\n", &["line 1", "beyond 64 bits"]);
    refused("{\"id\":1,\"size\":NaN}\n", &["line 1"]);
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_line_and_column() {
    refused(b"{\"id\":1}\n{\"id\":2,\"t\":\"\xff\"}\n", &["line 2", "not UTF-8 at column 14"]);
}

#[test]
fn a_value_of_another_type_is_refused_with_line_and_field() {
    refused("{\"id\":1,\"size\":1}\n{\"id\":2,\"size\":\"big\"}\n", &["line 2", "Thing.size", "a text"]);
    refused("{\"id\":1,\"tags\":[\"a\"]}\n{\"id\":2,\"tags\":[\"a\",5]}\n", &["line 2", "Thing.tags[1]"]);
    refused("{\"id\":1,\"o\":{\"p\":1}}\n{\"id\":2,\"o\":{\"p\":true}}\n", &["line 2", "Thing.o.p"]);
}

#[test]
fn a_record_without_a_key_is_refused_with_its_line() {
    refused("{\"id\":1}\n{\"size\":2}\n", &["line 2", "Thing.id", "lacks this key field"]);
    refused("{\"id\":1}\n{\"id\":null}\n", &["line 2", "Thing.id", "cannot be null"]);
    refused("{\"id\":1.5}\n", &["line 1", "Thing.id", "float"]);
}

#[test]
fn a_duplicate_key_is_refused_with_both_lines() {
    refused(
        "{\"id\":1}\n\n{\"id\":2}\n{\"id\":1}\n{\"id\":1}\n",
        &["things.jsonl", "key=1", "first=line 1", "second=line 4"],
    );
}

#[test]
fn a_duplicate_key_far_away_is_refused_with_both_lines() {
    use std::fmt::Write as _;
    let mut lines = String::new();
    for id in 0..60_000 {
        _ = writeln!(lines, "{{\"id\":{},\"text\":\"{}\"}}", if id == 59_998 { 3 } else { id }, "x".repeat(60));
    }
    check(Scene::new().publish(&lines), 2, &["key=3", "first=line 4", "second=line 59999"]);
}

#[test]
fn of_several_wrong_lines_the_lowest_is_named() {
    use std::fmt::Write as _;
    for _ in 0..3 {
        let scene = scene();
        let mut lines = String::new();
        for id in 0..60_000 {
            let size = if id >= 30_000 && id % 1000 == 1 { "\"x\"" } else { "5" };
            _ = writeln!(lines, "{{\"id\":{id},\"size\":{size},\"text\":\"{}\"}}", "x".repeat(60));
        }
        check(scene.publish(&lines), 2, &["line 30002", "Thing.size"]);
    }
}

#[test]
fn of_several_wrong_lines_the_lowest_is_named_with_a_declared_schema_too() {
    use std::fmt::Write as _;
    let request = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/samples.cgr");
    let mut lines = String::new();
    for id in 1..60_000 {
        // From line 20,001 on the chunks fail at once, and the lower of them later than the higher.
        let title = if id > 20_000 && (id % 10_000 == 9_999 || id > 50_000) { "5" } else { "\"x\"" };
        _ = writeln!(lines, "{{\"id\":{id},\"title\":{title}}}{}", " ".repeat(100));
    }
    for _ in 0..3 {
        let scene = Scene::new();
        scene.file("movies.jsonl", &lines);
        let ran = scene.run(&["publish", "movies.jsonl", "--type", "Movie", "--schema", request]);
        check(ran, 2, &["line 29999: Movie.title"]);
        assert!(!scene.store().exists(), "no store is made");
    }
}

#[test]
fn a_key_that_no_record_has_is_refused() {
    let scene = scene();
    let before = scene.versions();
    let ran = scene.publish_with("{\"id\":1}\n", &["--key", "nope"]);
    assert!(ran.code == 1 || ran.code == 2);
    assert!(ran.err.contains("nope"), "{}", ran.err);
    check(scene.publish_with("{\"id\":1}\n", &["--key", "nope", "--republish"]), 2, &["line 1", "Thing.nope"]);
    assert_eq!(scene.versions(), before);
    check(Scene::new().publish_with("{\"id\":1}\n", &[]), 2, &["record type Thing has no key yet", "--key"]);
}

#[test]
fn another_key_than_the_datasets_is_refused_but_for_a_republish() {
    let scene = scene();
    let before = scene.versions();
    check(scene.publish_with("{\"id\":1,\"size\":3}\n", &["--key", "size"]), 1, &["key", "size"]);
    assert_eq!(scene.versions(), before);
    scene.publish_with("{\"id\":\"one\",\"size\":3}\n", &["--key", "size", "--republish"]).ok();
    assert_eq!(scene.run(&["get", "Thing", "3"]).ok(), "{\"id\":\"one\",\"size\":3}\n");
}

#[test]
fn input_that_cannot_be_read_is_refused_and_makes_no_store() {
    let scene = Scene::new();
    check(scene.run(&["publish", "no.jsonl", "--type", "Thing", "--key", "id"]), 2, &["no.jsonl", "cannot be read"]);
    check(scene.run(&["publish", ".", "--type", "Thing", "--key", "id"]), 2, &["is a folder"]);
    assert!(!scene.store().exists());
    check(scene.publish(""), 2, &["things.jsonl", "no record"]);
    let whole = zstd::encode_all("{\"id\":1}\n".repeat(10_000).as_bytes(), 1).unwrap();
    check(scene.publish_with(&whole[..whole.len() / 2], &["--key", "id"]), 2, &["things.jsonl", "cannot be read"]);
    check(scene.publish_with("{\"id\":1}\n", &["--key", "id", "--schema", "no.capnp"]), 2, &["no.capnp"]);
    scene.file("bad.cgr", "not a request");
    check(scene.publish_with("{\"id\":1}\n", &["--schema", "bad.cgr"]), 2, &["bad.cgr", "CodeGeneratorRequest"]);
}

#[test]
fn a_place_that_is_no_store_is_refused() {
    let scene = Scene::new();
    let lines = scene.file("things.jsonl", "{\"id\":1}\n");
    let file = scene.file("file", "x");
    std::fs::create_dir(scene.path("folder")).unwrap();
    scene.file("folder/precious.txt", "x");
    let publish = |store: &str| {
        let lines = lines.to_str().unwrap();
        let arguments = ["publish", lines, "--type", "Thing", "--key", "id", "--store", store];
        run_in(&scene.path("."), &arguments, None, b"")
    };
    check(publish(file.to_str().unwrap()), 1, &["file"]);
    check(publish(file.join("below").to_str().unwrap()), 1, &["file", "create folder"]);
    check(publish(scene.path("folder").to_str().unwrap()), 2, &["not empty", "precious.txt"]);
    check(publish("ftp://bucket/x"), 2, &["ftp://bucket/x", "scheme ftp", "s3://bucket/prefix"]);
    check(publish("s3://bucket/x?regoin=here"), 2, &["option regoin is not known"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
    assert_eq!(std::fs::read_dir(scene.path("folder")).unwrap().count(), 1);
    for verb in ["versions", "stat", "verify", "schema"] {
        check(scene.run(&[verb]), 1, &["not a store"]);
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_who_speaks() {
    let scene = Scene::new();
    for arguments in [
        &["publish", "x.jsonl"][..],
        &["nope"],
        &["publish", "x", "--type", "T", "--tag", "novalue"],
        &["demo", "--rm", "--store", "x"],
        &["get", "T"],
    ] {
        let ran = scene.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.err.starts_with("kapok: error: "), "{}", ran.err);
    }
    let ran = run_in(&scene.path("."), &["versions"], None, b"");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--store"), "{}", ran.err);
}
