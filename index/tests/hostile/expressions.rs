//! Random texts of queries are refused with a column, or print as what parses to themselves and find the same with indexes
//! and without.

use kapok_core::{ErrorKind, Fault};
use kapok_index::View;
use kapok_index::query::{Aggregate, Expr, Parameters, Query};
use kapok_samples::cases::run;
use kapok_samples::random::Random;

use crate::CASE_MAX;
use crate::dataset::Dataset;

/// Fields of one kind, and what may be asked of them.
struct Group {
    fields: &'static [&'static str],
    operators: &'static [&'static str],
    values: &'static [&'static str],
}

const EQUAL: [&str; 2] = ["=", "!="];
const ORDER: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];
const BYTES: [&str; 8] = ["=", "!=", "<", "<=", ">", ">=", "^=", "*="];
const ALL: [&str; 12] = ["=", "!=", "<", "<=", ">", ">=", "^=", "*=", "~=", "in", "==", "not in"];

const GROUPS: [Group; 7] = [
    Group {
        fields: &[
            "id",
            "i8",
            "i16",
            "i32",
            "u8",
            "u16",
            "u64",
            "f32",
            "f64",
            "address.zip",
            "place.lat",
            "count",
            "span.from",
            "contact.phone",
            "tree.value",
        ],
        operators: &ORDER,
        values: &[
            "0",
            "1",
            "-7",
            "3",
            "200",
            "18446744073709551615",
            "-9223372036854775808",
            "1e300",
            "0.5",
            "-0.0",
            "1.5",
            "NaN",
            "Infinity",
            "$p",
        ],
    },
    Group {
        fields: &["text", "code", "address.city", "place.label", "name", "where.street", "contact.email"],
        operators: &BYTES,
        values: &["'a'", "\"unnamed\"", "'it''s'", "\"\\u2603 \\n\"", "''", "'b'", "'seven77'", "'naïve ☃'", "$q"],
    },
    Group {
        fields: &["text", "code", "address.city", "name"],
        operators: &["~="],
        values: &[
            "'a b*'",
            "'text~1'",
            "\"LONGER\"",
            "'x~2 y'",
            "'naïve'",
            "'seven*'",
            "'eigt888~1'",
            "''",
            "'*'",
            "'~3'",
        ],
    },
    Group { fields: &["colour"], operators: &ORDER, values: &["red", "green", "'blue'", "1", "purple"] },
    Group { fields: &["flag", "flagOn"], operators: &EQUAL, values: &["true", "false", "$p"] },
    Group { fields: &["data"], operators: &BYTES, values: &["b\"AA==\"", "b\"\"", "b'/w=='"] },
    Group {
        fields: &["bools", "i64s", "f64s", "colours", "texts", "addresses", "matrix", "groups", "address", "nothing"],
        operators: &["is null or", "is not null and not"],
        values: &["true", "flag", "1 in i64s", "'a' in texts", "red in colours", "0.5 in f64s"],
    },
];
/// Lists, and names in the scope of their elements.
const LISTS: [(&str, &[Group]); 4] = [
    ("texts", &[Group { fields: &["it"], operators: &BYTES, values: &["'a'", "''", "$q"] }]),
    ("i64s", &[Group { fields: &["it"], operators: &ORDER, values: &["0", "-1", "7", "$p"] }]),
    (
        "addresses",
        &[
            Group { fields: &["city", "street"], operators: &BYTES, values: &["'a'", "'unnamed'", "''"] },
            Group { fields: &["zip"], operators: &ORDER, values: &["0", "1", "4294967295"] },
        ],
    ),
    ("matrix", &[Group { fields: &["any(it, it", "all(it, it"], operators: &ORDER, values: &["0)", "-7)"] }]),
];
/// What a text is changed by.
const SCRAPS: [&str; 30] = [
    " ", "(", ")", "[", "]", "'", "\"", "`", ",", ".", "$", "it", "not ", " and ", " or ", "any(", "all(", "len(",
    "between ", "=", "~=", "\\u", "9", "-", "e", "b\"", "\u{0}", "é☃", "true", "null",
];

fn pick<'a>(from: &[&'a str], r: &mut Random) -> &'a str {
    from[r.below(from.len())]
}

