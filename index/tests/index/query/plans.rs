//! Queries take the index that has the least rows to look at, and scan where none has few.

use kapok_core::manifest::IndexSpec;
use kapok_index::View;
use kapok_index::query::{Expr, Query};
use kapok_samples::random::Random;

use crate::indexed::Dataset;

const INDEXES: [&str; 11] = [
    "hash(u16)",
    "hash(texts[])",
    "hash(addresses[].city, addresses[].zip)",
    "sorted(i32)",
    "sorted(-text, u8)",
    "by_place: hash(place.label)",
    "text(text)",
    "text(texts[])",
    "text(addresses[].city) fold=none terms=whole",
    "text(name) terms=whole",
    "text(address.city) fold=none",
];

fn dataset() -> Dataset {
    Dataset::random(&INDEXES, &mut Random::new(31), &[600, 1])
}

/// What the first segment's rows come from, and what is still asked of them.
fn plan(view: &View, expression: &str) -> (String, String) {
    let explained = view.query("Kinds", expression).unwrap().explain().unwrap();
    (explained.segments[0].source.clone(), explained.segments[0].conditions.clone())
}

#[test]
fn conditions_are_answered_by_the_index_of_their_fields() {
    let dataset = dataset();
    let view = dataset.open();
    for (expression, source, rest) in [
        ("u16 = 3", "hash(u16)", "true"),
        ("u16 = 3 and u8 = 200", "hash(u16)", "u8 = 200"),
        ("u16 in [3, 4, 70000]", "hash(u16)", "true"),
        (r#""drama" in texts"#, "hash(texts[])", "true"),
        (r#"any(addresses, zip = 3 and city = "Bern")"#, "hash(addresses[].city, addresses[].zip)", "true"),
        ("i32 between 5 and 9", "sorted(i32)", "true"),
        (r#"text ^= "drama""#, "sorted(-text, u8)", "true"),
        (r#"text = "drama" and u8 = 7"#, "sorted(-text, u8)", "true"),
        (r#"text = "drama" and u8 > 7 and flag = true"#, "sorted(-text, u8)", "flag = true"),
        (r#"place.label = "here""#, "by_place", "true"),
        (r#"text ~= "naïve""#, "text(text)", "true"),
        (r#"text ~= "LONG* text~1" and u8 = 7"#, "text(text)", "u8 = 7"),
        (r#"text ~= "inside" and text ~= "nul""#, "text(text)", "true"),
        (r#"any(texts, it ~= "naïve")"#, "text(texts[])", "true"),
        (r#"any(texts, it ~= "longer text")"#, "text(texts[])", r#"any(texts, it ~= "longer text")"#),
        (r#"any(addresses, city = "b")"#, "text(addresses[].city) fold=none terms=whole", "true"),
        (
            r#"any(addresses, city ^= "text" and zip = 3)"#,
            "text(addresses[].city) fold=none terms=whole",
            r#"any(addresses, city ^= "text" and zip = 3)"#,
        ),
        (r#"name = "seven77""#, "text(name) terms=whole", r#"name = "seven77""#),
        (r#"text ~= """#, "scan", r#"text ~= """#),
        (r#"address.city ~= "b""#, "scan", r#"address.city ~= "b""#),
        (r#"not text ~= "b""#, "scan", r#"not text ~= "b""#),
        ("id = 5", "id,code", "true"),
        ("id between 5 and 9 and u16 != 7", "id,code", "not u16 = 7"),
        ("u8 = 3", "scan", "u8 = 3"),
        ("u16 = 3 or u8 = 3", "scan", "u16 = 3 or u8 = 3"),
        ("i32 >= -2147483648", "scan", "i32 >= -2147483648"),
    ] {
        assert_eq!(plan(&view, expression), (source.to_owned(), rest.to_owned()), "{expression}");
    }
    // The last segment has no artifacts.
    let explained = view.query("Kinds", "u16 = 3").unwrap().explain().unwrap();
    assert_eq!(explained.segments[1].source, "scan");
}

#[test]
fn indexes_and_scans_give_the_same_rows() {
    let dataset = dataset();
    let view = dataset.open();
    let table = view.table("Kinds").unwrap();
    for text in [
        "u16 = 0",
        "i32 < 0",
        "i32 >= 0 and u16 = 0",
        r#"text >= "a""#,
        r#"text ^= """#,
        "not (texts is null)",
        "id > 100 and id < 120",
    ] {
        let expr = Expr::parse(text).unwrap();
        let indexed = Query::bind(&view, "Kinds", &expr).unwrap().rows().unwrap();
        let scanned = Query::bind_table(table, &expr).unwrap().rows().unwrap();
        assert_eq!(indexed.row_ids().unwrap(), scanned.row_ids().unwrap(), "{text}");
    }
    assert!(INDEXES.iter().all(|text| text.parse::<IndexSpec>().is_ok()));
}

#[test]
fn a_sorted_index_of_floats_has_no_zero_below_zero() {
    let dataset = Dataset::random(&["sorted(f64)", "sorted(-f32)"], &mut Random::new(5), &[400, 1]);
    let view = dataset.open();
    let table = view.table("Kinds").unwrap();
    for field in ["f64", "f32"] {
        for condition in ["< 0", "<= 0", "> 0", ">= 0", "< -0.0", "between -1 and -0.0", "= 0"] {
            // So dear that the index is asked.
            let text = format!("{field} {condition} and not text ~= \"no such word\" and not text ~= \"nor this\"");
            let expr = Expr::parse(&text).unwrap();
            let indexed = Query::bind(&view, "Kinds", &expr).unwrap().rows().unwrap();
            let scanned = Query::bind_table(table, &expr).unwrap().rows().unwrap();
            assert_eq!(indexed.row_ids().unwrap(), scanned.row_ids().unwrap(), "{text}");
        }
    }
    let explained = view.query("Kinds", "f64 < 0 and not text ~= \"no such word\"").unwrap().explain().unwrap();
    assert_eq!(explained.segments[0].source, "sorted(f64)");
}
