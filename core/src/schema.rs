//! Types of a dataset's records and the places of their fields; how schemas travel, grow and match.
//!
//! A [`Schema`] holds every struct and enum type that some record types reach. It is read from generated code
//! (`typed`), or from a manifest (`nodes`), to which it is also written. It is printed as Cap'n Proto IDL (`idl`).
//! Layouts are those of the `capnp` compiler (`layout`). `kapok-ingest` makes schemas of other sources.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fault::Fault;

mod evolve;
mod growth;
mod idl;
mod layout;
mod matching;
mod names;
mod nodes;
mod places;
mod reference;
mod soundness;
mod steps;
mod typed;
mod vector_space;
mod widen;
mod without;

pub use evolve::OlderSchema;
pub use idl::RecordDeclaration;
pub use names::{is_type_name, to_camel_case, to_type_name, unique_name};
pub use nodes::LIST_DEPTH_MAX;
pub use reference::Reference;
pub use typed::RecordStruct;
pub use vector_space::{Metric, VectorElement, VectorSpace};
pub use without::FieldRemoval;

/// Struct and enum types by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    structs: BTreeMap<u64, Arc<StructType>>,
    enums: BTreeMap<u64, Arc<EnumType>>,
}

/// A struct or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructType {
    /// Cap'n Proto type id.
    pub id: u64,
    /// Unqualified name.
    pub name: String,
    /// Id of the type (or file) that this one is declared in.
    pub scope: u64,
    /// Words of the data section; a group's are its struct's.
    pub data_words: u16,
    /// Pointers; a group's are its struct's.
    pub pointer_words: u16,
    /// Whether this is a group (or named union) of the struct `scope`.
    pub is_group: bool,
    /// Members of the unnamed union; 0 if there is none.
    pub discriminant_count: u16,
    /// Place of the union's discriminant, in 16-bit units of the data section.
    pub discriminant_offset: u32,
    /// Names of the primary key's fields, from the `key` annotation; empty if there is none.
    pub key: Vec<String>,
    /// Indexes that the `indexes` annotation declares, such as `hash(year)`.
    pub indexes: Vec<String>,
    /// References that several fields make together, from the `references` annotation.
    pub references: Vec<Reference>,
    /// Fields, by the order of their ordinals (that of the node: groups among them).
    pub fields: Vec<FieldType>,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldType {
    /// Name in Cap'n Proto, camelCase.
    pub name: String,
    /// Name in JSON if it differs.
    pub json_name: Option<String>,
    /// The `@N` of the declaration; a group may have none.
    pub ordinal: Option<u16>,
    /// Place in the declaration as people wrote it.
    pub code_order: u16,
    /// Value of the discriminant while this field is the union's active member; `None` outside the union.
    pub discriminant: Option<u16>,
    /// Place of the field, or the group that it is.
    pub kind: FieldKind,
    /// The field is a vector of fixed dimension.
    pub vector: Option<VectorSpace>,
    /// This Bool field says that the named field is null.
    pub null_of: Option<String>,
    /// This list of (key, value) structs is a JSON object.
    pub is_map: bool,
    /// This Text is JSON, and stands in a record's JSON as the value that it is.
    pub is_json: bool,
    /// The value of this field is the key of a record of the named record type.
    pub reference: Option<String>,
}

/// Place of a field, or the group that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A place in the data or pointer section.
    Slot {
        /// Offset in units of the type's size from the start of the data section, or a pointer's index.
        offset: u32,
        /// Type of the value.
        ty: Type,
        /// Value of an absent field.
        default: DefaultValue,
    },
    /// A group or named union, by the id of its struct type.
    Group(u64),
}

/// Type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// No value.
    Void,
    /// One bit.
    Bool,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    UInt8,
    /// Unsigned, 16 bits.
    UInt16,
    /// Unsigned, 32 bits.
    UInt32,
    /// Unsigned, 64 bits.
    UInt64,
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 64 bits.
    Float64,
    /// UTF-8.
    Text,
    /// Bytes.
    Data,
    /// Elements of one type.
    List(Box<Type>),
    /// An enum, by type id.
    Enum(u64),
    /// A struct, by type id.
    Struct(u64),
}

/// Value of a field that is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// All bits zero, or a null pointer.
    Zero,
    /// Bits of a number, Bool or enum, as stored in the low end; the stored bits of a value are its own XOR these.
    Bits(u64),
    /// Words of a single-segment message whose first word points at the value.
    Pointer(Arc<[u8]>),
}

/// An enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumType {
    /// Cap'n Proto type id.
    pub id: u64,
    /// Unqualified name.
    pub name: String,
    /// Id of the type (or file) that this one is declared in.
    pub scope: u64,
    /// Enumerants, by ordinal.
    pub enumerants: Vec<Enumerant>,
}

/// A value of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enumerant {
    /// Name in Cap'n Proto, camelCase.
    pub name: String,
    /// Name in JSON if it differs.
    pub json_name: Option<String>,
    /// Place in the declaration as people wrote it.
    pub code_order: u16,
}

impl Schema {
    /// Makes a schema without types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a struct type.
    pub fn insert_struct(&mut self, ty: StructType) {
        self.structs.insert(ty.id, Arc::new(ty));
    }

    /// Adds or replaces an enum type.
    pub fn insert_enum(&mut self, ty: EnumType) {
        self.enums.insert(ty.id, Arc::new(ty));
    }

    /// Iterates over struct types and groups, by id.
    pub fn structs(&self) -> impl Iterator<Item = &Arc<StructType>> {
        self.structs.values()
    }

    /// Iterates over enum types, by id.
    pub fn enums(&self) -> impl Iterator<Item = &Arc<EnumType>> {
        self.enums.values()
    }

