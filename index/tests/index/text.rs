//! The text index gives the same answers as a naive reading of words, and refuses or survives hostile bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::ErrorKind;
use kapok_core::manifest::{Blob, BlobMap, IndexSpec};
use kapok_core::segment::{RowId, Segment, Sharing, Stage};
use kapok_index::query::{Expr, Query, field};
use kapok_index::text::Edits;
use kapok_index::{IndexSet, TextMatch, View};
use kapok_samples::dataset;
use kapok_samples::movies_capnp::movie;
use kapok_samples::random::Random;
use proptest::prelude::*;

use crate::indexed::{Dataset, Key, values};
mod hostile;

use crate::naive_words::{distance, fold, folded_words, plain_words};

/// Words and whole texts, with and without upper and lower case, through structs, groups, unions and lists.
const INDEXES: [&str; 9] = [
    "text(text)",
    "text(text) fold=none",
    "text(text) terms=whole",
    "text(text) fold=none terms=whole",
    "text(address.city)",
    "text(contact.email) terms=words",
    "text(texts[]) fold=full",
    "text(addresses[].city) terms=whole",
    "by_street: text(groups[][].street)",
];

/// What is asked for: terms and what nearly is one.
const ASKED: [&str; 18] = [
    "",
    "a",
    "A",
    "b",
    "te",
    "TEXT",
    "text 1",
    "naive",
    "NAÏVE ☃",
    "longer",
    "a longer",
    "long",
    "nul inside",
    "unnamed",
    "sevn77",
    "eight",
    "é",
    "no such term",
];

/// The terms of each live record, by the rules of an index.
struct Model {
    rows: Vec<(RowId, BTreeSet<String>)>,
    is_folded: bool,
    is_words: bool,
}

impl Model {
    fn of(view: &View, text: &str) -> Self {
        let spec: IndexSpec = text.parse().unwrap();
        let option = |name: &str| spec.options.get(name).map(String::as_str);
        let (is_folded, is_words) = (option("fold") != Some("none"), option("terms") != Some("whole"));
        let table = view.table("Kinds").unwrap();
        let terms = |text: &str| match (is_words, is_folded) {
            (true, true) => folded_words(text),
            (true, false) => plain_words(text),
            (false, true) => vec![fold(text)],
            (false, false) => vec![text.to_owned()],
        };
        let rows = table.row_ids().map(|row_id| {
            let mut all = BTreeSet::new();
            for (_, value) in values(table.record(row_id).unwrap(), &spec.fields[0]) {
                if let Key::Text(text) = value {
                    all.extend(terms(std::str::from_utf8(&text).unwrap()));
                }
            }
            (row_id, all)
        });
        Self { rows: rows.collect(), is_folded, is_words }
    }

    fn folded(&self, text: &str) -> String {
        if self.is_folded { fold(text) } else { text.to_owned() }
    }

    fn with(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<RowId> {
        self.all_with(&[&is_wanted])
    }

    fn all_with(&self, wanted: &[&dyn Fn(&str) -> bool]) -> Vec<RowId> {
        let has = |terms: &BTreeSet<String>| wanted.iter().all(|one| terms.iter().any(|term| one(term)));
        self.rows.iter().filter(|(_, terms)| has(terms)).map(|(row_id, _)| *row_id).collect()
    }
}

#[test]
fn every_index_answers_as_a_naive_reading_does() {
    let mut r = Random::new(41);
    for sizes in [&[1][..], &[150, 40, 30], &[60, 1, 60, 10]] {
        let dataset = Dataset::random(&INDEXES, &mut r, sizes);
        let view = dataset.open();
        view.verify_new(&dataset.blobs, |_| true).unwrap();
        for name in INDEXES {
            let (model, name) = (Model::of(&view, name), name.split(':').next().unwrap());
            let lookup = view.text_lookup("Kinds", name).unwrap();
            let of_data: Vec<String> = model.rows.iter().flat_map(|(_, terms)| terms.iter().take(1).cloned()).collect();
            for asked in ASKED.iter().copied().chain(of_data.iter().step_by(9).map(String::as_str)) {
                let term = model.folded(asked);
                let find = |wanted| {
                    let found = lookup.find(wanted).unwrap();
                    assert_eq!(lookup.count(wanted).unwrap(), found.len() as u64, "{name} {wanted:?}");
                    found
                };
                assert_eq!(find(TextMatch::Exact(asked)), model.with(|it| it == term), "{name} {asked:?}");
                assert_eq!(find(TextMatch::Prefix(asked)), model.with(|it| it.starts_with(&term)), "{name} {asked:?}");
                for (edits, most) in [(Edits::One, 1), (Edits::Two, 2)] {
                    let expected = model.with(|it| distance(it, &term) <= most);
                    assert_eq!(find(TextMatch::Fuzzy(asked, edits)), expected, "{name} {asked:?} {most}");
                }
                suggestions(&lookup, &model, asked);
                if !model.is_words {
                    let error = lookup.find(TextMatch::Words(asked)).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Invalid);
                    continue;
                }
                let words = if model.is_folded { folded_words(asked) } else { plain_words(asked) };
                let equal: Vec<_> = words.iter().map(|word| move |it: &str| it == word).collect();
                let equal: Vec<&dyn Fn(&str) -> bool> = equal.iter().map(|it| it as &dyn Fn(&str) -> bool).collect();
                let nothing = Vec::new();
                let expected = if words.is_empty() { nothing.clone() } else { model.all_with(&equal) };
                assert_eq!(find(TextMatch::Words(asked)), expected, "{name} {asked:?}");
                let typed = format!("{asked} ");
                assert_eq!(find(TextMatch::Typed(&typed)), expected, "{name} {typed:?}");
                let Some(last) = words.last() else { continue };
                let begins = |it: &str| it.starts_with(last);
                let mut open = equal.clone();
                open.pop();
                open.push(&begins);
                assert_eq!(find(TextMatch::Typed(asked)), model.all_with(&open), "{name} {asked:?}");
            }
        }
    }
}

