//! Reads and writes a schema as the `Node`s of Cap'n Proto's own schema.capnp.

use std::sync::Arc;

use capnp::message;
use capnp::schema_capnp::{annotation, field, node, type_, value};
use kapok_schemas::kapok_capnp as annotations;

use super::VectorSpace;
use super::{DefaultValue, EnumType, Enumerant, FieldKind, FieldType, Metric, Schema, StructType, Type, VectorElement};
use crate::error::{Error, Result};
use crate::fault::Fault;

/// Id of json.capnp's `name`, which the stock tool honours.
pub(super) const JSON_NAME: u64 = 0xfa5b_1fd6_1c2e_7c3d;

/// What a field says when its discriminant does not matter.
const NO_DISCRIMINANT: u16 = 0xffff;

/// Bytes of a name, at most: errors and paths repeat names.
const NAME_BYTES_MAX: usize = 1024;
/// Indexes that an annotation declares, at most.
const INDEXES_MAX: u32 = 256;
/// Bytes of all names of a key together, at most.
const KEY_BYTES_MAX: usize = 1 << 16;

impl Schema {
    /// Adds the struct or enum type of a node; other nodes (files, constants, annotations, interfaces) are passed over.
    ///
    /// # Errors
    /// `Invalid` for `AnyPointer`, interfaces and generics, naming the field.
    pub fn insert_node(&mut self, node: node::Reader<'_>) -> Result<()> {
        let name = unqualified_name(node)?;
        if node.get_is_generic() {
            return Err(Error::schema(name, "a generic type cannot be part of a record; write it out for one type"));
        }
        match node.which().map_err(|e| unreadable(&name, &e))? {
            node::Struct(ty) => {
                let (mut key, mut indexes, mut references) = (Vec::new(), Vec::new(), Vec::new());
                for note in readable(&name, node.get_annotations())? {
                    match note.get_id() {
                        annotations::key::ID => {
                            let text = annotation_text(&name, note)?;
                            key = text.split(',').map(|part| part.trim().to_owned()).collect();
                        }
                        annotations::indexes::ID => indexes = annotation_texts(&name, note)?,
                        annotations::references::ID => {
                            let texts = annotation_texts(&name, note)?;
                            let parse = |text: &String| text.parse().map_err(|e| unreadable(&name, &e));
                            references = texts.iter().map(parse).collect::<Result<_>>()?;
                        }
                        _ => {}
                    }
                }
                let mut fields = Vec::new();
                for field in readable(&name, ty.get_fields())? {
                    fields.push(decode_field(&name, field)?);
                }
                self.insert_struct(StructType {
                    id: node.get_id(),
                    scope: node.get_scope_id(),
                    data_words: ty.get_data_word_count(),
                    pointer_words: ty.get_pointer_count(),
                    is_group: ty.get_is_group(),
                    discriminant_count: ty.get_discriminant_count(),
                    discriminant_offset: ty.get_discriminant_offset(),
                    key,
                    indexes,
                    references,
                    fields,
                    name,
                });
            }
            node::Enum(ty) => {
                let mut enumerants = Vec::new();
                for enumerant in readable(&name, ty.get_enumerants())? {
                    let member = text(&name, enumerant.get_name())?;
                    let mut json_name = None;
                    for note in readable(&name, enumerant.get_annotations())? {
                        if note.get_id() == JSON_NAME {
                            json_name = Some(annotation_text(&name, note)?);
                        }
                    }
                    enumerants.push(Enumerant { name: member, json_name, code_order: enumerant.get_code_order() });
                }
                self.insert_enum(EnumType { id: node.get_id(), name, scope: node.get_scope_id(), enumerants });
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the number of nodes that [`Schema::encode_nodes`] writes.
    pub(crate) fn node_count(&self) -> u32 {
        u32::try_from(self.structs.len() + self.enums.len()).unwrap_or(u32::MAX)
    }

    /// Writes every type as a node, by kind and id, into a list of [`Schema::node_count`] nodes.
    ///
    /// # Errors
    /// `Invalid` if a default value cannot be written.
    pub(crate) fn encode_nodes(&self, mut nodes: capnp::struct_list::Builder<'_, node::Owned>) -> Result<()> {
        let mut index = 0;
        for ty in self.structs() {
            encode_struct(ty, nodes.reborrow().get(index)).map_err(|e| unreadable(&ty.name, &e))?;
            index += 1;
        }
        for ty in self.enums() {
            encode_enum(ty, nodes.reborrow().get(index));
            index += 1;
        }
        Ok(())
    }

    /// Returns the identity of the schema: BLAKE3 of its nodes in canonical form.
    ///
    /// # Errors
    /// `Invalid` if a default value cannot be written.
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        let mut scratch = message::Builder::new_default();
        {
            let root: kapok_schemas::manifest_capnp::manifest::Builder<'_> = scratch.init_root();
            self.encode_nodes(root.init_nodes(self.node_count()))?;
        }
        let words = scratch.into_reader().canonicalize().map_err(|e| unreadable("schema", &e))?;
        Ok(*blake3::hash(capnp::Word::words_to_bytes(&words)).as_bytes())
    }
}

pub(super) fn unqualified_name(node: node::Reader<'_>) -> Result<String> {
    let name = text("schema", node.get_display_name())?;
    let prefix = node.get_display_name_prefix_length() as usize;
    Ok(name.get(prefix..).unwrap_or(&name).to_owned())
}

fn decode_field(owner: &str, field: field::Reader<'_>) -> Result<FieldType> {
    let name = text(owner, field.get_name())?;
    let path = format!("{owner}.{name}");
    let ordinal = match field.get_ordinal().which().map_err(|e| unreadable(&path, &e))? {
        field::ordinal::Explicit(ordinal) => Some(ordinal),
        field::ordinal::Implicit(()) => None,
    };
    let kind = match field.which().map_err(|e| unreadable(&path, &e))? {
        field::Group(group) => FieldKind::Group(group.get_type_id()),
        field::Slot(slot) => {
            let ty = decode_type(&path, readable(&path, slot.get_type())?)?;
            let default = decode_default(&path, &ty, readable(&path, slot.get_default_value())?)?;
            FieldKind::Slot { offset: slot.get_offset(), ty, default }
        }
    };
    let mut out = FieldType {
        name,
        json_name: None,
        ordinal,
        code_order: field.get_code_order(),
        discriminant: Some(field.get_discriminant_value()).filter(|value| *value != NO_DISCRIMINANT),
        kind,
        vector: None,
        null_of: None,
        is_map: false,
        is_json: false,
        reference: None,
    };
    for note in readable(&path, field.get_annotations())? {
        match note.get_id() {
            JSON_NAME => out.json_name = Some(annotation_text(&path, note)?),
            annotations::null_of::ID => out.null_of = Some(annotation_text(&path, note)?),
            annotations::reference::ID => out.reference = Some(annotation_text(&path, note)?),
            annotations::map::ID => out.is_map = true,
            annotations::json::ID => out.is_json = true,
            annotations::vector::ID => {
                let value = readable(&path, note.get_value())?;
                let Ok(value::Struct(value)) = value.which() else {
                    return Err(Error::schema(path, "annotation `vector` needs a VectorSpace"));
                };
                let space: annotations::vector_space::Reader<'_> = readable(&path, value.get_as())?;
                let metric = match space.get_metric() {
                    Ok(annotations::Metric::L2) => Metric::L2,
                    Ok(annotations::Metric::Cosine) => Metric::Cosine,
                    Ok(annotations::Metric::InnerProduct) => Metric::InnerProduct,
                    Ok(annotations::Metric::Hamming) => Metric::Hamming,
                    Ok(annotations::Metric::Unspecified) => Metric::Unspecified,
                    Err(e) => {
                        return Err(Error::incompatible(path, format!("unknown metric: {e}")));
                    }
                };
                let element = match space.get_element() {
                    Ok(annotations::VectorElement::AsType) => VectorElement::AsType,
                    Ok(annotations::VectorElement::Float16) => VectorElement::Float16,
                    Ok(annotations::VectorElement::Bfloat16) => VectorElement::BFloat16,
                    Ok(annotations::VectorElement::Bit) => VectorElement::Bit,
                    Err(e) => return Err(Error::incompatible(path, format!("unknown element of vectors: {e}"))),
                };
                out.vector = Some(VectorSpace { dimension: space.get_dimension(), metric, element });
            }
            _ => {}
        }
    }
    Ok(out)
}

/// Lists within lists that every reader takes.
pub const LIST_DEPTH_MAX: u32 = 32;

fn decode_type(path: &str, ty: type_::Reader<'_>) -> Result<Type> {
    let mut ty = ty;
    let mut depth = 0_u32;
    let mut out = loop {
        let leaf = match ty.which().map_err(|e| unreadable(path, &e))? {
            type_::List(list) => {
                depth += 1;
                if depth > LIST_DEPTH_MAX {
                    return Err(Error::schema(path, format!("lists nested deeper than {LIST_DEPTH_MAX}")));
                }
                ty = readable(path, list.get_element_type())?;
                continue;
            }
            type_::Void(()) => Type::Void,
            type_::Bool(()) => Type::Bool,
            type_::Int8(()) => Type::Int8,
            type_::Int16(()) => Type::Int16,
            type_::Int32(()) => Type::Int32,
            type_::Int64(()) => Type::Int64,
            type_::Uint8(()) => Type::UInt8,
            type_::Uint16(()) => Type::UInt16,
            type_::Uint32(()) => Type::UInt32,
            type_::Uint64(()) => Type::UInt64,
            type_::Float32(()) => Type::Float32,
            type_::Float64(()) => Type::Float64,
            type_::Text(()) => Type::Text,
            type_::Data(()) => Type::Data,
            type_::Enum(ty) => Type::Enum(ty.get_type_id()),
            type_::Struct(ty) => Type::Struct(ty.get_type_id()),
            type_::Interface(_) => return Err(refused(path, "an interface")),
            type_::AnyPointer(_) => return Err(refused(path, "AnyPointer or a generic parameter")),
        };
        break leaf;
    };
    for _ in 0..depth {
        out = Type::List(Box::new(out));
    }
    Ok(out)
}

fn refused(path: &str, what: &str) -> Error {
    Error::schema(path, format!("{what} cannot be a record field; use a struct, a union or Data"))
}

fn decode_default(path: &str, ty: &Type, value: value::Reader<'_>) -> Result<DefaultValue> {
    let bits = match value.which().map_err(|e| unreadable(path, &e))? {
        value::Void(()) | value::Interface(()) => 0,
        value::Bool(v) => u64::from(v),
        value::Int8(v) => u64::from(v.cast_unsigned()),
        value::Int16(v) => u64::from(v.cast_unsigned()),
        value::Int32(v) => u64::from(v.cast_unsigned()),
        value::Int64(v) => v.cast_unsigned(),
        value::Uint8(v) => u64::from(v),
        value::Uint16(v) | value::Enum(v) => u64::from(v),
        value::Uint32(v) => u64::from(v),
        value::Uint64(v) => v,
        value::Float32(v) => u64::from(v.to_bits()),
        value::Float64(v) => v.to_bits(),
        value::Text(v) => {
            let v = readable(path, v)?;
            return if v.is_empty() { Ok(DefaultValue::Zero) } else { pointer_default(path, |root| root.set_as(v)) };
        }
        value::Data(v) => {
            let v = readable(path, v)?;
            return if v.is_empty() {
                Ok(DefaultValue::Zero)
            } else {
                pointer_default(path, |root| root.set_as::<capnp::data::Owned>(v))
            };
        }
        value::List(v) | value::Struct(v) | value::AnyPointer(v) => {
            return if v.is_null() { Ok(DefaultValue::Zero) } else { pointer_default(path, |root| root.set_as(v)) };
        }
    };
    match (bits, ty.is_pointer()) {
        (0, _) => Ok(DefaultValue::Zero),
        (_, false) => Ok(DefaultValue::Bits(bits)),
        (_, true) => Err(Error::schema(path, "default value of another type than the field")),
    }
}

fn pointer_default(
    path: &str,
    set: impl FnOnce(&mut capnp::any_pointer::Builder<'_>) -> capnp::Result<()>,
) -> Result<DefaultValue> {
    let mut scratch = message::Builder::new_default();
    set(&mut scratch.init_root()).map_err(|e| unreadable(path, &e))?;
    let words = scratch.into_reader().canonicalize().map_err(|e| unreadable(path, &e))?;
    Ok(DefaultValue::Pointer(Arc::from(capnp::Word::words_to_bytes(&words))))
}

fn encode_struct(ty: &StructType, mut node: node::Builder<'_>) -> capnp::Result<()> {
    node.set_id(ty.id);
    node.set_scope_id(ty.scope);
    node.set_display_name(ty.name.as_str());
    let references: Vec<String> = ty.references.iter().map(ToString::to_string).collect();
    let lists = [(annotations::indexes::ID, &ty.indexes), (annotations::references::ID, &references)];
    let lists = lists.iter().filter(|(_, texts)| !texts.is_empty());
    let count = usize::from(!ty.key.is_empty()) + lists.clone().count();
    if count > 0 {
        let mut notes = node.reborrow().init_annotations(u32::try_from(count).unwrap_or(u32::MAX));
        if !ty.key.is_empty() {
            set_text_annotation(notes.reborrow().get(0), annotations::key::ID, &ty.key.join(","));
        }
        for (index, (id, texts)) in (u32::from(!ty.key.is_empty())..).zip(lists) {
            let mut note = notes.reborrow().get(index);
            note.set_id(*id);
            let count = u32::try_from(texts.len()).unwrap_or(u32::MAX);
            set_texts(note.init_value().init_list().initn_as(count), texts);
        }
    }
    let mut out = node.init_struct();
    out.set_data_word_count(ty.data_words);
    out.set_pointer_count(ty.pointer_words);
    out.set_is_group(ty.is_group);
    out.set_discriminant_count(ty.discriminant_count);
    out.set_discriminant_offset(ty.discriminant_offset);
    let mut fields = out.init_fields(u32::try_from(ty.fields.len()).unwrap_or(u32::MAX));
    for (index, field) in (0..).zip(&ty.fields) {
        encode_field(field, fields.reborrow().get(index))?;
    }
    Ok(())
}

fn encode_field(field: &FieldType, mut out: field::Builder<'_>) -> capnp::Result<()> {
    out.set_name(field.name.as_str());
    out.set_code_order(field.code_order);
    out.set_discriminant_value(field.discriminant.unwrap_or(NO_DISCRIMINANT));
    match field.ordinal {
        Some(ordinal) => out.reborrow().init_ordinal().set_explicit(ordinal),
        None => out.reborrow().init_ordinal().set_implicit(()),
    }
    let count = u32::from(field.json_name.is_some())
        + u32::from(field.null_of.is_some())
        + u32::from(field.reference.is_some())
        + u32::from(field.is_map)
        + u32::from(field.is_json)
        + u32::from(field.vector.is_some());
    if count > 0 {
        let mut notes = out.reborrow().init_annotations(count);
        let mut index = 0;
        let texts = [
            (JSON_NAME, &field.json_name),
            (annotations::null_of::ID, &field.null_of),
            (annotations::reference::ID, &field.reference),
        ];
        for (id, text) in texts {
            if let Some(text) = text {
                set_text_annotation(notes.reborrow().get(index), id, text);
                index += 1;
            }
        }
        for (_, id) in
            [(field.is_map, annotations::map::ID), (field.is_json, annotations::json::ID)].iter().filter(|note| note.0)
        {
            let mut note = notes.reborrow().get(index);
            note.set_id(*id);
            note.init_value().set_void(());
            index += 1;
        }
        if let Some(space) = field.vector {
            let mut note = notes.reborrow().get(index);
            note.set_id(annotations::vector::ID);
            let mut value: annotations::vector_space::Builder<'_> = note.init_value().init_struct().init_as();
            value.set_dimension(space.dimension);
            value.set_metric(match space.metric {
                Metric::Unspecified => annotations::Metric::Unspecified,
                Metric::L2 => annotations::Metric::L2,
                Metric::Cosine => annotations::Metric::Cosine,
                Metric::InnerProduct => annotations::Metric::InnerProduct,
                Metric::Hamming => annotations::Metric::Hamming,
            });
            value.set_element(match space.element {
                VectorElement::AsType => annotations::VectorElement::AsType,
                VectorElement::Float16 => annotations::VectorElement::Float16,
                VectorElement::BFloat16 => annotations::VectorElement::Bfloat16,
                VectorElement::Bit => annotations::VectorElement::Bit,
            });
        }
    }
    match &field.kind {
        FieldKind::Group(id) => out.init_group().set_type_id(*id),
        FieldKind::Slot { offset, ty, default } => {
            let mut slot = out.init_slot();
            slot.set_offset(*offset);
            slot.set_had_explicit_default(*default != DefaultValue::Zero);
            encode_type(ty, slot.reborrow().init_type());
            encode_default(ty, default, slot.init_default_value())?;
        }
    }
    Ok(())
}

fn encode_type(ty: &Type, mut out: type_::Builder<'_>) {
    match ty {
        Type::Void => out.set_void(()),
        Type::Bool => out.set_bool(()),
        Type::Int8 => out.set_int8(()),
        Type::Int16 => out.set_int16(()),
        Type::Int32 => out.set_int32(()),
        Type::Int64 => out.set_int64(()),
        Type::UInt8 => out.set_uint8(()),
        Type::UInt16 => out.set_uint16(()),
        Type::UInt32 => out.set_uint32(()),
        Type::UInt64 => out.set_uint64(()),
        Type::Float32 => out.set_float32(()),
        Type::Float64 => out.set_float64(()),
        Type::Text => out.set_text(()),
        Type::Data => out.set_data(()),
        Type::List(element) => encode_type(element, out.init_list().init_element_type()),
        Type::Enum(id) => out.init_enum().set_type_id(*id),
        Type::Struct(id) => out.init_struct().set_type_id(*id),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "defaults hold bits of the field's own width")]
fn encode_default(ty: &Type, default: &DefaultValue, mut out: value::Builder<'_>) -> capnp::Result<()> {
    let bits = default.bits();
    match ty {
        Type::Void => out.set_void(()),
        Type::Bool => out.set_bool(bits & 1 == 1),
        Type::Int8 => out.set_int8((bits as u8).cast_signed()),
        Type::Int16 => out.set_int16((bits as u16).cast_signed()),
        Type::Int32 => out.set_int32((bits as u32).cast_signed()),
        Type::Int64 => out.set_int64(bits.cast_signed()),
        Type::UInt8 => out.set_uint8(bits as u8),
        Type::UInt16 => out.set_uint16(bits as u16),
        Type::UInt32 => out.set_uint32(bits as u32),
        Type::UInt64 => out.set_uint64(bits),
        Type::Float32 => out.set_float32(f32::from_bits(bits as u32)),
        Type::Float64 => out.set_float64(f64::from_bits(bits)),
        Type::Enum(_) => out.set_enum(bits as u16),
        Type::Text | Type::Data | Type::List(_) | Type::Struct(_) => {
            let DefaultValue::Pointer(words) = default else {
                match ty {
                    Type::Text => out.set_text(""),
                    Type::Data => out.set_data(&[]),
                    Type::List(_) => drop(out.init_list()),
                    _ => drop(out.init_struct()),
                }
                return Ok(());
            };
            let segments: &[&[u8]] = &[words];
            let message = message::Reader::new(message::SegmentArray::new(segments), message::ReaderOptions::new());
            match ty {
                Type::Text => out.set_text(message.get_root::<capnp::text::Reader<'_>>()?),
                Type::Data => out.set_data(message.get_root::<capnp::data::Reader<'_>>()?),
                Type::List(_) => out.init_list().set_as(message.get_root::<capnp::any_pointer::Reader<'_>>()?)?,
                _ => out.init_struct().set_as(message.get_root::<capnp::any_pointer::Reader<'_>>()?)?,
            }
        }
    }
    Ok(())
}

fn encode_enum(ty: &EnumType, mut node: node::Builder<'_>) {
    node.set_id(ty.id);
    node.set_scope_id(ty.scope);
    node.set_display_name(ty.name.as_str());
    let mut enumerants = node.init_enum().init_enumerants(u32::try_from(ty.enumerants.len()).unwrap_or(u32::MAX));
    for (index, enumerant) in (0..).zip(&ty.enumerants) {
        let mut out = enumerants.reborrow().get(index);
        out.set_name(enumerant.name.as_str());
        out.set_code_order(enumerant.code_order);
        if let Some(name) = &enumerant.json_name {
            set_text_annotation(out.init_annotations(1).get(0), JSON_NAME, name);
        }
    }
}

fn set_text_annotation(mut note: annotation::Builder<'_>, id: u64, text: &str) {
    note.set_id(id);
    note.init_value().set_text(text);
}

fn annotation_text(path: &str, note: annotation::Reader<'_>) -> Result<String> {
    let bytes_max = if note.get_id() == annotations::key::ID { KEY_BYTES_MAX } else { NAME_BYTES_MAX };
    match readable(path, note.get_value())?.which() {
        Ok(value::Text(value)) => text_within(path, value, bytes_max),
        _ => Err(Error::schema(path, format!("annotation {:#018x} needs a text", note.get_id()))),
    }
}

fn set_texts(mut out: capnp::text_list::Builder<'_>, texts: &[String]) {
    for (index, text) in (0..).zip(texts) {
        out.set(index, text.as_str());
    }
}

fn annotation_texts(path: &str, note: annotation::Reader<'_>) -> Result<Vec<String>> {
    let Ok(value::List(list)) = readable(path, note.get_value())?.which() else {
        return Err(Error::schema(path, format!("annotation {:#018x} needs a list of texts", note.get_id())));
    };
    let list: capnp::text_list::Reader<'_> = readable(path, list.get_as())?;
    if list.len() > INDEXES_MAX {
        let (subject, allowed, needed) = (path.to_owned(), u64::from(INDEXES_MAX), u64::from(list.len()));
        return Err(Fault::Limit { subject, limit: "indexes or references of a record type", allowed, needed }.into());
    }
    list.iter().map(|text| text_within(path, text, NAME_BYTES_MAX)).collect()
}

fn text(path: &str, text: capnp::Result<capnp::text::Reader<'_>>) -> Result<String> {
    text_within(path, text, NAME_BYTES_MAX)
}

fn text_within(path: &str, text: capnp::Result<capnp::text::Reader<'_>>, bytes_max: usize) -> Result<String> {
    let text = readable(path, text)?;
    if text.len() > bytes_max {
        let (subject, allowed, needed) = (path.to_owned(), bytes_max as u64, text.len() as u64);
        return Err(Fault::Limit { subject, limit: "bytes of a name", allowed, needed }.into());
    }
    text.to_string().map_err(|_| Error::schema(path, "schema holds a name that is not UTF-8"))
}

fn readable<T>(path: &str, result: capnp::Result<T>) -> Result<T> {
    result.map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &str, error: &impl std::fmt::Display) -> Error {
    Error::schema(path, format!("schema cannot be read: {error}"))
}
