//! Types that the values of a field can be read as.

use std::sync::Arc;

use super::cells::Cell;
use super::list::{Element, List};
use super::path::Path;
use super::sealed::Sealed;
use crate::record::Record;
use crate::schema::{DefaultValue, FieldType, Schema, StructType, Type};
use crate::words::{ElementSize, Malformed, Read, StructRef, Words};

/// A type that fields can be read as: see [`Tables::field`](crate::view::Tables::field). Sealed.
pub trait FieldValue<'v>: Sized + Sealed {
    /// Name for errors.
    const NAME: &'static str;
    /// Whether an absent value has a form of its own.
    const OPTIONAL: bool = false;
    /// Whether it is text, or a list of texts, checked to be UTF-8.
    const IS_TEXT: bool = false;
    /// Returns whether fields of a type can be read so.
    fn fits(schema: &Schema, ty: &Type) -> bool;
    /// Returns whether what a path leads to can be read so.
    fn fits_leaf(leaf: &Leaf<'v>) -> bool {
        leaf.each.is_none() && Self::fits(leaf.schema, leaf.ty)
    }
    /// Returns what an element of a list is to be read as an `Option` of, since it may have no value; `None` if nothing is.
    fn lacks_option(_: &Leaf<'v>) -> Option<&'static str> {
        None
    }
    /// Reads the value in a struct; `None` if there is no such struct.
    ///
    /// # Errors
    /// The malformed word.
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self>;
    /// Reads the value in a row's cell if that takes few steps; `None` if [`Self::read`] is to read it.
    #[inline]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        Self::read(leaf, Some(cell.to_struct()?)).ok()
    }
    /// Reads the value in a row's cell, or finds it absent, if that takes few steps; `None` if [`Self::read_optional`] is to
    /// read it.
    #[inline]
    fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
        Self::read_optional(leaf, Some(cell.to_struct()?)).ok()
    }
    /// Reads the value, or finds it absent.
    ///
    /// # Errors
    /// The malformed word.
    #[inline]
    fn read_optional(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Option<Self>> {
        match at {
            Some(at) if !leaf.is_null(at) => Self::read(leaf, Some(at)).map(Some),
            _ => Ok(None),
        }
    }
}

/// The last step of a path: a place in a struct.
#[derive(Clone, Debug)]
pub struct Leaf<'v> {
    pub(super) ty: &'v Type,
    schema: &'v Schema,
    /// Bytes into the data section, bits for Bool, or a pointer's index.
    pub(super) offset: u32,
    /// Bits by which stored numbers differ from their values.
    default: u64,
    pointer_default: Option<&'v [u8]>,
    /// Bytes behind the value that do not belong to it: 1 for Text.
    nul_bytes: usize,
    /// Bit that says that the number is null, and its default.
    pub(super) null_flag: Option<(usize, bool)>,
    /// Way on from each element, if the path goes through this list.
    pub(super) each: Option<Arc<Path<'v>>>,
}

impl<'v> Leaf<'v> {
    pub(super) fn new(
        schema: &'v Schema,
        owner: &'v StructType,
        field: &'v FieldType,
        offset: u32,
        ty: &'v Type,
        default: &'v DefaultValue,
    ) -> Self {
        let unit = match ty.data_bits() {
            Some(bits) if bits >= 8 => bits / 8,
            _ => 1,
        };
        let null_flag = owner.fields.iter().find_map(|flag| match &flag.kind {
            crate::schema::FieldKind::Slot { offset, ty: Type::Bool, default }
                if flag.null_of.as_deref() == Some(field.name.as_str()) =>
            {
                Some((*offset as usize, default.bits() == 1))
            }
            _ => None,
        });
        let pointer_default = if let DefaultValue::Pointer(words) = default { Some(&**words) } else { None };
        let nul_bytes = usize::from(*ty == Type::Text);
        let offset = offset.saturating_mul(unit);
        Self { ty, schema, offset, default: default.bits(), pointer_default, nul_bytes, null_flag, each: None }
    }

    /// A text's final NUL is left off unread: its length alone needs no look at the text.
    #[inline]
    fn without_nul(&self, bytes: &'v [u8]) -> &'v [u8] {
        &bytes[..bytes.len().saturating_sub(self.nul_bytes)]
    }

    /// Returns what a pointer is read as if it is null; `None` if it is not, or has a default value.
    #[inline]
    fn null<T>(&self, pointer: u64, value: T) -> Option<T> {
        if pointer == 0 && self.pointer_default.is_none() { Some(value) } else { None }
    }

    /// Returns a number of a row, unless the row's flag says that it is null.
    #[inline]
    #[expect(clippy::option_option, reason = "not read here, null, or a value")]
    fn unless_null<T: FieldValue<'v>>(&self, cell: Cell<'_, 'v>) -> Option<Option<T>> {
        if let Some((bit, default)) = self.null_flag
            && cell.bit(bit)? != default
        {
            return Some(None);
        }
        T::read_cell(self, cell).map(Some)
    }

    pub(super) fn is_nullable_number(&self) -> bool {
        self.null_flag.is_some() && !self.ty.is_pointer()
    }

