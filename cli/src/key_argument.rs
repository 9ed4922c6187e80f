//! Parses a key of the command line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kapok_core::key::KeyPart;
use kapok_core::schema::{Enumerant, FieldKind, Schema, StructType, Type};
use kapok_core::view::Table;

use crate::failure::{Failure, Parts, Result};

/// The parts of a key, parsed by the types of its fields.
#[derive(Debug)]
pub struct KeyArgument {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Bool(bool),
    Int(i128),
    Text(String),
    Data(Vec<u8>),
}

impl KeyArgument {
    /// Reads one argument for each field of the table's key.
    pub fn parse(table: &Table, arguments: &[String]) -> Result<Self> {
        let names: Vec<&str> = table.key().names().collect();
        if names.len() != arguments.len() {
            return Err(Failure::input(format!(
                "the key of {} has {} field(s), {} given; give one argument for each of: {}",
                table.name(),
                names.len(),
                arguments.len(),
                names.join(", ")
            )));
        }
        let mut parts = Vec::with_capacity(names.len());
        for (name, argument) in names.into_iter().zip(arguments) {
            let ty = field_type(table.schema(), table.struct_type(), name)
                .ok_or_else(|| Failure::no(format!("{}.{name}: the schema has no such key field", table.name())))?;
            let part = Part::parse(table.schema(), ty, argument).ok_or_else(|| {
                let expected = describe(table.schema(), ty);
                let field = format!("{}.{name}", table.name());
                Failure::input(format!("{field}: expected {expected}, found {argument:?}"))
                    .with_parts(Parts { field: Some(field), ..Parts::default() })
            })?;
            parts.push(part);
        }
        Ok(Self { parts })
    }

    /// Returns the parts, to be looked up.
    pub fn parts(&self) -> Vec<KeyPart<'_>> {
        let part = |part| match part {
            &Part::Bool(value) => KeyPart::Bool(value),
            &Part::Int(value) => KeyPart::Int(value),
            Part::Text(text) => KeyPart::Text(text),
            Part::Data(bytes) => KeyPart::Data(bytes),
        };
        self.parts.iter().map(part).collect()
    }
}

impl Part {
    fn parse(schema: &Schema, ty: &Type, argument: &str) -> Option<Self> {
        Some(match ty {
            Type::Bool => Self::Bool(argument.parse().ok()?),
            Type::Text => Self::Text(argument.to_owned()),
            Type::Data => Self::Data(BASE64.decode(argument).ok()?),
            Type::Enum(id) => {
                let enumerants = &schema.get_enum(*id)?.enumerants;
                let named = enumerants.iter().position(|it| it.json_name() == argument || it.name == argument);
                Self::Int(named.and_then(|at| i128::try_from(at).ok()).or_else(|| argument.parse().ok())?)
            }
            _ => Self::Int(argument.parse().ok()?),
        })
    }
}

fn describe(schema: &Schema, ty: &Type) -> String {
    match ty {
        Type::Bool => "true or false".to_owned(),
        Type::Data => "base64".to_owned(),
        Type::Enum(id) => {
            let names =
                schema.get_enum(*id).map(|ty| ty.enumerants.iter().map(Enumerant::json_name).collect::<Vec<_>>());
            format!("one of {}", names.unwrap_or_default().join(", "))
        }
        _ => "an integer".to_owned(),
    }
}

/// Returns the type of a key field, whose name may lead through groups.
fn field_type<'s>(schema: &'s Schema, ty: &'s StructType, name: &str) -> Option<&'s Type> {
    let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    match (&ty.field(first)?.kind, rest) {
        (FieldKind::Slot { ty, .. }, None) => Some(ty),
        (FieldKind::Group(id), Some(rest)) => field_type(schema, schema.get_struct(*id)?, rest),
        _ => None,
    }
}
