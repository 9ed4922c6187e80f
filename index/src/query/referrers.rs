//! Resolves the records of a table that refer to a record, and finds the index that leads to them.

use std::fmt;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::view::Table;

use super::access::Access;
use super::check::{Check, Ready};
use super::expr::{Path, Quantifier, Step};
use super::join::{ForeignKey, Join, Names};
use super::number::{Number, NumberKind};
use super::place::{Place, Scope};
use super::reference_path::ReferencePath;
use super::resolve::ScopeType;
use super::test::{BytesTest, NumberTest};
use super::tree::Tree;
use super::unreadable::Read;
use crate::kind::{Kind, OpenIndex};
use crate::view::TableIndexes;

/// The records of a table that refer to a record.
#[derive(Clone)]
pub(super) struct Referrers<'v> {
    /// As it is written: `Rating.movieId`.
    pub text: Arc<str>,
    pub table: &'v Table,
    pub names: Names<'v>,
    pub indexes: &'v TableIndexes,
    pub accesses: Arc<[Access<'v>]>,
    /// From a record that refers.
    pub reference: ReferencePath<'v>,
    /// The key of the record that is referred to, from itself.
    pub ends: Vec<Place<'v>>,
    /// The one of `accesses` that finds the referring records of a key.
    by: Option<usize>,
}

impl<'v> Referrers<'v> {
    /// Resolves a path that begins with the name of a record type, of which no field of the scope has the name; `None`
    /// for other paths.
    pub fn bind(names: Names<'v>, scope: ScopeType<'v>, path: &Path) -> Result<Option<Self>> {
        let ([Step::Name(first), rest @ ..], Some(view)) = (path.steps.as_slice(), names.view) else { return Ok(None) };
        let has_field = match scope {
            ScopeType::Record(table) => table.struct_type().field_by_any_name(first).is_some(),
            ScopeType::Struct(ty) => ty.field_by_any_name(first).is_some(),
            ScopeType::Item(..) => first == "it",
        };
        let Some((table, indexes)) = view.table_with_indexes(first).ok().filter(|_| !has_field) else {
            return Ok(None);
        };
        if rest.is_empty() {
            let problem = format!("{first} is a record type; expected the field that refers, as in {first}.field");
            return Err(path.at.error(problem));
        }
        let ScopeType::Record(target) = scope else {
            return Err(path.at.error(format!("records are referred to, and elements of a list are not: {path}")));
        };
        let way = Path { steps: rest.to_vec(), at: path.at };
        let reference = ReferencePath::bind(names, ScopeType::Record(table), &way)?;
        let key = &reference.key;
        if key.target.name() != target.name() {
            let (found, wanted) = (key.target.name(), target.name());
            return Err(path.at.error(format!("{path} refers to records of type {found}, not of {wanted}")));
        }
        let ends = key.key_places(names)?;
        let accesses: Arc<[Access<'v>]> = Access::of(table, indexes).into();
        let finds = |access: &Access<'v>| access.leads(&reference) && access.is_in_all_segments(table, indexes);
        let best = accesses.iter().enumerate().filter(|(_, access)| finds(access));
        let by = best.min_by_key(|(_, access)| access.rank()).map(|(at, _)| at);
        let text = path.to_string().into();
        Ok(Some(Self { text, table, names, indexes, accesses, reference, ends, by }))
    }

    /// Returns what finds them, for people.
    pub fn source(&self) -> String {
        self.access().map_or("scan", Access::name).to_owned()
    }

    /// Returns the index that finds them, if there is one.
    pub fn access(&self) -> Option<&Access<'v>> {
        self.accesses.get(self.by?)
    }

