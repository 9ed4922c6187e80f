//! Finds the records of another table that a condition asks about before those that are asked for, and asks for their keys.
//!
//! `movieId.title = "M"` on ratings looks a film up for each rating. If the films of that title are found at less cost, by an
//! index or since there are few films, the condition becomes `movieId in [..]`, which is the same: an index of `movieId` may
//! answer it, and a scan needs no lookups. `any(Rating.movieId, stars = 5)` on films becomes `movieId in [..]` likewise, with
//! the films that the ratings found by an index refer to. Keys of several fields stay as they are.

use std::sync::Arc;

use kapok_core::Result;
use kapok_core::key::KeyPart;

use super::access::Access;
use super::check::{Check, Ready};
use super::column::Column;
use super::evaluate::Spending;
use super::explain::JoinExplanation;
use super::expr::Quantifier;
use super::join::{Join, Names};
use super::number::{KeyRange, Number};
use super::place::{Place, Scope};
use super::plan::Candidates;
use super::referring::Referring;
use super::rows::Rows;
use super::scan::corrupt;
use super::test::{BytesTest, NumberTest};
use super::tree::{Leaf, Tree};

/// Of what the query costs, the part that finding other records may cost.
const PART_SPENT: u64 = 4;
/// Cost of taking the key of a record, in parts of what a column of numbers costs.
const KEY_COST: u64 = 24;
/// Keys that are asked for, at most.
const KEYS_MAX: u64 = 1 << 20;

/// Conditions that are being turned into others.
pub(super) struct FoundFirst<'v> {
    names: Names<'v>,
    /// What may still be spent.
    left: u64,
    /// How records were found.
    pub joins: Vec<JoinExplanation>,
}

/// A value of a key.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value<'v> {
    Int(i128),
    Bytes(&'v [u8]),
}

impl<'v> FoundFirst<'v> {
    /// `cost`: of the query as it is. `cost_max`: what may be spent in any case.
    pub fn new(names: Names<'v>, cost: u64, cost_max: u64) -> Self {
        Self { names, left: (cost / PART_SPENT).min(cost_max), joins: Vec::new() }
    }

    /// Returns whether a condition asks about records of another table.
    pub fn is_about_others(expression: &Ready<'v>) -> bool {
        match expression {
            Tree::Constant(_) => false,
            Tree::And(all) | Tree::Or(all) => all.iter().any(Self::is_about_others),
            Tree::Not(inner) => Self::is_about_others(inner),
            Tree::Leaf(leaf) => match &leaf.what {
                Check::Referred(_) => true,
                Check::Each(_, place, inner) => place.via.is_some() || Self::is_about_others(inner),
                other => other.place().is_some_and(|place| place.via.is_some()),
            },
        }
    }

