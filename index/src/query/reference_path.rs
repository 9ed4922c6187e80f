//! Paths to the values that refer to records, through the elements of lists: `movieId`, `items[].productId`, `actorIds[]`.

use kapok_core::Result;
use kapok_core::key::KeyPart;

use super::evaluate::Spending;
use super::expr::{Path, Step};
use super::join::{ForeignKey, Names};
use super::place::{Place, Scope};
use super::resolve::{ScopeType, resolve_reference};
use super::route::{for_each_end, lists_of};
use super::unreadable::Read;

/// A path to the values that refer.
#[derive(Clone, Debug)]
pub(super) struct ReferencePath<'v> {
    /// The lists that it goes through: from the record, then from the elements of the one before.
    pub lists: Vec<Place<'v>>,
    /// From the record, or from the elements of the last list.
    pub key: ForeignKey<'v>,
}

impl<'v> ReferencePath<'v> {
    pub fn bind(names: Names<'v>, scope: ScopeType<'v>, path: &Path) -> Result<Self> {
        let (lists, scope, rest) = lists_of(names, scope, path)?;
        let steps = match (scope, rest) {
            (ScopeType::Item(..), rest) => [&[Step::Name("it".to_owned())], rest].concat(),
            (_, rest) => rest.to_vec(),
        };
        Ok(Self { lists, key: resolve_reference(names, scope, &Path { steps, at: path.at })? })
    }

    /// Hands each key that a record refers to to a function; those of which a part is null are passed over.
    pub fn for_each(
        &self,
        record: Scope<'v>,
        spending: &Spending,
        f: &mut dyn FnMut(&[KeyPart<'v>]) -> Result<()>,
    ) -> Read<()> {
        for_each_end(&self.lists, record, spending, &mut |scope| self.key.read(scope, &mut *f).map(drop))
    }
}
