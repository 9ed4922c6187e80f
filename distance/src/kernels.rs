//! Kernels for each instruction set, and the call of the right one.
//!
//! This folder alone has unsafe code. Each unsafe block answers these questions by number:
//!
//! 1. Does the processor have the instructions? Functions with `target_feature` are called by others with the same features
//!    and by [`each`], which calls them for a [`Level`] that was detected.
//! 2. Is every byte that is read within the slice or array that it is read through?
//! 3. Need the address be aligned, and may the bytes be anything? Only loads without alignment are used, and only of
//!    numbers, for which all bits are valid.

#![expect(
    unsafe_code,
    reason = "loads, prefetches and calls of functions for some processors are unsafe; they are here alone"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod operation;
mod plain;
mod scalar;
mod span;

pub(crate) use level::Level;
pub(crate) use operation::{
    Bf16, ByteDot, ByteDotNorm, ByteL2, F16, F32, FloatDot, FloatDotNorm, FloatL2, Hamming, I8, U4I8, U8, u4_bytes,
};
pub(crate) use plain::bytes_of;
pub(crate) use span::Span;

use crate::rows::{RowIds, Rows};

/// An operation for every instruction set that this program may meet.
#[cfg(target_arch = "x86_64")]
pub(crate) trait Everywhere: scalar::Kernel + avx2::Kernel + avx512::Kernel {}
#[cfg(target_arch = "x86_64")]
impl<K: scalar::Kernel + avx2::Kernel + avx512::Kernel> Everywhere for K {}

/// An operation for every instruction set that this program may meet.
#[cfg(target_arch = "aarch64")]
pub(crate) trait Everywhere: scalar::Kernel + neon::Kernel {}
#[cfg(target_arch = "aarch64")]
impl<K: scalar::Kernel + neon::Kernel> Everywhere for K {}

/// An operation for every instruction set that this program may meet.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) trait Everywhere: scalar::Kernel {}
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
impl<K: scalar::Kernel> Everywhere for K {}

/// Ids of a range that are written down at once.
const IDS_AT_ONCE: usize = 128;

/// Writes what comes out of the query and each of these rows.
///
/// # Panics
/// There are not as many places as ids, or there is no row of an id.
pub(crate) fn run<K: Everywhere>(level: Level, query: &[u8], rows: &Rows<'_>, ids: &RowIds<'_>, out: &mut [K::Out]) {
    assert_eq!(ids.count(), out.len(), "as many places as ids");
    match ids {
        RowIds::List(ids) => each::<K>(level, query, rows, ids, out),
        RowIds::Range(range) => {
            let mut left = range.clone();
            for out in out.chunks_mut(IDS_AT_ONCE) {
                let mut ids = [0; IDS_AT_ONCE];
                ids.iter_mut().zip(&mut left).for_each(|(place, id)| *place = id);
                each::<K>(level, query, rows, &ids[..out.len()], out);
            }
        }
    }
}

/// The same for a list of as many ids as places.
fn each<K: Everywhere>(level: Level, query: &[u8], rows: &Rows<'_>, ids: &[u32], out: &mut [K::Out]) {
    match level {
        Level::Scalar => scalar::each::<K>(query, rows, ids, out),
        // SAFETY: 1. a value of this variant holds the proof that they were detected. 2, 3. nothing is read here.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(_) => unsafe { avx2::each::<K>(query, rows, ids, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(_) => unsafe { avx512::each::<K>(query, rows, ids, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        Level::Neon(_) => unsafe { neon::each::<K>(query, rows, ids, out) },
    }
}

/// Fetches the beginnings of rows into the cache, where there is an instruction for it.
#[inline]
pub(crate) fn prefetch<const N: usize>(rows: [&[u8]; N]) {
    #[cfg(target_arch = "x86_64")]
    avx2::prefetch(rows);
    #[cfg(target_arch = "aarch64")]
    neon::prefetch(rows);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = rows;
}
