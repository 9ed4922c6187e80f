//! Sums of products of bytes, which are widened to 16 bits, so that none saturates or wraps.

use std::arch::aarch64::{
    int16x8_t, int32x4_t, vaddq_s32, vaddvq_s32, vaddvq_u32, vandq_u8, vcntq_u8, vdupq_n_s16, vdupq_n_s32, vdupq_n_u8,
    vdupq_n_u32, veorq_u8, vget_high_s8, vget_high_s16, vget_high_u8, vget_low_s8, vget_low_s16, vget_low_u8,
    vmlal_high_s8, vmlal_s8, vmlal_s16, vmovl_s8, vmovl_u8, vmull_high_s8, vmull_s8, vpadalq_s16, vpadalq_u16,
    vpaddlq_u8, vreinterpretq_s8_u8, vreinterpretq_s16_u16, vshrq_n_u8, vsubq_s16,
};

use super::Kernel;
use super::load::{signed, unsigned};
use crate::kernels::operation::{Byte, ByteDot, ByteDotNorm, ByteL2, Hamming, U4I8, chunks_like, padded};

/// Sixteen numbers as 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn widen<E: Byte>(bytes: &[u8; 16]) -> [int16x8_t; 2] {
    if E::IS_SIGNED {
        let bytes = signed(bytes);
        [vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes))]
    } else {
        let bytes = unsigned(bytes);
        [vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes))].map(|half| vreinterpretq_s16_u16(half))
    }
}

/// Adds sixteen products, or squares of differences, to four sums of each half.
#[inline]
#[target_feature(enable = "neon")]
fn step<Q: Byte, R: Byte, const IS_L2: bool>(sums: &mut [int32x4_t; 2], a: &[u8; 16], b: &[u8; 16]) {
    if Q::IS_SIGNED && R::IS_SIGNED && !IS_L2 {
        // Products fit 16 bits, and sums of two of them 32.
        let (a, b) = (signed(a), signed(b));
        sums[0] = vpadalq_s16(sums[0], vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        sums[1] = vpadalq_s16(sums[1], vmull_high_s8(a, b));
        return;
    }
    let (a, b) = (widen::<Q>(a), widen::<R>(b));
    for half in 0..2 {
        let (a, b) = if IS_L2 {
            let difference = vsubq_s16(a[half], b[half]);
            (difference, difference)
        } else {
            (a[half], b[half])
        };
        sums[0] = vmlal_s16(sums[0], vget_low_s16(a), vget_low_s16(b));
        sums[1] = vmlal_s16(sums[1], vget_high_s16(a), vget_high_s16(b));
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn sum<Q: Byte, R: Byte, const IS_L2: bool>(query: &[u8], row: &[u8]) -> i32 {
    let (query, query_tail) = query.as_chunks::<16>();
    let (row, tail) = chunks_like(row, (query, query_tail));
    let mut sums = [vdupq_n_s32(0); 2];
    for (a, b) in query.iter().zip(row) {
        step::<Q, R, IS_L2>(&mut sums, a, b);
    }
    if !tail.is_empty() {
        step::<Q, R, IS_L2>(&mut sums, &padded(query_tail), &padded(tail));
    }
    vaddvq_s32(vaddq_s32(sums[0], sums[1]))
}

impl<Q: Byte, R: Byte> Kernel for ByteDot<Q, R> {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [Q::Sum; N] {
        rows.map(|row| Q::sum(sum::<Q, R, false>(query, row)))
    }
}

impl<E: Byte> Kernel for ByteL2<E> {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [u32; N] {
        rows.map(|row| sum::<E, E, true>(query, row).cast_unsigned())
    }
}

impl<E: Byte> Kernel for ByteDotNorm<E> {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [(E::Sum, u32); N] {
        rows.map(|row| (E::sum(sum::<E, E, false>(query, row)), sum::<E, E, false>(row, row).cast_unsigned()))
    }
}

impl Kernel for U4I8 {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [i32; N] {
        let (query, query_tail) = query.as_chunks::<128>();
        let low_bits = vdupq_n_u8(15);
        // A product is at most 15 * 128: 16 bits hold the eight that are added in each lane.
        let step = |sum: int32x4_t, query: &[u8; 128], codes: &[u8; 64]| {
            let (query, _) = query.as_chunks::<16>();
            let (codes, _) = codes.as_chunks::<16>();
            let mut products = [vdupq_n_s16(0); 2];
            for (part, codes) in codes.iter().enumerate() {
                let codes = unsigned(codes);
                let low = vreinterpretq_s8_u8(vandq_u8(codes, low_bits));
                let high = vreinterpretq_s8_u8(vshrq_n_u8::<4>(codes));
                for (codes, query) in [(low, signed(&query[part])), (high, signed(&query[part + 4]))] {
                    products[0] = vmlal_s8(products[0], vget_low_s8(codes), vget_low_s8(query));
                    products[1] = vmlal_high_s8(products[1], codes, query);
                }
            }
            vpadalq_s16(vpadalq_s16(sum, products[0]), products[1])
        };
        rows.map(|row| {
            let (codes, _) = row.as_chunks::<64>();
            let mut sum = vdupq_n_s32(0);
            for (query, codes) in query.iter().zip(codes) {
                sum = step(sum, query, codes);
            }
            if let (false, Some(codes)) = (query_tail.is_empty(), codes.last()) {
                sum = step(sum, &padded(query_tail), codes);
            }
            vaddvq_s32(sum)
        })
    }
}

impl Kernel for Hamming {
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [u32; N] {
        let (query, query_tail) = query.as_chunks::<16>();
        let ones = |a: &[u8; 16], b: &[u8; 16]| vcntq_u8(veorq_u8(unsigned(a), unsigned(b)));
        rows.map(|row| {
            let (row, tail) = row.as_chunks::<16>();
            let mut sum = vdupq_n_u32(0);
            for (a, b) in query.iter().zip(row) {
                sum = vpadalq_u16(sum, vpaddlq_u8(ones(a, b)));
            }
            if !tail.is_empty() {
                sum = vpadalq_u16(sum, vpaddlq_u8(ones(&padded(query_tail), &padded(tail))));
            }
            vaddvq_u32(sum)
        })
    }
}
