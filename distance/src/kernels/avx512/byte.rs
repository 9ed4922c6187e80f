//! Sums of products of bytes by VNNI, none of which saturates.

use std::arch::x86_64::{
    __m512i, _mm512_abs_epi8, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
    _mm512_max_epi8, _mm512_max_epu8, _mm512_min_epi8, _mm512_min_epu8, _mm512_popcnt_epi32, _mm512_reduce_add_epi32,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi32, _mm512_shuffle_i32x4, _mm512_srli_epi16,
    _mm512_sub_epi8, _mm512_unpackhi_epi8, _mm512_unpacklo_epi8, _mm512_xor_si512,
};

use super::Kernel;
use super::load::{bytes, lanes, some_bytes};
use crate::kernels::operation::{Byte, ByteDot, ByteDotNorm, ByteL2, Hamming, U4I8};

/// Sums what `step` makes of a sum, 64 bytes of the query and 64 of a row, in two registers for each row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn sums<const N: usize>(
    query: &[u8],
    rows: [&[u8]; N],
    step: impl Fn(__m512i, __m512i, __m512i) -> __m512i,
) -> [[__m512i; 2]; N] {
    let (query, query_tail) = query.as_chunks::<64>();
    let rows = rows.map(|row| row.as_chunks::<64>());
    let mut sums = [[_mm512_setzero_si512(); 2]; N];
    let (pairs, odd) = query.as_chunks::<2>();
    for (at, pair) in pairs.iter().enumerate() {
        for part in 0..2 {
            let a = bytes(&pair[part]);
            for row in 0..N {
                sums[row][part] = step(sums[row][part], a, bytes(&rows[row].0[at * 2 + part]));
            }
        }
    }
    if let [block] = odd {
        let a = bytes(block);
        for row in 0..N {
            sums[row][0] = step(sums[row][0], a, bytes(&rows[row].0[query.len() - 1]));
        }
    }
    if !query_tail.is_empty() {
        let a = some_bytes(query_tail);
        for row in 0..N {
            sums[row][1] = step(sums[row][1], a, some_bytes(rows[row].1));
        }
    }
    sums
}

/// Adds the lanes of the registers of each row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn folded<const N: usize>(sums: [[__m512i; 2]; N]) -> [i32; N] {
    let sums = sums.map(|[a, b]| _mm512_add_epi32(a, b));
    let [Some(a), Some(b), Some(c), Some(d)] = [0, 1, 2, 3].map(|row| sums.get(row).copied()) else {
        return sums.map(|sum| _mm512_reduce_add_epi32(sum));
    };
    // Two rows in each register, then all four in one.
    let low_high = |a, b| {
        _mm512_add_epi32(_mm512_shuffle_i32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b))
    };
    let (ab, cd) = (low_high(a, b), low_high(c, d));
    let abcd =
        _mm512_add_epi32(_mm512_shuffle_i32x4::<0b10_00_10_00>(ab, cd), _mm512_shuffle_i32x4::<0b11_01_11_01>(ab, cd));
    let abcd = _mm512_add_epi32(abcd, _mm512_shuffle_epi32::<0b01_00_11_10>(abcd));
    let abcd = _mm512_add_epi32(abcd, _mm512_shuffle_epi32::<0b10_11_00_01>(abcd));
    let lanes = lanes(abcd);
    std::array::from_fn(|row| lanes[row * 4])
}

/// VNNI multiplies an unsigned byte by a signed one. If both sides have a sign, or neither has, 128 is added to the row or taken
/// from it, which flips its highest bit; 128 times the sum of the query makes up for that.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn dots<Q: Byte, R: Byte, const N: usize>(query: &[u8], excess: i32, rows: [&[u8]; N]) -> [i32; N] {
    let high = _mm512_set1_epi8(i8::MIN);
    let sums = sums(query, rows, |sum, a, b| match (Q::IS_SIGNED, R::IS_SIGNED) {
        (true, false) => _mm512_dpbusd_epi32(sum, b, a),
        (false, true) => _mm512_dpbusd_epi32(sum, a, b),
        (true, true) => _mm512_dpbusd_epi32(sum, _mm512_xor_si512(b, high), a),
        (false, false) => _mm512_dpbusd_epi32(sum, a, _mm512_xor_si512(b, high)),
    });
    folded(sums).map(|sum| sum.wrapping_sub(excess))
}

