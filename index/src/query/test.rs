//! What is asked of a value, once all values are known.

use std::borrow::Cow;

use kapok_core::Result;
use kapok_core::schema::EnumType;
use memchr::memmem::Finder;

use super::expr::{At, Given, Operand, Operator, Set};
use super::number::{KeyRange, Number, NumberKind};
use super::parameters::Parameters;
use super::place::Kind;
use super::resolve::enumerant;
use super::value::Value;

/// What is asked of a value, with parameters still unknown.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// Neither `!=` nor `~=`.
    Compare(Operator, Operand),
    Between(Operand, Operand),
    In(Set),
}

/// Keys of a number that satisfy a condition.
#[derive(Clone, Debug)]
pub(super) enum NumberTest {
    Range(KeyRange),
    /// Sorted.
    Set(Vec<u64>),
}

/// Bytes that satisfy a condition.
#[derive(Clone, Debug)]
pub(super) enum BytesTest {
    Equal(Vec<u8>),
    /// From the first, then up to the last; `None` is no limit.
    Range {
        low: Option<(Vec<u8>, bool)>,
        high: Option<(Vec<u8>, bool)>,
    },
    StartsWith(Vec<u8>),
    Contains(Box<Finder<'static>>),
    /// Sorted.
    Set(Vec<Vec<u8>>),
}

impl NumberTest {
    #[inline]
    pub fn holds(&self, key: u64) -> bool {
        match self {
            Self::Range(range) => range.contains(key),
            Self::Set(keys) => keys.binary_search(&key).is_ok(),
        }
    }
}

impl BytesTest {
    #[inline]
    pub fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Equal(wanted) => bytes == wanted.as_slice(),
            Self::Range { low, high } => {
                low.as_ref().is_none_or(|(low, is_in)| if *is_in { bytes >= &low[..] } else { bytes > &low[..] })
                    && high
                        .as_ref()
                        .is_none_or(|(high, is_in)| if *is_in { bytes <= &high[..] } else { bytes < &high[..] })
            }
            Self::StartsWith(prefix) => bytes.starts_with(prefix),
            Self::Contains(finder) => finder.find(bytes).is_some(),
            Self::Set(all) => all.binary_search_by(|one| one.as_slice().cmp(bytes)).is_ok(),
        }
    }
}

impl Ask {
    /// Returns the names of parameters.
    pub fn operands(&self) -> Vec<&Operand> {
        match self {
            Self::Compare(_, value) | Self::In(Set::Parameter(value)) => vec![value],
            Self::Between(low, high) => vec![low, high],
            Self::In(Set::Values(values)) => values.iter().collect(),
        }
    }

    /// Makes the test of a number or enum; `None` if no value satisfies it.
    pub fn of_number(&self, kind: Kind<'_>, parameters: &Parameters) -> Result<Option<NumberTest>> {
        let Some(number_kind) = kind.number() else { return Ok(None) };
        let number = |operand: &Operand| number_of(kind, &*operand.value(parameters)?, operand.at);
        let range = match self {
            Self::Compare(operator, operand) => {
                let value = number(operand)?;
                match operator {
                    Operator::Equal => number_kind.equal(value),
                    Operator::Less => number_kind.below(value),
                    Operator::LessOrEqual => number_kind.between(None, Some(value)),
                    Operator::Greater => number_kind.above(value),
                    Operator::GreaterOrEqual => number_kind.between(Some(value), None),
                    other => {
                        return Err(operand.at.error(format!(
                            "{} is for Text and Data, not for {}",
                            other.symbol(),
                            kind.describe()
                        )));
                    }
                }
            }
            Self::Between(low, high) => number_kind.between(Some(number(low)?), Some(number(high)?)),
            Self::In(set) => {
                let mut keys = Vec::new();
                for (value, at) in set.values(parameters)? {
                    keys.extend(number_kind.equal(number_of(kind, &value, at)?).map(|range| range.low));
                }
                keys.sort_unstable();
                keys.dedup();
                return Ok((!keys.is_empty()).then_some(NumberTest::Set(keys)));
            }
        };
        Ok(range.map(NumberTest::Range))
    }

