//! The type that holds all the numbers of a field exactly.

use super::misfit::{Fit, Misfit};
use crate::Value;
use kapok_core::schema::Type;

/// Integers up to here are exact in a [`Type::Float64`].
pub(super) const EXACT_IN_FLOAT64: u64 = 1 << 53;
/// Integers up to here are exact in a [`Type::Float32`].
pub(super) const EXACT_IN_FLOAT32: u64 = 1 << 24;

/// Types of integers in new fields, from the narrowest.
const SIGNED: [Type; 4] = [Type::Int8, Type::Int16, Type::Int32, Type::Int64];
/// Types of integers that are not negative, from the narrowest.
const UNSIGNED: [Type; 4] = [Type::UInt8, Type::UInt16, Type::UInt32, Type::UInt64];
/// How many times the integers seen a narrow type must hold, so that data may grow.
const ROOM: i128 = 4;

/// What was seen of a field's numbers: the first line of each kind that narrows the choice, and the extremes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub(super) float: Option<u64>,
    /// An integer that a float would round.
    pub(super) inexact: Option<u64>,
    /// An integer beyond Int64.
    beyond_signed: Option<u64>,
    pub(super) negative: Option<u64>,
    extremes: Extremes,
}

/// The least and the greatest integer of a field, 0 among them.
#[derive(Clone, Copy, Debug, Default)]
struct Extremes {
    least: i64,
    greatest: u64,
}

/// A known field of integers that is to become wider.
#[derive(Clone, Debug)]
pub(super) struct Wider {
    known: Type,
    /// Those of the integers beyond the known type.
    extremes: Extremes,
    pub(super) ty: Type,
}

impl Numbers {
    /// Takes one more number.
    pub(super) fn join(&mut self, value: &Value, line: u64) -> Fit {
        self.extremes.join(value);
        match *value {
            Value::Float32(_) | Value::Float64(_) => {
                self.float.get_or_insert(line);
            }
            Value::Int(v) => {
                if v < 0 {
                    self.negative.get_or_insert(line);
                }
                if v.unsigned_abs() > EXACT_IN_FLOAT64 {
                    self.inexact.get_or_insert(line);
                }
            }
            Value::UInt(v) => {
                if i64::try_from(v).is_err() {
                    self.beyond_signed.get_or_insert(line);
                }
                if v > EXACT_IN_FLOAT64 {
                    self.inexact.get_or_insert(line);
                }
            }
            _ => {}
        }
        if let (Some(float), Some(inexact)) = (self.float, self.inexact) {
            return Err(Misfit::new(format!(
                "mixed types: float line={float}, integer beyond 2^53 line={inexact}; no number type holds both exactly"
            )));
        }
        if let (Some(beyond), Some(negative)) = (self.beyond_signed, self.negative) {
            return Err(Misfit::new(format!(
                "mixed types: integer beyond Int64 line={beyond}, negative integer line={negative}; \
                 no integer type holds both"
            )));
        }
        Ok(())
    }

    pub(super) fn ty(&self, compact: bool) -> Type {
        if self.float.is_some() {
            Type::Float64
        } else if self.beyond_signed.is_some() {
            Type::UInt64
        } else if compact {
            self.extremes.narrowest_of(&SIGNED).unwrap_or(Type::Int64)
        } else {
            Type::Int64
        }
    }

    /// Returns the greatest integer that leaves [`Self::ty`] as it is.
    pub(super) fn integer_max(&self, compact: bool) -> u64 {
        if compact { self.exact_max().min(greatest_with_room(&self.ty(compact))) } else { self.exact_max() }
    }

    /// Returns the largest magnitude of a negative integer that leaves [`Self::ty`] as it is, if it takes any.
    pub(super) fn negative_max(&self, compact: bool) -> u64 {
        if compact { self.exact_max().min(negative_with_room(&self.ty(compact))) } else { self.exact_max() }
    }

    fn exact_max(&self) -> u64 {
        if self.inexact.is_some() { u64::MAX } else { EXACT_IN_FLOAT64 }
    }
}

impl Extremes {
    fn join(&mut self, value: &Value) {
        match *value {
            Value::Int(v) => {
                self.least = self.least.min(v);
                self.greatest = self.greatest.max(u64::try_from(v).unwrap_or(0));
            }
            Value::UInt(v) => self.greatest = self.greatest.max(v),
            _ => {}
        }
    }

    /// Returns the first of some types, each wider than the one before, that has room for more; or else the last if it
    /// holds the extremes themselves.
    fn narrowest_of(&self, types: &[Type]) -> Option<Type> {
        let holds = |ty: &Type, times: i128| {
            ty.integer_range().is_some_and(|range| {
                range.contains(&(i128::from(self.least) * times))
                    && range.contains(&(i128::from(self.greatest) * times))
            })
        };
        types.iter().find(|ty| holds(ty, ROOM)).or_else(|| types.last().filter(|ty| holds(ty, 1))).cloned()
    }
}

