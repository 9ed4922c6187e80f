//! What is a record type to a producer? A struct, its primary key, and how its segments are written.

use std::sync::Arc;

use kapok_core::manifest::RecordType;
use kapok_core::schema::{FieldKind, OlderSchema, RecordStruct, Schema, StructType};
use kapok_core::segment::Sharing;
#[cfg(feature = "json")]
use kapok_ingest::{AbsentFields, schema_of_rust_type};

use crate::error::{Error, Result};

/// A record type that a cycle writes.
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
    /// Somebody wrote the schema down: it was not inferred from data.
    pub(crate) is_declared: bool,
    pub(crate) may_grow: bool,
}

/// How a record type's schema may differ from the one that the dataset has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Evolution {
    /// By what it adds. Anything else is refused.
    #[default]
    Append,
    #[cfg(feature = "json")]
    /// By what it adds, and by integer fields that are Float64 now, those of the key excepted. Where there are such, all
    /// records of the type are written anew, in a cycle of changes those too that it does not speak of; a stored integer
    /// that no Float64 is equal to is refused. Consumers with generated code of the old kind will refuse the version.
    Widen,
    /// In any way: the record type is published anew. Consumers with generated code of the old kind will refuse it.
    Republish,
}

impl Declaration {
    /// A struct of generated code.
    ///
    /// # Errors
    /// `Invalid` for `AnyPointer`, interfaces and generics, naming the field.
    pub fn of<T: RecordStruct>() -> Result<Self> {
        let (schema, type_id) = Schema::of::<T>()?;
        Self::new(schema, type_id)
    }

    /// A struct of any schema: read from a request or a file or, with [`inferred`](Self::inferred), from data.
    ///
    /// # Errors
    /// `Invalid` where the schema has no such struct.
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
        })
    }

    #[cfg(feature = "json")]
    /// A struct inferred from a Rust type that derives `Deserialize`, with the name and key given.
    ///
    /// # Errors
    /// `Invalid` for what has no counterpart, by name.
    pub fn of_rust_type<T: serde::de::DeserializeOwned>(name: &str, key: &[&str]) -> Result<Self> {
        let (schema, type_id) = schema_of_rust_type::<T>(name, key)?;
        Ok(Self::new(schema, type_id)?.key(key.iter().copied()))
    }

    /// Names the fields of the primary key; needed where the struct is not annotated with `$Kapok.key`.
    #[must_use]
    pub fn key<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.key = fields.into_iter().map(Into::into).collect();
        self
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

    /// Chooses what happens where the dataset's schema has fields that this one does not know yet: refused by default.
    #[must_use]
    pub fn older_schema(mut self, older: OlderSchema) -> Self {
        self.older = older;
        self
    }

    /// Says that the schema was inferred from data. The dataset remembers which record types were declared: to those,
    /// data adds nothing unless it [may](Self::grow). Published anew by an inferred schema, a type is no longer declared.
    #[must_use]
    pub fn inferred(self) -> Self {
        self.declared(false)
    }

    /// Lets an inferred schema add fields to a record type that was declared.
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
    /// Chooses what becomes of numbers, Bools and enums that a value does not give and that the schema cannot call null:
    /// by default they take their defaults, and [`TypeReport::absent`](crate::TypeReport::absent) counts them.
    #[must_use]
    pub fn absent_fields(mut self, absent_fields: AbsentFields) -> Self {
        self.absent_fields = absent_fields;
        self
    }

    /// Name of the record type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its types.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Id of its struct.
    pub fn type_id(&self) -> u64 {
        self.type_id
    }

    /// The fields of the primary key, by their Cap'n Proto names.
    ///
    /// # Errors
    /// `Invalid` where declaration and annotation differ.
    pub(crate) fn key_fields(&self) -> Result<Vec<String>> {
        let ty: &Arc<StructType> = self.schema.struct_type(self.type_id)?;
        let declared: Vec<String> = self.key.iter().map(|name| capnp_name(&self.schema, ty, name)).collect();
        let annotated: Vec<String> = ty.key.iter().map(|name| capnp_name(&self.schema, ty, name)).collect();
        if !declared.is_empty() && !annotated.is_empty() && declared != annotated {
            return Err(Error::TwoKeys { record_type: self.name.clone(), declared, annotated });
        }
        Ok(if declared.is_empty() { annotated } else { declared })
    }
}

/// The path of a key field by Cap'n Proto names; as it is where it leads nowhere, for the encoding to refuse.
fn capnp_name(schema: &Schema, ty: &StructType, path: &str) -> String {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(field) = ty.field_by_any_name(name) else { return path.to_owned() };
    match (rest, &field.kind) {
        (None, _) => field.name.clone(),
        (Some(rest), FieldKind::Group(id)) => {
            let inner = schema.get_struct(*id).map_or_else(|| rest.to_owned(), |ty| capnp_name(schema, ty, rest));
            format!("{}.{inner}", field.name)
        }
        (Some(_), FieldKind::Slot { .. }) => path.to_owned(),
    }
}

/// As the newest segment was written.
pub(crate) fn sharing_of(known: &RecordType) -> Sharing {
    known.segments.last().map_or_else(Sharing::default, |segment| segment.sharing)
}
