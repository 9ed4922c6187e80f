//! Makes integer fields Float64 fields or wider integers, as they are in another schema of the same types.
//!
//! Wider fields move what lies behind them, so records are to be written anew.

use std::ops::RangeInclusive;

use super::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::error::Result;

impl Schema {
    /// Returns this schema with those integer fields of a record type as wide as `next` has them, or as Float64 if it
    /// has that, lists of integers included; `None` if there are none. Fields of the key stay integers, and structs with
    /// groups or unions stay as they are.
    ///
    /// # Errors
    /// `Invalid` if there is no such type, `Limit` if a struct becomes larger than the encoding can hold.
    pub fn widened(&self, next: &Self, type_id: u64, key: &[String]) -> Result<Option<Self>> {
        let mut out = None;
        for ty in self.closure([type_id])?.structs() {
            let Some(other) = next.get_struct(ty.id).filter(|_| ty.can_be_widened()) else { continue };
            let mut wider = StructType::clone(ty);
            let mut is_wider = false;
            for field in &mut wider.fields {
                let counterpart = other.fields.iter().find(|other| other.ordinal == field.ordinal);
                if let Some(FieldKind::Slot { ty: wanted, .. }) = counterpart.map(|other| &other.kind)
                    && (wanted.is_integer() || ty.id != type_id || !key.contains(&field.name))
                {
                    is_wider |= field.widen(wanted);
                }
            }
            if is_wider {
                wider.lay_out()?;
                out.get_or_insert_with(|| self.clone()).insert_struct(wider);
            }
        }
        Ok(out)
    }
}

impl StructType {
    /// Returns whether its fields can be laid out anew: it has neither groups nor unions.
    pub(super) fn can_be_widened(&self) -> bool {
        let is_plain = |field: &FieldType| matches!(field.kind, FieldKind::Slot { .. }) && field.discriminant.is_none();
        !self.is_group && self.fields.iter().all(is_plain)
    }
}

impl FieldType {
    /// Makes it a wider integer or Float64, or lists of it, if it has integers and the type wanted is that; whether it
    /// did. Its struct is to be laid out anew.
    pub fn widen(&mut self, wanted: &Type) -> bool {
        let FieldKind::Slot { ty, default, .. } = &mut self.kind else { return false };
        if self.vector.is_some() || !ty.is_narrower(wanted) {
            return false;
        }
        let bits = match default {
            DefaultValue::Zero => None,
            DefaultValue::Bits(bits) => match ty.bits_as(*bits, wanted) {
                Some(bits) => Some(bits),
                None => return false,
            },
            // The default of a list.
            DefaultValue::Pointer(_) => return false,
        };
        if let Some(bits) = bits {
            *default = DefaultValue::Bits(bits);
        }
        *ty = wanted.clone();
        true
    }
}

impl Type {
    /// Returns whether it is an integer type.
    pub fn is_integer(&self) -> bool {
        self.is_signed() || matches!(self, Self::UInt8 | Self::UInt16 | Self::UInt32 | Self::UInt64)
    }

    /// Returns the integers that it holds; `None` if it is no integer type.
    pub fn integer_range(&self) -> Option<RangeInclusive<i128>> {
        Some(match self {
            Self::Int8 => i8::MIN.into()..=i8::MAX.into(),
            Self::Int16 => i16::MIN.into()..=i16::MAX.into(),
            Self::Int32 => i32::MIN.into()..=i32::MAX.into(),
            Self::Int64 => i64::MIN.into()..=i64::MAX.into(),
            Self::UInt8 => 0..=u8::MAX.into(),
            Self::UInt16 => 0..=u16::MAX.into(),
            Self::UInt32 => 0..=u32::MAX.into(),
            Self::UInt64 => 0..=u64::MAX.into(),
            _ => return None,
        })
    }

    fn is_signed(&self) -> bool {
        matches!(self, Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64)
    }

    /// Returns whether it has integers if the other, which is the same otherwise, has Float64 or wider integers, which
    /// hold all of them.
    fn is_narrower(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(own), Self::List(other)) => own.is_narrower(other),
            (own, Self::Float64) => own.is_integer(),
            (own, other) => match (own.integer_range(), other.integer_range()) {
                (Some(own), Some(other)) => own != other && other.contains(own.start()) && other.contains(own.end()),
                _ => false,
            },
        }
    }

    /// Returns the bits that an integer of this type, given by its bits, has as another type of numbers; `None` if
    /// that does not hold it.
    fn bits_as(&self, bits: u64, other: &Self) -> Option<u64> {
        let integer = self.integer_of(bits)?;
        if *other == Self::Float64 {
            return float_of(integer).map(f64::to_bits);
        }
        let range = other.integer_range()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is cut off is its sign")]
        let (bits, width) = (integer as u64, other.data_bits()?);
        range.contains(&integer).then_some(bits & u64::MAX >> 64_u32.checked_sub(width)?)
    }

    /// Returns the integer of this type that has these bits.
    fn integer_of(&self, bits: u64) -> Option<i128> {
        let shift = 64_u32.checked_sub(self.data_bits().filter(|bits| *bits > 0)?)?;
        Some(match self.is_signed() {
            #[expect(clippy::cast_possible_wrap, reason = "the sign is in the highest bit")]
            true => i128::from((bits << shift) as i64 >> shift),
            false => i128::from(bits << shift >> shift),
        })
    }
}

/// Returns the float that is equal to an integer; `None` if there is none.
fn float_of(integer: i128) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "compared below")]
    let float = integer as f64;
    #[expect(clippy::cast_possible_truncation, reason = "of 64 bits at most")]
    let back = float as i128;
    (back == integer).then_some(float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_keeps_its_value_in_a_wider_field() {
        let widened = |ty: Type, bits, wanted: &Type| {
            let mut field = FieldType::slot("f", 0, 0, ty);
            if let FieldKind::Slot { default, .. } = &mut field.kind {
                *default = DefaultValue::Bits(bits);
            }
            let did = field.widen(wanted);
            let FieldKind::Slot { ty, default, .. } = field.kind else { return None };
            did.then_some((ty, default.bits()))
        };
        assert_eq!(widened(Type::Int8, 0xfd, &Type::Int32), Some((Type::Int32, 0xffff_fffd)));
        assert_eq!(widened(Type::Int8, 0xfd, &Type::Int64), Some((Type::Int64, u64::MAX - 2)));
        assert_eq!(widened(Type::UInt8, 0xfd, &Type::Int16), Some((Type::Int16, 0xfd)));
        assert_eq!(widened(Type::Int8, 0xfd, &Type::Float64), Some((Type::Float64, (-3.0_f64).to_bits())));
        // None of these holds all of the narrower one.
        assert_eq!(widened(Type::Int8, 5, &Type::UInt64), None);
        assert_eq!(widened(Type::UInt16, 5, &Type::Int16), None);
        assert_eq!(widened(Type::Int16, 5, &Type::Int16), None);
        assert_eq!(widened(Type::Int16, 5, &Type::Int8), None);
    }
}
