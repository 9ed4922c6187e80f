//! Reads the elements of a list in place.

use std::marker::PhantomData;

use super::sealed::Sealed;
use crate::error::Result;
use crate::record::Record;
use crate::schema::{Schema, Type};
use crate::view::Texts;
use crate::words::{ElementSize, ListRef, Malformed, Read, Words};

/// A list in place, of elements that are read as `T`.
pub struct List<'v, T> {
    schema: &'v Schema,
    element: &'v Type,
    at: Option<ListRef<'v>>,
    /// Of the list's field, if they were checked together.
    texts: Texts<'v>,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<T> std::fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "List of {}", self.len())
    }
}

/// A type that a list's elements can be read as. Sealed.
pub trait Element<'v>: Sized + Sealed {
    /// Size of such elements in a list.
    const SIZE: ElementSize;
    /// Whether they are texts, checked to be UTF-8.
    const IS_TEXT: bool = false;
    /// Returns whether elements of a type can be read so.
    fn fits(schema: &Schema, ty: &Type) -> bool;
    /// Reads an element that the list has; a null text is empty.
    ///
    /// # Errors
    /// The malformed word.
    fn read(schema: &'v Schema, ty: &'v Type, list: ListRef<'v>, index: u32) -> Read<Self>;
    /// Reads an element among texts that were checked; `None` if [`Self::read`] is to read it.
    #[inline]
    fn read_checked(_: Texts<'v>, _: ListRef<'v>, _: u32) -> Option<Self> {
        None
    }
}

impl<'v, T: Element<'v>> List<'v, T> {
    pub(super) fn empty(schema: &'v Schema, ty: &'v Type) -> Self {
        Self { schema, element: element_of(ty), at: None, texts: Texts::NONE, value: PhantomData }
    }

    /// The same list, whose texts are among these, which were checked.
    #[inline]
    pub(super) fn trusting(self, texts: Texts<'v>) -> Self {
        if T::IS_TEXT { Self { texts, ..self } } else { self }
    }

    #[inline]
    pub(super) fn read(schema: &'v Schema, ty: &'v Type, words: Words<'v>, at: u32) -> Read<Option<Self>> {
        let list = words.list_of(at, T::SIZE)?;
        let element = element_of(ty);
        Ok(list.map(|list| Self { schema, element, at: Some(list), texts: Texts::NONE, value: PhantomData }))
    }

    /// Returns an element; `None` beyond the end.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    #[inline]
    pub fn get(&self, index: u32) -> Result<Option<T>> {
        match self.at {
            Some(list) if index < list.len() => {
                if let Some(value) = T::read_checked(self.texts, list, index) {
                    return Ok(Some(value));
                }
                match T::read(self.schema, self.element, list, index) {
                    Ok(value) => Ok(Some(value)),
                    Err(malformed) => Err(malformed.into_error_with("list", list.words())),
                }
            }
            _ => Ok(None),
        }
    }

    /// Iterates over all elements in order.
    #[inline]
    pub fn iter(&self) -> ListIter<'v, T> {
        ListIter { list: *self, next: 0 }
    }
}

impl<T> List<'_, T> {
    /// Returns the number of elements.
    #[inline]
    pub fn len(&self) -> u32 {
        self.at.map_or(0, ListRef::len)
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'v, T: Element<'v>> IntoIterator for List<'v, T> {
    type Item = Result<T>;
    type IntoIter = ListIter<'v, T>;

    fn into_iter(self) -> ListIter<'v, T> {
        self.iter()
    }
}

impl<'v, T: Element<'v>> IntoIterator for &List<'v, T> {
    type Item = Result<T>;
    type IntoIter = ListIter<'v, T>;

    fn into_iter(self) -> ListIter<'v, T> {
        self.iter()
    }
}

/// Elements of a list in order.
#[derive(Debug)]
pub struct ListIter<'v, T> {
    list: List<'v, T>,
    next: u32,
}

impl<'v, T: Element<'v>> Iterator for ListIter<'v, T> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        let value = self.list.get(self.next).transpose()?;
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = (self.list.len() - self.next) as usize;
        (rest, Some(rest))
    }
}

