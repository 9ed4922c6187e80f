//! Reads values that lie behind structs, unions and lists, several of one record together.
//!
//! A path is names joined by dots (of Cap'n Proto or of JSON), with `[]` behind each list that is gone through:
//! `year`, `place.label`, `genres[]`, `items[].productId`. [`Paths`] resolves some of them against a record type and hands
//! out tuples of their values: one for a record, or one for each element of the list that they go through. Paths through
//! one list speak of the same element.

use std::sync::Arc;

use crate::error::Result;
use crate::field::path::{Condition, all_hold, no_value};
use crate::schema::{FieldKind, FieldType, Schema, StructType};
use crate::words::{ElementSize, ListRef, Read, StructRef, Words};

mod column;
mod resolve;
mod scalar;
mod visit;

pub use column::NumberColumn;
use scalar::Leaf;
pub use scalar::{Scalar, ScalarKind, ScalarMismatch};

/// Lists within one another that a path goes through, at most.
pub const LISTS_MAX: usize = 4;

/// Paths from a record to values, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    paths: Vec<Path>,
    /// The lists that the longest path goes through; those of the others are the first of these.
    lists: Vec<ListStep>,
}

/// By which names a path is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldNames {
    /// Those of Cap'n Proto or of JSON.
    Any,
    /// Those of Cap'n Proto.
    Exact,
}

/// A path to a value.
#[derive(Clone, Debug, PartialEq)]
struct Path {
    /// Cap'n Proto names.
    name: String,
    /// Type id and ordinal of each field on the way, for what must not change if fields are renamed.
    fields: Vec<(u64, u16)>,
    /// Lists that it goes through.
    depth: usize,
    /// From the record or the element to the struct that holds the value.
    hops: Hops,
    leaf: Leaf,
}

/// A way from a struct to a list.
#[derive(Clone, Debug, PartialEq)]
struct ListStep {
    hops: Hops,
    /// `None` for a list that is itself an element.
    slot: Option<Slot>,
    size: ElementSize,
}

/// A pointer of a struct.
#[derive(Clone, Debug, PartialEq)]
struct Slot {
    index: u32,
    default: Option<Arc<[u8]>>,
}

/// A way from a struct to a struct.
#[derive(Clone, Debug, Default, PartialEq)]
struct Hops {
    hops: Vec<Hop>,
    /// What holds of the last struct.
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
struct Hop {
    /// What holds of the struct that it leads from.
    conditions: Vec<Condition>,
    slot: Slot,
}

/// The record or the element of a list that paths go on from.
#[derive(Clone, Copy)]
pub(crate) enum Place<'v> {
    Struct(StructRef<'v>),
    Element(ListRef<'v>, u32),
}

impl Paths {
    /// Resolves paths from a record type.
    ///
    /// # Errors
    /// `NotFound` for a field that there is not, listing those that there are. `Invalid` for a path that leads to no single
    /// value, and for paths through different lists.
    pub fn resolve(schema: &Schema, record: &StructType, paths: &[impl AsRef<str>]) -> Result<Self> {
        Self::resolve_by(schema, record, paths, StructType::field_by_any_name)
    }

    /// Resolves paths of Cap'n Proto names alone, as manifests hold them: a JSON name of another field is not taken for one.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_exactly(schema: &Schema, record: &StructType, paths: &[impl AsRef<str>]) -> Result<Self> {
        Self::resolve_by(schema, record, paths, StructType::field)
    }

    /// Resolves the path of a vector field: of any name, or of Cap'n Proto names alone. It names the field; values are read as a
    /// [column](crate::vectors).
    ///
    /// # Errors
    /// `NotFound` for a field that there is not. `Invalid` for a path that does not lead to a vector.
    pub fn to_vector(schema: &Schema, record: &StructType, path: &str, names: FieldNames) -> Result<Self> {
        let field = match names {
            FieldNames::Any => StructType::field_by_any_name,
            FieldNames::Exact => StructType::field,
        };
        let (path, lists) = resolve::resolve_vector(schema, record, path, field)?;
        Ok(Self { paths: vec![path], lists })
    }

    fn resolve_by(
        schema: &Schema,
        record: &StructType,
        paths: &[impl AsRef<str>],
        field: for<'s> fn(&'s StructType, &str) -> Option<&'s FieldType>,
    ) -> Result<Self> {
        let mut resolved = Vec::with_capacity(paths.len());
        let mut lists: Vec<ListStep> = Vec::new();
        for path in paths {
            let (path, through) = resolve::resolve(schema, record, path.as_ref(), field)?;
            let common = lists.len().min(through.len());
            if lists[..common] != through[..common] {
                let subject = format!("{}.{}", record.name, path.name);
                return Err(no_value(subject, "goes through another list than the paths before it"));
            }
            if through.len() > lists.len() {
                lists = through;
            }
            resolved.push(path);
        }
        Ok(Self { paths: resolved, lists })
    }

