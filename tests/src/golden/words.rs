//! Texts of several scripts with text indexes of every option, one of which is added later.

use std::path::Path;

use kapok_producer::Declaration;
use serde::{Deserialize, Serialize};

use super::history::{Change, Part, add, changes, delete, full, merge, producer, put};

#[derive(Serialize, Deserialize)]
struct Entry {
    id: u32,
    title: Option<String>,
    tags: Vec<String>,
}

const INDEXES: [&str; 5] = [
    "text(title)",
    "plain: text(title) fold=none",
    "text(title) terms=whole",
    "text(tags[]) terms=words fold=full",
    "by_tag: text(tags[]) fold=none terms=whole",
];

/// Case, word boundaries, what folds to more characters, terms that are each other's beginnings, and long ones.
const LINES: &str = r#"{"id":1,"title":"The Straße and the STRASSE","tags":["a","b","a"]}
{"id":2,"title":"","tags":[""]}
{"id":3,"title":null,"tags":[]}
{"id":4,"title":"İstanbul'da ﬁne ΣΊΣΥΦΟΣ naïve nai\u0308ve","tags":["Star Wars","star wars"]}
{"id":5,"title":"3.14 can't e-mail snake_case a.b:c","tags":["東京タワー 日本","👍 ok"]}
{"id":6,"title":"star stars starry starring start","tags":["star","stars","start"]}
{"id":7,"title":"a\u0000b \u007f --","tags":["--"," "]}
{"id":8,"title":"pneumonoultramicroscopicsilicovolcanoconiosis pneumonoultramicroscopicsilicovolcanoconioses","tags":["pneumonoultramicroscopic"]}"#;

const PUT: &str = r#"{"id":4,"title":"Star","tags":["wars"]}
{"id":300,"title":"The ẞ end","tags":["ẞ"]}"#;

pub(super) async fn write(folder: &Path) {
    let producer = producer(folder).await;
    let declaration = Declaration::of_rust_type::<Entry>("Entry", &["id"]).expect("a record type");
    let entries = INDEXES[..4].iter().fold(declaration, |entries, index| entries.index(*index));
    // Several blocks, postings of several rows, and a word of 160 letters.
    let many = (9..200_u32).map(|id| {
        let title =
            format!("Number {id} of {} in a row{}", id % 7, if id == 100 { " ab".repeat(80) } else { String::new() });
        let long = if id == 150 { "xyzw".repeat(40) } else { format!("tag {}", id * 7919 % 10_000) };
        format!(r#"{{"id":{id},"title":"{title}","tags":["{long}"]}}"#)
    });
    let lines: Vec<String> = LINES.lines().map(str::to_owned).chain(many).collect();
    full(&producer, 1, |cycle| add(cycle, &entries, &lines.join("\n"))).await;
    changes(&producer, 2, |cycle| Ok(cycle.add_index("Entry", INDEXES[4])?)).await;
    changes(&producer, 3, |cycle| {
        put(cycle, "Entry", PUT)?;
        delete(cycle, "Entry", &[Part::Int(6)])
    })
    .await;
    merge(&producer, 4).await;
}

pub(super) fn next_changes() -> Vec<Change> {
    let next = r#"{"id":301,"title":"next","tags":["NEXT"]}"#.to_owned();
    vec![Change {
        record_type: "Entry",
        put: next.clone(),
        printed: next,
        replaced: None,
        delete: vec![Part::Int(2)],
        deleted: r#"{"id":2,"title":"","tags":[""]}"#.to_owned(),
    }]
}
