//! Distances by metric and element, made of the sums of kernels.

use crate::element::Element;
use crate::kernel_set::Kernels;
use crate::kernels::{
    Bf16, ByteDot, ByteDotNorm, ByteL2, Everywhere, F16, F32, FloatDot, FloatDotNorm, FloatL2, Hamming, I8, U8,
};
use crate::metric::Metric;
use crate::rows::{RowIds, Rows};

/// Sums that are turned into distances at once.
const SUMS_AT_ONCE: usize = 64;

impl Kernels {
    /// Distance between two vectors, each the bytes of its elements. It is the same in both directions.
    ///
    /// # Panics
    /// The metric does not [suit](Metric::suits) the element, or one vector is longer than the other or than the longest.
    pub fn distance(self, metric: Metric, element: Element, a: &[u8], b: &[u8]) -> f32 {
        let mut distance = [0.0];
        match Rows::one(b) {
            Ok(row) => self.distances(metric, element, a, &row, &[0], &mut distance),
            Err(error) => panic!("{error}"),
        }
        distance[0]
    }

    /// Distances of rows from a query, which is the bytes of the same elements as theirs.
    ///
    /// Sums are turned into distances in 64 bits: square roots and quotients have the same bits on every processor too.
    ///
    /// # Panics
    /// As all calls of [`Kernels`], or the metric does not [suit](Metric::suits) the element.
    pub fn distances<'i>(
        self,
        metric: Metric,
        element: Element,
        query: &[u8],
        rows: &Rows<'_>,
        ids: impl Into<RowIds<'i>>,
        out: &mut [f32],
    ) {
        assert!(metric.suits(element), "there is no such distance: metric={metric:?} element={element:?}");
        let element_bytes = element.row_bytes(1);
        assert!(query.len().is_multiple_of(element_bytes), "bytes of whole elements: len={}", query.len());
        let dimension = query.len() / element_bytes;
        let call = Call { kernels: self, query, dimension, rows, ids: ids.into() };
        match (metric, element) {
            (Metric::Dot, Element::F32) => call.dot::<FloatDot<F32>>(out),
            (Metric::Dot, Element::F16) => call.dot::<FloatDot<F16>>(out),
            (Metric::Dot, Element::Bf16) => call.dot::<FloatDot<Bf16>>(out),
            (Metric::Dot, Element::I8) => call.dot::<ByteDot<I8>>(out),
            (Metric::Dot, _) => call.dot::<ByteDot<U8>>(out),
            (Metric::L2, Element::F32) => call.l2::<FloatL2<F32>>(out),
            (Metric::L2, Element::F16) => call.l2::<FloatL2<F16>>(out),
            (Metric::L2, Element::Bf16) => call.l2::<FloatL2<Bf16>>(out),
            (Metric::L2, Element::I8) => call.l2::<ByteL2<I8>>(out),
            (Metric::L2, _) => call.l2::<ByteL2<U8>>(out),
            (Metric::Cosine, Element::F32) => call.cosine::<FloatDotNorm<F32>, _, _>(out),
            (Metric::Cosine, Element::F16) => call.cosine::<FloatDotNorm<F16>, _, _>(out),
            (Metric::Cosine, Element::Bf16) => call.cosine::<FloatDotNorm<Bf16>, _, _>(out),
            (Metric::Cosine, Element::I8) => call.cosine::<ByteDotNorm<I8>, _, _>(out),
            (Metric::Cosine, _) => call.cosine::<ByteDotNorm<U8>, _, _>(out),
            (Metric::Hamming, _) => call.each::<Hamming>(out, f64::from),
        }
    }
}

/// What a call is about.
struct Call<'a> {
    kernels: Kernels,
    query: &'a [u8],
    dimension: usize,
    rows: &'a Rows<'a>,
    ids: RowIds<'a>,
}

impl Call<'_> {
    fn dot<K: Everywhere<Out: Into<f64>>>(&self, out: &mut [f32]) {
        // Not `-sum`: zero has one sign, or equal distances would differ in order.
        self.each::<K>(out, |sum| 0.0 - sum.into());
    }

    fn l2<K: Everywhere<Out: Into<f64>>>(&self, out: &mut [f32]) {
        self.each::<K>(out, |sum| sum.into().sqrt());
    }

    fn cosine<K: Everywhere<Out = (D, N)>, D, N>(&self, out: &mut [f32])
    where
        D: Into<f64> + Copy + Default,
        N: Into<f64> + Copy + Default,
    {
        let mut own = [K::Out::default()];
        let query = match Rows::one(self.query) {
            Ok(query) => query,
            Err(error) => panic!("{error}"),
        };
        self.kernels.run::<K>(self.query, self.dimension, self.query.len(), &query, &RowIds::List(&[0]), &mut own);
        let own_norm: f64 = own[0].1.into();
        self.each::<K>(out, |(dot, norm)| {
            let norms = own_norm * norm.into();
            if norms == 0.0 { 1.0 } else { 1.0 - dot.into() / norms.sqrt() }
        });
    }

    /// Writes what `distance` makes of each sum, rounded once more.
    fn each<K: Everywhere>(&self, out: &mut [f32], distance: impl Fn(K::Out) -> f64) {
        assert_eq!(self.ids.count(), out.len(), "as many places as ids");
        let mut at = 0;
        for out in out.chunks_mut(SUMS_AT_ONCE) {
            let mut sums = [K::Out::default(); SUMS_AT_ONCE];
            let sums = &mut sums[..out.len()];
            let ids = self.ids.part(at, out.len());
            self.kernels.run::<K>(self.query, self.dimension, self.query.len(), self.rows, &ids, sums);
            for (out, &mut sum) in out.iter_mut().zip(sums) {
                #[expect(clippy::cast_possible_truncation, reason = "to the nearest")]
                let nearest = distance(sum) as f32;
                *out = nearest;
            }
            at += out.len();
        }
    }
}
