//! Integers: exactly what 64-bit arithmetic gives.

use kapok_distance::{DIMENSION_MAX, Kernels};
use proptest::prelude::*;

use crate::sample::{Random, Table, signed};

/// Seven rows: a group of four, a pair, and one.
const IDS: [u32; 7] = [6, 0, 3, 3, 1, 5, 2];

/// Checks all operations on bytes.
fn check(query: &[u8], row_bytes: &[u8], alignment: usize) {
    let dimension = query.len();
    let table = Table::new(row_bytes, dimension, alignment, alignment % 5);
    let rows = table.rows();
    let (signed_query, unsigned) =
        (signed(query), |bytes: &[u8]| bytes.iter().map(|&b| i64::from(b)).collect::<Vec<_>>());
    let as_signed = |bytes: &[u8]| bytes.iter().map(|&byte| i64::from(byte.cast_signed())).collect::<Vec<_>>();
    let dot = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<i64>();
    let l2 = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| (a - b).pow(2)).sum::<i64>();
    for kernels in Kernels::available() {
        let name = kernels.name();
        let (mut signed_sums, mut sums) = ([0_i32; 7], [0_u32; 7]);
        let (mut signed_pairs, mut pairs) = ([(0_i32, 0_u32); 7], [(0_u32, 0_u32); 7]);
        let at = |of: &dyn Fn(&[u8]) -> i64| IDS.map(|id| of(rows.row(id)));

        kernels.dot_i8(&signed_query, &rows, &IDS, &mut signed_sums);
        let expected = at(&|row| dot(&as_signed(query), &as_signed(row)));
        assert_eq!(signed_sums.map(i64::from), expected, "{name}: dot_i8 dimension={dimension}");
        kernels.dot_norm_i8(&signed_query, &rows, &IDS, &mut signed_pairs);
        assert_eq!(signed_pairs.map(|(dot, _)| i64::from(dot)), expected, "{name}: dot_norm_i8 dimension={dimension}");
        let expected = at(&|row| dot(&as_signed(row), &as_signed(row)));
        assert_eq!(
            signed_pairs.map(|(_, norm)| i64::from(norm)),
            expected,
            "{name}: dot_norm_i8 dimension={dimension}"
        );
        kernels.l2_i8(&signed_query, &rows, &IDS, &mut sums);
        let expected = at(&|row| l2(&as_signed(query), &as_signed(row)));
        assert_eq!(sums.map(i64::from), expected, "{name}: l2_i8 dimension={dimension}");

        kernels.dot_u8(query, &rows, &IDS, &mut sums);
        let expected = at(&|row| dot(&unsigned(query), &unsigned(row)));
        assert_eq!(sums.map(i64::from), expected, "{name}: dot_u8 dimension={dimension}");
        kernels.dot_norm_u8(query, &rows, &IDS, &mut pairs);
        assert_eq!(pairs.map(|(dot, _)| i64::from(dot)), expected, "{name}: dot_norm_u8 dimension={dimension}");
        let expected = at(&|row| dot(&unsigned(row), &unsigned(row)));
        assert_eq!(pairs.map(|(_, norm)| i64::from(norm)), expected, "{name}: dot_norm_u8 dimension={dimension}");
        kernels.l2_u8(query, &rows, &IDS, &mut sums);
        let expected = at(&|row| l2(&unsigned(query), &unsigned(row)));
        assert_eq!(sums.map(i64::from), expected, "{name}: l2_u8 dimension={dimension}");

        kernels.dot_u8i8(&signed_query, &rows, &IDS, &mut signed_sums);
        let expected = at(&|row| dot(&as_signed(query), &unsigned(row)));
        assert_eq!(signed_sums.map(i64::from), expected, "{name}: dot_u8i8 dimension={dimension}");

        kernels.hamming(query, &rows, &IDS, &mut sums);
        let expected = at(&|row| query.iter().zip(row).map(|(a, b)| i64::from((a ^ b).count_ones())).sum());
        assert_eq!(sums.map(i64::from), expected, "{name}: hamming dimension={dimension}");
    }
}

/// Checks 4-bit codes. `codes` are those of seven rows, one a byte.
fn check_codes(query: &[i8], codes: &[u8], alignment: usize) {
    let dimension = query.len();
    let packed: Vec<u8> = codes.chunks(dimension).flat_map(pack).collect();
    let table = Table::new(&packed, dimension.div_ceil(128) * 64, alignment, alignment % 5);
    let expected = IDS.map(|id| {
        let row = &codes[id as usize * dimension..][..dimension];
        query.iter().zip(row).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum::<i64>()
    });
    for kernels in Kernels::available() {
        let mut sums = [0; 7];
        kernels.dot_u4i8(query, &table.rows(), &IDS, &mut sums);
        assert_eq!(sums.map(i64::from), expected, "{}: dot_u4i8 dimension={dimension}", kernels.name());
    }
}

fn pack(codes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0; codes.len().div_ceil(128) * 64];
    for (dimension, code) in codes.iter().enumerate() {
        let (block, within) = (dimension / 128, dimension % 128);
        packed[block * 64 + within % 64] |= code << (within / 64 * 4);
    }
    packed
}

fn random_ones(dimension: usize, alignment: usize, seed: u64) {
    let mut random = Random(seed);
    check(&random.bytes(dimension), &random.bytes(dimension * 7), alignment);
    let codes: Vec<u8> = random.bytes(dimension * 7).iter().map(|byte| byte & 15).collect();
    check_codes(&signed(&random.bytes(dimension)), &codes, alignment);
}

#[test]
fn sums_of_integers_of_every_length_are_exact() {
    for dimension in 1..=2100 {
        random_ones(dimension, dimension * 7 % 64, dimension as u64);
    }
}

#[test]
fn rows_of_integers_may_begin_anywhere() {
    for alignment in 0..64 {
        for dimension in [1, 15, 16, 31, 33, 63, 65, 100, 127, 129, 200] {
            random_ones(dimension, alignment, alignment as u64 * 1000 + dimension as u64);
        }
    }
}

#[test]
fn sums_of_the_greatest_integers_are_exact() {
    for dimension in [1, 64, 100, 1000, 2100, DIMENSION_MAX - 1, DIMENSION_MAX] {
        for (of_query, of_row) in [(0x80, 0xff), (0x80, 0x80), (0xff, 0xff), (0x7f, 0xff), (0x7f, 0x80), (0xff, 0)] {
            check(&vec![of_query; dimension], &vec![of_row; dimension * 7], 1);
        }
        for of_query in [i8::MIN, i8::MAX] {
            check_codes(&vec![of_query; dimension], &vec![15; dimension * 7], 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sums_of_any_integers_are_exact(dimension in 1..=2100_usize, alignment in 0..64_usize, seed: u64) {
        random_ones(dimension, alignment, seed);
    }
}
