//! Exact searches find what a naive reading in 64 bits finds, at any number wanted.
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]

use kapok_core::ErrorKind;
use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_distance::{Element, Kernels};
use kapok_hnsw::{CodeKind, Codes, Graph, RowSet, Scratch, Search, Strategy, Vectors, Wanted};
use kapok_samples::random::Random;

use crate::sample::{Built, EXACT, SETTINGS, Sample, order, search, wanted};

pub const PAIRS: [(ElementType, Metric); 16] = [
    (ElementType::Float32, Metric::L2),
    (ElementType::Float32, Metric::Cosine),
    (ElementType::Float32, Metric::InnerProduct),
    (ElementType::Float16, Metric::L2),
    (ElementType::Float16, Metric::Cosine),
    (ElementType::Float16, Metric::InnerProduct),
    (ElementType::BFloat16, Metric::L2),
    (ElementType::BFloat16, Metric::Cosine),
    (ElementType::BFloat16, Metric::InnerProduct),
    (ElementType::Int8, Metric::L2),
    (ElementType::Int8, Metric::Cosine),
    (ElementType::Int8, Metric::InnerProduct),
    (ElementType::UInt8, Metric::L2),
    (ElementType::UInt8, Metric::Cosine),
    (ElementType::UInt8, Metric::InnerProduct),
    (ElementType::Bit, Metric::Hamming),
];

fn exactly(vectors: Vectors<'_>) -> Search<'_> {
    Search { vectors, codes: None, graph: None }
}

fn named(metric: Metric, element: ElementType) -> (kapok_distance::Metric, Element) {
    let metric = match metric {
        Metric::L2 => kapok_distance::Metric::L2,
        Metric::Cosine => kapok_distance::Metric::Cosine,
        Metric::InnerProduct => kapok_distance::Metric::Dot,
        _ => kapok_distance::Metric::Hamming,
    };
    let element = match element {
        ElementType::Float32 => Element::F32,
        ElementType::Float16 => Element::F16,
        ElementType::BFloat16 => Element::Bf16,
        ElementType::Int8 => Element::I8,
        ElementType::UInt8 => Element::U8,
        _ => Element::Bit,
    };
    (metric, element)
}

#[test]
fn an_exact_search_finds_what_a_naive_one_in_64_bits_does() {
    for (element, metric) in PAIRS {
        for (rows, dimension) in [(1, 8), (70, 8), (1100, 48), (300, 264)] {
            let sample = Sample::clustered(element, metric, rows, dimension, 5);
            let searched = exactly(sample.vectors());
            let mut r = Random::new(7);
            for k in [1, 10, 65, 5000] {
                let from = r.below(rows) as u32;
                let query = sample.numbers(from);
                let some = RowSet::of(sample.rows, (0..sample.rows).filter(|_| r.one_in(3)));
                for allowed in [None, Some(&some)] {
                    let naive = sample.naive(&query, k, |row| allowed.is_none_or(|some| some.contains(row)));
                    let prepared = searched.vectors.query(&query).unwrap();
                    let found = search(&searched, &prepared, &Wanted { k, ..EXACT }, allowed);
                    assert_eq!(found.len(), naive.len());
                    let scale = naive.iter().fold(1.0_f64, |most, (distance, _)| most.max(distance.abs()));
                    for (found, (distance, _)) in found.iter().zip(&naive) {
                        let own = crate::sample::distance(metric, &query, &sample.numbers(found.row));
                        let near = |a: f64, b: f64| (a - b).abs() <= scale * 2e-6;
                        assert!(near(found.distance.into(), own), "{element} {metric:?} {found:?} {own}");
                        assert!(near(own, *distance), "{element} {metric:?} {found:?} {distance}");
                    }
                    assert!(found.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)));
                }
            }
        }
    }
}

#[test]
fn distances_are_those_of_the_crate_of_distances() {
    for (element, metric) in PAIRS {
        let sample = Sample::clustered(element, metric, 100, 72, 3);
        let searched = exactly(sample.vectors());
        let (metric, element) = named(metric, element);
        for row in [0, 1, 57] {
            let query = searched.vectors.query(&sample.numbers(row)).unwrap();
            for found in search(&searched, &query, &Wanted { k: 100, ..EXACT }, None) {
                let expected = Kernels::detect().distance(metric, element, sample.row(row), sample.row(found.row));
                assert_eq!(found.distance.to_bits(), expected.to_bits(), "{element:?} {metric:?}");
            }
        }
    }
}

