//! Schemas of generated types.

use capnp::introspect::{Type as Introspected, TypeVariant};
use capnp::schema::{EnumSchema, StructSchema};
use capnp::traits::{Owned, OwnedStruct};

use super::Schema;
use crate::error::{Error, Result};

/// A record struct of generated code: `movie::Owned`, whose readers and builders it names.
pub trait RecordStruct: OwnedStruct + Owned + capnp::introspect::Introspect {}

impl<T: OwnedStruct + Owned + capnp::introspect::Introspect> RecordStruct for T {}

impl Schema {
    /// Returns the unqualified name and the type id of a generated struct.
    ///
    /// # Errors
    /// `Invalid` for what is not a struct.
    pub fn name_and_id_of<T: RecordStruct>() -> Result<(String, u64)> {
        let TypeVariant::Struct(raw) = T::introspect().which() else {
            return Err(Error::schema("record type", "not a struct"));
        };
        let node = StructSchema::new(raw).get_proto();
        Ok((super::nodes::unqualified_name(node)?, node.get_id()))
    }

    /// Returns the types that a generated struct reaches, and its own type id.
    ///
    /// # Errors
    /// `Invalid` for `AnyPointer`, interfaces and generics, naming the field.
    pub fn of<T: RecordStruct>() -> Result<(Self, u64)> {
        let mut schema = Self::new();
        let TypeVariant::Struct(raw) = T::introspect().which() else {
            return Err(Error::schema("record type", "not a struct"));
        };
        let root = StructSchema::new(raw);
        let id = root.get_proto().get_id();
        let mut open = vec![root];
        while let Some(ty) = open.pop() {
            if schema.get_struct(ty.get_proto().get_id()).is_some() {
                continue;
            }
            schema.insert_node(ty.get_proto())?;
            for field in ty.get_fields().map_err(|e| Error::schema("schema", e.to_string()))? {
                visit(&mut schema, &mut open, field.get_type())?;
            }
        }
        Ok((schema, id))
    }
}

fn visit(schema: &mut Schema, open: &mut Vec<StructSchema>, ty: Introspected) -> Result<()> {
    match ty.which() {
        TypeVariant::Struct(raw) => open.push(StructSchema::new(raw)),
        TypeVariant::Enum(raw) => schema.insert_node(EnumSchema::new(raw).get_proto())?,
        TypeVariant::List(element) => visit(schema, open, element)?,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use kapok_samples::kinds_capnp::kinds;
    use kapok_samples::movies_capnp::movie;
    use kapok_schemas::manifest_capnp::manifest;

    use super::Schema;

    #[test]
    fn generated_types_survive_the_trip_through_nodes() {
        for (schema, id) in [Schema::of::<movie::Owned>().unwrap(), Schema::of::<kinds::Owned>().unwrap()] {
            assert!(!schema.get_struct(id).unwrap().key.is_empty());
            let mut message = capnp::message::Builder::new_default();
            let root: manifest::Builder<'_> = message.init_root();
            schema.encode_nodes(root.init_nodes(schema.node_count())).unwrap();
            let mut again = Schema::new();
            let root: manifest::Reader<'_> = message.get_root_as_reader().unwrap();
            for node in root.get_nodes().unwrap() {
                again.insert_node(node).unwrap();
            }
            assert_eq!(schema, again);
            assert_eq!(schema.fingerprint().unwrap(), again.fingerprint().unwrap());
        }
    }
}