/// What [`dots`] has too much for this query.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn excess<Q: Byte, R: Byte>(query: &[u8]) -> i32 {
    if Q::IS_SIGNED != R::IS_SIGNED {
        return 0;
    }
    let ones = _mm512_set1_epi8(1);
    let sums = sums(query, [query], |sum, a, _| {
        if Q::IS_SIGNED { _mm512_dpbusd_epi32(sum, ones, a) } else { _mm512_dpbusd_epi32(sum, a, ones) }
    });
    let [sum] = folded(sums);
    if Q::IS_SIGNED { sum.wrapping_mul(128) } else { sum.wrapping_mul(-128) }
}

/// Squares of differences, which are of 8 bits without their sign: as 16 bits, by two instructions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn l2s<E: Byte, const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [i32; N] {
    let zero = _mm512_setzero_si512();
    let sums = sums(query, rows, |sum, a, b| {
        let difference = if E::IS_SIGNED {
            _mm512_sub_epi8(_mm512_max_epi8(a, b), _mm512_min_epi8(a, b))
        } else {
            _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b))
        };
        let (low, high) = (_mm512_unpacklo_epi8(difference, zero), _mm512_unpackhi_epi8(difference, zero));
        _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sum, low, low), high, high)
    });
    folded(sums)
}

impl<Q: Byte, R: Byte> Kernel for ByteDot<Q, R> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn prepare(query: &[u8]) -> i32 {
        excess::<Q, R>(query)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], prepared: i32, rows: [&[u8]; N]) -> [Q::Sum; N] {
        dots::<Q, R, N>(query, prepared, rows).map(Q::sum)
    }
}

impl<E: Byte> Kernel for ByteL2<E> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [u32; N] {
        l2s::<E, N>(query, rows).map(i32::cast_unsigned)
    }
}

impl<E: Byte> Kernel for ByteDotNorm<E> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn prepare(query: &[u8]) -> i32 {
        excess::<E, E>(query)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], prepared: i32, rows: [&[u8]; N]) -> [(E::Sum, u32); N] {
        let dots = dots::<E, E, N>(query, prepared, rows);
        // The square of a norm is the squared distance from zero.
        let zero = _mm512_setzero_si512();
        let norms = sums(query, rows, |sum, _, b| {
            let size = if E::IS_SIGNED { _mm512_abs_epi8(b) } else { b };
            let (low, high) = (_mm512_unpacklo_epi8(size, zero), _mm512_unpackhi_epi8(size, zero));
            _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(sum, low, low), high, high)
        });
        let norms = folded(norms);
        std::array::from_fn(|row| (E::sum(dots[row]), norms[row].cast_unsigned()))
    }
}

impl Kernel for U4I8 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [i32; N] {
        let (query, query_tail) = query.as_chunks::<128>();
        let rows = rows.map(|row| row.as_chunks::<64>().0);
        let low_bits = _mm512_set1_epi8(15);
        let mut sums = [[_mm512_setzero_si512(); 2]; N];
        let mut step = |at: usize, low: __m512i, high: __m512i| {
            for row in 0..N {
                let codes = bytes(&rows[row][at]);
                let (codes, upper) = (_mm512_and_si512(codes, low_bits), _mm512_srli_epi16::<4>(codes));
                sums[row][0] = _mm512_dpbusd_epi32(sums[row][0], codes, low);
                sums[row][1] = _mm512_dpbusd_epi32(sums[row][1], _mm512_and_si512(upper, low_bits), high);
            }
        };
        for (at, block) in query.iter().enumerate() {
            let (halves, _) = block.as_chunks::<64>();
            step(at, bytes(&halves[0]), bytes(&halves[1]));
        }
        if !query_tail.is_empty() {
            match query_tail.split_first_chunk() {
                Some((low, high)) => step(query.len(), bytes(low), some_bytes(high)),
                None => step(query.len(), some_bytes(query_tail), _mm512_setzero_si512()),
            }
        }
        folded(sums)
    }
}

impl Kernel for Hamming {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [u32; N] {
        let sums = sums(query, rows, |sum, a, b| _mm512_add_epi32(sum, _mm512_popcnt_epi32(_mm512_xor_si512(a, b))));
        folded(sums).map(i32::cast_unsigned)
    }
}
