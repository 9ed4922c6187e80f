//! Queries take the index that has the least rows to look at, and scan where none has few.

use kapok_core::manifest::IndexSpec;
use kapok_index::View;
use kapok_index::query::{Expr, Order, Query, Rows};
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

#[test]
fn several_indexes_answer_together() {
    let dataset = dataset();
    let view = dataset.open();
    for (expression, source, rest) in [
        ("u16 in [3, 4] or text = \"drama\"", "hash(u16) or sorted(-text, u8)", "true"),
        ("u16 = 3 or text = \"drama\" and u8 = 2 or id = 9", "hash(u16) or id,code or sorted(-text, u8)", "true"),
        (
            "u16 = 3 or text = \"drama\" and flag = true",
            "hash(u16) or sorted(-text, u8)",
            "u16 = 3 or flag = true and text = \"drama\"",
        ),
        (
            "(u16 = 3 or i32 = 7) and not text ~= 'no such word'",
            "hash(u16) or sorted(i32)",
            "not text ~= \"no such word\"",
        ),
        ("u16 = 3 or u8 = 3", "scan", "u16 = 3 or u8 = 3"),
    ] {
        assert_eq!(plan(&view, expression), (source.to_owned(), rest.to_owned()), "{expression}");
    }
    let dataset = Dataset::random(&["hash(flag)", "hash(u16)", "hash(texts[])"], &mut Random::new(32), &[5000, 1]);
    let view = dataset.open();
    let table = view.table("Kinds").unwrap();
    for (text, source) in [
        ("flag = true and u16 in [0, 1, 2, 3, 5] and 'drama' in texts", "hash(texts[])"),
        ("u16 in [0, 1, 2, 3] and flag = true and text ~= 'no such word'", "hash(flag) and hash(u16)"),
        (
            "('drama' in texts or u16 in [0, 1, 2, 3]) and (flag = true or u16 = 3) and not text ~= 'no such word'",
            "(hash(u16) or hash(texts[])) and (hash(flag) or hash(u16))",
        ),
    ] {
        let expr = Expr::parse(text).unwrap();
        let indexed = Query::bind(&view, "Kinds", &expr).unwrap().rows().unwrap();
        let scanned = Query::bind_table(table, &expr).unwrap().rows().unwrap();
        assert_eq!(indexed.row_ids().unwrap(), scanned.row_ids().unwrap(), "{text}");
        assert_eq!(indexed.explain().unwrap().segments[0].source, source, "{text}");
    }
}

/// Without the segment that has no artifacts.
fn without_last(dataset: &Dataset) -> View {
    let mut manifest = dataset.manifest.clone();
    let last = manifest.record_types[0].segments.pop().unwrap();
    manifest.record_types[0].rows -= u64::from(last.rows - last.dead);
    View::open(std::sync::Arc::new(manifest), &dataset.blobs).unwrap()
}

fn ordered<'v>(query: &Query<'v>, order: &[Order]) -> Rows<'v> {
    query.rows().unwrap().order_by(order).unwrap()
}

#[test]
fn records_walked_by_an_index_come_as_sorted_ones() {
    let indexes = ["sorted(i32)", "sorted(-text, u8)", "sorted(f32, u8)", "sorted(flag)"];
    let dataset = Dataset::random(&indexes, &mut Random::new(33), &[900, 300, 1]);
    let view = without_last(&dataset);
    let table = view.table("Kinds").unwrap();
    let (up, down) = (|path: &str| Order::ascending(path), |path: &str| Order::descending(path));
    let mut walked = 0;
    for order in [
        vec![up("i32")],
        vec![down("i32")],
        vec![down("text"), up("u8")],
        vec![up("text"), down("u8")],
        vec![down("text")],
        vec![up("text")],
        vec![up("f32")],
        vec![down("f32"), down("u8")],
        vec![up("flag")],
        vec![up("id")],
        vec![down("id")],
        vec![up("id"), up("code")],
        vec![down("id"), down("code")],
        vec![up("u8")],
    ] {
        for text in ["true", "u8 > 20", "i32 > 0", "f32 >= 0 and u8 > 7", "text ^= 'd'", "id between 100 and 900"] {
            let expr = Expr::parse(text).unwrap();
            let indexed = Query::bind(&view, "Kinds", &expr).unwrap();
            let scanned = ordered(&Query::bind_table(table, &expr).unwrap(), &order).row_ids().unwrap();
            for limit in [0, 1, 7, 40] {
                let found = ordered(&indexed, &order).limit(limit).row_ids().unwrap();
                assert_eq!(found, scanned[..limit.min(scanned.len())], "{text} {order:?} {limit}");
            }
            let pages = ordered(&indexed, &order).limit(11);
            walked += usize::from(pages.explain().unwrap().order.is_some());
            let (mut paged, mut page) = (Vec::new(), pages.page(None).unwrap());
            while let Some(cursor) = page.next {
                paged.extend(page.row_ids);
                page = pages.page(Some(&cursor)).unwrap();
            }
            paged.extend(page.row_ids);
            assert_eq!(paged, scanned, "{text} {order:?}");
        }
    }
    assert!(walked > 30, "{walked}");
    let first = view.query("Kinds", "u8 > 20").unwrap().order_by(&[down("i32")]).unwrap().limit(5);
    assert_eq!(first.explain().unwrap().order.as_deref(), Some("sorted(i32)"));
}

