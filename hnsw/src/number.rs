//! Numbers of rows, which fit 32 bits.

/// Makes a position a row number.
#[expect(clippy::cast_possible_truncation, reason = "a segment has fewer than 2^29 rows")]
#[inline]
pub(crate) fn row(position: usize) -> u32 {
    debug_assert!(u32::try_from(position).is_ok());
    position as u32
}
