//! What expressions mean, case by case, and what binding refuses.

use kapok_core::{ErrorKind, Fault};
use kapok_index::View;
use kapok_index::query::{Expr, Parameters, Query, Value};
use kapok_samples::random::Random;

use super::fixture::{of_json, of_kinds};

fn things() -> View {
    of_json(&[
        vec![
            r#"{"id":1,"year":1990,"rate":0.5,"title":"The Star Wars","tags":["a","b"],"open":true}"#,
            r#"{"id":2,"year":null,"rate":null,"title":null,"tags":[],"open":null,"labels":{"en":"one","de":"eins"}}"#,
            r#"{"id":3,"year":2000,"rate":-0.0,"title":"","items":[{"p":3,"qty":1},{"p":4,"qty":5}],"open":false}"#,
        ],
        vec![
            r#"{"id":4,"where":{"city":"Oslo","zip":150},"items":[{"p":3,"qty":2}],"odd-name":7}"#,
            r#"{"id":5,"where":{"city":null},"labels":{"en":"five"},"items":[],"rate":3.0}"#,
        ],
    ])
}

/// The ids of the records that satisfy an expression.
fn ids(view: &View, expression: &str) -> Vec<i64> {
    let rows = view.query("Thing", expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    rows.values::<i64>("id").unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn expressions_mean_what_the_language_says() {
    let view = things();
    for (expression, expected) in [
        ("true", &[1, 2, 3, 4, 5][..]),
        ("year >= 1990", &[1, 3]),
        // Comparisons are false for null, and != and not are plain opposites.
        ("year = 1990", &[1]),
        ("year != 1990", &[2, 3, 4, 5]),
        ("not year = 1990", &[2, 3, 4, 5]),
        ("not year != 1990", &[1]),
        ("year < 1990 or year >= 1990", &[1, 3]),
        ("year is null", &[2, 4, 5]),
        ("year is not null and not year is null", &[1, 3]),
        ("year > 1989.5 and year < 1990.5", &[1]),
        ("year = 1990.5 or year in [1990.5, 2000.0]", &[3]),
        ("year < NaN", &[1, 3]),
        ("year >= NaN or year < -Infinity or year > 1e300", &[]),
        ("year between 1990 and 2000", &[1, 3]),
        ("year between 2000 and 1990", &[]),
        ("year in []", &[]),
        ("not year in [1990]", &[2, 3, 4, 5]),
        ("rate = 0", &[3]),
        ("rate = -0.0 and rate >= 0.0 and not rate < 0", &[3]),
        ("rate = 3", &[5]),
        ("rate > 18446744073709551615", &[]),
        ("open", &[1]),
        ("not open", &[2, 3, 4, 5]),
        ("open = false", &[3]),
        ("open < true", &[3]),
        ("title ^= 'The'", &[1]),
        ("title *= 'tar'", &[1]),
        ("title *= ''", &[1, 3]),
        ("title = ''", &[3]),
        ("title > 'The' and title < 'Thf'", &[1]),
        ("title ~= 'wars STAR'", &[1]),
        ("title ~= 'wa* sttar~1'", &[1]),
        ("title ~= 'war'", &[]),
        ("title ~= ''", &[1, 3]),
        ("len(title) = 13 or len(title) = 0", &[1, 2, 3, 4, 5]),
        ("\"a\" in tags", &[1]),
        ("not 'a' in tags", &[2, 3, 4, 5]),
        ("any(tags, it > 'a')", &[1]),
        ("all(tags, it > 'a')", &[2, 3, 4, 5]),
        ("len(tags) = 2", &[1]),
        ("len(tags) = 0", &[2, 3, 4, 5]),
        ("tags is null", &[3, 4, 5]),
        ("len(tags) = 0 and tags is not null", &[2]),
        ("any(items, p = 3 and qty > 1)", &[4]),
        ("any(items, p = 3) and any(items, qty > 1)", &[3, 4]),
        ("all(items, p = 3)", &[1, 2, 4, 5]),
        ("any(items, true)", &[3, 4]),
        ("all(items, false)", &[1, 2, 5]),
        ("where.city = 'Oslo'", &[4]),
        ("where.city is null", &[1, 2, 3, 5]),
        ("where is null", &[1, 2, 3]),
        ("where.zip = 150", &[4]),
        ("where.zip != 150", &[1, 2, 3, 5]),
        ("labels[\"en\"] = 'five'", &[5]),
        ("labels[\"de\"] is null", &[1, 3, 4, 5]),
        ("labels['en'] ^= ''", &[2, 5]),
        ("any(labels, key = 'de' and value ^= 'e')", &[2]),
        ("`odd-name` = 7 or oddName = 7", &[4]),
        ("id in [5, 1, 3, 99, 1]", &[1, 3, 5]),
        ("year = 1990 and title = 'x' or id = 2 and not (open or id = 3)", &[2]),
    ] {
        assert_eq!(ids(&view, expression), expected, "{expression}");
    }
}

#[test]
fn unions_enums_and_defaults_are_asked_for() {
    let view = of_kinds(&mut Random::new(3), 2, 200);
    let count = |expression: &str| view.query("Kinds", expression).unwrap().count().unwrap();
    let all = count("true");
    // The second segment is older than most fields, which have their defaults there.
    assert!(count("text = 'unnamed' and u8 = 200 and f32 = 1.5 and colour = green and none is not null") >= 200);
    let members = ["none", "count", "name", "where", "span"].map(|name| match name {
        "name" | "where" => 0,
        name => count(&format!("{name} is not null")),
    });
    assert!(members.iter().sum::<u64>() < all && members[4] > 0);
    assert_eq!(count("span is null or span is not null"), all);
    assert_eq!(count("span.from >= 0"), members[4]);
    assert_eq!(count("not span.from >= 0 and not span.from < 0"), all - members[4]);
    assert_eq!(count("colour = 1"), count("colour = 'green'"));
    assert_eq!(count("colour > red and colour <= blue"), count("colour in [green, blue]"));
    assert_eq!(count("colour = 7"), 0);
    assert_eq!(count("place is null"), 0);
    assert_eq!(count("flagOn") + count("not flagOn"), all);
    assert!(count("red in colours") > 0 && count("any(groups, any(it, zip > 0))") > 0);
    assert!(count("any(tree.children, any(children, value = 0))") > 0);
    assert!(count("len(voids) = 3") > 0 && count("any(voids, it is not null)") == count("len(voids) > 0"));
}

#[test]
fn parameters_have_values_when_the_query_runs() {
    let view = things();
    let query = Query::bind(&view, "Thing", &"year >= $from and id in $ids and $tag in tags".parse().unwrap()).unwrap();
    assert!(query.parameters().eq(["from", "ids", "tag"]));
    let parameters = Parameters::new().set("from", 1990).set("ids", [1, 2]).set("tag", "b");
    let count = |parameters: Parameters| query.rows_with(&parameters).and_then(|rows| rows.count());
    assert_eq!(count(parameters.clone()).unwrap(), 1);
    assert_eq!(count(parameters.clone().set("from", 1990.5)).unwrap(), 0);
    assert_eq!(count(parameters.clone().set("ids", Vec::<i64>::new())).unwrap(), 0);
    let nothing = Value::Null;
    for (wrong, says) in [
        (parameters.clone().set("from", "1990"), "column 9: expected a number (Int64), found text \"1990\""),
        (parameters.clone().set("from", nothing), "nothing is compared with null"),
        (parameters.clone().set("ids", 3), "column 25: expected a list of values, found 3"),
        (parameters.clone().set("ids", ["a"]), "expected a number"),
        (parameters.clone().set("more", 1), "no parameter $more"),
        (Parameters::new().set("from", 1).set("tag", "b"), "the parameter $ids has no value"),
    ] {
        let error = count(wrong).unwrap_err();
        assert!(error.to_string().contains(says) && error.kind() == ErrorKind::Invalid, "{error}");
    }
}

#[test]
fn binding_refuses_what_a_type_cannot_be_asked() {
    let view = things();
    for (expression, column, says) in [
        ("yeer = 1", 1, "Thing has no field \"yeer\"; expected one of id, year"),
        ("id = 1 and where.town = 'x'", 12, "has no field \"town\"; expected one of city, zip"),
        ("year = '1990'", 8, "expected a number (Int64), found text \"1990\""),
        ("title = 3", 9, "expected text in quotes, found an integer 3"),
        ("title = Star", 9, "expected text in quotes, found a name Star"),
        ("open = 1", 8, "expected true or false, found an integer 1"),
        ("year between 1 and 'x'", 20, "expected a number"),
        ("year in [1, 'x']", 13, "expected a number"),
        ("year ^= 'x'", 9, "^= is for Text and Data, and year is Int64"),
        ("year ^= $x", 9, "^= is for Text and Data"),
        ("year ~= 'x'", 1, "~= is for Text, and year is Int64"),
        ("tags = 'a'", 1, "tags is a list; ask by `VALUE in tags`"),
        ("items.p = 3", 1, "items is a list; ask for its elements by any(items, ..)"),
        ("items[].p = 3", 1, "only aggregates read every element"),
        ("labels = 1", 1, "labels is a map"),
        ("labels.en = 'x'", 1, "expected a key behind it"),
        ("labels[3] = 'x'", 1, "expected a key of type Text, found 3"),
        ("tags[3] = 'x'", 1, "only a map has keys"),
        ("where = 1", 1, "where is struct"),
        ("year.x = 1", 1, "year is Int64, which has no fields"),
        ("any(year, it = 1)", 5, "expected a list, and year is Int64"),
        ("any(tags, p = 1)", 11, "expected `it`, which is the element, Text"),
        ("3 in items", 6, "have no plain value; ask by any(items, ..)"),
        ("'a' in labels", 8, "labels is a map"),
        ("3 in tags", 1, "expected text in quotes"),
        ("len(year) = 1", 5, "only lists, Text and Data have a length"),
        ("len(tags) = 'x'", 13, "expected a number"),
    ] {
        let error = view.query("Thing", expression).expect_err(expression);
        let Fault::Query { column: found, problem } = error.fault() else { panic!("{expression}: {error}") };
        assert!(*found == column && problem.contains(says), "{expression}: column {found}: {problem}");
    }
    assert_eq!(view.query("Thign", "true").unwrap_err().kind(), ErrorKind::NotFound);
    let kinds = of_kinds(&mut Random::new(1), 1, 3);
    let error = kinds.query("Kinds", "colour = purple").unwrap_err();
    assert!(error.to_string().contains("expected one of red, green, blue, found a name purple"), "{error}");
    let deep = (0..1000).fold(Expr::any_of([]), |expr, _| !expr);
    assert!(Query::bind(&view, "Thing", &deep).unwrap_err().to_string().contains("nested deeper"));
}
