//! References: fields that hold the key of a record of another type, or of the same one.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{FieldKind, Schema, StructType, Type};
use crate::error::{Error, Result};
use crate::key::PARTS_MAX;

/// Fields of a struct that together hold the key of a record.
///
/// It prints as the text that the `references` annotation has:
///
/// ```
/// use kapok_core::schema::Reference;
///
/// let reference: Reference = "edition: Edition(movieId, number)".parse()?;
/// assert_eq!(reference.target, "Edition");
/// assert_eq!(reference.fields, ["movieId", "number"]);
/// assert_eq!(reference.to_string(), "edition: Edition(movieId, number)");
/// # Ok::<(), kapok_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What queries call it. That of a single field is the field's name.
    pub name: String,
    /// Name of the record type that is referred to, which may be one that the dataset does not have yet.
    pub target: String,
    /// Paths of the fields, in the order of the key of the record type that is referred to.
    pub fields: Vec<String>,
}

impl FromStr for Reference {
    type Err = Error;

    /// Parses `name: Target(field, ..)`.
    ///
    /// # Errors
    /// `Invalid` for another text.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (name, rest) = text.split_once(':')?;
            let (target, fields) = rest.trim().strip_suffix(')')?.split_once('(')?;
            let fields: Vec<String> = fields.split(',').map(|field| field.trim().to_owned()).collect();
            let reference = Self { name: name.trim().to_owned(), target: target.trim().to_owned(), fields };
            let is_key = reference.fields.len() <= PARTS_MAX;
            let are_names =
                [&reference.name, &reference.target].into_iter().chain(&reference.fields).all(|name| is_name(name));
            (is_key && are_names).then_some(reference)
        };
        parse().ok_or_else(|| malformed(text))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([':', '(', ')', ','])
}

#[cold]
fn malformed(text: &str) -> Error {
    let expected =
        "expected `field: RecordType` or `name: RecordType(field, ..)`, such as `edition: Edition(movieId, number)`";
    Error::invalid(format!("reference {text:?}"), expected)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}({})", self.name, self.target, self.fields.join(", "))
    }
}

impl Schema {
    /// Declares a reference of a struct: `movieId: Movie` of one field, to which the name may lead through groups and structs
    /// with dots, or `edition: Edition(movieId, number)` of several. Fields have names of Cap'n Proto or of JSON.
    ///
    /// # Errors
    /// `NotFound` for a field that there is not, listing those that there are; `Invalid` for a text that names no reference,
    /// and for a field that is neither a number, Bool, enum, Text nor Data.
    pub fn declare_reference(&mut self, type_id: u64, text: &str) -> Result<()> {
        if let Some((path, target)) = text.split_once(':').filter(|_| !text.contains('(')) {
            let (path, target) = (path.trim(), target.trim());
            if !is_name(path) || !is_name(target) {
                return Err(malformed(text));
            }
            let ((owner, name), _) = self.field_that_refers(type_id, path)?;
            let mut owner = StructType::clone(self.struct_type(owner)?);
            owner.fields.iter_mut().filter(|field| field.name == name).for_each(|field| {
                field.reference = Some(target.to_owned());
            });
            self.insert_struct(owner);
            return Ok(());
        }
        let mut reference: Reference = text.parse()?;
        for path in &mut reference.fields {
            *path = self.field_that_refers(type_id, path)?.1;
        }
        let mut ty = StructType::clone(self.struct_type(type_id)?);
        if let Some(field) = ty.field_by_any_name(&reference.name) {
            let detail =
                format!("{} has a field of this name, {}; give the reference another one", ty.name, field.name);
            return Err(Error::invalid(format!("reference {}", reference.name), detail));
        }
        ty.references.retain(|known| known.name != reference.name);
        ty.references.push(reference);
        self.insert_struct(ty);
        Ok(())
    }

