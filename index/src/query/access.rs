//! Asks indexes which rows of a segment satisfy conditions.
//!
//! An index answers conditions on its fields: a hash index and an alternate key equality with all of them, a sorted
//! index (and the primary key, in whose order rows stand) equality with the first ones and then a range or the
//! beginning of a text. A condition about an element of a list (`"Drama" in genres`, `any(items, ...)`) is answered if
//! all that it asks of the element is indexed together. A text index answers `~=`, or equality and the beginning of a text if
//! its terms are whole texts.

use kapok_core::Result;
use kapok_core::paths::{Scalar, ScalarKind};
use kapok_core::segment::LiveSegment;
use kapok_core::view::Table;
use roaring::RoaringBitmap;

use super::check::{Check, Ready};
use super::expr::{At, Path, Quantifier, Step};
use super::join::Names;
use super::number::{KeyRange, Number, NumberKind};
use super::place::Place;
use super::plan::conjuncts;
use super::resolve::ScopeType;
use super::route::Route;
use super::test::{BytesTest, NumberTest};
use super::tree::Tree;
use crate::declared::Index;
use crate::kind::{Kind, OpenIndex};
use crate::sorted::{Side, SortFields, SortPlace, SortedIndex};
use crate::text::{TermSet, common_rows};
use crate::view::TableIndexes;

mod text;

/// Tuples of values that one question asks for, at most: `in` lists of several fields multiply.
const TUPLES_MAX: usize = 1024;

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

