//! `kapok search` prints the records whose vectors are nearest to one.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::program::{Scene, json_lines};
use crate::vectors::{floats, npy};

/// Eight points on a line, by `id`, of two colours.
fn line() -> Scene {
    let scene = Scene::new();
    let mut lines = String::new();
    for id in 0..8 {
        let colour = ["red", "blue"][id % 2];
        writeln!(lines, "{{\"id\":{id},\"colour\":\"{colour}\",\"at\":[{},0]}}", id * id).unwrap();
    }
    scene.publish_with(lines, &["--key", "id", "--vector", "at:l2"]).ok();
    scene
}

fn search(scene: &Scene, options: &[&str]) -> String {
    scene.run(&[&["search", "Thing"], options].concat()).ok()
}

fn keys(printed: &str) -> Vec<Value> {
    let [answer] = &json_lines(printed)[..] else { panic!("not one line: {printed}") };
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["key"].clone()).collect()
}

#[test]
fn lines_are_a_distance_and_a_key_and_json_has_one_object_for_each_query() {
    let scene = line();
    let printed = search(&scene, &["--vector", "[10, 0]", "-k", "3"]);
    assert_eq!(printed, "1.000000\t3\n6.000000\t2\n6.000000\t4\n");
    let printed = search(&scene, &["--vector", "[-1.5, 0]", "-k", "2", "--json"]);
    assert_eq!(
        json_lines(&printed),
        [json!({"version":1,"hits":[{"key":0,"distance":1.5,"ordinal":0},{"key":1,"distance":2.5,"ordinal":1}]})]
    );
    let printed = search(&scene, &["--vector", "[25, 0]", "-k", "1", "--select", "colour,id"]);
    assert_eq!(printed, "{\"key\":5,\"distance\":0.0,\"ordinal\":5,\"record\":{\"colour\":\"blue\",\"id\":5}}\n");
    assert_eq!(search(&scene, &["--vector", "[0, 0]"]).lines().count(), 8, "ten are wanted, and there are eight");
    assert_eq!(search(&scene, &["--vector", "[0, 0]", "-k", "0"]), "");
    let named = scene.run(&["search", "--type", "Thing", "--vector", "[1, 0]", "-k", "1"]).ok();
    assert_eq!(named, "0.000000\t1\n");
}

#[test]
fn each_row_of_a_file_is_a_query() {
    let scene = line();
    scene.file("two.npy", npy("<f4", (2, 2), &floats(&[36.0, 0.0, 1.0, 0.0])));
    let printed = search(&scene, &["--vector", "@two.npy", "-k", "1", "--json"]);
    assert_eq!(
        json_lines(&printed),
        [
            json!({"version":1,"hits":[{"key":6,"distance":0.0,"ordinal":6}]}),
            json!({"version":1,"hits":[{"key":1,"distance":0.0,"ordinal":1}]}),
        ]
    );
    scene.file("bytes.npy", npy("|i1", (1, 2), &[5, 0]));
    assert_eq!(search(&scene, &["--vector", "@bytes.npy", "-k", "1"]), "1.000000\t2\n");
    scene.file("wide.npy", npy("<f4", (1, 3), &floats(&[1.0; 3])));
    let refused = scene.run(&["search", "Thing", "--vector", "@wide.npy"]).refused(2);
    assert_eq!(refused, "wide.npy: vectors have dimension 3, those of the field 2");
    let refused = scene.run(&["search", "Thing", "--vector", "@none.npy"]).refused(2);
    assert!(refused.starts_with("none.npy: cannot be read"), "{refused}");
}

