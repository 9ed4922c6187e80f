//! The forty questions about Debian's packages are answered as a Python script answers them, by scans and by indexes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::process::Command;

use serde_json::Value;

use crate::debian::data;
use crate::debian_queries::QUESTIONS;
use crate::program::{Scene, json_lines};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kapok/debian_questions.py");

const INDEXES: [&str; 8] = [
    "hash(section)",
    "hash(priority)",
    "hash(architecture)",
    "hash(tags[])",
    "sorted(size)",
    "sorted(installed_size_kib)",
    "sorted(homepage)",
    "sorted(version)",
];

/// What the script prints; `None` if there is no Python.
fn script(lines: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let output = match Command::new("python3").args([SCRIPT, lines]).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: python3 is not installed");
            return None;
        }
        Err(error) => panic!("python3: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let answer = |line: Value| {
        (text(&line["question"]), line["packages"].as_array().unwrap().iter().map(text).collect::<Vec<String>>())
    };
    Some(json_lines(&String::from_utf8(output.stdout).unwrap()).into_iter().map(answer).collect())
}

/// Asks all questions.
fn compare(scene: &Scene, expected: &BTreeMap<String, Vec<String>>) {
    for (question, _) in QUESTIONS {
        let found = json_lines(&scene.run(&["query", "Package", question, "--select", "package"]).ok());
        let found: Vec<&str> = found.iter().map(|line| line["package"].as_str().unwrap()).collect();
        // Not by assert_eq, which would print all names.
        assert!(found == expected[question], "{question}: found {}, not {}", found.len(), expected[question].len());
    }
}

/// Returns whether an index answers a question.
fn is_by_index(scene: &Scene, question: &str) -> bool {
    let plan = scene.run(&["query", "Package", question, "--explain"]).ok();
    INDEXES.iter().any(|index| plan.contains(index))
}

#[test]
fn forty_questions_about_debian_are_answered_as_python_answers_them() {
    let Some(data) = data() else { return };
    let scene = Scene::new();
    // Python may have no module for Zstandard.
    let packed = std::fs::read(data.join("v1.jsonl.zst")).unwrap();
    let lines = scene.file("packages.jsonl", zstd::decode_all(packed.as_slice()).unwrap()).display().to_string();
    let Some(expected) = script(&lines) else { return };
    assert_eq!(expected.len(), QUESTIONS.len());

    scene.run(&["publish", &lines, "--type", "Package", "--key", "package", "--json"]).ok();
    compare(&scene, &expected);
    for index in INDEXES {
        scene.run(&["index", "add", "Package", index]).ok();
    }
    compare(&scene, &expected);
    // Those whose rows are too many cost less by a scan.
    let by_index = QUESTIONS.iter().filter(|(question, _)| is_by_index(&scene, question)).count();
    assert!(by_index >= 10, "{by_index} questions are answered by an index");
    println!("{} questions, {by_index} of them by an index too", QUESTIONS.len());
}
