//! Reads of memory. All other functions of this folder compute on registers.

use std::arch::aarch64::{
    float32x4_t, int8x16_t, uint8x16_t, uint16x4_t, vget_high_u16, vget_low_u16, vld1q_f32, vld1q_s8, vld1q_u8,
    vld1q_u16, vreinterpretq_f32_u32, vshll_n_u16,
};
use std::arch::asm;

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
            let line = row.as_ptr().wrapping_add(at);
            // SAFETY: 1. every AArch64 has it. 2, 3. it reads nothing, and never faults.
            unsafe {
                asm!("prfm pldl1keep, [{0}]", in(reg) line, options(nostack, preserves_flags, readonly));
            }
        }
    }
}

/// Sixteen floats, in four registers.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn floats<E: Float>(sixteen: &E::Sixteen) -> [float32x4_t; 4] {
    let start = std::ptr::from_ref(sixteen);
    if E::ELEMENT == Element::F32 {
        let start = start.cast::<f32>();
        // SAFETY: 1. this function is for them alone. 2. the 64 bytes of an array. 3. unaligned: it loads bytes as they are.
        return [0, 4, 8, 12].map(|at| unsafe { vld1q_f32(start.add(at)) });
    }
    let start = start.cast::<u16>();
    // SAFETY: 1. this function is for them alone. 2. the 32 bytes of an array. 3. as above.
    let [low, high] = [0, 8].map(|at| unsafe { vld1q_u16(start.add(at)) });
    [vget_low_u16(low), vget_high_u16(low), vget_low_u16(high), vget_high_u16(high)].map(|four| widen::<E>(four))
}

#[inline]
#[target_feature(enable = "neon")]
fn widen<E: Float>(four: uint16x4_t) -> float32x4_t {
    if E::ELEMENT == Element::F16 {
        let wide;
        // SAFETY: 1. this function is for NEON, which has it, though the intrinsic is not stable. 2, 3. it reads a register.
        unsafe {
            asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) wide, in(vreg) four, options(pure, nomem, nostack, preserves_flags));
        }
        wide
    } else {
        vreinterpretq_f32_u32(vshll_n_u16::<16>(four))
    }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn unsigned(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: 1. this function is for them alone. 2. the 16 bytes of an array. 3. bytes.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
pub(super) fn signed(bytes: &[u8; 16]) -> int8x16_t {
    // SAFETY: 1. this function is for them alone. 2. the 16 bytes of an array. 3. bytes.
    unsafe { vld1q_s8(bytes.as_ptr().cast()) }
}