fn element_of(ty: &Type) -> &Type {
    if let Type::List(element) = ty { element } else { ty }
}

macro_rules! numbers {
    ($(($rust:ty, $size:ident, $pattern:pat))*) => {$(
        impl<'v> Element<'v> for $rust {
            const SIZE: ElementSize = ElementSize::$size;

            fn fits(_: &Schema, ty: &Type) -> bool {
                matches!(ty, $pattern)
            }

            #[inline]
            fn read(_: &'v Schema, _: &'v Type, list: ListRef<'v>, index: u32) -> Read<Self> {
                Ok(<$rust>::from_le_bytes(list.scalar(index)))
            }
        }
    )*};
}
numbers! {
    (u8, Byte, Type::UInt8)
    (u16, TwoBytes, Type::UInt16 | Type::Enum(_))
    (u32, FourBytes, Type::UInt32)
    (u64, EightBytes, Type::UInt64)
    (i8, Byte, Type::Int8)
    (i16, TwoBytes, Type::Int16)
    (i32, FourBytes, Type::Int32)
    (i64, EightBytes, Type::Int64)
    (f32, FourBytes, Type::Float32)
    (f64, EightBytes, Type::Float64)
}

impl<'v> Element<'v> for bool {
    const SIZE: ElementSize = ElementSize::Bit;

    fn fits(_: &Schema, ty: &Type) -> bool {
        *ty == Type::Bool
    }

    #[inline]
    fn read(_: &'v Schema, _: &'v Type, list: ListRef<'v>, index: u32) -> Read<Self> {
        Ok(list.bit(index))
    }
}

impl<'v> Element<'v> for &'v str {
    const SIZE: ElementSize = ElementSize::Pointer;
    const IS_TEXT: bool = true;

    fn fits(_: &Schema, ty: &Type) -> bool {
        *ty == Type::Text
    }

    #[inline]
    fn read(_: &'v Schema, _: &'v Type, list: ListRef<'v>, index: u32) -> Read<Self> {
        Ok(list.words().text_of(list.at() + index)?.unwrap_or_default())
    }

    #[inline]
    fn read_checked(texts: Texts<'v>, list: ListRef<'v>, index: u32) -> Option<Self> {
        texts.element(list, index)
    }
}

impl<'v> Element<'v> for &'v [u8] {
    const SIZE: ElementSize = ElementSize::Pointer;

    fn fits(_: &Schema, ty: &Type) -> bool {
        matches!(ty, Type::Text | Type::Data)
    }

    #[inline]
    fn read(_: &'v Schema, ty: &'v Type, list: ListRef<'v>, index: u32) -> Read<Self> {
        let (words, at) = (list.words(), list.at() + index);
        let bytes = if *ty == Type::Text { words.text_bytes_of(at)? } else { words.data_of(at)? };
        Ok(bytes.unwrap_or_default())
    }
}

impl<'v, T: Element<'v>> Element<'v> for List<'v, T> {
    const SIZE: ElementSize = ElementSize::Pointer;

    fn fits(schema: &Schema, ty: &Type) -> bool {
        matches!(ty, Type::List(element) if T::fits(schema, element))
    }

    #[inline]
    fn read(schema: &'v Schema, ty: &'v Type, list: ListRef<'v>, index: u32) -> Read<Self> {
        let inner = List::read(schema, ty, list.words(), list.at() + index)?;
        Ok(inner.unwrap_or(List::empty(schema, ty)))
    }
}

impl<'v> Element<'v> for Record<'v> {
    const SIZE: ElementSize = ElementSize::Composite;

    fn fits(_: &Schema, ty: &Type) -> bool {
        matches!(ty, Type::Struct(_))
    }

    fn read(schema: &'v Schema, ty: &'v Type, list: ListRef<'v>, index: u32) -> Read<Self> {
        let record = match (list.get_struct(index), ty) {
            (Some(at), Type::Struct(id)) => Record::new(schema, *id, at).ok(),
            _ => None,
        };
        record.ok_or(Malformed { word: list.at(), expected: "a struct of the schema" })
    }
}
