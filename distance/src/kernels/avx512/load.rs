//! Reads of memory. All other functions of this folder compute on registers.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _mm256_loadu_si256, _mm256_maskz_loadu_epi16, _mm512_castsi512_ps, _mm512_cvtepu16_epi32,
    _mm512_cvtph_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_loadu_epi8, _mm512_maskz_loadu_ps,
    _mm512_slli_epi32, _mm512_storeu_si512,
};

use crate::element::Element;
use crate::kernels::operation::Float;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
pub(super) fn floats<E: Float>(sixteen: &E::Sixteen) -> __m512 {
    let start = std::ptr::from_ref(sixteen);
    match E::ELEMENT {
        // SAFETY: 1. this function is for them alone. 2. the 64 bytes of an array. 3. unaligned.
        Element::F32 => unsafe { _mm512_loadu_ps(start.cast()) },
        // SAFETY: 1. this function is for them alone. 2. the 32 bytes of an array. 3. unaligned.
        _ => widen::<E>(unsafe { _mm256_loadu_si256(start.cast()) }),
    }
}

/// Less than sixteen, and zeros after them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
pub(super) fn some_floats<E: Float>(bytes: &[u8]) -> __m512 {
    let mask = (1_u16 << (bytes.len() / E::BYTES).min(15)) - 1;
    match E::ELEMENT {
        // SAFETY: 1. this function is for them alone. 2. what the mask leaves out is not read, and it leaves in at most the whole
        // numbers of the slice. 3. unaligned.
        Element::F32 => unsafe { _mm512_maskz_loadu_ps(mask, bytes.as_ptr().cast()) },
        // SAFETY: as above.
        _ => widen::<E>(unsafe { _mm256_maskz_loadu_epi16(mask, bytes.as_ptr().cast()) }),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
fn widen<E: Float>(sixteen: __m256i) -> __m512 {
    if E::ELEMENT == Element::F16 {
        _mm512_cvtph_ps(sixteen)
    } else {
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(sixteen)))
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
pub(super) fn bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 1. this function is for them alone. 2. the 64 bytes of an array. 3. unaligned.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Less than 64 bytes, and zeros after them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
pub(super) fn some_bytes(bytes: &[u8]) -> __m512i {
    let mask = (1_u64 << bytes.len().min(63)) - 1;
    // SAFETY: 1. this function is for them alone. 2. what the mask leaves out is not read, and it leaves in at most the slice.
    // 3. unaligned.
    unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) }
}

/// The lanes of a register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
pub(super) fn lanes(register: __m512i) -> [i32; 16] {
    let mut lanes = [0; 16];
    // SAFETY: 1. this function is for them alone. 2. the 64 bytes of an array are written. 3. unaligned.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), register) };
    lanes
}
