//! Encodes tuples of values, so that equal tuples are equal bytes.
//!
//! FORMAT.md tells the bytes in its section "Hash index".

use kapok_core::paths::Scalar;
use xxhash_rust::xxh3::xxh3_64;

const NULL: u8 = 0;
const EMPTY_LIST: u8 = 1;
const NULL_ELEMENT: u8 = 2;
const VALUE: u8 = 3;

/// Bytes of a tuple that is hashed without an allocation.
const FEW: usize = 128;

/// Appends a tuple of values.
#[inline]
pub(crate) fn encode(values: &[Scalar<'_>], out: &mut Vec<u8>) {
    encode_into(values, out);
}

/// Returns the hash of a tuple of values: that of its encoding.
#[inline]
pub(crate) fn hash(values: &[Scalar<'_>]) -> u64 {
    let mut few = Few { bytes: [0; FEW], len: 0 };
    encode_into(values, &mut few);
    if let Some(encoded) = few.bytes.get(..few.len) {
        return xxh3_64(encoded);
    }
    let mut encoded = Vec::with_capacity(few.len);
    encode(values, &mut encoded);
    xxh3_64(&encoded)
}

/// Returns whether two values, neither of which is null, are encoded alike. They must be of one kind.
#[inline]
pub(crate) fn is_same(a: Scalar<'_>, b: Scalar<'_>) -> bool {
    match (a, b) {
        (Scalar::Text(a) | Scalar::Data(a), Scalar::Text(b) | Scalar::Data(b)) => a == b,
        (Scalar::Float(a), Scalar::Float(b)) => float_bits(a) == float_bits(b),
        (a, b) => a == b,
    }
}

/// What bytes are appended to.
trait Sink {
    fn append(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Bytes in an array, as far as it has room for them.
struct Few {
    bytes: [u8; FEW],
    /// Of all that were appended.
    len: usize,
}

impl Sink for Few {
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        let from = self.len;
        self.len = from.saturating_add(bytes.len());
        if let Some(room) = self.bytes.get_mut(from..self.len) {
            room.copy_from_slice(bytes);
        }
    }
}

#[inline]
fn encode_into(values: &[Scalar<'_>], out: &mut impl Sink) {
    let Some((last, others)) = values.split_last() else { return };
    for value in others {
        if let Scalar::Text(bytes) | Scalar::Data(bytes) = value {
            out.append(&[VALUE]);
            out.append(&(bytes.len() as u64).to_le_bytes());
            out.append(bytes);
        } else {
            encode_one(value, out);
        }
    }
    encode_one(last, out);
}

/// Appends the last value of a tuple.
#[inline]
fn encode_one(value: &Scalar<'_>, out: &mut impl Sink) {
    let number = match value {
        Scalar::Null => return out.append(&[NULL]),
        Scalar::EmptyList => return out.append(&[EMPTY_LIST]),
        Scalar::NullElement => return out.append(&[NULL_ELEMENT]),
        Scalar::Text(bytes) | Scalar::Data(bytes) => {
            out.append(&[VALUE]);
            return out.append(bytes);
        }
        Scalar::Bool(value) => u64::from(*value),
        Scalar::Int(value) => value.cast_unsigned(),
        Scalar::UInt(value) => *value,
        Scalar::Enum(value) => u64::from(*value),
        Scalar::Float(value) => float_bits(*value),
    };
    out.append(&[VALUE]);
    out.append(&number.to_le_bytes());
}

/// Returns the bits of a float: those of 0.0 for -0.0, and of one NaN for all.
pub(crate) fn float_bits(value: f64) -> u64 {
    if value.is_nan() {
        0x7ff8_0000_0000_0000
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(values: &[Scalar<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(values, &mut out);
        out
    }

    #[test]
    fn tuples_are_equal_bytes_if_and_only_if_they_are_equal() {
        let text = |text: &'static str| Scalar::from(text);
        let values = [
            vec![Scalar::Null],
            vec![Scalar::EmptyList],
            vec![Scalar::NullElement],
            vec![text("")],
            vec![text("a")],
            vec![Scalar::UInt(0)],
            vec![Scalar::UInt(1 << 63)],
            vec![Scalar::Float(f64::NAN)],
            vec![text("a"), text("b")],
            vec![text("ab"), text("")],
            vec![text(""), text("ab")],
            vec![Scalar::Null, text("ab")],
            vec![text("ab"), Scalar::Null],
            vec![Scalar::Int(-1), Scalar::Int(-1)],
        ];
        for (at, one) in values.iter().enumerate() {
            for (other_at, other) in values.iter().enumerate() {
                assert_eq!(encoded(one) == encoded(other), at == other_at, "{one:?} {other:?}");
            }
            assert_eq!(hash(one), xxh3_64(&encoded(one)), "{one:?}");
        }
        for (one, other) in [(-0.0, 0.0), (-f64::NAN, f64::NAN)].map(|(a, b)| (Scalar::Float(a), Scalar::Float(b))) {
            assert_eq!(encoded(&[one]), encoded(&[other]));
            assert!(is_same(one, other));
        }
    }

    #[test]
    fn hashes_are_those_of_the_encoding_whatever_its_length() {
        for len in (0..2 * FEW).chain([10 * FEW]) {
            let text = "x".repeat(len);
            for values in [vec![text.as_str().into()], vec![text.as_str().into(), text.as_str().into()]] {
                assert_eq!(hash(&values), xxh3_64(&encoded(&values)), "{len}");
            }
        }
    }
}
