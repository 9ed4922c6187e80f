//! Vectors of one field, until the order of rows is known.
//!
//! A vector is copied, or stays where it lies outside of the stage, as in a mapped file, until the segment is written.

use bytes::Bytes;

use super::column::{NULL, ObjectId};
use super::copy_plan::VectorPlan;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::words::WORD;

/// Set in the id of a vector that lies outside; the rest is 1 + its place among these. Rows are fewer.
const OUTSIDE: ObjectId = 1 << 31;

/// Vectors of one field. Their ids are 1 + their place.
#[derive(Debug)]
pub(super) struct Matrix {
    pub plan: VectorPlan,
    /// Copied vectors, one after another, in whole words.
    own: Vec<u8>,
    outside: Vec<Bytes>,
}

impl Matrix {
    pub(super) fn new(plan: VectorPlan) -> Self {
        Self { plan, own: Vec::new(), outside: Vec::new() }
    }

    /// Returns the distance from one vector to the next in bytes: whole words.
    pub(super) fn stride(&self) -> usize {
        self.plan.vector_bytes().next_multiple_of(WORD)
    }

    fn own_count(&self) -> usize {
        self.own.len().checked_div(self.stride()).unwrap_or(0)
    }

    /// Returns the bytes of a vector, which is there.
    pub(super) fn vector(&self, id: ObjectId) -> &[u8] {
        let place = (id & !OUTSIDE) as usize - 1;
        if id & OUTSIDE != 0 {
            return &self.outside[place];
        }
        let from = place * self.stride();
        &self.own[from..from + self.plan.vector_bytes()]
    }

    /// Takes over another's vectors, and gives the rows that have them the new ids.
    pub(super) fn absorb(&mut self, other: Self, roots: &mut [ObjectId]) {
        let shift = id(self.own_count());
        let outside_shift = id(self.outside.len());
        self.own.extend_from_slice(&other.own);
        self.outside.extend(other.outside);
        for root in roots.iter_mut().filter(|root| **root != NULL) {
            *root += if *root & OUTSIDE == 0 { shift } else { outside_shift };
        }
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

    /// Adds a vector of the elements' bytes. `outside`: the same bytes elsewhere, which are not copied.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        outside: Option<&Bytes>,
        name: &dyn Fn() -> String,
    ) -> Result<ObjectId> {
        self.fix_dimension(self.plan.element.dimension_of(bytes.len()), name)?;
        if let Some(outside) = outside.filter(|outside| **outside == bytes) {
            self.outside.push(outside.clone());
            return Ok(id(self.outside.len()) | OUTSIDE);
        }
        self.own.extend_from_slice(bytes);
        self.own.resize(self.own.len().next_multiple_of(WORD), 0);
        Ok(id(self.own_count()))
    }
}

fn id(count: usize) -> ObjectId {
    u32::try_from(count).unwrap_or(u32::MAX)
}
