//! Members of a value that stands for a struct.

use std::borrow::Cow;

use super::mismatch::mismatch;
use crate::Value;
use kapok_core::Result;

/// Members of a struct, borrowed from its value.
#[derive(Clone, Copy)]
pub(super) enum Members<'v> {
    /// An absent group's.
    None,
    Named(&'v [(Cow<'static, str>, Value)]),
    Keyed(&'v [(Value, Value)]),
    /// The one member of a union that a variant names.
    Variant(&'v str, &'v Value),
}

impl<'v> Members<'v> {
    /// Returns the members of a value; `None` if it cannot be a struct.
    pub(super) fn of(value: &'v Value) -> Option<Self> {
        match value {
            Value::Struct(members) => Some(Self::Named(members)),
            Value::Map(entries) => Some(Self::Keyed(entries)),
            Value::Variant(name, payload) => Some(Self::Variant(name, payload)),
            _ => None,
        }
    }

    pub(super) fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Named(members) => members.len(),
            Self::Keyed(entries) => entries.len(),
            Self::Variant(..) => 1,
        }
    }

    /// Returns the name of the member at an index below [`Members::len`].
    ///
    /// # Errors
    /// `Invalid` if it is no text.
    #[inline]
    pub(super) fn name(self, index: usize) -> Result<&'v str> {
        match self {
            Self::Keyed(entries) => match &entries[index].0 {
                Value::Text(name) => Ok(name),
                other => Err(mismatch("text for the name of a field", other)),
            },
            Self::Named(members) => Ok(&members[index].0),
            Self::Variant(name, _) => Ok(name),
            Self::None => Ok(""),
        }
    }

    /// Returns the member at an index.
    #[inline]
    pub(super) fn value(self, index: usize) -> Option<&'v Value> {
        match self {
            Self::None => None,
            Self::Named(members) => members.get(index).map(|(_, value)| value),
            Self::Keyed(entries) => entries.get(index).map(|(_, value)| value),
            Self::Variant(_, payload) => (index == 0).then_some(payload),
        }
    }
}
