//! Text from a store comes to a terminal without commanding it.

use serde_json::Value;

use crate::program::Scene;

/// Clears the screen, rings, moves up; then as one character; then turns the direction.
const COMMANDS: &str = "a\u{1b}[2J\u{7}\u{1b}[1A\u{9b}31mb\u{202e}c\rd";

fn scene() -> Scene {
    let scene = Scene::new();
    let line = |name: &str| format!("{}\n", serde_json::json!({"id": 1, "name": name, "a\u{9b}b": 1}));
    scene.publish_with(line(COMMANDS), &["--key", "id", "--tag", &format!("t{COMMANDS}=v\nw{COMMANDS}")]).ok();
    scene.publish_with(line("other"), &["--upsert"]).ok();
    scene.run(&["rollback", "1", "--by", COMMANDS, "--reason", &format!("r\n{COMMANDS}")]).ok();
    scene
}

fn assert_seen(what: &str, text: &str) {
    let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(hidden), "{what}: {text:?}");
}

#[test]
fn what_is_printed_for_people_has_no_control_characters() {
    let scene = scene();
    for arguments in [
        &["log"][..],
        &["versions"],
        &["stat"],
        &["segments", "Thing"],
        &["history", "Thing", "1"],
        &["diff", "1", "2"],
        &["schema"],
        &["verify"],
        &["gc", "--dry-run"],
    ] {
        let ran = scene.run(arguments);
        assert_seen(&arguments.join(" "), &ran.out);
        assert_seen(&arguments.join(" "), &ran.err);
    }
    let log = scene.run(&["log"]).ok();
    assert!(log.contains("a\\u{1b}[2J\\u{7}") && log.contains("r a"), "{log}");
    assert_eq!(log.lines().count(), 4, "an entry is a line: {log}");
    for arguments in [&["get", "Thing", COMMANDS][..], &["stat", COMMANDS], &["get", COMMANDS, "1"], &[COMMANDS]] {
        let ran = scene.run(arguments);
        assert_ne!(ran.code, 0, "{arguments:?}");
        assert_seen("error", &ran.err);
    }
}

#[test]
fn what_is_printed_for_programs_stays_as_it_is() {
    let scene = scene();
    let log: Value = serde_json::from_str(&scene.run(&["log", "--json"]).ok()).unwrap();
    assert_eq!(log.as_array().unwrap().last().unwrap()["by"], COMMANDS);
    assert_eq!(scene.export("Thing")[0]["name"], COMMANDS);
    assert!(scene.run(&["export", "Thing"]).ok().contains('\u{9b}'), "JSON needs no escape for it");
}
