//! Questions about the records of a version, in words.
//!
//! TODO
mod accumulator;
mod aggregate;
mod bind;
mod bound;
mod build;
mod check;
mod column;
mod evaluate;
mod exact_sum;
mod explain;
mod expr;
mod group;
mod key_order;
mod lex;
mod mask;
mod number;
mod order;
mod page;
mod parameters;
mod parse;
mod place;
mod plan;
mod print;
mod resolve;
mod route;
mod rows;
mod scan;
mod select;
mod test;
mod tree;
mod value;
mod words;

pub use aggregate::Aggregate;
pub use bound::Query;
pub use build::{FieldExpr, field, parameter};
pub use explain::{Explanation, SegmentExplanation};
pub use expr::{Expr, NESTING_MAX, Operand, TEXT_BYTES_MAX};
pub use group::Group;
pub use order::Order;
pub use page::Page;
pub use parameters::Parameters;
pub use rows::{RowIter, Rows};
pub use select::Selection;
pub use value::Value;
