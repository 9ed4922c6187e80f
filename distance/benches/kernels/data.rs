//! Vectors to measure with.

/// Dimensions that are measured: of small codes, of common models, and one that is no multiple of 64.
pub const DIMENSIONS: [usize; 5] = [64, 128, 384, 784, 1536];

/// A generator of numbers that look random, the same for the same seed.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Any bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.bits().to_le_bytes()[0]).collect()
    }

    /// From -1 to 1.
    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| f32::from_bits(0x4000_0000 | (self.bits() as u32) >> 9) - 3.0).collect()
    }

    /// From -1 to 1, as the upper halves of binary32.
    pub fn bf16s(&mut self, count: usize) -> Vec<u8> {
        self.floats(count).iter().flat_map(|float| [float.to_le_bytes()[2], float.to_le_bytes()[3]]).collect()
    }

    /// From -2 to 2, as binary16.
    pub fn f16s(&mut self, count: usize) -> Vec<u8> {
        (0..count).flat_map(|_| ((self.bits() as u16) & 0xbfff).to_le_bytes()).collect()
    }

    /// All of `0..count`, in random order.
    pub fn order(&mut self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, (self.bits() % (last as u64 + 1)) as usize);
        }
        order
    }
}

/// Rows that fit the first cache: as many as 32 KiB hold, and at least eight.
pub fn hot_rows(row_bytes: usize) -> u32 {
    u32::try_from((32 << 10) / row_bytes).expect("few rows").clamp(8, 256)
}

/// The bytes of floats.
pub fn bytes_of(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|float| float.to_le_bytes()).collect()
}