#[test]
fn what_is_like_a_record_leaves_it_out() {
    let scene = line();
    assert_eq!(search(&scene, &["--vector", "like:3", "-k", "2"]), "5.000000\t2\n7.000000\t4\n");
    // Parts of a key of several fields.
    let lines = "{\"a\":\"x,y\",\"b\":1,\"v\":[1,0]}\n{\"a\":\"z\",\"b\":2,\"v\":[1,0.5]}\n{\"a\":\"z\",\"b\":3}\n";
    scene.file("pairs.jsonl", lines);
    scene.run(&["publish", "pairs.jsonl", "--type", "Pair", "--key", "a,b", "--vector", "v:cosine"]).ok();
    let near = |key: &str| keys(&scene.run(&["search", "Pair", "--vector", key, "--json"]).ok());
    assert_eq!(near("like:z,2"), [json!(["x,y", 1])]);
    assert_eq!(near("like:[\"x,y\",1]"), [json!(["z", 2])]);
    let refused = |key: &str, code| scene.run(&["search", "Pair", "--vector", key]).refused(code);
    assert!(refused("like:x", 2).contains("the key of Pair has 2 field(s), 1 given"));
    assert!(refused("like:[1", 2).contains("expected a JSON list"));
    assert!(refused("like:z,3", 2).contains("Pair.v: the record has no vector"));
    assert_eq!(refused("like:z,9", 1), "Pair z 9 is not in version 2");
}

#[test]
fn a_filter_a_radius_and_an_exact_search_give_what_they_say() {
    let scene = line();
    let near =
        |options: &[&str]| keys(&search(&scene, &[&["--vector", "[0, 0]", "-k", "3", "--json"][..], options].concat()));
    assert_eq!(near(&["--where", "colour = \"blue\""]), [1, 3, 5]);
    assert_eq!(near(&["--where", "id > 5"]), [6, 7]);
    assert_eq!(near(&["--where", "id > 50"]), [0; 0]);
    assert_eq!(near(&["--radius", "4"]), [0, 1, 2]);
    assert_eq!(near(&["--radius", "3.99"]), [0, 1]);
    assert_eq!(near(&["--radius", "-1"]), [0; 0]);
    assert_eq!(near(&["--exact"]), [0, 1, 2]);
    assert_eq!(near(&["--ef", "1"]), [0, 1, 2]);
    assert_eq!(near(&["--exact", "--where", "colour = \"red\" and id != 2", "--radius", "16"]), [0, 4]);
}

/// Points around a circle, by `id`; `record` makes a line of a number and the two numbers of its vector.
fn circle(points: u32, record: impl Fn(u32, &str) -> String) -> String {
    let mut lines = String::new();
    for id in 0..points {
        let angle = f64::from(id) * 0.37;
        writeln!(lines, "{}", record(id, &format!("[{},{}]", angle.sin(), angle.cos()))).unwrap();
    }
    lines
}

/// Searches for a point, and returns what was found and how.
fn explained(scene: &Scene, record_type: &str, options: &[&str]) -> (String, String) {
    let search = ["search", record_type, "--vector", "[0, 1]", "-k", "2", "--explain"];
    let ran = scene.run(&[&search, options].concat());
    assert_eq!((ran.code, ran.err.lines().count()), (0, 1), "{}", ran.err);
    (ran.out, ran.err)
}

#[test]
fn an_index_is_walked_over_and_the_explanation_says_so_in_words() {
    let scene = Scene::new();
    let lines = circle(6_000, |id, vector| format!("{{\"id\":{id},\"my_vec\":{vector}}}"));
    scene.publish_with(lines, &["--key", "id", "--vector", "my_vec:cosine"]).ok();
    let (exact, how) = explained(&scene, "Thing", &["--exact"]);
    assert_eq!(how, "segment 0: exactly; 6000 distances measured, 6000 vectors\n");
    assert!(exact.starts_with("0.000000\t0\n"), "{exact}");
    // Either name of a field finds its index.
    for field in [&[][..], &["--field", "my_vec"], &["--field", "myVec"]] {
        let (found, how) = explained(&scene, "Thing", &[field, &["--ef", "20"]].concat());
        assert!(how.starts_with("segment 0: over the graph; "), "{field:?}: {how}");
        assert_eq!(found, exact);
    }
    for (filter, expected) in [
        ("id < 5500", "segment 0: over the graph; "),
        ("id < 1900", "segment 0: over the graph, across records that are filtered out; "),
        ("id < 600", "segment 0: by all codes; "),
        ("id < 100", "segment 0: exactly; 100 distances measured, 6000 vectors"),
    ] {
        let (found, how) = explained(&scene, "Thing", &["--ef", "20", "--where", filter]);
        assert!(how.starts_with(expected), "{filter}: {how}");
        assert!(found.starts_with("0.000000\t0\n"), "{filter}: {found}");
    }
}

