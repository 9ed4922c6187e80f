//! Random vectors, rows of them at any alignment, and naive sums.

use kapok_distance::Rows;

/// A generator of numbers that look random, the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.bits().to_le_bytes()[0]).collect()
    }

    /// From -2 to 2, of any size down to about 2^-32.
    pub fn float(&mut self) -> f32 {
        let bits = self.bits().to_le_bytes();
        let exponent = 127 - u32::from(bits[0] % 32) * u32::from(bits[1] % 2);
        let fraction = u32::from_le_bytes([bits[2], bits[3], bits[4] & 0x7f, 0]);
        f32::from_bits(u32::from(bits[5] & 1) << 31 | exponent << 23 | fraction)
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// Finite numbers of 16 bits, of any size and subnormal ones too, of which `exponents` are not.
    pub fn halves(&mut self, count: usize, exponents: u16) -> Vec<u8> {
        let one = |bits: [u8; 8]| {
            let bits = u16::from_le_bytes([bits[0], bits[1]]);
            if bits & exponents == exponents { bits ^ (exponents & exponents << 1) } else { bits }
        };
        (0..count).flat_map(|_| one(self.bits().to_le_bytes()).to_le_bytes()).collect()
    }
}

/// Rows at an offset and with a gap between them, so that each lies differently.
pub struct Table {
    bytes: Vec<u8>,
    offset: usize,
    stride: usize,
    row_bytes: usize,
    count: u32,
}

impl Table {
    /// `bytes` is one row after the other.
    pub fn new(bytes: &[u8], row_bytes: usize, alignment: usize, gap: usize) -> Self {
        let rows = bytes.chunks(row_bytes);
        let count = u32::try_from(rows.len()).unwrap();
        // A vector's memory may begin anywhere: from its first address of a cache line on, so many bytes further.
        let mut padded = vec![0xa5; 64 + alignment];
        let offset = padded.as_ptr().align_offset(64) % 64 + alignment;
        padded.resize(offset, 0xa5);
        for row in rows {
            padded.extend_from_slice(row);
            padded.extend(std::iter::repeat_n(0xa5, gap));
        }
        padded.truncate(padded.len() - gap);
        Self { bytes: padded, offset, stride: row_bytes + gap, row_bytes, count }
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.bytes, self.offset, self.stride, self.row_bytes, self.count).unwrap()
    }
}

pub fn bytes_of_floats(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|float| float.to_le_bytes()).collect()
}

pub fn floats_of(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

pub fn floats_of_bf16(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&[low, high]| f32::from_le_bytes([0, 0, low, high])).collect()
}

pub fn floats_of_f16(bytes: &[u8]) -> Vec<f32> {
    let value = |bits: u16| {
        let (sign, exponent) = (if bits >> 15 == 1 { -1.0 } else { 1.0 }, i32::from(bits >> 10 & 31));
        let fraction = f32::from(bits & 1023);
        match exponent {
            0 => sign * fraction * 2_f32.powi(-24),
            31 if fraction == 0.0 => sign * f32::INFINITY,
            31 => f32::NAN,
            _ => sign * (1024.0 + fraction) * 2_f32.powi(exponent - 25),
        }
    };
    bytes.as_chunks().0.iter().map(|&bytes| value(u16::from_le_bytes(bytes))).collect()
}

pub fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}
