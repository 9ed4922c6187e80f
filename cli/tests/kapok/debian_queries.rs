//! Forty questions about a real state of Debian's package list are answered as a loop over its lines answers them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::debian::data;
use crate::program::{Scene, json_lines};

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "as the lines name them")]
pub struct Package {
    package: String,
    version: String,
    section: String,
    priority: String,
    architecture: String,
    maintainer: String,
    homepage: String,
    installed_size_kib: i64,
    size: i64,
    description: String,
    depends: Vec<String>,
    tags: Vec<String>,
}

pub type Question = (&'static str, fn(&Package) -> bool);

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|one| one == value)
}

/// Good for English alone.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric() && !"'_.:".contains(c)).map(str::to_lowercase)
}

fn all_words(text: &str, wanted: &[&str]) -> bool {
    wanted.iter().all(|wanted| words(text).any(|word| word.trim_matches(['\'', '.', ':']) == *wanted))
}

/// Each with the same question to a line.
pub const QUESTIONS: [Question; 40] = [
    ("true", |_| true),
    ("package = 'bash'", |p| p.package == "bash"),
    ("package ^= 'lib'", |p| p.package.starts_with("lib")),
    ("not package ^= 'lib'", |p| !p.package.starts_with("lib")),
    ("package *= 'python3'", |p| p.package.contains("python3")),
    ("package < 'b'", |p| p.package.as_str() < "b"),
    ("package between 'gcc' and 'gdb'", |p| ("gcc"..="gdb").contains(&p.package.as_str())),
    ("package in ['bash', 'dash', 'zsh', 'no such']", |p| ["bash", "dash", "zsh"].contains(&p.package.as_str())),
    ("section = 'games'", |p| p.section == "games"),
    ("section = 'games' and size > 10000000", |p| p.section == "games" && p.size > 10_000_000),
    ("section in ['libs', 'libdevel', 'oldlibs']", |p| ["libs", "libdevel", "oldlibs"].contains(&p.section.as_str())),
    ("section ^= 'lib' and not section = 'libs'", |p| p.section.starts_with("lib") && p.section != "libs"),
    ("priority != 'optional'", |p| p.priority != "optional"),
    ("priority = 'required' or priority = 'important'", |p| p.priority == "required" || p.priority == "important"),
    ("architecture = 'all'", |p| p.architecture == "all"),
    ("architecture = 'all' and section = 'python'", |p| p.architecture == "all" && p.section == "python"),
    ("size >= 1000000", |p| p.size >= 1_000_000),
    ("size < 1000.5", |p| p.size <= 1000),
    ("size between 4096 and 8192", |p| (4096..=8192).contains(&p.size)),
    ("installed_size_kib > 100000 or size > 50000000", |p| p.installed_size_kib > 100_000 || p.size > 50_000_000),
    ("installedSizeKib = 0", |p| p.installed_size_kib == 0),
    ("not (size > 1000 and installed_size_kib > 100)", |p| !(p.size > 1000 && p.installed_size_kib > 100)),
    ("len(depends) = 0", |p| p.depends.is_empty()),
    ("len(depends) > 20", |p| p.depends.len() > 20),
    ("len(tags) between 5 and 7", |p| (5..=7).contains(&p.tags.len())),
    ("'role::program' in tags", |p| has(&p.tags, "role::program")),
    ("'role::program' in tags and 'interface::commandline' in tags", |p| {
        has(&p.tags, "role::program") && has(&p.tags, "interface::commandline")
    }),
    ("'role::program' in tags and not any(tags, it ^= 'interface::')", |p| {
        has(&p.tags, "role::program") && !p.tags.iter().any(|tag| tag.starts_with("interface::"))
    }),
    ("any(tags, it ^= 'culture::')", |p| p.tags.iter().any(|tag| tag.starts_with("culture::"))),
    ("len(tags) > 0 and all(tags, it *= 'devel')", |p| {
        !p.tags.is_empty() && p.tags.iter().all(|tag| tag.contains("devel"))
    }),
    ("any(depends, it = 'libc6' or it ^= 'libc6 ')", |p| {
        p.depends.iter().any(|one| one == "libc6" || one.starts_with("libc6 "))
    }),
    ("any(depends, it ^= 'python3') and architecture != 'all'", |p| {
        p.depends.iter().any(|one| one.starts_with("python3")) && p.architecture != "all"
    }),
    ("maintainer *= '@debian.org'", |p| p.maintainer.contains("@debian.org")),
    ("maintainer *= 'Debian' and not maintainer *= 'lists'", |p| {
        p.maintainer.contains("Debian") && !p.maintainer.contains("lists")
    }),
    ("homepage = ''", |p| p.homepage.is_empty()),
    ("homepage ^= 'https://github.com/'", |p| p.homepage.starts_with("https://github.com/")),
    ("version ^= '0.'", |p| p.version.starts_with("0.")),
    ("len(description) > 2000", |p| p.description.len() > 2000),
    ("description ~= 'chess engine'", |p| all_words(&p.description, &["chess", "engine"])),
    ("description *= 'music' and (section = 'sound' or size < 100000) and package > 'm'", |p| {
        p.description.contains("music") && (p.section == "sound" || p.size < 100_000) && p.package.as_str() > "m"
    }),
];

#[test]
fn forty_questions_about_debian_are_answered() {
    let Some(data) = data() else { return };
    let path = data.join("v1.jsonl.zst");
    let text = String::from_utf8(zstd::decode_all(std::fs::read(&path).unwrap().as_slice()).unwrap()).unwrap();
    let packages: Vec<Package> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scene = Scene::new();
    scene.run(&["publish", &path.display().to_string(), "--type", "Package", "--key", "package", "--json"]).ok();
    let mut found = 0;
    for (expression, holds) in QUESTIONS {
        let expected = packages.iter().filter(|package| holds(package)).count();
        let count = scene.run(&["query", "Package", expression, "--count"]).ok();
        assert_eq!(count, format!("{expected}\n"), "{expression}");
        found += usize::from(expected > 0);
    }
    assert!(found >= 38, "questions that have answers");

    // The records themselves, and sums by section.
    let lines = json_lines(&scene.run(&["query", "Package", "section = 'games' and size > 100000000"]).ok());
    let mut names: Vec<&str> =
        packages.iter().filter(|p| p.section == "games" && p.size > 100_000_000).map(|p| p.package.as_str()).collect();
    names.sort_unstable();
    assert_eq!(lines.iter().map(|line| line["package"].as_str().unwrap()).collect::<Vec<_>>(), names);
    let mut sizes: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for package in &packages {
        let sum = sizes.entry(&package.section).or_default();
        *sum = (sum.0 + package.size, sum.1 + 1);
    }
    let arguments = ["query", "Package", "--group-by", "section", "--agg", "sum(size)", "--agg", "count()"];
    let lines = json_lines(&scene.run(&arguments).ok());
    let expected: Vec<Value> = sizes
        .into_iter()
        .map(|(section, (sum, count))| serde_json::json!({"section": section, "sum(size)": sum, "count()": count}))
        .collect();
    assert_eq!(lines, expected);
}
