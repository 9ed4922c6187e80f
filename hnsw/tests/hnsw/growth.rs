//! A graph that is grown from another is as good as a fresh one.

use std::cell::Cell;

use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_hnsw::{CodeKind, Codes, Graph, Order, Seed};
use kapok_samples::random::Random;

use crate::sample::{Built, SETTINGS, Sample, clustered, order, threads, wanted};

const TAG: [u8; 16] = [7; 16];

/// A sample of which an older one has some rows at other places, and others that are dropped.
struct History {
    sample: Sample,
    /// For each row of the older sample, where it went.
    moved: Vec<Option<u32>>,
    older: Sample,
}

/// `dropped`: one in so many rows of the older sample; `added`: rows that the new one has beside.
fn history(rows: usize, dropped: impl Fn(usize) -> bool, added: usize, metric: Metric) -> History {
    let old = clustered(rows, 24, 15, 1);
    let more = clustered(added, 24, 15, 2);
    let (mut new, mut moved) = (Vec::new(), vec![None; rows]);
    let mut more = more.into_iter();
    for (at, vector) in old.iter().enumerate() {
        if at % (rows / added.max(1)).max(1) == 0 {
            new.extend(more.next());
        }
        if !dropped(at) {
            moved[at] = Some(u32::try_from(new.len()).unwrap());
            new.push(vector.clone());
        }
    }
    new.extend(more);
    let sample = |vectors: &[Vec<f32>]| Sample::of(ElementType::Float32, metric, vectors);
    History { sample: sample(&new), moved, older: sample(&old) }
}

/// Keys of rows that moved stay.
fn orders(history: &History) -> (Order, Order) {
    let mut hashes: Vec<u64> = (0..history.sample.rows).map(|row| Random::new(u64::from(row) + 77).next()).collect();
    let mut old = Vec::new();
    for (row, moved) in (0..).zip(&history.moved) {
        let hash = Random::new(row + 1_000_000).next();
        old.push((hash, u32::try_from(row).unwrap()));
        if let Some(moved) = moved {
            hashes[*moved as usize] = hash;
        }
    }
    (Order::new(old, SETTINGS.m), Order::new(hashes.into_iter().zip(0..), SETTINGS.m))
}

fn build(sample: &Sample, codes: Option<&Codes<'_>>, order: &Order, seed: Option<&Seed<'_>>, on: usize) -> Vec<u8> {
    let told = Cell::new(0);
    let mut progress = |count| {
        assert!(count > told.get());
        told.set(count);
    };
    let body = match codes {
        Some(codes) => kapok_hnsw::build(codes, order, &SETTINGS, seed, threads(on), &mut progress),
        None => kapok_hnsw::build(&sample.vectors(), order, &SETTINGS, seed, threads(on), &mut progress),
    };
    assert!(told.get() == order.rows().len() || order.rows().len() < 2 || seed.is_some(), "told {}", told.get());
    body
}

#[track_caller]
fn assert_as_good(history: &History, kind: Option<CodeKind>) {
    let (old_order, new_order) = orders(history);
    let old_codes = kind.map(|kind| history.older.codes(kind));
    let old_codes = kind.zip(old_codes.as_ref()).map(|(kind, body)| history.older.open_codes(kind, body));
    let old = build(&history.older, old_codes.as_ref(), &old_order, None, 2);
    let graph = Graph::open("old", 0, &old, history.older.rows).unwrap();
    graph.verify("old", 0, &old_order, &SETTINGS).unwrap();
    let seed = Seed { graph, rows: &history.moved, tag: TAG };
    let sample = &history.sample;
    let body = kind.map(|kind| sample.codes(kind));
    let codes = kind.zip(body.as_ref()).map(|(kind, body)| sample.open_codes(kind, body));
    let grown = build(sample, codes.as_ref(), &new_order, Some(&seed), 1);
    assert_eq!(build(sample, codes.as_ref(), &new_order, Some(&seed), 5), grown, "as many threads as there are");
    let fresh = build(sample, codes.as_ref(), &new_order, None, 2);
    let opened = Graph::open("grown", 0, &grown, sample.rows).unwrap();
    opened.verify("grown", 0, &new_order, &SETTINGS).unwrap();
    assert_eq!(opened.seed(), TAG);
    let queries = clustered(100, 24, 15, 99);
    let recall = |graph: &[u8]| {
        let search = kapok_hnsw::Search {
            vectors: sample.vectors(),
            codes,
            graph: Some(Graph::open("graph", 0, graph, sample.rows).unwrap()),
        };
        let found = queries.iter().map(|query| {
            let nearest = sample.naive(query, 10, |_| true);
            let prepared = search.vectors.query(query).unwrap();
            let found = crate::sample::search(&search, &prepared, &wanted(10, 40), None);
            let farthest = nearest[9].0 + 1e-5;
            found.iter().filter(|found| f64::from(found.distance) <= farthest).count()
        });
        found.sum::<usize>()
    };
    let (of_grown, of_fresh) = (recall(&grown), recall(&fresh));
    println!("grown={of_grown} fresh={of_fresh} of 1000");
    assert!(of_grown + 20 >= of_fresh && of_fresh > 900, "grown={of_grown} fresh={of_fresh}");
}

