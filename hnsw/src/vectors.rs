//! Vectors where they lie in a segment, and exact distances from a query.

use kapok_core::schema::Metric;
use kapok_core::vectors::{ElementType, VectorColumn};
use kapok_core::{Error, Result};
use kapok_distance::{DIMENSION_MAX, Kernels, RowIds, Rows};

use crate::Points;

/// The vectors of a column, for a metric.
#[derive(Clone, Copy, Debug)]
pub struct Vectors<'a> {
    /// Tells which rows have a vector; `None` if all do.
    column: Option<&'a VectorColumn>,
    rows: Rows<'a>,
    element: ElementType,
    dimension: u32,
    metric: Metric,
    kernels: Kernels,
}

/// A vector to measure from, in the numbers that the column's elements are compared as.
#[derive(Clone, Debug)]
pub struct Query {
    numbers: Numbers,
    /// Its inner product with itself, if the metric is the cosine.
    norm: f64,
}

#[derive(Clone, Debug)]
enum Numbers {
    Floats(Vec<f32>),
    Signed(Vec<i8>),
    Bytes(Vec<u8>),
}

/// Rows measured in one call of a kernel that gives other numbers than distances.
const CHUNK: usize = 64;

impl<'a> Vectors<'a> {
    /// Takes a column, to be compared by a metric; `None` if it has no vectors.
    ///
    /// # Errors
    /// `Invalid` if the column's elements are not compared by the metric, or vectors are longer than kernels take.
    pub fn new(column: &'a VectorColumn, metric: Metric) -> Result<Option<Self>> {
        if column.is_empty() {
            return Ok(None);
        }
        let name = column.segment().name();
        let rows = Rows::new(column.bytes(), column.offset(), column.stride(), column.vector_bytes(), column.rows());
        let rows = rows.map_err(|error| Error::invalid(name, error.to_string()))?;
        let vectors = Self::of_rows(name, rows, column.element(), column.dimension(), metric)?;
        Ok(Some(Self { column: Some(column), ..vectors }))
    }

    /// Takes rows that all have a vector. `name`: what errors call them.
    ///
    /// # Errors
    /// `Invalid` if the elements are not compared by the metric, or rows are not as long as vectors of the dimension.
    pub fn of_rows(name: &str, rows: Rows<'a>, element: ElementType, dimension: u32, metric: Metric) -> Result<Self> {
        if (metric == Metric::Hamming) != (element == ElementType::Bit) || metric == Metric::Unspecified {
            return Err(Error::invalid(name, format!("elements of {element} are not compared by metric {metric:?}")));
        }
        let numbers = if element == ElementType::Bit { rows.row_bytes() } else { dimension as usize };
        if numbers > DIMENSION_MAX {
            let most = DIMENSION_MAX * if element == ElementType::Bit { 8 } else { 1 };
            return Err(Error::invalid(
                name,
                format!("dimension={dimension}, where vectors of {element} have at most {most} to be compared"),
            ));
        }
        if element.vector_bytes(dimension) != Some(rows.row_bytes()) {
            let bytes = rows.row_bytes();
            return Err(Error::invalid(
                name,
                format!("rows of {bytes} bytes are no {dimension} elements of {element}"),
            ));
        }
        Ok(Self { column: None, rows, element, dimension, metric, kernels: Kernels::detect() })
    }

    /// Returns the bytes of a vector.
    pub(crate) fn row_bytes(&self) -> usize {
        self.rows.row_bytes()
    }

    /// Returns what the elements are.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Returns the metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Returns the number of elements of a vector.
    pub fn dimension(&self) -> usize {
        self.dimension as usize
    }

    /// Returns whether a row has a vector.
    pub fn has(&self, row: u32) -> bool {
        self.column.is_none_or(|column| column.has(row))
    }

    /// Writes a row's vector as 32-bit floats, which hold every kind of element exactly. Bits become -1 and 1.
    pub fn widen(&self, row: u32, out: &mut Vec<f32>) {
        out.clear();
        widen(self.element, self.rows.row(row), out);
    }

    /// Makes numbers a query.
    ///
    /// # Errors
    /// `Invalid` for another number of them than the dimension, for one that is not finite, and for one that the elements
    /// cannot be: a fraction for integers, anything but 0 and 1 for bits.
    pub fn query(&self, numbers: &[f32]) -> Result<Query> {
        Query::new(self.element, self.metric, self.dimension(), numbers)
    }

    /// Makes a row's vector a query.
    pub fn query_of_row(&self, row: u32) -> Query {
        let mut query = self.blank();
        self.load(row, &mut query);
        query
    }

    /// Turns what [`Points::measure`] gives into the distance that the metric promises: for L2 it is squared before.
    #[inline]
    pub fn distance(&self, measured: f32) -> f32 {
        if self.metric == Metric::L2 { measured.max(0.0).sqrt() } else { measured }
    }