#[test]
fn rows_at_one_distance_come_in_their_order_also_at_zero() {
    // The product of the second with the query is a zero that has a sign.
    let vectors = [vec![0.0, 1.0], vec![-1.0e-30, 0.0], vec![0.0, 2.0], vec![1.0e-30, 0.0]];
    let sample = Sample::of(ElementType::Float32, Metric::InnerProduct, &vectors);
    let searched = exactly(sample.vectors());
    let query = searched.vectors.query(&[1.0e-30, 0.0]).unwrap();
    let found = search(&searched, &query, &EXACT, None);
    assert_eq!(found.iter().map(|found| found.row).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(found.iter().all(|found| found.distance.to_bits() == 0), "{found:?}");
}

#[test]
fn a_vector_of_zeros_has_cosine_distance_one_and_a_vector_none_from_itself() {
    for element in [ElementType::Float32, ElementType::Int8] {
        let vectors = [vec![0.3, 0.7, -0.2], vec![0.0; 3], vec![0.6, 1.4, -0.4], vec![-0.3, -0.7, 0.2]];
        let sample = Sample::of(element, Metric::Cosine, &vectors);
        let searched = exactly(sample.vectors());
        let zeros = searched.vectors.query(&[0.0; 3]).unwrap();
        assert!(
            search(&searched, &zeros, &EXACT, None).iter().all(|found| found.distance.to_bits() == 1.0_f32.to_bits())
        );
        let query = searched.vectors.query_of_row(0);
        let found = search(&searched, &query, &EXACT, None);
        assert_eq!((found[0].row, found[0].distance.to_bits()), (0, 0));
        assert!(found.iter().any(|found| found.row == 1 && found.distance.to_bits() == 1.0_f32.to_bits()), "{found:?}");
    }
}

#[test]
fn distances_that_are_no_numbers_come_last() {
    // Inner products of such lengths overflow, and their quotient is no number.
    let mut vectors = vec![vec![1.0e30, 1.0e30, 0.0]; 300];
    vectors[200] = vec![1.0, 0.5, 0.0];
    vectors[100] = vec![-1.0, -0.5, 0.0];
    let sample = Sample::of(ElementType::Float32, Metric::Cosine, &vectors);
    let searched = exactly(sample.vectors());
    let found = search(&searched, &searched.vectors.query(&[1.0, 0.5, 0.0]).unwrap(), &EXACT, None);
    assert_eq!(found[0].row, 200, "{found:?}");
    let largest = searched.vectors.query(&[1.0e30, -1.0e30, 1.0]).unwrap();
    assert_eq!(search(&searched, &largest, &EXACT, None).len(), 10);
}

#[test]
fn any_number_wanted_gives_as_many_as_there_are() {
    for rows in [0, 1, 2, 700] {
        for kind in [None, Some(CodeKind::Sq8), Some(CodeKind::Sq4)] {
            let built = Built::new(Sample::clustered(ElementType::Float32, Metric::L2, rows, 16, 4), kind);
            let searched = built.search();
            let query = searched.vectors.query(&[0.1; 16]).unwrap();
            for k in [0, 1, 10, 699, 700, 701, usize::MAX] {
                for ef in [0, 1, 64, usize::MAX] {
                    for is_exact in [false, true] {
                        let found = search(&searched, &query, &Wanted { k, ef, is_exact }, None);
                        assert_eq!(found.len(), k.min(rows), "rows={rows} k={k} ef={ef} {kind:?}");
                        assert!(found.is_sorted_by(|a, b| (a.distance, a.row) < (b.distance, b.row)));
                    }
                }
            }
        }
    }
}

#[test]
fn a_graph_without_vectors_is_verified_and_finds_none() {
    let sample = Sample::clustered(ElementType::Float32, Metric::L2, 20, 8, 1);
    let order = order([]);
    let body = sample.build(None, &order, 2);
    let graph = Graph::open("graph", 0, &body, 20).unwrap();
    graph.verify("graph", 0, &order, &SETTINGS).unwrap();
    assert_eq!((graph.vectors(), graph.statistics().reachable), (0, 0));
    assert_eq!(Graph::open("graph", 0, &body, 19).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn what_no_kernel_takes_is_refused() {
    let refused = |element: ElementType, metric, dimension: u32| {
        let row_bytes = element.vector_bytes(dimension).unwrap();
        let bytes = vec![0; row_bytes];
        let rows = kapok_distance::Rows::new(&bytes, 0, row_bytes, row_bytes, 1).unwrap();
        let error = Vectors::of_rows("rows", rows, element, dimension, metric).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    };
    for element in [ElementType::Int8, ElementType::Float16] {
        assert!(refused(element, Metric::L2, 65_537).contains("dimension=65537"));
    }
    assert!(refused(ElementType::Bit, Metric::Hamming, 8 * 65_537).contains("dimension=524296"));
    assert!(refused(ElementType::Bit, Metric::L2, 64).contains("metric"));
    assert!(refused(ElementType::Int8, Metric::Hamming, 64).contains("metric"));
    assert!(refused(ElementType::Int8, Metric::Unspecified, 64).contains("metric"));
    let longest = Sample::of(ElementType::Int8, Metric::Cosine, &[vec![2.0; 65_536], vec![-4.3; 65_536]]);
    let searched = exactly(longest.vectors());
    let found = search(&searched, &searched.vectors.query_of_row(1), &EXACT, None);
    assert!(found[0].distance.to_bits() == 0 && (found[1].distance - 2.0).abs() < 1e-5, "{found:?}");
    let error = Codes::open("codes", 64, &[0; 64], CodeKind::Sq8, Metric::L2, u32::MAX, u32::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_query_is_numbers_that_elements_can_be() {
    for (element, metric, numbers, says) in [
        (ElementType::Float32, Metric::L2, [0.0, f32::NAN], "number 1 is NaN"),
        (ElementType::Float16, Metric::L2, [f32::NEG_INFINITY, 0.0], "number 0 is -inf"),
        (ElementType::Int8, Metric::L2, [0.0, 128.0], "128"),
        (ElementType::Int8, Metric::Cosine, [0.5, 1.0], "0.5"),
        (ElementType::UInt8, Metric::InnerProduct, [-1.0, 1.0], "-1"),
    ] {
        let sample = Sample::of(element, metric, &[vec![1.0, 2.0]]);
        let error = sample.vectors().query(&numbers).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(says), "{error}");
        let error = sample.vectors().query(&[1.0; 3]).unwrap_err();
        assert!(error.to_string().contains("dimension 2"), "{error}");
    }
    let bits = Sample::of(ElementType::Bit, Metric::Hamming, &[vec![1.0; 8]]);
    let error = bits.vectors().query(&[1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0]).unwrap_err();
    assert!(error.to_string().contains("number 3 is 2"), "{error}");
}

#[test]
fn a_search_that_is_stopped_says_so_by_every_strategy() {
    let sample = Sample::clustered(ElementType::Float32, Metric::L2, 4000, 16, 4);
    let built = Built::new(sample, Some(CodeKind::Sq8));
    let searched = built.search();
    let query = searched.vectors.query(&[0.1; 16]).unwrap();
    let every = |step: u32| RowSet::of(4000, (0..4000).filter(|row| row % step == 0));
    let all_but_few = RowSet::all_but(4000, [1, 2]);
    let (half, fifth, tenth) = (every(2), every(5), every(10));
    for (allowed, wanted, expected) in [
        (None, wanted(10, 40), Strategy::Walk),
        (Some(&all_but_few), wanted(10, 40), Strategy::Walk),
        (Some(&half), wanted(10, 12), Strategy::Walk),
        (Some(&fifth), wanted(10, 10), Strategy::TwoHops),
        (Some(&tenth), wanted(10, 64), Strategy::Codes),
        (None, EXACT, Strategy::Exact),
        (Some(&half), EXACT, Strategy::Exact),
    ] {
        let mut scratch = Scratch::default();
        let (found, strategy) = searched.nearest(&mut scratch, &query, &wanted, allowed, &|| false).unwrap();
        assert_eq!((found.len(), strategy), (10, expected));
        assert_eq!(searched.nearest(&mut scratch, &query, &wanted, allowed, &|| true), None, "{strategy:?}");
    }
}
