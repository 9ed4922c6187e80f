//! The kernels of an instruction set: all calls, with their checks.

use std::env;
use std::sync::LazyLock;

use crate::DIMENSION_MAX;
use crate::kernels::{
    Bf16, ByteDot, ByteDotNorm, ByteL2, Everywhere, F16, F32, FloatDot, FloatDotNorm, FloatL2, Hamming, I8, Level,
    U4I8, U8, bytes_of, prefetch, run, u4_bytes,
};
use crate::rows::{RowIds, Rows};

static DETECTED: LazyLock<Kernels> = LazyLock::new(|| {
    let name = env::var("KAPOK_KERNELS").ok();
    chosen(&Kernels::available(), name.as_deref())
});

/// Those of this name, or the fastest, which are the last.
fn chosen(available: &[Kernels], name: Option<&str>) -> Kernels {
    let named = available.iter().find(|kernels| Some(kernels.name()) == name);
    *named.unwrap_or(&available[available.len() - 1])
}

/// Kernels for one instruction set, which this processor has.
///
/// A call writes for each id what comes out of the query and that row, in the order of the ids. It panics if there are not as
/// many places as ids, if there is no row of an id, or if rows are not as long as the query; so it is with all of them.
/// Sets differ in speed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(Level);

impl Kernels {
    /// The fastest that this processor has, or those that the environment variable `KAPOK_KERNELS` names at the first call
    /// (`scalar`, `avx2`, `avx512` or `neon`), if the processor has them.
    pub fn detect() -> Self {
        *DETECTED
    }

    /// All that this processor has, the slowest first.
    pub fn available() -> Vec<Self> {
        Level::all().into_iter().map(Self).collect()
    }

    /// Name of the instruction set: `scalar`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Fetches a row into the cache, without waiting for it. Nothing happens if there is no such row.
    #[inline]
    pub fn prefetch(self, rows: &Rows<'_>, id: u32) {
        prefetch([rows.get(id)]);
    }

    /// Inner products.
    pub fn dot_f32<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [f32]) {
        self.run::<FloatDot<F32>>(bytes_of(query), query.len(), query.len() * 4, rows, &ids.into(), out);
    }

    /// Squared Euclidean distances.
    pub fn l2_f32<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [f32]) {
        self.run::<FloatL2<F32>>(bytes_of(query), query.len(), query.len() * 4, rows, &ids.into(), out);
    }

    /// Inner products, and those of each row with itself.
    pub fn dot_norm_f32<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [(f32, f32)]) {
        self.run::<FloatDotNorm<F32>>(bytes_of(query), query.len(), query.len() * 4, rows, &ids.into(), out);
    }

    /// Inner products with rows of binary16.
    pub fn dot_f16<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [f32]) {
        self.run::<FloatDot<F32, F16>>(bytes_of(query), query.len(), query.len() * 2, rows, &ids.into(), out);
    }

    /// Squared Euclidean distances from rows of binary16.
    pub fn l2_f16<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [f32]) {
        self.run::<FloatL2<F32, F16>>(bytes_of(query), query.len(), query.len() * 2, rows, &ids.into(), out);
    }

    /// Inner products with rows of binary16, and those of each row with itself.
    pub fn dot_norm_f16<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [(f32, f32)]) {
        self.run::<FloatDotNorm<F32, F16>>(bytes_of(query), query.len(), query.len() * 2, rows, &ids.into(), out);
    }

    /// Inner products with rows of bfloat16.
    pub fn dot_bf16<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [f32]) {
        self.run::<FloatDot<F32, Bf16>>(bytes_of(query), query.len(), query.len() * 2, rows, &ids.into(), out);
    }

    /// Squared Euclidean distances from rows of bfloat16.
    pub fn l2_bf16<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [f32]) {
        self.run::<FloatL2<F32, Bf16>>(bytes_of(query), query.len(), query.len() * 2, rows, &ids.into(), out);
    }

    /// Inner products with rows of bfloat16, and those of each row with itself.
    pub fn dot_norm_bf16<'i>(self, query: &[f32], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [(f32, f32)]) {
        self.run::<FloatDotNorm<F32, Bf16>>(bytes_of(query), query.len(), query.len() * 2, rows, &ids.into(), out);
    }

    /// Inner products.
    pub fn dot_i8<'i>(self, query: &[i8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [i32]) {
        self.run::<ByteDot<I8>>(bytes_of(query), query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Squared Euclidean distances.
    pub fn l2_i8<'i>(self, query: &[i8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [u32]) {
        self.run::<ByteL2<I8>>(bytes_of(query), query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Inner products, and those of each row with itself.
    pub fn dot_norm_i8<'i>(self, query: &[i8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [(i32, u32)]) {
        self.run::<ByteDotNorm<I8>>(bytes_of(query), query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Inner products.
    pub fn dot_u8<'i>(self, query: &[u8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [u32]) {
        self.run::<ByteDot<U8>>(query, query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Squared Euclidean distances.
    pub fn l2_u8<'i>(self, query: &[u8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [u32]) {
        self.run::<ByteL2<U8>>(query, query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Inner products, and those of each row with itself.
    pub fn dot_norm_u8<'i>(self, query: &[u8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [(u32, u32)]) {
        self.run::<ByteDotNorm<U8>>(query, query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Numbers of bits that differ, those beyond the dimension in the last byte too.
    pub fn hamming<'i>(self, query: &[u8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [u32]) {
        self.run::<Hamming>(query, query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Inner products of a signed query with rows of unsigned codes.
    pub fn dot_u8i8<'i>(self, query: &[i8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [i32]) {
        self.run::<ByteDot<I8, U8>>(bytes_of(query), query.len(), query.len(), rows, &ids.into(), out);
    }

    /// Inner products of a signed query with rows of packed 4-bit codes, which the crate's first page describes.
    pub fn dot_u4i8<'i>(self, query: &[i8], rows: &Rows<'_>, ids: impl Into<RowIds<'i>>, out: &mut [i32]) {
        self.run::<U4I8>(bytes_of(query), query.len(), u4_bytes(query.len()), rows, &ids.into(), out);
    }

    /// Runs an operation after the checks of its lengths. `dimension` is that of the query, or more.
    pub(crate) fn run<K: Everywhere>(
        self,
        query: &[u8],
        dimension: usize,
        row_bytes: usize,
        rows: &Rows<'_>,
        ids: &RowIds<'_>,
        out: &mut [K::Out],
    ) {
        assert!(dimension <= DIMENSION_MAX, "a vector has at most {DIMENSION_MAX} dimensions: dimension={dimension}");
        assert_eq!(rows.row_bytes(), row_bytes, "rows are as long as the query");
        run::<K>(self.0, query, rows, ids, out);
    }
}

#[cfg(test)]
mod tests {
    use super::{Kernels, chosen};

    #[test]
    fn kernels_are_the_fastest_or_those_that_are_named() {
        let available = Kernels::available();
        assert_eq!(Some(&chosen(&available, None)), available.last());
        assert_eq!(Some(&chosen(&available, Some("no such name"))), available.last());
        for &kernels in &available {
            assert_eq!(chosen(&available, Some(kernels.name())), kernels);
        }
    }
}