    /// Measures from a query to rows in a list or a range of them.
    ///
    /// # Panics
    /// There is no such row, or `out` is shorter than `rows`.
    pub fn measure_rows(&self, query: &Query, rows: RowIds<'_>, out: &mut [f32]) {
        let out = &mut out[..rows.count()];
        let (kernels, element) = (self.kernels, self.element);
        match (&query.numbers, self.metric) {
            (Numbers::Floats(numbers), Metric::L2) => match element {
                ElementType::Float16 => kernels.l2_f16(numbers, &self.rows, rows, out),
                ElementType::BFloat16 => kernels.l2_bf16(numbers, &self.rows, rows, out),
                _ => kernels.l2_f32(numbers, &self.rows, rows, out),
            },
            (Numbers::Floats(numbers), Metric::InnerProduct) => {
                match element {
                    ElementType::Float16 => kernels.dot_f16(numbers, &self.rows, rows, out),
                    ElementType::BFloat16 => kernels.dot_bf16(numbers, &self.rows, rows, out),
                    _ => kernels.dot_f32(numbers, &self.rows, rows, out),
                }
                // Not `-x`: zero has one sign, or equal distances would differ in order.
                for x in out {
                    *x = 0.0 - *x;
                }
            }
            (Numbers::Floats(numbers), _) => in_chunks(rows, out, |rows, out| {
                let mut pairs = [(0.0, 0.0); CHUNK];
                match element {
                    ElementType::Float16 => kernels.dot_norm_f16(numbers, &self.rows, rows, &mut pairs[..out.len()]),
                    ElementType::BFloat16 => kernels.dot_norm_bf16(numbers, &self.rows, rows, &mut pairs[..out.len()]),
                    _ => kernels.dot_norm_f32(numbers, &self.rows, rows, &mut pairs[..out.len()]),
                }
                for (out, (dot, norm)) in out.iter_mut().zip(pairs) {
                    *out = cosine_distance(dot.into(), query.norm, norm.into());
                }
            }),
            (Numbers::Signed(numbers), Metric::L2) => in_chunks(rows, out, |rows, out| {
                let mut sums = [0; CHUNK];
                kernels.l2_i8(numbers, &self.rows, rows, &mut sums[..out.len()]);
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = float(sum));
            }),
            (Numbers::Signed(numbers), Metric::InnerProduct) => in_chunks(rows, out, |rows, out| {
                let mut sums = [0; CHUNK];
                kernels.dot_i8(numbers, &self.rows, rows, &mut sums[..out.len()]);
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = 0.0 - signed_float(sum));
            }),
            (Numbers::Signed(numbers), _) => in_chunks(rows, out, |rows, out| {
                let mut pairs = [(0, 0); CHUNK];
                kernels.dot_norm_i8(numbers, &self.rows, rows, &mut pairs[..out.len()]);
                for (out, (dot, norm)) in out.iter_mut().zip(pairs) {
                    *out = cosine_distance(dot.into(), query.norm, norm.into());
                }
            }),
            (Numbers::Bytes(bytes), metric) => in_chunks(rows, out, |rows, out| {
                let mut sums = [0; CHUNK];
                match metric {
                    Metric::Hamming => kernels.hamming(bytes, &self.rows, rows, &mut sums[..out.len()]),
                    Metric::L2 => kernels.l2_u8(bytes, &self.rows, rows, &mut sums[..out.len()]),
                    Metric::InnerProduct => kernels.dot_u8(bytes, &self.rows, rows, &mut sums[..out.len()]),
                    _ => {
                        let mut pairs = [(0, 0); CHUNK];
                        kernels.dot_norm_u8(bytes, &self.rows, rows, &mut pairs[..out.len()]);
                        for (out, (dot, norm)) in out.iter_mut().zip(pairs) {
                            *out = cosine_distance(dot.into(), query.norm, norm.into());
                        }
                        return;
                    }
                }
                let is_negated = metric == Metric::InnerProduct;
                let distance = |sum| if is_negated { 0.0 - float(sum) } else { float(sum) };
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = distance(sum));
            }),
        }
    }
}

