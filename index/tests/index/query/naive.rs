//! Conditions that are evaluated the slow way, over dynamic records: what the real evaluation is compared with.

use std::cmp::Ordering;

use kapok_core::record::{Record, ValueRef};
use kapok_index::View;
use kapok_index::query::{Expr, FieldExpr, Value, field};

use super::references::{follow, record_of, referrers};
use crate::naive_words::matches;

#[derive(Clone, Debug)]
pub enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Path, Operator, Value),
    Len(Path, Operator, Value),
    /// `~=`
    Matches(Path, String),
    Between(Path, Value, Value),
    In(Path, Vec<Value>),
    Has(Path, Value),
    Any(Path, Box<Condition>),
    All(Path, Box<Condition>),
    IsNull(Path),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StartsWith,
    Contains,
}

pub type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Name(String),
    Key(String),
    It,
    /// Each element of a list, on the way to what refers to a record.
    Each,
}

/// A record or an element of a list.
#[derive(Clone, Copy)]
pub struct Scope<'v> {
    pub value: ValueRef<'v>,
    /// The record type that the element refers to, or the elements of the list do.
    pub refers: Option<&'v str>,
}

impl<'v> From<ValueRef<'v>> for Scope<'v> {
    fn from(value: ValueRef<'v>) -> Self {
        Self { value, refers: None }
    }
}

/// Where references lead; `None` if there are none.
type World<'v> = Option<&'v View>;

fn read<'v>(world: World<'v>, scope: Scope<'v>, path: &[Step]) -> ValueRef<'v> {
    read_scope(world, scope, path).value
}

fn read_scope<'v>(world: World<'v>, scope: Scope<'v>, path: &[Step]) -> Scope<'v> {
    let Scope { value: mut at, mut refers } = scope;
    for (index, step) in path.iter().enumerate() {
        if let (Some(view), [Step::It], Some(target), Step::Name(_)) = (world, &path[..index], refers, step) {
            at = record_of(view, target, &[at]);
        }
        if let (Some(view), ValueRef::Struct(record), Step::Name(name)) = (world, at, step)
            && let Some(found) = follow(view, record, name, index + 1 < path.len())
        {
            (at, refers) = (found, None);
            continue;
        }
        if *step != Step::It {
            refers = match (at, step) {
                (ValueRef::Struct(record), Step::Name(name)) => {
                    record.struct_type().field_by_any_name(name).and_then(|field| field.reference.as_deref())
                }
                _ => None,
            };
        }
        at = match (at, step) {
            (at, Step::It) => at,
            (ValueRef::Struct(record), Step::Name(name)) => record.get(name).unwrap(),
            (ValueRef::List(list), Step::Key(key)) => {
                let (key_field, value_field) = list.map_fields().unwrap();
                let entries = list.iter().map(|entry| entry.unwrap().as_record().unwrap());
                let found = entries.into_iter().find(|entry| entry.value(key_field).unwrap().as_str() == Some(key));
                found.map_or(ValueRef::Null, |entry| entry.value(value_field).unwrap())
            }
            _ => ValueRef::Null,
        };
    }
    Scope { value: at, refers }
}

fn int_and_float(int: i128, float: f64) -> Ordering {
    if float.is_nan() || float == f64::INFINITY {
        return Ordering::Less;
    }
    if float == f64::NEG_INFINITY {
        return Ordering::Greater;
    }
    let floor = float.floor();
    #[expect(clippy::cast_possible_truncation, reason = "it saturates far beyond 64 bits")]
    let whole = floor as i128;
    int.cmp(&whole).then(if float > floor { Ordering::Less } else { Ordering::Equal })
}

pub fn floats(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ => a.partial_cmp(&b).unwrap(),
    }
}

/// Compares two values of which none is null.
pub fn compare(found: ValueRef<'_>, wanted: &Value) -> Ordering {
    if let ValueRef::Enum { ty, value } = found {
        let wanted = match wanted {
            Value::Int(number) => *number,
            Value::Name(name) => ty.enumerants.iter().position(|one| one.json_name() == name).unwrap() as i128,
            other => panic!("{other}"),
        };
        return i128::from(value).cmp(&wanted);
    }
    let int = found.as_i64().map(i128::from).or(found.as_u64().map(i128::from));
    match (wanted, int, found.as_f64()) {
        (Value::Int(wanted), Some(found), _) => found.cmp(wanted),
        (Value::Int(wanted), _, Some(found)) => int_and_float(*wanted, found).reverse(),
        (Value::Float(wanted), Some(found), _) => int_and_float(found, *wanted),
        (Value::Float(wanted), _, Some(found)) => floats(found, *wanted),
        (Value::Bool(wanted), ..) => found.as_bool().unwrap().cmp(wanted),
        (Value::Text(wanted), ..) => found.as_str().unwrap().as_bytes().cmp(wanted.as_bytes()),
        (Value::Data(wanted), ..) => found.as_bytes().unwrap().cmp(wanted),
        other => panic!("{other:?}"),
    }
}

