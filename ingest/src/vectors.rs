//! Vectors that come beside the records, in a file of their own.
//!
//! A [`VectorTable`] is such a file, read in place: numpy's `.npy`, or `.fvecs`. [`RecordVectors`] says which row belongs to
//! which record. A [`MessageWriter`](crate::MessageWriter) then puts the rows where records have their vectors, as if they had
//! been given there.

use bytes::Bytes;
use kapok_core::vectors::ElementType;
use kapok_core::{Error, Result};

mod fvecs;
mod npy;
mod records;

pub(crate) use records::KeyedRows;
pub use records::{RecordVectors, VectorInput};

/// A file of vectors of one dimension, in place.
#[derive(Clone, Debug)]
pub struct VectorTable {
    name: String,
    bytes: Bytes,
    element: ElementType,
    dimension: u32,
    rows: u64,
    /// Byte at which the first vector begins.
    offset: usize,
    /// Bytes from one vector to the next.
    stride: usize,
    /// Whether each vector stands behind its own dimension, of 4 bytes.
    has_dimensions: bool,
}

impl VectorTable {
    /// Opens a file of vectors, in time independent of their number; nothing is copied. `name`: what errors call it, and whose
    /// ending tells `.fvecs`; `.npy` is told by its first bytes.
    ///
    /// | file | elements |
    /// |---|---|
    /// | `.npy`, versions 1 to 3, two-dimensional, C order, little-endian | float32, float16, int8, uint8 |
    /// | `.fvecs` | float32 |
    ///
    /// # Errors
    /// `Invalid` for any other file, and for one whose length is not what its header says.
    pub fn open(name: &str, bytes: Bytes) -> Result<Self> {
        if bytes.starts_with(npy::MAGIC) {
            return npy::open(name, bytes);
        }
        let ending = std::path::Path::new(name).extension();
        if ending.is_some_and(|ending| ending.eq_ignore_ascii_case("fvecs")) {
            return fvecs::open(name, bytes);
        }
        Err(Error::invalid(name, "is no file of vectors: neither .npy, by its first bytes, nor .fvecs, by its name"))
    }

    /// Returns what errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns what the elements are.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Returns the number of elements of a vector.
    pub fn dimension(&self) -> u32 {
        self.dimension
    }

    /// Returns the number of vectors.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the bytes of a vector.
    ///
    /// # Errors
    /// `Invalid` for a row beyond the last, and for a vector of `.fvecs` of another dimension than the first.
    pub fn row(&self, row: u64) -> Result<&[u8]> {
        let beyond = || Error::invalid(&self.name, format!("row {row} is beyond the last: rows={}", self.rows));
        if row >= self.rows {
            return Err(beyond());
        }
        let from = usize::try_from(row).map_err(|_| beyond())? * self.stride + self.offset;
        if self.has_dimensions {
            let head = self.bytes.get(from - fvecs::HEAD..from).unwrap_or_default();
            if head != self.dimension.to_le_bytes() {
                let found = head.first_chunk().map_or(0, |head| i32::from_le_bytes(*head));
                let problem = format!("row {row} is of dimension {found}, where the first is of {}", self.dimension);
                return Err(Error::invalid(&self.name, problem));
            }
        }
        let len = self.element.vector_bytes(self.dimension).unwrap_or_default();
        self.bytes.get(from..from + len).ok_or_else(beyond)
    }

    /// Returns a vector as 32-bit floats.
    ///
    /// # Errors
    /// As [`row`](Self::row).
    pub fn numbers(&self, row: u64) -> Result<Vec<f32>> {
        let mut numbers = Vec::with_capacity(self.dimension as usize);
        self.element.widen(self.row(row)?, &mut numbers);
        Ok(numbers)
    }

    /// Makes a table whose vectors fill the file behind its header.
    fn whole(self) -> Result<Self> {
        let needed = self.rows.checked_mul(self.stride as u64).and_then(|bytes| bytes.checked_add(self.offset as u64));
        if needed == Some(self.bytes.len() as u64) {
            return Ok(self);
        }
        let needed = needed.map_or_else(|| "more than 2^64".to_owned(), |needed| needed.to_string());
        let Self { name, rows, dimension, element, .. } = &self;
        let problem = format!(
            "rows={rows} of {dimension} elements of {element} need bytes={needed}, the file has {}",
            self.bytes.len()
        );
        Err(Error::invalid(name, problem))
    }
}