#[test]
fn a_grown_graph_is_as_good_as_a_fresh_one() {
    for kind in [None, Some(CodeKind::Sq8), Some(CodeKind::Sq4)] {
        assert_as_good(&history(3000, |_| false, 0, Metric::L2), kind);
        assert_as_good(&history(3000, |_| false, 300, Metric::L2), kind);
        assert_as_good(&history(3000, |row| row % 20 == 0, 150, Metric::L2), kind);
        assert_as_good(&history(3000, |row| row % 2 == 0, 20, Metric::Cosine), kind);
        // All of one neighbourhood, the first rows by key, and nearly all.
        assert_as_good(&history(4000, |row| row < 2000, 400, Metric::L2), kind);
        assert_as_good(&history(3000, |row| row % 10 != 0, 1500, Metric::InnerProduct), kind);
    }
}

#[test]
fn a_graph_grows_from_one_of_no_rows_or_of_none_that_stay() {
    for (rows, dropped) in [(0, false), (1, true), (1, false), (500, true)] {
        assert_as_good(&history(rows, |_| dropped, 2000, Metric::L2), None);
    }
    // And to none.
    let history = history(300, |_| true, 0, Metric::L2);
    let (old_order, new_order) = orders(&history);
    let old = build(&history.older, None, &old_order, None, 2);
    let seed = Seed { graph: Graph::open("old", 0, &old, 300).unwrap(), rows: &history.moved, tag: TAG };
    let grown = build(&history.sample, None, &new_order, Some(&seed), 2);
    Graph::open("grown", 0, &grown, 0).unwrap().verify("grown", 0, &new_order, &SETTINGS).unwrap();
}

#[test]
fn a_graph_that_is_grown_from_a_damaged_one_is_whole() {
    let history = history(1200, |row| row % 9 == 0, 100, Metric::L2);
    let (old_order, new_order) = orders(&history);
    let old = build(&history.older, None, &old_order, None, 2);
    let mut r = Random::new(1);
    for damaged in 1..40 {
        let mut bytes = old.clone();
        for _ in 0..damaged * damaged {
            // Behind the head: links of all levels, and the rows of ranks.
            let at = 32 + r.below(bytes.len() / 4 - 32);
            let link = [r.next() & 0xffff_ffff, r.below(1200) as u64, (at as u64 - 32) / 32][r.below(3)];
            bytes[4 * at..4 * at + 4].copy_from_slice(&link.to_le_bytes()[..4]);
        }
        let Ok(graph) = Graph::open("old", 0, &bytes, 1200) else { continue };
        let seed = Seed { graph, rows: &history.moved, tag: TAG };
        let grown = build(&history.sample, None, &new_order, Some(&seed), 2);
        let opened = Graph::open("grown", 0, &grown, history.sample.rows).unwrap();
        opened.verify("grown", 0, &new_order, &SETTINGS).unwrap();
    }
}

#[test]
fn the_order_alone_makes_levels() {
    let built = Built::new(Sample::clustered(ElementType::Float32, Metric::L2, 3000, 8, 3), None);
    let counts = built.search().graph.unwrap().statistics().levels;
    assert_eq!(counts, order(0..3000).counts());
    assert!(counts.len() == 2 || counts.len() == 3, "{counts:?}");
    assert!((120..260).contains(&counts[0]), "{counts:?}");
}
