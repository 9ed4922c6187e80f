//! Makes expressions without text.

use super::expr::{At, Expr, Given, Node, Operand, Operator, Path, Quantifier, Set, Step, Subject};
use super::value::Value;

/// A field of which something is asked.
///
/// ```
/// use kapok_index::query::{field, parameter};
///
/// let recent = field("year").ge(1990).and(!field("title").starts_with("The"));
/// assert_eq!(recent.to_string(), r#"year >= 1990 and not title ^= "The""#);
/// let bought = field("items").any(field("productId").eq(parameter("product")).and(field("qty").gt(1)));
/// assert_eq!(bought.to_string(), "any(items, productId = $product and qty > 1)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a field alone asks nothing"]
pub struct FieldExpr(Subject);

/// Begins an expression about a field: names with dots between, as in `address.city`. Of a list whose elements are no
/// structs, `it` is the element.
pub fn field(path: &str) -> FieldExpr {
    let steps = path.split('.').map(|name| Step::Name(name.to_owned())).collect();
    FieldExpr(Subject::Field(Path { steps, at: At::default() }))
}

/// Takes a value from the parameter of a name when the query is run.
pub fn parameter(name: &str) -> Operand {
    Operand { given: Given::Parameter(name.to_owned()), at: At::default() }
}

impl<T: Into<Value>> From<T> for Operand {
    fn from(value: T) -> Self {
        Self { given: Given::Value(value.into()), at: At::default() }
    }
}

impl FieldExpr {
    /// Begins with a field whose name may hold dots.
    pub(super) fn named(name: &str) -> Self {
        Self(Subject::Field(Path { steps: vec![Step::Name(name.to_owned())], at: At::default() }))
    }

    /// Goes on to a field of this struct, whose name may hold dots.
    pub fn field(self, name: &str) -> Self {
        self.step(Step::Name(name.to_owned()))
    }

    /// Goes on to the value of a key of this map.
    pub fn key(self, key: impl Into<Value>) -> Self {
        self.step(Step::Key(key.into()))
    }

    /// Goes through the elements of this list, on the way to what refers to a record:
    /// `field("Order.items").elements().field("productId").any(..)` is `any(Order.items[].productId, ..)`.
    pub fn elements(self) -> Self {
        self.step(Step::Each)
    }

    /// Asks for the number of elements of a list, or of bytes of a Text or Data.
    pub fn len(self) -> Self {
        Self(Subject::Len(self.path()))
    }

    /// The field is equal to a value: `=`.
    pub fn eq(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::Equal, value)
    }

    /// The field is not equal to a value, or null: `!=`.
    pub fn ne(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::NotEqual, value)
    }

    /// The field is less than a value: `<`.
    pub fn lt(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::Less, value)
    }

    /// The field is at most a value: `<=`.
    pub fn le(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::LessOrEqual, value)
    }

    /// The field is greater than a value: `>`.
    pub fn gt(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::Greater, value)
    }

    /// The field is at least a value: `>=`.
    pub fn ge(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::GreaterOrEqual, value)
    }

    /// The Text or Data starts with a value: `^=`.
    pub fn starts_with(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::StartsWith, value)
    }

    /// The Text or Data contains a value: `*=`.
    pub fn contains(self, value: impl Into<Operand>) -> Expr {
        self.compare(Operator::Contains, value)
    }

    /// The Text has all of these words: `~=`.
    pub fn matches(self, words: impl Into<Operand>) -> Expr {
        self.compare(Operator::Matches, words)
    }

    /// The field is between two values, both included.
    pub fn between(self, low: impl Into<Operand>, high: impl Into<Operand>) -> Expr {
        Expr(Node::Between { subject: self.0, low: low.into(), high: high.into() })
    }

    /// The field is one of these values.
    pub fn is_in<T: Into<Operand>>(self, values: impl IntoIterator<Item = T>) -> Expr {
        let set = Set::Values(values.into_iter().map(Into::into).collect());
        Expr(Node::In { subject: self.0, set })
    }

    /// The field is one of the values of a parameter, which is a list.
    pub fn is_in_parameter(self, name: &str) -> Expr {
        Expr(Node::In { subject: self.0, set: Set::Parameter(parameter(name)) })
    }

    /// The list has a value among its elements: `value in field`.
    pub fn has(self, value: impl Into<Operand>) -> Expr {
        Expr(Node::Has { list: self.path(), value: value.into() })
    }

    /// An element of the list satisfies a condition.
    pub fn any(self, condition: Expr) -> Expr {
        self.each(Quantifier::Any, condition)
    }

    /// All elements of the list satisfy a condition.
    pub fn all(self, condition: Expr) -> Expr {
        self.each(Quantifier::All, condition)
    }

    /// The field is null.
    pub fn is_null(self) -> Expr {
        Expr(Node::IsNull(self.path()))
    }

    /// The field is not null.
    pub fn is_not_null(self) -> Expr {
        !self.is_null()
    }

    fn path(self) -> Path {
        let (Subject::Field(path) | Subject::Len(path)) = self.0;
        path
    }

    fn step(self, step: Step) -> Self {
        let mut path = self.path();
        path.steps.push(step);
        Self(Subject::Field(path))
    }

    fn compare(self, operator: Operator, value: impl Into<Operand>) -> Expr {
        Expr(Node::Compare { subject: self.0, operator, value: value.into() })
    }

    fn each(self, quantifier: Quantifier, condition: Expr) -> Expr {
        Expr(Node::Each { quantifier, list: self.path(), condition: Box::new(condition) })
    }
}

impl Expr {
    /// Both are true.
    #[must_use]
    pub fn and(self, other: Expr) -> Self {
        Self::all_of([self, other])
    }

    /// One of both is true, or both.
    #[must_use]
    pub fn or(self, other: Expr) -> Self {
        Self::any_of([self, other])
    }
}

/// The plain opposite.
impl std::ops::Not for Expr {
    type Output = Expr;

    fn not(self) -> Expr {
        Expr(Node::Not(Box::new(self)))
    }
}
