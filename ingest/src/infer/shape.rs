//! What is known so far of the values at one place of the records.

use std::sync::Arc;

use hashbrown::HashMap;

use super::misfit::describe_type;
use super::number::{Numbers, Wider};
use crate::Value;
use kapok_core::schema::{StructType, Type, VectorElement};

/// Index of a [`Node`].
pub(super) type NodeId = usize;
/// Index of an [`Object`].
pub(super) type ObjectId = usize;

/// A place in the records: a member of an object, or the elements of a list.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) shape: Shape,
    /// Line of the first value, 0 if the schema said it.
    pub(super) line: u64,
    /// First line with a null in the list whose elements these are.
    pub(super) null_line: Option<u64>,
    /// Names from the record on, joined by dots, `*` for the values of a map: what settings call it.
    pub(super) path: String,
    /// Type that a struct type of this place is declared in.
    pub(super) owner: ObjectId,
    /// What a struct type of this place is called after.
    pub(super) stem: String,
}

impl Node {
    /// Advises on values of one place that have no common type.
    pub(super) fn json_hint(&self) -> String {
        let path = &self.path;
        match self.line {
            0 => format!("; to keep it as JSON text, publish all records with --republish --as-json {path}"),
            _ => format!("; to keep it as JSON text, use --as-json {path}"),
        }
    }
}

/// What kind of values a place has.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// None but nulls.
    Unknown,
    /// Declared in a way that only the encoder can judge.
    Loose,
    /// Anything, kept as JSON text.
    Json,
    /// A type of the known schema: anything but lists and structs.
    Fixed(Type),
    /// Integers of the known schema that are to become wider.
    Wider(Wider),
    Bool,
    Text,
    Data,
    Number(Numbers),
    Vector(Vector),
    List(NodeId),
    Object(ObjectId),
    /// A map, by the struct of its entries.
    Map(ObjectId),
}

/// A vector field.
#[derive(Clone, Debug)]
pub(super) struct Vector {
    pub(super) element: Type,
    pub(super) form: VectorElement,
    /// 0 if none was seen yet.
    pub(super) dimension: u32,
    /// Line that the dimension comes from, 0 if the schema said it.
    pub(super) line: u64,
}

impl Shape {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Unknown | Self::Loose => "anything".to_owned(),
            Self::Json => "JSON".to_owned(),
            Self::Fixed(ty) | Self::Wider(Wider { ty, .. }) => describe_type(ty),
            Self::Bool => "a bool".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Data => "bytes".to_owned(),
            Self::Number(numbers) => match numbers.ty(false) {
                Type::Float64 => "a float".to_owned(),
                _ => "an integer".to_owned(),
            },
            Self::Vector(_) => "a vector".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }

    /// Returns whether values lie in the data section, where null needs a flag.
    pub(super) fn is_data(&self) -> bool {
        match self {
            Self::Bool | Self::Number(_) | Self::Wider(_) => true,
            Self::Fixed(ty) => ty.data_bits().is_some_and(|bits| bits > 0),
            _ => false,
        }
    }

    /// Returns a field of integers of the known schema as a number makes it that it does not hold; `None` if nothing
    /// holds both.
    pub(super) fn widened_by(&self, value: &Value) -> Option<Self> {
        match (self, value) {
            (Self::Fixed(ty), Value::Float32(_) | Value::Float64(_)) if ty.is_integer() => {
                Some(Self::Fixed(Type::Float64))
            }
            (Self::Wider(_), Value::Float32(_) | Value::Float64(_)) => Some(Self::Fixed(Type::Float64)),
            (Self::Fixed(known), _) => Wider::of(known, value).map(Self::Wider),
            (Self::Wider(wider), _) => wider.joined(value).map(Self::Wider),
            _ => None,
        }
    }

    /// Returns whether a list of such values can hold a null.
    pub(super) fn may_be_null_in_list(&self) -> bool {
        !self.is_data() && !matches!(self, Self::Object(_))
    }
}

/// An object's members so far; becomes a struct type.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) id: u64,
    pub(super) scope: u64,
    /// Wanted name of the type.
    pub(super) name: String,
    pub(super) path: String,
    /// The type as the known schema has it.
    pub(super) known: Option<Arc<StructType>>,
    /// The known type has unions or groups: nothing can be appended.
    pub(super) is_closed: bool,
    /// An object of this kind was seen before, or may stand in the dataset.
    pub(super) was_seen: bool,
    pub(super) members: Vec<Member>,
    pub(super) by_name: HashMap<String, usize>,
    /// What is appended to the known fields, in the order in which the need for it was seen.
    pub(super) appended: Vec<AppendedField>,
}

/// A member of an object; becomes a field.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) json_name: String,
    /// Name of the field if the known schema has one.
    pub(super) known_name: Option<String>,
    pub(super) node: NodeId,
    /// Null, or absent, in some object.
    pub(super) is_null_somewhere: bool,
    /// A flag is there already or, as in a declared type if the default stands for it, not wanted.
    pub(super) null_is_settled: bool,
    /// Last visit in which it was neither absent nor null.
    pub(super) visit: u64,
}

/// A field to append.
#[derive(Clone, Copy, Debug)]
pub(super) enum AppendedField {
    /// A member, by index.
    Member(usize),
    /// The null flag of a member, by index.
    NullFlag(usize),
}

impl Object {
    /// Returns the index of a member, first if it is expected.
    pub(super) fn find(&self, name: &str, expected: usize) -> Option<usize> {
        match self.members.get(expected) {
            Some(member) if member.json_name == name => Some(expected),
            _ => self.by_name.get(name).copied(),
        }
    }

    /// Adds a member and returns its index.
    pub(super) fn push(&mut self, json_name: &str, node: NodeId) -> usize {
        let index = self.members.len();
        self.members.push(Member {
            json_name: json_name.to_owned(),
            known_name: None,
            node,
            is_null_somewhere: false,
            null_is_settled: false,
            visit: 0,
        });
        self.by_name.insert(json_name.to_owned(), index);
        index
    }
}
