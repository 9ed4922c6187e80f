//! Deserializes a Rust type from a source that notes what the type asks for.

use std::any::type_name;

use serde::de::{Deserializer, Visitor};

use super::access::{Elements, Entries, Members, Variant};
use super::halt::Halt;
use super::trace::{Trace, TraceId, Traces};
use kapok_core::schema::Type;

/// Texts to try in turn on types that are texts of some form.
const TEXTS: [&str; 10] = [
    "a",
    "",
    "1",
    "2000-01-01T00:00:00Z",
    "2000-01-01",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "::1",
    "http://a.b/",
];

/// Stands for the data at one place of the type.
pub(super) struct Probe<'t> {
    pub(super) traces: &'t mut Traces,
    pub(super) at: TraceId,
}

macro_rules! plain {
    ($($method:ident $ty:ident $visit:ident $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
            self.traces.note(self.at, Trace::Plain(Type::$ty), type_name::<V::Value>())?;
            visitor.$visit($value)
        }
    )*};
}

macro_rules! refused {
    ($($method:ident $what:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Halt> {
            Err(self.traces.refuse($what, type_name::<V::Value>()))
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Halt;

    plain! {
        deserialize_bool Bool visit_bool false;
        deserialize_i8 Int8 visit_i8 1;
        deserialize_i16 Int16 visit_i16 1;
        deserialize_i32 Int32 visit_i32 1;
        deserialize_i64 Int64 visit_i64 1;
        deserialize_u8 UInt8 visit_u8 1;
        deserialize_u16 UInt16 visit_u16 1;
        deserialize_u32 UInt32 visit_u32 1;
        deserialize_u64 UInt64 visit_u64 1;
        deserialize_f32 Float32 visit_f32 1.0;
        deserialize_f64 Float64 visit_f64 1.0;
        deserialize_char Text visit_char 'a';
        deserialize_bytes Data visit_bytes &[];
        deserialize_byte_buf Data visit_byte_buf Vec::new();
    }

    refused! {
        deserialize_i128 "a 128-bit integer";
        deserialize_u128 "a 128-bit integer";
        deserialize_any "a type that takes anything (untagged or internally tagged enum, any JSON)";
        deserialize_ignored_any "a type that takes anything";
        deserialize_identifier "a struct that names its fields as it goes (serde flatten)";
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        self.traces.note(self.at, Trace::Plain(Type::Void), type_name::<V::Value>())?;
        visitor.visit_unit()
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        self.traces.note(self.at, Trace::Plain(Type::Text), type_name::<V::Value>())?;
        let refused = self.traces.refused_texts.entry(self.at).or_default();
        let out = visitor.visit_borrowed_str(TEXTS[*refused]);
        if out.is_err() && *refused + 1 < TEXTS.len() {
            *refused += 1;
            self.traces.steps += 1;
        }
        out
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        let held = match self.traces.places[self.at] {
            Trace::Option(held) => held,
            _ => self.traces.push(),
        };
        self.traces.note(self.at, Trace::Option(held), type_name::<V::Value>())?;
        if self.traces.is_complete(held) {
            return visitor.visit_none();
        }
        visitor.visit_some(Probe { traces: self.traces, at: held })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Halt> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Halt> {
        if name.starts_with('$') {
            return Err(self.traces.refuse("a type that only one format knows", type_name::<V::Value>()));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Halt> {
        let element = self.list(type_name::<V::Value>())?;
        let count = usize::from(!self.traces.is_complete(element));
        visitor.visit_seq(Elements { traces: self.traces, element, count })
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, count: usize, visitor: V) -> Result<V::Value, Halt> {
        if count == 0 {
            return Err(self.traces.refuse("a tuple of no elements", type_name::<V::Value>()));
        }
        let element = self.list(type_name::<V::Value>())?;
        visitor.visit_seq(Elements { traces: self.traces, element, count })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Halt> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Halt> {
        let (key, value) = match self.traces.places[self.at] {
            Trace::Map(key, value) => (key, value),
            _ => (self.traces.push(), self.traces.push()),
        };
        self.traces.note(self.at, Trace::Map(key, value), type_name::<V::Value>())?;
        let count = usize::from(!self.traces.is_complete(key) || !self.traces.is_complete(value));
        visitor.visit_map(Entries { traces: self.traces, key, value, count })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Halt> {
        let rust_type = type_name::<V::Value>();
        if name.starts_with('$') {
            return Err(self.traces.refuse("a type that only one format knows", rust_type));
        }
        let index = self.traces.struct_trace(name, rust_type, fields);
        self.traces.note(self.at, Trace::Struct(index), rust_type)?;
        if self.traces.open.contains(&index) {
            return Err(Halt::Stop);
        }
        self.traces.open.push(index);
        let mut members = Members::new(self.traces, index);
        let out = visitor.visit_map(&mut members);
        members.traces.open.pop();
        match out {
            Err(Halt::Duplicate(own_name)) => Err(members.note_alias(own_name)),
            out => out,
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Halt> {
        let rust_type = type_name::<V::Value>();
        let index = self.traces.enum_trace(name, rust_type, variants);
        self.traces.note(self.at, Trace::Enum(index), rust_type)?;
        let explored = self.traces.enums[index].explored;
        let Some(name) = variants.get(explored).or(variants.first()) else {
            return Err(self.traces.refuse("an enum without variants", rust_type));
        };
        visitor.visit_enum(Variant { traces: self.traces, index, name, rust_type })
    }
}

impl Probe<'_> {
    fn list(&mut self, rust_type: &str) -> Result<TraceId, Halt> {
        let element = match self.traces.places[self.at] {
            Trace::List(element) => element,
            _ => self.traces.push(),
        };
        self.traces.note(self.at, Trace::List(element), rust_type)?;
        Ok(element)
    }
}
