//! Graphs and codes of any bytes are refused, or find rows that may be found; nothing panics or hangs.
//!
//! `KAPOK_FUZZ_ITERATIONS` sets the number of cases, `KAPOK_FUZZ_CASE` runs one.
#![allow(clippy::cast_possible_truncation, reason = "random values")]

use std::time::Duration;

use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_core::{ErrorKind, Result};
use kapok_hnsw::{CodeKind, Codes, Graph, RowSet, Scratch, Search, Wanted};
use kapok_samples::cases::run;
use kapok_samples::random::Random;

use crate::sample::{SETTINGS, Sample, order};

const ROWS: u32 = 700;
const CASE_MAX: Duration = Duration::from_secs(1);

/// Changes, cuts or extends bytes in one to four ways.
fn mutate(bytes: &mut Vec<u8>, r: &mut Random) {
    for _ in 0..=r.below(4) {
        if bytes.len() < 8 {
            bytes.resize(r.below(300), 0xff);
            continue;
        }
        // The head, or anywhere, mostly whole words.
        let from = if r.one_in(6) { r.below(bytes.len().min(128)) } else { r.below(bytes.len()) };
        let from = if r.one_in(8) { from } else { from / 4 * 4 }.min(bytes.len() - 4);
        match r.below(8) {
            0 => bytes[from] ^= 1 << r.below(8),
            1 | 2 => {
                let rows = u64::from(ROWS);
                let some = [0, 1, rows - 1, rows, rows + 1, 1 << 31, u64::from(u32::MAX), 0x7fc0_0000, 0x7f80_0000];
                let number = if r.one_in(3) { r.next() >> r.below(64) } else { some[r.below(some.len())] };
                bytes[from..from + 4].copy_from_slice(&number.to_le_bytes()[..4]);
            }
            3 => {
                let end = (from + r.below(4000)).min(bytes.len());
                let byte = [0, 0xff, 0x80, 0x7f, r.next() as u8][r.below(5)];
                bytes[from..end].fill(byte);
            }
            4 => {
                let len = (4 << r.below(8)).min(bytes.len() - from);
                let to = r.below(bytes.len() - len + 1);
                bytes.copy_within(from..from + len, to);
            }
            5 => {
                let end = (from + 4 * r.below(2000)).min(bytes.len());
                let link = (r.below(ROWS as usize) as u32).to_le_bytes();
                bytes[from..end].as_chunks_mut().0.fill(link);
            }
            6 => {
                let unit = [1, 4, 64, 128][r.below(4)];
                let less = (unit * r.below(6)).min(bytes.len());
                let len = if r.one_in(2) { bytes.len() - less } else { bytes.len() + less };
                bytes.resize(len, [0, 0xff][r.below(2)]);
            }
            _ => {
                for _ in 0..r.below(200) {
                    let at = r.below(bytes.len());
                    bytes[at] = r.next() as u8;
                }
            }
        }
    }
}

#[track_caller]
fn check<T>(result: Result<T>) -> Option<T> {
    if let Err(error) = &result {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    result.ok()
}

#[test]
fn mutated_graphs_and_codes_are_refused_or_find_rows_that_may_be_found() {
    let dimension = 12;
    let float = ElementType::Float32;
    let metrics = [Metric::L2, Metric::Cosine, Metric::InnerProduct];
    let mut honest = Vec::new();
    for metric in metrics {
        for kind in CodeKind::ALL {
            let sample = Sample::clustered(float, metric, ROWS as usize, dimension, 6);
            let codes = sample.codes(kind);
            // Some rows are in no order, as if they had no vector.
            let order = order((0..ROWS).filter(|row| row % 11 != 4));
            let graph = sample.build(Some(&sample.open_codes(kind, &codes)), &order, 2);
            honest.push((sample, kind, codes, order, graph));
        }
    }
    run("graphs and codes", CASE_MAX, |r, tally| {
        let (sample, kind, codes, order, graph) = &honest[r.below(honest.len())];
        let (mut codes, mut graph) = (codes.clone(), graph.clone());
        let what = r.below(3);
        if what != 0 {
            mutate(&mut graph, r);
        }
        if what != 1 {
            mutate(&mut codes, r);
        }
        let opened = Codes::open("codes", 64, &codes, *kind, sample.metric, dimension as u32, ROWS);
        let codes = check(opened);
        let graph = check(Graph::open("graph", 64, &graph, ROWS));
        tally.count(match (&codes, &graph) {
            (None, None) => "both refused",
            (None, _) => "codes refused",
            (_, None) => "graph refused",
            _ => "opened",
        });
        if let Some(graph) = &graph {
            if check(graph.verify("graph", 64, order, &SETTINGS)).is_none() {
                tally.count("found by verify");
            }
            assert!(graph.statistics().reachable <= ROWS);
        }
        let codes = codes.filter(|_| !r.one_in(4));
        let search = Search { vectors: sample.vectors(), codes, graph };
        let mut scratch = Scratch::default();
        for _ in 0..4 {
            let step = [1, 1, 2, 3, 7, 100][r.below(6)];
            let allowed = RowSet::of(ROWS, (0..ROWS).filter(|row| row % step == 0));
            let allowed = Some(&allowed).filter(|_| !r.one_in(3));
            let k = [0, 1, 10, ROWS as usize + 5, usize::MAX][r.below(5)];
            let wanted = Wanted { k, ef: [0, 12, 30, 400, usize::MAX][r.below(5)], is_exact: r.one_in(9) };
            let query = search.vectors.query_of_row(r.below(ROWS as usize) as u32);
            let (found, _) = search.nearest(&mut scratch, &query, &wanted, allowed, &|| false).unwrap();
            assert!(found.len() <= k.min(ROWS as usize));
            let is_allowed = |row| row < ROWS && allowed.is_none_or(|allowed| allowed.contains(row));
            assert!(found.iter().all(|found| is_allowed(found.row)), "{found:?}");
            assert!(found.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)), "{found:?}");
            // Whatever led to a row, its distance is that of its vector.
            for found in found.iter().take(3) {
                let mut measured = [0.0];
                kapok_hnsw::Points::measure(&search.vectors, &query, &[found.row], &mut measured);
                assert_eq!(search.vectors.distance(measured[0]).to_bits(), found.distance.to_bits());
            }
        }
    });
}
