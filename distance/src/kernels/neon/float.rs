//! Sums of floats in the common order: sixteen registers of four lanes, for one row after the other.

use std::arch::aarch64::{
    float32x4_t, vadd_f32, vaddq_f32, vdupq_n_f32, vfmaq_f32, vget_high_f32, vget_lane_f32, vget_low_f32, vsubq_f32,
};

use super::Kernel;
use super::load::floats;
use crate::kernels::operation::{Blocks, Float, FloatDot, FloatDotNorm, FloatL2};

/// Adds sixteen products or squares to sixteen lanes.
#[inline]
#[target_feature(enable = "neon")]
fn step<Q: Float, R: Float, const IS_L2: bool>(lanes: &mut [float32x4_t; 4], a: &Q::Sixteen, b: &R::Sixteen) {
    let (a, b) = (floats::<Q>(a), floats::<R>(b));
    for quarter in 0..4 {
        lanes[quarter] = if IS_L2 {
            let difference = vsubq_f32(a[quarter], b[quarter]);
            vfmaq_f32(lanes[quarter], difference, difference)
        } else {
            vfmaq_f32(lanes[quarter], a[quarter], b[quarter])
        };
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn sum<Q: Float, R: Float, const IS_L2: bool>(query: &[u8], row: &[u8]) -> f32 {
    let query = Blocks::<Q>::of(query);
    let row = Blocks::<R>::like(row, &query);
    let mut sums = [[vdupq_n_f32(0.0); 4]; 4];
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
    let of_sixteen = |quarter: usize| vaddq_f32(vaddq_f32(a[quarter], c[quarter]), vaddq_f32(b[quarter], d[quarter]));
    let sum = vaddq_f32(vaddq_f32(of_sixteen(0), of_sixteen(2)), vaddq_f32(of_sixteen(1), of_sixteen(3)));
    let sum = vadd_f32(vget_low_f32(sum), vget_high_f32(sum));
    vget_lane_f32::<0>(sum) + vget_lane_f32::<1>(sum)
}

impl<Q: Float, R: Float> Kernel for FloatDot<Q, R> {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [f32; N] {
        rows.map(|row| sum::<Q, R, false>(query, row))
    }
}

impl<Q: Float, R: Float> Kernel for FloatL2<Q, R> {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [f32; N] {
        rows.map(|row| sum::<Q, R, true>(query, row))
    }
}

impl<Q: Float, R: Float> Kernel for FloatDotNorm<Q, R> {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [(f32, f32); N] {
        // The row is in the cache when it is read again.
        rows.map(|row| (sum::<Q, R, false>(query, row), sum::<R, R, false>(row, row)))
    }
}
