//! Mutated artifacts of every kind are refused, or answer with rows that there are; verifying finds what is wrong.

use std::thread;

use kapok_core::ErrorKind;
use kapok_samples::cases::run;
use kapok_samples::random::Random;

use crate::CASE_MAX;
use crate::ask::ask;
use crate::dataset::Dataset;
use crate::mutation::mutate;

/// Rows above which verifying is left out of most cases.
const ROWS_OF_FEW: u32 = 10_000;
/// Rows over which the postings of a hash index are Roaring bitmaps.
const ROWS_OF_LONG_POSTINGS: u32 = 70_000;

/// An index whose artifacts are mutated: makes its records, its text (empty for that of the primary key), and questions that
/// it answers.
type Mutated = (fn(u32, &str) -> Dataset, u32, &'static str, &'static [&'static str]);

const INDEXES: [Mutated; 15] = [
    (Dataset::films, 200, "", &["id = 300", "id in [0, 1, 3, 6]", "id between 9 and 300"]),
    (Dataset::kinds, 100, "", &["id = 7", "id < 20 and code ^= 't'"]),
    (Dataset::films, 200, "key(title)", &["title = 'film 0'", "title in ['film 0', 'film 435761']"]),
    (
        Dataset::films,
        64,
        "key(year, title)",
        &["year = 1927 and title = 'film 0'", "year in [1927, 1991] and title = 'film 435761'"],
    ),
    (Dataset::kinds, 120, "hash(u8)", &["u8 = 3 and flag", "u8 in [0, 200]", "u8 in [1, 2]"]),
    (Dataset::kinds, 120, "hash(texts[])", &["'a' in texts", "any(texts, it in ['', 'b', 'unnamed'])"]),
    (Dataset::kinds, 120, "hash(addresses[].city, addresses[].zip)", &["any(addresses, city = 'a' and zip = 0)"]),
    (Dataset::films, ROWS_OF_LONG_POSTINGS, "hash(year)", &["year = 1927", "year in [1990, 1991] and id < 9000"]),
    (Dataset::films, 200, "text(title)", &["title ~= 'film'", "title ~= 'fil*'", "title ~= 'fimn~1 4~2'"]),
    (Dataset::kinds, 120, "text(texts[]) terms=whole", &["'a' in texts", "any(texts, it ^= 'un')"]),
    (Dataset::kinds, 120, "sorted(u8) where not flag", &["u8 > 240 and not flag", "u8 = 200 and not flag"]),
    (Dataset::kinds, 120, "sorted(f64)", &["f64 between 1 and 9", "f64 > 0"]),
    (Dataset::kinds, 120, "sorted(-text, u8)", &["text = 'unnamed' and u8 > 200", "text ^= 'a'", "text < 'seven'"]),
    (
        Dataset::kinds,
        33,
        "sorted(address.city)",
        &["address.city ^= 'na'", "address.city >= 'a'", "address.city is null"],
    ),
    (Dataset::films, 200, "sorted(year, title)", &["year = 1927 and title > 'film 3'", "year >= 2000"]),
];

/// Returns the kind of an index by its text.
fn kind(index: &str) -> &str {
    index.split('(').next().filter(|kind| !kind.is_empty()).unwrap_or("unique")
}

#[test]
fn mutated_artifacts_are_refused_or_find_rows_that_there_are() {
    let mut kinds: Vec<&str> = INDEXES.iter().map(|(_, _, index, _)| kind(index)).collect();
    kinds.dedup();
    thread::scope(|scope| {
        for name in kinds {
            scope.spawn(move || mutate_kind(name));
        }
    });
}

/// Runs all cases of a kind, each with one of its indexes.
fn mutate_kind(name: &str) {
    let indexes = INDEXES.iter().filter(|(_, _, index, _)| kind(index) == name);
    let datasets: Vec<_> = indexes.map(|(make, rows, index, asked)| (make(*rows, index), *asked)).collect();
    run(name, CASE_MAX, |r, tally| {
        let (dataset, asked) = &datasets[r.below(datasets.len())];
        let mut bytes = dataset.honest().to_vec();
        mutate(&mut bytes, dataset.rows(), r);
        tally.count(case(dataset, asked, bytes, r));
    });
}

/// Says how it ended.
fn case(dataset: &Dataset, asked: &[&str], bytes: Vec<u8>, r: &mut Random) -> &'static str {
    let is_honest = bytes == **dataset.honest();
    let (view, verify) = match dataset.open(bytes) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!is_honest && error.kind() == ErrorKind::Corrupt, "{error}");
            return "refused on opening";
        }
    };
    let seed = r.next();
    let answers = ask(&view, dataset.position(), asked, &mut Random::new(seed));
    let has_errors = answers.contains(&None);
    if dataset.rows() > ROWS_OF_FEW && !r.one_in(64) {
        return if has_errors { "errors" } else { "answered" };
    }
    match verify(&view) {
        Ok(()) => {
            // Slots of a table may stand in another order, and find the same.
            let is_table = dataset.position() == 0;
            assert!(is_honest || is_table, "verify finds no difference");
            let (honest, _) = dataset.open(dataset.honest().to_vec()).unwrap();
            let expected = ask(&honest, dataset.position(), asked, &mut Random::new(seed));
            assert_eq!(answers, expected, "verified, and yet wrong");
            "as the honest one"
        }
        Err(error) => {
            assert!(!is_honest && error.kind() == ErrorKind::Corrupt, "{error}");
            if has_errors { "found by verify, errors before" } else { "found by verify" }
        }
    }
}

#[test]
fn honest_artifacts_are_asked_without_errors() {
    for (make, rows, index, asked) in INDEXES {
        let dataset = make(rows, index);
        let (view, verify) = dataset.open(dataset.honest().to_vec()).unwrap();
        let mut found = 0;
        for seed in 0..50 {
            let answers = ask(&view, dataset.position(), asked, &mut Random::new(seed));
            assert!(!answers.contains(&None), "{index}");
            found += answers.iter().flatten().map(Vec::len).sum::<usize>();
        }
        assert!(found > 50, "{index}: found={found}");
        verify(&view).unwrap();
        // The first question is answered by the index. With others it may cost more than a scan.
        let table = view.tables()[0].name();
        let explanation = view.query(table, asked[0]).unwrap().explain().unwrap();
        let name = view.indexes(table).unwrap()[dataset.position()].name();
        assert_eq!(explanation.segments[0].source, name, "{}: {explanation}", asked[0]);
    }
}
