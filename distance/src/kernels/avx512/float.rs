//! Sums of floats in the common order: four registers of sixteen lanes for each row.

use std::arch::x86_64::{
    __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm512_add_ps, _mm512_castps_si512, _mm512_castps512_ps256,
    _mm512_extractf32x8_ps, _mm512_fmadd_ps, _mm512_permute_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_sub_ps,
};

use super::Kernel;
use super::load::{floats, lanes, some_floats};
use crate::kernels::operation::{Blocks, Float, FloatDot, FloatDotNorm, FloatL2};

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn step<const IS_L2: bool>(lanes: __m512, a: __m512, b: __m512) -> __m512 {
    if IS_L2 {
        let difference = _mm512_sub_ps(a, b);
        _mm512_fmadd_ps(difference, difference, lanes)
    } else {
        _mm512_fmadd_ps(a, b, lanes)
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn sums<Q: Float, R: Float, const IS_L2: bool, const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [f32; N] {
    let query = Blocks::<Q>::of(query);
    let mut blocks = [const { Blocks::<R>::EMPTY }; N];
    for row in 0..N {
        blocks[row] = Blocks::like(rows[row], &query);
    }
    let mut sums = [[_mm512_setzero_ps(); 4]; N];
    for (at, block) in query.whole.iter().enumerate() {
        for part in 0..4 {
            let a = floats::<Q>(&block[part]);
            for row in 0..N {
                let b = floats::<R>(&blocks[row].whole[at][part]);
                sums[row][part] = step::<IS_L2>(sums[row][part], a, b);
            }
        }
    }
    #[expect(clippy::needless_range_loop, reason = "the number of a register")]
    // Written out, so that registers are known: at most three whole groups, and the rest after them.
    for part in 0..4 {
        if part < query.groups.len() {
            let a = floats::<Q>(&query.groups[part]);
            for row in 0..N {
                let b = floats::<R>(&blocks[row].groups[part]);
                sums[row][part] = step::<IS_L2>(sums[row][part], a, b);
            }
        } else if part == query.groups.len() && !query.tail.is_empty() {
            let a = some_floats::<Q>(query.tail);
            for row in 0..N {
                sums[row][part] = step::<IS_L2>(sums[row][part], a, some_floats::<R>(blocks[row].tail));
            }
        }
    }
    folded(sums.map(|[a, b, c, d]| _mm512_add_ps(_mm512_add_ps(a, c), _mm512_add_ps(b, d))))
}

/// Adds the lanes of each register: upper half to lower half, until one is left.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn folded<const N: usize>(sums: [__m512; N]) -> [f32; N] {
    let [Some(a), Some(b), Some(c), Some(d)] = [0, 1, 2, 3].map(|row| sums.get(row).copied()) else {
        return sums.map(|sum| {
            let sum = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps::<1>(sum));
            let sum = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
            let sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
            _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)))
        });
    };
    // 16 lanes of each of four rows, then 8 of two in each register, then 4 of all four in one.
    let low_high =
        |a, b| _mm512_add_ps(_mm512_shuffle_f32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b));
    let (ab, cd) = (low_high(a, b), low_high(c, d));
    let abcd =
        _mm512_add_ps(_mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd), _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd));
    let abcd = _mm512_add_ps(abcd, _mm512_permute_ps::<0b01_00_11_10>(abcd));
    let abcd = _mm512_add_ps(abcd, _mm512_permute_ps::<0b10_11_00_01>(abcd));
    let lanes = lanes(_mm512_castps_si512(abcd));
    std::array::from_fn(|row| f32::from_bits(lanes[row * 4].cast_unsigned()))
}

impl<Q: Float, R: Float> Kernel for FloatDot<Q, R> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [f32; N] {
        sums::<Q, R, false, N>(query, rows)
    }
}

impl<Q: Float, R: Float> Kernel for FloatL2<Q, R> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [f32; N] {
        sums::<Q, R, true, N>(query, rows)
    }
}

impl<Q: Float, R: Float> Kernel for FloatDotNorm<Q, R> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [(f32, f32); N] {
        let dots = sums::<Q, R, false, N>(query, rows);
        // The rows are in the cache by now.
        std::array::from_fn(|row| (dots[row], sums::<R, R, false, 1>(rows[row], [rows[row]])[0]))
    }
}