    /// Returns the number of paths.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Returns each path by Cap'n Proto names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(|path| path.name.as_str())
    }

    /// Returns what the values of each path are.
    pub fn kinds(&self) -> impl Iterator<Item = ScalarKind> {
        self.paths.iter().map(|path| path.leaf.kind)
    }

    /// Returns whether the paths go through a list, so that a record has any number of tuples.
    pub fn is_many(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Returns the type ids and ordinals of the fields on the way of each path: what stays if fields are renamed.
    pub fn fields(&self) -> impl Iterator<Item = &[(u64, u16)]> {
        self.paths.iter().map(|path| &*path.fields)
    }

    /// Returns each path by the names that a later schema gives its fields; `None` for one whose field it does not have.
    pub fn names_in(&self, schema: &Schema) -> Vec<Option<String>> {
        let name = |(field, lists): (&FieldType, usize)| format!("{}{}", field.name, "[]".repeat(lists));
        let name_in = |path: &Path| Some(path.steps_in(schema)?.into_iter().map(name).collect::<Vec<_>>().join("."));
        self.paths.iter().map(name_in).collect()
    }

    /// Returns the steps of each path by the JSON names that a schema gives its fields, each with the number of lists behind it
    /// that are gone through; `None` for a path whose field it does not have.
    pub fn json_steps(&self, schema: &Schema) -> Vec<Option<Vec<(String, usize)>>> {
        let step = |(field, lists): (&FieldType, usize)| (field.json_name().to_owned(), lists);
        self.paths.iter().map(|path| Some(path.steps_in(schema)?.into_iter().map(step).collect())).collect()
    }

    /// Returns the pointer of the record that alone decides the tuples, if there is one: records whose pointers aim at the
    /// same object have the same tuples.
    pub fn only_pointer(&self) -> Option<u32> {
        match self.lists.first() {
            Some(first) => {
                let all_inside = self.paths.iter().all(|path| path.depth > 0);
                first.hops.first_slot(first.slot.as_ref()).filter(|_| all_inside)
            }
            None => match self.paths.as_slice() {
                [path] if path.leaf.is_pointer() => path.hops.first_slot(path.leaf.slot()),
                _ => None,
            },
        }
    }

    /// Returns the value of the first path, which goes through no list.
    ///
    /// # Errors
    /// The malformed word.
    #[inline]
    pub fn value<'v>(&'v self, row: StructRef<'v>) -> Read<Scalar<'v>> {
        self.read(0, row)
    }

    /// Returns the value of one of the paths, which goes through no list.
    ///
    /// # Errors
    /// The malformed word.
    #[inline]
    pub fn read<'v>(&'v self, path: usize, row: StructRef<'v>) -> Read<Scalar<'v>> {
        match self.paths.get(path) {
            Some(path) => path.read(Place::Struct(row), 0),
            None => Ok(Scalar::Null),
        }
    }
}

