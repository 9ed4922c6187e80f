//! Sums of products of bytes by VNNI, none of which saturates.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_and_si512, _mm512_dpbusd_epi32, _mm512_popcnt_epi32, _mm512_reduce_add_epi32,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi32, _mm512_shuffle_i32x4, _mm512_slli_epi32,
    _mm512_srli_epi16, _mm512_sub_epi32, _mm512_xor_si512,
};

use super::Kernel;
use super::load::{bytes, lanes, some_bytes};
use crate::kernels::operation::{Byte, ByteDot, ByteDotNorm, ByteL2, Hamming, U4I8, all_chunks_like, all_codes};

/// The registers of each row, after `step` went through 64 bytes of the query and of the row at a time. It is told which of two
/// such blocks it is at, so that sums may alternate between registers and need not wait for each other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn sums<const REGISTERS: usize, const N: usize>(
    query: &[u8],
    rows: [&[u8]; N],
    step: impl Fn(&mut [__m512i; REGISTERS], usize, __m512i, __m512i),
) -> [[__m512i; REGISTERS]; N] {
    let (query, query_tail) = query.as_chunks::<64>();
    let rows = all_chunks_like(rows, (query, query_tail));
    let mut sums = [[_mm512_setzero_si512(); REGISTERS]; N];
    let (pairs, odd) = query.as_chunks::<2>();
    for (at, pair) in pairs.iter().enumerate() {
        for (part, block) in pair.iter().enumerate() {
            let a = bytes(block);
            for row in 0..N {
                step(&mut sums[row], part, a, bytes(&rows[row].0[at * 2 + part]));
            }
        }
    }
    if let [block] = odd {
        let a = bytes(block);
        for row in 0..N {
            step(&mut sums[row], 0, a, bytes(&rows[row].0[query.len() - 1]));
        }
    }
    if !query_tail.is_empty() {
        let a = some_bytes(query_tail);
        for row in 0..N {
            step(&mut sums[row], 1, a, some_bytes(rows[row].1));
        }
    }
    sums
}

/// Adds the lanes of the register of each row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn folded<const N: usize>(sums: [__m512i; N]) -> [i32; N] {
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

/// The same bytes without a sign, and with one: VNNI multiplies one by the other. The two differ by 128, which flips the highest
/// bit. Zeros that pad both sides add nothing, since one of the two forms is zero on each side.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn both<E: Byte>(bytes: __m512i) -> (__m512i, __m512i) {
    let flipped = _mm512_xor_si512(bytes, _mm512_set1_epi8(i8::MIN));
    if E::IS_SIGNED { (flipped, bytes) } else { (bytes, flipped) }
}

/// Adds the product of a query and a row, in which one of the two may be 128 too much or too little: see [`excess`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn dot_step<Q: Byte, R: Byte>(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    match (Q::IS_SIGNED, R::IS_SIGNED) {
        (true, false) => _mm512_dpbusd_epi32(sum, b, a),
        (false, true) => _mm512_dpbusd_epi32(sum, a, b),
        (true, true) => _mm512_dpbusd_epi32(sum, both::<R>(b).0, a),
        (false, false) => _mm512_dpbusd_epi32(sum, a, both::<R>(b).1),
    }
}

/// What sums of [`dot_step`] have too much for this query: 128 times the sum of the query, which is less than 2^31.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn excess<Q: Byte, R: Byte>(query: &[u8]) -> i32 {
    if Q::IS_SIGNED != R::IS_SIGNED {
        return 0;
    }
    let [sum] = folded(
        sums(query, [query], |[sum]: &mut [__m512i; 1], _, a, _| *sum = sum_step::<Q>(*sum, a)).map(|[sum]| sum),
    );
    if Q::IS_SIGNED { sum.wrapping_mul(128) } else { sum.wrapping_mul(-128) }
}

/// Adds the numbers themselves.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn sum_step<E: Byte>(sum: __m512i, bytes: __m512i) -> __m512i {
    let ones = _mm512_set1_epi8(1);
    if E::IS_SIGNED { _mm512_dpbusd_epi32(sum, ones, bytes) } else { _mm512_dpbusd_epi32(sum, bytes, ones) }
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
        let sums = sums(query, rows, |sums: &mut [__m512i; 2], part, a, b| {
            sums[part] = dot_step::<Q, R>(sums[part], a, b);
        });
        folded(sums.map(|[a, b]| _mm512_add_epi32(a, b))).map(|sum| Q::sum(sum.wrapping_sub(prepared)))
    }
}