/// What is asked of a value, as an index is asked.
enum Asked<'c> {
    Null,
    Keys(Vec<u64>),
    Range(KeyRange),
    Bytes(Vec<&'c [u8]>),
    BytesRange { low: Option<&'c (Vec<u8>, bool)>, high: Option<&'c (Vec<u8>, bool)> },
    Beginning(&'c [u8]),
}

impl<'v> Access<'v> {
    /// Returns the indexes of a table that conditions can be asked of.
    pub fn of(table: &'v Table, indexes: &'v TableIndexes) -> Vec<Self> {
        let all = indexes.declared.indexes().iter().enumerate();
        all.filter_map(|(position, index)| Self::bind(table, index, position)).collect()
    }

    fn bind(table: &'v Table, index: &'v Index, position: usize) -> Option<Self> {
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
                self.ask_equal(all, |tuple| index.find(paths, source.segment(), tuple))
            }
            (_, Some(OpenIndex::Alternate(index))) => {
                let paths = self.index.paths();
                self.ask_equal(all, |tuple| Ok(index.find(paths, source, tuple)?.map(crate::hash::Posting::one)))
            }
            _ => Ok(None),
        }
    }

    /// Asks for equality. `find`: the rows of a tuple of values.
    fn ask_equal(
        &self,
        all: &[Ready<'v>],
        find: impl Fn(&[Scalar<'_>]) -> Result<Option<crate::hash::Posting<'v>>>,
    ) -> Result<Option<Answer<'v>>> {
        let Some((values, answered)) = self.equal_values(all) else { return Ok(None) };
        if self.index.kind() == Kind::Alternate && values.iter().flatten().any(|value| *value == Scalar::Null) {
            // Rows without a value are not in it.
            return Ok(None);
        }
        let mut tuples: Vec<Vec<Scalar<'_>>> = vec![Vec::new()];
        for values in values {
            if tuples.len().saturating_mul(values.len()) > TUPLES_MAX {
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
                let (at, asked) = all
                    .iter()
                    .enumerate()
                    .find_map(|(at, one)| Some((at, self::asked(one, end)?.equal(kind, false)?)))?;
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
                values.push(inner.iter().find_map(|one| self::asked(one, end)?.equal(kind, true))?);
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
        let (mut ranges, mut count) = (Vec::new(), 0);
        for Ends { from, to } in &places {
            let position = |((values, is_prefix), side): &(Place2<'_>, Side)| {
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

/// Values of the first fields, and whether the last of them is the beginning of a text.
type Place2<'c> = (Vec<Scalar<'c>>, bool);

/// A range of a sorted index; `None` is no limit.
struct Ends<'c> {
    from: Option<(Place2<'c>, Side)>,
    to: Option<(Place2<'c>, Side)>,
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
}

impl Answer<'_> {
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

/// Returns what a condition asks of the value at a place; `None` if it is about another one, or asks what no index answers.
fn asked<'c>(condition: &'c Ready<'_>, place: &Place<'_>) -> Option<Asked<'c>> {
    let leaf = match condition {
        Tree::Leaf(leaf) => &leaf.what,
        Tree::Not(inner) => {
            let Tree::Leaf(leaf) = &**inner else { return None };
            let Check::Present(at) = &leaf.what else { return None };
            return (**at == *place).then_some(Asked::Null);
        }
        _ => return None,
    };
    let (at, asked) = match leaf {
        Check::Column(column, at) => (at, Asked::of_number(column.test())),
        Check::Number(at, _, test) => (at, Asked::of_number(test)),
        Check::Bytes(at, BytesTest::Equal(bytes)) => (at, Asked::Bytes(vec![bytes])),
        Check::Bytes(at, BytesTest::Set(all)) => (at, Asked::Bytes(all.iter().map(Vec::as_slice).collect())),
        Check::Bytes(at, BytesTest::Range { low, high }) => {
            (at, Asked::BytesRange { low: low.as_ref(), high: high.as_ref() })
        }
        Check::Bytes(at, BytesTest::StartsWith(bytes)) => (at, Asked::Beginning(bytes)),
        _ => return None,
    };
    (**at == *place).then_some(asked)
}

impl<'c> Asked<'c> {
    fn of_number(test: &NumberTest) -> Self {
        match test {
            NumberTest::Range(range) if range.low == range.high => Self::Keys(vec![range.low]),
            NumberTest::Range(range) => Self::Range(*range),
            NumberTest::Set(keys) => Self::Keys(keys.clone()),
        }
    }

    /// Returns the values that are asked for one by one.
    fn equal(&self, kind: ScalarKind, is_element: bool) -> Option<Vec<Scalar<'c>>> {
        Some(match self {
            Self::Null if is_element => vec![Scalar::NullElement],
            Self::Null => vec![Scalar::Null],
            Self::Keys(keys) => keys.iter().map(|key| scalar(kind, *key)).collect::<Option<Vec<_>>>()?,
            Self::Bytes(all) => all.iter().map(|bytes| bytes_scalar(kind, bytes)).collect(),
            _ => return None,
        })
    }

    /// Returns the ranges of a sorted index that are asked for, behind equal first values.
    fn ends(&self, kind: ScalarKind, first: &[Scalar<'c>], is_descending: bool) -> Option<Vec<Ends<'c>>> {
        let place = |value: Scalar<'c>, is_prefix| ([first, &[value]].concat(), is_prefix);
        let between = |low: Option<(Scalar<'c>, bool)>, high: Option<(Scalar<'c>, bool)>| {
            let (from, to) = if is_descending { (high, low) } else { (low, high) };
            let before = |is_in| if is_in { Side::Before } else { Side::Behind };
            let behind = |is_in| if is_in { Side::Behind } else { Side::Before };
            Ends {
                from: from.map(|(value, is_in)| (place(value, false), before(is_in))),
                to: to.map(|(value, is_in)| (place(value, false), behind(is_in))),
            }
        };
        Some(match self {
            Self::Range(KeyRange { low, high }) => {
                let (first, last) = (scalar(kind, *low)?, scalar(kind, *high)?);
                // The key below that of 0.0 is no value's: it stands for -0.0, which is equal to 0.0 and above the range.
                let is_value = !matches!(last, Scalar::Float(value) if value == 0.0 && value.is_sign_negative());
                vec![between(Some((first, true)), Some((last, is_value)))]
            }
            Self::BytesRange { low, high } => {
                let end =
                    |end: Option<&'c (Vec<u8>, bool)>| end.map(|(bytes, is_in)| (bytes_scalar(kind, bytes), *is_in));
                vec![between(end(*low), end(*high))]
            }
            Self::Beginning(bytes) => {
                let place = place(bytes_scalar(kind, bytes), true);
                vec![Ends { from: Some((place.clone(), Side::Before)), to: Some((place, Side::Behind)) }]
            }
            Self::Keys(_) | Self::Bytes(_) => {
                let values = self.equal(kind, false)?;
                let one = |value: &Scalar<'c>| between(Some((*value, true)), Some((*value, true)));
                values.iter().map(one).collect()
            }
            Self::Null => return None,
        })
    }
}

/// Returns the value of a number's key.
pub(super) fn scalar(kind: ScalarKind, key: u64) -> Option<Scalar<'static>> {
    let number = match kind {
        ScalarKind::Bool => return Some(Scalar::Bool(key != 0)),
        ScalarKind::Int(bytes) => NumberKind::Signed(bytes * 8).number(key),
        ScalarKind::UInt(bytes) => NumberKind::Unsigned(bytes * 8).number(key),
        ScalarKind::Enum(_) => NumberKind::Unsigned(16).number(key),
        ScalarKind::Float32 => NumberKind::Float32.number(key),
        ScalarKind::Float64 => NumberKind::Float64.number(key),
        ScalarKind::Text | ScalarKind::Data => return None,
    };
    let value = match number {
        Number::Float(value) => Scalar::Float(value),
        Number::Int(value) => match i64::try_from(value) {
            Ok(value) => Scalar::Int(value),
            Err(_) => Scalar::UInt(u64::try_from(value).ok()?),
        },
    };
    kind.cast(value).ok()?
}

pub(super) fn bytes_scalar(kind: ScalarKind, bytes: &[u8]) -> Scalar<'_> {
    if kind == ScalarKind::Data { Scalar::Data(bytes) } else { Scalar::Text(bytes) }
}
