//! Compiled struct types: which field a name means, and what may stand there.
//!
//! Compiled once from the schema, so that writing a value looks up nothing but names.

use hashbrown::HashMap;

use super::image::StructSize;
use super::scalar::{EnumPlan, Scalar};
use crate::infer::seen::{Guard, Seen};
use kapok_core::schema::{FieldKind, FieldType, Schema, StructType, Type};
use kapok_core::{Error, Result};

/// All types that a record type reaches.
#[derive(Clone, Debug)]
pub(super) struct MessagePlan {
    /// Structs and groups; the record's own comes first.
    pub structs: Vec<StructPlan>,
    pub enums: Vec<EnumPlan>,
}

/// A struct or group.
#[derive(Clone, Debug)]
pub(super) struct StructPlan {
    id: u64,
    pub name: String,
    /// Size of the struct that a group is part of.
    pub size: StructSize,
    pub fields: Vec<FieldPlan>,
    /// Fields by JSON name and, if that is no other's JSON name, by Cap'n Proto name.
    names: HashMap<String, usize>,
    /// Cap'n Proto names, by index of the field.
    capnp_names: Vec<String>,
    /// Bit of the data section at which the union's discriminant lies.
    pub discriminant_bit: Option<usize>,
    /// Whether it has neither union nor group, so that each member's place is known when its name is read.
    pub is_plain: bool,
    /// Number of fields that data may give by name.
    pub named_count: usize,
}

#[derive(Clone, Debug)]
pub(super) struct FieldPlan {
    /// Name in JSON.
    pub name: String,
    /// Discriminant of a member of the union.
    pub discriminant: Option<u16>,
    pub place: Place,
    /// The field, by JSON name, that this one says is null.
    pub null_of: Option<String>,
    /// Whether the record's key has it. Structs of the same type within the record need none.
    pub is_key: bool,
    /// Counts the fields of all structs.
    pub number: usize,
    /// What may stand there without showing anything new to an inference.
    pub guard: Guard,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A group, by index in [`MessagePlan::structs`].
    Group(usize),
    /// A field in the data section.
    Data {
        scalar: Scalar,
        bit: usize,
        default: u64,
        null_flag: Option<NullFlag>,
    },
    Pointer {
        slot: usize,
        object: Object,
    },
}

/// Place of a flag that says that a field is null.
#[derive(Clone, Copy, Debug)]
pub(super) struct NullFlag {
    pub bit: usize,
    pub default: bool,
}

/// What a pointer points at.
#[derive(Clone, Debug)]
pub(super) enum Object {
    Text,
    /// A text that is JSON.
    Json,
    Data,
    /// A list of numbers, Bool, enums or Void.
    Scalars(Scalar),
    /// A list of texts, data or lists.
    Objects(Box<Object>),
    /// A list of structs, by index in [`MessagePlan::structs`].
    Structs(usize),
    /// A list of structs that stands for a map; `key` and `value` are fields of theirs.
    Map {
        entry: usize,
        key: usize,
        value: usize,
    },
    /// A struct, by index in [`MessagePlan::structs`].
    Struct(usize),
}

impl MessagePlan {
    /// Compiles the types that a record reaches.
    ///
    /// # Errors
    /// `Invalid` for a schema that lacks types or contradicts itself.
    pub(super) fn new(schema: &Schema, record: u64) -> Result<Self> {
        let mut compiler = Compiler::new(schema);
        compiler.struct_index(record)?;
        let mut structs = Vec::new();
        // In the order of their indices.
        while let Some(ty) = compiler.open.get(structs.len()).copied() {
            structs.push(compiler.struct_plan(ty)?);
        }
        let mut plan = Self { structs, enums: compiler.enum_plans };
        plan.find_map_fields()?;
        for (number, field) in plan.structs.iter_mut().flat_map(|ty| &mut ty.fields).enumerate() {
            field.number = number;
        }
        Ok(plan)
    }

