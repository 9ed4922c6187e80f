//! In which order rows enter a graph, and which of them are on its upper levels.

/// Levels above the lowest that a graph may have.
pub(crate) const LEVELS_MAX: usize = 15;

/// Rows with vectors, by the hashes of their keys, and how many of them each upper level has.
///
/// A level holds the rows with the least hashes, so that it is the first ranks of this order, and a row keeps its levels in a
/// merged segment.
#[derive(Clone, Debug, Default)]
pub struct Order {
    rows: Vec<u32>,
    counts: Vec<u32>,
}

impl Order {
    /// Orders rows by the hashes of their keys. One in `m` of a level is in the next.
    pub fn new(rows: impl IntoIterator<Item = (u64, u32)>, m: u32) -> Self {
        let mut sorted: Vec<(u64, u32)> = rows.into_iter().collect();
        sorted.sort_unstable();
        let counts = std::iter::successors(Some(u64::MAX), |threshold| Some(threshold / u64::from(m.max(2))))
            .skip(1)
            .take(LEVELS_MAX)
            .map(|threshold| crate::number::row(sorted.partition_point(|(hash, _)| *hash < threshold)))
            .take_while(|count| *count > 0)
            .collect();
        Self { rows: sorted.into_iter().map(|(_, row)| row).collect(), counts }
    }

    /// Returns the rows by rank.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Returns the numbers of rows on levels 1, 2, and so on.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Returns the highest level of a rank.
    pub(crate) fn level(&self, rank: u32) -> usize {
        self.counts.iter().take_while(|count| rank < **count).count()
    }
}
