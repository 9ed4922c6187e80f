//! Where objects begin in an extent, and a number for each.

/// Numbers of objects, which are added in the order of their places: an array of them that has no room for other places.
///
/// It takes 12 bytes for each 64 words of the extent and 4 for each object.
pub(super) struct Starts {
    /// A bit for each word of the extent: whether an object begins there.
    bits: Vec<u64>,
    /// Objects before the first that begins within each 64 words, where one does.
    before: Vec<u32>,
    numbers: Vec<u32>,
}

impl Starts {
    /// None yet, in an extent of so many words.
    pub(super) fn new(words: usize) -> Self {
        let len = words.div_ceil(64);
        Self { bits: vec![0; len], before: vec![0; len], numbers: Vec::new() }
    }

    /// Returns the number of the object that begins at a word; 0 if none does.
    #[inline]
    pub(super) fn get(&self, word: usize) -> u32 {
        self.place(word).map_or(0, |place| self.numbers[place])
    }

    /// Adds the object that begins at a word behind all others, or gives one of these another number.
    #[inline]
    pub(super) fn set(&mut self, word: usize, number: u32) {
        if let Some(place) = self.place(word) {
            self.numbers[place] = number;
            return;
        }
        let bits = &mut self.bits[word / 64];
        debug_assert_eq!(*bits >> (word % 64), 0, "objects are added in order");
        if *bits == 0 {
            // An extent has fewer than 2^29 words.
            self.before[word / 64] = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        }
        *bits |= 1 << (word % 64);
        self.numbers.push(number);
    }

    #[inline]
    fn place(&self, word: usize) -> Option<usize> {
        let bits = self.bits[word / 64];
        let below = (1 << (word % 64)) - 1;
        (bits >> (word % 64) & 1 == 1).then(|| self.before[word / 64] as usize + (bits & below).count_ones() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::Starts;

    #[test]
    fn numbers_are_found_where_objects_begin_and_nowhere_else() {
        let words = [0, 1, 5, 63, 64, 65, 127, 192, 700, 767, 899];
        let mut starts = Starts::new(900);
        for (number, word) in (1..).zip(words) {
            assert_eq!(starts.get(word), 0);
            starts.set(word, number);
        }
        starts.set(64, 77);
        for word in 0..900 {
            let expected = (1..).zip(words).find(|(_, start)| *start == word).map_or(0, |(number, _)| number);
            assert_eq!(starts.get(word), if word == 64 { 77 } else { expected }, "{word}");
        }
    }
}
