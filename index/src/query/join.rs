//! Follows references from a record to the record of another table whose key it holds.

use std::sync::Arc;

use kapok_core::key::KeyPart;
use kapok_core::schema::Schema;
use kapok_core::segment::{LiveSegment, RowId};
use kapok_core::view::Table;
use kapok_core::words::StructRef;
use kapok_core::{Error, Result};

use super::number::{Number, NumberKind};
use super::place::{Kind, Place, Scope};
use super::scan::corrupt;
use super::unreadable::Read;
use crate::View;
use crate::lookup::Lookup;

/// References in one path, at most.
pub(super) const JOINS_MAX: usize = 16;

/// What names are resolved in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'v> {
    pub schema: &'v Schema,
    /// Where references lead; `None` if none are followed.
    pub view: Option<&'v View>,
}

/// Values of a record that are the key of a record of some table.
#[derive(Clone, Debug)]
pub(super) struct ForeignKey<'v> {
    /// How the path is written, up to the reference.
    pub text: Arc<str>,
    /// Steps of the path up to there.
    pub steps: usize,
    /// The reference to the record that has the values, if it is another one than the path begins at.
    pub before: Option<Arc<Join<'v>>>,
    /// From that record; none goes through a reference.
    pub parts: Vec<Arc<Place<'v>>>,
    /// Where the record of the key is.
    pub target: &'v Table,
}

/// A reference that a path follows.
#[derive(Clone, Debug)]
pub(super) struct Join<'v> {
    pub key: ForeignKey<'v>,
    lookup: Lookup<'v>,
    /// References before it in the path, and itself.
    pub depth: usize,
}

impl<'v> ForeignKey<'v> {
    /// Calls a function with the parts of the key; `None` if one of them is null.
    pub fn read<T>(&self, scope: Scope<'v>, f: impl FnOnce(&[KeyPart<'v>]) -> Result<T>) -> Read<Option<T>> {
        match &self.before {
            None => self.read_here(scope, f),
            Some(before) => before.with_target(scope, None, |scope| self.read_here(scope, f)),
        }
    }

    fn read_here<T>(&self, scope: Scope<'v>, f: impl FnOnce(&[KeyPart<'v>]) -> Result<T>) -> Read<Option<T>> {
        if let [place] = self.parts.as_slice() {
            return match place.key_part(scope)? {
                Some(part) => Ok(Some(f(&[part])?)),
                None => Ok(None),
            };
        }
        let mut parts = Vec::with_capacity(self.parts.len());
        for place in &self.parts {
            match place.key_part(scope)? {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        Ok(Some(f(&parts)?))
    }
}

impl<'v> Place<'v> {
    /// Returns the value as a part of a key; `None` if it is null.
    pub fn key_part(&self, scope: Scope<'v>) -> Read<Option<KeyPart<'v>>> {
        match (self.kind, self.kind.number()) {
            (_, Some(kind)) => {
                let part = |key| match (kind, kind.number(key)) {
                    (NumberKind::Bool, _) => Some(KeyPart::Bool(key == 1)),
                    (_, Number::Int(value)) => Some(KeyPart::Int(value)),
                    (_, Number::Float(_)) => None,
                };
                Ok(self.number(kind, scope)?.and_then(part))
            }
            (Kind::Text, _) => Ok(self.text(scope)?.map(KeyPart::Text)),
            _ => Ok(self.bytes(scope)?.map(KeyPart::Data)),
        }
    }
}

impl<'v> Join<'v> {
    pub fn new(key: ForeignKey<'v>, view: &'v View) -> Result<Self> {
        let lookup = view.lookup(key.target.name())?;
        let depth = 1 + key.before.as_ref().map_or(0, |before| before.depth);
        Ok(Self { key, lookup, depth })
    }

    /// Returns the record that a reference of `scope` leads to; `None` if there is none.
    pub fn find(&self, scope: Scope<'v>) -> Read<Option<RowId>> {
        Ok(self.key.read(scope, |parts| self.lookup.find_parts(parts))?.flatten())
    }

    /// Calls a function with the record that the reference leads to; `nothing` is the answer if there is none.
    pub fn with_target<T>(&self, scope: Scope<'v>, nothing: T, f: impl FnOnce(Scope<'v>) -> Read<T>) -> Read<T> {
        let Some(row_id) = self.find(scope)? else { return Ok(nothing) };
        let (source, at) = self.row(row_id)?;
        f(Scope::Struct(at)).map_err(|unreadable| corrupt(source, unreadable).into())
    }

    fn row(&self, row_id: RowId) -> Result<(&'v LiveSegment, StructRef<'v>)> {
        let target = self.key.target;
        let (place, row) = target.place(row_id)?;
        let source = &target.segments()[place];
        let at = source.segment().row(row);
        let missing = || Error::corrupt(source.segment().name(), 0, "the row that an index names", "none");
        at.map(|at| (source, at)).ok_or_else(missing)
    }
}

impl PartialEq for ForeignKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.target, other.target) && self.before == other.before && self.parts == other.parts
    }
}

impl PartialEq for Join<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
