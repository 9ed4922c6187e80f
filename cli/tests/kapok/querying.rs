//! `kapok query` prints the records that satisfy an expression.

use serde_json::{Value, json};

use crate::program::{Scene, json_lines};

fn scene() -> Scene {
    let scene = Scene::new();
    let lines = [
        r#"{"id":3,"name":"three","size":30,"tags":["a","b"],"where":{"city":"Oslo"}}"#,
        r#"{"id":1,"name":"one","size":10,"tags":["a"],"where":{"city":"Bergen"}}"#,
        r#"{"id":2,"name":"two","size":null,"tags":[]}"#,
        r#"{"id":4,"name":"four","size":30,"tags":["b"]}"#,
    ];
    scene.publish(&lines.join("\n")).ok();
    scene
}

fn lines(scene: &Scene, arguments: &[&str]) -> Vec<Value> {
    json_lines(&scene.run(&[&["query", "Thing"], arguments].concat()).ok())
}

fn ids(scene: &Scene, arguments: &[&str]) -> Vec<i64> {
    lines(scene, arguments).iter().map(|line| line["id"].as_i64().unwrap()).collect()
}

#[test]
fn records_are_found_ordered_and_limited() {
    let scene = scene();
    assert_eq!(scene.run(&["query", "Thing"]).ok(), scene.run(&["export", "Thing"]).ok());
    for (arguments, expected) in [
        (&["size >= 30"][..], &[3, 4][..]),
        (&["size = $s or 'a' in tags", "--param", "s=30"], &[1, 3, 4]),
        (&["name = $n", "--param", "n=two"], &[2]),
        (&["id in $ids", "--param", "ids=[1, 4]"], &[1, 4]),
        (&["--order", "-size,name"], &[4, 3, 1, 2]),
        (&["true", "--order", "name", "--limit", "2"], &[4, 1]),
        (&["id > 9"], &[]),
        (&["id = 1", "--version", "1"], &[1]),
    ] {
        assert_eq!(ids(&scene, arguments), expected, "{arguments:?}");
    }
    let found = scene.run(&["query", "--type", "Thing", "id = 1", "--select", "id,where.city,tags"]).ok();
    assert_eq!(found, "{\"id\":1,\"where.city\":\"Bergen\",\"tags\":[\"a\"]}\n");
    assert_eq!(scene.run(&["query", "Thing", "size > 5", "--count"]).ok(), "3\n");
    assert_eq!(scene.run(&["query", "Thing", "size > 99", "--count"]).ok(), "0\n");
}

#[test]
fn references_join_the_types_that_they_name() {
    let scene = Scene::new();
    let publish = |name: &str, lines: &str, arguments: &[&str]| {
        let path = scene.file(&format!("{name}.jsonl"), lines);
        let path = path.to_str().unwrap();
        scene.run(&[&["publish", path, "--type", name], arguments].concat())
    };
    publish("Movie", "{\"id\":1,\"title\":\"M\",\"by\":7}\n{\"id\":2,\"title\":\"N\",\"by\":8}", &["--key", "id"]).ok();
    publish("Person", "{\"id\":7,\"name\":\"Ann\"}", &["--key", "id"]).ok();
    publish("Alone", "{\"id\":7}", &["--key", "id"]).ok();
    let ratings = "{\"film\":1,\"user\":7,\"stars\":5}\n{\"film\":3,\"user\":7,\"stars\":2}";
    let key = ["--key", "film,user"];
    publish("Rating", ratings, &key).ok();
    let failed = scene.run(&["query", "Rating", "film.title = 'M'"]);
    assert_eq!(failed.code, 2, "{}", failed.err);
    assert!(failed.err.contains("not declared to refer"), "{}", failed.err);
    // The same records with references are a version of their own; later files need not name them again.
    let references = ["--reference", "film: Movie", "--reference", "user: Person"];
    publish("Rating", ratings, &[&key[..], &references].concat()).ok();
    publish("Rating", &ratings.replace(":5", ":4"), &[]).ok();
    publish("Movie", "{\"id\":2,\"title\":\"O\",\"by\":8}", &["--upsert", "--reference", "by: Person"]).ok();
    let found = scene.run(&["query", "Rating", "film.by.name = 'Ann'", "--select", "film,film.title,stars"]).ok();
    assert_eq!(found, "{\"film\":1,\"film.title\":\"M\",\"stars\":4}\n");
    let found =
        scene.run(&["query", "Rating", "true", "--order", "-film.title", "--select", "film.title,user.name"]).ok();
    assert_eq!(found, "{\"film.title\":\"M\",\"user.name\":\"Ann\"}\n{\"user.name\":\"Ann\"}\n");
    assert_eq!(scene.run(&["query", "Movie", "len(Rating.film) = 0", "--select", "title"]).ok(), "{\"title\":\"O\"}\n");
    assert_eq!(scene.run(&["query", "Person", "any(Rating.film.by, stars = 4)", "--count"]).ok(), "1\n");
    assert_eq!(
        scene.run(&["query", "Rating", "--group-by", "film.title", "--agg", "sum(stars)"]).ok(),
        "{\"film.title\":\"M\",\"sum(stars)\":4}\n{\"film.title\":null,\"sum(stars)\":2}\n"
    );
    let explained: Value =
        serde_json::from_str(&scene.run(&["query", "Movie", "any(Rating.film, true)", "--explain", "--json"]).ok())
            .unwrap();
    assert_eq!(explained["joins"], json!([{"path": "Rating.film", "type": "Rating", "source": "film,user"}]));
    let schema = scene.run(&["schema"]).ok();
    assert!(schema.contains("film @0 :Int64 $reference(\"Movie\")"), "{schema}");
    for (reference, problem) in
        [("film: ", "expected"), ("nothing: Movie", "nothing"), ("stars.x: Movie", "can hold a key")]
    {
        let failed = publish("Rating", ratings, &["--reference", reference]);
        assert!(failed.code != 0 && failed.err.contains(problem), "{} {}", failed.code, failed.err);
    }
}

