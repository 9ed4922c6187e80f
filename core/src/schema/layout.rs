//! Places the fields of a struct as the Cap'n Proto compiler does.
//!
//! In the order of their ordinals: a data field takes the smallest hole that holds it, or else the start of a new word,
//! and what is left of the hole or word becomes holes of its own, one of each power of two; pointers follow each other.
//! Since each field's place depends on earlier ordinals only, laying out a struct again with fields appended moves
//! nothing.

use super::{FieldKind, FieldType, StructType};
use crate::error::{Error, Result};
use crate::fault::Fault;

/// Gives every field its offset, sorts the fields by ordinal, and returns the words of the data section and the number
/// of pointers.
pub(crate) fn lay_out(fields: &mut [FieldType]) -> Result<(u16, u16)> {
    fields.sort_by_key(|field| field.ordinal);
    let mut data = DataSection::default();
    let mut pointers = 0_u32;
    for (index, field) in fields.iter_mut().enumerate() {
        if field.ordinal.map(usize::from) != Some(index) {
            let found = field.ordinal.map_or_else(|| "none".to_owned(), |ordinal| format!("@{ordinal}"));
            return Err(Error::schema(&field.name, format!("ordinals must be 0, 1, 2, …: expected=@{index} {found}")));
        }
        let FieldKind::Slot { offset, ty, .. } = &mut field.kind else {
            return Err(Error::schema(&field.name, "groups cannot be laid out"));
        };
        if field.discriminant.is_some() {
            return Err(Error::schema(&field.name, "unions cannot be laid out"));
        }
        *offset = match ty.data_bits() {
            Some(0) => 0,
            Some(bits) => data.allocate(bits.trailing_zeros()),
            None => {
                pointers += 1;
                pointers - 1
            }
        };
    }
    Ok((section_size("words of a data section", data.words)?, section_size("pointers of a struct", pointers)?))
}

impl StructType {
    /// Gives every field its offset and the struct its sizes, and sorts the fields by ordinal.
    ///
    /// # Errors
    /// `Invalid` for groups and union members, for ordinals that are not 0, 1, 2, …, and for more than 65,535 words or
    /// pointers.
    pub fn lay_out(&mut self) -> Result<()> {
        (self.data_words, self.pointer_words) = lay_out(&mut self.fields)?;
        Ok(())
    }
}

fn section_size(limit: &'static str, size: u32) -> Result<u16> {
    u16::try_from(size).map_err(|_| {
        Fault::Limit { subject: "struct".to_owned(), limit, allowed: u16::MAX.into(), needed: size.into() }.into()
    })
}

/// A data section that grows.
#[derive(Default)]
struct DataSection {
    words: u32,
    /// At index `n`, the offset of the hole of 2^n bits, in units of its size. There is never more than one of a size.
    holes: [Option<u32>; 6],
}

impl DataSection {
    /// Returns the offset of a new field of 2^`lg_bits` bits, in units of its size.
    fn allocate(&mut self, lg_bits: u32) -> u32 {
        let Some(hole) = self.holes.get_mut(lg_bits as usize) else {
            // Whole words come from the end.
            self.words += 1;
            return self.words - 1;
        };
        hole.take().unwrap_or_else(|| {
            let first_half = self.allocate(lg_bits + 1) * 2;
            self.holes[lg_bits as usize] = Some(first_half + 1);
            first_half
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::Type;
    use super::*;

    fn fields(types: &[Type]) -> Vec<FieldType> {
        (0..).zip(types).map(|(n, ty)| FieldType::slot(&format!("f{n}"), n, u32::MAX, ty.clone())).collect()
    }

    fn offsets(fields: &[FieldType]) -> Vec<u32> {
        fields
            .iter()
            .map(|field| match field.kind {
                FieldKind::Slot { offset, .. } => offset,
                FieldKind::Group(_) => u32::MAX,
            })
            .collect()
    }

    #[test]
    fn small_fields_fill_the_smallest_hole() {
        use Type::{Bool, Data, Int8, Int16, Int64, Text, UInt32, Void};
        let mut all = fields(&[Bool, Int64, Int8, Text, Bool, Int16, Void, UInt32, Data, Int8, UInt32]);
        assert_eq!(lay_out(&mut all).unwrap(), (3, 2));
        assert_eq!(offsets(&all), [0, 1, 1, 0, 1, 1, 0, 1, 1, 16, 5]);
    }

    #[test]
    fn appending_moves_nothing() {
        use Type::{Bool, Float64, Int8, Int16, Int32, Text};
        let all = [Int8, Float64, Bool, Text, Int32, Int16, Bool, Int8, Float64, Bool];
        let mut whole = fields(&all);
        lay_out(&mut whole).unwrap();
        for count in 0..all.len() {
            let mut some = fields(&all[..count]);
            lay_out(&mut some).unwrap();
            assert_eq!(offsets(&some), offsets(&whole)[..count]);
            some.extend_from_slice(&fields(&all)[count..]);
            lay_out(&mut some).unwrap();
            assert_eq!(some, whole);
        }
    }

    #[test]
    fn a_struct_of_too_many_words_is_refused() {
        let full: Vec<Type> = vec![Type::Int64; 65_535];
        let mut full = fields(&full);
        assert_eq!(lay_out(&mut full).unwrap(), (65_535, 0));
        full.push(FieldType::slot("last", 65_535, 0, Type::Bool));
        assert!(matches!(lay_out(&mut full).unwrap_err().fault(), Fault::Limit { needed: 65_536, .. }));
    }

    #[test]
    fn skipped_ordinals_groups_and_unions_are_refused() {
        let mut skipped = fields(&[Type::Bool, Type::Bool]);
        skipped[1].ordinal = Some(2);
        assert!(lay_out(&mut skipped).is_err());
        let mut union = fields(&[Type::Bool]);
        union[0].discriminant = Some(0);
        assert!(lay_out(&mut union).is_err());
        let mut group = fields(&[Type::Bool]);
        group[0].kind = FieldKind::Group(1);
        assert!(lay_out(&mut group).is_err());
    }
}
