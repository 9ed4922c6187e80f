//! Records of another type are found before those that are asked for, where that is cheaper; and what conditions within one
//! another ask stays bounded.

use kapok_index::View;

use super::library::{self, Indexes};

const FILMS: usize = 300;
const RATINGS: usize = 2_000;

/// Films with titles `t0` to `t99`, three of each; ratings of them by 40 people, with stars from 0 to 99.
fn view(indexes: Indexes<'_>) -> View {
    let person = |id| format!(r#"{{"id":{id},"name":"n{}","mentor":{},"country":"a"}}"#, id % 20, (id + 1) % 40);
    let film = |id| {
        let (title, actor) = (id % 100, id % 40);
        format!(r#"{{"movieId":{id},"title":"t{title}","director":{},"cast":[{actor},{}]}}"#, id % 37, id % 7)
    };
    let rating = |at| format!(r#"{{"film":{},"user":{},"stars":{},"of":{}}}"#, at % 310, at / 310, at % 100, at % 9);
    let types = vec![
        ("Person", (0..40).map(person).collect::<Vec<_>>()),
        ("Movie", (0..FILMS).map(film).collect()),
        ("Rating", (0..RATINGS).map(rating).collect()),
    ];
    library::of_segments(indexes, types, 1_000)
}

#[test]
fn indexes_of_the_other_type_find_its_records_first() {
    let indexed = view(&[
        ("Movie", &["hash(title)", "hash(cast[])", "hash(director)"]),
        ("Person", &["hash(name)"]),
        ("Rating", &["hash(stars)"]),
    ]);
    let plain = view(&[]);
    for (record_type, expression, source, joins) in [
        ("Rating", "film.title = 't7'", "film,user", &["film: Movie by hash(title), 3 found first"][..]),
        ("Rating", "film.title = 'none'", "scan", &["film: Movie by hash(title), 0 found first"]),
        ("Rating", "film.title = 't7' and stars > 30", "film,user", &["film: Movie by hash(title), 3 found first"]),
        ("Rating", "not film.title = 't7'", "scan", &["film: Movie by hash(title), 3 found first"]),
        (
            "Rating",
            "film.director.name = 'n3'",
            "film,user",
            &["film: Movie by hash(director), 17 found first", "film.director: Person by hash(name), 2 found first"],
        ),
        ("Movie", "any(Rating.film, stars = 5)", "movieId", &["Rating.film: Rating by hash(stars), 20 found first"]),
        ("Movie", "any(cast, it.name = 'n11')", "hash(cast[])", &["it: Person by hash(name), 2 found first"]),
        ("Person", "any(Movie.cast[], title = 't7')", "id", &["Movie.cast[]: Movie by hash(title), 3 found first"]),
        (
            "Person",
            "any(Rating.film.director, stars = 5)",
            "id",
            &["Rating.film.director: Rating by hash(stars), 20 found first"],
        ),
        // One row is left to look a film up for.
        ("Rating", "film = 3 and user = 4 and film.title = 't3'", "film,user", &["film: Movie by movieId"]),
        // A film that is not there has no title.
        ("Rating", "film.title is null", "scan", &["film: Movie by scan, 300 found first"]),
        ("Rating", "len(film.title) < 3", "scan", &["film: Movie by movieId"]),
        ("Rating", "all(film.cast, it = 3)", "scan", &["film: Movie by movieId"]),
    ] {
        let rows = indexed.query(record_type, expression).unwrap();
        let explained = rows.explain().unwrap();
        let told: Vec<String> = explained.joins.iter().map(|join| join.to_string().replace("join ", "")).collect();
        assert_eq!(told, joins, "{expression}");
        assert_eq!(explained.segments[0].source, source, "{expression}");
        let keys = |view: &View| -> Vec<String> {
            let rows = view.query(record_type, expression).unwrap();
            rows.records().map(|record| record.unwrap().to_json_string().unwrap()).collect()
        };
        let found = keys(&indexed);
        assert_eq!(found, keys(&plain), "{expression}");
        assert_eq!(found.is_empty(), expression.contains("none"), "{expression}");
    }
}

#[test]
fn conditions_about_referring_records_within_one_another_are_answered_in_bounded_time() {
    let names: Vec<String> = (0..40).map(|at| format!("\"c{at}\"")).collect();
    let places = names.join(",");
    let lines = names.iter().map(|name| format!(r#"{{"name":{name},"chief":1,"places":[{places}]}}"#)).collect();
    let view =
        library::of_segments(&[("Country", &["hash(places[])"])], vec![("Country", lines), ("Person", Vec::new())], 50);
    let (mut all, mut one) = ("chief = 1".to_owned(), "chief = 2".to_owned());
    // 40 to the power of 20 records would be looked at, one by one.
    for _ in 0..20 {
        all = format!("all(Country.places[], {all})");
        one = format!("any(Country.places[], {one})");
    }
    assert_eq!(view.query("Country", &all).unwrap().count().unwrap(), 40);
    assert_eq!(view.query("Country", &one).unwrap().count().unwrap(), 0);
    let explained = view.query("Country", &one).unwrap().explain().unwrap();
    assert!(explained.joins.iter().any(|join| join.source == "hash(places[])"), "{explained}");
}
