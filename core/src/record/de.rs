//! Deserializes records as any Rust type that derives `Deserialize`.
//!
//! Fields are found by JSON name. Null is an absent field: `None` for an `Option`, serde's "missing field" otherwise.
//! Texts and data are borrowed if the type borrows. An enum is a unit variant of its JSON name. A union is a Rust
//! enum whose variants are the members: a struct or group with a union, asked to be an enum, gives the active member;
//! a struct that has fields beside its unnamed union takes the latter by `#[serde(flatten)]`. Lists annotated as maps
//! become maps, or sequences of entries if the type asks for a sequence. A Text annotated as JSON is the value that it
//! holds, or if it holds none, a text. Numbers are checked to fit.

use std::cell::Cell;

use serde::Deserializer;
use serde::de::{Deserialize, Error as _, IntoDeserializer, Unexpected, Visitor, value::BorrowedStrDeserializer};
use serde::forward_to_deserialize_any;

use super::path_error::{PathError, PathResult};
use super::{Budget, ListValue, Record, ValueRef, deeper};
use crate::error::{Error, Result};
use crate::record::json::is_json;

mod access;
#[cfg(test)]
pub(super) mod tests;

use access::{Bytes, Elements, Entries, Member, Members};

impl<'v> Record<'v> {
    /// Returns this record as a Rust value, within the default budget.
    ///
    /// # Errors
    /// `Invalid`, with the path of the field, if the type does not fit; otherwise as
    /// [`Record::write_json`](Record::write_json).
    pub fn deserialize<T: Deserialize<'v>>(&self) -> Result<T> {
        self.deserialize_within(&mut Budget::default())
    }

    /// Returns this record as a Rust value, within a budget.
    ///
    /// # Errors
    /// As [`Record::deserialize`].
    pub fn deserialize_within<T: Deserialize<'v>>(&self, budget: &mut Budget) -> Result<T> {
        let spent = Cell::new(*budget);
        let root = self.struct_type().name.as_str();
        let out = T::deserialize(Walk { value: ValueRef::Struct(*self), budget: &spent, depth: 0, root });
        *budget = spent.get();
        out.map_err(|e| e.into_error(root))
    }
}

/// A value that serde asks for, somewhere in a record.
#[derive(Clone, Copy)]
struct Walk<'de, 'b> {
    value: ValueRef<'de>,
    budget: &'b Cell<Budget>,
    /// Depth of the value that holds this one; 0 for the record itself.
    depth: u32,
    /// Type of the record, for errors.
    root: &'de str,
}

impl<'de> Walk<'de, '_> {
    /// Deserializes another value, within this one.
    fn within(self, value: ValueRef<'de>, depth: u32) -> Self {
        Self { value, depth, ..self }
    }

    fn spend(self, elements: u64) -> PathResult<()> {
        let mut budget = self.budget.get();
        let out = budget.spend(elements, self.root);
        self.budget.set(budget);
        Ok(out?)
    }

    fn spend_bytes(self, size: usize) -> PathResult<()> {
        let mut budget = self.budget.get();
        let out = budget.spend_bytes(size, self.root);
        self.budget.set(budget);
        Ok(out?)
    }

    /// Pays for all fields of a struct; the depth of what lies in it.
    fn enter_record(self, record: Record<'de>) -> PathResult<u32> {
        self.spend(record.struct_type().fields.len() as u64)?;
        Ok(deeper(self.depth, self.root)?)
    }

    /// Pays for all items of a list; the depth of what lies in it.
    fn enter_list(self, list: ListValue<'de>) -> PathResult<u32> {
        self.spend(u64::from(list.len()))?;
        Ok(deeper(self.depth, self.root)?)
    }

    fn record<V: Visitor<'de>>(self, record: Record<'de>, visitor: V) -> PathResult<V::Value> {
        let depth = self.enter_record(record)?;
        visitor.visit_map(Members::new(self, record.fields(), depth))
    }

    fn list<V: Visitor<'de>>(self, list: ListValue<'de>, visitor: V) -> PathResult<V::Value> {
        let depth = self.enter_list(list)?;
        let mut elements = Elements::new(self, list.iter(), depth);
        let out = visitor.visit_seq(&mut elements)?;
        match elements.left() {
            0 => Ok(out),
            left => Err(PathError::message(format!("list too long: len={} unread={left}", list.len()))),
        }
    }

    /// Visits the JSON value that a text holds.
    fn json<V: Visitor<'de>>(self, text: &'de str, visitor: V) -> PathResult<V::Value> {
        self.spend_bytes(text.len())?;
        if !is_json(text, self.depth) {
            return visitor.visit_borrowed_str(text);
        }
        serde_json::Deserializer::from_str(text).deserialize_any(visitor).map_err(PathError::custom)
    }

    /// Visits a list as a map, if it is annotated as one.
    fn map_or_list<V: Visitor<'de>>(self, list: ListValue<'de>, visitor: V) -> PathResult<V::Value> {
        let Some(fields) = list.map_fields() else { return self.list(list, visitor) };
        let depth = self.enter_list(list)?;
        visitor.visit_map(Entries::new(self, list.iter(), fields, depth))
    }
}

