//! Vectors that lie in bytes, one every so many bytes, and which of them a call is about.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use crate::DIMENSION_MAX;
use crate::kernels::Span;

/// Vectors in bytes: row `r` is the `row_bytes` bytes from `offset + r * stride` on. Nothing need be aligned.
#[derive(Clone, Copy)]
pub struct Rows<'a>(Span<'a>);

/// Rows that do not lie in their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowsError {
    /// Bytes that there are.
    pub len: usize,
    /// Where the first row was said to begin.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row.
    pub row_bytes: usize,
    /// Number of rows.
    pub count: u32,
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, offset, stride, row_bytes, count } = self;
        write!(
            f,
            "rows lie outside of their bytes: len={len} offset={offset} stride={stride} row_bytes={row_bytes} count={count}"
        )
    }
}

impl Error for RowsError {}

impl<'a> Rows<'a> {
    /// Rows of which the first begins at `offset` and each other `stride` bytes after the one before it.
    ///
    /// # Errors
    /// The last row ends behind the bytes, rows overlap, or a row is longer than the longest vector.
    pub fn new(bytes: &'a [u8], offset: usize, stride: usize, row_bytes: usize, count: u32) -> Result<Self, RowsError> {
        let rows = if stride < row_bytes || row_bytes > 4 * DIMENSION_MAX {
            None
        } else {
            Span::new(bytes, offset, stride, row_bytes, count)
        };
        rows.map(Self).ok_or(RowsError { len: bytes.len(), offset, stride, row_bytes, count })
    }

    /// One row, which is these bytes.
    ///
    /// # Errors
    /// The row is longer than the longest vector.
    pub fn one(bytes: &'a [u8]) -> Result<Self, RowsError> {
        Self::new(bytes, 0, bytes.len(), bytes.len(), 1)
    }

    /// Number of rows.
    pub fn count(&self) -> u32 {
        self.0.count()
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.0.row_bytes()
    }

    /// The bytes of a row.
    ///
    /// # Panics
    /// There is no such row.
    #[inline]
    pub fn row(&self, id: u32) -> &'a [u8] {
        self.0.row(id)
    }

    /// The bytes of four rows.
    #[inline]
    pub(crate) fn group(&self, [a, b, c, d]: [u32; 4]) -> [&'a [u8]; 4] {
        [self.row(a), self.row(b), self.row(c), self.row(d)]
    }

    /// The bytes of a row, none if there is no such row.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> &'a [u8] {
        if id < self.count() { self.row(id) } else { &[] }
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("stride", &self.0.stride())
            .field("row_bytes", &self.row_bytes())
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// Rows that a call is about: a list of ids, or a range of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RowIds<'a> {
    /// These, in this order. An id may come twice.
    List(&'a [u32]),
    /// All of a range.
    Range(Range<u32>),
}

impl RowIds<'_> {
    /// Number of ids.
    pub fn count(&self) -> usize {
        match self {
            Self::List(ids) => ids.len(),
            Self::Range(ids) => ids.len(),
        }
    }

    /// So many of them, from a position on.
    pub(crate) fn part(&self, at: usize, count: usize) -> RowIds<'_> {
        match self {
            Self::List(ids) => RowIds::List(&ids[at..][..count]),
            // No id is greater than the last, which fits.
            #[expect(clippy::cast_possible_truncation, reason = "positions are at most the range's length")]
            Self::Range(ids) => RowIds::Range(ids.start + at as u32..ids.start + (at + count) as u32),
        }
    }
}

impl<'a> From<&'a [u32]> for RowIds<'a> {
    fn from(ids: &'a [u32]) -> Self {
        Self::List(ids)
    }
}

impl<'a> From<&'a Vec<u32>> for RowIds<'a> {
    fn from(ids: &'a Vec<u32>) -> Self {
        Self::List(ids)
    }
}

impl<'a, const N: usize> From<&'a [u32; N]> for RowIds<'a> {
    fn from(ids: &'a [u32; N]) -> Self {
        Self::List(ids)
    }
}

impl From<Range<u32>> for RowIds<'_> {
    fn from(ids: Range<u32>) -> Self {
        Self::Range(ids)
    }
}
