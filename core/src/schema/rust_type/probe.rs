//! How does a Rust type tell what it is made of? It is deserialized from a source that notes what it asks for.

use std::any::type_name;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::trace::{Trace, TraceId, Traces};
use crate::schema::Type;

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

/// Why a run ended early.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nothing more to learn here in this run.
    Stop,
    /// The type met a field twice, this one by its own name.
    Duplicate(&'static str),
    /// The type refused a value.
    Message(String),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("nothing more to learn"),
            Self::Duplicate(name) => write!(f, "duplicate field {name:?}"),
            Self::Message(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Halt {}

impl serde::de::Error for Halt {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Duplicate(field)
    }
}

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
        let held = match self.traces.traces[self.at] {
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
        let (key, value) = match self.traces.traces[self.at] {
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
        let Some(variant) = variants.get(explored).or(variants.first()) else {
            return Err(self.traces.refuse("an enum without variants", rust_type));
        };
        visitor.visit_enum(Variant { traces: self.traces, index, variant, rust_type })
    }
}

impl Probe<'_> {
    fn list(&mut self, rust_type: &str) -> Result<TraceId, Halt> {
        let element = match self.traces.traces[self.at] {
            Trace::List(element) => element,
            _ => self.traces.push(),
        };
        self.traces.note(self.at, Trace::List(element), rust_type)?;
        Ok(element)
    }
}

/// Elements of a sequence or tuple, which share one place.
struct Elements<'t> {
    traces: &'t mut Traces,
    element: TraceId,
    count: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Halt;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Halt> {
        if self.count == 0 {
            return Ok(None);
        }
        self.count -= 1;
        seed.deserialize(Probe { traces: self.traces, at: self.element }).map(Some)
    }
}

/// Entries of a map: one, or none where it has nothing to tell.
struct Entries<'t> {
    traces: &'t mut Traces,
    key: TraceId,
    value: TraceId,
    count: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Halt;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Halt> {
        if self.count == 0 {
            return Ok(None);
        }
        self.count -= 1;
        seed.deserialize(Probe { traces: self.traces, at: self.key }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Halt> {
        seed.deserialize(Probe { traces: self.traces, at: self.value })
    }
}

/// Members of a struct: what is least known comes first, since a value that is refused ends the run.
struct Members<'t> {
    traces: &'t mut Traces,
    index: usize,
    /// Names to come, the next one last.
    queue: Vec<(&'static str, TraceId)>,
    current: (&'static str, TraceId),
}

impl<'t> Members<'t> {
    fn new(traces: &'t mut Traces, index: usize) -> Self {
        let ty = &traces.structs[index];
        let mut queue: Vec<_> = ty.fields.iter().copied().filter(|(name, _)| !ty.aliases.contains(name)).collect();
        queue.sort_by_key(|(name, at)| (!ty.leaders.contains(name), traces.is_complete(*at)));
        queue.reverse();
        Self { traces, index, queue, current: ("", 0) }
    }

    /// The type met the field `own_name` a second time, under the current name.
    fn note_alias(&mut self, own_name: &'static str) -> Halt {
        let ty = &mut self.traces.structs[self.index];
        let is_new =
            if self.current.0 == own_name { ty.leaders.insert(own_name) } else { ty.aliases.insert(self.current.0) };
        self.traces.steps += u64::from(is_new);
        Halt::Stop
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_> {
    type Error = Halt;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Halt> {
        let Some(current) = self.queue.pop() else { return Ok(None) };
        self.current = current;
        let key = seed.deserialize(BorrowedStrDeserializer::<Halt>::new(current.0))?;
        // The enum that derived code reads names into: aliases give the same variant.
        if type_name::<K::Value>().ends_with("__Field") {
            let mut hasher = DefaultHasher::new();
            discriminant(&key).hash(&mut hasher);
            self.traces.structs[self.index].meanings.insert(current.0, hasher.finish());
        }
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Halt> {
        let (name, at) = self.current;
        self.traces.path.push(name);
        let out = seed.deserialize(Probe { traces: self.traces, at });
        self.traces.path.pop();
        out
    }
}

/// A variant that should hold nothing.
struct Variant<'t> {
    traces: &'t mut Traces,
    index: usize,
    variant: &'static str,
    rust_type: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Halt;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Halt> {
        let variant = seed.deserialize(BorrowedStrDeserializer::<Halt>::new(self.variant))?;
        Ok((variant, self))
    }
}

impl Variant<'_> {
    fn refuse<T>(self) -> Result<T, Halt> {
        Err(self.traces.refuse(&format!("an enum whose variant {} holds data", self.variant), self.rust_type))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Halt;

    fn unit_variant(self) -> Result<(), Halt> {
        let ty = &mut self.traces.enums[self.index];
        if ty.variants.get(ty.explored) == Some(&self.variant) {
            ty.explored += 1;
            self.traces.steps += 1;
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Halt> {
        self.refuse()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Halt> {
        self.refuse()
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Halt> {
        self.refuse()
    }
}