impl Query {
    fn new(element: ElementType, metric: Metric, dimension: usize, numbers: &[f32]) -> Result<Self> {
        let invalid = |what: String| Err(Error::invalid("query vector", what));
        if numbers.len() != dimension {
            return invalid(format!("it has {} numbers where vectors have dimension {dimension}", numbers.len()));
        }
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            return invalid(format!("number {at} is {}, which is not finite", numbers[at]));
        }
        let range = match element {
            ElementType::Int8 => -128.0..=127.0,
            ElementType::UInt8 => 0.0..=255.0,
            ElementType::Bit => 0.0..=1.0,
            _ => return Ok(Self::of_numbers(Numbers::Floats(numbers.to_vec()), metric)),
        };
        if let Some(at) = numbers.iter().position(|number| !range.contains(number) || number.fract() != 0.0) {
            return invalid(format!("number {at} is {}, which no element of {element} is", numbers[at]));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range just checked")]
        let numbers = match element {
            ElementType::Int8 => Numbers::Signed(numbers.iter().map(|number| *number as i8).collect()),
            ElementType::UInt8 => Numbers::Bytes(numbers.iter().map(|number| *number as u8).collect()),
            _ => {
                let byte = |bits: &[f32]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit != 0.0));
                Numbers::Bytes(numbers.chunks(8).map(byte).collect())
            }
        };
        Ok(Self::of_numbers(numbers, metric))
    }

    fn of_numbers(numbers: Numbers, metric: Metric) -> Self {
        let norm = if metric == Metric::Cosine { numbers.norm() } else { 0.0 };
        Self { numbers, norm }
    }

    /// Writes the query as 32-bit floats, as [`Vectors::widen`] does a row.
    pub(crate) fn widen(&self, dimension: usize, metric: Metric, out: &mut Vec<f32>) {
        out.clear();
        match &self.numbers {
            Numbers::Floats(numbers) => out.extend(numbers),
            Numbers::Signed(numbers) => out.extend(numbers.iter().map(|x| f32::from(*x))),
            Numbers::Bytes(bytes) if metric == Metric::Hamming => widen(ElementType::Bit, bytes, out),
            Numbers::Bytes(bytes) => out.extend(bytes.iter().map(|x| f32::from(*x))),
        }
        out.truncate(dimension);
    }
}

impl Numbers {
    /// Returns their inner product with themselves: of floats, the sum that kernels make of a row of them.
    fn norm(&self) -> f64 {
        match self {
            Self::Floats(numbers) => {
                let mut sum = [0.0];
                match Rows::one(bytemuck::cast_slice(numbers)) {
                    Ok(row) => Kernels::detect().dot_f32(numbers, &row, &[0], &mut sum),
                    Err(error) => unreachable!("vectors are no longer than kernels take: {error}"),
                }
                sum[0].into()
            }
            Self::Signed(numbers) => numbers.iter().map(|x| u32::from(x.unsigned_abs()).pow(2)).sum::<u32>().into(),
            Self::Bytes(bytes) => bytes.iter().map(|x| u32::from(*x).pow(2)).sum::<u32>().into(),
        }
    }
}

impl Points for Vectors<'_> {
    type Query = Query;

    fn rows(&self) -> u32 {
        self.rows.count()
    }

    fn blank(&self) -> Query {
        Query { numbers: Numbers::Bytes(Vec::new()), norm: 0.0 }
    }

    fn load(&self, row: u32, query: &mut Query) {
        let bytes = self.rows.row(row);
        let numbers = match self.element {
            ElementType::Int8 => Numbers::Signed(bytes.iter().map(|byte| byte.cast_signed()).collect()),
            ElementType::UInt8 | ElementType::Bit => Numbers::Bytes(bytes.to_vec()),
            element => {
                let mut numbers = Vec::with_capacity(self.dimension());
                widen(element, bytes, &mut numbers);
                Numbers::Floats(numbers)
            }
        };
        *query = Query::of_numbers(numbers, self.metric);
    }

    #[inline]
    fn measure(&self, query: &Query, rows: &[u32], out: &mut [f32]) {
        self.measure_rows(query, rows.into(), out);
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        self.kernels.prefetch(&self.rows, row);
    }
}

/// Calls a function with pieces of the rows and of the places for what comes out.
fn in_chunks(rows: RowIds<'_>, out: &mut [f32], mut f: impl FnMut(RowIds<'_>, &mut [f32])) {
    match rows {
        RowIds::List(ids) => ids.chunks(CHUNK).zip(out.chunks_mut(CHUNK)).for_each(|(ids, out)| f(ids.into(), out)),
        RowIds::Range(ids) => {
            let mut from = ids.start;
            for out in out.chunks_mut(CHUNK) {
                let to = from + crate::number::row(out.len());
                f((from..to).into(), out);
                from = to;
            }
        }
        _ => {}
    }
}

/// Returns the distance of an inner product and those of both vectors with themselves, as `kapok_distance` does.
#[expect(clippy::cast_possible_truncation, reason = "to the nearest")]
fn cosine_distance(dot: f64, a: f64, b: f64) -> f32 {
    let norms = a * b;
    if norms == 0.0 { 1.0 } else { (1.0 - dot / norms.sqrt()) as f32 }
}

/// Adds the products of numbers in an order that does not depend on the processor.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Appends elements as numbers, bits as -1 and 1.
fn widen(element: ElementType, bytes: &[u8], out: &mut Vec<f32>) {
    let from = out.len();
    element.widen(bytes, out);
    if element == ElementType::Bit {
        for bit in &mut out[from..] {
            *bit = 2.0 * *bit - 1.0;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "distances are 32-bit floats")]
fn float(number: u32) -> f32 {
    number as f32
}

#[expect(clippy::cast_precision_loss, reason = "distances are 32-bit floats")]
fn signed_float(number: i32) -> f32 {
    number as f32
}
