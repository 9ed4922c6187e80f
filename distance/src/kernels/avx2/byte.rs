//! Sums of products of bytes, which are widened to 16 bits, so that none saturates.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi8, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
    _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_sad_epu8, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_sub_epi16, _mm256_xor_si256,
};

use super::Kernel;
use super::load::{bytes, sixteen};
use crate::kernels::operation::{
    Byte, ByteDot, ByteDotNorm, ByteL2, Hamming, U4I8, all_chunks_like, all_codes, padded,
};

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn folded(sum: __m256i) -> i32 {
    let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn widen<E: Byte>(bytes: __m128i) -> __m256i {
    if E::IS_SIGNED { _mm256_cvtepi8_epi16(bytes) } else { _mm256_cvtepu8_epi16(bytes) }
}

/// Sums products, or squares of differences, of numbers that fit 9 bits: sums of two of either fit 32 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn sums<Q: Byte, R: Byte, const IS_L2: bool, const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [i32; N] {
    let (query, query_tail) = query.as_chunks::<16>();
    let rows = all_chunks_like(rows, (query, query_tail));
    let mut sums = [[_mm256_setzero_si256(); 2]; N];
    let step = |sum: &mut __m256i, a: __m256i, b: &[u8; 16]| {
        let b = widen::<R>(sixteen(b));
        let products = if IS_L2 {
            let difference = _mm256_sub_epi16(a, b);
            _mm256_madd_epi16(difference, difference)
        } else {
            _mm256_madd_epi16(a, b)
        };
        *sum = _mm256_add_epi32(*sum, products);
    };
    let (pairs, odd) = query.as_chunks::<2>();
    for (at, pair) in pairs.iter().enumerate() {
        for part in 0..2 {
            let a = widen::<Q>(sixteen(&pair[part]));
            for row in 0..N {
                step(&mut sums[row][part], a, &rows[row].0[at * 2 + part]);
            }
        }
    }
    if let [last] = odd {
        let a = widen::<Q>(sixteen(last));
        for row in 0..N {
            step(&mut sums[row][0], a, &rows[row].0[query.len() - 1]);
        }
    }
    if !query_tail.is_empty() {
        let a = widen::<Q>(sixteen(&padded(query_tail)));
        for row in 0..N {
            step(&mut sums[row][1], a, &padded(rows[row].1));
        }
    }
    sums.map(|[a, b]| folded(_mm256_add_epi32(a, b)))
}

impl<Q: Byte, R: Byte> Kernel for ByteDot<Q, R> {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [Q::Sum; N] {
        sums::<Q, R, false, N>(query, rows).map(Q::sum)
    }
}

impl<E: Byte> Kernel for ByteL2<E> {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [u32; N] {
        sums::<E, E, true, N>(query, rows).map(i32::cast_unsigned)
    }
}

impl<E: Byte> Kernel for ByteDotNorm<E> {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [(E::Sum, u32); N] {
        let dots = sums::<E, E, false, N>(query, rows);
        std::array::from_fn(|row| {
            let [norm] = sums::<E, E, false, 1>(rows[row], [rows[row]]);
            (E::sum(dots[row]), norm.cast_unsigned())
        })
    }
}

/// Adds what 128 dimensions of the query give with 64 bytes of codes. A product is at most 15 * 128, two are 3,840, and the
/// eight of a lane at most 15,360: 16 bits hold them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn codes_step(sum: __m256i, query: &[u8; 128], codes: &[u8; 64]) -> __m256i {
    let (query, _) = query.as_chunks::<32>();
    let (codes, _) = codes.as_chunks::<32>();
    let low_bits = _mm256_set1_epi8(15);
    let mut products = _mm256_setzero_si256();
    for part in 0..2 {
        let codes = bytes(&codes[part]);
        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low_bits);
        let low = _mm256_maddubs_epi16(_mm256_and_si256(codes, low_bits), bytes(&query[part]));
        let high = _mm256_maddubs_epi16(upper, bytes(&query[part + 2]));
        products = _mm256_add_epi16(products, _mm256_add_epi16(low, high));
    }
    _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)))
}

impl Kernel for U4I8 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [i32; N] {
        let count = query.len().div_ceil(128);
        let (query, query_tail) = query.as_chunks::<128>();
        let rows = all_codes(rows, count);
        let mut sums = [_mm256_setzero_si256(); N];
        for (at, block) in query.iter().enumerate() {
            for row in 0..N {
                sums[row] = codes_step(sums[row], block, &rows[row][at]);
            }
        }
        if !query_tail.is_empty() {
            let block = padded(query_tail);
            for row in 0..N {
                sums[row] = codes_step(sums[row], &block, &rows[row][count - 1]);
            }
        }
        sums.map(|sum| folded(sum))
    }
}

/// Number of bits of 32 bytes, as four numbers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn ones(bytes: __m256i) -> __m256i {
    let low_bits = _mm256_set1_epi8(15);
    let of_four = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let low = _mm256_shuffle_epi8(of_four, _mm256_and_si256(bytes, low_bits));
    let high = _mm256_shuffle_epi8(of_four, _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low_bits));
    _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256())
}

impl Kernel for Hamming {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,popcnt")]
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [u32; N] {
        let (query, query_tail) = query.as_chunks::<32>();
        rows.map(|row| {
            let (row, tail) = row.as_chunks::<32>();
            let mut sum = _mm256_setzero_si256();
            for (a, b) in query.iter().zip(row) {
                sum = _mm256_add_epi32(sum, ones(_mm256_xor_si256(bytes(a), bytes(b))));
            }
            let (words, last) = (query_tail.as_chunks::<8>(), tail.as_chunks::<8>());
            let of_words =
                words.0.iter().zip(last.0).map(|(&a, &b)| (u64::from_le_bytes(a) ^ u64::from_le_bytes(b)).count_ones());
            let of_bytes = words.1.iter().zip(last.1).map(|(a, b)| (a ^ b).count_ones());
            folded(sum).cast_unsigned() + of_words.sum::<u32>() + of_bytes.sum::<u32>()
        })
    }
}
