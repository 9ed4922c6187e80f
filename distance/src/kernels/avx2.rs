//! Kernels for AVX2 with FMA, F16C and POPCNT.

mod byte;
mod float;
mod load;

pub(super) use load::prefetch;

use super::operation::Operation;
use crate::rows::Rows;

/// An operation on several rows at once.
pub(crate) trait Kernel: Operation {
    /// What comes out for a query and rows of as many dimensions.
    ///
    /// # Safety
    /// The processor has what [`each`] needs.
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [Self::Out; N];
}

/// Writes what comes out for each of these rows, while the next ones are fetched.
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
pub(super) fn each<K: Kernel>(query: &[u8], rows: &Rows<'_>, ids: &[u32], out: &mut [K::Out]) {
    let (fours, rest) = ids.as_chunks::<4>();
    let (out_of_fours, out_of_rest) = out.as_chunks_mut::<4>();
    let mut following = fours.iter();
    let mut next = following.next().map(|&four| rows.group(four));
    for out in out_of_fours {
        let Some(here) = next else { break };
        next = following.next().map(|&four| rows.group(four));
        if let Some(next) = next {
            super::prefetch(next);
        }
        // SAFETY: 1. this function is for the same instructions. 2, 3. it reads through slices.
        *out = unsafe { K::rows(query, here) };
    }
    for (out, &id) in out_of_rest.iter_mut().zip(rest) {
        // SAFETY: as above.
        [*out] = unsafe { K::rows(query, [rows.row(id)]) };
    }
}
