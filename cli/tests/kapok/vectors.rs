//! Vectors are published from lines, and from files beside them.

use serde_json::json;

use crate::debian::data;
use crate::program::Scene;

pub fn npy(descr: &str, shape: (usize, usize), data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}, {}), }}\n", shape.0, shape.1);
    [b"\x93NUMPY\x01\x00", &u16::try_from(header.len()).unwrap().to_le_bytes()[..], header.as_bytes(), data].concat()
}

pub fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

const LINES: &str = "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n";

/// Three vectors of two numbers.
fn three(scene: &Scene) {
    scene.file("three.npy", npy("<f4", (3, 2), &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.5])));
}

fn schema(scene: &Scene) -> String {
    scene.run(&["schema"]).ok()
}

#[test]
fn row_i_belongs_to_line_i_or_to_the_record_of_key_i() {
    let scene = Scene::new();
    three(&scene);
    let options = ["--key", "id", "--vector", "v:cosine", "--vectors", "three.npy"];
    scene.publish_with(LINES, &options).ok();
    let by_line = [json!({"id":1,"v":[1.0,2.0]}), json!({"id":2,"v":[3.0,4.0]}), json!({"id":3,"v":[5.0,6.5]})];
    assert_eq!(scene.export("Thing"), by_line);
    assert!(schema(&scene).contains("v @1 :List(Float32) $vector((dimension = 2, metric = cosine));"));
    assert!(scene.publish_with(LINES, &options).ok().starts_with("unchanged: version 1"));
    // The same lines with other vectors are not the same input.
    scene.file("three.npy", npy("<f4", (3, 2), &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 7.5])));
    assert!(
        scene.publish_with(LINES, &options).ok().starts_with("published version 2: 3 Thing rows, 0 added, 1 changed")
    );
    // More records than keys: those have none. A field that the dataset has needs no --vector.
    scene.file("ids.json", "[4, 1, 2]");
    scene
        .publish_with([LINES, "{\"id\":4}\n"].concat(), &["--vectors", "v=three.npy", "--vector-keys", "ids.json"])
        .ok();
    let by_key =
        [json!({"id":1,"v":[3.0,4.0]}), json!({"id":2,"v":[5.0,7.5]}), json!({"id":3}), json!({"id":4,"v":[1.0,2.0]})];
    assert_eq!(scene.export("Thing"), by_key);
    // Upserted lines take the rows of their own file.
    scene.file("one.npy", npy("<f4", (1, 2), &floats(&[9.0, 9.0])));
    scene.publish_with("{\"id\":3}\n", &["--upsert", "--vectors", "v=one.npy"]).ok();
    assert_eq!(scene.export("Thing")[2], json!({"id":3,"v":[9.0,9.0]}));
    scene.run(&["verify"]).ok();
}

#[test]
fn files_of_several_kinds_and_fields_are_published_together() {
    let scene = Scene::new();
    scene.file("bytes.npy", npy("|i1", (2, 3), &[1, 2, 3, 255, 254, 253]));
    scene.file("bits.npy", npy("|u1", (2, 2), &[1, 2, 255, 128]));
    scene.file("half.npy", npy("<f2", (2, 1), &[0, 0x3c, 0, 0xc0]));
    let vector =
        |numbers: &[f32]| [&u32::try_from(numbers.len()).unwrap().to_le_bytes()[..], &floats(numbers)].concat();
    scene.file("long.fvecs", [vector(&[1.0, 0.5]), vector(&[0.25, 2.0])].concat());
    let options = [
        "--key",
        "id",
        "--vector",
        "bytes:l2,m=16,ef=200,codes=sq8",
        "--vector",
        "bits:hamming",
        "--vector",
        "own:dot",
        "--vectors",
        "bytes=bytes.npy",
        "--vectors",
        "bits=bits.npy",
        "--vectors",
        "half=half.npy",
        "--vectors",
        "long=long.fvecs",
    ];
    scene.publish_with("{\"id\":1,\"own\":[1,2]}\n{\"id\":2,\"own\":null}\n", &options).ok();
    assert_eq!(
        scene.export("Thing"),
        [
            json!({"id":1,"own":[1.0,2.0],"bytes":[1,2,3],"bits":"AQI=","half":[0x3c00],"long":[1.0,0.5]}),
            json!({"id":2,"bytes":[-1,-2,-3],"bits":"/4A=","half":[0xc000],"long":[0.25,2.0]}),
        ]
    );
    let schema = schema(&scene);
    for declared in [
        "own @1 :List(Float32) $vector((dimension = 2, metric = innerProduct));",
        "bytes @2 :List(Int8) $vector((dimension = 3, metric = l2));",
        "bits @3 :Data $vector((dimension = 16, metric = hamming, element = bit));",
        "half @4 :List(UInt16) $vector((dimension = 1, element = float16));",
        "long @5 :List(Float32) $vector((dimension = 2));",
    ] {
        assert!(schema.contains(declared), "{declared} not in\n{schema}");
    }
    scene.run(&["verify"]).ok();
}

#[test]
fn a_field_gets_a_metric_later_and_keeps_it() {
    let scene = Scene::new();
    let lines = "{\"id\":1,\"v\":[1,2]}\n";
    scene.publish_with(lines, &["--key", "id", "--vector", "v"]).ok();
    assert!(scene.publish_with(lines, &["--vector", "v:l2"]).ok().starts_with("published version 2"));
    assert!(schema(&scene).contains("metric = l2"));
    assert!(scene.publish_with(lines, &["--vector", "v"]).ok().starts_with("unchanged: version 2"));
    let refused = scene.publish_with(lines, &["--vector", "v:dot"]).refused(1);
    assert!(
        refused.contains("Thing.v") && refused.contains("metric l2") && refused.contains("innerProduct"),
        "{refused}"
    );
    scene.file("nan.npy", npy("<f4", (1, 2), &floats(&[0.0, f32::NAN])));
    let refused = scene.publish_with("{\"id\":7}\n", &["--vectors", "v=nan.npy"]).refused(2);
    assert!(refused.contains("line 1") && refused.contains("Thing.v: key=7: element 1"), "{refused}");
}

