//! The leaves of an expression that is ready to be evaluated.

use std::sync::Arc;

use kapok_core::Result;

use super::bind::{LENGTH, Question};
use super::column::Column;
use super::expr::Quantifier;
use super::number::NumberKind;
use super::parameters::Parameters;
use super::place::{Kind, Place};
use super::referring::Referring;
use super::test::{BytesTest, NumberTest, text_of};
use super::tree::{LEAST_COST, Leaf, Tree};
use super::words::WordPattern;

/// What is asked of one value, all of it known.
#[derive(Clone, Debug)]
pub(super) enum Check<'v> {
    /// A number that lies in the record itself.
    Column(Arc<Column>, Arc<Place<'v>>),
    Number(Arc<Place<'v>>, NumberKind, NumberTest),
    Bytes(Arc<Place<'v>>, BytesTest),
    Len(Arc<Place<'v>>, NumberTest),
    Words(Arc<Place<'v>>, Arc<WordPattern>),
    Present(Arc<Place<'v>>),
    Each(Quantifier, Arc<Place<'v>>, Box<Ready<'v>>),
    /// Whether there is a record that refers to this one and satisfies a condition.
    Referred(Arc<Referring<'v>>),
    CountReferrers(Arc<Referring<'v>>, NumberTest),
}

/// An expression that is ready to be evaluated.
pub(super) type Ready<'v> = Tree<Leaf<Check<'v>>>;

impl<'v> Tree<Leaf<Question<'v>>> {
    /// Makes the expression with the values of parameters. `is_record`: whether it is about records, not elements of a
    /// list.
    pub fn ready(&self, parameters: &Parameters, is_record: bool) -> Result<Ready<'v>> {
        let ready = self.try_map(&mut |leaf| leaf.what.ready(&leaf.text, parameters, is_record))?;
        Ok(ready.simplified(&|leaf| leaf.what.cost()))
    }
}

impl<'v> Question<'v> {
    fn ready(&self, text: &Arc<str>, parameters: &Parameters, is_record: bool) -> Result<Ready<'v>> {
        let leaf = |check| Tree::leaf(text, check);
        let leaf_or_never = |check: Option<Check<'v>>| check.map_or(Tree::Constant(false), leaf);
        Ok(match self {
            Self::Number(place, ask) => {
                let Some(kind) = place.kind.number() else { return Ok(Tree::Constant(false)) };
                let test = ask.of_number(place.kind, parameters)?;
                leaf_or_never(test.map(|test| match Column::of(place, kind, &test) {
                    Some(column) if is_record => Check::Column(Arc::new(column), Arc::clone(place)),
                    _ => Check::Number(Arc::clone(place), kind, test),
                }))
            }
            Self::Bytes(place, ask) => {
                let test = ask.of_bytes(place.kind, parameters)?;
                leaf_or_never(test.map(|test| Check::Bytes(Arc::clone(place), test)))
            }
            Self::Len(place, ask) => {
                let test = ask.of_number(LENGTH, parameters)?;
                leaf_or_never(test.map(|test| Check::Len(Arc::clone(place), test)))
            }
            Self::Words(place, operand) => {
                let pattern = WordPattern::parse(&text_of(operand, parameters)?);
                leaf(Check::Words(Arc::clone(place), Arc::new(pattern)))
            }
            Self::Present(place) => match place.kind {
                Kind::Struct(ty) if ty.is_group && place.is_direct() => Tree::Constant(true),
                _ => leaf(Check::Present(Arc::clone(place))),
            },
            Self::Each(quantifier, place, inner) => {
                let inner = inner.ready(parameters, false)?;
                leaf(Check::Each(*quantifier, Arc::clone(place), Box::new(inner)))
            }
            Self::Referrers(referrers, inner) => match inner.ready(parameters, true)? {
                Tree::Constant(false) => Tree::Constant(false),
                condition => leaf(Check::Referred(Arc::new(Referring::new(referrers, condition)))),
            },
            Self::CountReferrers(referrers, ask) => {
                let test = ask.of_number(LENGTH, parameters)?;
                let referring = || Arc::new(Referring::new(referrers, Tree::Constant(true)));
                leaf_or_never(test.map(|test| Check::CountReferrers(referring(), test)))
            }
        })
    }
}

impl Check<'_> {
    /// Returns what evaluating this costs, roughly, in parts of what a column of numbers costs.
    pub fn cost(&self) -> u32 {
        match self {
            Self::Column(column, _) => LEAST_COST + search_cost(column.test()),
            Self::Number(place, _, test) => 6 + place_cost(place) + search_cost(test),
            Self::Present(place) => 6 + place_cost(place),
            Self::Len(place, _) => 8 + place_cost(place),
            Self::Bytes(place, BytesTest::Contains(_)) => 40 + place_cost(place),
            Self::Bytes(place, _) => 12 + place_cost(place),
            Self::Each(_, place, inner) => {
                (20 + place_cost(place)).saturating_add(inner.cost(&|leaf| leaf.what.cost()).saturating_mul(4))
            }
            Self::Words(place, _) => 400 + place_cost(place),
            Self::Referred(referring) | Self::CountReferrers(referring, _) => {
                referring.condition.cost(&|leaf| leaf.what.cost()).saturating_mul(4).saturating_add(300)
            }
        }
    }
}

/// Returns what finding a number among several costs.
fn search_cost(test: &NumberTest) -> u32 {
    match test {
        NumberTest::Range(_) => 0,
        NumberTest::Set(keys) => 2 * keys.len().max(1).ilog2(),
    }
}

fn place_cost(place: &Place<'_>) -> u32 {
    let joins = place.via.as_ref().map_or(0, |join| join.depth);
    u32::try_from(place.hops.len() + 6 * joins).unwrap_or(u32::MAX).saturating_mul(10)
}