    /// Marks the fields of the record's key, whose paths lead through groups.
    ///
    /// # Errors
    /// `Invalid` for a path that leads to no field.
    pub(super) fn set_key<'n>(&mut self, paths: impl Iterator<Item = &'n str>) -> Result<()> {
        for path in paths {
            let record = self.structs[0].name.clone();
            let unknown = || invalid(&record, path, "is no field that a key can have");
            let (mut ty, mut steps) = (0, path.split('.').peekable());
            while let Some(step) = steps.next() {
                let index = self.structs[ty].find_exact(step).ok_or_else(unknown)?;
                match self.structs[ty].fields[index].place {
                    Place::Group(group) if steps.peek().is_some() => ty = group,
                    Place::Data { .. } | Place::Pointer { .. } if steps.peek().is_none() => {
                        self.structs[ty].fields[index].is_key = true;
                    }
                    _ => return Err(unknown()),
                }
            }
        }
        Ok(())
    }

    /// Lets data show nothing but what an inference has seen.
    pub(super) fn set_seen(&mut self, seen: &Seen) {
        for ty in &mut self.structs {
            for field in &mut ty.fields {
                field.guard = seen.guard(ty.id, &field.name);
            }
        }
    }

    /// Returns the names of all fields by their numbers: type and field, with the groups in between.
    pub(super) fn field_names(&self) -> Vec<String> {
        let mut owners: Vec<String> = self.structs.iter().map(|ty| ty.name.clone()).collect();
        let mut names = Vec::new();
        for (index, ty) in self.structs.iter().enumerate() {
            for field in &ty.fields {
                let name = format!("{}.{}", owners[index], field.name);
                // Compiled after the struct that it is part of.
                if let Place::Group(group) = field.place {
                    owners[group].clone_from(&name);
                }
                names.push(name);
            }
        }
        names
    }

    /// Maps need the fields of their entries, which may be compiled later than the map.
    fn find_map_fields(&mut self) -> Result<()> {
        let entries: Vec<_> = self.structs.iter().map(|ty| ty.map_fields().filter(|_| !ty.has_json_key())).collect();
        for ty in &mut self.structs {
            for field in &mut ty.fields {
                let Place::Pointer { object: Object::Map { entry, key, value }, .. } = &mut field.place else {
                    continue;
                };
                (*key, *value) = entries[*entry].ok_or_else(|| {
                    invalid(
                        &ty.name,
                        &field.name,
                        "is annotated as a map, but its structs have no key and value, or JSON for a key",
                    )
                })?;
            }
        }
        Ok(())
    }
}

impl StructPlan {
    /// Returns the index of the field that a name means.
    #[inline]
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Returns the index of the field of a Cap'n Proto name.
    fn find_exact(&self, name: &str) -> Option<usize> {
        self.capnp_names.iter().position(|it| it == name)
    }

    /// Indices of the fields `key` and `value` of a map's entries; if they have other names, the first two.
    fn map_fields(&self) -> Option<(usize, usize)> {
        let is_plain = |index: &usize| {
            let field = &self.fields[*index];
            field.discriminant.is_none() && field.null_of.is_none()
        };
        if let (Some(key), Some(value)) = (self.find("key").filter(is_plain), self.find("value").filter(is_plain)) {
            return Some((key, value));
        }
        let mut plain = (0..self.fields.len()).filter(is_plain);
        Some((plain.next()?, plain.next()?))
    }

    /// Returns whether the key of a map's entries is JSON, which no key can be.
    fn has_json_key(&self) -> bool {
        let key = self.map_fields().map(|(key, _)| &self.fields[key].place);
        matches!(key, Some(Place::Pointer { object: Object::Json, .. }))
    }
}

/// A struct or group yet to be compiled.
#[derive(Clone, Copy)]
struct PendingStruct {
    id: u64,
    size: StructSize,
}

/// A struct whose fields are looked up by name.
struct Owner<'s> {
    ty: &'s StructType,
    /// Null flags, by the name of the field that they are of.
    flags: HashMap<&'s str, Vec<&'s FieldType>>,
    by_name: HashMap<&'s str, &'s FieldType>,
}