    /// Returns the references on the way to the one that leads to a record.
    pub fn joins(&self) -> impl Iterator<Item = &Join<'v>> {
        let ReferencePath { lists, key } = &self.reference;
        lists.iter().filter_map(|list| list.via.as_ref()).chain(&key.before).map(|before| &**before)
    }

    /// Returns the conditions, joined by `and`, that records satisfy which refer to a record by values of their own; `None` if
    /// none can.
    pub fn conditions(&self, record: Scope<'v>) -> Read<Option<Vec<Ready<'v>>>> {
        let mut out = Vec::with_capacity(self.ends.len());
        for (end, part) in self.ends.iter().zip(&self.reference.key.parts) {
            let place = Arc::clone(part);
            let check = match (end.kind.number(), part.kind.number()) {
                (Some(kind), Some(own)) => {
                    let Some(key) = end.number(kind, record)? else { return Ok(None) };
                    let Some(range) = same_number(kind, own, key) else { return Ok(None) };
                    Check::Number(place, own, range)
                }
                _ => match end.bytes(record)? {
                    Some(bytes) => Check::Bytes(place, BytesTest::Equal(bytes.to_vec())),
                    None => return Ok(None),
                },
            };
            out.push(Tree::leaf(&self.text, check));
        }
        for list in self.reference.lists.iter().rev() {
            let of_element = if out.len() == 1 { out.remove(0) } else { Tree::And(std::mem::take(&mut out)) };
            let each = Check::Each(Quantifier::Any, Arc::new(list.clone()), Box::new(of_element));
            out.push(Tree::leaf(&self.text, each));
        }
        Ok(Some(out))
    }
}

impl<'v> Access<'v> {
    /// Returns the name of the index.
    fn name(&self) -> &'v str {
        self.index.name()
    }

    /// Returns what sorts the index that finds equal values fastest first.
    fn rank(&self) -> u8 {
        match self.index.kind() {
            Kind::Alternate => 0,
            Kind::Hash => 1,
            Kind::Unique => 2,
            Kind::Sorted => 3,
            Kind::Text => 4,
            Kind::Hnsw | Kind::Codes => 5,
        }
    }

    /// Returns whether the index finds the records that refer by given values.
    fn leads(&self, reference: &ReferencePath<'v>) -> bool {
        let ReferencePath { lists, key } = reference;
        if key.before.is_some() || self.list.as_slice() != lists {
            return false;
        }
        let places = &key.parts;
        let is_whole = matches!(self.index.kind(), Kind::Alternate | Kind::Hash);
        if self.index.kind() == Kind::Text || !self.holds_all(&[]) {
            return false;
        }
        if self.ends.len() < places.len() || is_whole && self.ends.len() > places.len() {
            return false;
        }
        self.ends[..places.len()].iter().all(|end| places.iter().any(|place| **place == *end))
    }

    /// Returns whether each segment has the index.
    fn is_in_all_segments(&self, table: &Table, indexes: &TableIndexes) -> bool {
        let has = |opened: &Vec<Option<OpenIndex>>| opened.get(self.position).is_some_and(Option::is_some);
        // The primary key is the order of rows.
        self.index.kind() == Kind::Unique
            || (indexes.opened.len() == table.segments().len() && indexes.opened.iter().all(has))
    }
}

/// Returns the test for a number of one kind that another kind has as a key.
pub(super) fn same_number(kind: NumberKind, own: NumberKind, key: u64) -> Option<NumberTest> {
    let range = match (kind, own) {
        (NumberKind::Bool, _) | (_, NumberKind::Bool) => own.equal(Number::Int(key.into()))?,
        _ => own.equal(kind.number(key))?,
    };
    Some(NumberTest::Range(range))
}

impl<'v> ForeignKey<'v> {
    /// Returns the places of the key in the record that is referred to.
    pub fn key_places(&self, names: Names<'v>) -> Result<Vec<Place<'v>>> {
        let mut out = Vec::new();
        for key in self.target.key().names() {
            out.push(super::resolve::resolve_exactly(names, self.target.struct_type(), key)?);
        }
        Ok(out)
    }
}

impl fmt::Debug for Referrers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Referrers").field("text", &self.text).field("source", &self.source()).finish_non_exhaustive()
    }
}
