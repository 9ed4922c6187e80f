//! Kernels for NEON, which every 64-bit ARM processor has.

mod byte;
mod float;
mod load;

pub(super) use load::prefetch;

use super::operation::Operation;
use crate::rows::{RowIds, Rows};

/// An operation on several rows at once.
pub(crate) trait Kernel: Operation {
    /// What comes out for a query and rows of as many dimensions.
    ///
    /// # Safety
    /// The processor has what [`each`] needs.
    unsafe fn rows<const N: usize>(query: &[u8], rows: [&[u8]; N]) -> [Self::Out; N];
}

/// Writes what comes out for each of these rows, while the next ones are fetched.
#[target_feature(enable = "neon")]
pub(super) fn each<K: Kernel>(query: &[u8], rows: &Rows<'_>, ids: &RowIds<'_>, out: &mut [K::Out]) {
    let (pairs, rest) = out.as_chunks_mut::<2>();
    let mut at = 0;
    for pair in pairs {
        let here = [rows.row(ids.id(at)), rows.row(ids.id(at + 1))];
        at += 2;
        for next in at..ids.count().min(at + 2) {
            prefetch(rows.get(ids.id(next)));
        }
        // SAFETY: 1. this function is for the same instructions. 2, 3. it reads through slices.
        *pair = unsafe { K::rows(query, here) };
    }
    for one in rest {
        // SAFETY: as above.
        [*one] = unsafe { K::rows(query, [rows.row(ids.id(at))]) };
    }
}
