//! Stores, types and errors are the same for every verb, and input that is no JSON lines is told how to become some.

use std::process::Command;

use serde_json::Value;

use crate::program::{Ran, Scene, run_in};

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"size\":7}\n{\"id\":2,\"size\":8}\n").ok();
    scene
}

/// The error of a run, as a script reads it.
#[track_caller]
fn error(ran: &Ran) -> Value {
    let lines: Vec<_> = ran.err.lines().collect();
    assert_eq!(lines.len(), 1, "{}", ran.err);
    let line: Value = serde_json::from_str(lines[0]).unwrap_or_else(|_| panic!("no JSON: {}", lines[0]));
    assert_eq!(line["error"]["exit_code"], ran.code, "{line}");
    line["error"].clone()
}

#[test]
fn errors_are_json_where_answers_are() {
    let scene = scene();
    for (arguments, kind, said) in [
        (&["get", "Thing", "9", "--json"][..], "not_found", "Thing 9 is not in version 1"),
        (&["get", "Nothing", "9", "--json"], "not_found", "Thing"),
        (&["--json", "get", "Thing", "x"], "invalid", "expected an integer"),
        (&["diff", "1", "7", "--json"], "not_found", "version 7 does not exist"),
        (&["nope", "--json"], "usage", "nope"),
        (&["get", "Thing", "--json"], "usage", "KEY"),
        (&["versions", "--json", "--store", ""], "usage", "--store"),
        (&["publish", "none.jsonl", "--type", "Thing", "--json"], "invalid", "none.jsonl"),
        (&["publish", "empty.jsonl", "--type", "Thing", "--json"], "refused", "--allow-empty"),
    ] {
        scene.file("empty.jsonl", "");
        let ran = scene.run(arguments);
        assert_eq!(ran.out, "", "{arguments:?}");
        let error = error(&ran);
        assert_eq!(error["kind"], kind, "{arguments:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
    }
    let ran = scene.run(&["publish", "empty.jsonl", "--type", "Thing", "--json"]);
    assert_eq!(error(&ran)["findings"][0]["validator"], "not_empty(Thing)");
    assert!(error(&scene.run(&["nope", "--json"]))["usage"].as_str().unwrap().contains("Usage:"));
    // A key may look like a switch.
    assert!(scene.run(&["get", "Thing", "--", "--json"]).err.starts_with("kapok: error: "));
}

#[test]
fn an_error_about_a_line_gives_line_column_and_field_as_members() {
    for (lines, line, column, field) in [
        ("{\"id\":1}\n{\"id\":2,}\n", Some(2), Some(9), None),
        ("{\"id\":18446744073709551616}\n", Some(1), Some(7), None),
        ("{\"id\":1}\n\n{\"id\":2,\"size\":\"big\"}\n", Some(3), None, Some("Thing.size")),
        ("{\"size\":1}\n", Some(1), None, Some("Thing.id")),
    ] {
        let scene = scene();
        scene.file("things.jsonl", lines);
        let error = error(&scene.run(&["publish", "things.jsonl", "--type", "Thing", "--json"]));
        let found = (error["line"].as_u64(), error["column"].as_u64(), error["field"].as_str());
        assert_eq!(found, (line, column, field), "{error}");
    }
}

#[test]
fn the_type_stands_in_its_place_or_behind_its_switch() {
    let scene = scene();
    let same = |left: &[&str], right: &[&str]| assert_eq!(scene.run(left).ok(), scene.run(right).ok());
    same(&["get", "Thing", "1"], &["get", "--type", "Thing", "1"]);
    same(&["export", "Thing"], &["export", "--type", "Thing"]);
    same(&["segments", "Thing"], &["segments", "--type", "Thing"]);
    same(&["schema", "Thing"], &["schema", "--type", "Thing"]);
    same(&["stat", "Thing"], &["stat", "--type", "Thing"]);
    same(&["history", "Thing", "2"], &["history", "2", "--type", "Thing"]);
    for wrong in
        [&["export"][..], &["export", "Thing", "--type", "Thing"], &["get", "Thing"], &["get", "--type", "Thing"]]
    {
        assert_eq!(scene.run(wrong).code, 2, "{wrong:?}");
    }
    assert_eq!(scene.run(&["stat", "Nothing"]).code, 1);
}

#[test]
fn the_store_stands_before_or_behind_the_verb() {
    let scene = scene();
    let store = scene.store();
    let store = store.to_str().unwrap();
    let run = |arguments: &[&str]| run_in(&scene.path("."), arguments, None, b"");
    let whole = run(&["export", "Thing", "--store", store]).ok();
    assert_eq!(run(&["--store", store, "export", "Thing"]).ok(), whole);
    assert_eq!(run(&["export", "--store", store, "Thing"]).ok(), whole);
    // What is said goes before what is set.
    let elsewhere = scene.path("elsewhere");
    let before = run_in(&scene.path("."), &["--store", store, "export", "Thing"], Some(&elsewhere), b"");
    assert_eq!(before.ok(), whole);
    for verb in [&["versions"][..], &["get", "Thing", "1"], &["publish", "x", "--type", "T"], &["gc", "--keep", "1"]] {
        let ran = run(verb);
        assert!(ran.code == 2 && ran.err.contains("--store URL") && ran.err.contains("KAPOK_STORE"), "{}", ran.err);
    }
}

#[test]
fn what_is_no_json_lines_is_told_how_to_become_some() {
    for (lines, way) in [
        (&b"[{\"id\":1},\n{\"id\":2}]\n"[..], "jq -c '.[]'"),
        (b"[\n  {\n    \"id\": 1\n  }\n]\n", "jq -c '.[]'"),
        (b"{\n  \"id\": 1\n}\n", "jq -c ."),
        (b"{\"id\":1}\n{\n  \"id\": 2\n}\n", "jq -c ."),
        (b"id,name\n1,one\n", "mlr --icsv --ojsonl"),
        (b"id;name\n1;one\n", "mlr --icsv --ojsonl"),
        (b"\xfd7zXZ\0\0\x04rest", "xz -dc FILE | kapok publish -"),
        (b"BZh91AY&SY", "bzip2 -dc"),
    ] {
        let scene = Scene::new();
        let message = scene.publish_with(lines, &["--key", "id"]).refused(2);
        assert!(message.contains(way), "{way} is not in {message:?}");
    }
    let plain = Scene::new().publish("{\"id\":1,}\n").refused(2);
    assert!(!plain.contains("try:"), "{plain}");
}

#[test]
fn shells_and_manuals_know_every_verb() {
    let scene = Scene::new();
    let run = |arguments: &[&str]| run_in(&scene.path("."), arguments, None, b"").ok();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("delete-keys") && script.contains("rollback"), "{shell}");
    }
    if let Ok(bash) = Command::new("bash").args(["-n", "-c", &run(&["completions", "bash"])]).output() {
        assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
    }
    let pages = run(&["man", "man/man1"]);
    assert!(pages.contains("man/man1/kapok.1\n") && pages.contains("man/man1/kapok-publish.1\n"), "{pages}");
    let page = std::fs::read_to_string(scene.path("man/man1/kapok-publish.1")).unwrap();
    assert!(page.contains("kapok publish") && page.contains("allow\\-empty") && page.contains("Examples:"), "{page}");
    assert!(
        pages.contains("man/man1/kapok-vectors.1\n") && pages.contains("man/man1/kapok-vectors-check.1\n"),
        "{pages}"
    );
    assert_eq!(pages.lines().count(), std::fs::read_dir(scene.path("man/man1")).unwrap().count());
    assert!(!pages.contains("help"));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_is_told_by_every_verb() {
    let scene = scene();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["publish", "--help"],
        &["publish", "things.jsonl", "--type", "Thing"],
        &["export", "Thing"],
        &["get", "Thing", "1"],
        &["versions", "--json"],
        &["verify"],
        &["merge"],
        &["completions", "bash"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kapok"));
        command.args(arguments).current_dir(scene.path(".")).env("KAPOK_STORE", scene.store()).stdout(full);
        let ran = command.output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_eq!((ran.status.code(), err.lines().count()), (Some(1), 1), "{arguments:?}: {err}");
        assert!(err.contains("cannot write to standard output") && err.contains("os error 28"), "{arguments:?}: {err}");
    }
}
