//! Rows in bytes, of which the place is checked once.

/// Rows that lie within their bytes: `row_bytes` from `id * stride` on, for each id less than `count`.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    bytes: &'a [u8],
    stride: usize,
    row_bytes: usize,
    count: u32,
}

impl<'a> Span<'a> {
    /// Rows of which the first begins at `offset`; none if they do not lie within the bytes.
    pub(crate) fn new(bytes: &'a [u8], offset: usize, stride: usize, row_bytes: usize, count: u32) -> Option<Self> {
        let Some(last) = count.checked_sub(1) else {
            return Some(Self { bytes: &[], stride, row_bytes, count });
        };
        let len = usize::try_from(last).ok()?.checked_mul(stride)?.checked_add(row_bytes)?;
        let bytes = bytes.get(offset..)?.get(..len)?;
        Some(Self { bytes, stride, row_bytes, count })
    }

    /// Number of rows.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes from one row to the next.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Bytes of a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// The bytes of a row.
    ///
    /// # Panics
    /// There is no such row.
    #[inline]
    pub(crate) fn row(&self, id: u32) -> &'a [u8] {
        assert!(id < self.count, "there is no such row: id={id} count={}", self.count);
        let start = id as usize * self.stride;
        // SAFETY: 1. none are needed. 2. `new` alone makes this value, and saw that the last row ends within the bytes; so
        // does this one, whose id is not greater, without overflow. 3. bytes.
        unsafe { self.bytes.get_unchecked(start..start + self.row_bytes) }
    }
}
