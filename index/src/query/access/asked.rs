//! What conditions ask of a value, as indexes are asked: one of some values, a range, the beginning of a text.

use kapok_core::paths::{Scalar, ScalarKind};

use super::super::check::{Check, Ready};
use super::super::number::{KeyRange, Number, NumberKind};
use super::super::place::Place;
use super::super::test::{BytesTest, NumberTest};
use super::super::tree::Tree;
use crate::sorted::Side;

/// What is asked of a value, as an index is asked.
pub(super) enum Asked<'c> {
    Null,
    Keys(Vec<u64>),
    Range(KeyRange),
    Bytes(Vec<&'c [u8]>),
    BytesRange { low: Option<&'c (Vec<u8>, bool)>, high: Option<&'c (Vec<u8>, bool)> },
    Beginning(&'c [u8]),
}

/// Values of the first fields, and whether the last of them is the beginning of a text.
pub(super) type SortPlaceOf<'c> = (Vec<Scalar<'c>>, bool);

/// A range of a sorted index; `None` is no limit.
pub(super) struct Ends<'c> {
    pub from: Option<(SortPlaceOf<'c>, Side)>,
    pub to: Option<(SortPlaceOf<'c>, Side)>,
}

/// Returns what a condition asks of the value at a place; `None` if it is about another one, or asks what no index answers.
pub(super) fn asked<'c>(condition: &'c Ready<'_>, place: &Place<'_>) -> Option<Asked<'c>> {
    let leaf = match condition {
        Tree::Leaf(leaf) => &leaf.what,
        Tree::Not(inner) => {
            let Tree::Leaf(leaf) = &**inner else { return None };
            let Check::Present(at) = &leaf.what else { return None };
            return (**at == *place).then_some(Asked::Null);
        }
        _ => return None,
    };
    let (at, asked) = match leaf {
        Check::Column(column, at) => (at, Asked::of_number(column.test())),
        Check::Number(at, _, test) => (at, Asked::of_number(test)),
        Check::Bytes(at, BytesTest::Equal(bytes)) => (at, Asked::Bytes(vec![bytes])),
        Check::Bytes(at, BytesTest::Set(all)) => (at, Asked::Bytes(all.iter().map(Vec::as_slice).collect())),
        Check::Bytes(at, BytesTest::Range { low, high }) => {
            (at, Asked::BytesRange { low: low.as_ref(), high: high.as_ref() })
        }
        Check::Bytes(at, BytesTest::StartsWith(bytes)) => (at, Asked::Beginning(bytes)),
        _ => return None,
    };
    (**at == *place).then_some(asked)
}

impl<'c> Asked<'c> {
    fn of_number(test: &NumberTest) -> Self {
        match test {
            NumberTest::Range(range) if range.low == range.high => Self::Keys(vec![range.low]),
            NumberTest::Range(range) => Self::Range(*range),
            NumberTest::Set(keys) => Self::Keys(keys.clone()),
        }
    }

    /// Returns the values that are asked for one by one.
    pub fn equal(&self, kind: ScalarKind, is_element: bool) -> Option<Vec<Scalar<'c>>> {
        Some(match self {
            Self::Null if is_element => vec![Scalar::NullElement],
            Self::Null => vec![Scalar::Null],
            Self::Keys(keys) => keys.iter().map(|key| scalar(kind, *key)).collect::<Option<Vec<_>>>()?,
            Self::Bytes(all) => all.iter().map(|bytes| bytes_scalar(kind, bytes)).collect(),
            _ => return None,
        })
    }

    /// Returns the ranges of a sorted index that are asked for, behind equal first values.
    pub fn ends(&self, kind: ScalarKind, first: &[Scalar<'c>], is_descending: bool) -> Option<Vec<Ends<'c>>> {
        let place = |value: Scalar<'c>, is_prefix| ([first, &[value]].concat(), is_prefix);
        let between = |low: Option<(Scalar<'c>, bool)>, high: Option<(Scalar<'c>, bool)>| {
            let (from, to) = if is_descending { (high, low) } else { (low, high) };
            let before = |is_in| if is_in { Side::Before } else { Side::Behind };
            let behind = |is_in| if is_in { Side::Behind } else { Side::Before };
            Ends {
                from: from.map(|(value, is_in)| (place(value, false), before(is_in))),
                to: to.map(|(value, is_in)| (place(value, false), behind(is_in))),
            }
        };
        Some(match self {
            Self::Range(KeyRange { low, high }) => {
                let (first, last) = (scalar(kind, *low)?, scalar(kind, *high)?);
                // The key below that of 0.0 is no value's: it stands for -0.0, which is equal to 0.0 and above the range.
                let is_value = !matches!(last, Scalar::Float(value) if value == 0.0 && value.is_sign_negative());
                vec![between(Some((first, true)), Some((last, is_value)))]
            }
            Self::BytesRange { low, high } => {
                let end =
                    |end: Option<&'c (Vec<u8>, bool)>| end.map(|(bytes, is_in)| (bytes_scalar(kind, bytes), *is_in));
                vec![between(end(*low), end(*high))]
            }
            Self::Beginning(bytes) => {
                let place = place(bytes_scalar(kind, bytes), true);
                vec![Ends { from: Some((place.clone(), Side::Before)), to: Some((place, Side::Behind)) }]
            }
            Self::Keys(_) | Self::Bytes(_) => {
                let values = self.equal(kind, false)?;
                let one = |value: &Scalar<'c>| between(Some((*value, true)), Some((*value, true)));
                values.iter().map(one).collect()
            }
            Self::Null => return None,
        })
    }
}

/// Returns the value of a number's key.
pub(in super::super) fn scalar(kind: ScalarKind, key: u64) -> Option<Scalar<'static>> {
    let number = match kind {
        ScalarKind::Bool => return Some(Scalar::Bool(key != 0)),
        ScalarKind::Int(bytes) => NumberKind::Signed(bytes * 8).number(key),
        ScalarKind::UInt(bytes) => NumberKind::Unsigned(bytes * 8).number(key),
        ScalarKind::Enum(_) => NumberKind::Unsigned(16).number(key),
        ScalarKind::Float32 => NumberKind::Float32.number(key),
        ScalarKind::Float64 => NumberKind::Float64.number(key),
        ScalarKind::Text | ScalarKind::Data => return None,
    };
    let value = match number {
        Number::Float(value) => Scalar::Float(value),
        Number::Int(value) => match i64::try_from(value) {
            Ok(value) => Scalar::Int(value),
            Err(_) => Scalar::UInt(u64::try_from(value).ok()?),
        },
    };
    kind.cast(value).ok()?
}

pub(in super::super) fn bytes_scalar(kind: ScalarKind, bytes: &[u8]) -> Scalar<'_> {
    if kind == ScalarKind::Data { Scalar::Data(bytes) } else { Scalar::Text(bytes) }
}
