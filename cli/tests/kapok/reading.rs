//! The reading verbs tell what is there.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{Scene, run_in};

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish("{\"id\":-1,\"name\":\"minus one\"}\n{\"id\":2,\"name\":\"two\"}\n").ok();
    scene.publish("{\"id\":2,\"name\":\"zwei\"}\n").ok();
    scene
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_record_is_found_by_its_key_in_any_version() {
    let scene = scene();
    assert_eq!(scene.run(&["get", "Thing", "2"]).ok(), "{\"id\":2,\"name\":\"zwei\"}\n");
    assert_eq!(scene.run(&["get", "Thing", "-1", "--version", "1"]).ok(), "{\"id\":-1,\"name\":\"minus one\"}\n");
}

#[test]
fn an_absent_record_is_a_no() {
    let scene = scene();
    assert_eq!(scene.run(&["get", "Thing", "-1"]).refused(1), "Thing -1 is not in version 2");
    assert!(scene.run(&["get", "Thing", "99999999999999999999999999"]).refused(1).contains("is not in version 2"));
    assert!(scene.run(&["get", "Thing", "two"]).refused(2).contains("Thing.id: expected an integer, found \"two\""));
    assert!(scene.run(&["get", "Nothing", "1"]).refused(1).contains("version 2 has Thing"));
}

#[test]
fn an_unknown_version_is_a_no_that_lists_those_there_are() {
    let scene = scene();
    for arguments in
        [&["get", "Thing", "2"][..], &["export", "Thing"], &["schema"], &["stat"], &["segments", "Thing"], &["verify"]]
    {
        let refused = scene.run(&[arguments, &["--version", "9"]].concat()).refused(1);
        assert_eq!(refused, "version 9 does not exist; the store has 1, 2");
    }
}

#[test]
fn versions_are_listed_the_same_each_time() {
    let scene = scene();
    let text = scene.versions();
    let versions = parsed(&text);
    assert_eq!((&versions[0]["version"], &versions[0]["rows"]), (&json!(1), &json!(2)));
    assert_eq!((&versions[1]["parent"], &versions[1]["announced"]), (&json!(1), &json!(true)));
    let created = versions[1]["created"].as_str().unwrap();
    assert!(created.len() == 24 && created.ends_with('Z') && created.contains('T'), "{created}");
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(scene.versions(), text);
    assert_eq!(scene.run(&["versions"]).ok().lines().count(), 3);
}

#[test]
fn the_bytes_of_a_version_add_up() {
    let scene = scene();
    let stat = parsed(&scene.run(&["stat", "--version", "1", "--json"]).ok());
    let ty = &stat["types"][0];
    assert_eq!((&ty["name"], &ty["key"], &ty["rows"]), (&json!("Thing"), &json!(["id"]), &json!(2)));
    assert_eq!(stat["schema"].as_str().unwrap().len(), 64);
    let segments = parsed(&scene.run(&["segments", "Thing", "--version", "1", "--json"]).ok());
    let path = segments[0]["path"].as_str().unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().len(), ty["bytes"].as_u64().unwrap());
    assert_eq!(segments[0]["rows"], json!(2));
    let index = segments[0]["indexes"][0]["path"].as_str().unwrap();
    assert_eq!(std::fs::metadata(index).unwrap().len(), ty["index_bytes"].as_u64().unwrap());
    assert!(ty["field_bytes"]["name"].as_u64().unwrap() > 0);
    assert!(scene.run(&["stat"]).ok().contains("Thing: 1 rows, key id"));
    assert!(scene.run(&["segments", "Thing"]).ok().contains("segments/"));
}

#[test]
fn the_printed_schema_names_type_key_and_fields() {
    let scene = scene();
    let idl = scene.run(&["schema", "Thing"]).ok();
    assert!(idl.starts_with("@0x") || idl.contains("\n@0x"), "{idl}");
    assert!(idl.contains("struct Thing ") && idl.contains("$key(\"id\")") && idl.contains("name @1 :Text"), "{idl}");
    assert_eq!(scene.run(&["schema"]).ok(), idl);
    assert_eq!(parsed(&scene.run(&["schema", "--json"]).ok())["idl"], json!(idl));
    assert!(scene.run(&["schema", "Nothing"]).refused(1).contains("Nothing"));
}

#[test]
fn the_annotations_are_printed_without_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run_in(folder.path(), &["schema", "--annotations"], None, b"").ok();
    assert_eq!(printed, kapok_ingest::KAPOK_CAPNP);
    let json = run_in(folder.path(), &["schema", "--annotations", "--json"], None, b"").ok();
    assert_eq!(parsed(&json)["idl"], json!(printed));
    for (arguments, says) in [(&["--annotations", "Thing"][..], "cannot be used with"), (&[], "--store")] {
        let refused = run_in(folder.path(), &[&["schema"], arguments].concat(), None, b"");
        assert!(refused.code == 2 && refused.err.contains(says), "{}", refused.err);
    }
}

#[test]
fn a_reader_that_goes_away_ends_an_export_quietly() {
    use std::fmt::Write as _;
    let scene = Scene::new();
    let mut lines = String::new();
    for id in 0..20_000 {
        _ = writeln!(lines, "{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(100));
    }
    scene.publish(&lines).ok();
    let mut child = Command::new(env!("CARGO_BIN_EXE_kapok"))
        .args(["export", "Thing", "--store"])
        .arg(scene.store())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn help_has_examples_for_each_verb() {
    let scene = Scene::new();
    for verb in ["publish", "versions", "stat", "get", "export", "query", "schema", "segments", "verify", "demo"] {
        let help = scene.run(&[verb, "--help"]).ok();
        assert!(help.contains("Examples:\n  ") && help.contains(&format!("kapok {verb}")), "{help}");
    }
    assert!(scene.run(&["--version"]).ok().starts_with("kapok 0."));
}

#[test]
fn the_bytes_of_number_fields_are_told_too() {
    let scene = Scene::new();
    let lines = (0..64)
        .map(|id| format!("{{\"id\":{id},\"open\":true,\"place\":{{\"lat\":1.5}},\"name\":\"n{id}\"}}\n"))
        .collect::<Vec<_>>()
        .concat();
    scene.publish(&lines).ok();
    let stat: serde_json::Value = serde_json::from_str(&scene.run(&["stat", "--json"]).ok()).unwrap();
    let ty = &stat["types"][0];
    assert_eq!((&ty["number_bytes"]["id"], &ty["number_bytes"]["open"]), (&512.into(), &8.into()), "{ty}");
    let numbers: u64 = ty["number_bytes"].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).sum();
    assert!(numbers <= ty["row_bytes"].as_u64().unwrap(), "{ty}");
    let text = scene.run(&["stat"]).ok();
    for field in ["  id ", "  open ", "  name ", "  (pointers and padding) "] {
        assert!(text.contains(field), "{field} is not in {text}");
    }
}
