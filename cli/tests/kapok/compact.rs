//! Integers that are no wider than their values need, and what widens them.

use std::fmt::Write;

use serde_json::json;

use crate::program::{Scene, json_lines};

const THINGS: &str = concat!(
    "{\"id\":-7,\"size\":300,\"far\":1000000,\"parts\":[{\"len\":4}],\"row\":[1,-2]}\n",
    "{\"id\":20,\"size\":null,\"far\":-5,\"parts\":[],\"row\":[]}\n",
    "{\"id\":3,\"size\":8191,\"far\":536870911,\"parts\":[{\"len\":9000}],\"row\":[31]}\n",
);

const COMPACT: [&str; 3] = ["--key", "id", "--compact"];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.publish_with(THINGS, &COMPACT).ok();
    scene
}

/// The lines of a type's fields in the schema.
fn fields(scene: &Scene) -> String {
    let schema = scene.run(&["schema"]).ok();
    let lines = schema.lines().map(str::trim).filter(|line| line.contains(" @") && !line.contains('{'));
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn fields_are_as_narrow_as_the_lines_allow_and_later_publishes_keep_to_them() {
    let scene = scene();
    let narrow = fields(&scene);
    for field in ["id @0 :Int8;", "size @1 :Int16;", "far @2 :Int32;", "len @0 :Int32;", "row @4 :List(Int8);"] {
        assert!(narrow.contains(field), "{field} is not in {narrow}");
    }
    let records = scene.export("Thing");
    assert_eq!(records.iter().map(|record| record["id"].as_i64().unwrap()).collect::<Vec<_>>(), [-7, 3, 20]);
    assert_eq!(json_lines(&scene.run(&["get", "Thing", "-7"]).ok())[0]["far"], 1_000_000);
    // The same lines in another order give the same types and bytes.
    let segments = |scene: &Scene| scene.only_file("segments").file_name().unwrap().to_owned();
    let other = Scene::new();
    let reversed: Vec<_> = THINGS.lines().rev().collect();
    other.publish_with(reversed.join("\n"), &COMPACT).ok();
    assert_eq!(segments(&scene), segments(&other));
    // Without the option, and with it, the types stay.
    scene.publish_with("{\"id\":127,\"size\":-32768,\"far\":2147483647,\"row\":[]}", &["--upsert"]).ok();
    let said = scene.publish_with("{\"id\":1,\"far\":1,\"row\":[],\"new\":5}", &["--upsert", "--compact"]).ok();
    assert!(said.contains("schema grew: Thing.new Int8"), "{said}");
    scene.publish_with("{\"id\":1,\"far\":1,\"row\":[],\"newer\":5}", &["--upsert"]).ok();
    let grown = fields(&scene);
    assert!(grown.contains("size @1 :Int16;") && grown.contains(":Int8;") && grown.contains(":Int64;"), "{grown}");
    scene.run(&["verify"]).ok();
}

#[test]
fn the_types_are_those_of_all_lines_even_if_the_last_alone_shows_more() {
    let scene = Scene::new();
    let mut lines = String::new();
    for id in 0..20_000 {
        writeln!(lines, "{{\"id\":{id},\"n\":{}}}", id % 30).unwrap();
    }
    lines.push_str("{\"id\":20000,\"n\":-33}\n");
    scene.publish_with(&lines, &COMPACT).ok();
    let narrow = fields(&scene);
    assert!(narrow.contains("id @0 :Int32;") && narrow.contains("n @1 :Int16;"), "{narrow}");
    assert_eq!(scene.export("Thing"), json_lines(&lines));
}

#[test]
fn what_does_not_fit_is_refused_by_line_field_and_type_and_names_widen() {
    let scene = scene();
    let before = scene.versions();
    for (line, place, ty) in [
        ("{\"id\":128,\"far\":1}", "Thing.id", "Int8"),
        ("{\"id\":1,\"size\":32768,\"far\":1}", "Thing.size", "Int16"),
        ("{\"id\":1,\"far\":-2147483649}", "Thing.far", "Int32"),
        ("{\"id\":1,\"far\":1,\"row\":[0,-129]}", "Thing.row[1]", "Int8"),
    ] {
        let lines = format!("{{\"id\":1,\"far\":1,\"row\":[]}}\n{line}");
        for options in [&["--upsert"][..], &["--allow-removed"]] {
            let message = scene.publish_with(&lines, options).refused(2);
            for part in ["line 2", place, ty, "--widen"] {
                assert!(message.contains(part), "{part:?} is not in {message:?}");
            }
        }
        let told = scene.publish_with(&lines, &["--upsert", "--json"]);
        let error = &json_lines(&told.err)[0]["error"];
        assert_eq!((&error["line"], &error["field"]), (&json!(2), &json!(place)), "{error}");
    }
    assert_eq!(scene.versions(), before);
}

#[test]
fn widen_writes_all_records_anew_and_each_is_found_by_its_key() {
    for is_full in [false, true] {
        let scene = scene();
        scene.file("gone.txt", "20\n");
        let more = "{\"id\":3,\"size\":-40000,\"far\":1,\"parts\":[],\"row\":[128]}\n\
                    {\"id\":9000,\"size\":1,\"far\":2,\"parts\":[],\"row\":[]}\n";
        let before = scene.export("Thing");
        if is_full {
            let all = format!("{}\n{more}", THINGS.lines().next().unwrap());
            scene.publish_with(all, &["--widen"]).ok();
        } else {
            scene.publish_with(more, &["--upsert", "--widen", "--delete-keys", "gone.txt"]).ok();
        }
        let wider = fields(&scene);
        for field in ["id @0 :Int32;", "size @1 :Int32;", "far @2 :Int32;", "len @0 :Int32;", "row @4 :List(Int16);"] {
            assert!(wider.contains(field), "{field} is not in {wider}");
        }
        let mut expected = vec![before[0].clone()];
        expected.extend(json_lines(more));
        assert_eq!(scene.export("Thing"), expected, "full={is_full}");
        for record in &expected {
            let found = scene.run(&["get", "Thing", &record["id"].to_string()]).ok();
            assert_eq!(json_lines(&found), std::slice::from_ref(record));
        }
        assert!(scene.run(&["get", "Thing", "20"]).code != 0);
        scene.run(&["verify"]).ok();
        scene.run(&["diff", "1", "2"]).ok();
        scene.run(&["history", "Thing", "-7"]).ok();
        // Nothing is left to widen.
        scene.publish_with("{\"id\":9000,\"far\":4,\"row\":[]}", &["--upsert"]).ok();
        scene.run(&["rollback", "1"]).ok();
        assert_eq!(scene.export("Thing"), before);
    }
}

#[test]
fn a_type_that_is_there_stays_as_it_is_unless_it_is_published_anew() {
    let scene = Scene::new();
    scene.publish(THINGS).ok();
    let wide = fields(&scene);
    let more = format!("{THINGS}{{\"id\":4,\"far\":1,\"row\":[]}}");
    let ran = scene.publish_with(&more, &["--compact"]);
    assert!(ran.code == 0 && ran.err.contains("--republish --compact"), "{}", ran.err);
    assert_eq!(fields(&scene), wide);
    scene.publish_with(&more, &["--republish", "--compact"]).ok();
    assert!(fields(&scene).contains("id @0 :Int8;"));
    assert_eq!(scene.export("Thing").len(), 4);
    scene.publish_with(&more, &["--compact"]).ok();
    let said = scene.publish_with(THINGS, &["--compact", "--schema", "x.capnp"]).err;
    assert!(said.contains("cannot be used with"), "{said}");
}

#[test]
fn stat_tells_what_narrow_integers_save() {
    let scene = scene();
    // Three integers of 64 bits and a flag are four words; 8, 16 and 32 bits and a flag are one.
    let said = scene.run(&["stat"]).ok();
    assert!(said.contains("save 24 B a row, 72 B in all"), "{said}");
    let stat = &json_lines(&scene.run(&["stat", "--json"]).ok().replace('\n', " "))[0];
    assert_eq!(stat["types"][0]["narrow_bytes_saved"], 72);
    let wide = Scene::new();
    wide.publish(THINGS).ok();
    let said = wide.run(&["stat"]).ok();
    assert!(!said.contains("a row"), "{said}");
}
