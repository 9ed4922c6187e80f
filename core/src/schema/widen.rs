//! Makes integer fields Float64 fields, as they are in another schema of the same types.
//!
//! Wider fields move what lies behind them, so records are to be written anew.

use super::{DefaultValue, FieldKind, FieldType, Schema, StructType, Type};
use crate::error::Result;

impl Schema {
    /// Returns this schema with those integer fields of a record type as Float64 that `next` has as Float64, lists of
    /// integers included; `None` if there are none. Fields of the key stay, and so do structs with groups or unions.
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
                    && !(ty.id == type_id && key.contains(&field.name))
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
    /// Makes it Float64, or lists of it, if it has integers and the type wanted is that; whether it did. Its struct is
    /// to be laid out anew.
    pub fn widen(&mut self, wanted: &Type) -> bool {
        let FieldKind::Slot { ty, default, .. } = &mut self.kind else { return false };
        if self.vector.is_some() || !ty.is_narrower(wanted) {
            return false;
        }
        let bits = match default {
            DefaultValue::Zero => None,
            DefaultValue::Bits(bits) => match ty.float_of(*bits) {
                Some(float) => Some(float.to_bits()),
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

    fn is_signed(&self) -> bool {
        matches!(self, Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64)
    }

    /// Returns whether it has integers if the other, which is the same otherwise, has Float64.
    fn is_narrower(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(own), Self::List(other)) => own.is_narrower(other),
            (own, Self::Float64) => own.is_integer(),
            _ => false,
        }
    }

    /// Returns the number that is equal to an integer of this type, given by its bits; `None` if there is none.
    fn float_of(&self, bits: u64) -> Option<f64> {
        let shift = 64_u32.checked_sub(self.data_bits().filter(|bits| *bits > 0)?)?;
        let integer = match self.is_signed() {
            #[expect(clippy::cast_possible_wrap, reason = "the sign is in the highest bit")]
            true => i128::from((bits << shift) as i64 >> shift),
            false => i128::from(bits << shift >> shift),
        };
        #[expect(clippy::cast_precision_loss, reason = "compared below")]
        let float = integer as f64;
        #[expect(clippy::cast_possible_truncation, reason = "of 64 bits at most")]
        let back = float as i128;
        (back == integer).then_some(float)
    }
}