impl Wider {
    /// Returns the field of a known type of integers that is to take one beyond it; `None` if no type takes both.
    pub(super) fn of(known: &Type, value: &Value) -> Option<Self> {
        Self { known: known.clone(), extremes: Extremes::default(), ty: known.clone() }.joined(value)
    }

    /// Returns the field with one more number in it; `None` if no type takes both.
    pub(super) fn joined(&self, value: &Value) -> Option<Self> {
        if !matches!(value, Value::Int(_) | Value::UInt(_)) {
            return None;
        }
        let (known, mut extremes) = (self.known.clone(), self.extremes);
        extremes.join(value);
        let range = known.integer_range()?;
        let types = if *range.start() == 0 && extremes.least == 0 { &UNSIGNED } else { &SIGNED };
        let holds_known = |ty: &Type| {
            ty.integer_range().is_some_and(|wide| wide.contains(range.start()) && wide.contains(range.end()))
        };
        let ty = extremes.narrowest_of(&types[types.iter().position(holds_known)?..])?;
        Some(Self { known, extremes, ty })
    }

    /// Returns the greatest integer that leaves the type as it is.
    pub(super) fn integer_max(&self) -> u64 {
        greatest_with_room(&self.ty)
    }

    /// Returns the largest magnitude of a negative integer that leaves the type as it is, if it takes any.
    pub(super) fn negative_max(&self) -> u64 {
        negative_with_room(&self.ty)
    }
}

/// Returns the greatest integer of which a type holds four times; for one of 64 bits, which is the widest, any.
fn greatest_with_room(ty: &Type) -> u64 {
    match ty.integer_range() {
        Some(range) if ty.data_bits() != Some(64) => u64::try_from(range.end() / ROOM).unwrap_or(u64::MAX),
        _ => u64::MAX,
    }
}

/// Returns the largest magnitude of a negative integer of which a signed type holds four times: its range reaches one
/// further down than up.
fn negative_with_room(ty: &Type) -> u64 {
    greatest_with_room(ty).saturating_add(1)
}

/// Returns whether the encoder could store a value under a known type that is neither list nor struct.
pub(super) fn fits(ty: &Type, value: &Value) -> bool {
    match (ty, value) {
        (Type::Void, _)
        | (Type::Bool, Value::Bool(_))
        | (Type::Text, Value::Text(_))
        | (Type::Data, Value::Data(_) | Value::Text(_) | Value::List(_))
        | (Type::Enum(_), Value::Text(_) | Value::Int(_) | Value::UInt(_)) => true,
        (Type::Enum(_) | Type::Text, Value::Variant(_, held)) => matches!(**held, Value::Null),
        // What JSON has no number for.
        (Type::Float32 | Type::Float64, Value::Text(v)) => matches!(&**v, "NaN" | "Infinity" | "-Infinity"),
        _ => holds(ty, value) == Some(true),
    }
}

/// Returns whether a number type holds a number exactly; `None` if either is none.
pub(super) fn holds(ty: &Type, value: &Value) -> Option<bool> {
    let (negative, magnitude) = match *value {
        Value::Int(v) => (v < 0, v.unsigned_abs()),
        Value::UInt(v) => (false, v),
        Value::Float32(_) => return floats(ty),
        Value::Float64(v) => return floats(ty).map(|fits| fits && (*ty == Type::Float64 || fits_float32(v))),
        _ => return None,
    };
    let signed = |bits: u32| magnitude <= (1 << (bits - 1)) - u64::from(!negative);
    let unsigned = |bits: u32| magnitude <= u64::MAX >> (64 - bits) && (!negative || magnitude == 0);
    match ty {
        Type::Int8 => Some(signed(8)),
        Type::Int16 => Some(signed(16)),
        Type::Int32 => Some(signed(32)),
        Type::Int64 => Some(signed(64)),
        Type::UInt8 => Some(unsigned(8)),
        Type::UInt16 => Some(unsigned(16)),
        Type::UInt32 => Some(unsigned(32)),
        Type::UInt64 => Some(unsigned(64)),
        Type::Float32 => Some(magnitude <= EXACT_IN_FLOAT32),
        Type::Float64 => Some(magnitude <= EXACT_IN_FLOAT64),
        _ => None,
    }
}

/// Returns whether a number stays finite as a Float32; it may be rounded, as the type implies.
pub(super) fn fits_float32(value: f64) -> bool {
    !value.is_finite() || value.abs() <= f64::from(f32::MAX)
}

fn floats(ty: &Type) -> Option<bool> {
    match ty {
        Type::Float32 | Type::Float64 => Some(true),
        Type::Int8
        | Type::Int16
        | Type::Int32
        | Type::Int64
        | Type::UInt8
        | Type::UInt16
        | Type::UInt32
        | Type::UInt64 => Some(false),
        _ => None,
    }
}
