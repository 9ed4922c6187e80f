//! Encodes tuples of values, so that equal tuples are equal bytes.
//!
//! FORMAT.md tells the bytes in its section "Hash index".

use kapok_core::paths::Scalar;

const NULL: u8 = 0;
const EMPTY_LIST: u8 = 1;
const NULL_ELEMENT: u8 = 2;
const VALUE: u8 = 3;

/// Appends a tuple of values.
#[inline]
pub(crate) fn encode(values: &[Scalar<'_>], out: &mut Vec<u8>) {
    let Some((last, others)) = values.split_last() else { return };
    for value in others {
        match value {
            Scalar::Text(bytes) | Scalar::Data(bytes) => {
                out.push(VALUE);
                out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            value => encode_one(value, out),
        }
    }
    encode_one(last, out);
}

/// Appends the last value of a tuple.
#[inline]
fn encode_one(value: &Scalar<'_>, out: &mut Vec<u8>) {
    let number = match value {
        Scalar::Null => return out.push(NULL),
        Scalar::EmptyList => return out.push(EMPTY_LIST),
        Scalar::NullElement => return out.push(NULL_ELEMENT),
        Scalar::Text(bytes) | Scalar::Data(bytes) => {
            out.push(VALUE);
            return out.extend_from_slice(bytes);
        }
        Scalar::Bool(value) => u64::from(*value),
        Scalar::Int(value) => value.cast_unsigned(),
        Scalar::UInt(value) => *value,
        Scalar::Enum(value) => u64::from(*value),
        Scalar::Float(value) => float_bits(*value),
    };
    out.push(VALUE);
    out.extend_from_slice(&number.to_le_bytes());
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
        }
        assert_eq!(encoded(&[Scalar::Float(-0.0)]), encoded(&[Scalar::Float(0.0)]));
        assert_eq!(encoded(&[Scalar::Float(-f64::NAN)]), encoded(&[Scalar::Float(f64::NAN)]));
    }
}