impl<'de> Deserializer<'de> for Walk<'de, '_> {
    type Error = PathError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> PathResult<V::Value> {
        match self.value {
            ValueRef::Null => visitor.visit_none(),
            ValueRef::Void => visitor.visit_unit(),
            ValueRef::Bool(value) => visitor.visit_bool(value),
            ValueRef::Int(value) => visitor.visit_i64(value),
            ValueRef::UInt(value) => visitor.visit_u64(value),
            ValueRef::Float32(value) => visitor.visit_f32(value),
            ValueRef::Float64(value) => visitor.visit_f64(value),
            ValueRef::Text(text) => {
                self.spend_bytes(text.len())?;
                visitor.visit_borrowed_str(text)
            }
            ValueRef::Json(text) => self.json(text, visitor),
            ValueRef::Data(bytes) => {
                self.spend_bytes(bytes.len())?;
                visitor.visit_borrowed_bytes(bytes)
            }
            ValueRef::Enum { value, .. } => match self.value.as_str() {
                Some(name) => visitor.visit_borrowed_str(name),
                None => visitor.visit_u16(value),
            },
            ValueRef::List(list) => self.map_or_list(list, visitor),
            ValueRef::Struct(record) => self.record(record, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> PathResult<V::Value> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> PathResult<V::Value> {
        if self.value.is_null() { visitor.visit_unit() } else { self.deserialize_any(visitor) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> PathResult<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> PathResult<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> PathResult<V::Value> {
        match self.value {
            ValueRef::List(list) => self.list(list, visitor),
            // A Vec<u8>.
            ValueRef::Data(bytes) => {
                self.spend(bytes.len() as u64)?;
                let mut bytes = Bytes::new(bytes);
                let out = visitor.visit_seq(&mut bytes)?;
                bytes.end()?;
                Ok(out)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> PathResult<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> PathResult<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> PathResult<V::Value> {
        match self.value {
            ValueRef::Text(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
            ValueRef::Json(text) if is_json(text, self.depth) => {
                self.spend_bytes(text.len())?;
                let mut json = serde_json::Deserializer::from_str(text);
                json.deserialize_enum(name, variants, visitor).map_err(PathError::custom)
            }
            ValueRef::Enum { value, .. } => match self.value.as_str() {
                Some(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
                None => Err(PathError::message(format!("enumerant that the schema does not know: value={value}"))),
            },
            ValueRef::Struct(record) if record.struct_type().discriminant_count > 0 => {
                let depth = self.enter_record(record)?;
                let Some(member) = record.active_member() else {
                    let value = record.discriminant();
                    return Err(PathError::message(format!("union member that the schema does not know: {value}")));
                };
                let value = record.value(member)?;
                let name = member.json_name();
                visitor.visit_enum(Member::new(name, self.within(value, depth))).map_err(|e| e.within_field(name))
            }
            other => Err(PathError::invalid_type(Unexpected::Other(other.kind_name()), &"an enum or a union")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> PathResult<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf map struct identifier
    }
}

/// Runs a method of [`Walk`] with a default budget, from a value outside of any walk.
macro_rules! walk {
    ($($method:ident($($arg:ident: $ty:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $ty,)* visitor: V) -> Result<V::Value> {
            let value = ValueRef::from(self);
            let root = value.as_record().map_or("value", |record| record.struct_type().name.as_str());
            let budget = Cell::new(Budget::default());
            Walk { value, budget: &budget, depth: 0, root }.$method($($arg,)* visitor).map_err(|e| e.into_error(root))
        }
    )*};
}

macro_rules! deserializer {
    ($ty:ident) => {
        /// Within the default budget.
        impl<'de> Deserializer<'de> for $ty<'de> {
            type Error = Error;

            walk! {
                deserialize_any();
                deserialize_option();
                deserialize_unit();
                deserialize_unit_struct(name: &'static str);
                deserialize_newtype_struct(name: &'static str);
                deserialize_seq();
                deserialize_tuple(len: usize);
                deserialize_tuple_struct(name: &'static str, len: usize);
                deserialize_enum(name: &'static str, variants: &'static [&'static str]);
                deserialize_ignored_any();
            }

            forward_to_deserialize_any! {
                bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf map struct
                identifier
            }
        }

        impl<'de> IntoDeserializer<'de, Error> for $ty<'de> {
            type Deserializer = Self;

            fn into_deserializer(self) -> Self {
                self
            }
        }
    };
}

deserializer!(Record);
deserializer!(ValueRef);

impl<'v> From<Record<'v>> for ValueRef<'v> {
    fn from(record: Record<'v>) -> Self {
        Self::Struct(record)
    }
}
