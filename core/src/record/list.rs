//! Reads a list of any elements in place.

use std::fmt;

use super::origin::Origin;
use super::{Record, ValueRef};
use crate::error::Result;
use crate::schema::{FieldType, Type};
use crate::words::ListRef;

/// A list in place, with the type of its elements.
#[derive(Clone, Copy)]
pub struct ListValue<'v> {
    origin: Origin<'v>,
    element: &'v Type,
    list: ListRef<'v>,
    is_map: bool,
}

impl<'v> ListValue<'v> {
    /// Wraps a list, which must be of the element size that the type `element` asks for.
    pub(super) fn new(origin: Origin<'v>, element: &'v Type, list: ListRef<'v>, is_map: bool) -> Self {
        Self { origin, element, list, is_map }
    }

    /// Returns the number of elements; a hostile list of elements without bytes may claim 2^30 of them.
    pub fn len(&self) -> u32 {
        self.list.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the type of the elements.
    pub fn element_type(&self) -> &'v Type {
        self.element
    }

    /// Returns the words that are read.
    pub fn list_ref(&self) -> ListRef<'v> {
        self.list
    }

    /// Returns an element; `None` beyond the end. Null pointers among texts, data and lists are `Null`.
    ///
    /// # Errors
    /// `Corrupt` if the words do not hold what the type says.
    pub fn get(&self, index: u32) -> Result<Option<ValueRef<'v>>> {
        if index >= self.list.len() {
            return Ok(None);
        }
        let list = self.list;
        let bits = match self.element {
            Type::Void => return Ok(Some(ValueRef::Void)),
            Type::Text | Type::Data | Type::List(_) => {
                let value = match list.pointer_at(index) {
                    Some(at) => self.origin.pointer(list.words(), at, self.element, false)?,
                    None => None,
                };
                return Ok(Some(value.unwrap_or(ValueRef::Null)));
            }
            Type::Struct(id) => {
                let Some(at) = list.get_struct(index) else { return Ok(None) };
                let ty = self.origin.schema.struct_type(*id)?;
                return Ok(Some(ValueRef::Struct(Record { origin: self.origin, ty, at })));
            }
            Type::Bool => u64::from(list.bit(index)),
            Type::Int8 | Type::UInt8 => u64::from(u8::from_le_bytes(list.scalar(index))),
            Type::Int16 | Type::UInt16 | Type::Enum(_) => u64::from(u16::from_le_bytes(list.scalar(index))),
            Type::Int32 | Type::UInt32 | Type::Float32 => u64::from(u32::from_le_bytes(list.scalar(index))),
            Type::Int64 | Type::UInt64 | Type::Float64 => u64::from_le_bytes(list.scalar(index)),
        };
        self.origin.scalar(self.element, bits).map(Some)
    }

    /// Iterates over the elements in order.
    pub fn iter(&self) -> Items<'v> {
        Items { list: *self, next: 0 }
    }

    /// Returns the fields that hold the keys and the values of a list that is annotated as a map; `None` for others.
    pub fn map_fields(&self) -> Option<(&'v FieldType, &'v FieldType)> {
        let Type::Struct(id) = self.element else { return None };
        if !self.is_map {
            return None;
        }
        let entry = self.origin.schema.get_struct(*id)?;
        Some((entry.field("key")?, entry.field("value")?))
    }
}

impl<'v> IntoIterator for ListValue<'v> {
    type Item = Result<ValueRef<'v>>;
    type IntoIter = Items<'v>;

    fn into_iter(self) -> Items<'v> {
        self.iter()
    }
}

impl<'v> IntoIterator for &ListValue<'v> {
    type Item = Result<ValueRef<'v>>;
    type IntoIter = Items<'v>;

    fn into_iter(self) -> Items<'v> {
        self.iter()
    }
}

impl fmt::Debug for ListValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ValueRef::List(*self).fmt_json(f)
    }
}

/// The elements of a [`ListValue`].
#[derive(Clone, Debug)]
pub struct Items<'v> {
    list: ListValue<'v>,
    next: u32,
}

impl<'v> Iterator for Items<'v> {
    type Item = Result<ValueRef<'v>>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.list.get(self.next).transpose()?;
        self.next += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.list.len().saturating_sub(self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Items<'_> {}
