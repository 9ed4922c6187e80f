//! What an aggregate knows of the values so far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashSet;
use kapok_core::{Error, Result};

use super::aggregate::Function;
use super::exact_sum::ExactSum;
use super::number::{Number, NumberKind};
use super::order::SortValue;
use super::place::Kind;
use super::value::Value;

/// The values of an aggregate so far; parts are merged in any order.
#[derive(Clone, Debug)]
pub(super) enum Accumulator<'v> {
    Count(u64),
    Distinct(HashSet<SortValue<'v>>),
    Sum { count: u64, sum: Sum, kind: NumberKind, is_average: bool },
    Extreme { best: Option<SortValue<'v>>, is_greatest: bool },
    Top { count: usize, values: BinaryHeap<Reverse<SortValue<'v>>> },
}

#[derive(Clone, Debug)]
pub(super) enum Sum {
    Int(i128),
    Float(ExactSum),
}

impl<'v> Accumulator<'v> {
    /// Makes what knows of no values, of a kind.
    pub fn new(function: Function, kind: Kind<'_>) -> Self {
        match function {
            Function::Count => Self::Count(0),
            Function::CountDistinct => Self::Distinct(HashSet::new()),
            Function::Sum | Function::Avg => {
                let kind = kind.number().unwrap_or(NumberKind::Bool);
                let sum = match kind {
                    NumberKind::Float32 | NumberKind::Float64 => Sum::Float(ExactSum::new()),
                    _ => Sum::Int(0),
                };
                Self::Sum { count: 0, sum, kind, is_average: function == Function::Avg }
            }
            Function::Min => Self::Extreme { best: None, is_greatest: false },
            Function::Max => Self::Extreme { best: None, is_greatest: true },
            Function::TopN(count) => Self::Top { count, values: BinaryHeap::new() },
        }
    }

    /// Takes a value, which is not null.
    #[inline]
    pub fn add(&mut self, value: SortValue<'v>) {
        match self {
            Self::Count(count) => *count += 1,
            Self::Distinct(values) => {
                values.insert(value);
            }
            Self::Sum { count, sum, kind, .. } => {
                let SortValue::Number(key) = value else { return };
                *count += 1;
                match (sum, kind.number(key)) {
                    (Sum::Int(sum), Number::Int(value)) => *sum += value,
                    (Sum::Float(sum), Number::Float(value)) => sum.add(value),
                    _ => {}
                }
            }
            Self::Extreme { best, is_greatest } => {
                let is_better = best.is_none_or(|best| if *is_greatest { value > best } else { value < best });
                if is_better {
                    *best = Some(value);
                }
            }
            Self::Top { count, values } => {
                if values.len() < *count {
                    values.push(Reverse(value));
                } else if let Some(mut least) = values.peek_mut()
                    && least.0 < value
                {
                    *least = Reverse(value);
                }
            }
        }
    }

    /// Takes what another one of the same aggregate knows.
    pub fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (Self::Distinct(values), Self::Distinct(more)) => values.extend(more),
            (Self::Sum { count, sum, .. }, Self::Sum { count: more, sum: other, .. }) => {
                *count += more;
                match (sum, other) {
                    (Sum::Int(sum), Sum::Int(other)) => *sum += other,
                    (Sum::Float(sum), Sum::Float(other)) => sum.merge(other),
                    _ => {}
                }
            }
            (this @ Self::Extreme { .. }, Self::Extreme { best: Some(best), .. }) => this.add(best),
            (this @ Self::Top { .. }, Self::Top { values, .. }) => {
                for Reverse(value) in values {
                    this.add(value);
                }
            }
            _ => {}
        }
    }

    /// Returns the answer. `kind`: that of the values.
    pub fn value(self, kind: Kind<'_>) -> Result<Value> {
        Ok(match self {
            Self::Count(count) => Value::Int(count.into()),
            Self::Distinct(values) => Value::from(values.len() as u64),
            Self::Sum { count: 0, is_average: true, .. } => Value::Null,
            #[expect(clippy::cast_precision_loss, reason = "an average is a Float64")]
            Self::Sum { count, sum, is_average: true, .. } => Value::Float(match sum {
                Sum::Int(sum) => sum as f64 / count as f64,
                Sum::Float(sum) => sum.rounded() / count as f64,
            }),
            Self::Sum { sum: Sum::Int(sum), .. } => Value::Int(sum),
            Self::Sum { sum: Sum::Float(sum), .. } => Value::Float(sum.rounded()),
            Self::Extreme { best, .. } => best.map_or(Ok(Value::Null), |best| best.value(kind))?,
            Self::Top { values, .. } => {
                let greatest_first = values.into_sorted_vec().into_iter().map(|Reverse(value)| value.value(kind));
                Value::List(greatest_first.collect::<Result<_>>()?)
            }
        })
    }
}

impl SortValue<'_> {
    /// Returns the value, of a kind.
    pub fn value(self, kind: Kind<'_>) -> Result<Value> {
        Ok(match (self, kind) {
            (Self::Null, _) => Value::Null,
            (Self::Number(key), Kind::Number(NumberKind::Bool)) => Value::Bool(key == 1),
            (Self::Number(key), Kind::Enum(ty)) => {
                let known = usize::try_from(key).ok().and_then(|number| ty.enumerants.get(number));
                known.map_or(Value::Int(key.into()), |known| Value::Name(known.json_name().to_owned()))
            }
            (Self::Number(key), kind) => match kind.number().map(|kind| kind.number(key)) {
                Some(Number::Int(value)) => Value::Int(value),
                Some(Number::Float(value)) => Value::Float(value),
                None => Value::Null,
            },
            (Self::Bytes(bytes), Kind::Text) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => return Err(Error::corrupt("segment", 0, "text in UTF-8", "something else")),
            },
            (Self::Bytes(bytes), _) => Value::Data(bytes.to_vec()),
        })
    }
}
