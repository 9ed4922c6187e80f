//! Values that can be looked up as a key.

use std::fmt;

/// One part of a key that is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPart<'a> {
    /// For Bool fields.
    Bool(bool),
    /// For integer fields of any width.
    Int(i128),
    /// For Text fields.
    Text(&'a str),
    /// For Data fields.
    Data(&'a [u8]),
}

/// A value that can be looked up as a primary key: an integer, Bool, text, bytes, or a tuple of them.
pub trait Key {
    /// Hands the parts to a function.
    fn with_parts<R>(&self, f: impl FnOnce(&[KeyPart<'_>]) -> R) -> R;
}

/// A value that can be a part of a key.
pub trait AsKeyPart {
    /// Returns the part.
    fn as_key_part(&self) -> KeyPart<'_>;
}

macro_rules! integer_keys {
    ($($ty:ty),*) => {$(
        impl AsKeyPart for $ty {
            #[inline]
            fn as_key_part(&self) -> KeyPart<'_> {
                KeyPart::Int(i128::from(*self))
            }
        }
    )*};
}
integer_keys!(i8, i16, i32, i64, u8, u16, u32, u64);

impl AsKeyPart for bool {
    fn as_key_part(&self) -> KeyPart<'_> {
        KeyPart::Bool(*self)
    }
}

impl AsKeyPart for str {
    fn as_key_part(&self) -> KeyPart<'_> {
        KeyPart::Text(self)
    }
}

impl AsKeyPart for String {
    fn as_key_part(&self) -> KeyPart<'_> {
        KeyPart::Text(self)
    }
}

impl AsKeyPart for [u8] {
    fn as_key_part(&self) -> KeyPart<'_> {
        KeyPart::Data(self)
    }
}

impl AsKeyPart for KeyPart<'_> {
    fn as_key_part(&self) -> KeyPart<'_> {
        *self
    }
}

impl<T: AsKeyPart + ?Sized> AsKeyPart for &T {
    #[inline]
    fn as_key_part(&self) -> KeyPart<'_> {
        (**self).as_key_part()
    }
}

impl<T: AsKeyPart + ?Sized> Key for T {
    #[expect(clippy::inline_always, reason = "what is done with one part is the whole of a lookup")]
    #[inline(always)]
    fn with_parts<R>(&self, f: impl FnOnce(&[KeyPart<'_>]) -> R) -> R {
        f(&[self.as_key_part()])
    }
}

impl<A: AsKeyPart, B: AsKeyPart> Key for (A, B) {
    #[inline]
    fn with_parts<R>(&self, f: impl FnOnce(&[KeyPart<'_>]) -> R) -> R {
        f(&[self.0.as_key_part(), self.1.as_key_part()])
    }
}

impl<A: AsKeyPart, B: AsKeyPart, C: AsKeyPart> Key for (A, B, C) {
    #[inline]
    fn with_parts<R>(&self, f: impl FnOnce(&[KeyPart<'_>]) -> R) -> R {
        f(&[self.0.as_key_part(), self.1.as_key_part(), self.2.as_key_part()])
    }
}

/// Any number of parts.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a>(pub &'a [KeyPart<'a>]);

impl Key for KeyParts<'_> {
    #[inline]
    fn with_parts<R>(&self, f: impl FnOnce(&[KeyPart<'_>]) -> R) -> R {
        f(self.0)
    }
}

impl fmt::Display for KeyPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(v) => v.fmt(f),
            Self::Int(v) => v.fmt(f),
            Self::Text(v) => write!(f, "{v:?}"),
            Self::Data(v) => write!(f, "{v:02x?}"),
        }
    }
}