    #[inline]
    fn is_null(&self, at: StructRef<'_>) -> bool {
        self.null_flag.is_some_and(|(bit, default)| at.bit(bit) != default)
    }

    /// Returns the low end of a number in a struct, of 8, 16, 32 or 64 bits.
    pub(super) fn low_bits(&self, at: StructRef<'v>, bits: u32) -> u64 {
        let number = match bits {
            8 => self.scalar::<1>(Some(at)),
            16 => self.scalar::<2>(Some(at)),
            32 => self.scalar::<4>(Some(at)),
            _ => self.scalar::<8>(Some(at)),
        };
        number & (u64::MAX >> (64 - bits))
    }

    #[inline]
    fn scalar<const N: usize>(&self, at: Option<StructRef<'v>>) -> u64 {
        let mut word = [0; 8];
        if let Some(at) = at {
            word[..N].copy_from_slice(&at.scalar::<N>(self.offset as usize));
        }
        u64::from_le_bytes(word) ^ self.default
    }

    /// Returns where the pointer is: in the struct, or in the default value's words; `None` if it is null and has no
    /// default.
    #[inline]
    pub(super) fn pointer(&self, at: Option<StructRef<'v>>) -> Read<Option<(Words<'v>, u32)>> {
        if let Some(at) = at
            && let Some(word) = at.pointer_at(self.offset)
            && at.words().word(word)? != 0
        {
            return Ok(Some((at.words(), word)));
        }
        Ok(self.pointer_default.map(|words| (Words::new(words), 0)))
    }
}

macro_rules! numbers {
    ($(($rust:ty, $bytes:literal, $pattern:pat))*) => {$(
        impl<'v> FieldValue<'v> for $rust {
            const NAME: &'static str = stringify!($rust);

            fn fits(_: &Schema, ty: &Type) -> bool {
                matches!(ty, $pattern)
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low end holds the number")]
            fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
                Ok(leaf.scalar::<$bytes>(at) as $rust)
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low end holds the number")]
            fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
                Some(<$rust>::from_le_bytes(*cell.bytes()?) ^ leaf.default as $rust)
            }

            #[inline]
            fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
                leaf.unless_null(cell)
            }
        }
    )*};
}
numbers! {
    (u8, 1, Type::UInt8)
    (u16, 2, Type::UInt16 | Type::Enum(_))
    (u32, 4, Type::UInt32)
    (u64, 8, Type::UInt64)
    (i8, 1, Type::Int8)
    (i16, 2, Type::Int16)
    (i32, 4, Type::Int32)
    (i64, 8, Type::Int64)
}

impl<'v> FieldValue<'v> for f32 {
    const NAME: &'static str = "f32";

    fn fits(_: &Schema, ty: &Type) -> bool {
        *ty == Type::Float32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low end holds the number")]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        Ok(Self::from_bits(leaf.scalar::<4>(at) as u32))
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low end holds the number")]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        Some(Self::from_bits(u32::from_le_bytes(*cell.bytes()?) ^ leaf.default as u32))
    }

    #[inline]
    fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
        leaf.unless_null(cell)
    }
}

impl<'v> FieldValue<'v> for f64 {
    const NAME: &'static str = "f64";

    fn fits(_: &Schema, ty: &Type) -> bool {
        *ty == Type::Float64
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        Ok(Self::from_bits(leaf.scalar::<8>(at)))
    }

    #[inline]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        Some(Self::from_bits(u64::from_le_bytes(*cell.bytes()?) ^ leaf.default))
    }

    #[inline]
    fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
        leaf.unless_null(cell)
    }
}

impl<'v> FieldValue<'v> for bool {
    const NAME: &'static str = "bool";

    fn fits(_: &Schema, ty: &Type) -> bool {
        *ty == Type::Bool
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        Ok(at.is_some_and(|at| at.bit(leaf.offset as usize)) != (leaf.default == 1))
    }

    #[inline]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        let [byte] = *cell.bytes()?;
        Some((byte >> (leaf.offset % 8) & 1 == 1) != (leaf.default == 1))
    }

    #[inline]
    fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
        leaf.unless_null(cell)
    }
}

impl<'v> FieldValue<'v> for &'v str {
    const NAME: &'static str = "&str";
    const IS_TEXT: bool = true;

    fn fits(_: &Schema, ty: &Type) -> bool {
        *ty == Type::Text
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        Ok(Self::read_optional(leaf, at)?.unwrap_or_default())
    }

    #[inline]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        let pointer = cell.pointer()?;
        cell.checked_text(pointer).or_else(|| leaf.null(pointer, ""))
    }

    #[inline]
    fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
        let pointer = cell.pointer()?;
        cell.checked_text(pointer).map(Some).or_else(|| leaf.null(pointer, None))
    }

    #[inline]
    fn read_optional(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Option<Self>> {
        let Some((words, word)) = leaf.pointer(at)? else { return Ok(None) };
        words.data_of(word)?.map(|bytes| text(bytes, word)).transpose()
    }
}

