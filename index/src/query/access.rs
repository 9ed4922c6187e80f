//! Asks indexes which rows of a segment satisfy conditions.
//!
//! An index answers conditions on its fields: a hash index and an alternate key equality with all of them, a sorted
//! index (and the primary key, in whose order rows stand) equality with the first ones and then a range or the
//! beginning of a text. A condition about an element of a list (`"Drama" in genres`, `any(items, ...)`) is answered if
//! all that it asks of the element is indexed together. A text index answers `~=`, or equality and the beginning of a text if
//! its terms are whole texts.

use kapok_core::Result;
use kapok_core::paths::Scalar;
use kapok_core::segment::LiveSegment;
use kapok_core::view::Table;
use roaring::RoaringBitmap;

use super::check::{Check, Ready};
use super::expr::{At, Path, Quantifier, Step};
use super::join::Names;
use super::place::Place;
use super::plan::conjuncts;
use super::resolve::ScopeType;
use super::route::Route;
use super::tree::Tree;
use crate::declared::Index;
use crate::kind::{Kind, OpenIndex};
use crate::sorted::{Side, SortFields, SortPlace, SortedIndex};
use crate::text::{TermSet, common_rows};
use crate::view::TableIndexes;

mod asked;
mod text;

use asked::{Ends, SortPlaceOf, asked};
pub(super) use asked::{bytes_scalar, scalar};

/// Values, or tuples of them, that a segment is asked for, at most: that many, and one for so many rows. A scan is cheaper than
/// more; and `in` lists of several fields multiply.
const ASKED_MAX: usize = 1024;
const ROWS_PER_ASKED: usize = 128;

/// Costs of finding a row by a posting, in the order of rows, and by a sorted index, out of it: in parts of what a column of
/// numbers costs.
const POSTING_COST: u64 = 4;
const SORTED_COST: u64 = 24;

/// An index as conditions ask it.
#[derive(Clone, Debug)]
pub(super) struct Access<'v> {
    pub index: &'v Index,
    /// Of the index among those of its record type.
    pub position: usize,
    /// The list that all of its paths go through; `None` if they go through none.
    pub list: Option<Place<'v>>,
    /// Where each value lies in the record, or in the element.
    pub ends: Vec<Place<'v>>,
    /// What all rows of the index satisfy, joined by `and`.
    filter: Option<Ready<'v>>,
}

/// Rows that an index gives, and the conditions that all of them satisfy.
pub(super) struct Answer<'v> {
    pub index: &'v Index,
    /// Rows, dead ones included.
    pub count: u64,
    /// Of those that are joined by `and`.
    pub answered: Vec<usize>,
    rows: Rows<'v>,
}