impl Path {
    /// Returns the fields on the way as a schema has them, each with the number of lists behind it.
    fn steps_in<'s>(&self, schema: &'s Schema) -> Option<Vec<(&'s FieldType, usize)>> {
        let steps = self.name.split('.').zip(&self.fields).enumerate().map(|(at, (part, (id, ordinal)))| {
            // A group has no ordinal, but its fields are those of a struct of its own.
            let owner_next = self.fields.get(at + 1).map(|(owner, _)| *owner);
            let fields = &schema.get_struct(*id)?.fields;
            let is_group = |field: &&FieldType| matches!(field.kind, FieldKind::Group(id) if Some(id) == owner_next);
            let is_slot = |field: &&FieldType| {
                matches!(field.kind, FieldKind::Slot { .. }) && field.ordinal.unwrap_or(field.code_order) == *ordinal
            };
            let field = fields.iter().find(is_group).or_else(|| fields.iter().find(is_slot))?;
            Some((field, (part.len() - part.trim_end_matches("[]").len()) / 2))
        });
        steps.collect()
    }

    /// Reads the value in the record, or in an element of the last list that the path goes through.
    #[inline]
    fn read<'v>(&'v self, place: Place<'v>, depth: usize) -> Read<Scalar<'v>> {
        let value = match place {
            Place::Struct(at) if self.hops.is_none() => self.leaf.read(at)?,
            Place::Element(list, index) if list.size() != ElementSize::Composite => {
                self.leaf.read_element(list, index)?
            }
            place => match self.hops.walk(place)? {
                Some(at) => self.leaf.read(at)?,
                None => Scalar::Null,
            },
        };
        Ok(if depth > 0 && matches!(value, Scalar::Null) { Scalar::NullElement } else { value })
    }
}

impl ListStep {
    fn open<'v>(&'v self, place: Place<'v>) -> Read<Option<ListRef<'v>>> {
        let Some(slot) = &self.slot else {
            let Place::Element(list, index) = place else { return Ok(None) };
            return list.pointer_at(index).map_or(Ok(None), |at| list.words().list_of(at, self.size));
        };
        let Some(at) = self.hops.walk(place)? else { return Ok(None) };
        match slot.pointer(at)? {
            Some((words, word)) => words.list_of(word, self.size),
            None => Ok(None),
        }
    }
}

impl Slot {
    /// Returns where the pointer is: in the struct, or in the default value's words; `None` if it is null and has no default.
    #[inline]
    fn pointer<'v>(&'v self, at: StructRef<'v>) -> Read<Option<(Words<'v>, u32)>> {
        if let Some(word) = at.pointer_at(self.index)
            && at.words().word(word)? != 0
        {
            return Ok(Some((at.words(), word)));
        }
        Ok(self.default.as_ref().map(|words| (Words::new(words), 0)))
    }
}

impl Hops {
    #[inline]
    fn is_none(&self) -> bool {
        self.hops.is_empty() && self.conditions.is_empty()
    }

    /// Returns the pointer of the first struct on the way, if nothing else of that struct matters.
    fn first_slot(&self, last: Option<&Slot>) -> Option<u32> {
        match self.hops.first() {
            Some(hop) if hop.conditions.is_empty() => Some(hop.slot.index),
            None if self.conditions.is_empty() => last.map(|slot| slot.index),
            _ => None,
        }
    }

    /// Returns the struct at the end of the way; `None` if a struct is null or a union has another member.
    fn walk<'v>(&'v self, place: Place<'v>) -> Read<Option<StructRef<'v>>> {
        let mut at = match place {
            Place::Struct(at) => at,
            Place::Element(list, index) => match list.get_struct(index) {
                Some(at) => at,
                None => return Ok(None),
            },
        };
        for hop in &self.hops {
            if !all_hold(&hop.conditions, at) {
                return Ok(None);
            }
            let Some((words, word)) = hop.slot.pointer(at)? else { return Ok(None) };
            match words.struct_of(word)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(all_hold(&self.conditions, at).then_some(at))
    }
}
