//! The numbers that vectors are made of.

use std::fmt;

use crate::segment::list_shape;
use crate::words::ElementSize;

/// What the elements of a vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 16 bits.
    Float16,
    /// The upper 16 bits of a 32-bit IEEE 754 number.
    BFloat16,
    /// Signed, 8 bits.
    Int8,
    /// Unsigned, 8 bits.
    UInt8,
    /// One bit, the lowest of a byte first; eight to the byte.
    Bit,
}

impl ElementType {
    /// Returns the bits of an element.
    pub fn bits(self) -> usize {
        match self {
            Self::Float32 => 32,
            Self::Float16 | Self::BFloat16 => 16,
            Self::Int8 | Self::UInt8 => 8,
            Self::Bit => 1,
        }
    }

    /// Returns whether the elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float16 | Self::BFloat16)
    }

    /// Returns the bytes of a vector of so many elements; `None` for bits that do not fill bytes.
    pub fn vector_bytes(self, dimension: u32) -> Option<usize> {
        let bits = dimension as usize * self.bits();
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Returns the dimension of a vector of so many bytes.
    pub(crate) fn dimension_of(self, bytes: usize) -> u32 {
        u32::try_from(bytes * 8 / self.bits()).unwrap_or(u32::MAX)
    }

    /// Returns the size of the elements of the lists that hold them: that of bytes for bits.
    pub(crate) fn list_size(self) -> ElementSize {
        match self {
            Self::Float32 => ElementSize::FourBytes,
            Self::Float16 | Self::BFloat16 => ElementSize::TwoBytes,
            Self::Int8 | Self::UInt8 | Self::Bit => ElementSize::Byte,
        }
    }

    /// Returns the pointer to a vector of so many elements, without its offset.
    pub(crate) fn list_shape(self, dimension: u32) -> u64 {
        let count = u64::from(dimension) * self.bits() as u64 / self.list_size().bits() as u64;
        list_shape(self.list_size(), count)
    }

    /// Returns the first element that is NaN or infinite, if the elements are floats.
    pub(crate) fn find_infinite(self, vector: &[u8]) -> Option<usize> {
        // The exponent of such a number is all ones.
        let bits16 = |number: &[u8; 2], exponent: u16| u16::from_le_bytes(*number) & exponent == exponent;
        match self {
            Self::Float32 => {
                let (numbers, _) = vector.as_chunks::<4>();
                let exponent = f32::INFINITY.to_bits();
                first(numbers, |number| u32::from_le_bytes(*number) & exponent == exponent)
            }
            Self::Float16 => first(vector.as_chunks::<2>().0, |number| bits16(number, 0x7c00)),
            Self::BFloat16 => first(vector.as_chunks::<2>().0, |number| bits16(number, 0x7f80)),
            Self::Int8 | Self::UInt8 | Self::Bit => None,
        }
    }
}

/// Returns the first number that a test holds of. All of them are tested first without a branch for each, since mostly none
/// is such.
fn first<T>(numbers: &[T], test: impl Fn(&T) -> bool) -> Option<usize> {
    let any = numbers.iter().fold(false, |any, number| any | test(number));
    if any { numbers.iter().position(test) } else { None }
}

impl ElementType {
    /// Appends elements as 32-bit floats, which hold all of them exactly; bits as 0 and 1.
    pub fn widen(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::Float32 => out.extend(bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four))),
            Self::Float16 => out.extend(bytes.as_chunks().0.iter().map(|two| half(u16::from_le_bytes(*two)))),
            Self::BFloat16 => {
                let bits = bytes.as_chunks().0.iter().map(|two| u32::from(u16::from_le_bytes(*two)) << 16);
                out.extend(bits.map(f32::from_bits));
            }
            Self::Int8 => out.extend(bytes.iter().map(|byte| f32::from(byte.cast_signed()))),
            Self::UInt8 => out.extend(bytes.iter().map(|byte| f32::from(*byte))),
            Self::Bit => {
                out.extend(bytes.iter().flat_map(|byte| (0..8).map(move |bit| f32::from(byte >> bit & 1))));
            }
        }
    }
}

/// Widens a number of IEEE 754, 16 bits.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    match exponent {
        0 => f32::from_bits(sign | (f32::from(bits & 1023) * 2.0_f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
            Self::Int8 => "int8",
            Self::UInt8 => "uint8",
            Self::Bit => "bit",
        })
    }
}

/// Numbers that vectors are read as: see [`VectorColumn::numbers`](super::VectorColumn::numbers). Sealed.
pub trait VectorNumber: bytemuck::AnyBitPattern + sealed::Sealed {
    /// Returns whether elements can be read so.
    fn fits(element: ElementType) -> bool;
}

mod sealed {
    /// Keeps other crates from implementing [`VectorNumber`](super::VectorNumber).
    pub trait Sealed {}
}

macro_rules! numbers {
    ($(($rust:ty, $pattern:pat))*) => {$(
        impl sealed::Sealed for $rust {}

        impl VectorNumber for $rust {
            fn fits(element: ElementType) -> bool {
                matches!(element, $pattern)
            }
        }
    )*};
}
numbers! {
    (f32, ElementType::Float32)
    (u16, ElementType::Float16 | ElementType::BFloat16)
    (i8, ElementType::Int8)
    (u8, ElementType::UInt8 | ElementType::Bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_finite_are_found_in_every_kind_of_float() {
        let bytes = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let floats = |numbers: &[f32]| ElementType::Float32.find_infinite(&bytes(numbers));
        assert_eq!(floats(&[0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45]), None);
        assert_eq!(floats(&[0.0, f32::NAN]), Some(1));
        assert_eq!(floats(&[f32::NEG_INFINITY, f32::INFINITY]), Some(0));
        let halves = |element: ElementType, bits: u16| element.find_infinite(&[[0, 0], bits.to_le_bytes()].concat());
        for (element, largest, infinite, nan) in
            [(ElementType::Float16, 0x7bff, 0xfc00, 0x7e00), (ElementType::BFloat16, 0x7f7f, 0xff80, 0x7fc0)]
        {
            assert_eq!([largest, infinite, nan].map(|bits| halves(element, bits)), [None, Some(1), Some(1)]);
        }
        for element in [ElementType::Int8, ElementType::UInt8, ElementType::Bit] {
            assert_eq!(element.find_infinite(&[0xff; 9]), None);
        }
    }

    #[test]
    fn halves_are_widened_exactly() {
        let known = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, expected) in known {
            assert_eq!(half(bits).to_bits(), f32::to_bits(expected), "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn bits_are_zeros_and_ones_the_lowest_first() {
        let mut out = Vec::new();
        ElementType::Bit.widen(&[0b0000_0101], &mut out);
        assert_eq!(out, [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
