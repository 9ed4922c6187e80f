//! Floats: near to what 64-bit arithmetic gives, and the same bits from every instruction set.

use kapok_distance::{Kernels, Rows};
use proptest::prelude::*;

use crate::sample::{Random, Table, bytes_of_floats, floats_of, floats_of_bf16, floats_of_f16};

/// Elements of a row: their bytes, their values, and the calls for them.
struct Element {
    bytes: usize,
    random: fn(&mut Random, usize) -> Vec<u8>,
    floats: fn(&[u8]) -> Vec<f32>,
    dot: Call<f32>,
    l2: Call<f32>,
    dot_norm: Call<(f32, f32)>,
}

type Call<T> = fn(Kernels, &[f32], &Rows<'_>, &[u32], &mut [T]);

const ELEMENTS: [Element; 3] = [
    Element {
        bytes: 4,
        random: |random, count| bytes_of_floats(&random.floats(count)),
        floats: floats_of,
        dot: |kernels, query, rows, ids, out| kernels.dot_f32(query, rows, ids, out),
        l2: |kernels, query, rows, ids, out| kernels.l2_f32(query, rows, ids, out),
        dot_norm: |kernels, query, rows, ids, out| kernels.dot_norm_f32(query, rows, ids, out),
    },
    Element {
        bytes: 2,
        random: |random, count| random.halves(count, 0x7c00),
        floats: floats_of_f16,
        dot: |kernels, query, rows, ids, out| kernels.dot_f16(query, rows, ids, out),
        l2: |kernels, query, rows, ids, out| kernels.l2_f16(query, rows, ids, out),
        dot_norm: |kernels, query, rows, ids, out| kernels.dot_norm_f16(query, rows, ids, out),
    },
    Element {
        bytes: 2,
        // Not so large that their sums overflow.
        random: |random, count| {
            bytes_of_floats(&random.floats(count)).chunks(4).flat_map(|four| [four[2], four[3]]).collect()
        },
        floats: floats_of_bf16,
        dot: |kernels, query, rows, ids, out| kernels.dot_bf16(query, rows, ids, out),
        l2: |kernels, query, rows, ids, out| kernels.l2_bf16(query, rows, ids, out),
        dot_norm: |kernels, query, rows, ids, out| kernels.dot_norm_bf16(query, rows, ids, out),
    },
];

/// Seven rows: a group of four, a pair, and one.
const IDS: [u32; 7] = [6, 0, 3, 3, 1, 5, 2];

fn check(dimension: usize, alignment: usize, seed: u64) {
    let mut random = Random(seed);
    let query = random.floats(dimension);
    for element in &ELEMENTS {
        let bytes = (element.random)(&mut random, dimension * 7);
        let table = Table::new(&bytes, dimension * element.bytes, alignment, usize::try_from(seed % 70).unwrap());
        let mut of_scalar = None;
        for kernels in Kernels::available() {
            let mut dots = [0.0; 7];
            (element.dot)(kernels, &query, &table.rows(), &IDS, &mut dots);
            let mut l2s = [0.0; 7];
            (element.l2)(kernels, &query, &table.rows(), &IDS, &mut l2s);
            let mut dot_norms = [(0.0, 0.0); 7];
            (element.dot_norm)(kernels, &query, &table.rows(), &IDS, &mut dot_norms);
            assert_eq!(dots.map(f32::to_bits), dot_norms.map(|(dot, _)| dot.to_bits()), "{}", kernels.name());
            let bits = (dots.map(f32::to_bits), l2s.map(f32::to_bits), dot_norms.map(|(_, norm)| norm.to_bits()));
            let expected = *of_scalar.get_or_insert(bits);
            assert!(bits == expected, "{}: dimension={dimension} alignment={alignment}", kernels.name());
            if kernels.name() != "scalar" {
                continue;
            }
            for (at, &id) in IDS.iter().enumerate() {
                let row = (element.floats)(table.rows().row(id));
                let pairs = || query.iter().zip(&row).map(|(&a, &b)| (f64::from(a), f64::from(b)));
                near(dots[at], dimension, pairs().map(|(a, b)| a * b));
                near(l2s[at], dimension, pairs().map(|(a, b)| (a - b).powi(2)));
                near(dot_norms[at].1, dimension, pairs().map(|(_, b)| b * b));
            }
        }
    }
}

/// The error that the crate's first page states.
fn near(found: f32, dimension: usize, terms: impl Iterator<Item = f64>) {
    let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
    let bound = (f64::from(u32::try_from(dimension).unwrap()) / 64.0 + 10.0) * 2_f64.powi(-24) * size;
    let error = (f64::from(found) - sum).abs();
    assert!(error <= bound, "dimension={dimension}: found {found}, expected {sum}, error {error} > {bound}");
}

#[test]
fn sums_of_every_length_have_the_same_bits_everywhere_and_are_near_to_those_of_64_bits() {
    for dimension in 1..=2100 {
        check(dimension, dimension * 7 % 64, dimension as u64);
    }
}

#[test]
fn rows_may_begin_anywhere() {
    for alignment in 0..64 {
        for dimension in [1, 15, 16, 17, 63, 64, 65, 100, 129] {
            check(dimension, alignment, alignment as u64 * 1000 + dimension as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sums_of_any_rows_have_the_same_bits_everywhere(dimension in 1..=2100_usize, alignment in 0..64_usize, seed: u64) {
        check(dimension, alignment, seed);
    }

    #[test]
    fn any_bits_give_the_same_sums_or_no_number_everywhere(dimension in 1..300_usize, seed: u64) {
        let mut random = Random(seed);
        let query = floats_of(&random.bytes(dimension * 4));
        for element in &ELEMENTS {
            // One that is not finite in most of them.
            let table = Table::new(&random.bytes(dimension * element.bytes * 7), dimension * element.bytes, 3, 0);
            let of = |kernels: Kernels| {
                let (mut dots, mut l2s, mut dot_norms) = ([0.0; 7], [0.0; 7], [(0.0, 0.0); 7]);
                (element.dot)(kernels, &query, &table.rows(), &IDS, &mut dots);
                (element.l2)(kernels, &query, &table.rows(), &IDS, &mut l2s);
                (element.dot_norm)(kernels, &query, &table.rows(), &IDS, &mut dot_norms);
                let sums = dots.into_iter().chain(l2s).chain(dot_norms.into_iter().flat_map(|(dot, norm)| [dot, norm]));
                sums.map(|sum| if sum.is_nan() { f32::NAN.to_bits() } else { sum.to_bits() }).collect::<Vec<_>>()
            };
            let expected = of(Kernels::available()[0]);
            for kernels in Kernels::available() {
                prop_assert_eq!(of(kernels), expected.clone(), "{}", kernels.name());
            }
        }
    }
}

#[test]
fn every_number_of_16_bits_is_widened_to_its_value() {
    // A row of one element: the product with 1 is the element.
    let f16s: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let rows = Rows::new(&f16s, 0, 2, 2, 1 << 16).unwrap();
    for kernels in Kernels::available() {
        let mut values = vec![0.0; 1 << 16];
        kernels.dot_f16(&[1.0], &rows, 0..1 << 16, &mut values);
        // A sum begins with +0, so that it is never -0.
        let same = |(found, expected): (f32, f32)| {
            found.to_bits() == (expected + 0.0).to_bits() || found.is_nan() && expected.is_nan()
        };
        assert!(values.iter().copied().zip(floats_of_f16(&f16s)).all(same), "{}", kernels.name());
        kernels.dot_bf16(&[1.0], &rows, 0..1 << 16, &mut values);
        assert!(values.iter().copied().zip(floats_of_bf16(&f16s)).all(same), "{}", kernels.name());
    }
}
