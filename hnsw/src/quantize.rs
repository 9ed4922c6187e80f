//! Encodes vectors as codes of few bits: a scale for each vector, around the mean of all.

use std::num::NonZeroUsize;

use kapok_core::schema::Metric;
use kapok_core::segment::in_parallel_on;

use crate::number::row;
use crate::vectors::dot;
use crate::{Points, Vectors};

/// How vectors are quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeKind {
    /// 8 bits for each element: levels -127 to 127.
    Sq8,
    /// 4 bits for each element: the odd levels -15 to 15.
    Sq4,
}

/// Bytes in front of the mean.
pub(crate) const HEAD: usize = 64;
/// Bytes of a cache line, at which codes begin.
pub(crate) const LINE: usize = 64;
/// Bytes that go with a code: its scale and its term.
pub(crate) const TAIL: usize = 8;
/// Byte of the code of an element that is 0, for 8 bits.
const ZERO: u8 = 128;
/// Vectors from which the mean is taken.
const SAMPLE: usize = 1 << 14;
/// Elements that a block of 4-bit codes holds.
const BLOCK: usize = 128;

impl CodeKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sq8, Self::Sq4];

    /// Returns the name by which it is declared.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sq8 => "sq8",
            Self::Sq4 => "sq4",
        }
    }

    /// Returns the kind of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the number of elements of a query: the dimension, filled up.
    pub(crate) fn digits(self, dimension: usize) -> usize {
        match self {
            Self::Sq8 => dimension,
            Self::Sq4 => dimension.next_multiple_of(BLOCK),
        }
    }

    pub(crate) fn code_bytes(self, dimension: usize) -> usize {
        match self {
            Self::Sq8 => dimension,
            Self::Sq4 => self.digits(dimension) / 2,
        }
    }

    /// Returns the bytes from one code to the next.
    pub fn stride(self, dimension: usize) -> usize {
        self.code_bytes(dimension).next_multiple_of(LINE)
    }

    /// Returns where the scales and terms begin.
    pub(crate) fn tails_at(dimension: usize) -> usize {
        (HEAD + 4 * dimension).next_multiple_of(LINE)
    }

    /// Returns where the first code begins.
    pub(crate) fn codes_at(dimension: usize, rows: u32) -> usize {
        (Self::tails_at(dimension) + TAIL * rows as usize).next_multiple_of(LINE)
    }

    /// Writes a vector's code; its scale.
    fn quantize(self, vector: &[f32], code: &mut [u8]) -> f32 {
        let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        match self {
            Self::Sq8 => {
                let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
                for (code, x) in code.iter_mut().zip(vector) {
                    *code = ZERO.wrapping_add_signed(signed(x * inverse));
                }
                largest / 127.0
            }
            Self::Sq4 => {
                let scale = best_scale(vector, largest);
                let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
                for (at, x) in vector.iter().enumerate() {
                    let level = level(x * inverse);
                    let (block, within) = (at / BLOCK, at % BLOCK);
                    let byte = &mut code[block * LINE + within % LINE];
                    *byte |= if within < LINE { level } else { level << 4 };
                }
                scale
            }
        }
    }
}

/// Rounds a small number to the nearest integer, to even if it is between two: the digits of the sum have no room for a fraction.
/// `f32::round_ties_even` is a call for each number where the instruction set of the oldest processors is all that is asked for.
fn rounded(x: f32) -> f32 {
    const NO_FRACTION: f32 = 12_582_912.0;
    (x + NO_FRACTION) - NO_FRACTION
}

/// Rounds to an integer from -127 to 127.
#[expect(clippy::cast_possible_truncation, reason = "in range")]
pub(crate) fn signed(x: f32) -> i8 {
    rounded(x.clamp(-127.0, 127.0)) as i8
}

/// Returns the 4-bit level whose value `2 * level - 15` is nearest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
fn level(x: f32) -> u8 {
    rounded(((x + 15.0) * 0.5).clamp(0.0, 15.0)) as u8
}

