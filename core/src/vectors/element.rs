//! The numbers that vectors are made of.

use std::fmt;

use super::{ElementSize, Type};

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
    /// Returns the elements of a field of a type; `None` if that can hold no vector.
    pub(crate) fn of(ty: &Type) -> Option<Self> {
        match ty {
            Type::Data => Some(Self::UInt8),
            Type::List(element) => match **element {
                Type::Float32 => Some(Self::Float32),
                Type::Int8 => Some(Self::Int8),
                Type::UInt8 => Some(Self::UInt8),
                _ => None,
            },
            _ => None,
        }
    }

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

    /// Returns the size of the elements of the lists that hold them: that of bytes for bits.
    pub(crate) fn size(self) -> ElementSize {
        match self {
            Self::Float32 => ElementSize::FourBytes,
            Self::Float16 | Self::BFloat16 => ElementSize::TwoBytes,
            Self::Int8 | Self::UInt8 | Self::Bit => ElementSize::Byte,
        }
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
