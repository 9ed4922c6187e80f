//! The tree of an expression.

use std::str::FromStr;

use kapok_core::{Error, Fault, Result};

use super::parse;
use super::value::Value;

/// Length of a query's text in bytes, at most.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// Parentheses, `not`, `any` and `all` within one another in a query's text, at most.
pub const NESTING_MAX: usize = 64;

/// A condition that a record satisfies or not.
///
/// Made of text by [`Expr::parse`], or by [`field`](super::field) and its methods. It prints as text that parses to the
/// same expression.
///
/// ```
/// use kapok_index::query::{Expr, field};
///
/// let parsed: Expr = "year >= 1990 and 'Drama' in genres".parse()?;
/// let built = field("year").ge(1990).and(field("genres").has("Drama"));
/// assert_eq!(parsed, built);
/// assert_eq!(built.to_string(), r#"year >= 1990 and "Drama" in genres"#);
/// # Ok::<(), kapok_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr(pub(super) Node);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Constant(bool),
    /// At least two, none of them `And`.
    And(Vec<Expr>),
    /// At least two, none of them `Or`.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare {
        subject: Subject,
        operator: Operator,
        value: Operand,
    },
    Between {
        subject: Subject,
        low: Operand,
        high: Operand,
    },
    In {
        subject: Subject,
        set: Set,
    },
    /// `value in list`
    Has {
        list: Path,
        value: Operand,
    },
    Each {
        quantifier: Quantifier,
        list: Path,
        condition: Box<Expr>,
    },
    IsNull(Path),
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Field(Path),
    /// Elements of a list, bytes of a Text or Data.
    Len(Path),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    Any,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StartsWith,
    Contains,
    Matches,
}

/// The values of `in`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Values(Vec<Operand>),
    Parameter(Operand),
}

/// A value, or the name of a parameter that has it: see [`parameter`](super::parameter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    pub(super) given: Given,
    pub(super) at: At,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Value(Value),
    Parameter(String),
}

/// A way from a struct to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// At least one; the first is a name.
    pub steps: Vec<Step>,
    pub at: At,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    /// The value of a key of a map.
    Key(Value),
    /// Each element of a list; in aggregates alone.
    Each,
}

/// Where something stands in the text: no part of what it is, so that all are equal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At(pub u32);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for At {}

impl At {
    /// Makes the error about what stands here.
    #[cold]
    pub fn error(self, problem: impl Into<String>) -> Error {
        Fault::Query { column: self.0.into(), problem: problem.into() }.into()
    }
}

impl Expr {
    /// Parses the text of an expression.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`], with the column and what was expected there.
    pub fn parse(text: &str) -> Result<Self> {
        parse::expression(text)
    }

    /// Joins expressions by `and`; of none, makes what is always true.
    pub fn all_of(expressions: impl IntoIterator<Item = Expr>) -> Self {
        let mut out = Vec::new();
        for Expr(node) in expressions {
            match node {
                Node::And(inner) => out.extend(inner),
                node => out.push(Expr(node)),
            }
        }
        match out.len() {
            0 => Expr(Node::Constant(true)),
            1 => out.remove(0),
            _ => Expr(Node::And(out)),
        }
    }

    /// Joins expressions by `or`; of none, makes what is never true.
    pub fn any_of(expressions: impl IntoIterator<Item = Expr>) -> Self {
        let mut out = Vec::new();
        for Expr(node) in expressions {
            match node {
                Node::Or(inner) => out.extend(inner),
                node => out.push(Expr(node)),
            }
        }
        match out.len() {
            0 => Expr(Node::Constant(false)),
            1 => out.remove(0),
            _ => Expr(Node::Or(out)),
        }
    }
}

impl FromStr for Expr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}