enum Rows<'v> {
    Postings(Vec<crate::hash::Posting<'v>>),
    Positions(&'v SortedIndex, Vec<std::ops::Range<u32>>),
    /// Those that have a term of each set.
    Terms(Vec<TermSet<'v>>),
    /// Those that stand together.
    Ranges(Vec<std::ops::Range<u32>>),
}

impl<'v> Access<'v> {
    /// Returns the indexes of a table that conditions can be asked of.
    pub fn of(table: &'v Table, indexes: &'v TableIndexes) -> Vec<Self> {
        let all = indexes.declared.indexes().iter().enumerate();
        all.filter_map(|(position, index)| Self::bind(table, index, position)).collect()
    }

    fn bind(table: &'v Table, index: &'v Index, position: usize) -> Option<Self> {
        if matches!(index.kind(), Kind::Hnsw | Kind::Codes) {
            return None;
        }
        let (mut list, mut ends): (Option<Place<'v>>, Vec<Place<'v>>) = (None, Vec::new());
        for (at, steps) in index.paths().json_steps(table.schema()).into_iter().enumerate() {
            let name = |(name, lists): (String, usize)| {
                std::iter::once(Step::Name(name)).chain(std::iter::repeat_n(Step::Each, lists))
            };
            let path = Path { steps: steps?.into_iter().flat_map(name).collect(), at: At::default() };
            let names = Names { schema: table.schema(), view: None };
            let route = Route::bind(names, ScopeType::Record(table), &path).ok()?;
            let own = match route.lists() {
                [] => None,
                [list] => Some(list.clone()),
                _ => return None,
            };
            if at > 0 && own != list {
                return None;
            }
            list = own;
            ends.push(route.end);
        }
        let filter = match index.filter() {
            Some(filter) => Some(filter.of_table(table).ok()?),
            None => None,
        };
        Some(Self { index, position, list, ends, filter })
    }

    /// Returns whether all rows that satisfy conditions joined by `and` are in the index.
    pub fn holds_all(&self, all: &[Ready<'v>]) -> bool {
        let follows = |wanted: &Ready<'v>| all.iter().any(|one| wanted.follows_from(one));
        self.filter.as_ref().is_none_or(|filter| conjuncts(filter).iter().all(follows))
    }

    /// Asks the index about conditions that are joined by `and`; `None` if it answers none of them, or lacks rows.
    pub fn ask(
        &self,
        all: &[Ready<'v>],
        source: &'v LiveSegment,
        opened: &'v [Option<OpenIndex>],
    ) -> Result<Option<Answer<'v>>> {
        if !self.holds_all(all) {
            return Ok(None);
        }
        let mut answer = self.ask_all_rows(all, source, opened)?;
        if let (Some(answer), Some(filter)) = (&mut answer, &self.filter) {
            let known =
                all.iter().enumerate().filter(|(at, one)| !answer.answered.contains(at) && one.follows_from(filter));
            answer.answered.extend(known.map(|(at, _)| at).collect::<Vec<_>>());
        }
        Ok(answer)
    }

    /// Asks the index, which has all rows that count.
    fn ask_all_rows(
        &self,
        all: &[Ready<'v>],
        source: &'v LiveSegment,
        opened: &'v [Option<OpenIndex>],
    ) -> Result<Option<Answer<'v>>> {
        match (self.index.kind(), opened.get(self.position).and_then(Option::as_ref)) {
            (Kind::Unique, _) => self.ask_ordered(all, source, None),
            (_, Some(OpenIndex::Sorted(index))) => self.ask_ordered(all, source, Some(index)),
            (_, Some(OpenIndex::Text(index))) => self.ask_text(all, index),
            (_, Some(OpenIndex::Hash(index))) => {
                let paths = self.index.paths();
                self.ask_equal(all, source, |tuple| index.find(paths, source.segment(), tuple))
            }
            (_, Some(OpenIndex::Alternate(index))) => {
                let paths = self.index.paths();
                self.ask_equal(all, source, |tuple| {
                    Ok(index.find(paths, source, tuple)?.map(crate::hash::Posting::one))
                })
            }
            _ => Ok(None),
        }
    }

    /// Asks for equality. `find`: the rows of a tuple of values.
    fn ask_equal(
        &self,
        all: &[Ready<'v>],
        source: &LiveSegment,
        find: impl Fn(&[Scalar<'_>]) -> Result<Option<crate::hash::Posting<'v>>>,
    ) -> Result<Option<Answer<'v>>> {
        let Some((values, answered)) = self.equal_values(all) else { return Ok(None) };
        if self.index.kind() == Kind::Alternate && values.iter().flatten().any(|value| *value == Scalar::Null) {
            // Rows without a value are not in it.
            return Ok(None);
        }
        let mut tuples: Vec<Vec<Scalar<'_>>> = vec![Vec::new()];
        for values in values {
            if tuples.len().saturating_mul(values.len()) > asked_max(source) {
                return Ok(None);
            }
            tuples = tuples
                .iter()
                .flat_map(|tuple| values.iter().map(move |value| [tuple.as_slice(), &[*value]].concat()))
                .collect();
        }
        let (mut postings, mut count) = (Vec::new(), 0);
        for tuple in tuples {
            if let Some(posting) = find(&tuple)? {
                count += u64::from(posting.len());
                postings.push(posting);
            }
        }
        Ok(Some(Answer { index: self.index, count, answered, rows: Rows::Postings(postings) }))
    }

    /// Returns the values that each field is to be equal to, one of them, and which conditions say so.
    fn equal_values<'c>(&self, all: &'c [Ready<'v>]) -> Option<(Vec<Vec<Scalar<'c>>>, Vec<usize>)> {
        let Some(list) = &self.list else {
            let (mut values, mut answered) = (Vec::new(), Vec::new());
            for (end, kind) in self.ends.iter().zip(self.index.paths().kinds()) {
                let (at, asked) =
                    all.iter().enumerate().find_map(|(at, one)| Some((at, asked(one, end)?.equal(kind, false)?)))?;
                values.push(asked);
                answered.push(at);
            }
            return Some((values, answered));
        };
        all.iter().enumerate().find_map(|(at, one)| {
            let Tree::Leaf(leaf) = one else { return None };
            let Check::Each(Quantifier::Any, place, inner) = &leaf.what else { return None };
            if **place != *list {
                return None;
            }
            let inner = if let Tree::And(all) = &**inner { all.as_slice() } else { std::slice::from_ref(&**inner) };
            let mut values = Vec::new();
            for (end, kind) in self.ends.iter().zip(self.index.paths().kinds()) {
                values.push(inner.iter().find_map(|one| asked(one, end)?.equal(kind, true))?);
            }
            // What else is asked of the element is asked of the candidates.
            let answered = if inner.len() == self.ends.len() { vec![at] } else { Vec::new() };
            Some((values, answered))
        })
    }

    /// `index`: `None` for the primary key.
    fn ask_ordered(
        &self,
        all: &[Ready<'v>],
        source: &'v LiveSegment,
        index: Option<&'v SortedIndex>,
    ) -> Result<Option<Answer<'v>>> {
        let (fields, mut first, mut answered) = (self.index.fields(), Vec::new(), Vec::new());
        let mut places: Vec<Ends<'_>> = Vec::new();
        for ((end, kind), is_descending) in self.ends.iter().zip(self.index.paths().kinds()).zip(fields.descending) {
            let found = all.iter().enumerate().find_map(|(at, one)| Some((at, asked(one, end)?)));
            let Some((at, asked)) = found else { break };
            if let Some(values) = asked.equal(kind, false)
                && let [value] = values[..]
                && value != Scalar::Null
            {
                first.push(value);
                answered.push(at);
                continue;
            }
            let Some(ends) = asked.ends(kind, &first, *is_descending) else { break };
            // Behind equal first values stand those whose next one is null.
            if first.is_empty() || ends.iter().all(|ends| ends.from.is_some() && ends.to.is_some()) {
                places = ends;
                answered.push(at);
            }
            break;
        }
        if places.is_empty() {
            if first.is_empty() {
                return Ok(None);
            }
            let place = (first, false);
            places.push(Ends { from: Some((place.clone(), Side::Before)), to: Some((place, Side::Behind)) });
        }
        if places.len() > asked_max(source) {
            return Ok(None);
        }
        let (mut ranges, mut count) = (Vec::new(), 0);
        for Ends { from, to } in &places {
            let position = |((values, is_prefix), side): &(SortPlaceOf<'_>, Side)| {
                let place = SortPlace { values, is_prefix: *is_prefix };
                match index {
                    Some(index) => index.position(fields, source.segment(), &place, *side),
                    None => key_position(fields, source, &place, *side),
                }
            };
            let end = index.map_or(source.segment().rows(), |index| index.values().end);
            let range = from.as_ref().map_or(Ok(0), position)?..to.as_ref().map_or(Ok(end), position)?;
            count += u64::from(range.end.saturating_sub(range.start));
            ranges.push(range);
        }
        let rows = match index {
            Some(index) => Rows::Positions(index, ranges),
            None => Rows::Ranges(ranges),
        };
        Ok(Some(Answer { index: self.index, count, answered, rows }))
    }
}

fn asked_max(source: &LiveSegment) -> usize {
    ASKED_MAX + source.segment().rows() as usize / ROWS_PER_ASKED
}

/// Finds a place among rows that stand in its order.
fn key_position(fields: SortFields<'_>, source: &LiveSegment, place: &SortPlace<'_>, side: Side) -> Result<u32> {
    let segment = source.segment();
    let (mut from, mut to) = (0, segment.rows());
    while from < to {
        let middle = from.midpoint(to);
        let row = crate::row::expect_row(segment, middle)?;
        let order = place.compare(fields, row).map_err(|malformed| crate::row::unreadable(segment, malformed))?;
        if side.is_before(order) { from = middle + 1 } else { to = middle }
    }
    Ok(from)
}

impl Answer<'_> {
    /// Returns what finding the rows costs.
    pub fn cost(&self) -> u64 {
        let each = match self.rows {
            Rows::Postings(_) | Rows::Terms(_) => POSTING_COST,
            Rows::Positions(..) => SORTED_COST,
            Rows::Ranges(_) => 0,
        };
        self.count.saturating_mul(each)
    }

    /// Returns the rows, dead ones included.
    pub fn rows(&self) -> Result<RoaringBitmap> {
        let mut out = RoaringBitmap::new();
        match &self.rows {
            Rows::Postings(postings) => {
                for posting in postings {
                    let rows = posting.iter().collect::<Result<Vec<u32>>>()?;
                    out |= from_sorted(rows);
                }
            }
            Rows::Positions(index, ranges) => {
                for range in ranges {
                    let mut rows = index.rows(range.clone()).collect::<Result<Vec<u32>>>()?;
                    rows.sort_unstable();
                    rows.dedup();
                    out |= from_sorted(rows);
                }
            }
            Rows::Terms(sets) => out = from_sorted(common_rows(sets)?),
            Rows::Ranges(ranges) => ranges.iter().for_each(|range| {
                out.insert_range(range.clone());
            }),
        }
        Ok(out)
    }

    /// Returns the positions of the rows in the order of a sorted index or of the primary key; `None` for other kinds.
    pub fn positions(&self) -> Option<&[std::ops::Range<u32>]> {
        match &self.rows {
            Rows::Positions(_, ranges) | Rows::Ranges(ranges) => Some(ranges),
            Rows::Postings(_) | Rows::Terms(_) => None,
        }
    }
}

fn from_sorted(rows: Vec<u32>) -> RoaringBitmap {
    // They ascend: a posting says so, and others were sorted.
    RoaringBitmap::from_sorted_iter(rows).unwrap_or_default()
}