/// Returns the text of bytes that end in NUL. `word`: what an error names.
#[inline]
fn text(bytes: &[u8], word: u32) -> Read<&str> {
    let [text @ .., 0] = bytes else { return Err(Malformed { word, expected: "text that ends in NUL" }) };
    std::str::from_utf8(text).map_err(|_| Malformed { word, expected: "text in UTF-8" })
}

impl<'v> FieldValue<'v> for &'v [u8] {
    const NAME: &'static str = "&[u8]";

    fn fits(_: &Schema, ty: &Type) -> bool {
        matches!(ty, Type::Text | Type::Data)
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        Ok(Self::read_optional(leaf, at)?.unwrap_or_default())
    }

    #[inline]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        let pointer = cell.pointer()?;
        cell.byte_list(pointer).map(|bytes| leaf.without_nul(bytes)).or_else(|| leaf.null(pointer, &[]))
    }

    #[inline]
    fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
        let pointer = cell.pointer()?;
        cell.byte_list(pointer).map(|bytes| Some(leaf.without_nul(bytes))).or_else(|| leaf.null(pointer, None))
    }

    #[inline]
    fn read_optional(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Option<Self>> {
        let Some((words, word)) = leaf.pointer(at)? else { return Ok(None) };
        Ok(words.data_of(word)?.map(|bytes| leaf.without_nul(bytes)))
    }
}

impl<'v> FieldValue<'v> for &'v [f32] {
    const NAME: &'static str = "&[f32]";

    fn fits(_: &Schema, ty: &Type) -> bool {
        matches!(ty, Type::List(element) if **element == Type::Float32)
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        Ok(Self::read_optional(leaf, at)?.unwrap_or(&[]))
    }

    #[inline]
    fn read_optional(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Option<Self>> {
        let Some((words, at)) = leaf.pointer(at)? else { return Ok(None) };
        let Some(list) = words.list_of(at, ElementSize::FourBytes)? else { return Ok(None) };
        match bytemuck::try_cast_slice(list.bytes()) {
            Ok(numbers) => Ok(Some(numbers)),
            Err(_) => Err(Malformed { word: at, expected: "numbers aligned to 4 bytes" }),
        }
    }
}

impl<'v, T: Element<'v>> FieldValue<'v> for List<'v, T> {
    const NAME: &'static str = "List";
    const IS_TEXT: bool = T::IS_TEXT;

    fn fits(schema: &Schema, ty: &Type) -> bool {
        matches!(ty, Type::List(element) if T::fits(schema, element))
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        Ok(Self::read_optional(leaf, at)?.unwrap_or(List::empty(leaf.schema, leaf.ty)))
    }

    #[inline]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        let list = <Self as FieldValue<'v>>::read(leaf, Some(cell.to_struct()?)).ok()?;
        Some(list.trusting(cell.texts()))
    }

    #[inline]
    fn read_optional_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Option<Self>> {
        let list = Self::read_optional(leaf, Some(cell.to_struct()?)).ok()?;
        Some(list.map(|list| list.trusting(cell.texts())))
    }

    #[inline]
    fn read_optional(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Option<Self>> {
        match leaf.pointer(at)? {
            Some((words, at)) => List::read(leaf.schema, leaf.ty, words, at),
            None => Ok(None),
        }
    }
}

impl<'v> FieldValue<'v> for Record<'v> {
    const NAME: &'static str = "Record";

    fn fits(_: &Schema, ty: &Type) -> bool {
        matches!(ty, Type::Struct(_))
    }

    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        match Self::read_optional(leaf, at)? {
            Some(record) => Ok(record),
            None => record(leaf, StructRef::empty()).ok_or(Malformed { word: 0, expected: "a struct type" }),
        }
    }

    fn read_optional(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Option<Self>> {
        match leaf.pointer(at)? {
            Some((words, at)) => Ok(words.struct_of(at)?.and_then(|at| record(leaf, at))),
            None => Ok(None),
        }
    }
}

fn record<'v>(leaf: &Leaf<'v>, at: StructRef<'v>) -> Option<Record<'v>> {
    let Type::Struct(id) = leaf.ty else { return None };
    Record::new(leaf.schema, *id, at).ok()
}

impl<'v, T: FieldValue<'v>> FieldValue<'v> for Option<T> {
    const NAME: &'static str = T::NAME;
    const OPTIONAL: bool = true;
    const IS_TEXT: bool = T::IS_TEXT;

    fn fits(schema: &Schema, ty: &Type) -> bool {
        T::fits(schema, ty)
    }

    fn fits_leaf(leaf: &Leaf<'v>) -> bool {
        T::fits_leaf(leaf)
    }

    fn lacks_option(leaf: &Leaf<'v>) -> Option<&'static str> {
        T::lacks_option(leaf)
    }

    #[inline]
    fn read_cell(leaf: &Leaf<'v>, cell: Cell<'_, 'v>) -> Option<Self> {
        T::read_optional_cell(leaf, cell)
    }

    #[inline]
    fn read(leaf: &Leaf<'v>, at: Option<StructRef<'v>>) -> Read<Self> {
        T::read_optional(leaf, at)
    }
}
