//! Vectors of one field, until the order of rows is known.

use super::column::ObjectId;
use super::copy_plan::VectorPlan;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::words::WORD;

/// Vectors of one field, one after another.
#[derive(Debug)]
pub(super) struct Matrix {
    pub plan: VectorPlan,
    pub bytes: Vec<u8>,
}

impl Matrix {
    /// Returns the distance from one vector to the next in bytes: whole words.
    pub(super) fn stride(&self) -> usize {
        self.plan.vector_bytes().next_multiple_of(WORD)
    }

    pub(super) fn count(&self) -> usize {
        self.bytes.len().checked_div(self.stride()).unwrap_or(0)
    }

    pub(super) fn fix_dimension(&mut self, dimension: u32, name: &dyn Fn() -> String) -> Result<()> {
        match self.plan.dimension {
            0 if dimension == 0 => Err(Error::invalid(name(), "a vector needs at least one element")),
            0 => {
                self.plan.dimension = dimension;
                Ok(())
            }
            known if known == dimension => Ok(()),
            known => Err(Fault::Dimension { field: name(), expected: known, found: dimension }.into()),
        }
    }

    /// Refuses NaN and infinities, if the field has a metric; the key is the caller's to name.
    pub(super) fn check_finite(&self, bytes: &[u8], name: &dyn Fn() -> String) -> Result<()> {
        let found = if self.plan.is_finite { self.plan.element.find_infinite(bytes) } else { None };
        found.map_or(Ok(()), |element| Err(Fault::NotFinite { field: name(), key: String::new(), element }.into()))
    }

    /// Adds a vector of the elements' bytes; 1 + its place.
    pub(super) fn push(&mut self, bytes: &[u8], name: &dyn Fn() -> String) -> Result<ObjectId> {
        self.fix_dimension(self.plan.element.dimension_of(bytes.len()), name)?;
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(WORD), 0);
        Ok(u32::try_from(self.count()).unwrap_or(u32::MAX))
    }
}
