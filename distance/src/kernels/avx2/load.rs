//! Reads of memory. All other functions of this folder compute on registers.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_castsi256_ps, _mm256_cvtepu16_epi32,
    _mm256_cvtph_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_slli_epi32,
};

use crate::element::Element;
use crate::kernels::operation::Float;

/// Bytes of a row that are fetched ahead; the processor fetches what follows them.
const PREFETCHED_BYTES_MAX: usize = 512;

/// Fetches the beginnings of rows that are equally long.
#[inline]
pub(in crate::kernels) fn prefetch<const N: usize>(rows: [&[u8]; N]) {
    let len = rows.first().map_or(0, |row| row.len());
    for at in (0..len.min(PREFETCHED_BYTES_MAX)).step_by(64) {
        for row in rows {
            // SAFETY: 1. every x86-64 has it. 2, 3. it reads nothing, and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(row.as_ptr().wrapping_add(at).cast()) };
        }
    }
}

/// Sixteen floats, in two registers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn floats<E: Float>(sixteen: &E::Sixteen) -> [__m256; 2] {
    let start = std::ptr::from_ref(sixteen);
    if E::ELEMENT == Element::F32 {
        let start = start.cast::<f32>();
        // SAFETY: 1. this function is for them alone. 2. the 64 bytes of an array. 3. unaligned.
        return unsafe { [_mm256_loadu_ps(start), _mm256_loadu_ps(start.add(8))] };
    }
    let start = start.cast::<__m128i>();
    // SAFETY: 1. this function is for them alone. 2. the 32 bytes of an array. 3. unaligned.
    unsafe { [_mm_loadu_si128(start), _mm_loadu_si128(start.add(1))] }.map(|eight| widen::<E>(eight))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn widen<E: Float>(eight: __m128i) -> __m256 {
    if E::ELEMENT == Element::F16 {
        _mm256_cvtph_ps(eight)
    } else {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(eight)))
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn sixteen(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 1. this function is for them alone. 2. the 16 bytes of an array. 3. unaligned.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn bytes(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 1. this function is for them alone. 2. the 32 bytes of an array. 3. unaligned.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
