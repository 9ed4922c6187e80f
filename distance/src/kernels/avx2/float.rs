//! Sums of floats in the common order: eight registers of eight lanes, for one row after the other.

use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_setzero_ps, _mm256_sub_ps,
};

use super::Kernel;
use super::load::floats;
use crate::kernels::operation::{Blocks, Float, FloatDot, FloatDotNorm, FloatL2};

/// Adds sixteen products or squares to sixteen lanes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn step<Q: Float, R: Float, const IS_L2: bool>(lanes: &mut [__m256; 2], a: &Q::Sixteen, b: &R::Sixteen) {
    let (a, b) = (floats::<Q>(a), floats::<R>(b));
    for half in 0..2 {
        lanes[half] = if IS_L2 {
            let difference = _mm256_sub_ps(a[half], b[half]);
            _mm256_fmadd_ps(difference, difference, lanes[half])
        } else {
            _mm256_fmadd_ps(a[half], b[half], lanes[half])
        };
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn sum<Q: Float, R: Float, const IS_L2: bool>(query: &[u8], row: &[u8]) -> f32 {
    let query = Blocks::<Q>::of(query);
    let row = Blocks::<R>::like(row, &query);
    let mut sums = [[_mm256_setzero_ps(); 2]; 4];
    for (a, b) in query.whole.iter().zip(row.whole) {
        for part in 0..4 {
            step::<Q, R, IS_L2>(&mut sums[part], &a[part], &b[part]);
        }
    }
    // Written out, so that registers are known: at most three whole groups, and the rest after them.
    for (part, sums) in sums.iter_mut().enumerate() {
        if part < query.groups.len() {
            step::<Q, R, IS_L2>(sums, &query.groups[part], &row.groups[part]);
        } else if part == query.groups.len() && !query.tail.is_empty() {
            step::<Q, R, IS_L2>(sums, &Q::padded(query.tail), &R::padded(row.tail));
        }
    }
    let [a, b, c, d] = sums;
    let of_sixteen = |half: usize| _mm256_add_ps(_mm256_add_ps(a[half], c[half]), _mm256_add_ps(b[half], d[half]));
    let sum = _mm256_add_ps(of_sixteen(0), of_sixteen(1));
    let sum = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
    let sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)))
}

impl<Q: Float, R: Float> Kernel for FloatDot<Q, R> {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [f32; N] {
        rows.map(|row| sum::<Q, R, false>(query, row))
    }
}

impl<Q: Float, R: Float> Kernel for FloatL2<Q, R> {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [f32; N] {
        rows.map(|row| sum::<Q, R, true>(query, row))
    }
}

impl<Q: Float, R: Float> Kernel for FloatDotNorm<Q, R> {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [(f32, f32); N] {
        // The row is in the cache when it is read again.
        rows.map(|row| (sum::<Q, R, false>(query, row), sum::<R, R, false>(row, row)))
    }
}
