//! Filters keep what is found, however few rows they leave, and wherever these are.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_hnsw::{CodeKind, RowSet, Strategy};
use kapok_samples::random::Random;

use crate::sample::{Built, Sample, distance, search, wanted};

const ROWS: u32 = 12_000;
const CENTRES: usize = 12;
const SHARES: [f64; 6] = [0.001, 0.01, 0.1, 0.3, 0.5, 0.9];

fn built(kind: Option<CodeKind>) -> Built {
    Built::new(Sample::clustered(ElementType::Float32, Metric::L2, ROWS as usize, 32, CENTRES), kind)
}

#[test]
fn random_filters_keep_recall() {
    for kind in [None, Some(CodeKind::Sq8), Some(CodeKind::Sq4)] {
        let built = built(kind);
        let queries = built.queries(CENTRES, 60);
        for share in SHARES {
            let mut r = Random::new(3);
            let some = (0..ROWS).filter(|_| (r.below(10_000) as f64) < share * 10_000.0);
            let allowed = RowSet::of(ROWS, some);
            let recall = built.recall(&queries, &wanted(10, 64), Some(&allowed), |_| {});
            println!("random {kind:?} {share}: {recall}");
            assert!(recall >= 0.95, "{kind:?} share={share}: {recall}");
        }
    }
}

/// The rows whose distance from a vector is among the least or the greatest, of which there are a share.
fn by_distance(built: &Built, from: &[f32], share: f64, is_near: bool) -> RowSet {
    let mut rows: Vec<(f64, u32)> =
        (0..ROWS).map(|row| (distance(Metric::L2, from, &built.sample.numbers(row)), row)).collect();
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    if !is_near {
        rows.reverse();
    }
    let count = (f64::from(ROWS) * share) as usize;
    RowSet::of(ROWS, rows[..count].iter().map(|(_, row)| *row))
}

#[test]
fn filters_that_go_with_the_query_or_against_it_keep_recall() {
    for kind in [None, Some(CodeKind::Sq8)] {
        let built = built(kind);
        let queries = built.queries(CENTRES, 12);
        for share in SHARES {
            for is_near in [true, false] {
                let recalls = queries.iter().map(|query| {
                    let allowed = by_distance(&built, query, share, is_near);
                    built.recall(std::slice::from_ref(query), &wanted(10, 64), Some(&allowed), |_| {})
                });
                let recall = recalls.sum::<f64>() / queries.len() as f64;
                println!("{kind:?} share={share} near={is_near}: {recall}");
                // Around a large hole, what is nearest lies in several clusters, of which a walk may miss one.
                let floor = if share > 0.5 && !is_near { 0.9 } else { 0.95 };
                assert!(recall >= floor, "{kind:?} share={share} near={is_near}: {recall}");
            }
        }
    }
}

#[test]
fn a_filter_with_fewer_rows_than_are_wanted_gives_them_all() {
    for kind in [None, Some(CodeKind::Sq8), Some(CodeKind::Sq4)] {
        let built = built(kind);
        let searched = built.search();
        let mut r = Random::new(9);
        for query in built.queries(CENTRES, 8) {
            let prepared = searched.vectors.query(&query).unwrap();
            for count in [0, 1, 7, 260, 400, 3000] {
                let allowed = RowSet::of(ROWS, (0..count).map(|_| r.below(ROWS as usize) as u32));
                let found = search(&searched, &prepared, &wanted(count + 1, 40), Some(&allowed));
                let mut rows: Vec<u32> = found.iter().map(|found| found.row).collect();
                rows.sort_unstable();
                assert_eq!(rows, allowed.iter().collect::<Vec<_>>(), "{kind:?} count={count}");
            }
        }
    }
}

#[test]
fn strategies_go_by_the_share_that_is_allowed() {
    let built = built(Some(CodeKind::Sq8));
    let queries = built.queries(CENTRES, 3);
    for (step, expected) in [
        (1, Strategy::Walk),
        (2, Strategy::Walk),
        (4, Strategy::TwoHops),
        (20, Strategy::Codes),
        (100, Strategy::Exact),
    ] {
        let allowed = RowSet::of(ROWS, (0..ROWS).step_by(step));
        built.recall(&queries, &wanted(10, 30), Some(&allowed), |strategy| assert_eq!(strategy, expected, "{step}"));
    }
}
