//! The text of expressions: what it means, what is refused, and that it prints as it parses.

use kapok_core::Fault;
use kapok_index::query::{Expr, FieldExpr, NESTING_MAX, Operand, TEXT_BYTES_MAX, Value, field, parameter};
use kapok_samples::random::Random;
use proptest::prelude::*;

fn parse(text: &str) -> Expr {
    Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The column and the text of a refusal.
fn refusal(text: &str) -> (u64, String) {
    match Expr::parse(text).expect_err(text).fault() {
        Fault::Query { column, problem } => (*column, problem.clone()),
        other => panic!("{text}: {other}"),
    }
}

fn name(name: &str) -> Value {
    Value::Name(name.to_owned())
}

#[test]
fn text_is_what_the_builder_makes() {
    let data = Value::Data(vec![0, 1, 2]);
    for (text, built) in [
        ("year >= 1990", field("year").ge(1990)),
        ("a = 1 and b != 2 or c < 3", field("a").eq(1).and(field("b").ne(2)).or(field("c").lt(3))),
        ("a = 1 or b = 2 and c = 3", field("a").eq(1).or(field("b").eq(2).and(field("c").eq(3)))),
        ("(a = 1 or b = 2) and c = 3", field("a").eq(1).or(field("b").eq(2)).and(field("c").eq(3))),
        ("not a = 1 and b = 2", (!field("a").eq(1)).and(field("b").eq(2))),
        ("not (a = 1 and b = 2)", !field("a").eq(1).and(field("b").eq(2))),
        ("not not a", !!field("a").eq(true)),
        ("a <= -1.5e3", field("a").le(-1500.0)),
        ("a > -0.0", field("a").gt(-0.0)),
        ("a = NaN or a = -Infinity", field("a").eq(f64::NAN).or(field("a").eq(f64::NEG_INFINITY))),
        ("\"Drama\" in genres", field("genres").has("Drama")),
        ("'it''s' in genres", field("genres").has("it's")),
        ("red in colours", field("colours").has(name("red"))),
        ("true in flags and true", field("flags").has(true).and(Expr::all_of([]))),
        ("false", Expr::any_of([])),
        ("title ^= 'The' and title *= \"x\\n\\u0041\\ud83d\\ude00\"", {
            field("title").starts_with("The").and(field("title").contains("x\nA😀"))
        }),
        ("title ~= 'star wa*'", field("title").matches("star wa*")),
        ("year in [1, 2, $x]", field("year").is_in::<Operand>([1.into(), 2.into(), parameter("x")])),
        ("year in []", field("year").is_in::<Operand>([])),
        ("year in $years", field("year").is_in_parameter("years")),
        ("year between 1 and 2 and a", field("year").between(1, 2).and(field("a").eq(true))),
        ("any(items, productId = 3 and qty > 1)", field("items").any(field("productId").eq(3).and(field("qty").gt(1)))),
        ("all(items, any(tags, it = $t))", field("items").all(field("tags").any(field("it").eq(parameter("t"))))),
        ("len(depends) = 0", field("depends").len().eq(0)),
        ("labels[\"en\"] = 'x'", field("labels").key("en").eq("x")),
        ("a.labels[3].b is null", field("a.labels").key(3).field("b").is_null()),
        ("a is not null and not b is null", field("a").is_not_null().and(field("b").is_not_null())),
        ("`odd name`.`with``tick` = 1", field("odd name").field("with`tick").eq(1)),
        ("len = 1 and any = 2 and a.in.and = 3", {
            field("len").eq(1).and(field("any").eq(2)).and(field("a.in.and").eq(3))
        }),
        ("colour = `in`", field("colour").eq(name("in"))),
        ("bytes = b\"AAEC\" and b = 1", field("bytes").eq(data).and(field("b").eq(1))),
        ("u = 18446744073709551615", field("u").eq(u64::MAX)),
        ("i = -9223372036854775808", field("i").eq(i64::MIN)),
        ("  a\n=\t1 ", field("a").eq(1)),
    ] {
        let parsed = parse(text);
        assert_eq!(parsed, built, "{text}");
        assert_eq!(parse(&parsed.to_string()), parsed, "{text} prints as {parsed}");
    }
}

#[test]
fn a_refusal_has_the_column_and_says_what_was_expected() {
    for (text, column, says) in [
        ("", 1, "expected a field, a value, `not`, `any`, `all`, `len` or `(`, found the end"),
        ("year", 0, ""),
        ("year >=", 8, "expected a value, found the end"),
        ("year >= 1990 and", 17, "expected a field"),
        ("year >= 1990 AND x = 1", 14, "expected `and`, `or` or the end, found `AND`"),
        ("year == 1990", 7, "expected a value, found `=`"),
        ("year = null", 8, "`is null`"),
        ("1990 <= year", 6, "a field stands before its operator"),
        ("year in 1990", 9, "`[` or a parameter"),
        ("a.b in c", 8, "`[` or a parameter"),
        ("'x' in [1]", 8, "a field stands before `in [..]`"),
        ("year in [1 2]", 12, "`,` or `]`"),
        ("year between 1 or 2", 16, "`and` and the upper value"),
        ("any(items productId = 3)", 11, "expected `,`"),
        ("(a = 1", 7, "expected `)`, found the end"),
        ("a = 1)", 6, "expected `and`, `or` or the end"),
        ("naïve = 1", 3, "begins no name"),
        ("`naïve` = \"☃", 11, "closing \""),
        ("a = 'x", 5, "closing '"),
        ("a = `x", 5, "closing `"),
        ("a = \"\\x\"", 6, "an escape of JSON"),
        ("a = \"\\ud800\"", 6, "surrogate"),
        ("a = \"\\u12\"", 6, "four hexadecimal digits"),
        ("a = \"\\ud800\\ud800\"", 6, "a character"),
        ("a = b\"?\"", 5, "base64"),
        ("a = b\"AA", 5, "closing \""),
        ("a = 1.", 7, "a digit"),
        ("a = 1e", 7, "a digit"),
        ("a = 1e999", 5, "Float64"),
        ("a = 18446744073709551616", 5, "beyond 64 bits"),
        ("a = -9223372036854775809", 5, "beyond 64 bits"),
        ("a = 12monkeys", 7, "end of the number"),
        ("a = $", 6, "name of a parameter"),
        ("a is 1", 6, "`null` or `not null`"),
        ("a is not 1", 10, "`null`"),
        ("len(a)", 7, "an operator"),
        ("len(a) is null", 5, "never null"),
        ("a[1 = 2", 5, "expected `]`"),
        ("a. = 2", 4, "the name of a field"),
        ("a ! 2", 3, "begins no name"),
    ] {
        if says.is_empty() {
            parse(text);
            continue;
        }
        let (found, problem) = refusal(text);
        assert!(found == column && problem.contains(says), "{text}: column {found}: {problem}");
    }
}

#[test]
fn length_and_nesting_are_limited() {
    let long = format!("a = '{}'", "x".repeat(TEXT_BYTES_MAX));
    assert_eq!(refusal(&long).0, 1);
    parse(&format!("a = '{}'", "x".repeat(TEXT_BYTES_MAX - 6)));
    for (open, close, levels) in [("(", ")", 1), ("not ", "", 1), ("any(a, ", ")", 1), ("not (", ")", 2)] {
        let nested = |depth: usize| format!("{}a = 1{}", open.repeat(depth), close.repeat(depth));
        parse(&nested(NESTING_MAX / levels));
        assert!(refusal(&nested(NESTING_MAX / levels + 1)).1.contains("nested deeper"), "{open}");
        assert!(refusal(&nested(6000)).1.contains("nested deeper"), "{open}");
    }
    let wide: Vec<_> = (0..5000).map(|n| format!("a = {n}")).collect();
    assert_eq!(parse(&parse(&wide.join(" or ")).to_string()), Expr::any_of((0..5000).map(|n| field("a").eq(n))));
}

/// A random expression, whether or not any type has its fields.
pub fn random_expr(r: &mut Random, depth: usize) -> Expr {
    if depth == 0 || r.one_in(3) {
        return random_comparison(r);
    }
    let some = |r: &mut Random| (0..r.below(4)).map(|_| random_expr(r, depth - 1)).collect::<Vec<_>>();
    match r.below(5) {
        0 => Expr::all_of(some(r)),
        1 => Expr::any_of(some(r)),
        2 => !random_expr(r, depth - 1),
        3 => random_field(r).any(random_expr(r, depth - 1)),
        _ => random_field(r).all(random_expr(r, depth - 1)),
    }
}

fn random_comparison(r: &mut Random) -> Expr {
    let subject = random_field(r);
    let subject = if r.one_in(5) { subject.len() } else { subject };
    match r.below(12) {
        0 => subject.eq(random_operand(r)),
        1 => subject.ne(random_operand(r)),
        2 => subject.lt(random_operand(r)),
        3 => subject.ge(random_operand(r)),
        4 => subject.starts_with(random_operand(r)),
        5 => subject.contains(random_operand(r)),
        6 => subject.matches(random_operand(r)),
        7 => subject.between(random_operand(r), random_operand(r)),
        8 => subject.is_in((0..r.below(3)).map(|_| random_operand(r)).collect::<Vec<_>>()),
        9 => random_field(r).has(random_operand(r)),
        10 => random_field(r).is_null(),
        _ => subject.is_in_parameter(NAMES[r.below(NAMES.len())]),
    }
}

const NAMES: [&str; 12] = ["a", "year", "in", "len", "any", "NaN", "Infinity", "odd name", "ti`ck", "b", "not", "x_1"];

fn random_field(r: &mut Random) -> FieldExpr {
    let mut out = field(NAMES[r.below(NAMES.len())]);
    for _ in 0..r.below(3) {
        out = match r.below(3) {
            0 => out.key(random_value(r)),
            _ => out.field(NAMES[r.below(NAMES.len())]),
        };
    }
    out
}

fn random_operand(r: &mut Random) -> Operand {
    if r.one_in(5) { parameter(NAMES[r.below(NAMES.len())]) } else { random_value(r).into() }
}

fn random_value(r: &mut Random) -> Value {
    match r.below(7) {
        0 => Value::Bool(r.one_in(2)),
        1 => Value::from(r.next()),
        2 => Value::from(r.next().cast_signed()),
        3 => Value::Float(f64::from_bits(r.next())),
        4 => Value::Name(NAMES[r.below(NAMES.len())].to_owned()),
        5 => Value::Data(r.next().to_le_bytes()[..r.below(9)].to_vec()),
        _ => Value::Text(["", "a\"b\\", "\n\u{1}☃", "😀'`"][r.below(4)].to_owned()),
    }
}

proptest! {
    #[test]
    fn an_expression_prints_as_what_parses_to_it(seed: u64) {
        let expr = random_expr(&mut Random::new(seed), 4);
        let text = expr.to_string();
        prop_assert_eq!(Expr::parse(&text).map_err(|error| error.to_string()), Ok(expr), "{}", text);
    }

    #[test]
    fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        _ = Expr::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_damaged_text_panics(seed: u64, place: usize, byte in 0_u8..128, cut: usize) {
        let mut text = random_expr(&mut Random::new(seed), 3).to_string().into_bytes();
        let place = place % text.len();
        text[place] = byte;
        text.truncate(cut % (2 * text.len()) + 1);
        if let Ok(expr) = Expr::parse(&String::from_utf8_lossy(&text)) {
            prop_assert_eq!(Expr::parse(&expr.to_string()).map_err(|error| error.to_string()), Ok(expr));
        }
    }

    #[test]
    fn no_row_of_tokens_panics(tokens in proptest::collection::vec(0_usize..TOKENS.len(), 0..40)) {
        let text: Vec<_> = tokens.into_iter().map(|token| TOKENS[token]).collect();
        if let Ok(expr) = Expr::parse(&text.join(" ")) {
            prop_assert_eq!(Expr::parse(&expr.to_string()).map_err(|error| error.to_string()), Ok(expr));
        }
    }
}

const TOKENS: [&str; 30] = [
    "a",
    "b",
    "`x y`",
    "and",
    "or",
    "not",
    "in",
    "between",
    "is",
    "null",
    "any",
    "all",
    "len",
    "true",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "=",
    "!=",
    "~=",
    "1",
    "-2.5",
    "\"t\"",
    "'u'",
    "$p",
    "b\"AA==\"",
    "NaN",
];
