//! What a graph is walked by: distances from a query to rows.

/// Rows in a space.
pub trait Points: Sync {
    /// A point to measure from, prepared.
    type Query: Send + Sync;

    /// Returns the number of rows, those without a vector included.
    fn rows(&self) -> u32;

    /// Returns a query to fill.
    fn blank(&self) -> Self::Query;

    /// Makes a row the query.
    fn load(&self, row: u32, query: &mut Self::Query);

    /// Measures from the query to each of the rows. Smaller is nearer; the numbers sort as the distances do.
    ///
    /// # Panics
    /// There is no such row, or `out` is shorter than `rows`.
    fn measure(&self, query: &Self::Query, rows: &[u32], out: &mut [f32]);

    /// Fetches what it takes to measure a row into the cache, without waiting for it.
    fn prefetch(&self, _row: u32) {}
}