/// With `a` and `b` the bytes without a sign, and `a'` and `b'` those with one, the square of a difference is
/// `(a - b) * (a' - b') = a * a' + b * b' - a * b' - b * a'`.
impl<E: Byte> Kernel for ByteL2<E> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn prepare(query: &[u8]) -> i32 {
        let sums = sums(query, [query], |[sum]: &mut [__m512i; 1], _, a, _| {
            let (a, signed_a) = both::<E>(a);
            *sum = _mm512_dpbusd_epi32(*sum, a, signed_a);
        });
        folded(sums.map(|[sum]| sum))[0]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], prepared: i32, rows: [&[u8]; N]) -> [u32; N] {
        let sums = sums(query, rows, |sums: &mut [__m512i; 3], _, a, b| {
            let ((a, signed_a), (b, signed_b)) = (both::<E>(a), both::<E>(b));
            sums[0] = _mm512_dpbusd_epi32(sums[0], b, signed_b);
            sums[1] = _mm512_dpbusd_epi32(sums[1], a, signed_b);
            sums[2] = _mm512_dpbusd_epi32(sums[2], b, signed_a);
        });
        let sums = sums.map(|[own, a, b]| _mm512_sub_epi32(own, _mm512_add_epi32(a, b)));
        folded(sums).map(|sum| prepared.wrapping_add(sum).cast_unsigned())
    }
}

/// The square of a byte is `b * b' + 128 * b`, or `b * b' - 128 * b'` if it has a sign.
impl<E: Byte> Kernel for ByteDotNorm<E> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn prepare(query: &[u8]) -> i32 {
        excess::<E, E>(query)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], prepared: i32, rows: [&[u8]; N]) -> [(E::Sum, u32); N] {
        let sums = sums(query, rows, |sums: &mut [__m512i; 3], _, a, b| {
            sums[0] = dot_step::<E, E>(sums[0], a, b);
            sums[1] = sum_step::<E>(sums[1], b);
            let (b, signed_b) = both::<E>(b);
            sums[2] = _mm512_dpbusd_epi32(sums[2], b, signed_b);
        });
        let dots = folded(sums.map(|[dot, _, _]| dot));
        let norms = folded(sums.map(|[_, sum, own]| {
            let half = _mm512_slli_epi32::<7>(sum);
            if E::IS_SIGNED { _mm512_sub_epi32(own, half) } else { _mm512_add_epi32(own, half) }
        }));
        std::array::from_fn(|row| (E::sum(dots[row].wrapping_sub(prepared)), norms[row].cast_unsigned()))
    }
}

/// Adds what 128 dimensions of the query, of which each register has 64, give with 64 bytes of codes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn codes_step(sums: &mut [__m512i; 2], low: __m512i, high: __m512i, codes: &[u8; 64]) {
    let (low_bits, codes) = (_mm512_set1_epi8(15), bytes(codes));
    let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), low_bits);
    sums[0] = _mm512_dpbusd_epi32(sums[0], _mm512_and_si512(codes, low_bits), low);
    sums[1] = _mm512_dpbusd_epi32(sums[1], upper, high);
}

impl Kernel for U4I8 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [i32; N] {
        let count = query.len().div_ceil(128);
        let (query, query_tail) = query.as_chunks::<128>();
        let rows = all_codes(rows, count);
        let mut sums = [[_mm512_setzero_si512(); 2]; N];
        for (at, block) in query.iter().enumerate() {
            let (halves, _) = block.as_chunks::<64>();
            let (low, high) = (bytes(&halves[0]), bytes(&halves[1]));
            for row in 0..N {
                codes_step(&mut sums[row], low, high, &rows[row][at]);
            }
        }
        if !query_tail.is_empty() {
            let (low, high) = match query_tail.split_first_chunk() {
                Some((low, high)) => (bytes(low), some_bytes(high)),
                None => (some_bytes(query_tail), _mm512_setzero_si512()),
            };
            for row in 0..N {
                codes_step(&mut sums[row], low, high, &rows[row][count - 1]);
            }
        }
        folded(sums.map(|[a, b]| _mm512_add_epi32(a, b)))
    }
}

impl Kernel for Hamming {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
    unsafe fn rows<const N: usize>(query: &[u8], _prepared: i32, rows: [&[u8]; N]) -> [u32; N] {
        let sums = sums(query, rows, |[sum]: &mut [__m512i; 1], _, a, b| {
            *sum = _mm512_add_epi32(*sum, _mm512_popcnt_epi32(_mm512_xor_si512(a, b)));
        });
        folded(sums.map(|[sum]| sum)).map(i32::cast_unsigned)
    }
}
