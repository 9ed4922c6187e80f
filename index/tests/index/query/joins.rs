//! Queries through references, forward and back, agree with a naive evaluation.

use kapok_core::record::ValueRef;
use kapok_core::segment::RowId;
use kapok_index::View;
use kapok_index::query::{Aggregate, Expr, Query, Rows};
use kapok_samples::random::Random;
use proptest::prelude::*;

use super::conditions::{Types, random_condition};
use super::library::{self, Indexes};
use super::naive::{self, Step};
use super::references::{back_references, referrers};

/// Indexes by which referring records are found, or some of them.
const INDEXES: Indexes<'static> = &[
    ("Rating", &["hash(user)", "hash(code, film)", "sorted(of, -code)"]),
    ("Movie", &["hash(director)", "hash(info.studio)", "sorted(-info.editor)", "hash(cast[])"]),
    ("Person", &["sorted(country)", "hash(mentor)", "key(id)"]),
    ("Country", &["key(chief, name)", "hash(chief)", "hash(houses[].owner)", "hash(places[])"]),
];

fn check(seed: u64) {
    let r = &mut Random::new(seed);
    let (indexes, all_indexed) = (if r.one_in(3) { &[][..] } else { INDEXES }, !r.one_in(3));
    let view = library::random(r, indexes, all_indexed);
    for record_type in ["Country", "Edition", "Movie", "Person", "Rating"] {
        let table = view.table(record_type).unwrap();
        for _ in 0..6 {
            let condition = random_condition(r, table.schema(), Types::Struct(table.struct_type()), 3);
            let expr = condition.expr();
            let at = format!("seed={seed} {record_type}: {expr}");
            let rows = table.row_ids_in_key_order().unwrap().into_iter();
            let holds = |row: &RowId| condition.holds(Some(&view), ValueRef::Struct(table.record(*row).unwrap()));
            let expected: Vec<RowId> = rows.filter(holds).collect();
            let query = Query::bind(&view, record_type, &expr).unwrap_or_else(|error| panic!("{at}: {error}"));
            let rows = query.rows().unwrap();
            assert_eq!(rows.row_ids().unwrap(), expected, "{at}");
            assert_eq!(rows.clone().threads(2.try_into().unwrap()).count().unwrap(), expected.len() as u64, "{at}");
            for row in table.row_ids() {
                assert_eq!(rows.contains(row).unwrap(), expected.contains(&row), "{at}");
            }
            let parsed = Expr::parse(&expr.to_string()).unwrap();
            assert_eq!(parsed, expr, "{at}");
            rows.explain().unwrap();
            check_referring(r, &view, &rows, &expected, &at);
        }
    }
}

/// Compares aggregates over the records that refer to some.
fn check_referring(r: &mut Random, view: &View, rows: &Rows<'_>, expected: &[RowId], at: &str) {
    let table = rows.table();
    let Some((path, ty)) = back_references(r, table.schema(), table.struct_type()) else { return };
    let [Step::Name(record_type), way @ ..] = path.as_slice() else { panic!("{path:?}") };
    let record = |row: &RowId| table.record(*row).unwrap();
    let referring = expected.iter().flat_map(|row| referrers(view, record(row), record_type, way).unwrap());
    let field = &ty.fields[r.below(ty.fields.len())].name;
    let (mut count, mut values) = (0_u64, 0_u64);
    for referring in referring {
        count += 1;
        values += u64::from(!referring.as_record().unwrap().get(field).unwrap().is_null());
    }
    let path = naive::text(&path);
    let asked = [format!("count({path})"), format!("count({path}, `{field}`)")].map(|text| text.parse().unwrap());
    assert_eq!(rows.aggregate(&asked).unwrap(), [count.into(), values.into()], "{at} {path} {field}");
}

/// What records of a type that satisfy a condition are printed as.
pub fn select(view: &View, record_type: &str, expression: &str, paths: &[&str]) -> Vec<String> {
    let rows = view.query(record_type, expression).unwrap();
    let selection = rows.select(paths).unwrap();
    let print = |record| {
        let values = selection.read(&record).unwrap().into_iter();
        values.map(|(_, value)| value.to_json_string().unwrap()).collect::<Vec<_>>().join(" ")
    };
    rows.records().map(|record| print(record.unwrap())).collect()
}

