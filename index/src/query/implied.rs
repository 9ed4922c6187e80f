//! Tells whether one condition follows from another: for indexes with filters, which hold rows of some queries alone.
//!
//! Little is proved: a condition follows from itself, and from one that allows less of the same field.

use super::check::{Check, Ready};
use super::number::KeyRange;
use super::place::Place;
use super::test::{BytesTest, NumberTest};
use super::tree::Tree;

impl Ready<'_> {
    /// Returns whether this holds wherever another condition does; false if it is not known.
    pub fn follows_from(&self, other: &Self) -> bool {
        match (self, other) {
            (Tree::Constant(true), _) | (_, Tree::Constant(false)) => true,
            (Tree::And(all), _) => all.iter().all(|one| one.follows_from(other)),
            (_, Tree::Or(alternatives)) => alternatives.iter().all(|one| self.follows_from(one)),
            (Tree::Or(alternatives), _) => alternatives.iter().any(|one| one.follows_from(other)),
            (_, Tree::And(all)) => all.iter().any(|one| self.follows_from(one)),
            (Tree::Not(wanted), Tree::Not(known)) => known.follows_from(wanted),
            (Tree::Leaf(wanted), Tree::Leaf(known)) => wanted.what.follows_from(&known.what),
            _ => false,
        }
    }
}

impl<'v> Check<'v> {
    fn follows_from(&self, other: &Self) -> bool {
        if let (Some((place, wanted)), Some((known_place, known))) = (self.number(), other.number()) {
            return place == known_place && wanted.allows(known);
        }
        match (self, other) {
            (Self::Bytes(place, wanted), Self::Bytes(known_place, known)) => {
                place == known_place && wanted.allows(known)
            }
            (Self::Len(place, wanted), Self::Len(known_place, known)) => place == known_place && wanted.allows(known),
            (Self::Present(place), Self::Present(known)) => place == known,
            (Self::Each(quantifier, place, wanted), Self::Each(known_quantifier, known_place, known)) => {
                quantifier == known_quantifier && place == known_place && wanted.follows_from(known)
            }
            _ => false,
        }
    }

    fn number(&self) -> Option<(&Place<'v>, &NumberTest)> {
        match self {
            Self::Column(column, place) => Some((place, column.test())),
            Self::Number(place, _, test) => Some((place, test)),
            _ => None,
        }
    }
}

impl NumberTest {
    /// Returns whether all numbers that satisfy another test satisfy this.
    fn allows(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Set(keys)) => keys.iter().all(|key| self.holds(*key)),
            (_, Self::Range(KeyRange { low, high })) if low == high => self.holds(*low),
            (Self::Range(wanted), Self::Range(known)) => wanted.low <= known.low && known.high <= wanted.high,
            (Self::Set(_), Self::Range(_)) => false,
        }
    }
}

impl BytesTest {
    /// Returns whether all bytes that satisfy another test satisfy this; false if it is not known.
    fn allows(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Equal(bytes)) => self.holds(bytes),
            (_, Self::Set(all)) => all.iter().all(|bytes| self.holds(bytes)),
            (Self::StartsWith(wanted), Self::StartsWith(known)) => known.starts_with(wanted),
            (Self::Contains(wanted), Self::Contains(known)) => wanted.needle() == known.needle(),
            (Self::Range { low, high }, Self::Range { low: known_low, high: known_high }) => {
                let is_above = |wanted: &(Vec<u8>, bool), known: &(Vec<u8>, bool)| {
                    known.0 > wanted.0 || known.0 == wanted.0 && (wanted.1 || !known.1)
                };
                let is_below = |wanted: &(Vec<u8>, bool), known: &(Vec<u8>, bool)| {
                    known.0 < wanted.0 || known.0 == wanted.0 && (wanted.1 || !known.1)
                };
                low.as_ref().is_none_or(|low| known_low.as_ref().is_some_and(|known| is_above(low, known)))
                    && high.as_ref().is_none_or(|high| known_high.as_ref().is_some_and(|known| is_below(high, known)))
            }
            _ => false,
        }
    }
}