#[test]
fn the_only_vector_field_is_found_in_its_group() {
    let scene = Scene::new();
    let lines = circle(1_000, |id, vector| format!("{{\"id\":{id},\"some_place\":{{\"my_vec\":{vector}}}}}"));
    scene.file("spots.jsonl", lines);
    scene.file("spots.capnp", SPOT);
    scene.run(&["publish", "spots.jsonl", "--type", "Spot", "--schema", "spots.capnp"]).ok();
    let (exact, _) = explained(&scene, "Spot", &["--exact"]);
    for field in [&[][..], &["--field", "some_place.my_vec"], &["--field", "somePlace.myVec"]] {
        let (found, how) = explained(&scene, "Spot", &[field, &["--ef", "20"]].concat());
        assert!(how.starts_with("segment 0: over the graph; "), "{field:?}: {how}");
        assert_eq!(found, exact);
    }
    let refused = scene.run(&["search", "Spot", "--field", "some_place", "--vector", "[0,1]"]).refused(2);
    assert!(refused.contains("Spot.some_place: is no vector field"), "{refused}");
}

const SPOT: &str = r#"@0xb1f4ee3dc6c2a3d9;
using Kapok = import "/kapok.capnp";
using Json = import "/capnp/compat/json.capnp";
struct Spot $Kapok.key("id") {
  id @0 :UInt32;
  somePlace :group $Json.name("some_place") {
    myVec @1 :List(Float32) $Json.name("my_vec") $Kapok.vector((dimension = 2, metric = cosine));
  }
}
"#;

#[test]
fn bits_are_searched_by_numbers_and_by_the_bytes_that_they_are_published_from() {
    let scene = Scene::new();
    scene.file("bits.npy", npy("|u1", (3, 1), &[0b0000_0000, 0b0000_0111, 0b1000_0000]));
    let options = ["--key", "id", "--vector", "bits:hamming", "--vectors", "bits.npy"];
    scene.publish_with("{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n", &options).ok();
    scene.file("query.npy", npy("|u1", (1, 1), &[0b0000_0011]));
    let expected = "1.000000\t2\n2.000000\t1\n3.000000\t3\n";
    assert_eq!(search(&scene, &["--vector", "@query.npy"]), expected);
    assert_eq!(search(&scene, &["--vector", "[1,1,0,0,0,0,0,0]"]), expected);
    let refused = scene.run(&["search", "Thing", "--vector", "[2,1,0,0,0,0,0,0]"]).refused(2);
    assert!(refused.contains("number 0 is 2, which no element of bit"), "{refused}");
    assert_eq!(search(&scene, &["--vector", "like:2"]), "3.000000\t1\n4.000000\t3\n");
}

