//! Walks find nearly all of what is nearest, for each metric, element and kind of codes.

use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_hnsw::{CodeKind, Strategy};
use kapok_samples::random::Random;

use crate::exactness::PAIRS;
use crate::sample::{Built, Sample, clustered, wanted};

const ROWS: usize = 3000;
const CENTRES: usize = 20;

fn recall(built: &Built, k: usize) -> f64 {
    let queries = built.queries(CENTRES, 100);
    built.recall(&queries, &wanted(k, 60 + k), None, |strategy| assert_eq!(strategy, Strategy::Walk))
}

#[test]
fn walks_find_nearly_all_that_is_nearest() {
    for (element, metric) in PAIRS {
        // Bits are few, and many rows at one distance.
        let dimension = if element == ElementType::Bit { 256 } else { 40 };
        for kind in [None, Some(CodeKind::Sq8), Some(CodeKind::Sq4)] {
            if kind.is_some() && !element.is_float() && element != ElementType::Int8 {
                continue;
            }
            let built = Built::new(Sample::clustered(element, metric, ROWS, dimension, CENTRES), kind);
            for k in [1, 10, 50] {
                let recall = recall(&built, k);
                println!("{element} {metric:?} {kind:?} k={k}: {recall}");
                // Where no number is negative, those of the longest vectors are nearest to all.
                let floor = if (element, metric) == (ElementType::UInt8, Metric::InnerProduct) { 0.85 } else { 0.95 };
                assert!(recall >= floor, "{element} {metric:?} {kind:?} k={k}: {recall}");
            }
        }
    }
}

#[test]
fn inner_products_are_found_among_lengths_that_differ_tenfold() {
    let mut r = Random::new(5);
    let mut vectors = clustered(ROWS, 40, CENTRES, 1);
    for vector in &mut vectors {
        let length = [1.0, 1.5, 2.5, 4.0, 6.5, 10.0][r.below(6)];
        for x in vector {
            *x *= length;
        }
    }
    for kind in [None, Some(CodeKind::Sq8), Some(CodeKind::Sq4)] {
        let sample = Sample::of(ElementType::Float32, Metric::InnerProduct, &vectors);
        let recall = recall(&Built::new(sample, kind), 10);
        println!("{kind:?}: {recall}");
        assert!(recall >= 0.93, "{kind:?}: {recall}");
    }
}

#[test]
fn more_candidates_find_more() {
    let sample = Sample::clustered(ElementType::Float32, Metric::L2, ROWS, 64, 1);
    let built = Built::new(sample, Some(CodeKind::Sq8));
    let queries = built.queries(1, 60);
    let recalls: Vec<f64> =
        [10, 30, 120].iter().map(|ef| built.recall(&queries, &wanted(10, *ef), None, |_| {})).collect();
    assert!(recalls[0] < recalls[1] && recalls[1] < recalls[2] && recalls[2] > 0.95, "{recalls:?}");
}
