//! The order of values.

use kapok_core::paths::Scalar;

/// Bytes of a text that its beginning holds.
pub(super) const BEGINNING_BYTES: usize = 8;
const SIGN: u64 = 1 << 63;

/// A value that is not null, as what compares like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey<'v> {
    /// A number, Bool or enum: integers in their order, -0.0 equal to 0.0, NaN equal to itself and above all numbers.
    Number(u64),
    /// Text or Data, bytewise.
    Bytes(&'v [u8]),
}

impl<'v> SortKey<'v> {
    /// Returns what compares like a value; `None` for null.
    #[inline]
    pub fn of(value: Scalar<'v>) -> Option<Self> {
        Some(match value {
            Scalar::Null | Scalar::EmptyList | Scalar::NullElement => return None,
            Scalar::Bool(value) => Self::Number(value.into()),
            Scalar::Int(value) => Self::Number(value.cast_unsigned() ^ SIGN),
            Scalar::UInt(value) => Self::Number(value),
            Scalar::Enum(value) => Self::Number(value.into()),
            Scalar::Float(value) => Self::Number(float_key(value)),
            Scalar::Text(bytes) | Scalar::Data(bytes) => Self::Bytes(bytes),
        })
    }

    /// Returns a number that orders as the value does, but for values that begin alike: the number itself, or the first 8
    /// bytes, with zeros behind a shorter text.
    #[inline]
    pub fn beginning(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(bytes) => padded(bytes, 0),
        }
    }

    /// Returns the greatest beginning of a value that this one is a prefix of; for a number, its own.
    pub fn last_beginning(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(bytes) => padded(bytes, u8::MAX),
        }
    }
}

#[inline]
fn padded(bytes: &[u8], padding: u8) -> u64 {
    let mut out = [padding; BEGINNING_BYTES];
    let len = bytes.len().min(BEGINNING_BYTES);
    out[..len].copy_from_slice(&bytes[..len]);
    u64::from_be_bytes(out)
}

fn float_key(value: f64) -> u64 {
    let bits = crate::tuple::float_bits(value);
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_beginnings_order_as_values_do() {
        let floats = [f64::NEG_INFINITY, -1.5, -0.0, 1e-300, 7.0, f64::INFINITY, f64::NAN];
        let texts: [&str; 6] = ["", "\0", "a", "abcdefgh", "abcdefghi", "b"];
        let integers = [i64::MIN, -1, 0, 1, i64::MAX];
        let all: [Vec<Scalar<'_>>; 3] =
            [floats.map(Scalar::Float).to_vec(), texts.map(Scalar::from).to_vec(), integers.map(Scalar::Int).to_vec()];
        for values in all {
            for pair in values.windows(2) {
                let (a, b) = (SortKey::of(pair[0]), SortKey::of(pair[1]));
                assert!(a < b, "{pair:?}");
                assert!(a.map(SortKey::beginning) <= b.map(SortKey::beginning), "{pair:?}");
            }
        }
        assert_eq!(SortKey::of(Scalar::Float(-0.0)), SortKey::of(Scalar::Float(0.0)));
        let prefix = SortKey::Bytes(b"ab");
        assert!(prefix.beginning() < SortKey::Bytes(b"abc").beginning());
        assert!(prefix.last_beginning() > SortKey::Bytes("ab\u{fe}".as_bytes()).beginning());
    }
}
