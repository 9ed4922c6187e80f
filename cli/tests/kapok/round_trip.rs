//! What goes in comes out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::program::{Scene, json_lines};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/debian-sample.jsonl.zst");

/// What an export leaves out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[track_caller]
fn round_trip(lines: &str) {
    let scene = Scene::new();
    scene.publish(lines).ok();
    let expected: Vec<_> = json_lines(lines).into_iter().map(without_nulls).collect();
    assert_eq!(scene.export("Thing"), expected);
    assert!(scene.run(&["verify"]).ok().starts_with("ok: "));
}

fn file_round_trip(path: &Path) {
    let scene = Scene::new();
    let published =
        scene.run(&["publish", path.to_str().unwrap(), "--type", "Package", "--key", "package", "--json"]).ok();
    let text = String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap();
    let mut expected = json_lines(&text);
    expected.sort_by(|a, b| a["package"].as_str().cmp(&b["package"].as_str()));
    let report: Value = serde_json::from_str(&published).unwrap();
    assert_eq!((&report["outcome"], &report["version"]), (&json!("published"), &json!(1)));
    assert_eq!(report["rows"], json!(expected.len()));
    let exported = scene.export("Package");
    assert_eq!(exported.len(), expected.len());
    for (exported, expected) in exported.iter().zip(&expected) {
        assert_eq!(exported, expected);
    }
    assert!(scene.run(&["verify"]).ok().starts_with("ok: "));
}

#[test]
fn the_bundled_sample_comes_out_as_it_went_in() {
    file_round_trip(Path::new(SAMPLE));
}

#[test]
fn all_packages_of_debian_come_out_as_they_went_in() {
    let folder = std::env::var_os("KAPOK_DATA").map_or_else(|| PathBuf::from("../../shared/data"), PathBuf::from);
    let path = folder.join("debian/v1.jsonl.zst");
    if path.is_file() {
        file_round_trip(&path.canonicalize().unwrap());
    } else {
        eprintln!("skipped: {} is absent; set KAPOK_DATA", path.display());
    }
}

#[test]
fn names_and_texts_of_any_script_survive() {
    round_trip(
        r#"{"id":"a","snake_case":"é ü ß","Größe":"日本語 🦀","with space":"\u0000\u001f\u007f\\\"/","x-y":"\ud83e\udd80"}
{"id":"ä","snake_case":"","Größe":"","with space":"\t\n","x-y":" "}
"#,
    );
}

#[test]
fn empty_texts_and_lists_are_not_null() {
    round_trip(
        r#"{"id":1,"text":"","list":[],"texts":["",""],"lists":[[],[1]],"object":{}}
{"id":2,"text":"x","list":[1],"texts":[],"lists":[],"object":{}}
{"id":3}
"#,
    );
}

#[test]
fn nulls_come_out_as_absent() {
    round_trip(
        r#"{"id":1,"n":null,"t":null,"b":true,"o":{"p":null,"q":1},"l":null,"never":null}
{"id":2,"n":0,"t":"","b":null,"o":null,"l":[{"a":null},{"a":7}]}
"#,
    );
}

#[test]
fn nested_objects_and_lists_keep_their_shape() {
    round_trip(
        r#"{"id":1,"a":{"b":{"c":{"d":[{"e":[[1,2],[3]]},{"e":[]}]}}}}
{"id":2,"a":{"b":{"c":{"d":[]}}}}
"#,
    );
}

#[test]
fn numbers_at_their_limits_are_exact() {
    round_trip(
        r#"{"id":-9223372036854775808,"u":18446744073709551615,"f":1.7976931348623157e308,"s":[9007199254740993,-9007199254740993]}
{"id":9223372036854775807,"u":0,"f":5e-324,"s":[]}
"#,
    );
}

#[test]
fn composite_keys_stand_in_their_order_and_are_found() {
    let scene = Scene::new();
    scene
        .publish_with("{\"a\":10,\"b\":\"x\"}\n{\"a\":9,\"b\":\"y\"}\n{\"a\":9,\"b\":\"x\"}\n", &["--key", "a,b"])
        .ok();
    let expected = [json!({"a":9,"b":"x"}), json!({"a":9,"b":"y"}), json!({"a":10,"b":"x"})];
    assert_eq!(scene.export("Thing"), expected);
    assert_eq!(scene.run(&["get", "Thing", "9", "y"]).ok(), "{\"a\":9,\"b\":\"y\"}\n");
    assert!(scene.run(&["get", "Thing", "9"]).refused(2).contains("2 field(s), 1 given"));
}

#[test]
fn standard_input_blank_lines_gzip_and_a_byte_order_mark_are_read() {
    let lines = "\u{feff}\n{\"id\":1}\r\n\n   \n{\"id\":2}";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, lines.as_bytes()).unwrap();
    for input in [lines.as_bytes().to_vec(), gzip.finish().unwrap(), zstd::encode_all(lines.as_bytes(), 1).unwrap()] {
        let scene = Scene::new();
        scene.run_with_input(&["publish", "-", "--type", "Thing", "--key", "id"], &input).ok();
        assert_eq!(scene.export("Thing"), [json!({"id":1}), json!({"id":2})]);
    }
}