fn holds(found: ValueRef<'_>, operator: Operator, wanted: &Value) -> bool {
    if found.is_null() {
        return operator == Operator::NotEqual;
    }
    let bytes = || match (found, wanted) {
        (ValueRef::Text(found) | ValueRef::Json(found), Value::Text(wanted)) => (found.as_bytes(), wanted.as_bytes()),
        (ValueRef::Data(found), Value::Data(wanted)) => (found, wanted.as_slice()),
        other => panic!("{other:?}"),
    };
    match operator {
        Operator::StartsWith => bytes().0.starts_with(bytes().1),
        Operator::Contains => {
            let (found, wanted) = bytes();
            wanted.is_empty() || found.windows(wanted.len()).any(|window| window == wanted)
        }
        Operator::Equal => compare(found, wanted).is_eq(),
        Operator::NotEqual => compare(found, wanted).is_ne(),
        Operator::Less => compare(found, wanted).is_lt(),
        Operator::LessOrEqual => compare(found, wanted).is_le(),
        Operator::Greater => compare(found, wanted).is_gt(),
        Operator::GreaterOrEqual => compare(found, wanted).is_ge(),
    }
}

fn elements<'v>(world: World<'v>, scope: Scope<'v>, path: &[Step]) -> Vec<Scope<'v>> {
    if let (Some(view), ValueRef::Struct(record), [Step::Name(first), rest @ ..]) = (world, scope.value, path)
        && let Some(found) = referrers(view, record, first, rest)
    {
        return found.into_iter().map(Scope::from).collect();
    }
    let Scope { value, refers } = read_scope(world, scope, path);
    let element = |value: kapok_core::Result<_>| Scope { value: value.unwrap(), refers };
    value.as_list().map_or(Vec::new(), |list| list.iter().map(element).collect())
}

impl Condition {
    pub fn holds<'v>(&self, world: World<'v>, scope: impl Into<Scope<'v>>) -> bool {
        let scope = scope.into();
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(world, scope)),
            Self::Or(all) => all.iter().any(|one| one.holds(world, scope)),
            Self::Not(inner) => !inner.holds(world, scope),
            Self::Compare(path, operator, value) => holds(read(world, scope, path), *operator, value),
            Self::Len(path, operator, value) if matches!(path.as_slice(), [Step::Name(name), _, ..] if world.is_some_and(|view| view.table(name).is_ok())) => {
                holds(ValueRef::UInt(elements(world, scope, path).len() as u64), *operator, value)
            }
            Self::Len(path, operator, value) => {
                let len = match read(world, scope, path) {
                    ValueRef::List(list) => u64::from(list.len()),
                    ValueRef::Text(text) => text.len() as u64,
                    ValueRef::Data(bytes) => bytes.len() as u64,
                    _ => 0,
                };
                holds(ValueRef::UInt(len), *operator, value)
            }
            Self::Matches(path, pattern) => {
                read(world, scope, path).as_str().is_some_and(|text| matches(pattern, text))
            }
            Self::Between(path, low, high) => {
                let found = read(world, scope, path);
                holds(found, Operator::GreaterOrEqual, low) && holds(found, Operator::LessOrEqual, high)
            }
            Self::In(path, values) => {
                values.iter().any(|value| holds(read(world, scope, path), Operator::Equal, value))
            }
            Self::Has(path, value) => {
                elements(world, scope, path).into_iter().any(|found| holds(found.value, Operator::Equal, value))
            }
            Self::Any(path, inner) => {
                elements(world, scope, path).into_iter().any(|element| inner.holds(world, element))
            }
            Self::All(path, inner) => {
                elements(world, scope, path).into_iter().all(|element| inner.holds(world, element))
            }
            Self::IsNull(path) => read(world, scope, path).is_null(),
        }
    }

    pub fn holds_for(&self, record: Record<'_>) -> bool {
        self.holds(None, ValueRef::Struct(record))
    }

    /// The same as an expression.
    pub fn expr(&self) -> Expr {
        match self {
            Self::And(all) => Expr::all_of(all.iter().map(Self::expr)),
            Self::Or(all) => Expr::any_of(all.iter().map(Self::expr)),
            Self::Not(inner) => !inner.expr(),
            Self::Compare(path, operator, value) => compared(of(path), *operator, value.clone()),
            Self::Len(path, operator, value) => compared(of(path).len(), *operator, value.clone()),
            Self::Matches(path, pattern) => of(path).matches(pattern.as_str()),
            Self::Between(path, low, high) => of(path).between(low.clone(), high.clone()),
            Self::In(path, values) => of(path).is_in(values.clone()),
            Self::Has(path, value) => of(path).has(value.clone()),
            Self::Any(path, inner) => of(path).any(inner.expr()),
            Self::All(path, inner) => of(path).all(inner.expr()),
            Self::IsNull(path) => of(path).is_null(),
        }
    }
}

fn compared(field: FieldExpr, operator: Operator, value: Value) -> Expr {
    match operator {
        Operator::Equal => field.eq(value),
        Operator::NotEqual => field.ne(value),
        Operator::Less => field.lt(value),
        Operator::LessOrEqual => field.le(value),
        Operator::Greater => field.gt(value),
        Operator::GreaterOrEqual => field.ge(value),
        Operator::StartsWith => field.starts_with(value),
        Operator::Contains => field.contains(value),
    }
}

fn of(path: &Path) -> FieldExpr {
    let mut out: Option<FieldExpr> = None;
    for step in path {
        out = Some(match (out, step) {
            (None, Step::Name(name)) => field(name),
            (Some(out), Step::Name(name)) => out.field(name),
            (Some(out), Step::Key(key)) => out.key(key.as_str()),
            (Some(out), Step::Each) => out.elements(),
            (_, _) => field("it"),
        });
    }
    out.unwrap()
}

/// A path as it is written.
pub fn text(path: &Path) -> String {
    of(path).is_null().to_string().trim_end_matches(" is null").to_owned()
}
