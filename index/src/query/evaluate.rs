//! Evaluates an expression: for one record or element, or for a block of records.

use std::cell::Cell;

use kapok_core::segment::Segment;
use kapok_core::words::Malformed;

use super::check::{Check, Ready};
use super::column::BlockRows;
use super::expr::Quantifier;
use super::mask::Mask;
use super::place::{Place, Scope, distinct_elements};
use super::tree::Leaf;
use super::unreadable::Read;

/// Elements of lists that are looked at for one record, at most: lists that share their elements may be far larger than
/// their bytes. As many as the default budget of a record allows.
const ELEMENTS_MAX: u32 = 16 << 20;

/// Rows of a block that are tested one by one, at most, if a column could test all.
const FEW_ROWS: u32 = 64;

/// Counts the elements that were looked at for one record.
pub(super) struct Spending(Cell<u32>);

impl Spending {
    pub fn new() -> Self {
        Self(Cell::new(ELEMENTS_MAX))
    }

    /// Begins with another record.
    pub fn renew(&self) {
        self.0.set(ELEMENTS_MAX);
    }

    /// Pays for elements.
    pub fn spend(&self, elements: u32) -> Read<()> {
        match self.0.get().checked_sub(elements) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(Malformed { word: 0, expected: "lists of at most 16 Mi elements in a record" }.into()),
        }
    }
}

impl<'v> Ready<'v> {
    /// Returns whether a record or an element satisfies the expression.
    pub fn holds(&self, scope: Scope<'v>, spending: &Spending) -> Read<bool> {
        match self {
            Self::Constant(value) => Ok(*value),
            Self::And(all) => {
                for one in all {
                    if !one.holds(scope, spending)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(all) => {
                for one in all {
                    if one.holds(scope, spending)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(inner) => Ok(!inner.holds(scope, spending)?),
            Self::Leaf(leaf) => leaf.what.holds(scope, spending),
        }
    }

    /// Takes the rows that do not satisfy the expression off a mask, whose first row is `first`.
    pub fn narrow(&self, segment: &'v Segment, first: u32, mask: &mut Mask, spending: &Spending) -> Read<()> {
        match self {
            Self::Constant(true) => {}
            Self::Constant(false) => *mask = Mask::EMPTY,
            Self::And(all) => {
                for one in all {
                    if mask.is_empty() {
                        break;
                    }
                    one.narrow(segment, first, mask, spending)?;
                }
            }
            Self::Or(all) => {
                let (mut rest, mut found) = (*mask, Mask::EMPTY);
                for one in all {
                    if rest.is_empty() {
                        break;
                    }
                    let mut more = rest;
                    one.narrow(segment, first, &mut more, spending)?;
                    rest.subtract(&more);
                    found.add(&more);
                }
                *mask = found;
            }
            Self::Not(inner) => {
                let mut found = *mask;
                inner.narrow(segment, first, &mut found, spending)?;
                mask.subtract(&found);
            }
            Self::Leaf(Leaf { what: Check::Column(column, _), .. }) if mask.count() > FEW_ROWS => {
                match block_rows(segment, first) {
                    Some(rows) => column.narrow(rows, mask),
                    None => *mask = Mask::EMPTY,
                }
            }
            Self::Leaf(leaf) => {
                for row in mask.rows() {
                    spending.renew();
                    let holds = match segment.row(first + row) {
                        Some(row) => leaf.what.holds(Scope::Struct(row), spending)?,
                        None => false,
                    };
                    if !holds {
                        mask.remove(row);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the bytes of the rows of a block.
fn block_rows(segment: &Segment, first: u32) -> Option<BlockRows<'_>> {
    let stride = segment.stride();
    let from = segment.rows_at() + first as usize * stride;
    let rows = super::mask::block_of(first, segment.rows()).len();
    let bytes = segment.words().bytes().get(from..from + rows * stride)?;
    Some(BlockRows { bytes, stride, data_words: segment.row_sizes().0 })
}

impl<'v> Check<'v> {
    fn holds(&self, scope: Scope<'v>, spending: &Spending) -> Read<bool> {
        Ok(match self {
            Self::Column(column, _) => match scope {
                Scope::Struct(row) => column.holds(row),
                Scope::Item(..) => false,
            },
            Self::Number(place, kind, test) => place.number(*kind, scope)?.is_some_and(|key| test.holds(key)),
            Self::Bytes(place, test) => place.bytes(scope)?.is_some_and(|bytes| test.holds(bytes)),
            Self::Len(place, test) => test.holds(place.len(scope)?),
            Self::Present(place) => place.is_present(scope)?,
            Self::Words(place, pattern) => match place.text(scope)? {
                Some(text) => pattern.matches(text),
                None => false,
            },
            Self::Referred(referring) => referring.exists(scope)?,
            Self::CountReferrers(referring, test) => test.holds(referring.count(scope)?),
            Self::Each(quantifier, place, inner) => {
                let wanted = *quantifier == Quantifier::Any;
                place.find_element(scope, spending, |element| Ok(inner.holds(element, spending)? == wanted))? == wanted
            }
        })
    }
}

impl<'v> Place<'v> {
    /// Returns the elements of the list, or the bytes of the Text or Data; 0 if it is null.
    pub fn len(&self, scope: Scope<'v>) -> Read<u64> {
        match self.kind {
            super::place::Kind::List(..) => Ok(self.list(scope)?.map_or(0, |list| list.len().into())),
            _ => Ok(self.bytes(scope)?.map_or(0, |bytes| bytes.len() as u64)),
        }
    }

    /// Returns the text, checked; `None` if it is null.
    pub fn text(&self, scope: Scope<'v>) -> Read<Option<&'v str>> {
        let Some(bytes) = self.bytes(scope)? else { return Ok(None) };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Malformed { word: 0, expected: "text in UTF-8" }.into()),
        }
    }

    /// Returns whether a condition holds for an element of the list; elements that must be equal are looked at once.
    pub fn find_element(
        &self,
        scope: Scope<'v>,
        spending: &Spending,
        mut holds: impl FnMut(Scope<'v>) -> Read<bool>,
    ) -> Read<bool> {
        self.with_start(scope, false, |scope| self.find_element_here(scope, spending, &mut holds))
    }

    fn find_element_here(
        &self,
        scope: Scope<'v>,
        spending: &Spending,
        holds: &mut impl FnMut(Scope<'v>) -> Read<bool>,
    ) -> Read<bool> {
        let Some(list) = self.list_here(scope)? else { return Ok(false) };
        let elements = distinct_elements(list);
        spending.spend(elements)?;
        for index in 0..elements {
            let element = match self.kind {
                super::place::Kind::List(kapok_core::schema::Type::Struct(_), _) => match list.get_struct(index) {
                    Some(at) => Scope::Struct(at),
                    None => break,
                },
                _ => Scope::Item(list, index),
            };
            if holds(element)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
