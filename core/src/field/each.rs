//! Reads a field of each element of a list of structs in place.

use std::sync::Arc;

use super::path::Path;
use super::value::{FieldValue, Leaf};
use crate::error::Result;
use crate::schema::{Schema, Type};
use crate::words::{ElementSize, ListRef, Read};

/// The values of a path through a list, such as `Order.items[].productId`: one for each element, read as `T`.
///
/// Where the path goes through lists within lists, as `a[].b[].c` does, `T` is an `Each` again. Elements that are null, or
/// have another union member, have no value: `T` must be an `Option` if that can be.
///
/// ```
/// # use kapok_core::{Result, field::Each, view::Tables};
/// fn pieces_sold(view: &Tables) -> Result<u64> {
///     let mut sum = 0;
///     for quantities in &view.field::<Each<'_, u32>>("Order.items[].quantity")? {
///         for quantity in quantities? {
///             sum += u64::from(quantity?);
///         }
///     }
///     Ok(sum)
/// }
/// ```
pub struct Each<'v, T> {
    list: Option<ListRef<'v>>,
    way: Way<'v>,
    value: std::marker::PhantomData<fn() -> T>,
}

/// Where the value lies in an element.
#[derive(Clone, Debug)]
enum Way<'v> {
    /// In the element itself.
    Here(Leaf<'v>),
    Through(Arc<Path<'v>>),
    Nowhere,
}

impl<'v, T: FieldValue<'v>> Each<'v, T> {
    /// Returns the value of an element; `None` beyond the end.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    #[inline]
    pub fn get(&self, index: u32) -> Result<Option<T>> {
        let Some(list) = self.list.filter(|list| index < list.len()) else { return Ok(None) };
        match self.read_element(list, index) {
            Ok(value) => Ok(value),
            Err(malformed) => Err(malformed.into_error_with("list", list.words())),
        }
    }

    #[inline]
    fn read_element(&self, list: ListRef<'v>, index: u32) -> Read<Option<T>> {
        let Some(element) = list.get_struct(index) else { return Ok(None) };
        match &self.way {
            Way::Here(leaf) => T::read(leaf, Some(element)).map(Some),
            Way::Through(path) => T::read(&path.leaf, path.walk(element)?).map(Some),
            Way::Nowhere => Ok(None),
        }
    }

    /// Iterates over the values in the order of the elements.
    #[inline]
    pub fn iter(&self) -> EachIter<'v, T> {
        EachIter { each: self.clone(), next: 0 }
    }
}

impl<T> Each<'_, T> {
    /// Returns the number of elements.
    #[inline]
    pub fn len(&self) -> u32 {
        self.list.map_or(0, ListRef::len)
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Each<'_, T> {
    fn clone(&self) -> Self {
        Self { list: self.list, way: self.way.clone(), value: self.value }
    }
}

impl<T> std::fmt::Debug for Each<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Each of {}", self.len())
    }
}

impl<'v, T: FieldValue<'v>> IntoIterator for Each<'v, T> {
    type Item = Result<T>;
    type IntoIter = EachIter<'v, T>;

    fn into_iter(self) -> EachIter<'v, T> {
        EachIter { each: self, next: 0 }
    }
}

impl<'v, T: FieldValue<'v>> IntoIterator for &Each<'v, T> {
    type Item = Result<T>;
    type IntoIter = EachIter<'v, T>;

    fn into_iter(self) -> EachIter<'v, T> {
        self.iter()
    }
}

/// Values of a path through a list, in the order of the elements.
#[derive(Debug)]
pub struct EachIter<'v, T> {
    each: Each<'v, T>,
    next: u32,
}

impl<'v, T: FieldValue<'v>> Iterator for EachIter<'v, T> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        let value = self.each.get(self.next).transpose()?;
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = (self.each.len() - self.next) as usize;
        (rest, Some(rest))
    }
}

impl<'v, T: FieldValue<'v>> FieldValue<'v> for Each<'v, T> {
    const NAME: &'static str = "Each";

    fn fits(_: &Schema, _: &Type) -> bool {
        false
    }

    fn fits_leaf(leaf: &Leaf<'v>) -> bool {
        leaf.each.as_ref().is_some_and(|path| T::fits_leaf(&path.leaf))
    }

    fn lacks_option(leaf: &Leaf<'v>) -> Option<&'static str> {
        let path = leaf.each.as_ref()?;
        if path.may_be_absent() && !T::OPTIONAL { Some(T::NAME) } else { T::lacks_option(&path.leaf) }
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<crate::words::StructRef<'v>>) -> Read<Self> {
        let none = || Self { list: None, way: Way::Nowhere, value: std::marker::PhantomData };
        Ok(Self::read_optional(leaf, at)?.unwrap_or_else(none))
    }

    #[inline]
    fn read_optional(leaf: &Leaf<'v>, at: Option<crate::words::StructRef<'v>>) -> Read<Option<Self>> {
        let Some((words, at)) = leaf.pointer(at)? else { return Ok(None) };
        let list = words.list_of(at, ElementSize::Composite)?;
        let way = match &leaf.each {
            // No counter that threads share, if there is no need for one.
            Some(path) if path.direct && path.leaf.each.is_none() => Way::Here(path.leaf.clone()),
            Some(path) => Way::Through(Arc::clone(path)),
            None => Way::Nowhere,
        };
        Ok(list.map(|list| Self { list: Some(list), way, value: std::marker::PhantomData }))
    }
}
