//! Steps of serde through a struct, a list, a map and a union.

use serde::de::Error as _;
use serde::de::value::{BorrowedStrDeserializer, U8Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};

use super::Walk;
use crate::record::path_error::{PathError, PathResult};
use crate::record::{Fields, Items, Record, ValueRef};
use crate::schema::FieldType;

/// The fields of a struct that have a value, by JSON name.
pub(super) struct Members<'de, 'b> {
    walk: Walk<'de, 'b>,
    fields: Fields<'de>,
    depth: u32,
    /// The field whose name was given and whose value was not yet asked for.
    pending: Option<(&'de FieldType, ValueRef<'de>)>,
}

impl<'de, 'b> Members<'de, 'b> {
    pub fn new(walk: Walk<'de, 'b>, fields: Fields<'de>, depth: u32) -> Self {
        Self { walk, fields, depth, pending: None }
    }
}

impl<'de> MapAccess<'de> for Members<'de, '_> {
    type Error = PathError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> PathResult<Option<K::Value>> {
        for field in self.fields.by_ref() {
            let (field, value) = field?;
            // The active member of a union is given even if it is null, since it says which member is active.
            if value.is_null() && field.discriminant.is_none() {
                continue;
            }
            self.pending = Some((field, value));
            return seed.deserialize(BorrowedStrDeserializer::new(field.json_name())).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> PathResult<V::Value> {
        let Some((field, value)) = self.pending.take() else { return Err(out_of_turn()) };
        seed.deserialize(self.walk.within(value, self.depth)).map_err(|e| e.within_field(field.json_name()))
    }
}

/// The elements of a list.
pub(super) struct Elements<'de, 'b> {
    walk: Walk<'de, 'b>,
    items: Items<'de>,
    depth: u32,
    index: usize,
}

impl<'de, 'b> Elements<'de, 'b> {
    pub fn new(walk: Walk<'de, 'b>, items: Items<'de>, depth: u32) -> Self {
        Self { walk, items, depth, index: 0 }
    }

    /// Returns the number of elements that were not asked for.
    pub fn left(&self) -> usize {
        self.items.len()
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'de, '_> {
    type Error = PathError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> PathResult<Option<T::Value>> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let value = self.walk.within(item?, self.depth);
        seed.deserialize(value).map(Some).map_err(|e| e.within_item(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left())
    }
}

/// The entries of a list that is annotated as a map.
pub(super) struct Entries<'de, 'b> {
    walk: Walk<'de, 'b>,
    items: Items<'de>,
    key: &'de FieldType,
    value: &'de FieldType,
    depth: u32,
    /// The entry whose key was given and whose value was not yet asked for.
    pending: Option<Record<'de>>,
}

impl<'de, 'b> Entries<'de, 'b> {
    pub fn new(
        walk: Walk<'de, 'b>,
        items: Items<'de>,
        (key, value): (&'de FieldType, &'de FieldType),
        depth: u32,
    ) -> Self {
        Self { walk, items, key, value, depth, pending: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = PathError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> PathResult<Option<K::Value>> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let ValueRef::Struct(entry) = item? else { return Err(out_of_turn()) };
        self.pending = Some(entry);
        let key = entry.value(self.key)?;
        seed.deserialize(self.walk.within(key, self.depth)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> PathResult<V::Value> {
        let Some(entry) = self.pending.take() else { return Err(out_of_turn()) };
        let value = self.walk.within(entry.value(self.value)?, self.depth);
        seed.deserialize(value).map_err(|e| match entry.value(self.key) {
            Ok(ValueRef::Text(key)) => e.within_field(key),
            _ => e,
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The active member of a union, as a variant.
pub(super) struct Member<'de, 'b> {
    name: &'de str,
    walk: Walk<'de, 'b>,
}

impl<'de, 'b> Member<'de, 'b> {
    pub fn new(name: &'de str, walk: Walk<'de, 'b>) -> Self {
        Self { name, walk }
    }
}

impl<'de, 'b> EnumAccess<'de> for Member<'de, 'b> {
    type Error = PathError;
    type Variant = Walk<'de, 'b>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> PathResult<(V::Value, Walk<'de, 'b>)> {
        Ok((seed.deserialize(BorrowedStrDeserializer::<PathError>::new(self.name))?, self.walk))
    }
}

impl<'de> VariantAccess<'de> for Walk<'de, '_> {
    type Error = PathError;

    fn unit_variant(self) -> PathResult<()> {
        match self.value {
            ValueRef::Void | ValueRef::Null => Ok(()),
            other => {
                Err(PathError::invalid_type(Unexpected::Other(other.kind_name()), &"a unit variant, of type Void"))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> PathResult<T::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> PathResult<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> PathResult<V::Value> {
        self.deserialize_any(visitor)
    }
}

/// The bytes of a `Data` as a sequence of numbers.
pub(super) struct Bytes<'de> {
    bytes: std::slice::Iter<'de, u8>,
}

impl<'de> Bytes<'de> {
    pub fn new(bytes: &'de [u8]) -> Self {
        Self { bytes: bytes.iter() }
    }

    pub fn end(self) -> PathResult<()> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(PathError::message(format!("data too long: bytes unread={left}"))),
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Bytes<'de> {
    type Error = PathError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> PathResult<Option<T::Value>> {
        let Some(byte) = self.bytes.next() else { return Ok(None) };
        let byte: U8Deserializer<PathError> = (*byte).into_deserializer();
        seed.deserialize(byte).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.bytes.len())
    }
}

/// Makes the error of a visitor that does not ask for a key and its value by turns, as serde promises.
#[cold]
fn out_of_turn() -> PathError {
    PathError::message("a value was asked for before its key")
}