    /// Turns the conditions whose records are found at little cost. `is_record`: whether they are about records, not elements of
    /// a list.
    pub fn turn(&mut self, expression: &Ready<'v>, is_record: bool) -> Result<Ready<'v>> {
        let turned = expression.try_map(&mut |leaf: &Leaf<Check<'v>>| self.turn_leaf(leaf, is_record))?;
        Ok(turned.simplified(&|leaf| leaf.what.cost()))
    }

    fn turn_leaf(&mut self, leaf: &Leaf<Check<'v>>, is_record: bool) -> Result<Ready<'v>> {
        let unchanged = || Tree::Leaf(leaf.clone());
        let keys = match &leaf.what {
            Check::Referred(referring) => self.referred_keys(referring)?.map(|values| {
                let place = referring.of.ends[0].clone();
                (place, values)
            }),
            check => match check.place().and_then(|place| place.via.clone()) {
                Some(join) => self.target_keys(leaf, &join)?.map(|values| {
                    let part = Place::clone(&join.key.parts[0]);
                    (Place { via: join.key.before.clone(), ..part }, values)
                }),
                None => None,
            },
        };
        if let Some((place, values)) = keys {
            let turned = is_one_of(&leaf.text, place, &values, is_record);
            // The field that refers may stand in a record that another reference leads to.
            return match &turned {
                Tree::Leaf(leaf) if Self::is_about_others(&turned) => self.turn_leaf(leaf, is_record),
                _ => Ok(turned),
            };
        }
        let Check::Each(quantifier, place, inner) = &leaf.what else { return Ok(unchanged()) };
        if !Self::is_about_others(inner) {
            return Ok(unchanged());
        }
        let inner = Box::new(self.turn(inner, false)?);
        Ok(Tree::leaf(&leaf.text, Check::Each(*quantifier, Arc::clone(place), inner)))
    }

    /// Returns the keys of the records behind a reference that satisfy a condition; `None` if it is dearer to find them.
    fn target_keys(&mut self, leaf: &Leaf<Check<'v>>, join: &Join<'v>) -> Result<Option<Vec<Value<'v>>>> {
        let (Some(view), target) = (self.names.view, join.key.target) else { return Ok(None) };
        let (Some(check), [_]) = (leaf.what.behind_reference(), join.key.parts.as_slice()) else { return Ok(None) };
        let Some(end) = join.key.key_places(self.names)?.into_iter().next() else { return Ok(None) };
        let (_, indexes) = view.table_with_indexes(target.name())?;
        let accesses: Arc<[Access<'v>]> = Access::of(target, indexes).into();
        let condition = Arc::new(Tree::leaf(&leaf.text, check));
        let names = Names { schema: target.schema(), ..self.names };
        let rows = Rows::within(names, target, Some((accesses, indexes)), condition, self.left)?;
        let keys = |scope, _: &Spending, out: &mut Vec<Value<'v>>| {
            out.extend(end.key_part(scope)?.map(Value::of));
            Ok(())
        };
        self.keys(rows, &join.key.text, keys)
    }

    /// Returns the keys that the records refer to that satisfy a condition; `None` if no index finds them, or at too high a cost.
    fn referred_keys(&mut self, referring: &Referring<'v>) -> Result<Option<Vec<Value<'v>>>> {
        let of = &*referring.of;
        if of.ends.len() != 1 {
            return Ok(None);
        }
        let indexes = (Arc::clone(&of.accesses), of.indexes);
        let rows = Rows::within(of.names, of.table, Some(indexes), Arc::clone(&referring.condition), self.left)?;
        let is_scan = |rows: &Rows<'v>| rows.plans.iter().any(|plan| matches!(plan.candidates, Candidates::All));
        let keys = |scope, spending: &Spending, out: &mut Vec<Value<'v>>| {
            of.reference.for_each(scope, spending, &mut |parts| {
                out.extend(parts.first().copied().map(Value::of));
                Ok(())
            })
        };
        self.keys(rows.filter(|rows| !is_scan(rows)), &of.text, keys)
    }

    /// Takes the keys of rows, each once, and tells how they were found; `None` if there are too many.
    fn keys(
        &mut self,
        rows: Option<Rows<'v>>,
        path: &Arc<str>,
        mut take: impl FnMut(Scope<'v>, &Spending, &mut Vec<Value<'v>>) -> super::unreadable::Read<()>,
    ) -> Result<Option<Vec<Value<'v>>>> {
        let Some(rows) = rows else { return Ok(None) };
        let of_segments = || rows.table.segments().iter().zip(&rows.plans);
        let known = of_segments().map(|(source, plan)| match plan.candidates {
            // How many satisfy the condition is known at the end.
            Candidates::All => 0,
            Candidates::Rows(..) => plan.candidates.count(source),
        });
        let cost = rows.cost().saturating_add(known.sum::<u64>().saturating_mul(KEY_COST));
        if cost > self.left {
            return Ok(None);
        }
        self.left -= cost;
        let keys_max = KEYS_MAX.min(self.left.saturating_add(cost) / KEY_COST);
        let (spending, mut out, mut found) = (Spending::new(), Vec::new(), 0_u64);
        for scan in rows.scans() {
            let source = scan.source();
            for row in scan {
                let Some(at) = source.segment().row(row?) else { continue };
                spending.renew();
                take(Scope::Struct(at), &spending, &mut out).map_err(|unreadable| corrupt(source, unreadable))?;
                found += 1;
                if out.len() as u64 > keys_max {
                    return Ok(None);
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        let mut sources: Vec<&str> = rows.plans.iter().map(|plan| plan.candidates.source()).collect();
        sources.sort_unstable();
        sources.dedup();
        let (record_type, source) = (rows.table.name().to_owned(), sources.join(" or "));
        self.joins.push(JoinExplanation { path: path.to_string(), record_type, source, found_first: Some(found) });
        self.joins.extend(rows.explain_joins());
        Ok(Some(out))
    }
}

impl<'v> Value<'v> {
    fn of(part: KeyPart<'v>) -> Self {
        match part {
            KeyPart::Bool(value) => Self::Int(value.into()),
            KeyPart::Int(value) => Self::Int(value),
            KeyPart::Text(text) => Self::Bytes(text.as_bytes()),
            KeyPart::Data(bytes) => Self::Bytes(bytes),
        }
    }
}

impl<'v> Check<'v> {
    /// Returns the place that is asked about; `None` for records that refer.
    fn place(&self) -> Option<&Arc<Place<'v>>> {
        match self {
            Self::Column(_, place)
            | Self::Number(place, ..)
            | Self::Bytes(place, _)
            | Self::Len(place, _)
            | Self::Words(place, _)
            | Self::Present(place)
            | Self::Each(_, place, _) => Some(place),
            Self::Referred(_) | Self::CountReferrers(..) => None,
        }
    }

    /// Returns what is asked of the record that a reference leads to; `None` if it may hold where there is no such record.
    fn behind_reference(&self) -> Option<Self> {
        let behind = |place: &Arc<Place<'v>>| Arc::new(Place { via: None, ..Place::clone(place) });
        Some(match self {
            Self::Number(place, kind, test) => {
                let place = behind(place);
                match Column::of(&place, *kind, test) {
                    Some(column) => Self::Column(Arc::new(column), place),
                    None => Self::Number(place, *kind, test.clone()),
                }
            }
            Self::Bytes(place, test) => Self::Bytes(behind(place), test.clone()),
            Self::Words(place, pattern) => Self::Words(behind(place), Arc::clone(pattern)),
            Self::Present(place) => Self::Present(behind(place)),
            Self::Len(place, test) if !test.holds(0) => Self::Len(behind(place), test.clone()),
            Self::Each(Quantifier::Any, place, inner) => Self::Each(Quantifier::Any, behind(place), inner.clone()),
            _ => return None,
        })
    }
}

impl Candidates {
    /// Returns where they come from, for people.
    pub fn source(&self) -> &str {
        match self {
            Self::All => "scan",
            Self::Rows(names, _) => names,
        }
    }
}

/// Makes the condition that a field has one of some values.
fn is_one_of<'v>(text: &Arc<str>, place: Place<'v>, values: &[Value<'v>], is_record: bool) -> Ready<'v> {
    let place = Arc::new(place);
    let check = if let Some(kind) = place.kind.number() {
        let key = |value: &Value<'_>| match value {
            Value::Int(value) => kind.equal(Number::Int(*value)).map(|range| range.low),
            Value::Bytes(_) => None,
        };
        let mut keys: Vec<u64> = values.iter().filter_map(key).collect();
        keys.sort_unstable();
        let test = match keys.as_slice() {
            [] => return Tree::Constant(false),
            [key] => NumberTest::Range(KeyRange { low: *key, high: *key }),
            _ => NumberTest::Set(keys),
        };
        match Column::of(&place, kind, &test) {
            Some(column) if is_record => Check::Column(Arc::new(column), place),
            _ => Check::Number(place, kind, test),
        }
    } else {
        let bytes = |value: &Value<'_>| if let Value::Bytes(bytes) = value { Some(bytes.to_vec()) } else { None };
        let mut all: Vec<Vec<u8>> = values.iter().filter_map(bytes).collect();
        match all.len() {
            0 => return Tree::Constant(false),
            1 => Check::Bytes(place, BytesTest::Equal(all.remove(0))),
            _ => Check::Bytes(place, BytesTest::Set(all)),
        }
    };
    Tree::leaf(text, check)
}
