//! Finds the records that refer to a record: by an index of the fields that refer, or by one scan of their table.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;
use kapok_core::Result;
use kapok_core::view::Table;

use super::access::Access;
use super::check::{Check, Ready};
use super::evaluate::Spending;
use super::expr::{Path, Step};
use super::join::{ForeignKey, Join, Names};
use super::number::{Number, NumberKind};
use super::place::{Place, Scope};
use super::resolve::{ScopeType, resolve_reference};
use super::rows::Rows;
use super::scan::corrupt;
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
    names: Names<'v>,
    indexes: &'v TableIndexes,
    accesses: Arc<[Access<'v>]>,
    key: ForeignKey<'v>,
    /// The key of the record that is referred to, from itself.
    ends: Vec<Place<'v>>,
    /// The one of `accesses` that finds the referring records of a key.
    by: Option<usize>,
}

/// The referring records that satisfy a condition.
#[derive(Debug)]
pub(super) struct Referring<'v> {
    pub of: Arc<Referrers<'v>>,
    pub condition: Arc<Ready<'v>>,
    /// Their number by the key that they refer to, once it is asked for.
    counts: OnceLock<Counts>,
    /// Held while they are counted.
    counting: Mutex<()>,
}

/// Numbers of records by encoded keys.
type Counts = HashMap<Vec<u8>, u64>;

