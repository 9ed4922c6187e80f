//! Sets of rows.

/// Rows of a segment that a search may give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
    count: u32,
    /// Rows that it may hold are below this number.
    rows: u32,
}

impl RowSet {
    /// Makes an empty set of rows below a number.
    pub fn new(rows: u32) -> Self {
        Self { words: vec![0; rows.div_ceil(64) as usize], count: 0, rows }
    }

    /// Collects rows. Those not below `rows` are left out.
    pub fn of(rows: u32, members: impl IntoIterator<Item = u32>) -> Self {
        let mut set = Self::new(rows);
        members.into_iter().for_each(|row| set.insert(row));
        set
    }

    /// Makes a set of all rows below a number but some.
    pub fn all_but(rows: u32, left_out: impl IntoIterator<Item = u32>) -> Self {
        let mut set = Self { words: vec![u64::MAX; rows.div_ceil(64) as usize], count: rows, rows };
        if let Some(last) = set.words.last_mut().filter(|_| !rows.is_multiple_of(64)) {
            *last = (1 << (rows % 64)) - 1;
        }
        for row in left_out {
            if set.contains(row) {
                set.words[row as usize / 64] &= !(1 << (row % 64));
                set.count -= 1;
            }
        }
        set
    }

    /// Adds a row; nothing happens if it may hold none of this number.
    pub fn insert(&mut self, row: u32) {
        if row < self.rows
            && let Some(word) = self.words.get_mut(row as usize / 64)
        {
            let bit = 1 << (row % 64);
            self.count += u32::from(*word & bit == 0);
            *word |= bit;
        }
    }

    /// Returns whether a row is in it.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Returns the number of rows in it.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Iterates over the rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            std::iter::successors(Some(*word).filter(|word| *word != 0), |word| {
                Some(word & (word - 1)).filter(|word| *word != 0)
            })
            .map(move |word| crate::number::row(at * 64) + word.trailing_zeros())
        })
    }
}
