//! Limits how much of a record may be walked.
//!
//! Sharing makes trees that are far larger than their bytes, and a list of empty structs counts 2^29 elements in no
//! bytes at all. So a walk counts what it visits, and how deep it is.

use crate::error::Result;
use crate::fault::Fault;

/// Structs, groups and lists within one another, at most.
pub const DEPTH_MAX: u32 = 64;

/// Bytes of Text or Data that count as one element more.
const BYTES_PER_ELEMENT: u64 = 64;

/// Elements that a walk may visit: each field of each struct, each list item, and every 64 bytes of Text and Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    allowed: u64,
    left: u64,
}

impl Budget {
    /// What [`Budget::default`] allows: 16 Mi elements for one record. The longest Text or Data fits.
    pub(crate) const ELEMENTS_DEFAULT: u64 = 16 << 20;

    /// Makes a budget of a number of elements.
    pub fn new(elements: u64) -> Self {
        Self { allowed: elements, left: elements }
    }

    /// Returns the number of elements not spent yet.
    #[cfg(test)]
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Takes elements off, before they are visited.
    ///
    /// # Errors
    /// [`Fault::Budget`] if there are not so many left.
    pub(crate) fn spend(&mut self, elements: u64, record_type: &str) -> Result<()> {
        if let Some(left) = self.left.checked_sub(elements) {
            self.left = left;
            return Ok(());
        }
        self.left = 0;
        Err(Fault::Budget { record_type: record_type.to_owned(), budget: self.allowed }.into())
    }

    /// Takes elements off for the bytes of a Text or Data: see [`Budget::spend`].
    ///
    /// # Errors
    /// [`Fault::Budget`] if there are not so many elements left.
    pub(crate) fn spend_bytes(&mut self, size: usize, record_type: &str) -> Result<()> {
        self.spend(size as u64 / BYTES_PER_ELEMENT, record_type)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::ELEMENTS_DEFAULT)
    }
}

/// Returns the depth of what lies within something at `depth`; the record itself lies at 1.
///
/// # Errors
/// [`Fault::Limit`] beyond [`DEPTH_MAX`].
pub fn deeper(depth: u32, subject: &str) -> Result<u32> {
    if depth < DEPTH_MAX {
        return Ok(depth + 1);
    }
    let needed = u64::from(depth) + 1;
    Err(Fault::Limit { subject: subject.to_owned(), limit: "nesting depth", allowed: DEPTH_MAX.into(), needed }.into())
}