impl<'s> Owner<'s> {
    fn new(ty: &'s StructType) -> Self {
        let (mut flags, mut by_name) = (HashMap::<_, Vec<_>>::new(), HashMap::new());
        for field in &ty.fields {
            by_name.entry(field.name.as_str()).or_insert(field);
            if let Some(of) = &field.null_of {
                flags.entry(of.as_str()).or_default().push(field);
            }
        }
        Self { ty, flags, by_name }
    }
}

struct Compiler<'s> {
    schema: &'s Schema,
    /// Structs to compile, by index in [`MessagePlan::structs`].
    open: Vec<PendingStruct>,
    structs: HashMap<u64, usize>,
    enums: HashMap<u64, usize>,
    enum_plans: Vec<EnumPlan>,
}

impl<'s> Compiler<'s> {
    fn new(schema: &'s Schema) -> Self {
        Self { schema, open: Vec::new(), structs: HashMap::new(), enums: HashMap::new(), enum_plans: Vec::new() }
    }

    fn struct_index(&mut self, id: u64) -> Result<usize> {
        if let Some(index) = self.structs.get(&id) {
            return Ok(*index);
        }
        let ty = self.schema.struct_type(id)?;
        let size = StructSize { data_words: ty.data_words, pointer_words: ty.pointer_words };
        Ok(self.add(PendingStruct { id, size }))
    }

    /// Returns the index of a group. Each is part of one struct, so there are no more groups than the schema has.
    fn group_index(&mut self, id: u64, size: StructSize) -> Result<usize> {
        if self.structs.contains_key(&id) {
            return Err(Error::schema("schema", format!("group of more than one struct: id={id:#018x}")));
        }
        Ok(self.add(PendingStruct { id, size }))
    }

    fn add(&mut self, open: PendingStruct) -> usize {
        let index = self.open.len();
        self.open.push(open);
        self.structs.insert(open.id, index);
        index
    }

    fn enum_index(&mut self, id: u64) -> Result<usize> {
        if let Some(index) = self.enums.get(&id) {
            return Ok(*index);
        }
        let index = self.enum_plans.len();
        self.enum_plans.push(EnumPlan::new(self.schema.enum_type(id)?));
        self.enums.insert(id, index);
        Ok(index)
    }

    fn struct_plan(&mut self, open: PendingStruct) -> Result<StructPlan> {
        let schema = self.schema;
        let ty = schema.struct_type(open.id)?;
        let owner = Owner::new(ty);
        let mut fields = Vec::with_capacity(ty.fields.len());
        for field in &ty.fields {
            fields.push(self.field_plan(&owner, field, open.size)?);
        }
        let mut names = HashMap::new();
        for (index, field) in ty.fields.iter().enumerate() {
            names.entry_ref(field.json_name()).or_insert(index);
        }
        for (index, field) in ty.fields.iter().enumerate() {
            names.entry_ref(field.name.as_str()).or_insert(index);
        }
        let discriminant_bit = match ty.discriminant_count {
            0 => None,
            _ => Some(data_bit(open.size, ty.discriminant_offset, 16).ok_or_else(|| {
                Error::schema(ty.name.as_str(), "the union's discriminant lies beyond the data section")
            })?),
        };
        let capnp_names = ty.fields.iter().map(|field| field.name.clone()).collect();
        let is_group = |field: &FieldPlan| matches!(field.place, Place::Group(_));
        Ok(StructPlan {
            id: open.id,
            name: ty.name.clone(),
            size: open.size,
            is_plain: discriminant_bit.is_none() && !fields.iter().any(is_group),
            named_count: fields.iter().filter(|field| field.null_of.is_none()).count(),
            fields,
            names,
            capnp_names,
            discriminant_bit,
        })
    }