/// Writes a condition about fields of a record or an element.
fn condition(depth: usize, groups: &[Group], r: &mut Random) -> String {
    let inner = |r: &mut Random| condition(depth - 1, groups, r);
    match r.below(if depth == 0 { 10 } else { 16 }) {
        0..=5 => comparison(groups, r),
        6 => {
            format!("{} {}", pick(some(groups, r).fields, r), pick(&["is null", "is not null", "", "[\"en\"] = 1"], r))
        }
        7 => {
            let group = some(groups, r);
            let value = |r: &mut Random| pick(group.values, r);
            format!("{} between {} and {}", pick(group.fields, r), value(r), value(r))
        }
        8 => {
            let group = some(groups, r);
            let values: Vec<&str> = (0..r.below(4)).map(|_| pick(group.values, r)).collect();
            format!("{} in [{}]", pick(group.fields, r), values.join(", "))
        }
        9 => format!("len({}) {} {}", pick(some(groups, r).fields, r), pick(&ORDER, r), r.below(4)),
        10 => format!("not {}", inner(r)),
        11 | 12 => format!("{} {} {}", inner(r), pick(&["and", "or"], r), inner(r)),
        13 => format!("({})", inner(r)),
        _ => {
            let (list, groups) = &LISTS[r.below(LISTS.len())];
            format!("{}({list}, {})", pick(&["any", "all"], r), condition(depth - 1, groups, r))
        }
    }
}

fn some<'g>(groups: &'g [Group], r: &mut Random) -> &'g Group {
    &groups[r.below(groups.len())]
}

/// Compares a field, mostly as its kind can be compared.
fn comparison(groups: &[Group], r: &mut Random) -> String {
    let Group { fields, operators, values } = some(groups, r);
    let operator = if r.one_in(16) { pick(&ALL, r) } else { pick(operators, r) };
    let value = if r.one_in(16) { pick(some(&GROUPS, r).values, r) } else { pick(values, r) };
    format!("{} {operator} {value}", pick(fields, r))
}

/// Deletes, repeats or inserts something.
fn mutate(text: &str, r: &mut Random) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..=r.below(4) {
        let (one, other) = (r.below(text.len() + 1), r.below(text.len() + 1));
        let (from, to) = (one.min(other), one.max(other));
        match r.below(4) {
            0 => drop(text.drain(from..to.min(from + 6))),
            1 => {
                let piece = text[from..to].to_vec();
                text.splice(to..to, piece);
            }
            _ => drop(text.splice(from..from, pick(&SCRAPS, r).chars())),
        }
        text.truncate(2000);
    }
    text.into_iter().collect()
}

/// Asserts that an error is about the text, and where.
fn refused(error: &kapok_core::Error, text: &str) {
    assert_eq!(error.kind(), ErrorKind::Invalid, "{text}: {error}");
    let Fault::Query { column, problem } = error.fault() else { panic!("{text}: {error}") };
    assert!(*column <= text.chars().count() as u64 + 1 && !problem.is_empty(), "{text}: {error}");
}

fn case(view: &View, text: &str, r: &mut Random) -> &'static str {
    let expr = match Expr::parse(text) {
        Ok(expr) => expr,
        Err(error) => {
            refused(&error, text);
            return "not parsed";
        }
    };
    let printed = expr.to_string();
    assert_eq!(Expr::parse(&printed).unwrap(), expr, "{text} prints as {printed}");
    let table = &view.tables()[0];
    let query = match Query::bind(view, table.name(), &expr) {
        Ok(query) => query,
        Err(error) => {
            refused(&error, text);
            return "not bound";
        }
    };
    let mut parameters = Parameters::new();
    for name in query.parameters() {
        parameters = match r.below(4) {
            0 => parameters.set(name, i64::from(r.next().to_le_bytes()[0])),
            1 => parameters.set(name, "a"),
            2 => parameters.set(name, ["unnamed", "b"]),
            _ => parameters.set(name, 0.5),
        };
    }
    let rows = match query.rows_with(&parameters) {
        Ok(rows) => rows,
        Err(error) => {
            refused(&error, text);
            return "parameters refused";
        }
    };
    let found = rows.row_ids().unwrap();
    let scanned = Query::bind_table(table, &expr).unwrap().rows_with(&parameters).unwrap();
    assert_eq!(found, scanned.row_ids().unwrap(), "{text}");
    let count = rows.aggregate(&[Aggregate::count()]).unwrap();
    assert_eq!(count[0].to_string(), found.len().to_string(), "{text}");
    if found.is_empty() { "found none" } else { "found some" }
}

#[test]
fn random_expressions_are_refused_or_mean_the_same_with_indexes_and_without() {
    let indexes = ["hash(u8)", "hash(texts[])", "sorted(f64)", "sorted(-text, u8)", "hash(addresses[].city)", ""];
    let views = indexes.map(|index| {
        let dataset = Dataset::kinds(40, index);
        dataset.open(dataset.honest().to_vec()).unwrap().0
    });
    run("expressions", CASE_MAX, |r, tally| {
        let mut text = condition(r.below(5), &GROUPS, r);
        if r.one_in(4) {
            text = mutate(&text, r);
        }
        tally.count(case(&views[r.below(views.len())], &text, r));
    });
}
