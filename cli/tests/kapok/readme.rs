//! README shows what the program prints: its console examples are run, in their order and on one store.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Running, Scene};

const README: &str = include_str!("../../../README.md");

/// A command and what it prints.
struct Step<'r> {
    command: &'r str,
    output: Vec<&'r str>,
}

/// The console examples, one list of steps for each.
fn examples() -> Vec<Vec<Step<'static>>> {
    let blocks = README.split("```console\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block);
    let steps = |block: &'static str| {
        let mut steps: Vec<Step<'_>> = Vec::new();
        for line in block.lines() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command, output: Vec::new() }),
                (None, Some(step)) => step.output.push(line),
                (None, None) => panic!("an example begins with a command: {line}"),
            }
        }
        steps
    };
    blocks.map(steps).collect()
}

/// A shell's command in the scene's folder, with this program as `kapok`.
fn shell(scene: &Scene, command: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_kapok"));
    let path = std::env::join_paths(
        [program.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(scene.path(".")).env("PATH", path.unwrap()).env("USER", "ann");
    shell.env_remove("KAPOK_STORE").stdin(Stdio::null());
    shell
}

/// A line without what is another every time: times, durations, and sizes of files that hold a process id.
fn lasting(line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    let is_number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let lasting = words.iter().enumerate().map(|(at, word)| {
        let unit = words.get(at + 1).map_or("", |next| next.trim_end_matches([')', ',', ';']));
        let is_time = word.len() > 20 && word.starts_with("20") && word.contains('T');
        match (is_time, unit) {
            (true, _) => "TIME".to_owned(),
            // README has the first digits of an id.
            _ if word.starts_with("segments/") => "segments/ID:".to_owned(),
            (false, "ns" | "µs" | "ms" | "s" | "KiB") if is_number(word.trim_start_matches('(')) => "N".to_owned(),
            (false, _) if ["ns", "µs", "ms", "s"].contains(&word.trim_end_matches([')', ',', ';'])) => {
                "UNIT".to_owned()
            }
            (false, _) => (*word).to_owned(),
        }
    });
    lasting.collect::<Vec<_>>().join(" ")
}

/// Whether the lines are those expected, among which `...` stands for any number.
#[track_caller]
fn check(command: &str, expected: &[&str], printed: &str) {
    let printed: Vec<String> = printed.lines().map(lasting).collect();
    let mut at = 0;
    let mut may_skip = false;
    for line in expected {
        if *line == "..." {
            may_skip = true;
            continue;
        }
        let line = lasting(line);
        let found = printed[at..].iter().position(|it| *it == line);
        match found {
            Some(skipped) if skipped == 0 || may_skip => at += skipped + 1,
            _ => panic!("$ {command}\nexpected {line:?} at line {at} of:\n{}", printed.join("\n")),
        }
        may_skip = false;
    }
    assert!(may_skip || at == printed.len(), "$ {command}\nprinted more: {}", printed.join("\n"));
}

#[test]
fn the_console_examples_print_what_the_program_prints() {
    let scene = Scene::new();
    let examples = examples();
    let is_watch = |step: &&Step<'_>| step.command.starts_with("kapok watch");
    let watch = examples.iter().flatten().find(is_watch).expect("an example of watch");
    // In another window; it waits until there is a store.
    let mut in_window = shell(&scene, &format!("exec {} --poll-ms 20", watch.command));
    let watching = Running::start(&mut in_window, &scene.path("."));
    for step in examples.iter().flatten().filter(|step| !is_watch(step)) {
        if let Some(name) = step.command.strip_prefix("cat ") {
            scene.file(name, format!("{}\n", step.output.join("\n")));
            continue;
        }
        let ran = shell(&scene, step.command).output().unwrap();
        let printed = [ran.stdout, ran.stderr].concat();
        check(step.command, &step.output, &String::from_utf8(printed).unwrap());
        if let Some(version) = version(&scene, watch.command) {
            let there = format!(" -> {version}: ");
            watching.until(|printed| printed.lines().last().is_some_and(|line| line.contains(&there)));
        }
    }
    check(watch.command, &watch.output, &watching.end());
}

/// The version that consumers of the watched store should be on, if there is one yet.
fn version(scene: &Scene, watch: &str) -> Option<u64> {
    let ran = shell(scene, &format!("{} --json", watch.replace("watch", "stat"))).output().unwrap();
    let stat: Value = serde_json::from_slice(&ran.stdout).ok()?;
    stat["version"].as_u64()
}
