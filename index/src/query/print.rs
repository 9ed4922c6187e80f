//! Prints expressions as text that parses to them.

use std::fmt::{Display, Formatter, Result, Write as _};

use super::expr::{Expr, Given, Node, Operand, Operator, Path, Quantifier, Set, Step, Subject};
use super::value::write_name;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.0 {
            Node::Constant(value) => value.fmt(f),
            Node::And(expressions) => join(expressions, " and ", |node| matches!(node, Node::Or(_)), f),
            Node::Or(expressions) => join(expressions, " or ", |_| false, f),
            Node::Not(inner) => match &inner.0 {
                Node::IsNull(path) => write!(f, "{path} is not null"),
                Node::And(_) | Node::Or(_) => write!(f, "not ({inner})"),
                _ => write!(f, "not {inner}"),
            },
            Node::Compare { subject, operator, value } => write!(f, "{subject} {} {value}", operator.symbol()),
            Node::Between { subject, low, high } => write!(f, "{subject} between {low} and {high}"),
            Node::In { subject, set: Set::Parameter(parameter) } => write!(f, "{subject} in {parameter}"),
            Node::In { subject, set: Set::Values(values) } => {
                write!(f, "{subject} in [")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index > 0 { ", " } else { "" })?;
                }
                f.write_char(']')
            }
            Node::Has { list, value } => write!(f, "{value} in {list}"),
            Node::Each { quantifier, list, condition } => {
                let name = match quantifier {
                    Quantifier::Any => "any",
                    Quantifier::All => "all",
                };
                write!(f, "{name}({list}, {condition})")
            }
            Node::IsNull(path) => write!(f, "{path} is null"),
        }
    }
}

fn join(expressions: &[Expr], word: &str, is_looser: fn(&Node) -> bool, f: &mut Formatter<'_>) -> Result {
    for (index, expression) in expressions.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if is_looser(&expression.0) { write!(f, "({expression})")? } else { expression.fmt(f)? }
    }
    Ok(())
}

impl Operator {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::StartsWith => "^=",
            Self::Contains => "*=",
            Self::Matches => "~=",
        }
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Field(path) => path.fmt(f),
            Self::Len(path) => write!(f, "len({path})"),
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.given {
            Given::Value(value) => value.fmt(f),
            Given::Parameter(name) => {
                f.write_char('$')?;
                write_name(name, f)
            }
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Name(name) => {
                    if index > 0 {
                        f.write_char('.')?;
                    }
                    write_name(name, f)?;
                }
                Step::Key(key) => write!(f, "[{key}]")?,
                Step::Each => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}
