//! Numbers of all types in one order, as bits that compare like them.
//!
//! Each type's values are mapped to `u64` such that the order of these *keys* is the order of the values: -0.0 is 0.0,
//! NaN stands above all numbers and is equal to itself. A comparison with a number of any type becomes a range of keys,
//! exactly: no side is rounded.

use kapok_core::schema::Type;

use super::value::Value;

/// How the bits of a data section are a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberKind {
    Bool,
    /// By bits; enums are of 16.
    Unsigned(u8),
    Signed(u8),
    Float32,
    Float64,
}

/// A number of a query, without its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// Of 64 bits, with a sign or without.
    Int(i128),
    Float(f64),
}

/// Keys from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub low: u64,
    pub high: u64,
}

const SIGN: u64 = 1 << 63;

impl NumberKind {
    /// Returns the kind of a type; `None` if it is none of numbers.
    pub fn of(ty: &Type) -> Option<Self> {
        Some(match ty {
            Type::Bool => Self::Bool,
            Type::Int8 => Self::Signed(8),
            Type::Int16 => Self::Signed(16),
            Type::Int32 => Self::Signed(32),
            Type::Int64 => Self::Signed(64),
            Type::UInt8 => Self::Unsigned(8),
            Type::UInt16 | Type::Enum(_) => Self::Unsigned(16),
            Type::UInt32 => Self::Unsigned(32),
            Type::UInt64 => Self::Unsigned(64),
            Type::Float32 => Self::Float32,
            Type::Float64 => Self::Float64,
            _ => return None,
        })
    }

    /// Returns the bits of a stored value; 1 for Bool.
    pub fn bits(self) -> u8 {
        match self {
            Self::Bool => 1,
            Self::Unsigned(bits) | Self::Signed(bits) => bits,
            Self::Float32 => 32,
            Self::Float64 => 64,
        }
    }

    /// Returns the key of a value, from its bits in the low end.
    #[inline]
    pub fn key(self, bits: u64) -> u64 {
        match self {
            Self::Bool => bits & 1,
            Self::Unsigned(_) => bits,
            Self::Signed(width) => sign_extended(bits, width).cast_unsigned() ^ SIGN,
            #[expect(clippy::cast_possible_truncation, reason = "the low end holds the number")]
            Self::Float32 => float_key(f64::from(f32::from_bits(bits as u32))),
            Self::Float64 => float_key(f64::from_bits(bits)),
        }
    }

    /// Returns the number of a key.
    pub fn number(self, key: u64) -> Number {
        match self {
            Self::Bool | Self::Unsigned(_) => Number::Int(key.into()),
            Self::Signed(_) => Number::Int((key ^ SIGN).cast_signed().into()),
            Self::Float32 | Self::Float64 => Number::Float(key_float(key)),
        }
    }

    /// Returns the least key of a value that is not below a number; `None` if all are.
    pub fn at_least(self, number: Number) -> Option<u64> {
        match self {
            Self::Float32 | Self::Float64 => Some(match number {
                Number::Float(value) => float_key(value),
                Number::Int(value) => float_key(float_at_least(value)),
            }),
            _ => {
                let value = match number {
                    Number::Int(value) => value,
                    Number::Float(value) if value.is_nan() => return None,
                    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates far beyond 64 bits")]
                    Number::Float(value) => value.ceil() as i128,
                };
                let (least, greatest) = self.integers();
                (value <= greatest).then(|| self.integer_key(value.max(least)))
            }
        }
    }

    /// Returns the greatest key of a value that is not above a number; `None` if all are.
    pub fn at_most(self, number: Number) -> Option<u64> {
        match self {
            Self::Float32 | Self::Float64 => Some(match number {
                Number::Float(value) => float_key(value),
                Number::Int(value) => float_key(float_at_most(value)),
            }),
            _ => {
                let (least, greatest) = self.integers();
                let value = match number {
                    Number::Int(value) => value,
                    Number::Float(value) if value.is_nan() => greatest,
                    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates far beyond 64 bits")]
                    Number::Float(value) => value.floor() as i128,
                };
                (value >= least).then(|| self.integer_key(value.min(greatest)))
            }
        }
    }

    /// Returns the keys of all values.
    pub fn all_keys(self) -> KeyRange {
        match self {
            Self::Float32 | Self::Float64 => KeyRange { low: float_key(f64::NEG_INFINITY), high: float_key(f64::NAN) },
            _ => {
                let (least, greatest) = self.integers();
                KeyRange { low: self.integer_key(least), high: self.integer_key(greatest) }
            }
        }
    }

    /// Returns the keys of values that are equal to a number.
    pub fn equal(self, number: Number) -> Option<KeyRange> {
        KeyRange::new(self.at_least(number), self.at_most(number))
    }

    /// Returns the keys of values below a number.
    pub fn below(self, number: Number) -> Option<KeyRange> {
        let all = self.all_keys();
        match self.at_least(number) {
            None => Some(all),
            Some(key) => KeyRange::new(Some(all.low), key.checked_sub(1)),
        }
    }

    /// Returns the keys of values above a number.
    pub fn above(self, number: Number) -> Option<KeyRange> {
        let all = self.all_keys();
        match self.at_most(number) {
            None => Some(all),
            Some(key) => KeyRange::new(key.checked_add(1), Some(all.high)),
        }
    }

    /// Returns the keys of values from one number to another, both included; `None` for a number is no limit.
    pub fn between(self, low: Option<Number>, high: Option<Number>) -> Option<KeyRange> {
        let all = self.all_keys();
        let low = low.map_or(Some(all.low), |low| self.at_least(low));
        KeyRange::new(low, high.map_or(Some(all.high), |high| self.at_most(high)))
    }

