//! Declares a record type: a struct, its primary key, and how its segments are written.

use std::sync::Arc;

use kapok_core::manifest::RecordType;
use kapok_core::schema::{FieldKind, FieldType, OlderSchema, RecordStruct, Schema, StructType};
use kapok_core::segment::Sharing;
#[cfg(feature = "json")]
use kapok_ingest::{AbsentFields, schema_of_rust_type};

use crate::error::{Error, Result};

/// A record type as a cycle writes it.
#[derive(Clone, Debug)]
pub struct Declaration {
    pub(crate) schema: Schema,
    pub(crate) type_id: u64,
    pub(crate) name: String,
    key: Vec<String>,
    pub(crate) sharing: Sharing,
    pub(crate) evolution: Evolution,
    pub(crate) older: OlderSchema,
    #[cfg(feature = "json")]
    pub(crate) absent_fields: AbsentFields,
    /// Whether the schema was written by somebody, not inferred from data.
    pub(crate) is_declared: bool,
    pub(crate) may_grow: bool,
    /// Texts of indexes.
    pub(crate) indexes: Vec<String>,
}

/// How a record type's schema may differ from the one that the dataset has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Evolution {
    /// It may add fields, types and members. Anything else is refused.
    #[default]
    Append,
    #[cfg(feature = "json")]
    /// As [`Append`](Self::Append), and integer fields may become wider integers or, except those of the key, Float64.
    ///
    /// If any does, all records of the type are written anew, by an incremental cycle too. A stored integer that no
    /// Float64 is equal to is refused. Consumers with generated code of the old schema refuse the version.
    Widen,
    /// It may differ in any way: the record type is published anew. Consumers with generated code of the old schema
    /// refuse the version.
    Republish,
}

impl Declaration {
    /// Declares a struct of generated code.
    ///
    /// # Errors
    /// `Invalid` for `AnyPointer`, interfaces and generics, naming the field.
    pub fn of<T: RecordStruct>() -> Result<Self> {
        let (schema, type_id) = Schema::of::<T>()?;
        Self::new(schema, type_id)
    }

    /// Declares a struct of any schema: one from a request or a file or, with [`inferred`](Self::inferred), from data.
    ///
    /// # Errors
    /// `Invalid` if the schema has no such struct.
    #[expect(clippy::needless_pass_by_value, reason = "callers have made it for this")]
    pub fn new(schema: Schema, type_id: u64) -> Result<Self> {
        let schema = schema.closure([type_id])?;
        let name = schema.struct_type(type_id)?.name.clone();
        Ok(Self {
            schema,
            type_id,
            name,
            key: Vec::new(),
            sharing: Sharing::default(),
            evolution: Evolution::default(),
            older: OlderSchema::default(),
            #[cfg(feature = "json")]
            absent_fields: AbsentFields::default(),
            is_declared: true,
            may_grow: false,
            indexes: Vec::new(),
        })
    }

    #[cfg(feature = "json")]
    /// Declares a struct inferred from a Rust type that derives `Deserialize`, with the name and key given.
    ///
    /// # Errors
    /// `Invalid`, naming the Rust type, for what has no counterpart in Cap'n Proto.
    pub fn of_rust_type<T: serde::de::DeserializeOwned>(name: &str, key: &[&str]) -> Result<Self> {
        let (schema, type_id) = schema_of_rust_type::<T>(name, key)?;
        Ok(Self::new(schema, type_id)?.key(key.iter().copied()))
    }

