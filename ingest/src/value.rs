//! A record that no generated code knows, on its way into a segment: what JSON lines and serde values become first.
//!
//! [`Value::from_json`] reads one JSON text, [`Value::from_serde`] any type that derives `Serialize`.

use std::borrow::Cow;

mod json;
mod names;
mod ser;

pub(crate) use json::{Seed, TWO_POW_63};
pub(crate) use names::duplicate;

/// A value of any type, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that is negative or was signed.
    Int(i64),
    /// An integer that was unsigned.
    UInt(u64),
    /// A single-precision number.
    Float32(f32),
    /// A double-precision number.
    Float64(f64),
    /// Text; also an enumerant, by name.
    Text(String),
    /// Bytes.
    Data(Vec<u8>),
    /// Elements in order.
    List(Vec<Value>),
    /// Members in order, by their JSON (or Rust) names, each name once.
    Struct(Vec<(Cow<'static, str>, Value)>),
    /// A map whose keys are not known to be names.
    Map(Vec<(Value, Value)>),
    /// A variant of a Rust enum: its name and what it holds (`Null` for a unit variant).
    Variant(Cow<'static, str>, Box<Value>),
}
