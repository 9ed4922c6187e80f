//! Serializes any Rust type that derives `Serialize` as a value.
//!
//! | Rust | value |
//! |---|---|
//! | struct | `Struct`, by the names that serde gives the fields |
//! | map, struct with flattened fields | `Map`, in the map's own order |
//! | `None`, `()`, unit struct | `Null` |
//! | `Some`, newtype struct | what it holds |
//! | sequence, tuple | `List` |
//! | enum | `Variant`; its payload is `Null`, the one value, a `List` or a `Struct` |
//! | bytes (`serde_bytes`) | `Data` |
//! | `char` | `Text` |

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant, Serializer,
};

use super::Value;
use super::names::duplicate;
use kapok_core::Result;
use kapok_core::record::{PathError, PathResult, deeper};

#[cfg(test)]
mod tests;

impl Value {
    /// Serializes a Rust value as a record or field value.
    ///
    /// # Errors
    /// `Invalid`, with the path of the field, for 128-bit integers, for maps whose keys are not texts, integers or
    /// Bools or occur twice, and for what the type's own `Serialize` refuses; [`Fault::Limit`](kapok_core::Fault::Limit)
    /// if it nests too deep.
    pub fn from_serde<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        value.serialize(Depth(0)).map_err(|e| e.into_error(std::any::type_name::<T>()))
    }
}

/// A serializer, within `depth` structs, lists and maps.
#[derive(Clone, Copy)]
struct Depth(u32);

impl Depth {
    fn deeper(self) -> PathResult<Self> {
        Ok(Self(deeper(self.0, "value")?))
    }
}

/// A sequence or tuple that is being serialized.
struct Elements {
    values: Vec<Value>,
    variant: Option<&'static str>,
    depth: Depth,
}

/// A struct that is being serialized.
struct Members {
    values: Vec<(Cow<'static, str>, Value)>,
    variant: Option<&'static str>,
    depth: Depth,
}

/// A map that is being serialized.
struct Entries {
    values: Vec<(Value, Value)>,
    key: Option<Value>,
    depth: Depth,
}

fn variant(name: &'static str, payload: Value) -> Value {
    Value::Variant(Cow::Borrowed(name), Box::new(payload))
}

fn refused<T>(ty: &str) -> PathResult<T> {
    Err(PathError::message(format!("{ty} has no Cap'n Proto type; use a 64-bit integer, text or bytes")))
}

impl Elements {
    fn new(depth: Depth, len: Option<usize>, variant: Option<&'static str>) -> PathResult<Self> {
        // Lengths may be made up.
        let values = Vec::with_capacity(len.unwrap_or_default().min(1 << 10));
        Ok(Self { values, variant, depth: depth.deeper()? })
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> PathResult<()> {
        let value = value.serialize(self.depth).map_err(|e| e.within_item(self.values.len()))?;
        self.values.push(value);
        Ok(())
    }

    fn end(self) -> Value {
        let list = Value::List(self.values);
        match self.variant {
            Some(name) => variant(name, list),
            None => list,
        }
    }
}

impl Members {
    fn new(depth: Depth, len: usize, variant: Option<&'static str>) -> PathResult<Self> {
        Ok(Self { values: Vec::with_capacity(len.min(1 << 10)), variant, depth: depth.deeper()? })
    }

    fn push<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> PathResult<()> {
        let value = value.serialize(self.depth).map_err(|e| e.within_field(name))?;
        self.values.push((Cow::Borrowed(name), value));
        Ok(())
    }