    /// Returns the struct type or group of an id.
    pub fn get_struct(&self, id: u64) -> Option<&Arc<StructType>> {
        self.structs.get(&id)
    }

    /// Returns the enum type of an id.
    pub fn get_enum(&self, id: u64) -> Option<&Arc<EnumType>> {
        self.enums.get(&id)
    }

    /// Returns the struct type or group of an id, or an error that names it.
    ///
    /// # Errors
    /// `Invalid` if it does not.
    pub fn struct_type(&self, id: u64) -> Result<&Arc<StructType>> {
        self.get_struct(id).ok_or_else(|| Error::schema("schema", format!("struct type missing: id={id:#018x}")))
    }

    /// Returns the enum type of an id, or an error that names it.
    ///
    /// # Errors
    /// `Invalid` if it does not.
    pub fn enum_type(&self, id: u64) -> Result<&Arc<EnumType>> {
        self.get_enum(id).ok_or_else(|| Error::schema("schema", format!("enum type missing: id={id:#018x}")))
    }

    /// Returns the types that are reachable from some struct types, and only those.
    ///
    /// # Errors
    /// `Invalid` if a type is missing.
    pub fn closure(&self, roots: impl IntoIterator<Item = u64>) -> Result<Self> {
        let mut out = Self::new();
        let mut open: Vec<u64> = roots.into_iter().collect();
        while let Some(id) = open.pop() {
            if out.structs.contains_key(&id) {
                continue;
            }
            let ty = self.struct_type(id)?;
            out.structs.insert(id, Arc::clone(ty));
            for field in &ty.fields {
                match &field.kind {
                    FieldKind::Group(group) => open.push(*group),
                    FieldKind::Slot { ty, .. } => match ty.innermost() {
                        Type::Struct(id) => open.push(*id),
                        Type::Enum(id) => {
                            out.enums.insert(*id, Arc::clone(self.enum_type(*id)?));
                        }
                        _ => {}
                    },
                }
            }
        }
        Ok(out)
    }
}

impl StructType {
    /// Makes a struct type without unions or a key, whose fields are not laid out yet.
    pub fn new(id: u64, name: impl Into<String>, fields: Vec<FieldType>) -> Self {
        Self {
            id,
            name: name.into(),
            scope: 0,
            data_words: 0,
            pointer_words: 0,
            is_group: false,
            discriminant_count: 0,
            discriminant_offset: 0,
            key: Vec::new(),
            indexes: Vec::new(),
            references: Vec::new(),
            fields,
        }
    }

    /// Returns the field of a Cap'n Proto name.
    pub fn field(&self, name: &str) -> Option<&FieldType> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the field of a JSON name, or else of a Cap'n Proto name.
    pub fn field_by_any_name(&self, name: &str) -> Option<&FieldType> {
        self.fields.iter().find(|field| field.json_name() == name).or_else(|| self.field(name))
    }

    /// Returns the field of a Cap'n Proto name, or else of a JSON name: for names of which the first are meant, such as those
    /// of a key that is stored.
    pub fn field_by_capnp_name_first(&self, name: &str) -> Option<&FieldType> {
        self.field(name).or_else(|| self.field_by_any_name(name))
    }

    /// Returns the error about a path that leads to no field of this type.
    #[cold]
    pub(crate) fn no_field(&self, path: String) -> Error {
        let fields = self.fields.iter().map(|field| field.json_name().to_owned()).collect();
        Fault::NoField { path, type_name: self.name.clone(), fields }.into()
    }

    /// Returns the fields in the order in which people wrote them.
    pub(crate) fn fields_in_code_order(&self) -> Vec<&FieldType> {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by_key(|field| field.code_order);
        fields
    }
}

impl FieldType {
    /// Makes a plain field, neither in a union nor annotated.
    pub fn slot(name: &str, ordinal: u16, offset: u32, ty: Type) -> Self {
        Self {
            name: name.to_owned(),
            json_name: None,
            ordinal: Some(ordinal),
            code_order: ordinal,
            discriminant: None,
            kind: FieldKind::Slot { offset, ty, default: DefaultValue::Zero },
            vector: None,
            null_of: None,
            is_map: false,
            is_json: false,
            reference: None,
        }
    }

    /// Returns the name in JSON.
    pub fn json_name(&self) -> &str {
        self.json_name.as_deref().unwrap_or(&self.name)
    }
}

impl Enumerant {
    /// Returns the name in JSON.
    pub fn json_name(&self) -> &str {
        self.json_name.as_deref().unwrap_or(&self.name)
    }
}

impl Type {
    /// Returns the type of the elements of a list's innermost lists; of anything else, itself.
    pub fn innermost(&self) -> &Self {
        match self {
            Self::List(element) => element.innermost(),
            other => other,
        }
    }

    /// Returns the bits in the data section; `None` for pointers.
    pub fn data_bits(&self) -> Option<u32> {
        match self {
            Self::Void => Some(0),
            Self::Bool => Some(1),
            Self::Int8 | Self::UInt8 => Some(8),
            Self::Int16 | Self::UInt16 | Self::Enum(_) => Some(16),
            Self::Int32 | Self::UInt32 | Self::Float32 => Some(32),
            Self::Int64 | Self::UInt64 | Self::Float64 => Some(64),
            Self::Text | Self::Data | Self::List(_) | Self::Struct(_) => None,
        }
    }

    /// Returns whether values lie behind a pointer.
    pub fn is_pointer(&self) -> bool {
        self.data_bits().is_none()
    }
}

impl DefaultValue {
    /// Returns the bits to XOR a stored number with.
    pub fn bits(&self) -> u64 {
        if let Self::Bits(bits) = self { *bits } else { 0 }
    }
}
