//! Kernels for AVX-512 with VNNI and VPOPCNTDQ.

mod byte;
mod float;
mod load;

use super::operation::Operation;
use crate::rows::{RowIds, Rows};

/// An operation on several rows at once.
pub(crate) trait Kernel: Operation {
    /// What is needed of the query and the same for each row.
    ///
    /// # Safety
    /// The processor has what [`each`] needs.
    unsafe fn prepare(_query: &[u8]) -> i32 {
        0
    }

    /// What comes out for a query and rows of as many dimensions.
    ///
    /// # Safety
    /// The processor has what [`each`] needs.
    unsafe fn rows<const N: usize>(query: &[u8], prepared: i32, rows: [&[u8]; N]) -> [Self::Out; N];
}

/// Writes what comes out for each of these rows, while the next ones are fetched.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")]
pub(super) fn each<K: Kernel>(query: &[u8], rows: &Rows<'_>, ids: &RowIds<'_>, out: &mut [K::Out]) {
    // SAFETY: 1. this function is for the same instructions. 2, 3. it reads through slices.
    let prepared = unsafe { K::prepare(query) };
    let (fours, rest) = out.as_chunks_mut::<4>();
    let mut at = 0;
    for four in fours {
        let here: [&[u8]; 4] = std::array::from_fn(|of| rows.row(ids.id(at + of)));
        at += 4;
        for next in at..ids.count().min(at + 4) {
            super::prefetch(rows.get(ids.id(next)));
        }
        // SAFETY: as above.
        *four = unsafe { K::rows(query, prepared, here) };
    }
    for one in rest {
        // SAFETY: as above.
        [*one] = unsafe { K::rows(query, prepared, [rows.row(ids.id(at))]) };
        at += 1;
    }
}