#[test]
fn what_does_not_fit_is_refused_with_both_sides_named() {
    let scene = Scene::new();
    three(&scene);
    let with = |lines: &str, options: &[&str]| {
        scene.publish_with(lines, &[&["--key", "id", "--vector", "v", "--vectors", "three.npy"], options].concat())
    };
    let two = "{\"id\":1}\n{\"id\":2}\n";
    let refused = with(two, &[]).refused(2);
    assert!(refused.contains("three.npy: rows=3, and things.jsonl has lines=2"), "{refused}");
    let four = [LINES, "{\"id\":4}\n"].concat();
    let refused = with(&four, &[]).refused(2);
    assert!(refused.contains("three.npy: rows=3, and things.jsonl has lines=4"), "{refused}");
    let keys = |keys: &str| {
        scene.file("ids.json", keys);
        with(LINES, &["--vector-keys", "ids.json"]).refused(2)
    };
    let refused = keys("[1, 2]");
    assert!(refused.contains("ids.json") && refused.contains("three.npy: rows=3, and there are 2 keys"), "{refused}");
    let refused = keys("[1, 2, 9]");
    assert!(refused.contains("row 2, of key 9, has none"), "{refused}");
    assert!(keys("{\"1\": 0}").contains("ids.json: expected a JSON list of keys"));
    assert!(keys("[1, 2, 2]").contains("2 is that of row 1 too"));
    assert!(keys("[1, 2, \"x\"]").contains("key 2"));
    let refused = with("{\"id\":1}\n{\"id\":2,\"v\":[1,2]}\n{\"id\":3}\n", &[]).refused(2);
    assert!(refused.contains("line 2") && refused.contains("given by the record and by three.npy, row 1"), "{refused}");
    with(LINES, &[]).ok();
    scene.file("wide.npy", npy("<f4", (3, 3), &floats(&[1.0; 9])));
    let refused = scene.publish_with(LINES, &["--vectors", "v=wide.npy"]).refused(2);
    assert!(
        refused.contains("Thing.v") && refused.contains("dimension 2") && refused.contains("dimension 3"),
        "{refused}"
    );
    scene.file("bytes.npy", npy("|u1", (3, 2), &[1; 6]));
    let refused = scene.publish_with(LINES, &["--vectors", "v=bytes.npy"]).refused(2);
    assert!(refused.contains("holds float32, bytes.npy has uint8"), "{refused}");
    let refused = scene.publish_with(LINES, &["--vectors", "id=three.npy"]).refused(2);
    assert!(refused.contains("Thing.id"), "{refused}");
    scene.file("cut.npy", &npy("<f4", (3, 2), &floats(&[1.0; 6]))[..80]);
    assert!(scene.publish_with(LINES, &["--vectors", "v=cut.npy"]).refused(2).contains("cut.npy"));
    assert!(scene.publish_with(LINES, &["--vectors", "v=none.npy"]).refused(2).contains("none.npy: cannot be read"));
    for options in [
        &["--vectors", "three.npy"][..],
        &["--vector", "v", "--vector", "w", "--vectors", "three.npy"],
        &["--vectors", "v=three.npy", "--vectors", "v=three.npy"],
        &["--vector-keys", "ids.json"],
        &["--vector", "v:euclid"],
        &["--vector", "v:l2,m=x"],
    ] {
        let ran = scene.publish_with(LINES, options);
        assert_ne!(ran.code, 0, "{options:?}");
        assert!(ran.err.contains("--vector"), "{options:?}: {}", ran.err);
    }
}

#[test]
fn embeddings_of_debians_packages_are_published_by_key() {
    let Some(debian) = data() else { return };
    let folder = debian.parent().unwrap().join("minilm-debian");
    let (vectors, keys) = (folder.join("base.npy"), folder.join("base_ids.json"));
    if !vectors.exists() || !keys.exists() {
        eprintln!("skipped: {} is absent; set KAPOK_DATA", folder.display());
        return;
    }
    let scene = Scene::new();
    let [lines, vectors_path, keys_path] =
        [&debian.join("v1.jsonl.zst"), &vectors, &keys].map(|path| path.display().to_string());
    let options = ["--vector", "embedding:dot", "--vectors", &vectors_path, "--vector-keys", &keys_path];
    let arguments = [&["publish", &lines, "--type", "Package", "--key", "package"], &options[..]].concat();
    scene.run(&arguments).ok();
    let ids: Vec<String> = serde_json::from_slice(&std::fs::read(&keys).unwrap()).unwrap();
    let file = std::fs::read(&vectors).unwrap();
    for row in [0, 1, 40_000, ids.len() - 1] {
        let record = scene.run(&["get", "Package", &ids[row], "--json"]).ok();
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        let found: Vec<f32> = serde_json::from_value(record["embedding"].clone()).unwrap();
        assert_eq!(floats(&found), &file[128 + row * 1536..128 + (row + 1) * 1536], "{}", ids[row]);
    }
    assert!(scene.run(&arguments).ok().starts_with("unchanged: version 1"));
}
