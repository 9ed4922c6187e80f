//! Compares two records by value.

use super::budget::deeper;
use super::{Budget, ListValue, Record, ValueRef};
use crate::error::{Error, Result};
use crate::schema::Type;

impl Record<'_> {
    /// Returns whether two records of one type hold the same values, however they are stored: trailing default words,
    /// shared objects and builder history do not count; null and empty differ; numbers are compared by their bits, so
    /// that a NaN equals itself.
    ///
    /// Both are read by the schema of `self`: if the two have different schemas, let `self` be of the newer.
    ///
    /// # Errors
    /// `Incompatible` if they are not of one type; `Corrupt`; [`Fault::Budget`](crate::Fault::Budget), which counts
    /// the elements of one side.
    pub fn value_eq(&self, other: &Record<'_>, budget: &mut Budget) -> Result<bool> {
        if self.ty.id != other.ty.id {
            let detail = format!("cannot be compared with a record of type {}", other.ty.name);
            return Err(Error::incompatible(&self.ty.name, detail));
        }
        Comparison { budget, root: &self.ty.name }.equal_records(*self, *other, 0)
    }
}

struct Comparison<'b> {
    budget: &'b mut Budget,
    root: &'b str,
}

impl Comparison<'_> {
    fn equal_records(&mut self, left: Record<'_>, right: Record<'_>, depth: u32) -> Result<bool> {
        let depth = deeper(depth, self.root)?;
        self.budget.spend(left.ty.fields.len() as u64, self.root)?;
        // The shorter lifetime: both sides are now read by one type.
        let ty = left.ty;
        let right = Record { origin: super::Origin { schema: left.origin.schema, ..right.origin }, ty, at: right.at };
        if left.discriminant() != right.discriminant() {
            return Ok(false);
        }
        let nulls = (left.nulls(), right.nulls());
        for field in ty.fields.iter().filter(|field| left.is_active(field)) {
            let values = (left.value_beside(field, &nulls.0)?, right.value_beside(field, &nulls.1)?);
            if !self.equal_values(values.0, values.1, depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn equal_values(&mut self, left: ValueRef<'_>, right: ValueRef<'_>, depth: u32) -> Result<bool> {
        Ok(match (left, right) {
            (ValueRef::Null, ValueRef::Null) | (ValueRef::Void, ValueRef::Void) => true,
            (ValueRef::Bool(left), ValueRef::Bool(right)) => left == right,
            (ValueRef::Int(left), ValueRef::Int(right)) => left == right,
            (ValueRef::UInt(left), ValueRef::UInt(right)) => left == right,
            (ValueRef::Float32(left), ValueRef::Float32(right)) => left.to_bits() == right.to_bits(),
            (ValueRef::Float64(left), ValueRef::Float64(right)) => left.to_bits() == right.to_bits(),
            (ValueRef::Enum { value: left, .. }, ValueRef::Enum { value: right, .. }) => left == right,
            (ValueRef::Text(left), ValueRef::Text(right)) | (ValueRef::Json(left), ValueRef::Json(right)) => {
                self.equal_bytes(left.as_bytes(), right.as_bytes())?
            }
            (ValueRef::Data(left), ValueRef::Data(right)) => self.equal_bytes(left, right)?,
            (ValueRef::List(left), ValueRef::List(right)) => self.equal_lists(left, right, depth)?,
            (ValueRef::Struct(left), ValueRef::Struct(right)) => self.equal_records(left, right, depth)?,
            _ => false,
        })
    }

    fn equal_bytes(&mut self, left: &[u8], right: &[u8]) -> Result<bool> {
        if left.len() != right.len() {
            return Ok(false);
        }
        self.budget.spend_bytes(left.len(), self.root)?;
        Ok(left == right)
    }

    fn equal_lists(&mut self, left: ListValue<'_>, right: ListValue<'_>, depth: u32) -> Result<bool> {
        let depth = deeper(depth, self.root)?;
        if left.len() != right.len() {
            return Ok(false);
        }
        self.budget.spend(u64::from(left.len()), self.root)?;
        match left.element_type() {
            Type::Void => return Ok(true),
            Type::Bool | Type::Text | Type::Data | Type::List(_) | Type::Struct(_) => {}
            _ => return Ok(left.list_ref().bytes() == right.list_ref().bytes()),
        }
        for (left, right) in left.iter().zip(right.iter()) {
            if !self.equal_values(left?, right?, depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