pub fn films() -> View {
    library::of_lines(
        &[("Rating", &["hash(user)"]), ("Movie", &["hash(cast[])"]), ("Country", &["hash(houses[].owner)"])],
        &[
            (
                "Country",
                &[
                    r#"{"name":"fr","chief":1,"houses":[{"owner":1},{"owner":3}],"places":["de",null,"xx"]}"#,
                    r#"{"name":"de","chief":9}"#,
                ],
            ),
            (
                "Person",
                &[
                    r#"{"id":1,"name":"Ann","mentor":2,"country":"fr","trips":[["de","de"],["fr"]]}"#,
                    r#"{"id":2,"name":"Bob","mentor":null,"country":"de"}"#,
                    r#"{"id":3,"name":"Cid","mentor":70000,"country":null}"#,
                ],
            ),
            (
                "Movie",
                &[
                    r#"{"movieId":1,"title":"Metropolis","director":2,"info":{"studio":"de","editor":3},"genres":["a"],"cast":[1,2,1]}"#,
                    r#"{"movieId":2,"title":"Jeanne","director":1,"genres":["b","c"],"cast":[3,70]}"#,
                    r#"{"movieId":3,"title":"Nobody's","director":77,"genres":[]}"#,
                ],
            ),
            ("Edition", &[r#"{"movieId":1,"code":"x","price":0.5}"#, r#"{"movieId":1,"code":"y","price":3}"#]),
            (
                "Rating",
                &[
                    r#"{"film":1,"user":1,"code":"x","stars":5,"of":1}"#,
                    r#"{"film":1,"user":2,"code":"z","stars":2,"of":null}"#,
                    r#"{"film":2,"user":1,"code":"x","stars":null,"of":2}"#,
                    r#"{"film":99,"user":3,"code":"x","stars":4,"of":1}"#,
                ],
            ),
        ],
    )
}

#[test]
fn paths_go_on_in_the_record_that_a_field_refers_to() {
    let view = films();
    let ids = |record_type: &str, expression: &str| {
        let paths: &[&str] = match record_type {
            "Rating" => &["film", "user"],
            "Movie" => &["movieId"],
            "Person" => &["id"],
            _ => &["name"],
        };
        select(&view, record_type, expression, paths)
    };
    assert!(view.query("Rating", "true").unwrap().select(&["film.id"]).is_err());
    assert_eq!(ids("Rating", r#"film.title ^= "Metro""#), ["1 1", "1 2"]);
    assert_eq!(ids("Rating", r#"film.title != "Jeanne""#), ["1 1", "1 2", "99 3"], "a reference that dangles");
    assert_eq!(ids("Rating", "film.title is null"), ["99 3"]);
    assert_eq!(ids("Rating", "film is null"), [""; 0]);
    assert_eq!(ids("Rating", r#"film.director.country.chief.name = "Ann""#), ["2 1"]);
    assert_eq!(ids("Rating", r#""c" in film.genres or len(film.info.studio) = 2"#), ["1 1", "1 2", "2 1"]);
    assert_eq!(ids("Rating", "edition is not null"), ["1 1"]);
    assert_eq!(ids("Rating", "edition.price < 1 and other.movieId.title is not null"), ["1 1"]);
    assert_eq!(ids("Movie", r#"boss.name = "Cid""#), ["1"]);
    assert_eq!(ids("Person", "mentor.id = 2"), ["1"]);
}

#[test]
fn records_are_asked_which_others_refer_to_them() {
    let view = films();
    let ids = |expression: &str| select(&view, "Movie", expression, &["movieId"]);
    assert_eq!(ids("any(Rating.film, stars >= 4)"), ["1"]);
    assert_eq!(ids("all(Rating.film, stars >= 4)"), ["3"]);
    assert_eq!(ids("all(Rating.film, stars >= 2)"), ["1", "3"]);
    assert_eq!(ids("len(Rating.film) = 0"), ["3"]);
    assert_eq!(ids("len(Rating.film) between 1 and 2 and len(Rating.of) = 2"), ["1"]);
    assert_eq!(ids(r#"any(Rating.film, user.name = "Bob") and any(Edition.movieId, price > 1)"#), ["1"]);
    let people = |expression: &str| select(&view, "Person", expression, &["id"]);
    assert_eq!(people("any(Rating.film.director, stars = 5)"), ["2"]);
    assert_eq!(people("any(Movie.director, any(Rating.film, stars = 5))"), ["2"]);
    assert_eq!(people("any(Movie.info.editor, true) and any(Movie.boss, true)"), ["3"]);
    assert_eq!(people("len(Person.mentor) = 1"), ["2"]);
    assert_eq!(select(&view, "Edition", "any(Rating.edition, stars = 5)", &["code"]), [r#""x""#]);
}

#[test]
fn explanations_tell_how_records_are_found() {
    let view = films();
    for (record_type, expression, joins) in [
        ("Rating", "len(film.director.name) = 0", &["film: Movie by movieId", "film.director: Person by id"][..]),
        ("Rating", "film.director.name = 'x'", &["film.director: Person by scan, 0 found first"]),
        ("Movie", "any(Rating.film, true)", &["Rating.film: Rating by film,user"]),
        ("Person", "len(Rating.user) > 1", &["Rating.user: Rating by hash(user)"]),
        ("Movie", "any(Rating.of, user.name = 'x')", &["Rating.of: Rating by scan", "user: Person by id"]),
        (
            "Person",
            "any(Rating.film.director, true)",
            &["Rating.film.director: Rating by scan", "film: Movie by movieId"],
        ),
        ("Edition", "any(Rating.edition, true)", &["Rating.edition: Rating by scan"]),
        ("Person", "any(Movie.cast[], true)", &["Movie.cast[]: Movie by hash(cast[])"]),
        ("Person", "any(Country.houses[].owner, true)", &["Country.houses[].owner: Country by hash(houses[].owner)"]),
        ("Movie", "any(cast, len(it.mentor.name) = 0)", &["it: Person by id", "it.mentor: Person by id"]),
    ] {
        let explained = view.query(record_type, expression).unwrap().explain().unwrap();
        let lines: Vec<String> = explained.joins.iter().map(|join| join.to_string().replace("join ", "")).collect();
        assert_eq!(lines, joins, "{expression}");
        assert!(explained.to_string().contains(&format!("join {}", joins[0])));
    }
    let explained = view.query("Movie", "all(Rating.film, stars > 3)").unwrap().explain().unwrap();
    assert_eq!(explained.segments[0].conditions, "not any(Rating.film, not stars > 3)");
}

#[test]
fn what_is_wrong_with_a_reference_is_told_at_its_column() {
    let view = films();
    for (record_type, expression, column, problem) in [
        ("Rating", "stars = 1 and code.x = 1", 15, "code is Text, which has no fields, and is not declared to refer"),
        ("Rating", "film.nothing = 1", 1, "Movie has no field \"nothing\""),
        ("Rating", "edition = 1", 1, "can only be asked for by `is null`"),
        ("Rating", "edition[\"a\"] = 1", 1, "only a map has keys"),
        ("Movie", "any(Rating, true)", 5, "Rating is a record type; expected the field that refers"),
        ("Movie", "any(Rating.stars, true)", 5, "Rating.stars is not declared to refer to records"),
        ("Movie", "any(Rating.user, true)", 5, "Rating.user refers to records of type Person, not of Movie"),
        ("Movie", "any(Rating.code.x, true)", 5, "code is Text, which has no fields"),
        ("Movie", "any(Rating.film, stars = 'a')", 26, "expected"),
        ("Movie", "any(Rating.film, any(Edition.movieId, true))", 22, "records of type Movie, not of Rating"),
        ("Movie", "any(Nothing.film, true)", 5, "Movie has no field \"Nothing\""),
        ("Movie", "Rating.film = 1", 1, "Movie has no field \"Rating\""),
        ("Movie", "any(genres, any(Rating.film, true))", 17, "elements of a list are not"),
        (
            "Movie",
            "any(genres, it.name = 'x')",
            13,
            "the element is Text, which has no fields, and is not declared to refer",
        ),
        ("Movie", "any(cast, it.nothing = 1)", 11, "Person has no field \"nothing\""),
        ("Movie", "any(cast, it[\"a\"] = 1)", 11, "only a map has keys"),
        ("Movie", "any(cast, name = 'x')", 11, "expected `it`, which is the element, Int64; found `name`"),
        ("Movie", "cast.name = 'x'", 1, "cast is a list; ask for its elements by any(cast, ..)"),
        ("Movie", "cast[].name = 'x'", 1, "only aggregates read every element of a list"),
        ("Person", "any(Movie.cast, true)", 5, "cast is a list; what refers are its elements, cast[]"),
        ("Person", "any(Movie.genres[], true)", 5, "the element is Text, which has no fields"),
        ("Person", "any(Movie.title[], true)", 5, "[] stands behind a list, and this is Text"),
    ] {
        let error = view.query(record_type, expression).unwrap_err();
        let kapok_core::Fault::Query { column: at, problem: found } = error.fault() else { panic!("{error}") };
        assert!(found.contains(problem), "{expression}: {found}");
        assert_eq!(*at, column, "{expression}: {found}");
    }
    let long = vec!["mentor"; 17].join(".");
    assert!(view.query("Person", &format!("{long} is null")).is_ok());
    let error = view.query("Person", &format!("{long}.name is null")).unwrap_err();
    assert!(error.to_string().contains("more than 16 references"), "{error}");
    let table = view.table("Rating").unwrap();
    let error = Query::bind_table(table, &Expr::parse("film.title = 'x'").unwrap()).unwrap_err();
    assert!(error.to_string().contains("Rating.film refers to Movie, which is not followed here"), "{error}");
}

#[test]
fn values_that_dangle_are_counted_and_named() {
    let view = films();
    let mut lines = Vec::new();
    for record_type in ["Country", "Edition", "Movie", "Person", "Rating"] {
        for reference in view.declared_references(record_type).unwrap() {
            let found = view.dangling(&reference, 1).unwrap();
            let (path, target) = (&reference.path, &reference.target);
            lines.push(format!("{record_type}.{path} {target} {} {}", found.count, found.first.join(" ")));
        }
    }
    assert_eq!(
        lines,
        [
            "Country.chief Person 1 9",
            "Country.places[] Country 1 \"xx\"",
            "Country.houses[].owner Person 0 ",
            "Edition.movieId Movie 0 ",
            "Movie.director Person 1 77",
            "Movie.info.studio Country 0 ",
            "Movie.info.editor Person 0 ",
            "Movie.cast[] Person 1 70",
            "Movie.boss Person 0 ",
            "Person.mentor Person 1 70000",
            "Person.country Country 0 ",
            "Person.trips[][] Country 0 ",
            "Rating.film Movie 1 99",
            "Rating.user Person 0 ",
            "Rating.of Movie 0 ",
            "Rating.edition Edition 3 1,\"z\"",
            "Rating.other Edition 1 2,\"x\"",
        ]
    );
}

#[test]
fn references_that_no_key_fits_are_refused_where_they_are_followed() {
    let view = library::with_bad_references();
    for (path, problem) in [
        ("toText.title", "Bad.toText refers to Movie, whose key field movieId is UInt32; toText is Text"),
        ("toFloat.title", "whose key field movieId is UInt32; toFloat is Float64"),
        ("toPair.title", "Bad.toPair refers to Edition, whose key is movieId, code; toPair has 1 field(s)"),
        ("toNothing.title", "Bad.toNothing refers to Nothing"),
        ("loop.title", "Bad.loop refers to Movie, which is not followed here"),
        ("gone.title", "Bad has no field \"field\""),
    ] {
        let error = view.query("Bad", &format!("{path} is null")).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
    // Nobody follows them here.
    assert_eq!(view.query("Bad", "toText = 'a' or toPair = 1").unwrap().count().unwrap(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("KAPOK_QUERY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48),
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_queries_through_references_agree_with_the_naive_evaluation(seed: u64) {
        check(seed);
    }

    #[test]
    fn damaged_bytes_of_any_type_are_read_or_refused(seed: u64) {
        let r = &mut Random::new(seed);
        let Some(view) = library::random_damaged(r, INDEXES) else { return Ok(()) };
        for record_type in ["Country", "Edition", "Movie", "Person", "Rating"] {
            let table = view.table(record_type).unwrap();
            for _ in 0..6 {
                let condition = random_condition(r, table.schema(), Types::Struct(table.struct_type()), 3);
                let query = Query::bind(&view, record_type, &condition.expr()).unwrap();
                let back = back_references(r, table.schema(), table.struct_type());
                let back = back.map_or("cast[]".to_owned(), |(path, _)| naive::text(&path));
                let asked: Aggregate = format!("count({back})").parse().unwrap();
                let paths: &[&str] = match record_type {
                    "Movie" => &["cast[].name", "cast[].trips[][].chief.name", "director.country.places[].chief"],
                    "Country" => &["houses[].owner.mentor", "places[]"],
                    _ => &[],
                };
                let select = |rows: Rows<'_>| {
                    let selection = rows.select(paths)?;
                    rows.records().try_for_each(|record| {
                        let values = selection.read(&record?)?;
                        values.iter().try_for_each(|(_, value)| value.to_json_string().map(drop))
                    })
                };
                let answers = [
                    query.rows().and_then(|rows| rows.count()).map(drop),
                    query.rows().and_then(|rows| rows.explain()).map(drop),
                    query.rows().and_then(|rows| rows.aggregate(std::slice::from_ref(&asked))).map(drop),
                    query.rows().and_then(select),
                ];
                let dangling = view.declared_references(record_type).unwrap();
                let dangling = dangling.iter().map(|reference| view.dangling(reference, 3).map(drop));
                for error in answers.into_iter().chain(dangling).filter_map(Result::err) {
                    prop_assert_eq!(error.kind(), kapok_core::ErrorKind::Corrupt, "{}", error);
                }
            }
        }
    }
}
