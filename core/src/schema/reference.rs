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

/// References that an error lists.
const LISTED_MAX: usize = 40;

/// A field that refers to records, or whose elements do.
struct ReferringField {
    /// Id of the struct that has the field.
    owner: u64,
    name: String,
    /// From the record, by names of Cap'n Proto.
    path: String,
}

/// Returns a step of a path without `[]`, and how many there were.
fn without_lists(mut step: &str) -> (&str, usize) {
    let mut lists = 0;
    while let Some(rest) = step.strip_suffix("[]") {
        (step, lists) = (rest, lists + 1);
    }
    (step, lists)
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
    /// with dots and through the elements of lists by `[]`, as in `items[].productId: Product` and `actorIds[]: Person`; or
    /// `edition: Edition(movieId, number)` of several, which go through no list. Fields have names of Cap'n Proto or of JSON.
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
            let ReferringField { owner, name, .. } = self.field_that_refers(type_id, path)?;
            let mut owner = StructType::clone(self.struct_type(owner)?);
            owner.fields.iter_mut().filter(|field| field.name == name).for_each(|field| {
                field.reference = Some(target.to_owned());
            });
            self.insert_struct(owner);
            return Ok(());
        }
        let mut reference: Reference = text.parse()?;
        for path in &mut reference.fields {
            if path.contains("[]") {
                let detail = format!("{path} goes through a list, and a reference of several fields through none");
                return Err(Error::invalid(format!("reference {}", reference.name), detail));
            }
            *path = self.field_that_refers(type_id, path)?.path;
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

    /// Withdraws a reference of a struct: that of a field, by the path that [`declare_reference`](Self::declare_reference) takes, or
    /// one of several fields, by its name.
    ///
    /// # Errors
    /// `NotFound` if there is none, listing those that there are.
    pub fn withdraw_reference(&mut self, type_id: u64, reference: &str) -> Result<()> {
        let mut ty = StructType::clone(self.struct_type(type_id)?);
        let several = ty.references.len();
        ty.references.retain(|known| known.name != reference);
        if ty.references.len() < several {
            self.insert_struct(ty);
            return Ok(());
        }
        if let Ok(ReferringField { owner, name, .. }) = self.field_that_refers(type_id, reference) {
            let mut owner = StructType::clone(self.struct_type(owner)?);
            let field = owner.fields.iter_mut().find(|field| field.name == name);
            if let Some(target) = field.map(|field| field.reference.take())
                && target.is_some()
            {
                self.insert_struct(owner);
                return Ok(());
            }
        }
        Err(Error::not_found(format!("reference {}.{reference}", ty.name), self.list_references(type_id)?))
    }

    /// Lists the references of records of a type, for errors.
    fn list_references(&self, type_id: u64) -> Result<String> {
        let mut known: Vec<String> =
            self.struct_type(type_id)?.references.iter().map(|reference| reference.name.clone()).collect();
        let schema = self.closure([type_id])?;
        for ty in schema.structs() {
            let fields = ty.fields.iter().filter(|field| field.reference.is_some());
            known.extend(fields.map(|field| {
                if ty.id == type_id { field.name.clone() } else { format!("{} of {}", field.name, ty.name) }
            }));
        }
        known.truncate(LISTED_MAX);
        Ok(if known.is_empty() { "there is none".to_owned() } else { format!("there is {}", known.join(", ")) })
    }

    /// Finds the field at the end of a path, whose values or elements can hold a key.
    fn field_that_refers(&self, type_id: u64, path: &str) -> Result<ReferringField> {
        let root = self.struct_type(type_id)?;
        let subject = || format!("{}.{path}", root.name);
        let (mut owner, mut names, mut steps) = (root, Vec::new(), path.split('.').peekable());
        while let Some(step) = steps.next() {
            let (step, lists) = without_lists(step);
            let field = owner.field_by_any_name(step).ok_or_else(|| owner.no_field(subject()))?;
            names.push(format!("{}{}", field.name, "[]".repeat(lists)));
            let mut ty = match &field.kind {
                FieldKind::Group(id) if lists == 0 && steps.peek().is_some() => {
                    owner = self.struct_type(*id)?;
                    continue;
                }
                FieldKind::Group(_) => break,
                FieldKind::Slot { ty, .. } => ty,
            };
            for _ in 0..lists {
                let Type::List(element) = ty else {
                    return Err(Error::invalid(subject(), format!("{step} is no list of that depth; take [] away")));
                };
                ty = element;
            }
            match (ty, steps.peek().is_some()) {
                (Type::List(_), _) => {
                    let detail = format!("{} is a list; its elements are {}[]", field.name, names.join("."));
                    return Err(Error::invalid(subject(), detail));
                }
                (Type::Struct(id), true) => owner = self.struct_type(*id)?,
                (Type::Float32 | Type::Float64 | Type::Void | Type::Struct(_), false) | (_, true) => break,
                (_, false) => {
                    return Ok(ReferringField { owner: owner.id, name: field.name.clone(), path: names.join(".") });
                }
            }
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
        let list = |ty| Type::List(Box::new(ty));
        let mut schema = Schema::new();
        schema.insert_struct(StructType::new(2, "Inner", vec![FieldType::slot("x", 0, 0, Type::Text)]));
        schema.insert_struct(StructType::new(3, "Item", vec![FieldType::slot("of", 0, 0, Type::UInt8)]));
        let mut odd = FieldType::slot("odd", 1, 0, Type::UInt8);
        odd.json_name = Some("o-d".to_owned());
        let fields = vec![
            FieldType::slot("inner", 0, 0, Type::Struct(2)),
            odd,
            FieldType::slot("list", 2, 0, list(Type::Text)),
            FieldType::slot("float", 3, 0, Type::Float64),
            FieldType::slot("items", 4, 0, list(Type::Struct(3))),
            FieldType::slot("deep", 5, 0, list(list(Type::UInt8))),
            FieldType::slot("floats", 6, 0, list(Type::Float32)),
        ];
        schema.insert_struct(StructType::new(1, "Outer", fields));
        let texts = ["o-d: Thing", "inner.x :Other", "a: T(odd, inner.x)", "a: U(o-d)", "b: T(odd)"];
        for text in texts.into_iter().chain(["list[]: Name", "items[].of: Product", "deep[][]: Thing"]) {
            schema.declare_reference(1, text)?;
        }
        let outer = schema.struct_type(1)?;
        assert_eq!(outer.field("odd").and_then(|field| field.reference.as_deref()), Some("Thing"));
        assert_eq!(schema.struct_type(2)?.fields[0].reference.as_deref(), Some("Other"));
        assert_eq!(outer.field("list").and_then(|field| field.reference.as_deref()), Some("Name"));
        assert_eq!(outer.field("deep").and_then(|field| field.reference.as_deref()), Some("Thing"));
        assert_eq!(schema.struct_type(3)?.fields[0].reference.as_deref(), Some("Product"));
        let texts: Vec<String> = outer.references.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["a: U(odd)", "b: T(odd)"]);
        assert_eq!(
            schema.referred_types(1)?.into_iter().collect::<Vec<_>>(),
            ["Name", "Other", "Product", "T", "Thing", "U"]
        );
        for text in [
            "list: T",
            "list[][]: T",
            "items.of: T",
            "items[]: T",
            "items[].of[]: T",
            "deep[]: T",
            "floats[]: T",
            "odd[]: T",
            "inner[].x: T",
            "c: T(list[])",
            "c: T(items[].of)",
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
    fn references_are_withdrawn_by_what_they_were_declared_as() -> Result<()> {
        let mut schema = Schema::new();
        schema.insert_struct(StructType::new(2, "Item", vec![FieldType::slot("of", 0, 0, Type::UInt8)]));
        let fields = vec![
            FieldType::slot("id", 0, 0, Type::UInt8),
            FieldType::slot("names", 1, 0, Type::List(Box::new(Type::Text))),
            FieldType::slot("items", 2, 0, Type::List(Box::new(Type::Struct(2)))),
        ];
        schema.insert_struct(StructType::new(1, "Order", fields));
        let plain = schema.clone();
        let texts = ["id: A", "names[]: B", "items[].of: C", "pair: D(id, id)", "other: D(id)"];
        texts.iter().try_for_each(|text| schema.declare_reference(1, text))?;
        let error = schema.withdraw_reference(1, "names").map_err(|error| (error.kind(), error.to_string()));
        let listed = "there is pair, other, id, names, of of Item";
        assert!(matches!(&error, Err((crate::ErrorKind::NotFound, told)) if told.contains(listed)), "{error:?}");
        for reference in ["id", "names[]", "items[].of", "pair"] {
            schema.withdraw_reference(1, reference)?;
            assert!(schema.withdraw_reference(1, reference).is_err(), "{reference}");
        }
        assert_eq!(schema.struct_type(1)?.references.len(), 1);
        schema.withdraw_reference(1, "other")?;
        assert_eq!(schema, plain);
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
