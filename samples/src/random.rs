//! Numbers, texts and lists that depend on a seed alone.

#![allow(clippy::cast_possible_truncation, reason = "random values")]

/// Numbers that depend on the seed alone.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number of the sequence.
    #[expect(clippy::should_implement_trait, reason = "a sequence without an end is no iterator here")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`.
    ///
    /// # Panics
    /// If `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Returns `true` once in `n` times.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Returns a small, an extreme or any number.
    pub(crate) fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => self.next() % 4,
            2 => [u64::MAX, 1 << 63, i64::MAX as u64, 200, u64::from(1.5_f32.to_bits())][self.below(5)],
            _ => self.next(),
        }
    }

    pub(crate) fn maybe<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.one_in(3)).then(|| f(self))
    }

    pub(crate) fn some<T>(&mut self, max: usize, mut f: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = if self.one_in(4) { 0 } else { self.below(max + 1) };
        (0..count).map(|_| f(self)).collect()
    }

    pub(crate) fn text(&mut self) -> String {
        const TEXTS: [&str; 9] =
            ["", "a", "b", "seven77", "eight888", "unnamed", "naïve ☃", "nul\0inside", "a longer text"];
        match self.below(3) {
            0 => format!("text {}", self.next()),
            _ => TEXTS[self.below(TEXTS.len())].to_owned(),
        }
    }

    pub(crate) fn data(&mut self) -> Vec<u8> {
        self.some(20, |r| r.next() as u8)
    }
}
