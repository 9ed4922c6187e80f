//! What a vector consists of.

/// Kind of number that a vector consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Element {
    /// IEEE 754 binary32, little-endian.
    F32,
    /// IEEE 754 binary16, little-endian.
    F16,
    /// The upper half of a binary32, little-endian.
    Bf16,
    /// Signed byte.
    I8,
    /// Unsigned byte.
    U8,
    /// Bit; the first is the lowest of the first byte.
    Bit,
}

impl Element {
    /// Bytes that a vector of this dimension takes. The last byte of bits is padded with zeros.
    pub const fn row_bytes(self, dimension: usize) -> usize {
        match self {
            Self::F32 => dimension * 4,
            Self::F16 | Self::Bf16 => dimension * 2,
            Self::I8 | Self::U8 => dimension,
            Self::Bit => dimension.div_ceil(8),
        }
    }
}
