//! Kernels without instructions of any one processor: what all others must agree with.

use super::operation::{
    Byte, ByteDot, ByteDotNorm, ByteL2, Float, FloatDot, FloatDotNorm, FloatL2, Hamming, Operation, U4I8,
};
use crate::element::Element;
use crate::rows::Rows;

/// An operation on one row.
pub(crate) trait Kernel: Operation {
    /// What comes out for a query and a row of as many dimensions.
    fn row(query: &[u8], row: &[u8]) -> Self::Out;
}

/// Writes what comes out for each of these rows.
pub(super) fn each<K: Kernel>(query: &[u8], rows: &Rows<'_>, ids: &[u32], out: &mut [K::Out]) {
    for (out, &id) in out.iter_mut().zip(ids) {
        *out = K::row(query, rows.row(id));
    }
}

/// Sums in 64 lanes what `step` makes of a lane and two elements, and then the lanes.
fn sum<Q: Float, R: Float>(query: &[u8], row: &[u8], step: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; 64];
    let numbers = query.chunks_exact(Q::BYTES).map(widen::<Q>).zip(row.chunks_exact(R::BYTES).map(widen::<R>));
    let padding = (16 - numbers.len() % 16) % 16;
    for (at, (a, b)) in numbers.chain(std::iter::repeat_n((0.0, 0.0), padding)).enumerate() {
        lanes[at % 64] = step(lanes[at % 64], a, b);
    }
    for half in [32, 16, 8, 4, 2, 1] {
        let (low, high) = lanes.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
    }
    lanes[0]
}

fn dot_step(lane: f32, a: f32, b: f32) -> f32 {
    a.mul_add(b, lane)
}

fn l2_step(lane: f32, a: f32, b: f32) -> f32 {
    (a - b).mul_add(a - b, lane)
}

/// The number of these bytes, as many as it has.
fn widen<E: Float>(bytes: &[u8]) -> f32 {
    match (E::ELEMENT, bytes) {
        (Element::F16, &[low, high]) => f32_of_f16(u16::from_le_bytes([low, high])),
        (Element::Bf16, &[low, high]) => f32::from_le_bytes([0, 0, low, high]),
        (_, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
        _ => f32::NAN,
    }
}

/// The value of a binary16. A NaN becomes a quiet one with the same payload.
fn f32_of_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    let bits = match magnitude {
        // Subnormal: so many times 2^-24, which is exact.
        0..0x0400 => (f32::from(bits & 0x03ff) * f32::from_bits(0x3380_0000)).to_bits(),
        // The exponent's bias is 127 instead of 15.
        0x0400..0x7c00 => (magnitude << 13) + (112 << 23),
        0x7c00 => 0x7f80_0000,
        _ => 0x7fc0_0000 | (magnitude << 13),
    };
    f32::from_bits(sign | bits)
}

impl<Q: Float, R: Float> Kernel for FloatDot<Q, R> {
    fn row(query: &[u8], row: &[u8]) -> f32 {
        sum::<Q, R>(query, row, dot_step)
    }
}

impl<Q: Float, R: Float> Kernel for FloatL2<Q, R> {
    fn row(query: &[u8], row: &[u8]) -> f32 {
        sum::<Q, R>(query, row, l2_step)
    }
}

impl<Q: Float, R: Float> Kernel for FloatDotNorm<Q, R> {
    fn row(query: &[u8], row: &[u8]) -> (f32, f32) {
        (sum::<Q, R>(query, row, dot_step), sum::<R, R>(row, row, dot_step))
    }
}

/// The bytes as numbers.
fn integers<E: Byte>(bytes: &[u8]) -> impl Iterator<Item = i32> {
    bytes.iter().map(|&byte| if E::IS_SIGNED { i32::from(byte.cast_signed()) } else { i32::from(byte) })
}

/// The lower 32 bits of the sum of products.
fn byte_dot<Q: Byte, R: Byte>(query: &[u8], row: &[u8]) -> i32 {
    integers::<Q>(query).zip(integers::<R>(row)).fold(0, |sum, (a, b)| sum.wrapping_add(a * b))
}

impl<Q: Byte, R: Byte> Kernel for ByteDot<Q, R> {
    fn row(query: &[u8], row: &[u8]) -> Q::Sum {
        Q::sum(byte_dot::<Q, R>(query, row))
    }
}

impl<E: Byte> Kernel for ByteL2<E> {
    fn row(query: &[u8], row: &[u8]) -> u32 {
        let numbers = integers::<E>(query).zip(integers::<E>(row));
        numbers.map(|(a, b)| (a - b).unsigned_abs().pow(2)).fold(0, u32::wrapping_add)
    }
}

impl<E: Byte> Kernel for ByteDotNorm<E> {
    fn row(query: &[u8], row: &[u8]) -> (E::Sum, u32) {
        (E::sum(byte_dot::<E, E>(query, row)), byte_dot::<E, E>(row, row).cast_unsigned())
    }
}

impl Kernel for U4I8 {
    fn row(query: &[u8], row: &[u8]) -> i32 {
        let blocks = query.chunks(128).zip(row.chunks(64));
        let sums = blocks.map(|(query, codes)| {
            let codes = codes.iter().map(|codes| codes & 15).chain(codes.iter().map(|codes| codes >> 4));
            query.iter().zip(codes).map(|(&a, b)| i32::from(a.cast_signed()) * i32::from(b)).sum::<i32>()
        });
        sums.sum()
    }
}

impl Kernel for Hamming {
    fn row(query: &[u8], row: &[u8]) -> u32 {
        query.iter().zip(row).map(|(a, b)| (a ^ b).count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::f32_of_f16;

    #[test]
    fn a_binary16_has_the_value_that_its_fields_say() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let magnitude = match exponent {
                0 => fraction * 2_f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
            };
            let expected = if bits >> 15 == 1 { -magnitude } else { magnitude };
            let found = f64::from(f32_of_f16(bits));
            assert!(found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(), "{bits:#x}");
        }
    }
}
