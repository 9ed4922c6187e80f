//! Finds the entry of a map that has a key.

use super::step::MapKey;
use super::value::{FieldValue, Leaf};
use crate::schema::{FieldKind, FieldType, Schema, StructType, Type};
use crate::words::{ElementSize, Read, StructRef};

/// A map, and the key whose entry is wanted.
#[derive(Clone, Debug)]
pub(super) struct Entry<'v> {
    map: Leaf<'v>,
    key: Leaf<'v>,
    wanted: Wanted,
}

/// A key, as entries have it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Text(Vec<u8>),
    /// The low end of a number of so many bits.
    Bits(u64, u32),
}

impl<'v> Entry<'v> {
    /// Resolves a key of a map. `map`: its place. Returns also the struct of its entries.
    ///
    /// # Errors
    /// What is wrong with the key, or with the field.
    pub fn resolve(
        schema: &'v Schema,
        field: &'v FieldType,
        map: Leaf<'v>,
        key: &MapKey,
    ) -> Result<(Self, &'v StructType), String> {
        let not_a_map = || format!("only a map has keys, and {} is none", field.json_name());
        let Type::List(element) = map.ty else { return Err(not_a_map()) };
        let (Type::Struct(id), true) = (&**element, field.is_map) else { return Err(not_a_map()) };
        let entry: &StructType = schema.get_struct(*id).ok_or_else(not_a_map)?;
        let key_field = entry.field("key").ok_or_else(not_a_map)?;
        let FieldKind::Slot { offset, ty, default } = &key_field.kind else { return Err(not_a_map()) };
        let wanted = Wanted::new(schema, ty, key)
            .ok_or_else(|| format!("{} has keys of type {}", field.json_name(), super::describe(schema, ty)))?;
        let key = Leaf::new(schema, entry, key_field, *offset, ty, default);
        Ok((Self { map, key, wanted }, entry))
    }

    /// Returns the first entry that has the key; `None` if there is none.
    pub fn find(&self, at: StructRef<'v>) -> Read<Option<StructRef<'v>>> {
        let Some((words, word)) = self.map.pointer(Some(at))? else { return Ok(None) };
        let Some(list) = words.list_of(word, ElementSize::Composite)? else { return Ok(None) };
        for entry in (0..list.len()).map_while(|index| list.get_struct(index)) {
            let is_it = match &self.wanted {
                Wanted::Text(text) => <&[u8]>::read_optional(&self.key, Some(entry))? == Some(&**text),
                Wanted::Bits(bits, size) => self.key.low_bits(entry, *size) == *bits,
            };
            if is_it {
                return Ok(Some(entry));
            }
            if entry.data().is_empty() && entry.pointer_count() == 0 {
                // All of them are alike, and there may be as many as take no bytes.
                break;
            }
        }
        Ok(None)
    }
}

impl Wanted {
    /// Returns a key as entries of a type have it; `None` if none can have it.
    fn new(schema: &Schema, ty: &Type, key: &MapKey) -> Option<Self> {
        let number = match (ty, key) {
            (Type::Text, MapKey::Text(text)) => return Some(Self::Text(text.clone().into_bytes())),
            (Type::Enum(id), MapKey::Text(name)) => {
                let names = &schema.get_enum(*id)?.enumerants;
                i128::try_from(names.iter().position(|it| it.json_name() == name || it.name == *name)?).ok()?
            }
            (Type::Enum(_), MapKey::Int(_)) => return None,
            (ty, MapKey::Int(number)) => {
                let range = ty.integer_range()?;
                Some(*number).filter(|number| range.contains(number))?
            }
            _ => return None,
        };
        let bits = ty.data_bits()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low end holds the number")]
        Some(Self::Bits(number as u64 & (u64::MAX >> (64 - bits)), bits))
    }
}
