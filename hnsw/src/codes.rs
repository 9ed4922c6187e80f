//! Quantized codes in place, and approximate distances from a query.

use kapok_core::schema::Metric;
use kapok_core::{Error, Result};
use kapok_distance::{DIMENSION_MAX, Kernels, Rows};

use crate::number::row;
use crate::quantize::{CodeKind, HEAD, TAIL, is_inner, normalize, signed};
use crate::vectors::dot;
use crate::{Points, Query};

/// Codes of the vectors of a field in a segment.
#[derive(Clone, Copy, Debug)]
pub struct Codes<'a> {
    kind: CodeKind,
    metric: Metric,
    dimension: usize,
    mean: &'a [[u8; 4]],
    /// The mean's inner product with itself.
    mean_norm: f32,
    slots: Rows<'a>,
    /// Scale and term of each row.
    tails: &'a [[u8; TAIL]],
    kernels: Kernels,
}

/// A vector to measure from, quantized.
#[derive(Clone, Debug, Default)]
pub struct CodeQuery {
    digits: Vec<i8>,
    sum: i32,
    /// What is multiplied with a row's scale and the product of digits.
    factor: f32,
    /// What is added to a row's term.
    term: f32,
}

/// Rows measured in one call of a kernel.
const CHUNK: usize = 64;

impl<'a> Codes<'a> {
    /// Opens the body of an artifact. `name`: what errors call it; `at`: where in it the body begins.
    ///
    /// # Errors
    /// `Corrupt` if it is not what [`encode`](crate::encode) makes of so many rows of this dimension. Codes themselves may be
    /// anything.
    pub fn open(
        name: &str,
        at: usize,
        body: &'a [u8],
        kind: CodeKind,
        metric: Metric,
        dimension: u32,
        rows: u32,
    ) -> Result<Self> {
        let corrupt = |offset: usize, expected: String, found: String| {
            Error::corrupt(name, (at + offset) as u64, expected, found)
        };
        let (wide, stride) = (dimension as usize, kind.stride(dimension as usize));
        if wide > DIMENSION_MAX {
            return Err(corrupt(4, format!("a dimension of at most {DIMENSION_MAX}"), dimension.to_string()));
        }
        let codes_at = CodeKind::codes_at(wide, rows);
        let len = codes_at as u64 + stride as u64 * u64::from(rows);
        if body.len() as u64 != len {
            return Err(corrupt(body.len(), format!("a body of {len} bytes"), format!("{} bytes", body.len())));
        }
        let expected = [kind as u32 + 1, dimension, row(stride), row(codes_at)];
        let found = body.as_chunks().0.iter().map(|four| u32::from_le_bytes(*four));
        if let Some((place, (expected, found))) = expected.into_iter().zip(found).enumerate().find(|(_, (a, b))| a != b)
        {
            return Err(corrupt(4 * place, expected.to_string(), found.to_string()));
        }
        let outside = |error: kapok_distance::RowsError| corrupt(0, "rows within the body".into(), error.to_string());
        let slots = Rows::new(body, codes_at, stride, kind.code_bytes(wide), rows).map_err(outside)?;
        let tails = &body[CodeKind::tails_at(wide)..codes_at].as_chunks().0[..rows as usize];
        let mean = &body[HEAD..HEAD + 4 * wide].as_chunks().0;
        let mean_norm = f32::from_le_bytes(body.as_chunks().0[4]);
        Ok(Self { kind, metric, dimension: wide, mean, mean_norm, slots, tails, kernels: Kernels::detect() })
    }

    /// Returns how vectors are quantized.
    pub fn kind(&self) -> CodeKind {
        self.kind
    }

    fn mean(&self) -> impl Iterator<Item = f32> + 'a {
        self.mean.iter().map(|four| f32::from_le_bytes(*four))
    }

    /// Returns a row's scale and term.
    #[inline]
    fn tail(&self, row: u32) -> (f32, f32) {
        let (fours, _) = self.tails[row as usize].as_chunks();
        (f32::from_le_bytes(fours[0]), f32::from_le_bytes(fours[1]))
    }

    /// Quantizes a query.
    pub fn query(&self, query: &Query) -> CodeQuery {
        let mut vector = Vec::new();
        query.widen(self.dimension, self.metric, &mut vector);
        if self.metric == Metric::Cosine {
            normalize(&mut vector);
        }
        let mean: Vec<f32> = self.mean().collect();
        let with_mean = dot(&vector, &mean);
        vector.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
        let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
        let mut digits: Vec<i8> = vector.iter().map(|x| signed(x * inverse)).collect();
        digits.resize(self.kind.digits(self.dimension), 0);
        let (factor, term) = self.of_metric(largest / 127.0, self.mean_norm - with_mean, || dot(&vector, &vector));
        CodeQuery { sum: sum(&digits), digits, factor, term }
    }

    fn of_metric(&self, scale: f32, inner: f32, squared: impl FnOnce() -> f32) -> (f32, f32) {
        if is_inner(self.metric) { (scale, inner) } else { (2.0 * scale, squared()) }
    }
}

fn sum(digits: &[i8]) -> i32 {
    digits.iter().map(|digit| i32::from(*digit)).sum()
}

impl Points for Codes<'_> {
    type Query = CodeQuery;

    fn rows(&self) -> u32 {
        self.slots.count()
    }

    fn blank(&self) -> CodeQuery {
        CodeQuery::default()
    }

    fn load(&self, row: u32, query: &mut CodeQuery) {
        let code = self.slots.row(row);
        query.digits.clear();
        match self.kind {
            CodeKind::Sq8 => query.digits.extend(code.iter().map(|byte| (byte ^ 0x80).cast_signed())),
            CodeKind::Sq4 => {
                let level = |bits: u8| 2 * bits.cast_signed() - 15;
                for block in code.chunks(64) {
                    query.digits.extend(block.iter().map(|byte| level(byte & 15)));
                    query.digits.extend(block.iter().map(|byte| level(byte >> 4)));
                }
                query.digits[self.dimension..].fill(0);
            }
        }
        query.sum = sum(&query.digits);
        let (scale, term) = self.tail(row);
        (query.factor, query.term) = self.of_metric(scale, term + self.mean_norm, || term);
    }

    #[inline]
    fn measure(&self, query: &CodeQuery, rows: &[u32], out: &mut [f32]) {
        let mut dots = [0_i32; CHUNK];
        for (rows, out) in rows.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            let dots = &mut dots[..rows.len()];
            let (times, bias) = match self.kind {
                CodeKind::Sq8 => {
                    self.kernels.dot_u8i8(&query.digits, &self.slots, rows, dots);
                    (1, 128)
                }
                CodeKind::Sq4 => {
                    self.kernels.dot_u4i8(&query.digits, &self.slots, rows, dots);
                    (2, 15)
                }
            };
            let bias = bias * query.sum;
            for ((row, out), dot) in rows.iter().zip(out).zip(dots) {
                let (scale, term) = self.tail(*row);
                #[expect(clippy::cast_precision_loss, reason = "the same on every processor")]
                let product = (times * *dot - bias) as f32;
                *out = (term + query.term) - query.factor * scale * product;
            }
        }
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        self.kernels.prefetch(&self.slots, row);
    }
}