#[test]
fn elements_of_lists_refer_and_references_are_withdrawn() {
    let scene = Scene::new();
    let publish = |name: &str, lines: &str, arguments: &[&str]| {
        let path = scene.file(&format!("{name}.jsonl"), lines);
        scene.run(&[&["publish", path.to_str().unwrap(), "--type", name, "--key", "id"], arguments].concat())
    };
    publish("Product", "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"b\"}", &[]).ok();
    let orders = "{\"id\":1,\"items\":[{\"of\":1,\"n\":2},{\"of\":9,\"n\":3}],\"tags\":[2,1]}\n{\"id\":2,\"items\":[],\"tags\":[2]}";
    let references = ["--reference", "items[].of: Product", "--reference", "tags[]: Product"];
    publish("Order", orders, &references).ok();
    let schema = scene.run(&["schema"]).ok();
    assert!(schema.contains("tags @2 :List(Int64) $reference(\"Product\")"), "{schema}");
    let query = |arguments: &[&str]| scene.run(&[&["query"], arguments].concat()).ok();
    assert_eq!(
        query(&["Order", "any(tags, it.name = 'a')", "--select", "id,tags[].name,items[].of.name"]),
        "{\"id\":1,\"tags[].name\":[\"b\",\"a\"],\"items[].of.name\":[\"a\",null]}\n"
    );
    assert_eq!(query(&["Product", "any(Order.tags[], len(items) = 0)", "--select", "name"]), "{\"name\":\"b\"}\n");
    assert_eq!(
        query(&["Product", "--agg", "sum(Order.items[].of, items[].n)", "--agg", "count(Order.tags[])"]),
        "{\"sum(Order.items[].of, items[].n)\":5,\"count(Order.tags[])\":3}\n"
    );
    let failed = publish("Order", orders, &["--reference", "tags: Product"]);
    assert!(failed.code == 2 && failed.err.contains("its elements are tags[]"), "{} {}", failed.code, failed.err);

    let failed = scene.run(&["drop-reference", "Order", "tags"]);
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("there is tags, of of"), "{}", failed.err);
    assert_eq!(scene.run(&["drop-reference", "Order"]).code, 2);
    assert_eq!(scene.run(&["drop-reference", "Ordr", "tags[]"]).code, 1);
    let told = scene.run(&["drop-reference", "Order", "tags[]"]).ok();
    assert!(told.starts_with("published version 3: Order.tags[] refers to no records any more"), "{told}");
    let told: Value =
        serde_json::from_str(&scene.run(&["drop-reference", "--type", "Order", "items[].of", "--json"]).ok()).unwrap();
    assert_eq!((&told["version"], &told["reference"], &told["rows"]), (&json!(4), &json!("items[].of"), &json!(2)));
    assert!(scene.run(&["diff", "2", "4"]).ok().contains("Order: 0 added, 0 changed, 0 removed"));
    let failed = scene.run(&["query", "Order", "any(tags, it.name = 'a')"]);
    assert!(failed.code == 2 && failed.err.contains("not declared to refer"), "{} {}", failed.code, failed.err);
    // What is published later does not bring it back, unless it is declared.
    publish("Order", &orders.replace(":3", ":4"), &[]).ok();
    assert_eq!(scene.run(&["query", "Order", "any(tags, it.name = 'a')"]).code, 2);
    publish("Order", orders, &references).ok();
    assert_eq!(query(&["Order", "any(tags, it.name = 'a')", "--count"]), "1\n");
}