    /// Returns the least and the greatest value of an integer type.
    fn integers(self) -> (i128, i128) {
        match self {
            Self::Signed(bits) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            other => (0, (1 << other.bits()) - 1),
        }
    }

    /// Returns the key of an integer that the type has.
    fn integer_key(self, value: i128) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it fits the type: the low end holds it"
        )]
        let bits = value as u64;
        if let Self::Signed(_) = self { bits ^ SIGN } else { bits }
    }
}

impl KeyRange {
    /// Makes a range; `None` if nothing is in it.
    pub fn new(low: Option<u64>, high: Option<u64>) -> Option<Self> {
        match (low, high) {
            (Some(low), Some(high)) if low <= high => Some(Self { low, high }),
            _ => None,
        }
    }

    #[inline]
    pub fn contains(self, key: u64) -> bool {
        key.wrapping_sub(self.low) <= self.high - self.low
    }
}

impl Number {
    /// Returns the number of a value; `None` if it is none.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(value) => Some(Self::Int(*value)),
            Value::Float(value) => Some(Self::Float(*value)),
            _ => None,
        }
    }
}

#[inline]
fn sign_extended(bits: u64, width: u8) -> i64 {
    let shift = 64 - u32::from(width);
    (bits << shift).cast_signed() >> shift
}

/// Returns the key of a floating-point number.
#[inline]
pub(super) fn float_key(value: f64) -> u64 {
    // Adding 0.0 turns -0.0 into 0.0 and leaves all others as they are.
    let bits = if value.is_nan() { f64::NAN.to_bits() & !SIGN } else { (value + 0.0).to_bits() };
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn key_float(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

/// Returns the least Float64 that is not below an integer.
fn float_at_least(value: i128) -> f64 {
    let rounded = rounded(value);
    if exact(rounded) < value { rounded.next_up() } else { rounded }
}

/// Returns the greatest Float64 that is not above an integer.
fn float_at_most(value: i128) -> f64 {
    let rounded = rounded(value);
    if exact(rounded) > value { rounded.next_down() } else { rounded }
}

#[expect(clippy::cast_precision_loss, reason = "the callers look at what was lost")]
fn rounded(value: i128) -> f64 {
    value as f64
}

/// Returns a number without a fraction, far within 128 bits, as an integer.
#[expect(clippy::cast_possible_truncation, reason = "as said")]
fn exact(value: f64) -> i128 {
    value as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTS: [i128; 9] = [
        i64::MIN as i128,
        i64::MIN as i128 + 1,
        -1,
        0,
        1,
        (1 << 53) + 1,
        i64::MAX as i128,
        u64::MAX as i128 - 1,
        u64::MAX as i128,
    ];
    const FLOATS: [f64; 11] = [
        f64::NEG_INFINITY,
        -9.3e18,
        -1.5,
        -0.0,
        0.0,
        0.5,
        9_007_199_254_740_992.0,
        9_223_372_036_854_775_808.0,
        18_446_744_073_709_551_616.0,
        f64::INFINITY,
        f64::NAN,
    ];

    /// Compares without a key, through the decimal digits of both.
    fn compare(int: i128, float: f64) -> std::cmp::Ordering {
        if float.is_nan() || float == f64::INFINITY {
            return std::cmp::Ordering::Less;
        }
        if float == f64::NEG_INFINITY {
            return std::cmp::Ordering::Greater;
        }
        let whole = exact(float.trunc());
        int.cmp(&whole).then_with(|| 0.0_f64.total_cmp(&(float.fract() + 0.0)))
    }

    #[test]
    fn integers_and_floats_compare_exactly() {
        for int in INTS {
            for float in FLOATS {
                let expected = compare(int, float);
                let key = float_key(float);
                let (least, most) =
                    (NumberKind::Float64.at_least(Number::Int(int)), NumberKind::Float64.at_most(Number::Int(int)));
                let case = format!("{int} {float:?}");
                assert_eq!(least.is_some_and(|least| key >= least), expected.is_le(), "{case}");
                assert_eq!(most.is_some_and(|most| key <= most), expected.is_ge(), "{case}");
                for kind in [NumberKind::Signed(64), NumberKind::Unsigned(64)] {
                    let (low, high) = kind.integers();
                    if int < low || int > high {
                        continue;
                    }
                    let key = kind.integer_key(int);
                    let at_least = kind.at_least(Number::Float(float)).is_some_and(|least| key >= least);
                    let at_most = kind.at_most(Number::Float(float)).is_some_and(|most| key <= most);
                    assert_eq!((at_least, at_most), (expected.is_ge(), expected.is_le()), "{case} {kind:?}");
                }
            }
        }
    }

    #[test]
    fn keys_have_the_order_of_values() {
        for kind in [NumberKind::Signed(8), NumberKind::Unsigned(8)] {
            let (low, high) = kind.integers();
            let keys: Vec<_> = (low..=high)
                .map(|value| kind.key(u64::from_le_bytes([value.to_le_bytes()[0], 0, 0, 0, 0, 0, 0, 0])))
                .collect();
            assert!(keys.is_sorted(), "{kind:?}");
            let back = |key: &u64| if let Number::Int(value) = kind.number(*key) { value } else { 999 };
            assert!(keys.iter().map(back).eq(low..=high));
        }
        let mut keys: Vec<_> = FLOATS.map(float_key).into();
        assert!(keys.is_sorted());
        keys.dedup();
        assert_eq!(keys.len(), FLOATS.len() - 1, "-0.0 is 0.0");
        assert_eq!(float_key(-f64::NAN), float_key(f64::NAN));
        assert_eq!(NumberKind::Float32.key(1.5_f32.to_bits().into()), float_key(1.5));
    }
}