#[test]
fn versions_and_several_vector_fields_are_told_apart() {
    let scene = line();
    let lines = "{\"id\":9,\"colour\":\"red\",\"at\":[0,0],\"mood\":[1,1,1]}\n";
    scene.publish_with(lines, &["--upsert", "--vector", "mood:dot"]).ok();
    let refused = scene.run(&["search", "Thing", "--vector", "[0,0]"]).refused(2);
    assert_eq!(refused, "give --field, which is one of at, mood");
    assert_eq!(search(&scene, &["--field", "mood", "--vector", "[1,2,3]"]), "-6.000000\t9\n");
    assert_eq!(
        search(&scene, &["--field", "at", "--vector", "[0,0]", "-k", "2"]),
        "0.000000\t0\n0.000000\t9\n",
        "of two at one distance the lower ordinal comes first"
    );
    assert_eq!(search(&scene, &["--version", "1", "--vector", "[0,0]", "-k", "2"]), "0.000000\t0\n1.000000\t1\n");
    let ordinals = json_lines(&search(&scene, &["--field", "at", "--vector", "like:9", "-k", "1", "--json"]));
    assert_eq!(ordinals[0]["hits"][0]["ordinal"], 0);
    let ordinals = json_lines(&search(&scene, &["--field", "mood", "--vector", "[0,0,0]", "--json"]));
    assert_eq!(ordinals[0]["hits"][0]["ordinal"], 8, "segments are counted through");
}

#[test]
fn what_cannot_be_searched_is_told_with_its_exit_code() {
    let scene = line();
    for (options, code, expected) in [
        (&["--vector", "[1,2,3]"][..], 2, "it has 3 numbers where vectors have dimension 2"),
        (&["--vector", "[]"], 2, "it has 0 numbers"),
        (&["--vector", "[1,1e40]"], 2, "number out of range"),
        (&["--vector", "[1,"], 2, "--vector: expected a JSON list of numbers, @FILE or like:KEY"),
        (&["--vector", "[1,\"a\"]"], 2, "--vector: expected a JSON list"),
        (&["--vector", "bash"], 2, "--vector: expected a JSON list"),
        (&["--vector", "like:99"], 1, "Thing 99 is not in version 1"),
        (&["--vector", "like:x"], 2, "Thing.id: expected an integer, found \"x\""),
        (&["--vector", "[1,2]", "--field", "nope"], 1, "nope"),
        (&["--vector", "[1,2]", "--field", "colour"], 2, "is no vector field"),
        (&["--vector", "[1,2]", "--where", "hue = 1"], 2, "has no field \"hue\""),
        (&["--vector", "[1,2]", "--where", "id >"], 2, "query at column"),
        (&["--vector", "[1,2]", "--select", "hue"], 2, "hue"),
        (&["--vector", "[1,2]", "--version", "7"], 1, "version 7 does not exist"),
    ] {
        let refused = scene.run(&[&["search", "Thing"], options].concat()).refused(code);
        assert!(refused.contains(expected), "{options:?}: {refused}");
    }
    assert!(scene.run(&["search", "Nothing", "--vector", "[1]"]).refused(1).contains("Thing"));
    for usage in [
        &["search", "Thing"][..],
        &["search", "--vector", "[1,2]"],
        &["search", "Thing", "--vector", "[1,2]", "--exact", "--ef", "9"],
        &["search", "Thing", "--vector", "[1,2]", "-k", "-1"],
    ] {
        assert_eq!(scene.run(usage).code, 2, "{usage:?}");
    }
    let error = scene.run(&["search", "Thing", "--vector", "like:99", "--json"]).err;
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!((&error["error"]["kind"], &error["error"]["exit_code"]), (&json!("not_found"), &json!(1)));
    // A type without vectors, and a vector field without a metric.
    let plain = Scene::new();
    plain.publish("{\"id\":1}\n").ok();
    let refused = plain.run(&["search", "Thing", "--vector", "[1]"]).refused(2);
    assert_eq!(refused, "Thing has no vector field with a metric; publish one with --vector FIELD:cosine");
    plain.publish_with("{\"id\":1,\"v\":[1]}\n", &["--vector", "v"]).ok();
    assert!(plain.run(&["search", "Thing", "--vector", "[1]"]).refused(2).contains("no vector field with a metric"));
    let refused = plain.run(&["search", "Thing", "--vector", "[1]", "--field", "v"]).refused(2);
    assert!(refused.contains("Thing.v: the field has no metric"), "{refused}");
}
