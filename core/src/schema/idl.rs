//! Prints a dataset's schema in Cap'n Proto's own schema language.
//!
//! One file without imports, which the stock compiler turns into the same type ids, offsets, sizes, defaults and
//! annotations. For every record type it declares a root `<Type>Segment`, so that
//! `capnp convert binary:json dataset.capnp MovieSegment < segment` shows what a segment file holds.
//!
//! # Limitations
//! The language has no word for some things, and printing them is an error: NaN defaults of other than the usual bits,
//! nulls within the default value of a list or union, names that the compiler refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use capnp::traits::HasTypeId as _;
use kapok_schemas::kapok_capnp::{self as annotations, vector_space};

use self::literal::{Literals, text_literal};
use self::scopes::{Scopes, declared_id, segment_id};
use super::layout::lay_out;
use super::names::is_field_name;
use super::nodes::JSON_NAME;
use super::places::Places;
use super::{
    DefaultValue, EnumType, FieldKind, FieldType, Metric, Schema, StructType, Type, VectorElement, VectorSpace,
};
use crate::error::{Error, Result};

mod literal;
mod scopes;

/// Types and groups nested deeper than this are refused.
const DEPTH_MAX: usize = 64;

/// A record type as its dataset knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordDeclaration<'a> {
    /// Name of the record type, which its struct is printed under.
    pub name: &'a str,
    /// Id of its struct.
    pub type_id: u64,
    /// Names of the primary key's fields; empty: those that the struct itself declares.
    pub key: &'a [String],
}

