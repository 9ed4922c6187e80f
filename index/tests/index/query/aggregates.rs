//! Aggregates and groups.

use std::collections::BTreeMap;

use kapok_core::ErrorKind;
use kapok_index::View;
use kapok_index::query::{Aggregate, Group, Value};

use super::fixture::of_json;

fn orders() -> View {
    of_json(&[
        vec![
            r#"{"id":1,"who":"ann","rate":0.1,"tags":["a","b"],"items":[{"p":1,"qty":2},{"p":2,"qty":3}]}"#,
            r#"{"id":2,"who":"bob","rate":null,"tags":["a","a"],"items":[{"p":1,"qty":1},{"p":1,"qty":4}]}"#,
        ],
        vec![
            r#"{"id":3,"who":"ann","rate":0.2,"tags":[],"items":[]}"#,
            r#"{"id":4,"who":null,"rate":0.3,"items":[{"p":2,"qty":null}]}"#,
        ],
    ])
}

fn aggregates(texts: &[&str]) -> Vec<Aggregate> {
    texts.iter().map(|text| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))).collect()
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}

#[test]
fn aggregates_of_all_records() {
    let view = orders();
    let asked = aggregates(&[
        "count()",
        "count(rate)",
        "sum(rate)",
        "avg(id)",
        "min(who)",
        "max(rate)",
        "count_distinct(who)",
        "top_n(2, id)",
        "sum(items[].qty)",
        "count(items[])",
        "count(tags)",
        "count_distinct(tags[])",
        "top_n(3, items[].qty)",
    ]);
    let all = view.query("Thing", "true").unwrap();
    let expected = ["4", "3", "0.6", "2.5", "\"ann\"", "0.3", "2", "[4, 3]", "10", "5", "3", "2", "[4, 3, 2]"];
    assert_eq!(texts(&all.aggregate(&asked).unwrap()), expected);
    let none = view.query("Thing", "id > 9").unwrap();
    let expected = ["0", "0", "0.0", "null", "null", "null", "0", "[]", "0", "0", "0", "0", "[]"];
    assert_eq!(texts(&none.aggregate(&asked).unwrap()), expected);
    let limited = all.limit(2);
    assert_eq!(texts(&limited.aggregate(&aggregates(&["count()", "sum(id)"])).unwrap()), ["2", "3"]);
}

fn lines(groups: &[Group]) -> Vec<String> {
    groups.iter().map(|group| format!("{} | {}", texts(&group.key).join(" "), texts(&group.values).join(" "))).collect()
}

#[test]
fn groups_of_fields_and_of_elements() {
    let view = orders();
    let rows = view.query("Thing", "true").unwrap();
    let by = |paths: &[&str], asked: &[&str]| lines(&rows.group_by(paths, &aggregates(asked)).unwrap());
    assert_eq!(by(&["who"], &["count()", "sum(id)"]), ["\"ann\" | 2 4", "\"bob\" | 1 2", "null | 1 4"]);
    assert_eq!(
        by(&["who", "rate"], &["count()"]),
        ["\"ann\" 0.1 | 1", "\"ann\" 0.2 | 1", "\"bob\" null | 1", "null 0.3 | 1"]
    );
    // A record counts once per value; what goes through the same list is of the same element.
    assert_eq!(by(&["tags[]"], &["count()", "count(tags[])"]), ["\"a\" | 2 3", "\"b\" | 1 1"]);
    assert_eq!(
        by(&["items[].p"], &["count()", "sum(items[].qty)", "sum(id)", "count(tags[])"]),
        ["1 | 2 7 3 4", "2 | 2 3 5 2"]
    );
    assert_eq!(
        by(&["who", "items[].p"], &["sum(items[].qty)"]),
        ["\"ann\" 1 | 2", "\"ann\" 2 | 3", "\"bob\" 1 | 5", "null 2 | 0"]
    );
    assert_eq!(by(&[], &["count()"]), [" | 4"]);
}

#[test]
fn what_has_no_such_aggregate_is_refused() {
    let view = orders();
    let rows = view.query("Thing", "true").unwrap();
    for text in ["sum(who)", "avg(tags[])", "min(tags)", "sum(nothing)", "max(items[])", "sum(id[])", "count(items.p)"]
    {
        let error = rows.aggregate(&aggregates(&[text])).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
    }
    for paths in [&["tags"][..], &["items[]"], &["items[].p", "tags[]"], &["who", "nothing"]] {
        assert_eq!(rows.group_by(paths, &[]).expect_err("no group").kind(), ErrorKind::Invalid, "{paths:?}");
    }
    for text in ["", "sum", "sum()", "median(id)", "sum(id", "sum(id) x", "top_n(id)", "top_n(-1, id)", "count(,)"] {
        assert!(Aggregate::parse(text).is_err(), "{text}");
    }
}

#[test]
fn sums_do_not_depend_on_how_records_are_split() {
    let line = |id: u32| {
        let rate = f64::from(id % 97) * 1e-3 + 1e15 * f64::from(id % 3) - 1e15;
        format!(r#"{{"id":{id},"rate":{rate:?},"group":{}}}"#, id % 10)
    };
    let lines: Vec<String> = (0..3000).map(line).collect();
    let splits: [Vec<Vec<String>>; 2] =
        [vec![lines.clone()], lines.chunks(701).rev().map(<[String]>::to_vec).collect()];
    let asked = aggregates(&["sum(rate)", "avg(rate)", "count()", "count_distinct(rate)"]);
    let answers = splits.map(|segments| {
        let view = of_json(&segments);
        let rows = view.query("Thing", "true").unwrap().threads(4.try_into().unwrap());
        assert_eq!(rows.count().unwrap(), 3000);
        (rows.aggregate(&asked).unwrap(), rows.group_by(&["group"], &asked).unwrap())
    });
    assert_eq!(answers[0], answers[1]);
    let counts: BTreeMap<_, _> =
        answers[0].1.iter().map(|group| (group.key[0].to_string(), group.values[2].to_string())).collect();
    assert_eq!((counts.len(), counts["7"].as_str()), (10, "300"));
}