    /// Makes the test of a Text or Data; `None` if no value satisfies it.
    pub fn of_bytes(&self, kind: Kind<'_>, parameters: &Parameters) -> Result<Option<BytesTest>> {
        let bytes = |operand: &Operand| bytes_of(kind, &*operand.value(parameters)?, operand.at);
        Ok(Some(match self {
            Self::Compare(operator, operand) => {
                let value = bytes(operand)?;
                match operator {
                    Operator::Equal | Operator::NotEqual => BytesTest::Equal(value),
                    Operator::Less => BytesTest::Range { low: None, high: Some((value, false)) },
                    Operator::LessOrEqual => BytesTest::Range { low: None, high: Some((value, true)) },
                    Operator::Greater => BytesTest::Range { low: Some((value, false)), high: None },
                    Operator::GreaterOrEqual => BytesTest::Range { low: Some((value, true)), high: None },
                    Operator::StartsWith => BytesTest::StartsWith(value),
                    Operator::Contains | Operator::Matches => {
                        BytesTest::Contains(Box::new(Finder::new(&value).into_owned()))
                    }
                }
            }
            Self::Between(low, high) => {
                BytesTest::Range { low: Some((bytes(low)?, true)), high: Some((bytes(high)?, true)) }
            }
            Self::In(set) => {
                let values = set.values(parameters)?;
                let mut all =
                    values.iter().map(|(value, at)| bytes_of(kind, value, *at)).collect::<Result<Vec<_>>>()?;
                all.sort_unstable();
                all.dedup();
                if all.is_empty() {
                    return Ok(None);
                }
                BytesTest::Set(all)
            }
        }))
    }
}

impl Operand {
    /// Returns the value, or that of the parameter.
    pub fn value<'p>(&'p self, parameters: &'p Parameters) -> Result<Cow<'p, Value>> {
        match &self.given {
            Given::Value(value) => Ok(Cow::Borrowed(value)),
            Given::Parameter(name) => match parameters.get(name) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => Err(self.at.error(format!("the parameter ${name} has no value"))),
            },
        }
    }
}

impl Set {
    /// Returns the values and where they stand.
    fn values(&self, parameters: &Parameters) -> Result<Vec<(Value, At)>> {
        match self {
            Self::Values(all) => all.iter().map(|one| Ok((one.value(parameters)?.into_owned(), one.at))).collect(),
            Self::Parameter(operand) => match operand.value(parameters)?.into_owned() {
                Value::List(values) => Ok(values.into_iter().map(|value| (value, operand.at)).collect()),
                other => Err(operand.at.error(format!("expected a list of values, found {other}"))),
            },
        }
    }
}

fn number_of(kind: Kind<'_>, value: &Value, at: At) -> Result<Number> {
    match (kind, value) {
        (_, Value::Null) => Err(null(at)),
        (Kind::Number(NumberKind::Bool), Value::Bool(value)) => Ok(Number::Int((*value).into())),
        (Kind::Number(NumberKind::Bool), _) => Err(mismatch(at, "true or false", value)),
        (Kind::Enum(ty), Value::Name(name) | Value::Text(name)) => match enumerant(ty, name) {
            Some(number) => Ok(Number::Int(number)),
            None => Err(mismatch(at, &one_of(ty), value)),
        },
        (Kind::Enum(_), Value::Int(number)) => Ok(Number::Int(*number)),
        (Kind::Enum(ty), _) => Err(mismatch(at, &one_of(ty), value)),
        _ => Number::of(value).ok_or_else(|| mismatch(at, &format!("a number ({})", kind.describe()), value)),
    }
}

fn bytes_of(kind: Kind<'_>, value: &Value, at: At) -> Result<Vec<u8>> {
    match (kind, value) {
        (_, Value::Null) => Err(null(at)),
        (Kind::Text, Value::Text(text)) => Ok(text.clone().into_bytes()),
        (Kind::Data, Value::Data(bytes)) => Ok(bytes.clone()),
        (Kind::Text, _) => Err(mismatch(at, "text in quotes", value)),
        _ => Err(mismatch(at, "bytes, as in b\"AAEC\"", value)),
    }
}

/// Returns the text of an operand.
pub(super) fn text_of(operand: &Operand, parameters: &Parameters) -> Result<String> {
    match &*operand.value(parameters)? {
        Value::Text(text) => Ok(text.clone()),
        other => Err(mismatch(operand.at, "text in quotes", other)),
    }
}

#[cold]
fn null(at: At) -> kapok_core::Error {
    at.error("nothing is compared with null; ask by `is null`")
}

#[cold]
fn mismatch(at: At, expected: &str, found: &Value) -> kapok_core::Error {
    at.error(format!("expected {expected}, found {} {found}", found.describe()))
}

fn one_of(ty: &EnumType) -> String {
    let names: Vec<_> = ty.enumerants.iter().take(40).map(kapok_core::schema::Enumerant::json_name).collect();
    format!("one of {}", names.join(", "))
}