    fn end(self) -> PathResult<Value> {
        if let Some(name) = duplicate(self.values.iter().map(|(name, _)| name.as_ref())) {
            return Err(PathError::message(format!("duplicate field {name:?}")));
        }
        let members = Value::Struct(self.values);
        Ok(match self.variant {
            Some(name) => variant(name, members),
            None => members,
        })
    }
}

impl Serializer for Depth {
    type Ok = Value;
    type Error = PathError;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Elements;
    type SerializeMap = Entries;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    fn serialize_bool(self, value: bool) -> PathResult<Value> {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> PathResult<Value> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i16(self, value: i16) -> PathResult<Value> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i32(self, value: i32) -> PathResult<Value> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i64(self, value: i64) -> PathResult<Value> {
        Ok(Value::Int(value))
    }

    fn serialize_i128(self, _value: i128) -> PathResult<Value> {
        refused("i128")
    }

    fn serialize_u8(self, value: u8) -> PathResult<Value> {
        Ok(Value::UInt(value.into()))
    }

    fn serialize_u16(self, value: u16) -> PathResult<Value> {
        Ok(Value::UInt(value.into()))
    }

    fn serialize_u32(self, value: u32) -> PathResult<Value> {
        Ok(Value::UInt(value.into()))
    }

    fn serialize_u64(self, value: u64) -> PathResult<Value> {
        Ok(Value::UInt(value))
    }

    fn serialize_u128(self, _value: u128) -> PathResult<Value> {
        refused("u128")
    }

    fn serialize_f32(self, value: f32) -> PathResult<Value> {
        Ok(Value::Float32(value))
    }

    fn serialize_f64(self, value: f64) -> PathResult<Value> {
        Ok(Value::Float64(value))
    }

    fn serialize_char(self, value: char) -> PathResult<Value> {
        Ok(Value::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> PathResult<Value> {
        Ok(Value::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> PathResult<Value> {
        Ok(Value::Data(value.to_vec()))
    }

    fn serialize_none(self) -> PathResult<Value> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> PathResult<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> PathResult<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> PathResult<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, name: &'static str) -> PathResult<Value> {
        Ok(variant(name, Value::Null))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> PathResult<Value> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        name: &'static str,
        value: &T,
    ) -> PathResult<Value> {
        let payload = value.serialize(self.deeper()?).map_err(|e| e.within_field(name))?;
        Ok(variant(name, payload))
    }

    fn serialize_seq(self, len: Option<usize>) -> PathResult<Elements> {
        Elements::new(self, len, None)
    }

    fn serialize_tuple(self, len: usize) -> PathResult<Elements> {
        Elements::new(self, Some(len), None)
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> PathResult<Elements> {
        Elements::new(self, Some(len), None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        name: &'static str,
        len: usize,
    ) -> PathResult<Elements> {
        Elements::new(self, Some(len), Some(name))
    }

    fn serialize_map(self, len: Option<usize>) -> PathResult<Entries> {
        let values = Vec::with_capacity(len.unwrap_or_default().min(1 << 10));
        Ok(Entries { values, key: None, depth: self.deeper()? })
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> PathResult<Members> {
        Members::new(self, len, None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        name: &'static str,
        len: usize,
    ) -> PathResult<Members> {
        Members::new(self, len, Some(name))
    }
}

/// Sequences and tuples of every kind push elements and end.
macro_rules! elements {
    ($($ty:ident::$push:ident;)*) => {$(
        impl $ty for Elements {
            type Ok = Value;
            type Error = PathError;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> PathResult<()> {
                self.push(value)
            }

            fn end(self) -> PathResult<Value> {
                Ok(self.end())
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// Structs and struct variants push fields and end.
macro_rules! members {
    ($($ty:ident)*) => {$(
        impl $ty for Members {
            type Ok = Value;
            type Error = PathError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> PathResult<()> {
                self.push(name, value)
            }

            fn end(self) -> PathResult<Value> {
                self.end()
            }
        }
    )*};
}

members! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = PathError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> PathResult<()> {
        let key = match key.serialize(self.depth)? {
            key @ (Value::Text(_) | Value::Bool(_) | Value::Int(_) | Value::UInt(_)) => key,
            Value::Variant(name, payload) if *payload == Value::Null => Value::Text(name.into_owned()),
            _ => return Err(PathError::message("a map's keys must be texts, integers or Bools")),
        };
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> PathResult<()> {
        let Some(key) = self.key.take() else {
            return Err(PathError::message("a map gave a value before its key"));
        };
        let value = match value.serialize(self.depth) {
            Ok(value) => value,
            Err(e) => return Err(if let Value::Text(name) = &key { e.within_field(name) } else { e }),
        };
        self.values.push((key, value));
        Ok(())
    }

    fn end(self) -> PathResult<Value> {
        let texts: Vec<&str> = self
            .values
            .iter()
            .filter_map(|(key, _)| if let Value::Text(name) = key { Some(name.as_str()) } else { None })
            .collect();
        if let Some(name) = duplicate(texts.into_iter()) {
            return Err(PathError::message(format!("duplicate key {name:?} in a map")));
        }
        Ok(Value::Map(self.values))
    }
}