    /// Returns the struct and the name of the field at the end of a path, and the path by names of Cap'n Proto.
    fn field_that_refers(&self, type_id: u64, path: &str) -> Result<((u64, String), String)> {
        let root = self.struct_type(type_id)?;
        let subject = || format!("{}.{path}", root.name);
        let (mut ty, mut names, mut steps) = (root, Vec::new(), path.split('.').peekable());
        while let Some(step) = steps.next() {
            let field = ty.field_by_any_name(step).ok_or_else(|| ty.no_field(subject()))?;
            names.push(field.name.as_str());
            let has_value = |ty: &Type| {
                let is_float = matches!(ty, Type::Float32 | Type::Float64);
                !is_float && !matches!(ty, Type::Void | Type::List(_) | Type::Struct(_))
            };
            ty = match (&field.kind, steps.peek().is_some()) {
                (FieldKind::Group(id) | FieldKind::Slot { ty: Type::Struct(id), .. }, true) => self.struct_type(*id)?,
                (FieldKind::Slot { ty: value, .. }, false) if has_value(value) => {
                    return Ok(((ty.id, field.name.clone()), names.join(".")));
                }
                _ => break,
            };
        }
        Err(Error::invalid(subject(), "only an integer, Bool, enum, Text or Data field can hold a key"))
    }

    /// Returns the names of the record types that records of a type refer to, by themselves or by structs within them.
    ///
    /// # Errors
    /// `Invalid` if a type is missing.
    pub fn referred_types(&self, type_id: u64) -> Result<BTreeSet<String>> {
        let schema = self.closure([type_id])?;
        let targets = schema.structs().flat_map(|ty| {
            let of_fields = ty.fields.iter().filter_map(|field| field.reference.clone());
            of_fields.chain(ty.references.iter().map(|reference| reference.target.clone()))
        });
        Ok(targets.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::FieldType;

    #[test]
    fn references_are_declared_by_fields_that_can_hold_a_key() -> Result<()> {
        let list = Type::List(Box::new(Type::Text));
        let mut schema = Schema::new();
        schema.insert_struct(StructType::new(2, "Inner", vec![FieldType::slot("x", 0, 0, Type::Text)]));
        let mut odd = FieldType::slot("odd", 1, 0, Type::UInt8);
        odd.json_name = Some("o-d".to_owned());
        let fields = vec![
            FieldType::slot("inner", 0, 0, Type::Struct(2)),
            odd,
            FieldType::slot("list", 2, 0, list),
            FieldType::slot("float", 3, 0, Type::Float64),
        ];
        schema.insert_struct(StructType::new(1, "Outer", fields));
        for text in ["o-d: Thing", "inner.x :Other", "a: T(odd, inner.x)", "a: U(o-d)", "b: T(odd)"] {
            schema.declare_reference(1, text)?;
        }
        let outer = schema.struct_type(1)?;
        assert_eq!(outer.field("odd").and_then(|field| field.reference.as_deref()), Some("Thing"));
        assert_eq!(schema.struct_type(2)?.fields[0].reference.as_deref(), Some("Other"));
        let texts: Vec<String> = outer.references.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["a: U(odd)", "b: T(odd)"]);
        assert_eq!(schema.referred_types(1)?.into_iter().collect::<Vec<_>>(), ["Other", "T", "Thing", "U"]);
        for text in [
            "list: T",
            "float: T",
            "inner: T",
            "inner.y: T",
            "odd.x: T",
            "no: T",
            "a: T(no)",
            "odd: T(odd)",
            "odd",
            "odd:",
        ] {
            assert!(schema.declare_reference(1, text).is_err(), "{text}");
        }
        Ok(())
    }

    #[test]
    fn texts_that_name_no_reference_are_refused() {
        let long = format!("a: B({})", vec!["c"; PARTS_MAX + 1].join(","));
        for text in
            ["", "a", "a: B", "a: B()", "a: B(c,)", "a: (c)", ": B(c)", "a: B(c) d", "a: B(c(d))", "a, b: C(d)", &long]
        {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        let spaced = " a :B( c ,d.e )".parse().map(|reference: Reference| reference.to_string());
        assert_eq!(spaced.ok().as_deref(), Some("a: B(c, d.e)"));
    }
}