fn suggestions(lookup: &kapok_index::TextLookup<'_>, model: &Model, prefix: &str) {
    let folded = model.folded(prefix);
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for term in model.rows.iter().flat_map(|(_, terms)| terms).filter(|term| term.starts_with(&folded)) {
        *all.entry(term).or_default() += 1;
    }
    for count in [0, 1, 3, 1000] {
        let found = lookup.terms(prefix, count).unwrap();
        let found: Vec<_> = found.iter().map(|term| (term.text.as_str(), term.records)).collect();
        let expected: Vec<_> = all.iter().take(count).map(|(term, records)| (*term, *records)).collect();
        assert_eq!(found, expected, "{prefix:?}");
    }
}

#[test]
fn indexes_of_other_fields_and_options_are_refused() {
    let dataset = Dataset::random(&[], &mut Random::new(3), &[3]);
    let view = dataset.open();
    let table = view.table("Kinds").unwrap();
    let declare = |text: &str| {
        let spec = text.parse::<IndexSpec>().unwrap();
        kapok_index::Index::declare(table.schema(), table.struct_type(), &spec).map(drop)
    };
    for text in [
        "text(u8)",
        "text(data)",
        "text(text, code)",
        "text(text) terms=letters",
        "text(text) fold=no",
        "text(text) a=b",
    ] {
        assert_eq!(declare(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
    }
    for text in INDEXES {
        declare(text).unwrap();
    }
    assert!(declare("hash(text) terms=whole").is_err());
    let error = view.text_lookup("Kinds", "text(text)").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn changed_bytes_are_found_by_verify_and_never_lead_out_of_the_segment() {
    let dataset = Dataset::random(&INDEXES, &mut Random::new(43), &[120, 1]);
    for name in ["text(texts[]) fold=full", "text(text) terms=whole"] {
        dataset.flip_bits_of(name, |view| {
            let (lookup, table) = (view.text_lookup("Kinds", name).unwrap(), view.table("Kinds").unwrap());
            for asked in ASKED {
                for wanted in [
                    TextMatch::Exact(asked),
                    TextMatch::Prefix(asked),
                    TextMatch::Fuzzy(asked, Edits::One),
                    TextMatch::Fuzzy(asked, Edits::Two),
                    TextMatch::Typed(asked),
                ] {
                    for row_id in lookup.find(wanted).unwrap_or_default() {
                        table.record(row_id).unwrap();
                    }
                }
                _ = lookup.terms(asked, 5);
            }
        });
    }
}

/// Films of these titles, whose genres are the words of the next title, with indexes.
fn films(titles: &[String], indexes: &[&str]) -> View {
    let encoding = dataset::encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    for (id, title) in (0..).zip(titles) {
        let mut message = capnp::message::Builder::new_default();
        let mut film: movie::Builder<'_> = message.init_root();
        film.set_id(id);
        film.set_title(title.as_str());
        let genres: Vec<&str> = titles[(id as usize + 1) % titles.len()].split(' ').collect();
        let mut list = film.init_genres(u32::try_from(genres.len()).unwrap());
        (0..).zip(genres).for_each(|(at, genre)| list.set(at, genre));
        dataset::add(&mut stage, message.get_segments_for_output()[0]);
    }
    let sealed = dataset::seal(stage, None).pop().unwrap();
    let mut manifest = dataset::manifest(&encoding, vec![sealed.entry(Sharing::Shared)]);
    let specs = indexes.iter().map(|text| IndexSpec { revision: 1, ..text.parse().unwrap() });
    let mut specs: Vec<IndexSpec> = specs.collect();
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    let ty = &mut manifest.record_types[0];
    ty.indexes = specs;
    let set = IndexSet::new(encoding.schema(), ty).unwrap();
    let bytes = Bytes::from(sealed.bytes);
    let segment = Segment::open("films", bytes.clone(), sealed.rows).unwrap();
    let mut blobs = BlobMap::new();
    blobs.insert(sealed.id, Blob { name: Arc::from("films"), bytes });
    for built in set.build_lacking(&segment, &ty.segments[0], &[]).unwrap() {
        blobs.insert(built.artifact.id, Blob { name: Arc::from("index"), bytes: built.bytes });
        ty.segments[0].artifacts.push(built.artifact);
    }
    View::open(Arc::new(manifest), &blobs).unwrap()
}

/// Pieces whose case, words and edits are told apart with care.
const PIECES: [&str; 30] = [
    "a", "b", "A", "B", "ß", "ss", "SS", "ẞ", "İ", "i", "I", "ı", "ﬁ", "Σ", "ς", "σ", "é", "e\u{301}", "1", "23", "-",
    "'", ".", "_", " ", " ", "東", "ア", "👍", "\u{345}",
];

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(0..PIECES.len(), 0..9).prop_map(|all| all.into_iter().map(|at| PIECES[at]).collect())
}

/// Asks a query with the index, where it is cheaper, and without. Returns whether the index was asked.
fn ask(view: &View, index: &str, expr: &Expr) -> Result<bool, TestCaseError> {
    // So dear that the index is asked.
    let dear = (!field("title").matches("nosuchword")).and(!field("title").matches("northis"));
    let expr = expr.clone().and(dear);
    let indexed = Query::bind(view, "Movie", &expr).unwrap().rows().unwrap();
    let scanned = Query::bind_table(view.table("Movie").unwrap(), &expr).unwrap().rows().unwrap();
    prop_assert_eq!(indexed.row_ids().unwrap(), scanned.row_ids().unwrap(), "{} {}", index, expr);
    let source = indexed.explain().unwrap().segments[0].source.clone();
    prop_assert!(source == index || source == "scan", "{} {}", source, expr);
    Ok(source == index)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn conditions_on_texts_of_any_script_are_the_same_by_index_and_by_scan(
        titles in prop::collection::vec(text(), 1..60), asked in prop::collection::vec(text(), 1..5),
    ) {
        for index in [
            "text(title)", "text(title) fold=none", "text(title) terms=whole", "text(title) fold=none terms=whole", "text(genres[])",
            "text(genres[]) terms=whole", "text(genres[]) fold=none terms=whole",
        ] {
            let view = films(&titles, &[index]);
            for (at, asked) in asked.iter().chain(titles.iter().take(4)).enumerate() {
                let other = titles[at % titles.len()].as_str();
                let patterns = [asked.clone(), format!("{asked}*"), format!("{asked}~1"), format!("{asked}~2"), format!("{asked} {other}*")];
                for pattern in &patterns {
                    let (title, it) = (field("title").matches(pattern.as_str()), field("it").matches(pattern.as_str()));
                    let has_words = !folded_words(pattern.trim_end_matches("~1").trim_end_matches("~2")).is_empty();
                    let is_asked = ask(&view, index, &title)?;
                    prop_assert!(is_asked == (index == "text(title)" && has_words) || titles.len() < 4, "{}", pattern);
                    ask(&view, index, &!title)?;
                    ask(&view, index, &field("genres").any(it.clone()))?;
                    ask(&view, index, &field("genres").all(it))?;
                }
                let prefix: String = asked.chars().take(2).collect();
                ask(&view, index, &field("title").eq(asked.as_str()))?;
                ask(&view, index, &field("title").starts_with(prefix.as_str()))?;
                ask(&view, index, &field("title").is_in([asked.as_str(), other]))?;
                ask(&view, index, &field("genres").has(asked.as_str()))?;
                let it = || field("it");
                let both = it().starts_with(prefix.as_str()).and(it().matches(asked.as_str()));
                ask(&view, index, &field("genres").any(both))?;
                ask(&view, index, &field("genres").any(it().is_in([prefix.as_str(), other])))?;
            }
        }
    }
}

/// Few in everyday tests; more by an environment variable.
fn cases() -> u32 {
    std::env::var("KAPOK_QUERY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(16)
}
