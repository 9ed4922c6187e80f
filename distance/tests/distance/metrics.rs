//! Distances by metric and element: near to what 64-bit arithmetic gives.

use std::panic::catch_unwind;

use kapok_distance::{Element, Kernels, Metric, Rows};

use crate::sample::{Random, bytes_of_floats, floats_of, floats_of_bf16, floats_of_f16};

const ELEMENTS: [Element; 6] = [Element::F32, Element::F16, Element::Bf16, Element::I8, Element::U8, Element::Bit];
const METRICS: [Metric; 4] = [Metric::L2, Metric::Cosine, Metric::Dot, Metric::Hamming];

fn vectors(element: Element, dimension: usize, count: usize) -> Vec<u8> {
    let mut random = Random(dimension as u64);
    match element {
        Element::F32 => bytes_of_floats(&random.floats(dimension * count)),
        Element::F16 => random.halves(dimension * count, 0x7c00),
        Element::Bf16 => {
            let floats = bytes_of_floats(&random.floats(dimension * count));
            floats.chunks(4).flat_map(|four| [four[2], four[3]]).collect()
        }
        _ => random.bytes(element.row_bytes(dimension) * count),
    }
}

fn numbers(element: Element, bytes: &[u8]) -> Vec<f64> {
    let floats = match element {
        Element::F32 => floats_of(bytes),
        Element::F16 => floats_of_f16(bytes),
        Element::Bf16 => floats_of_bf16(bytes),
        Element::I8 => bytes.iter().map(|byte| f32::from(byte.cast_signed())).collect(),
        _ => bytes.iter().map(|&byte| f32::from(byte)).collect(),
    };
    floats.into_iter().map(f64::from).collect()
}

fn naive(metric: Metric, element: Element, a: &[u8], b: &[u8]) -> f64 {
    if metric == Metric::Hamming {
        return a.iter().zip(b).map(|(a, b)| f64::from((a ^ b).count_ones())).sum();
    }
    let (a, b) = (numbers(element, a), numbers(element, b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    match metric {
        Metric::L2 => a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        Metric::Cosine => 1.0 - dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt(),
        _ => -dot(&a, &b),
    }
}

/// What a distance may be off by: a few roundings of sums as large as the two vectors are long.
fn tolerance(metric: Metric, element: Element, a: &[u8], b: &[u8]) -> f64 {
    let length = |bytes: &[u8]| numbers(element, bytes).iter().map(|number| number * number).sum::<f64>().sqrt();
    match metric {
        Metric::Hamming => 0.0,
        Metric::Cosine => 1e-5,
        Metric::L2 => 1e-5 * (length(a) + length(b)),
        _ => 1e-5 * length(a) * length(b),
    }
}

#[test]
fn distances_are_near_to_those_of_64_bits_and_the_same_in_both_directions() {
    for (element, metric) in ELEMENTS.iter().flat_map(|&element| METRICS.map(|metric| (element, metric))) {
        if !metric.suits(element) {
            continue;
        }
        for dimension in [8, 72, 384, 1000] {
            let row_bytes = element.row_bytes(dimension);
            let bytes = vectors(element, dimension, 150);
            let rows = Rows::new(&bytes, 0, row_bytes, row_bytes, 150).unwrap();
            let query = rows.row(149);
            let mut of_scalar = None;
            for kernels in Kernels::available() {
                let mut distances = [0.0; 140];
                kernels.distances(metric, element, query, &rows, 5..145, &mut distances);
                let expected = *of_scalar.get_or_insert(distances);
                assert_eq!(distances.map(f32::to_bits), expected.map(f32::to_bits), "{} {element:?}", kernels.name());
                for (id, distance) in (5..).zip(distances) {
                    let row = rows.row(id);
                    let (found, naive) = (f64::from(distance), naive(metric, element, query, row));
                    let tolerance = tolerance(metric, element, query, row);
                    assert!((found - naive).abs() <= tolerance, "{metric:?} {element:?} {dimension}: {found} {naive}");
                    for (a, b) in [(query, row), (row, query)] {
                        assert_eq!(kernels.distance(metric, element, a, b).to_bits(), distance.to_bits());
                    }
                }
                let list: Vec<u32> = (5..145).collect();
                let mut of_list = [0.0; 140];
                kernels.distances(metric, element, query, &rows, &list, &mut of_list);
                assert_eq!(of_list.map(f32::to_bits), distances.map(f32::to_bits));
            }
        }
    }
}

#[test]
fn a_vector_of_zeros_has_cosine_distance_1() {
    for kernels in Kernels::available() {
        for element in [Element::F32, Element::F16, Element::Bf16, Element::I8, Element::U8] {
            let (zeros, other) = (vec![0; element.row_bytes(20)], vectors(element, 20, 1));
            for (a, b) in [(&zeros, &other), (&other, &zeros), (&zeros, &zeros)] {
                let distance = kernels.distance(Metric::Cosine, element, a, b);
                assert_eq!(distance.to_bits(), 1.0_f32.to_bits(), "{element:?}");
            }
        }
    }
}

#[test]
fn a_distance_of_zero_has_no_sign() {
    let of = |floats: &[f32]| bytes_of_floats(floats);
    // The product of the last pair is less than any number, and negative.
    for (a, b) in [([0.0, 0.0], [1.0, -1.0]), ([-1.0, 1.0], [1.0, 1.0]), ([-1e-40, 0.0], [1e-40, 0.0])] {
        for kernels in Kernels::available() {
            assert_eq!(kernels.distance(Metric::Dot, Element::F32, &of(&a), &of(&b)).to_bits(), 0);
            assert_eq!(kernels.distance(Metric::L2, Element::F32, &of(&a), &of(&a)).to_bits(), 0);
        }
    }
}

#[test]
fn a_metric_of_other_elements_panics() {
    for kernels in Kernels::available() {
        for (metric, element) in [(Metric::Hamming, Element::U8), (Metric::L2, Element::Bit)] {
            assert!(!metric.suits(element));
            assert!(catch_unwind(|| kernels.distance(metric, element, &[1], &[1])).is_err());
        }
        assert!(catch_unwind(|| kernels.distance(Metric::L2, Element::U8, &[1, 2], &[1])).is_err());
        assert!(catch_unwind(|| kernels.distance(Metric::L2, Element::F32, &[1, 2, 3], &[1, 2, 3])).is_err());
    }
}