    fn field_plan(&mut self, owner: &Owner<'_>, field: &FieldType, size: StructSize) -> Result<FieldPlan> {
        let Owner { ty: owner, flags, by_name } = owner;
        let refused = |what| invalid(&owner.name, field.json_name(), what);
        if field.discriminant.is_some_and(|value| value >= owner.discriminant_count) {
            return Err(refused("has a discriminant beyond the union's members"));
        }
        let flags = flags.get(field.name.as_str()).map_or(&[][..], Vec::as_slice);
        let null_flag = null_flag(owner, flags, size)?;
        let place = match &field.kind {
            FieldKind::Group(id) => Place::Group(self.group_index(*id, size)?),
            FieldKind::Slot { offset, ty, default } => match Scalar::new(ty, |id| self.enum_index(id))? {
                Some(scalar) => {
                    let bit = data_bit(size, *offset, scalar.element_size().bits());
                    let bit = bit.ok_or_else(|| refused("lies beyond the data section"))?;
                    Place::Data { scalar, bit, default: default.bits(), null_flag }
                }
                None if *offset >= u32::from(size.pointer_words) => {
                    return Err(refused("lies beyond the pointer section"));
                }
                None => Place::Pointer { slot: *offset as usize, object: self.object(ty)? },
            },
        };
        let place = match place {
            place if !field.is_map => place,
            Place::Pointer { slot, object: Object::Structs(entry) } => {
                Place::Pointer { slot, object: Object::Map { entry, key: 0, value: 0 } }
            }
            _ => return Err(refused("is annotated as a map, but is no list of structs")),
        };
        let place = match place {
            place if !field.is_json => place,
            Place::Pointer { slot, object: Object::Text } => Place::Pointer { slot, object: Object::Json },
            _ => return Err(refused("is annotated as JSON, but is no Text")),
        };
        if null_flag.is_some() && !matches!(place, Place::Data { .. }) {
            return Err(refused("has a null flag, but is no number or Bool"));
        }
        let null_of = match &field.null_of {
            Some(name) => {
                let of = by_name.get(name.as_str());
                let of = of.ok_or_else(|| refused("is the null flag of a field that does not exist"))?;
                Some(of.json_name().to_owned())
            }
            None => None,
        };
        let name = field.json_name().to_owned();
        let (discriminant, guard) = (field.discriminant, Guard::OPEN);
        Ok(FieldPlan { name, discriminant, place, null_of, is_key: false, number: 0, guard })
    }

    fn object(&mut self, ty: &Type) -> Result<Object> {
        Ok(match ty {
            Type::Text => Object::Text,
            Type::Struct(id) => Object::Struct(self.struct_index(*id)?),
            Type::List(element) => match Scalar::new(element, |id| self.enum_index(id))? {
                Some(scalar) => Object::Scalars(scalar),
                None => match self.object(element)? {
                    Object::Struct(index) => Object::Structs(index),
                    object => Object::Objects(Box::new(object)),
                },
            },
            _ => Object::Data,
        })
    }
}

/// Returns the flag that says whether a field is null, of those that do.
fn null_flag(owner: &StructType, flags: &[&FieldType], size: StructSize) -> Result<Option<NullFlag>> {
    let Some((flag, others)) = flags.split_first() else { return Ok(None) };
    let refused = |what| invalid(&owner.name, flag.json_name(), what);
    if !others.is_empty() {
        return Err(refused("is not the only null flag of its field"));
    }
    match &flag.kind {
        FieldKind::Slot { offset, ty: Type::Bool, default } if flag.discriminant.is_none() => {
            let bit = data_bit(size, *offset, 1).ok_or_else(|| refused("lies beyond the data section"))?;
            Ok(Some(NullFlag { bit, default: default.bits() & 1 == 1 }))
        }
        _ => Err(refused("is a null flag, but no Bool outside of unions")),
    }
}

/// Returns the bit of a data section at which a field lies.
fn data_bit(size: StructSize, offset: u32, width: usize) -> Option<usize> {
    let bit = (offset as usize).checked_mul(width)?;
    let end = bit.checked_add(width)?;
    (end <= size.data_words as usize * 64).then_some(bit)
}

#[cold]
fn invalid(owner: &str, field: &str, what: &str) -> Error {
    Error::schema(format!("{owner}.{field}"), what)
}