impl<'v> Referrers<'v> {
    /// Resolves a path that begins with the name of a record type, of which no field of the scope has the name; `None`
    /// for other paths.
    pub fn bind(names: Names<'v>, scope: ScopeType<'v>, path: &Path) -> Result<Option<Self>> {
        let ([Step::Name(first), rest @ ..], Some(view)) = (path.steps.as_slice(), names.view) else { return Ok(None) };
        let has_field = match scope {
            ScopeType::Record(table) => table.struct_type().field_by_any_name(first).is_some(),
            ScopeType::Struct(ty) => ty.field_by_any_name(first).is_some(),
            ScopeType::Item(_) => first == "it",
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
        let key = resolve_reference(names, ScopeType::Record(table), &Path { steps: rest.to_vec(), at: path.at })?;
        if key.target.name() != target.name() {
            let (found, wanted) = (key.target.name(), target.name());
            return Err(path.at.error(format!("{path} refers to records of type {found}, not of {wanted}")));
        }
        let ends = key.key_places(names)?;
        let accesses: Arc<[Access<'v>]> = Access::of(table, indexes).into();
        let by = if key.before.is_some() {
            None
        } else {
            let finds = |access: &Access<'v>| access.leads(&key.parts) && access.is_in_all_segments(table, indexes);
            let best = accesses.iter().enumerate().filter(|(_, access)| finds(access));
            best.min_by_key(|(_, access)| access.rank()).map(|(at, _)| at)
        };
        let text = path.to_string().into();
        Ok(Some(Self { text, table, names, indexes, accesses, key, ends, by }))
    }

    /// Returns what finds them, for people.
    pub fn source(&self) -> String {
        match self.by.and_then(|by| self.accesses.get(by)) {
            Some(access) => access.name().to_owned(),
            None => "scan".to_owned(),
        }
    }

    /// Returns the reference on the way to the one that leads to a record.
    pub fn joins(&self) -> impl Iterator<Item = &Join<'v>> {
        self.key.before.iter().map(|before| &**before)
    }

    /// Returns the conditions that records satisfy which refer to a record; `None` if none can.
    fn conditions(&self, record: Scope<'v>) -> Read<Option<Vec<Ready<'v>>>> {
        let mut out = Vec::with_capacity(self.ends.len());
        for (end, part) in self.ends.iter().zip(&self.key.parts) {
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

    /// Returns whether the index finds the records that have given values at some places.
    fn leads(&self, places: &[Arc<Place<'v>>]) -> bool {
        let is_whole = matches!(self.index.kind(), Kind::Alternate | Kind::Hash);
        if self.index.kind() == Kind::Text || !self.holds_all(&[]) {
            return false;
        }
        if self.list.is_some() || self.ends.len() < places.len() || is_whole && self.ends.len() > places.len() {
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
fn same_number(kind: NumberKind, own: NumberKind, key: u64) -> Option<NumberTest> {
    let range = match (kind, own) {
        (NumberKind::Bool, _) | (_, NumberKind::Bool) => own.equal(Number::Int(key.into()))?,
        _ => own.equal(kind.number(key))?,
    };
    Some(NumberTest::Range(range))
}

impl<'v> ForeignKey<'v> {
    /// Returns the places of the key in the record that is referred to.
    fn key_places(&self, names: Names<'v>) -> Result<Vec<Place<'v>>> {
        let mut out = Vec::new();
        for key in self.target.key().names() {
            out.push(super::resolve::resolve_exactly(names, self.target.struct_type(), key)?);
        }
        Ok(out)
    }
}

impl<'v> Referring<'v> {
    pub fn new(of: &Arc<Referrers<'v>>, condition: Ready<'v>) -> Self {
        Self { of: Arc::clone(of), condition: Arc::new(condition), counts: OnceLock::new(), counting: Mutex::new(()) }
    }

    /// Returns whether there is one of a record.
    pub fn exists(&self, record: Scope<'v>) -> Read<bool> {
        Ok(self.count_up_to(record, 1)? > 0)
    }

    /// Returns the number of those of a record.
    pub fn count(&self, record: Scope<'v>) -> Read<u64> {
        self.count_up_to(record, u64::MAX)
    }

    fn count_up_to(&self, record: Scope<'v>, limit: u64) -> Read<u64> {
        let Scope::Struct(at) = record else { return Ok(0) };
        if let Some(access) = self.of.by.and_then(|by| self.of.accesses.get(by)) {
            return self.count_by(access, record, limit);
        }
        let counts = self.counts()?;
        let mut key = Vec::new();
        Ok(if self.of.key.target.key().encode_row(at, &mut key)? {
            counts.get(key.as_slice()).copied().unwrap_or_default()
        } else {
            0
        })
    }

    /// Counts those of a record by an index.
    fn count_by(&self, access: &Access<'v>, record: Scope<'v>, limit: u64) -> Read<u64> {
        let Some(equal) = self.of.conditions(record)? else { return Ok(0) };
        let (spending, mut count) = (Spending::new(), 0);
        for (source, opened) in self.of.table.segments().iter().zip(&self.of.indexes.opened) {
            let Some(answer) = access.ask(&equal, source, opened)? else { continue };
            let all_answered = answer.answered.len() == equal.len();
            for row in answer.rows()? {
                let Some(at) = source.segment().row(row).filter(|_| source.is_live(row)) else { continue };
                spending.renew();
                let scope = Scope::Struct(at);
                let holds = || -> Read<bool> {
                    let is_equal = |one: &Ready<'v>| one.holds(scope, &spending);
                    Ok((all_answered || all_hold(&equal, is_equal)?) && self.condition.holds(scope, &spending)?)
                };
                count += u64::from(holds().map_err(|unreadable| corrupt(source, unreadable))?);
                if count >= limit {
                    return Ok(count);
                }
            }
        }
        Ok(count)
    }

    /// Returns the numbers of all keys, which are counted once.
    fn counts(&self) -> Result<&Counts> {
        if let Some(counts) = self.counts.get() {
            return Ok(counts);
        }
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = self.counts.get() {
            return Ok(counts);
        }
        let counted = self.count_all()?;
        Ok(self.counts.get_or_init(|| counted))
    }

    fn count_all(&self) -> Result<Counts> {
        let of = &*self.of;
        let rows =
            Rows::new(of.names, of.table, Some((Arc::clone(&of.accesses), of.indexes)), Arc::clone(&self.condition))?;
        let (mut counts, mut key) = (Counts::new(), Vec::new());
        for scan in rows.scans() {
            let source = scan.source();
            for row in scan {
                let Some(at) = source.segment().row(row?) else { continue };
                let encoded = of.key.read(Scope::Struct(at), |parts| of.key.target.key().encode(parts, &mut key));
                if encoded.map_err(|unreadable| corrupt(source, unreadable))? == Some(true) {
                    *counts.entry_ref(key.as_slice()).or_default() += 1;
                }
            }
        }
        Ok(counts)
    }
}

impl fmt::Debug for Referrers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Referrers").field("text", &self.text).field("source", &self.source()).finish_non_exhaustive()
    }
}

fn all_hold<'v>(all: &[Ready<'v>], mut holds: impl FnMut(&Ready<'v>) -> Read<bool>) -> Read<bool> {
    for one in all {
        if !holds(one)? {
            return Ok(false);
        }
    }
    Ok(true)
}