#[test]
fn an_index_with_a_filter_is_asked_where_the_query_has_its_conditions() {
    let indexes = [
        "hash(u8) where u16 > 100",
        "sorted(i32) where u16 > 100 and flag",
        "key(id) where text ^= 'd'",
        "text(text) where colour in [red, green]",
        "hash(texts[]) where any(addresses, zip > 10) and not (place.label = 'here')",
    ];
    let dataset = Dataset::random(&indexes, &mut Random::new(34), &[3000, 200, 1]);
    let view = dataset.open();
    let table = view.table("Kinds").unwrap();
    let dear = "and not text ~= 'nosuchword'";
    for (expression, source) in [
        ("u8 = 3", "scan"),
        ("u8 = 3 and u16 > 100", indexes[0]),
        ("u8 = 3 and u16 >= 200", indexes[0]),
        ("u8 = 3 and u16 in [101, 300]", indexes[0]),
        ("u8 = 3 and u16 >= 100", "scan"),
        ("u8 = 3 and u16 in [100, 300]", "scan"),
        ("u8 = 3 and (u16 > 100 or u16 < 5)", "scan"),
        ("u8 = 3 and (u16 > 150 or u16 = 101)", indexes[0]),
        ("i32 > 5 and u16 > 100 and flag", indexes[1]),
        ("i32 > 5 and u16 > 100", "scan"),
        ("id = 7 and text ^= 'dr'", "key(id)"),
        ("id = 7 and text = 'drama'", "key(id)"),
        ("text ~= 'drama' and colour = red", indexes[3]),
        ("text ~= 'drama' and colour != blue", "scan"),
        ("'drama' in texts and any(addresses, zip > 20) and not (place.label = 'here')", indexes[4]),
        ("'drama' in texts and any(addresses, zip > 9) and not (place.label = 'here')", "scan"),
    ] {
        let text = format!("{expression} {dear}");
        let expr = Expr::parse(&text).unwrap();
        let indexed = Query::bind(&view, "Kinds", &expr).unwrap().rows().unwrap();
        let scanned = Query::bind_table(table, &expr).unwrap().rows().unwrap();
        assert_eq!(indexed.row_ids().unwrap(), scanned.row_ids().unwrap(), "{text}");
        let plan = indexed.explain().unwrap().segments[0].clone();
        if source == "key(id)" {
            assert!(plan.source == "id,code" || plan.source.starts_with(source), "{text}: {plan}");
        } else {
            assert_eq!(plan.source, source, "{text}: {plan}");
        }
    }
    // What the filter says is asked no more.
    let rows = view.query("Kinds", &format!("u8 = 3 and u16 > 100 {dear}")).unwrap();
    assert_eq!(rows.explain().unwrap().segments[0].conditions, "not text ~= \"nosuchword\"");
    let view = without_last(&dataset);
    let walked =
        view.query("Kinds", "u16 > 100 and flag").unwrap().order_by(&[Order::ascending("i32")]).unwrap().limit(3);
    assert_eq!(walked.explain().unwrap().order.as_deref(), Some(indexes[1]));
    let all = view.query("Kinds", "u16 > 100").unwrap().order_by(&[Order::ascending("i32")]).unwrap().limit(3);
    assert_eq!(all.explain().unwrap().order, None);
}

#[test]
fn lookups_by_an_index_with_a_filter_give_the_rows_that_satisfy_it() {
    let indexes =
        ["hash(u8) where u16 > 100", "sorted(i32) where flag", "text(text) where u8 < 100", "key(id) where flag"];
    let dataset = Dataset::random(&indexes, &mut Random::new(35), &[500, 200, 40]);
    let view = dataset.open();
    view.verify_new(&dataset.blobs, |_| true).unwrap();
    view.verify_keys().unwrap();
    let query = |text: &str| {
        let mut rows = view.query("Kinds", text).unwrap().row_ids().unwrap();
        rows.sort();
        rows
    };
    let sorted = |mut rows: Vec<kapok_core::segment::RowId>| {
        rows.sort();
        rows
    };
    for value in 0..50_u8 {
        let found = view.hash_lookup("Kinds", indexes[0]).unwrap().find(&[value.into()]).unwrap();
        assert_eq!(sorted(found), query(&format!("u8 = {value} and u16 > 100")));
    }
    let ordered = view.sorted_lookup("Kinds", indexes[1]).unwrap();
    assert_eq!(sorted(ordered.first(usize::MAX).unwrap()), query("flag and i32 is not null"));
    let words = view.text_lookup("Kinds", indexes[2]).unwrap();
    assert_eq!(
        sorted(words.find(kapok_index::TextMatch::Exact("drama")).unwrap()),
        query("text ~= 'drama' and u8 < 100")
    );
    for id in 1..60_u32 {
        let found = view.alternate_lookup("Kinds", indexes[3]).unwrap().find(&[id.into()]).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), query(&format!("id = {id} and flag")));
    }
    for name in indexes {
        dataset.flip_bits_of(name, |view| {
            let rows = view.query("Kinds", "u8 = 3 and u16 > 100 and flag and text ~= 'drama'");
            _ = rows.and_then(|rows| rows.count());
        });
    }
}
