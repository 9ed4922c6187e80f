//! Indexes with filters over keys of several fields, whose texts hold bytes that encoded keys escape.

use std::path::Path;

use kapok_producer::Declaration;
use serde::{Deserialize, Serialize};

use super::history::{Change, Part, add, changes, delete, full, merge, producer, put};

#[derive(Serialize, Deserialize)]
struct Film {
    name: String,
    number: u8,
    rest: String,
    year: Option<u16>,
    colour: Colour,
    place: Option<Place>,
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum Colour {
    Red,
    Green,
}

#[derive(Serialize, Deserialize)]
struct Place {
    city: Option<String>,
}

const INDEXES: [&str; 5] = [
    "hash(tags[]) where year > 1990 and colour = 'Green'",
    "sorted(-year) where not place.city is null",
    "key(year, number) where any(tags, it ^= 'a') or len(tags) = 0",
    "text(rest) where number in [0, 108, 255]",
    "late: hash(number) where year between 1927 and 2000",
];

/// Keys with bytes 0 and 1.
const LINES: &str = r#"{"name":"","number":255,"rest":"\u0000k","year":1991,"colour":"Green","place":{"city":"Oslo"},"tags":["a","b"]}
{"name":"\u0000","number":108,"rest":"","year":1927,"colour":"Red","place":{"city":null},"tags":["b"]}
{"name":"\u0001","number":0,"rest":"a \u0001","year":null,"colour":"Green","place":null,"tags":[]}
{"name":"\u0001\u0002","number":1,"rest":"Two Words","year":2001,"colour":"Green","place":{"city":""},"tags":["ab"]}
{"name":"\u0002","number":1,"rest":"words","year":1999,"colour":"Red","place":{"city":"Bern"},"tags":["c"]}"#;

const PUT: &str =
    r#"{"name":"\u0000","number":108,"rest":"","year":1992,"colour":"Green","place":{"city":"Rome"},"tags":["az"]}"#;

pub(super) async fn write(folder: &Path) {
    let producer = producer(folder).await;
    let declaration = Declaration::of_rust_type::<Film>("Film", &["name", "number", "rest"]).expect("a record type");
    let films = INDEXES[..4].iter().fold(declaration, |films, index| films.index(*index));
    let many = (0..120_u8).map(|n| {
        let (year, colour) = (1900 + u16::from(n), if n % 3 == 0 { "Green" } else { "Red" });
        let tags = if n % 2 == 0 { "b" } else { "c" };
        format!(r#"{{"name":"film {n}","number":{n},"rest":"part {n}","year":{year},"colour":"{colour}","tags":["{tags}"]}}"#)
    });
    let lines: Vec<String> = LINES.lines().map(str::to_owned).chain(many).collect();
    full(&producer, 1, |cycle| add(cycle, &films, &lines.join("\n"))).await;
    changes(&producer, 2, |cycle| Ok(cycle.add_index("Film", INDEXES[4])?)).await;
    changes(&producer, 3, |cycle| {
        put(cycle, "Film", PUT)?;
        delete(cycle, "Film", &[Part::Text("film 3"), Part::Int(3), Part::Text("part 3")])
    })
    .await;
    merge(&producer, 4).await;
}

pub(super) fn next_changes() -> Vec<Change> {
    let next = r#"{"name":"next","number":1,"rest":"","year":2000,"colour":"Red","tags":["NEXT"]}"#.to_owned();
    vec![Change {
        record_type: "Film",
        put: next.clone(),
        printed: next,
        replaced: None,
        delete: vec![Part::Text("film 4"), Part::Int(4), Part::Text("part 4")],
        deleted: r#"{"name":"film 4","number":4,"rest":"part 4","year":1904,"colour":"Red","tags":["b"]}"#.to_owned(),
    }]
}
