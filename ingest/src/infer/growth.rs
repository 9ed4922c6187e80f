//! Appends fields to struct types.

use std::collections::BTreeSet;

use kapok_core::schema::{FieldKind, FieldType, StructType, Type, to_camel_case, to_type_name, unique_name};
use kapok_core::{Error, Fault, Result};

/// A struct type that grows at its end: what it has keeps its place.
pub(crate) struct Growth {
    ty: StructType,
    names: BTreeSet<String>,
    known_count: usize,
}

impl Growth {
    /// Returns a new type without fields.
    pub(crate) fn new(id: u64, name: String, scope: u64) -> Self {
        Self::of(StructType { scope, ..StructType::new(id, name, Vec::new()) })
    }

    /// Returns a known type.
    pub(crate) fn of(ty: StructType) -> Self {
        let names = ty.fields.iter().map(|field| field.name.clone()).collect();
        Self { names, known_count: ty.fields.len(), ty }
    }

    /// Takes and returns the free name that is closest to a name in JSON.
    pub(crate) fn name(&mut self, json_name: &str) -> String {
        let name = unique_name(&self.names, &to_camel_case(json_name));
        self.names.insert(name.clone());
        name
    }

    /// Appends a field under a name that [`Growth::name`] gave.
    pub(crate) fn add(
        &mut self,
        name: &str,
        json_name: &str,
        ty: Type,
        annotate: impl FnOnce(&mut FieldType),
    ) -> Result<()> {
        self.append(name, ty, |field| {
            field.json_name = (json_name != name).then(|| json_name.to_owned());
            annotate(field);
        })
    }

    /// Appends the flag that says that a field is null. Name all fields first: data cannot give a flag by its name.
    pub(crate) fn add_null_flag(&mut self, of: &str) -> Result<()> {
        let name = unique_name(&self.names, &format!("{of}IsNull"));
        self.names.insert(name.clone());
        self.append(&name, Type::Bool, |field| field.null_of = Some(of.to_owned()))
    }

    /// Sets the fields of the primary key, by names in JSON or Cap'n Proto.
    pub(crate) fn set_key(&mut self, key: &[String]) -> Result<()> {
        let mut names = Vec::with_capacity(key.len());
        for part in key {
            let field = self.ty.field_by_any_name(part).ok_or_else(|| {
                key_field(format!("{}.{part}", self.ty.name), "the key names a field that does not exist")
            })?;
            names.push(field.name.clone());
        }
        self.ty.key = names;
        Ok(())
    }

    /// Returns the type with every field in its place.
    ///
    /// # Errors
    /// `Invalid` if known fields do not lie where the `capnp` compiler puts them, since that is where it will look for
    /// appended ones; and beyond the limits of the layout.
    pub(crate) fn finish(mut self) -> Result<StructType> {
        if self.known_count == self.ty.fields.len() {
            return Ok(self.ty);
        }
        let known = self.ty.fields[..self.known_count].to_vec();
        self.ty.lay_out()?;
        for (old, new) in known.iter().zip(&self.ty.fields) {
            if old != new {
                return Err(Error::schema(
                    format!("{}.{}", self.ty.name, old.name),
                    "no field can be appended to this type: its layout is not that of the capnp compiler",
                ));
            }
        }
        Ok(self.ty)
    }

    fn append(&mut self, name: &str, ty: Type, annotate: impl FnOnce(&mut FieldType)) -> Result<()> {
        let next = |last: Option<u16>| last.map_or(Some(0), |last| last.checked_add(1));
        let ordinal = next(self.ty.fields.iter().filter_map(|field| field.ordinal).max());
        let code_order = next(self.ty.fields.iter().map(|field| field.code_order).max());
        let (Some(ordinal), Some(code_order)) = (ordinal, code_order) else {
            return Err(Error::schema(&*self.ty.name, "more fields than a struct can have: allowed=65535"));
        };
        let mut field = FieldType::slot(name, ordinal, 0, ty);
        field.code_order = code_order;
        annotate(&mut field);
        self.ty.fields.push(field);
        Ok(())
    }
}

/// Returns the id of a type by the path that names it ("Package", "Package.maintainer"), never by what it holds: a type
/// that grows stays the same type.
pub(crate) fn type_id(path: &str) -> u64 {
    let hash = blake3::hash(path.as_bytes());
    let mut id = 0_u64;
    for byte in &hash.as_bytes()[..8] {
        id = id << 8 | u64::from(*byte);
    }
    // Cap'n Proto's own mark of a valid id.
    id | 1 << 63
}

/// Returns the error about a field that cannot be part of the key.
#[cold]
pub(crate) fn key_field(field: String, problem: impl Into<String>) -> Error {
    Fault::KeyField { field, problem: problem.into() }.into()
}

/// Returns the error about a name that no record type can have.
#[cold]
pub(crate) fn not_a_type_name(name: &str) -> Error {
    Fault::TypeName { name: name.to_owned(), suggestion: to_type_name(name) }.into()
}

/// Returns whether a type has unions or groups: such a one is laid out by its declaration only.
pub(crate) fn is_closed(ty: &StructType) -> bool {
    ty.discriminant_count > 0 || ty.fields.iter().any(|field| matches!(field.kind, FieldKind::Group(_)))
}
