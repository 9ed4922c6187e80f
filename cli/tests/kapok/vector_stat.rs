//! `kapok vectors` tells what vector fields and their indexes consist of, and what searches find.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::program::Scene;
use crate::vectors::{floats, npy};

/// Vectors of 8 numbers that depend on their place alone.
fn vectors(rows: usize) -> Vec<f32> {
    let mut seed = 7_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(seed >> 16).unwrap()) / 65536.0 - 0.5
    };
    (0..rows * 8).map(|_| next()).collect()
}

/// A type with so many vectors of 8 numbers and one record without.
fn scene(rows: usize, vector: &str) -> Scene {
    let scene = Scene::new();
    let mut lines = String::new();
    (0..=rows).for_each(|id| writeln!(lines, "{{\"id\":{id}}}").unwrap());
    let keys: Vec<usize> = (0..rows).collect();
    scene.file("keys.json", serde_json::to_string(&keys).unwrap());
    scene.file("v.npy", npy("<f4", (rows, 8), &floats(&vectors(rows))));
    let options = ["--key", "id", "--vector", vector, "--vectors", "v.npy", "--vector-keys", "keys.json"];
    scene.publish_with(lines, &options).ok();
    scene
}

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    serde_json::from_str(&scene.run(&[&["vectors"], arguments, &["--json"]].concat()).ok()).unwrap()
}

#[test]
fn each_field_is_listed_with_its_graph_and_its_bytes() {
    let scene = scene(2_000, "v:l2,m=8");
    let all = json(&scene, &["stat"]);
    let [stat] = &all.as_array().unwrap()[..] else { panic!("{all}") };
    for (member, expected) in [
        ("type", json!("Thing")),
        ("field", json!("v")),
        ("vectors", json!(2_000)),
        ("dimension", json!(8)),
        ("element", json!("float32")),
        ("metric", json!("l2")),
        ("segments", json!(1)),
        ("graphs", json!(1)),
        ("reachable", json!(1.0)),
    ] {
        assert_eq!(stat[member], expected, "{member} of {stat}");
    }
    assert_eq!(stat["bytes"]["vectors"], 2_001 * 32);
    let artifacts = std::fs::read_dir(scene.store().join("indexes")).unwrap().map(|it| it.unwrap().metadata().unwrap());
    let index: Value = serde_json::from_str(&scene.run(&["index", "list", "--json"]).ok()).unwrap();
    let [unique, graph] = &index.as_array().unwrap()[..] else { panic!("{index}") };
    assert_eq!(graph["kind"], "hnsw");
    let number = |value: &Value| value.as_u64().unwrap();
    let (codes_bytes, graph_bytes) = (number(&stat["bytes"]["codes"]), number(&stat["bytes"]["graph"]));
    assert!(codes_bytes > 2_000 * 4 && graph_bytes > 2_000 * 16, "{stat}");
    // The index has its codes, too, and there is nothing else.
    assert_eq!(number(&graph["bytes"]), codes_bytes + graph_bytes);
    assert_eq!(artifacts.map(|file| file.len()).sum::<u64>(), number(&graph["bytes"]) + number(&unique["bytes"]));
    let (mean, most) = (stat["links_mean"].as_f64().unwrap(), number(&stat["links_max"]));
    assert!(mean > 2.0 && mean <= 16.0 && (8..=16).contains(&most), "{stat}");
    assert!((mean * 2_000.0 - stat["links"].as_f64().unwrap()).abs() < 0.5, "{stat}");
    let levels: Vec<u64> = stat["levels"].as_array().unwrap().iter().map(number).collect();
    assert!((150..400).contains(&levels[0]) && levels.is_sorted_by(|a, b| a >= b), "{levels:?}");
    assert_eq!(json(&scene, &["stat", "Thing.v"]), all);
    assert_eq!(json(&scene, &["stat", "Thing"]), all);

    let printed = scene.run(&["vectors", "stat"]).ok();
    let cells: Vec<Vec<&str>> = printed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells[0], ["field", "vectors", "dimension", "element", "metric", "vectors", "codes", "graph"]);
    assert_eq!(cells[1][..5], ["Thing.v", "2,000", "8", "float32", "l2"]);
    assert_eq!(cells[4][..2], ["Thing.v", "1/1"]);
    assert!(printed.contains("100.00 %") && printed.contains("\nkernels: "), "{printed}");
}

