//! Elements of lists refer to records, and values are read and summed up through references.

use kapok_index::query::{Aggregate, Order};

use super::joins::{films, select};

#[test]
fn elements_of_lists_refer_to_records() {
    let view = films();
    let movies = |expression: &str| select(&view, "Movie", expression, &["movieId"]);
    assert_eq!(movies("any(cast, it.name = 'Ann')"), ["1"]);
    assert_eq!(movies("any(cast, it = 70 and it.name is null)"), ["2"]);
    assert_eq!(movies("all(cast, it.country.name is not null)"), ["1", "3"]);
    assert_eq!(movies("any(cast, any(it.trips, any(it, it.chief.name = 'Ann')))"), ["1"]);
    assert_eq!(
        select(&view, "Country", "any(houses, owner.name = 'Cid') and any(places, it.chief = 9)", &["name"]),
        ["\"fr\""]
    );
    let people = |expression: &str| select(&view, "Person", expression, &["id"]);
    assert_eq!(people("any(Movie.cast[], title ^= 'Metro')"), ["1", "2"]);
    assert_eq!(people("len(Movie.cast[]) = 0 or any(Country.houses[].owner, name = 'fr')"), ["1", "3"]);
    assert_eq!(people("len(Movie.cast[].mentor) = 1"), ["2"]);
    assert_eq!(select(&view, "Country", "len(Person.trips[][]) = 1", &["name"]), ["\"de\"", "\"fr\""]);
    assert_eq!(
        select(&view, "Movie", "true", &["movieId", "cast[]", "cast[].name", "cast[].trips[][].chief.name"]),
        [
            r#"1 [1,2,1] ["Ann","Bob","Ann"] [[[null,null],["Ann"]],null,[[null,null],["Ann"]]]"#,
            r#"2 [3,70] ["Cid",null] [null,null]"#,
            "3 null null null",
        ]
    );
    assert_eq!(
        select(&view, "Country", "chief = 1", &["houses[].owner.name", "places[].chief"]),
        [r#"["Ann","Cid"] [9,null,null]"#]
    );
    let rows = view.query("Movie", "true").unwrap();
    let asked =
        ["count(cast[])", "count_distinct(cast[].name)", "max(cast[].trips[][].chief)", "count(cast[].mentor.id)"];
    let asked = asked.map(|text| text.parse().unwrap());
    let found: Vec<String> = rows.aggregate(&asked).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(found, ["5", "3", "9", "2"]);
    let groups =
        rows.group_by(&["cast[].name"], &["count()".parse().unwrap(), "sum(cast[])".parse().unwrap()]).unwrap();
    let lines: Vec<String> =
        groups.iter().map(|group| format!("{} {} {}", group.key[0], group.values[0], group.values[1])).collect();
    assert_eq!(lines, [r#""Ann" 1 2"#, r#""Bob" 1 2"#, r#""Cid" 1 3"#, "null 1 70"]);
}

#[test]
fn aggregates_take_values_of_the_records_that_refer() {
    let view = films();
    let aggregate = |record_type: &str, expression: &str, texts: &[&str]| {
        let asked: Vec<Aggregate> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let rows = view.query(record_type, expression).unwrap();
        let values = rows.aggregate(&asked).unwrap();
        assert_eq!(rows.threads(2.try_into().unwrap()).aggregate(&asked).unwrap(), values);
        values.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let texts =
        ["count(Rating.film)", "count(Rating.film, stars)", "sum(Rating.film, stars)", "max(Rating.film, user.name)"];
    assert_eq!(aggregate("Movie", "true", &texts), ["3", "2", "7", "\"Bob\""]);
    assert_eq!(aggregate("Movie", "movieId > 1", &texts), ["1", "0", "0", "\"Ann\""]);
    assert_eq!(aggregate("Movie", "movieId > 2", &texts), ["0", "0", "0", "null"]);
    // By an index, through lists on either side, through another reference, and by several fields.
    let texts =
        ["count(Rating.user)", "count(Movie.cast[], cast[])", "count_distinct(Country.houses[].owner, places[])"];
    assert_eq!(aggregate("Person", "true", &texts), ["4", "8", "2"]);
    assert_eq!(aggregate("Person", "true", &["top_n(2, Rating.film.director, stars)"]), ["[5, 2]"]);
    assert_eq!(aggregate("Edition", "true", &["avg(Rating.edition, stars)"]), ["5.0"]);
    let rows = view.query("Movie", "true").unwrap();
    let groups = rows.group_by(&["genres[]"], &["count(Rating.film)".parse().unwrap()]).unwrap();
    let lines: Vec<String> = groups.iter().map(|group| format!("{} {}", group.key[0], group.values[0])).collect();
    assert_eq!(lines, [r#""a" 2"#, r#""b" 1"#, r#""c" 1"#]);
    for (text, problem) in [
        ("sum(Rating.film)", "expected a field of Rating behind it, as in (Rating.film, field)"),
        ("sum(Rating.film, code)", "code is Text"),
        ("sum(Rating.film, nothing)", "Rating has no field \"nothing\""),
        ("sum(title, movieId)", "expected a record type and its field that refers"),
        ("sum(Rating.user, stars)", "refers to records of type Person, not of Movie"),
    ] {
        let error = rows.aggregate(&[text.parse().unwrap()]).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
    for (text, built) in [
        ("avg(Rating.film, stars)", Aggregate::avg("stars").unwrap().of_referrers("Rating.film").unwrap()),
        ("count(Rating.film)", Aggregate::count().of_referrers("Rating.film").unwrap()),
        (
            "top_n(3, Movie.cast[], cast[].name)",
            Aggregate::top_n(3, "cast[].name").unwrap().of_referrers("Movie.cast[]").unwrap(),
        ),
    ] {
        assert_eq!((Aggregate::parse(text).unwrap(), built.to_string()), (built, text.to_owned()));
    }
}

#[test]
fn values_are_read_from_the_records_that_are_referred_to() {
    let view = films();
    let rows = view.query("Rating", "true").unwrap().order_by(&[Order::descending("user")]).unwrap();
    let titles: Vec<Option<&str>> = rows.values("film.title").unwrap().map(Result::unwrap).collect();
    assert_eq!(titles, [None, Some("Metropolis"), Some("Metropolis"), Some("Jeanne")]);
    let chiefs: Vec<Option<u8>> = rows.values("film.director.country.chief").unwrap().map(Result::unwrap).collect();
    assert_eq!(chiefs, [None, Some(9), Some(9), Some(1)]);
    let studios: Vec<Option<&str>> = rows.values("film.info.studio").unwrap().map(Result::unwrap).collect();
    assert_eq!(studios, [None, Some("de"), Some("de"), None]);
    let users: Vec<i32> = rows.values("user").unwrap().map(Result::unwrap).collect();
    assert_eq!(users, [3, 2, 1, 1]);
    let refused = |error: Option<kapok_core::Error>| error.unwrap().to_string();
    let error = refused(rows.values::<&str>("film.title").err());
    assert!(error.contains("Rating.film.title") && error.contains("Option"), "{error}");
    let error = refused(rows.values::<Option<u32>>("film.title").err());
    assert!(error.contains("Movie.title"), "{error}");
    let error = refused(rows.values::<Option<&str>>("film.nothing").err());
    assert!(error.contains("film"), "{error}");
    let error = refused(rows.values::<Option<&str>>("edition").err());
    assert!(error.contains("read it by Rows::select"), "{error}");
    let movies = view.query("Movie", "true").unwrap();
    let error = refused(movies.values::<Option<&str>>("cast[].name").err());
    assert!(error.contains("goes through a list and a reference: read it by Rows::select"), "{error}");
}

#[test]
fn orders_groups_and_aggregates_go_through_references() {
    let view = films();
    let rows = view.query("Rating", "true").unwrap();
    let order = [Order::descending("film.title"), Order::ascending("stars")];
    let ordered = rows.clone().order_by(&order).unwrap();
    let selection = ordered.select(&["film.title", "edition", "user.country.name"]).unwrap();
    let lines: Vec<String> = ordered
        .records()
        .map(|record| {
            selection.read(&record.unwrap()).unwrap().iter().map(|(_, value)| value.to_json_string().unwrap()).collect()
        })
        .collect();
    assert_eq!(
        lines,
        [
            r#""Metropolis"null"de""#,
            r#""Metropolis"{"movieId":1,"code":"x","price":0.5}"fr""#,
            r#""Jeanne"null"fr""#,
            "nullnullnull",
        ]
    );
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = ordered.clone().limit(1).page(cursor.as_deref()).unwrap();
        paged.extend(page.row_ids);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, ordered.row_ids().unwrap());
    let groups =
        rows.group_by(&["film.director.name"], &["sum(stars)".parse().unwrap(), "max(film.title)".parse().unwrap()]);
    let lines: Vec<String> = groups
        .unwrap()
        .iter()
        .map(|group| format!("{} {} {}", group.key[0], group.values[0], group.values[1]))
        .collect();
    assert_eq!(lines, [r#""Ann" 0 "Jeanne""#, r#""Bob" 7 "Metropolis""#, "null 4 null"]);
    let groups =
        rows.group_by(&["film.genres[]"], &["count()".parse().unwrap(), "count(film.genres[])".parse().unwrap()]);
    let lines: Vec<String> = groups
        .unwrap()
        .iter()
        .map(|group| format!("{} {} {}", group.key[0], group.values[0], group.values[1]))
        .collect();
    assert_eq!(lines, [r#""a" 2 2"#, r#""b" 1 1"#, r#""c" 1 1"#]);
    assert_eq!(rows.aggregate(&[Aggregate::count_distinct("user.name").unwrap()]).unwrap()[0].to_string(), "3");
}