impl Schema {
    /// Prints every type as Cap'n Proto IDL, and a root struct for each record type's segments.
    ///
    /// # Errors
    /// `Invalid` if a record type is missing or the schema holds what the compiler would refuse or lay out
    /// otherwise, naming the field.
    pub fn to_idl(&self, record_types: &[RecordDeclaration<'_>]) -> Result<String> {
        for record_type in record_types {
            self.struct_type(record_type.type_id)?;
        }
        let (schema, support) = self.with_annotated_types()?;
        let scopes = Scopes::new(&schema, record_types, &support)?;
        let places = record_types.iter().enumerate().map(|(index, record_type)| (record_type.type_id, index));
        let mut printer = Printer {
            schema: &schema,
            record_types,
            places: places.collect(),
            scopes: &scopes,
            used: BTreeSet::new(),
            literal_steps: 0,
            out: String::new(),
        };
        let mut nested: BTreeMap<u64, usize> = printer.places.clone();
        for id in scopes.children(None) {
            printer.declaration(*id, 0)?;
            if let Some(index) = nested.remove(id) {
                printer.segment(index)?;
            }
        }
        // Record types that are nested in other types.
        let mut nested: Vec<usize> = nested.into_values().collect();
        nested.sort_unstable();
        for index in nested {
            printer.segment(index)?;
        }
        printer.file()
    }

    /// Returns this schema with the types that its annotations need, and the ids of those that it did not have.
    fn with_annotated_types(&self) -> Result<(Self, BTreeSet<u64>)> {
        let (mut all, mut support) = (self.clone(), BTreeSet::new());
        if self.structs().flat_map(|ty| &ty.fields).any(|field| field.vector.is_some()) {
            let (needed, _) = Self::of::<vector_space::Owned>()?;
            for ty in needed.structs().filter(|ty| self.get_struct(ty.id).is_none()) {
                support.insert(ty.id);
                all.insert_struct(StructType::clone(ty));
            }
            for ty in needed.enums().filter(|ty| self.get_enum(ty.id).is_none()) {
                support.insert(ty.id);
                all.insert_enum(EnumType::clone(ty));
            }
        }
        Ok((all, support))
    }
}

struct Printer<'s> {
    schema: &'s Schema,
    record_types: &'s [RecordDeclaration<'s>],
    /// Index of each record type, by type id.
    places: BTreeMap<u64, usize>,
    scopes: &'s Scopes,
    /// Ids of the annotations that something carries.
    used: BTreeSet<u64>,
    /// Steps that default values took so far.
    literal_steps: u64,
    out: String,
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        for _ in 0..depth {
            self.out.push_str("  ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Returns the whole file around the declarations printed so far.
    fn file(self) -> Result<String> {
        let ids: BTreeSet<_> = self.record_types.iter().map(|record_type| record_type.type_id).collect();
        let ids: Vec<u8> = ids.into_iter().flat_map(u64::to_le_bytes).collect();
        let mut head = format!("@{:#018x};\n", declared_id("kapok schema file", &ids));
        if let Some(record_type) = self.record_types.first() {
            let root = self.scopes.segment_name(0);
            _ = writeln!(
                head,
                "# Schema of a dataset. To see the records of a {} segment:\n\
                 #   capnp convert binary:json <this file> {root} < <segment file>",
                record_type.name
            );
        }
        head.push('\n');
        let mut declare = |name: &str, id: u64, rest: &str| {
            if self.used.contains(&id) {
                _ = writeln!(head, "annotation {name} @{id:#018x} {rest};");
            }
        };
        declare("name", JSON_NAME, "(field, enumerant, group, union) :Text");
        declare("key", annotations::key::ID, "(struct) :Text");
        declare("indexes", annotations::indexes::ID, "(struct) :List(Text)");
        declare("references", annotations::references::ID, "(struct) :List(Text)");
        if self.used.contains(&annotations::vector::ID) {
            let space = self.scopes.reference(None, vector_space::Builder::TYPE_ID)?;
            declare("vector", annotations::vector::ID, &format!("(field) {}", annotated_type(&space)));
        }
        declare("reference", annotations::reference::ID, "(field) :Text");
        declare("nullOf", annotations::null_of::ID, "(field) :Text");
        declare("map", annotations::map::ID, "(field) :Void");
        declare("json", annotations::json::ID, "(field) :Void");
        head.push_str(&self.out);
        Ok(head)
    }

    fn declaration(&mut self, id: u64, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::schema(self.scopes.name(id)?, format!("types nested deeper than {DEPTH_MAX}")));
        }
        if depth == 0 {
            self.out.push('\n');
        }
        if let Some(ty) = self.schema.get_enum(id) { self.enumeration(ty, depth) } else { self.structure(id, depth) }
    }

    fn enumeration(&mut self, ty: &EnumType, depth: usize) -> Result<()> {
        let name = self.scopes.name(ty.id)?;
        self.line(depth, &format!("enum {name} @{:#018x} {{", checked_id(name, ty.id)?));
        let mut members: Vec<_> = ty.enumerants.iter().enumerate().collect();
        members.sort_by_key(|(_, enumerant)| enumerant.code_order);
        let mut taken = BTreeSet::new();
        for (ordinal, enumerant) in members {
            check_name(name, &enumerant.name, &mut taken)?;
            let note = self.json_name(enumerant.json_name.as_deref());
            self.line(depth + 1, &format!("{} @{ordinal}{note};", enumerant.name));
        }
        self.line(depth, "}");
        Ok(())
    }

    fn structure(&mut self, id: u64, depth: usize) -> Result<()> {
        let ty = self.schema.struct_type(id)?;
        check_layout(self.schema, ty)?;
        let name = self.scopes.name(id)?;
        let record_type = self.places.get(&id).and_then(|index| self.record_types.get(*index));
        let key = record_type.map(|record_type| record_type.key).filter(|key| !key.is_empty()).unwrap_or(&ty.key);
        let mut head = format!("struct {name} @{:#018x}", checked_id(name, id)?);
        if !key.is_empty() {
            self.used.insert(annotations::key::ID);
            _ = write!(head, " $key({})", text_literal(&key.join(",")));
        }
        let references: Vec<String> = ty.references.iter().map(ToString::to_string).collect();
        head.push_str(&self.texts("indexes", annotations::indexes::ID, &ty.indexes));
        head.push_str(&self.texts("references", annotations::references::ID, &references));
        self.line(depth, &format!("{head} {{"));
        self.members(ty, id, name, depth + 1)?;
        for child in self.scopes.children(Some(id)) {
            self.out.push('\n');
            self.declaration(*child, depth + 1)?;
        }
        self.line(depth, "}");
        Ok(())
    }

    /// Prints the fields of a struct or group, those in its unnamed union together.
    fn members(&mut self, ty: &StructType, scope: u64, path: &str, depth: usize) -> Result<()> {
        let fields = ty.fields_in_code_order();
        let mut taken = BTreeSet::new();
        for field in &fields {
            check_name(path, &field.name, &mut taken)?;
        }
        let (union, plain): (Vec<&FieldType>, Vec<&FieldType>) =
            fields.iter().copied().partition(|field| field.discriminant.is_some());
        if union.len() == 1 || union.is_empty() != (ty.discriminant_count == 0) {
            return Err(Error::schema(path, format!("a union of {} members", union.len())));
        }
        let union_at = union.first().map_or(u16::MAX, |field| field.code_order);
        let (before, after): (Vec<_>, Vec<_>) = plain.into_iter().partition(|field| field.code_order <= union_at);
        for field in before {
            self.field(field, scope, path, depth)?;
        }
        if ty.is_group && union.len() == fields.len() {
            // A named union, whose braces the caller prints.
            for field in union {
                self.field(field, scope, path, depth)?;
            }
        } else if !union.is_empty() {
            self.line(depth, "union {");
            for field in union {
                self.field(field, scope, path, depth + 1)?;
            }
            self.line(depth, "}");
        }
        for field in after {
            self.field(field, scope, path, depth)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &FieldType, scope: u64, path: &str, depth: usize) -> Result<()> {
        let path = format!("{path}.{}", field.name);
        let mut line = field.name.clone();
        if let Some(ordinal) = field.ordinal {
            // A union that has an ordinal needs it for its layout, and the compiler wants that affirmed.
            let affirmed = if matches!(field.kind, FieldKind::Group(_)) { "!" } else { "" };
            _ = write!(line, " @{ordinal}{affirmed}");
        }
        match &field.kind {
            FieldKind::Group(id) => {
                if depth > DEPTH_MAX {
                    return Err(Error::schema(path, format!("groups nested deeper than {DEPTH_MAX}")));
                }
                let group = self.schema.struct_type(*id)?;
                if group.fields.is_empty() {
                    return Err(Error::schema(path, "a group without fields"));
                }
                let is_union = group.fields.iter().all(|field| field.discriminant.is_some());
                line.push_str(if is_union { " :union" } else { " :group" });
                line.push_str(&self.json_name(field.json_name.as_deref()));
                self.line(depth, &format!("{line} {{"));
                self.members(group, scope, &path, depth + 1)?;
                self.line(depth, "}");
            }
            FieldKind::Slot { ty, default, .. } => {
                line.push(' ');
                line.push_str(&annotated_type(&self.type_name(scope, ty)?));
                if *default != DefaultValue::Zero {
                    _ = write!(
                        line,
                        " = {}",
                        Literals::new(self.schema, &path, &mut self.literal_steps).default(ty, default)?
                    );
                }
                line.push_str(&self.json_name(field.json_name.as_deref()));
                line.push_str(&self.notes(field));
                line.push(';');
                self.line(depth, &line);
            }
        }
        Ok(())
    }

    fn json_name(&mut self, name: Option<&str>) -> String {
        let Some(name) = name else { return String::new() };
        self.used.insert(JSON_NAME);
        format!(" $name({})", text_literal(name))
    }

    /// Returns an annotation of texts, if there are any.
    fn texts(&mut self, name: &str, id: u64, texts: &[String]) -> String {
        if texts.is_empty() {
            return String::new();
        }
        self.used.insert(id);
        let texts: Vec<String> = texts.iter().map(|text| text_literal(text)).collect();
        format!(" ${name}([{}])", texts.join(", "))
    }

    /// Returns Kapok's own annotations of a field.
    fn notes(&mut self, field: &FieldType) -> String {
        let mut notes = String::new();
        if let Some(space) = field.vector {
            self.used.insert(annotations::vector::ID);
            _ = write!(notes, " $vector({})", vector_literal(space));
        }
        if let Some(target) = &field.reference {
            self.used.insert(annotations::reference::ID);
            _ = write!(notes, " $reference({})", text_literal(target));
        }
        if let Some(name) = &field.null_of {
            self.used.insert(annotations::null_of::ID);
            _ = write!(notes, " $nullOf({})", text_literal(name));
        }
        if field.is_map {
            self.used.insert(annotations::map::ID);
            notes.push_str(" $map");
        }
        if field.is_json {
            self.used.insert(annotations::json::ID);
            notes.push_str(" $json");
        }
        notes
    }

    fn type_name(&self, scope: u64, ty: &Type) -> Result<String> {
        Ok(match ty {
            Type::List(element) => format!("List({})", self.type_name(scope, element)?),
            Type::Struct(id) | Type::Enum(id) => self.scopes.reference(Some(scope), *id)?,
            simple => format!("{simple:?}"),
        })
    }

    /// Prints the root struct of a record type's segments.
    fn segment(&mut self, index: usize) -> Result<()> {
        let Some(record_type) = self.record_types.get(index) else { return Ok(()) };
        let name = self.scopes.segment_name(index);
        let id = segment_id(record_type.type_id);
        let rows = self.scopes.reference(None, record_type.type_id)?;
        self.out.push('\n');
        self.line(0, &format!("struct {name} @{id:#018x} {{"));
        self.line(1, &format!("rows @0 :List({rows});"));
        self.line(0, "}");
        Ok(())
    }
}

