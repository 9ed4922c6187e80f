//! Conditions joined by `and`, `or` and `not`.

use std::fmt;
use std::sync::Arc;

use kapok_core::Result;

/// A condition over leaves of some kind.
#[derive(Clone, Debug)]
pub(super) enum Tree<L> {
    Constant(bool),
    /// In the order in which they are evaluated.
    And(Vec<Tree<L>>),
    Or(Vec<Tree<L>>),
    Not(Box<Tree<L>>),
    Leaf(L),
}

/// A leaf of an expression, with the text that it was made of.
#[derive(Clone, Debug)]
pub(super) struct Leaf<T> {
    pub text: Arc<str>,
    pub what: T,
}

impl<T> Tree<Leaf<T>> {
    pub fn leaf(text: &Arc<str>, what: T) -> Self {
        Self::Leaf(Leaf { text: Arc::clone(text), what })
    }
}

/// In the order in which it is evaluated.
impl<T> fmt::Display for Tree<Leaf<T>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |all: &[Self], word: &str, f: &mut fmt::Formatter<'_>| {
            for (index, one) in all.iter().enumerate() {
                f.write_str(if index > 0 { word } else { "" })?;
                match one {
                    Self::Or(_) => write!(f, "({one})")?,
                    _ => one.fmt(f)?,
                }
            }
            Ok(())
        };
        match self {
            Self::Constant(value) => value.fmt(f),
            Self::And(all) => join(all, " and ", f),
            Self::Or(all) => join(all, " or ", f),
            Self::Not(inner) if matches!(**inner, Self::And(_) | Self::Or(_)) => write!(f, "not ({inner})"),
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::Leaf(leaf) => f.write_str(&leaf.text),
        }
    }
}

/// What the cheapest leaf costs to evaluate.
pub(super) const LEAST_COST: u32 = 1;

impl<L> Tree<L> {
    /// Makes the tree of other leaves; what a leaf becomes may be a tree.
    pub fn try_map<M>(&self, f: &mut impl FnMut(&L) -> Result<Tree<M>>) -> Result<Tree<M>> {
        Ok(match self {
            Self::Constant(value) => Tree::Constant(*value),
            Self::And(all) => Tree::And(all.iter().map(|one| one.try_map(f)).collect::<Result<_>>()?),
            Self::Or(all) => Tree::Or(all.iter().map(|one| one.try_map(f)).collect::<Result<_>>()?),
            Self::Not(inner) => Tree::Not(Box::new(inner.try_map(f)?)),
            Self::Leaf(leaf) => f(leaf)?,
        })
    }

    /// Takes constants out, and puts cheap conditions first.
    pub fn simplified(self, cost: &impl Fn(&L) -> u32) -> Self {
        match self {
            Self::And(all) => Self::joined(all, true, cost),
            Self::Or(all) => Self::joined(all, false, cost),
            Self::Not(inner) => match inner.simplified(cost) {
                Self::Constant(value) => Self::Constant(!value),
                Self::Not(inner) => *inner,
                inner => Self::Not(Box::new(inner)),
            },
            other => other,
        }
    }

    fn joined(all: Vec<Self>, is_and: bool, cost: &impl Fn(&L) -> u32) -> Self {
        let mut out = Vec::with_capacity(all.len());
        for one in all {
            match (one.simplified(cost), is_and) {
                (Self::Constant(value), _) if value == is_and => {}
                (Self::Constant(value), _) => return Self::Constant(value),
                (Self::And(inner), true) | (Self::Or(inner), false) => out.extend(inner),
                (other, _) => out.push(other),
            }
        }
        out.sort_by_key(|one| one.cost(cost));
        match out.len() {
            0 => Self::Constant(is_and),
            1 => out.remove(0),
            _ if is_and => Self::And(out),
            _ => Self::Or(out),
        }
    }

    /// Returns what evaluating costs, in parts of what the cheapest leaf costs.
    pub fn cost(&self, leaf: &impl Fn(&L) -> u32) -> u32 {
        match self {
            Self::Constant(_) => 0,
            Self::And(all) | Self::Or(all) => all.iter().fold(0, |sum, one| sum.saturating_add(one.cost(leaf))),
            Self::Not(inner) => inner.cost(leaf),
            Self::Leaf(one) => leaf(one),
        }
    }
}