#[test]
fn pages_follow_one_another() {
    let scene = scene();
    let page = |after: &[&str]| -> Value {
        let arguments = [&["query", "Thing", "--order", "-size", "--limit", "3", "--json"], after].concat();
        serde_json::from_str(&scene.run(&arguments).ok()).unwrap()
    };
    let first = page(&[]);
    assert_eq!((&first["version"], first["records"].as_array().unwrap().len()), (&json!(1), 3));
    let next = first["next"].as_str().unwrap();
    let second = page(&["--after", next]);
    assert_eq!((&second["records"][0]["id"], &second["next"]), (&json!(2), &Value::Null));
    assert_eq!(ids(&scene, &["--order", "-size", "--after", next]), [2]);
    assert!(scene.run(&["query", "Thing", "--after", next]).refused(2).contains("cursor"));
}

#[test]
fn aggregates_are_lines_of_json() {
    let scene = scene();
    assert_eq!(
        lines(&scene, &["--agg", "sum(size)", "--agg", "top_n(2, name)"]),
        [json!({"sum(size)": 70, "top_n(2, name)": ["two", "three"]})]
    );
    assert_eq!(
        lines(&scene, &["id < 4", "--group-by", "tags[]", "--agg", "count()", "--agg", "avg(size)"]),
        [
            json!({"tags[]": "a", "count()": 2, "avg(size)": 20.0}),
            json!({"tags[]": "b", "count()": 1, "avg(size)": 30.0}),
        ]
    );
    assert_eq!(
        lines(&scene, &["--group-by", "size"]),
        [json!({"size": 10, "count()": 1}), json!({"size": 30, "count()": 2}), json!({"size": null, "count()": 1}),]
    );
}

#[test]
fn a_wrong_expression_is_refused_with_its_column() {
    let scene = scene();
    let refused = scene.run(&["query", "Thing", "size >= "]).refused(2);
    assert_eq!(refused, "query at column 9: expected a value, found the end");
    for (arguments, says) in [
        (&["sice = 1"][..], "query at column 1: Thing has no field \"sice\"; expected one of id, name, size"),
        (&["size = 'x'"], "query at column 8: expected a number"),
        (&["size = $x"], "the parameter $x has no value"),
        (&["size = 1", "--param", "x"], "expected NAME=VALUE"),
        (&["--agg", "sum(name)"], "sum(name): name is Text"),
        (&["--agg", "median(size)"], "expected count, count_distinct"),
        (&["--order", "tags"], "tags is a list, which has no order"),
        (&["--select", "nothing"], "has no field \"nothing\""),
        (&["--after", "x"], "cursor"),
        (&["--count", "--explain"], "cannot be used with"),
    ] {
        let refused = scene.run(&[&["query", "Thing"], arguments].concat());
        assert!(refused.code == 2 && refused.err.contains(says), "{arguments:?}: {}", refused.err);
    }
    assert_eq!(scene.run(&["query", "Thign", "id = 1"]).code, 1);
    assert_eq!(scene.run(&["query"]).code, 2);
    let error = scene.run(&["query", "Thing", "a.b = ", "--json"]);
    let error: Value = serde_json::from_str(&error.err).unwrap();
    assert_eq!((&error["error"]["column"], &error["error"]["exit_code"]), (&json!(7), &json!(2)));
}

#[test]
fn a_query_tells_how_it_is_answered() {
    let scene = scene();
    let told = scene.run(&["query", "Thing", "name ^= 't' and size > 5", "--explain"]).ok();
    assert!(told.starts_with("segment 0: rows=4 dead=0 scan=4 found=1: size > 5 and name ^= \"t\" ("), "{told}");
    assert!(told.contains(" ms)\nfound 1 record(s)"), "{told}");
    let told = scene.run(&["query", "Thing", "size > 5", "--explain", "--json"]).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["found"], &told["segments"][0]["source"]), (&json!(3), &json!("scan")));
}

#[test]
fn a_text_index_is_added_listed_and_asked() {
    let scene = scene();
    let question = &["name ~= 'THRE~1'", "--explain"];
    let source = |scene: &Scene| scene.run(&[&["query", "Thing"], &question[..]].concat()).ok();
    assert!(source(&scene).contains("scan"), "{}", source(&scene));
    scene.run(&["index", "add", "Thing", "text(name)"]).ok();
    scene.run(&["index", "add", "Thing", "tags: text(tags[]) fold=none terms=whole"]).ok();
    let listed = scene.run(&["index", "list"]).ok();
    assert!(listed.contains("text(name)") && listed.contains("tags: text(tags[]) fold=none terms=whole"), "{listed}");
    assert!(source(&scene).contains("text(name)"), "{}", source(&scene));
    assert_eq!(ids(&scene, &["name ~= 'THRE~1'"]), [3]);
    assert_eq!(ids(&scene, &["name ~= 't*'"]), [2, 3]);
    assert_eq!(ids(&scene, &["'b' in tags"]), [3, 4]);
    scene.run(&["verify"]).ok();
    let refused = scene.run(&["index", "add", "Thing", "text(size)"]).refused(2);
    assert!(refused.contains("Text"), "{refused}");
    let refused = scene.run(&["index", "add", "Thing", "text(name) terms=letters"]).refused(2);
    assert!(refused.contains("words, whole"), "{refused}");
}