/// Returns the scale with the least squared error, of some under which the largest elements are cut off.
fn best_scale(vector: &[f32], largest: f32) -> f32 {
    let mut best = (f32::INFINITY, 0.0);
    for tenths in [10.0, 9.0, 8.0, 7.0, 6.0] {
        let scale = largest * tenths / 150.0;
        if scale == 0.0 {
            break;
        }
        let inverse = 1.0 / scale;
        let mut errors = [0.0_f32; 16];
        for chunk in vector.chunks(16) {
            for (error, x) in errors.iter_mut().zip(chunk) {
                let steps = rounded(((x * inverse + 15.0) * 0.5).clamp(0.0, 15.0));
                let off = (2.0 * steps - 15.0) * scale - x;
                *error += off * off;
            }
        }
        let error = errors.iter().sum();
        if error < best.0 {
            best = (error, scale);
        }
    }
    best.1
}

/// Divides by the length, unless that is 0.
pub(crate) fn normalize(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        for x in vector {
            *x /= length;
        }
    }
}

/// Encodes the vectors of a column, on so many threads, as the body of an artifact (FORMAT.md, "Codes").
pub fn encode(kind: CodeKind, vectors: &Vectors<'_>, threads: NonZeroUsize) -> Vec<u8> {
    let dimension = vectors.dimension();
    let mean = mean(vectors);
    let (codes_at, stride) = (CodeKind::codes_at(dimension, vectors.rows()), kind.stride(dimension));
    let mut out = vec![0; codes_at + stride * vectors.rows() as usize];
    let head = [kind as u32 + 1, row(dimension), row(stride), row(codes_at), dot(&mean, &mean).to_bits()];
    for (place, number) in out.as_chunks_mut().0.iter_mut().zip(head) {
        *place = number.to_le_bytes();
    }
    for (place, x) in out[HEAD..].as_chunks_mut().0.iter_mut().zip(&mean) {
        *place = x.to_le_bytes();
    }
    let per = 1024;
    let (head, codes) = out.split_at_mut(codes_at);
    let tails = head[CodeKind::tails_at(dimension)..].as_chunks_mut::<TAIL>().0;
    let tasks: Vec<_> = codes.chunks_mut(per * stride).zip(tails.chunks_mut(per)).enumerate().collect();
    in_parallel_on(threads, tasks, |(part, (codes, tails))| {
        let mut vector = Vec::new();
        for (at, (code, tail)) in codes.chunks_mut(stride).zip(tails).enumerate() {
            let row = row(part * per + at);
            if vectors.has(row) {
                vectors.widen(row, &mut vector);
                encode_one(kind, vectors.metric(), &mut vector, &mean, code, tail);
            }
        }
    });
    out
}

fn encode_one(
    kind: CodeKind,
    metric: Metric,
    vector: &mut [f32],
    mean: &[f32],
    code: &mut [u8],
    tail: &mut [u8; TAIL],
) {
    if metric == Metric::Cosine {
        normalize(vector);
    }
    let with_mean = dot(vector, mean);
    vector.iter_mut().zip(mean).for_each(|(x, mean)| *x -= mean);
    let scale = kind.quantize(vector, &mut code[..kind.code_bytes(vector.len())]);
    let term = if is_inner(metric) { -with_mean } else { dot(vector, vector) };
    tail[..4].copy_from_slice(&scale.to_le_bytes());
    tail[4..].copy_from_slice(&term.to_le_bytes());
}

/// Returns whether codes of the metric approximate inner products; those of others squared distances.
pub(crate) fn is_inner(metric: Metric) -> bool {
    matches!(metric, Metric::InnerProduct | Metric::Cosine)
}

/// Returns the mean of a sample of the vectors.
fn mean(vectors: &Vectors<'_>) -> Vec<f32> {
    let step = (vectors.rows() as usize / SAMPLE).max(1);
    let mut sums = vec![0.0_f64; vectors.dimension()];
    let mut count = 0.0_f64;
    let mut vector = Vec::new();
    for row in (0..vectors.rows()).step_by(step).filter(|row| vectors.has(*row)) {
        vectors.widen(row, &mut vector);
        if vectors.metric() == Metric::Cosine {
            normalize(&mut vector);
        }
        sums.iter_mut().zip(&vector).for_each(|(sum, x)| *sum += f64::from(*x));
        count += 1.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "as exact as the vectors")]
    sums.iter().map(|sum| (sum / count.max(1.0)) as f32).collect()
}