#[test]
fn the_same_lines_again_are_unchanged_in_any_order() {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"t\":\"a\"}\n{\"id\":2,\"t\":\"b\"}\n").ok();
    let before = scene.versions();
    assert!(
        scene.publish("{\"id\":2,\"t\":\"b\"}\n{\"id\":1,\"t\":\"a\"}\n").ok().starts_with("unchanged: version 1 ")
    );
    // The key is that of the dataset.
    assert!(scene.publish_with("{\"id\":1,\"t\":\"a\"}\n{\"id\":2,\"t\":\"b\"}\n", &[]).ok().starts_with("unchanged"));
    assert_eq!(scene.versions(), before);
}

#[test]
fn other_record_types_are_carried_over_and_schemas_grow_by_appending() {
    let scene = Scene::new();
    scene.publish("{\"id\":1}\n").ok();
    scene.file("others.jsonl", "{\"name\":\"x\"}\n");
    scene.run(&["publish", "others.jsonl", "--type", "Other", "--key", "name", "--tag", "source=test"]).ok();
    scene.publish("{\"id\":1,\"new\":\"field\"}\n").ok();
    assert_eq!(scene.export("Other"), [json!({"name":"x"})]);
    assert_eq!(scene.export("Thing"), [json!({"id":1,"new":"field"})]);
    assert_eq!(json_lines(&scene.run(&["export", "Thing", "--version", "2"]).ok()), [json!({"id":1})]);
    let versions: Value = serde_json::from_str(&scene.versions()).unwrap();
    assert_eq!(versions[1]["tags"], json!({"source":"test"}));
    assert_eq!(versions[2]["types"], json!({"Other":1,"Thing":1}));
    assert!(scene.run(&["verify"]).ok().contains("3 version(s)"));
}

#[test]
fn a_declared_schema_is_used_as_it_is() {
    let scene = Scene::new();
    let request = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/samples.cgr");
    if !Path::new(request).is_file() {
        eprintln!("skipped: {request} is absent");
        return;
    }
    let lines = "{\"id\":7,\"title\":\"Metropolis\",\"year\":1927,\"runtimeMin\":153}\n";
    scene.file("movies.jsonl", lines);
    scene.run(&["publish", "movies.jsonl", "--type", "Movie", "--schema", request]).ok();
    let found: Value = serde_json::from_str(&scene.run(&["get", "Movie", "7"]).ok()).unwrap();
    assert_eq!(found["title"], "Metropolis");
    // An absent number would be taken for 0.
    scene.file("movies.jsonl", "{\"id\":7,\"title\":\"a\"}\n{\"title\":\"b\"}\n");
    let refused = scene.run(&["publish", "movies.jsonl", "--type", "Movie", "--schema", request]).refused(2);
    assert!(refused.contains("line 2: Movie.id: missing key"), "{refused}");
}

#[test]
fn numbers_that_lines_do_not_give_are_told_or_refused() {
    let scene = Scene::new();
    let request = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/samples.cgr");
    if !Path::new(request).is_file() {
        eprintln!("skipped: {request} is absent");
        return;
    }
    scene.file("movies.jsonl", "{\"id\":7,\"title\":\"a\",\"year\":1927}\n{\"id\":8,\"title\":\"b\"}\n");
    let publish = ["publish", "movies.jsonl", "--type", "Movie", "--schema", request];
    let refused = scene.run(&[&publish[..], &["--no-absent"]].concat()).refused(2);
    assert!(refused.contains("line 1: Movie.runtimeMin: absent"), "{refused}");
    let ran = scene.run(&[&publish[..], &["--json"]].concat());
    let warning: Value = serde_json::from_str(ran.err.trim()).unwrap();
    let message = warning["warning"]["message"].as_str().unwrap();
    assert!(message.contains("Movie.runtimeMin=2, Movie.year=1") && message.contains("--no-absent"), "{message}");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &report["outcome"]), (0, &serde_json::json!("published")));
    assert_eq!(report["absent"], serde_json::json!({"Movie.runtimeMin": 2, "Movie.year": 1}));
}

#[test]
fn many_lines_on_many_threads_give_the_same_bytes_each_time() {
    use std::fmt::Write as _;
    let mut lines = String::new();
    for id in 0..40_000 {
        _ = writeln!(lines, "{{\"id\":{},\"text\":\"{}\"}}", (id * 7919) % 40_000, "x".repeat(id % 100));
    }
    let ids = |_| {
        let scene = Scene::new();
        scene.publish(&lines).ok();
        scene.only_file("segments").file_name().unwrap().to_owned()
    };
    let ids: Vec<_> = (0..3).map(ids).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}