#[test]
fn deleted_records_and_segments_without_an_index_are_counted_as_they_are() {
    let scene = scene(400, "v:cosine,codes=sq4");
    scene.file("gone.txt", "0\n1\n2\n");
    scene.publish_with("", &["--upsert", "--delete-keys", "gone.txt"]).ok();
    assert_eq!(json(&scene, &["stat"])[0]["vectors"], 397);
    assert_eq!(json(&scene, &["stat"])[0]["dimension"], 8);
    scene.run(&["index", "drop", "Thing", "hnsw(v) codes=sq4"]).ok();
    let stat = &json(&scene, &["stat"])[0];
    let expected = [json!(0), json!(0), json!([]), json!(0.0), json!({"vectors":401 * 32,"codes":0,"graph":0})];
    assert_eq!(["graphs", "links", "levels", "links_mean", "bytes"].map(|member| stat[member].clone()), expected);
}

#[test]
fn recall_is_measured_on_a_sample_and_what_is_below_the_least_fails() {
    let scene = scene(3_000, "v:l2,m=4,ef=8,codes=sq4");
    let check = &json(&scene, &["check", "Thing.v", "--sample", "50"])[0];
    assert_eq!((&check["sample"], &check["k"]), (&json!(50), &json!(10)));
    let recall = check["recall"].as_f64().unwrap();
    assert!(recall > 0.5 && recall < 1.0, "a thin graph misses some: {check}");
    assert!(check["search_us"].as_f64().unwrap() > 0.0 && check["exact_us"].as_f64().unwrap() > 0.0);
    let again = &json(&scene, &["check", "Thing", "--sample", "50"])[0];
    assert_eq!(again["recall"], check["recall"], "the sample is the same each time");
    let wide = &json(&scene, &["check", "Thing", "--sample", "50", "--ef", "2000"])[0];
    assert!(wide["recall"].as_f64().unwrap() > recall, "{wide}");

    let ran = scene.run(&["vectors", "check", "Thing", "--sample", "50", "--min-recall", "1"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("recall@10") && ran.out.contains("Thing.v"), "{}", ran.out);
    let said = format!("Thing.v: recall@10 is {recall:.4}, below 1");
    assert!(ran.err.contains(&said), "{said} is not in {}", ran.err);
    scene.run(&["vectors", "check", "Thing", "--sample", "50", "--min-recall", "0.5"]).ok();
    // Of fewer records than are asked for, all ask, and find all others.
    let few = Scene::new();
    few.publish_with("{\"id\":1,\"v\":[1]}\n{\"id\":2,\"v\":[1]}\n", &["--key", "id", "--vector", "v:l2"]).ok();
    let check = &json(&few, &["check", "Thing", "--min-recall", "1"])[0];
    assert_eq!((&check["sample"], &check["recall"]), (&json!(2), &json!(1.0)));
}

#[test]
fn what_has_no_vectors_is_told_with_its_exit_code() {
    let scene = Scene::new();
    scene.publish("{\"id\":1}\n").ok();
    for action in ["stat", "check"] {
        let run = |of: &str, code| scene.run(&["vectors", action, of]).refused(code);
        assert!(run("Thing", 2).contains("Thing has no vector field with a metric"));
        assert!(run("Thing.id", 2).contains("is no vector field"));
        assert!(run("Thing.nope", 1).contains("nope"));
        assert!(run("Nothing", 1).contains("Thing"));
    }
    assert_eq!(scene.run(&["vectors", "stat"]).refused(1), "no record type has a vector field with a metric");
    assert_eq!(scene.run(&["vectors", "stat", "--json"]).ok(), "[]\n");
    for usage in [&["vectors"][..], &["vectors", "check"], &["vectors", "check", "Thing", "--min-recall", "2"]] {
        assert_eq!(scene.run(usage).code, 2, "{usage:?}");
    }
    let store = scene.store();
    let before = crate::program::run_in(
        &scene.path("."),
        &["--store", store.to_str().unwrap(), "vectors", "stat", "--json"],
        None,
        b"",
    );
    assert_eq!(before.ok(), "[]\n");
    let none = crate::program::run_in(&scene.path("."), &["vectors", "stat"], None, b"");
    assert!(none.code == 2 && none.err.contains("--store URL"), "{}", none.err);
}