    /// Names the fields of the primary key, as in JSON or in Cap'n Proto; needed if the struct is not annotated with
    /// `$Kapok.key`.
    #[must_use]
    pub fn key<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        let fields = fields.into_iter().map(Into::into);
        self.key = match self.schema.get_struct(self.type_id) {
            Some(ty) => fields.map(|path| capnp_path(&self.schema, ty, &path, StructType::field_by_any_name)).collect(),
            None => fields.collect(),
        };
        self
    }

    /// Names the fields of the primary key as in Cap'n Proto.
    pub(crate) fn exact_key(mut self, fields: &[String]) -> Self {
        self.key = fields.to_vec();
        self
    }

    /// Adds an index that every segment is to have, such as `hash(year)` or `hash(genres[])`, unless it is there: see
    /// [`IndexSpec`](kapok_core::manifest::IndexSpec) for the text, which the cycle checks.
    ///
    /// A declaration that names none keeps those that the dataset has. [`Cycle::drop_index`](crate::Cycle::drop_index)
    /// drops one.
    #[must_use]
    pub fn index(mut self, text: impl Into<String>) -> Self {
        self.indexes.push(text.into());
        self
    }

    /// Declares that a field of the record holds the key of records of some type, as in `movieId: Movie`, or that several do
    /// together: `edition: Edition(movieId, number)`, in the order of that key. So queries lead from one record to the other.
    ///
    /// It is not demanded that there are such records, unless by a [validator](crate::Validator::references). A declaration that
    /// names no reference of a field keeps the one that the dataset has.
    ///
    /// # Errors
    /// `NotFound` for a field that there is not, `Invalid` for one that holds no plain value.
    pub fn reference(mut self, text: &str) -> Result<Self> {
        self.schema.declare_reference(self.type_id, text)?;
        Ok(self)
    }

    /// Chooses whether equal values of a field share their bytes.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Chooses how the schema may differ from the one that the dataset has.
    #[must_use]
    pub fn evolution(mut self, evolution: Evolution) -> Self {
        self.evolution = evolution;
        self
    }

    /// Chooses what happens if the dataset's schema has fields that this one does not know; by default it is refused.
    #[must_use]
    pub fn older_schema(mut self, older: OlderSchema) -> Self {
        self.older = older;
        self
    }

    /// Marks the schema as inferred from data.
    ///
    /// The dataset remembers which record types were declared. An inferred schema adds no fields to those unless
    /// [allowed](Self::grow). Published anew by an inferred schema, a type is no longer declared.
    #[must_use]
    pub fn inferred(self) -> Self {
        self.declared(false)
    }

    /// Allows an inferred schema to add fields to a record type that was declared.
    #[must_use]
    pub fn grow(mut self) -> Self {
        self.may_grow = true;
        self
    }

    pub(crate) fn declared(mut self, is_declared: bool) -> Self {
        self.is_declared = is_declared;
        self
    }

    #[cfg(feature = "json")]
    /// Chooses what happens if a number, Bool or enum is absent from a value and the schema cannot call it null.
    ///
    /// By default it takes its default, and [`TypeReport::absent`](crate::TypeReport::absent) counts it.
    #[must_use]
    pub fn absent_fields(mut self, absent_fields: AbsentFields) -> Self {
        self.absent_fields = absent_fields;
        self
    }

    /// Returns the name of the record type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its types.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the id of its struct.
    pub fn type_id(&self) -> u64 {
        self.type_id
    }

    /// Returns the fields of the primary key, by their Cap'n Proto names.
    ///
    /// # Errors
    /// `Invalid` if declaration and annotation differ.
    pub(crate) fn key_fields(&self) -> Result<Vec<String>> {
        let ty: &Arc<StructType> = self.schema.struct_type(self.type_id)?;
        let exactly = |path: &String| capnp_path(&self.schema, ty, path, StructType::field_by_capnp_name_first);
        let annotated: Vec<String> = ty.key.iter().map(exactly).collect();
        if !self.key.is_empty() && !annotated.is_empty() && self.key != annotated {
            let (record_type, declared) = (self.name.clone(), self.key.clone());
            return Err(Error::TwoKeys { record_type, declared, annotated });
        }
        Ok(if self.key.is_empty() { annotated } else { self.key.clone() })
    }
}

/// Finds the field of a name.
type Find = for<'s> fn(&'s StructType, &str) -> Option<&'s FieldType>;

/// Returns the path of a key field by Cap'n Proto names; a path that leads nowhere as it is, for the encoding to
/// refuse. `find`: the field of a name in the path.
fn capnp_path(schema: &Schema, ty: &StructType, path: &str, find: Find) -> String {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(field) = find(ty, name) else { return path.to_owned() };
    match (rest, &field.kind) {
        (None, _) => field.name.clone(),
        (Some(rest), FieldKind::Group(id)) => {
            let inner = schema.get_struct(*id).map_or_else(|| rest.to_owned(), |ty| capnp_path(schema, ty, rest, find));
            format!("{}.{inner}", field.name)
        }
        (Some(_), FieldKind::Slot { .. }) => path.to_owned(),
    }
}

/// Returns how the newest segment was written.
pub(crate) fn sharing_of(known: &RecordType) -> Sharing {
    known.segments.last().map_or_else(Sharing::default, |segment| segment.sharing)
}