/// Returns a colon and a type; `:.` would be one token.
fn annotated_type(ty: &str) -> String {
    if ty.starts_with('.') { format!(": {ty}") } else { format!(":{ty}") }
}

fn vector_literal(space: VectorSpace) -> String {
    let mut members = Vec::new();
    if space.dimension != 0 {
        members.push(format!("dimension = {}", space.dimension));
    }
    if space.metric != Metric::Unspecified {
        members.push(format!("metric = {}", space.metric.name()));
    }
    if space.element != VectorElement::AsType {
        members.push(format!("element = {}", space.element.name()));
    }
    format!("({})", members.join(", "))
}

fn check_name(path: &str, name: &str, taken: &mut BTreeSet<String>) -> Result<()> {
    if !is_field_name(name) {
        return Err(Error::schema(path, format!("a name that Cap'n Proto refuses: {name:?}")));
    }
    if !taken.insert(name.to_owned()) {
        return Err(Error::schema(path, format!("a name given twice: {name:?}")));
    }
    Ok(())
}

fn checked_id(name: &str, id: u64) -> Result<u64> {
    if id >> 63 == 1 {
        Ok(id)
    } else {
        Err(Error::schema(name, format!("type ids need their high bit set: {id:#018x}")))
    }
}

/// Refuses a struct that the compiler would lay out in another way than it is stored. Structs with unions
/// are trusted.
fn check_layout(schema: &Schema, ty: &StructType) -> Result<()> {
    let places = Places::of(schema, ty)?;
    if places.has_unions() {
        return Ok(());
    }
    let mut fields: Vec<_> = places.by_ordinal.values().map(|placed| placed.field.clone()).collect();
    let sizes = lay_out(&mut fields)?;
    let moved = fields.iter().zip(places.by_ordinal.values()).find(|(field, placed)| *field != placed.field);
    if let Some((_, placed)) = moved {
        return Err(Error::schema(format!("{}.{}", ty.name, placed.path), "not where Cap'n Proto's compiler puts it"));
    }
    if sizes != (ty.data_words, ty.pointer_words) {
        return Err(Error::schema(&ty.name, "not of the size that Cap'n Proto's compiler gives it"));
    }
    Ok(())
}
