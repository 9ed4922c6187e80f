//! Fills the places of a type from a value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::depth::deeper;
use super::image::{Frame, Image};
use super::json::json_text;
use super::members::Members;
use super::mismatch::{below_field, below_item, below_type, excerpt, mismatch, text_mismatch};
use super::plan::{FieldPlan, MessagePlan, Object, Place, StructPlan};
use super::scalar::Scalar;
use crate::Value;
use kapok_core::words::{ElementSize, WORD};
use kapok_core::{Error, Fault, Result};

/// A message being written.
pub(super) struct MessageDraft<'p> {
    pub plan: &'p MessagePlan,
    pub image: &'p mut Image,
    /// For each struct being written, the member of each field, counted from 1.
    pub given: &'p mut Vec<usize>,
    /// Numbers of the fields that were not given and took their defaults.
    pub absent: &'p mut Vec<usize>,
}

/// Position of a struct or group in the message.
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub depth: u32,
    /// Whether this is the record or one of its groups, which have the record's key.
    pub is_record: bool,
}

impl Level {
    /// Returns the inside of an object at this level.
    pub(super) fn inside(depth: u32) -> Self {
        Self { depth, is_record: false }
    }
}

/// The member of a union that is to be the active one.
#[derive(Clone, Copy)]
struct ActiveMember {
    discriminant: u16,
    /// Nothing was given for it.
    is_default: bool,
}

impl<'p> MessageDraft<'p> {
    /// Writes the record and everything that it reaches, its pointer in word 0.
    pub(super) fn record(&mut self, value: &Value) -> Result<()> {
        let ty = &self.plan.structs[0];
        let result = match Members::of(value) {
            Some(members) if !matches!(members, Members::Variant(..)) => self
                .image
                .allocate(1)
                .and_then(|root| self.image.allocate_struct(root, ty.size))
                .and_then(|frame| self.members(ty, frame, members, Level { depth: 0, is_record: true })),
            _ => Err(mismatch("a struct", value)),
        };
        result.map_err(|e| below_type(&ty.name, e))
    }

    /// Writes the members of a struct or group that lies within something at `level`.
    fn members(&mut self, ty: &'p StructPlan, frame: Frame, members: Members<'_>, level: Level) -> Result<()> {
        let level = Level { depth: deeper(level.depth)?, ..level };
        let base = self.given.len();
        self.given.resize(base + ty.fields.len(), 0);
        self.assign(ty, base, members)?;
        let active = match ty.discriminant_bit {
            None => None,
            Some(bit) => {
                let active = self.active_member(ty, base, members)?;
                self.image.put_field(frame, bit, 16, u64::from(active.discriminant));
                Some(active)
            }
        };
        for (index, field) in ty.fields.iter().enumerate() {
            let mut value = match self.given[base + index] {
                0 => None,
                member => members.value(member - 1),
            };
            if let (Some(own), Some(active)) = (field.discriminant, active) {
                if own != active.discriminant {
                    continue;
                }
                value = value.filter(|_| !active.is_default);
            }
            if field.null_of.is_none() {
                self.field(field, frame, value, level).map_err(|e| below_field(&field.name, e))?;
            }
        }
        self.given.truncate(base);
        Ok(())
    }

    /// Notes which member is which field's.
    fn assign(&mut self, ty: &StructPlan, base: usize, members: Members<'_>) -> Result<()> {
        // Members mostly stand in the order of the fields.
        let mut next = 0;
        for member in 0..members.len() {
            let name = members.name(member)?;
            let index = match ty.fields.get(next) {
                Some(field) if field.name == name => next,
                _ => ty.find(name).ok_or_else(|| unknown_field(ty, name))?,
            };
            let field = &ty.fields[index];
            if let Some(of) = &field.null_of {
                return Err(refused_field(name, &format!("cannot be given by name: give {of} as null")));
            }
            if matches!(members, Members::Variant(..)) && field.discriminant.is_none() {
                return Err(refused_field(name, &format!("not a member of the union of {}", ty.name)));
            }
            let given = &mut self.given[base + index];
            if *given != 0 {
                return Err(refused_field(&field.name, "occurs twice"));
            }
            *given = member + 1;
            next = index + 1;
        }
        Ok(())
    }

    /// Returns the one member of a union that is not null; or else the only one that is given and may be null.
    fn active_member(&self, ty: &StructPlan, base: usize, members: Members<'_>) -> Result<ActiveMember> {
        let mut set: Option<(u16, &FieldPlan)> = None;
        let (mut null, mut null_count) = (0, 0);
        for (index, field) in ty.fields.iter().enumerate() {
            let (Some(discriminant), member @ 1..) = (field.discriminant, self.given[base + index]) else { continue };
            let is_null = matches!(members.value(member - 1), Some(Value::Null));
            if !is_null || matches!(members, Members::Variant(..)) {
                if let Some((_, other)) = set {
                    let detail = format!("{} and {} are members of one union: give one", other.name, field.name);
                    return Err(Fault::FieldRefused { field: String::new(), problem: detail }.into());
                }
                set = Some((discriminant, field));
            } else if field.may_be_null() {
                (null, null_count) = (discriminant, null_count + 1);
            }
        }
        Ok(match (set, null_count) {
            (Some((discriminant, _)), _) => ActiveMember { discriminant, is_default: false },
            (None, 1) => ActiveMember { discriminant: null, is_default: false },
            (None, _) => ActiveMember { discriminant: 0, is_default: true },
        })
    }

    /// Writes a field, which may be absent.
    fn field(&mut self, field: &'p FieldPlan, frame: Frame, value: Option<&Value>, level: Level) -> Result<()> {
        if field.is_key && level.is_record && matches!(value, None | Some(Value::Null)) {
            return Err(Fault::MissingKey { field: String::new() }.into());
        }
        match (&field.place, value) {
            (Place::Group(group), None | Some(Value::Null)) => {
                self.members(&self.plan.structs[*group], frame, Members::None, level)
            }
            (Place::Group(group), Some(value)) => {
                let ty = &self.plan.structs[*group];
                let members = ty.members_of(value)?;
                self.members(ty, frame, members, level)
            }
            (Place::Data { scalar, null_flag, .. }, None | Some(Value::Null)) => {
                if let Some(flag) = null_flag {
                    self.image.put_field(frame, flag.bit, 1, u64::from(!flag.default));
                } else if !matches!(scalar, Scalar::Void) {
                    if value.is_some() {
                        return Err(not_nullable(&scalar.type_name(&self.plan.enums)));
                    }
                    // A union of which nothing is given says so by its first member.
                    if field.discriminant.is_none() {
                        self.absent.push(field.number);
                    }
                }
                Ok(())
            }
            (Place::Data { scalar, bit, default, null_flag }, Some(value)) => {
                let bits = scalar.bits(value, &self.plan.enums)? ^ default;
                self.image.put_field(frame, *bit, scalar.element_size().bits(), bits);
                if let Some(flag) = null_flag {
                    self.image.put_field(frame, flag.bit, 1, u64::from(flag.default));
                }
                Ok(())
            }
            (Place::Pointer { .. }, None) => Ok(()),
            (Place::Pointer { slot, object }, Some(value)) => {
                self.object(object, frame.pointer(*slot), value, level.depth)
            }
        }
    }

    /// Writes the object behind the pointer at a place; nothing for null.
    pub(super) fn object(&mut self, object: &'p Object, pointer: usize, value: &Value, depth: u32) -> Result<()> {
        match (object, value) {
            (_, Value::Null) => Ok(()),
            (Object::Text, Value::Text(text)) => self.image.put_text(pointer, text),
            (Object::Json, value) => {
                let text = json_text(value, depth)?;
                self.image.put_text(pointer, &text)
            }
            (Object::Data | Object::Scalars(Scalar::Signed(8) | Scalar::Unsigned(8)), Value::Data(data)) => {
                self.image.put_data(pointer, data)
            }
            (Object::Data, Value::Text(text)) => self.base64(pointer, text),
            (Object::Data, Value::List(items)) => self.scalars(Scalar::Unsigned(8), pointer, items),
            (Object::Scalars(scalar), Value::List(items)) => {
                deeper(depth)?;
                self.scalars(*scalar, pointer, items)
            }
            (Object::Objects(element), Value::List(items)) => {
                let depth = deeper(depth)?;
                let at = self.image.allocate_list(pointer, ElementSize::Pointer, items.len())?;
                for (index, item) in items.iter().enumerate() {
                    self.object(element, at + index * WORD, item, depth).map_err(|e| below_item(index, e))?;
                }
                Ok(())
            }
            (Object::Structs(ty) | Object::Map { entry: ty, .. }, Value::List(items)) => {
                let depth = deeper(depth)?;
                let ty = &self.plan.structs[*ty];
                let at = self.image.allocate_structs(pointer, ty.size, items.len())?;
                for (index, item) in items.iter().enumerate() {
                    let frame = ty.size.frame(at + index * ty.size.words() * WORD);
                    ty.members_of(item)
                        .and_then(|members| self.members(ty, frame, members, Level::inside(depth)))
                        .map_err(|e| below_item(index, e))?;
                }
                Ok(())
            }
            (Object::Map { entry, key, value: to }, Value::Struct(members)) => {
                let entries = members.iter().map(|(key, value)| (Key::Name(key), value));
                self.map(&self.plan.structs[*entry], (*key, *to), pointer, entries, depth)
            }
            (Object::Map { entry, key, value: to }, Value::Map(entries)) => {
                let entries = entries.iter().map(|(key, value)| (Key::Value(key), value));
                self.map(&self.plan.structs[*entry], (*key, *to), pointer, entries, depth)
            }
            (Object::Struct(ty), value) => {
                let ty = &self.plan.structs[*ty];
                let members = ty.members_of(value)?;
                let frame = self.image.allocate_struct(pointer, ty.size)?;
                self.members(ty, frame, members, Level::inside(depth))
            }
            (object, value) => Err(mismatch(object.describe(self.plan), value)),
        }
    }

    fn scalars(&mut self, scalar: Scalar, pointer: usize, items: &[Value]) -> Result<()> {
        let size = scalar.element_size();
        let width = size.bits();
        let at = self.image.allocate_list(pointer, size, items.len())?;
        for (index, item) in items.iter().enumerate() {
            let bits = scalar.bits(item, &self.plan.enums).map_err(|e| below_item(index, e))?;
            self.image.put_bits(at, index * width, width, bits);
        }
        Ok(())
    }

    pub(super) fn base64(&mut self, pointer: usize, text: &str) -> Result<()> {
        let padding = text.bytes().rev().take(2).filter(|byte| *byte == b'=').count();
        let len = (text.len() / 4 * 3).saturating_sub(padding);
        let room = self.image.room_for_data(pointer, len)?;
        match BASE64.decode_slice(text, room) {
            Ok(decoded) if decoded == len => Ok(()),
            _ => Err(text_mismatch("Data in base64", text)),
        }
    }

    /// Writes a map's entries, as structs.
    fn map<'v>(
        &mut self,
        ty: &'p StructPlan,
        fields: (usize, usize),
        pointer: usize,
        entries: impl ExactSizeIterator<Item = (Key<'v>, &'v Value)>,
        depth: u32,
    ) -> Result<()> {
        // The list and, in it, the entry.
        let depth = deeper(deeper(depth)?)?;
        let at = self.image.allocate_structs(pointer, ty.size, entries.len())?;
        for (index, (key, value)) in entries.enumerate() {
            let frame = ty.size.frame(at + index * ty.size.words() * WORD);
            self.entry(ty, fields, frame, (key, value), depth).map_err(|e| match key {
                Key::Name(name) => below_field(name, e),
                Key::Value(Value::Text(name)) => below_field(name, e),
                Key::Value(_) => below_item(index, e),
            })?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        ty: &'p StructPlan,
        (key_index, value_index): (usize, usize),
        frame: Frame,
        (key, value): (Key<'_>, &Value),
        depth: u32,
    ) -> Result<()> {
        for (index, field) in ty.fields.iter().enumerate() {
            if field.null_of.is_some() || field.discriminant.is_some_and(|discriminant| discriminant != 0) {
                continue;
            }
            if index == key_index {
                self.key(field, frame, key, depth).map_err(|e| below_field(&field.name, e))?;
            } else {
                self.field(field, frame, (index == value_index).then_some(value), Level::inside(depth))?;
            }
        }
        Ok(())
    }

    pub(super) fn key(&mut self, field: &'p FieldPlan, frame: Frame, key: Key<'_>, depth: u32) -> Result<()> {
        let name = match key {
            Key::Name(name) => name,
            Key::Value(Value::Null) => return Err(mismatch("a map's key", &Value::Null)),
            Key::Value(value) => return self.field(field, frame, Some(value), Level::inside(depth)),
        };
        match &field.place {
            Place::Pointer { slot, object: Object::Text } => self.image.put_text(frame.pointer(*slot), name),
            Place::Pointer { slot, object: Object::Data } => self.base64(frame.pointer(*slot), name),
            Place::Pointer { object, .. } => Err(text_mismatch(object.describe(self.plan), name)),
            Place::Data { scalar, bit, default, null_flag } => {
                let bits = scalar.text_bits(name, &self.plan.enums)? ^ default;
                self.image.put_field(frame, *bit, scalar.element_size().bits(), bits);
                if let Some(flag) = null_flag {
                    self.image.put_field(frame, flag.bit, 1, u64::from(flag.default));
                }
                Ok(())
            }
            Place::Group(_) => Err(text_mismatch("a struct", name)),
        }
    }
}

/// A map's key, from either kind of map.
#[derive(Clone, Copy)]
pub(super) enum Key<'v> {
    Name(&'v str),
    Value(&'v Value),
}

impl StructPlan {
    /// Members of a value that is to be of this type.
    fn members_of<'v>(&self, value: &'v Value) -> Result<Members<'v>> {
        match Members::of(value) {
            Some(Members::Variant(..)) if self.discriminant_bit.is_none() => Err(mismatch(self.describe(), value)),
            Some(members) => Ok(members),
            None => Err(mismatch(self.describe(), value)),
        }
    }

    fn describe(&self) -> String {
        let what = if self.discriminant_bit.is_some() { "struct or union" } else { "struct" };
        format!("{what} {}", self.name)
    }
}

impl FieldPlan {
    /// Returns whether null, as the only member of a union that is given, makes this field the active one.
    fn may_be_null(&self) -> bool {
        match &self.place {
            Place::Data { scalar, null_flag, .. } => matches!(scalar, Scalar::Void) || null_flag.is_some(),
            Place::Pointer { .. } => true,
            Place::Group(_) => false,
        }
    }
}

impl Object {
    /// Returns the type, in the words of the schema language.
    #[cold]
    fn describe(&self, plan: &MessagePlan) -> String {
        match self {
            Self::Data => "Data, base64 or a list of bytes".to_owned(),
            Self::Map { entry, .. } => format!("a map or List({})", plan.structs[*entry].name),
            Self::Struct(ty) => plan.structs[*ty].describe(),
            other => other.type_name(plan),
        }
    }

    fn type_name(&self, plan: &MessagePlan) -> String {
        match self {
            Self::Text => "Text".to_owned(),
            Self::Json => "JSON".to_owned(),
            Self::Data => "Data".to_owned(),
            Self::Scalars(scalar) => format!("List({})", scalar.type_name(&plan.enums)),
            Self::Objects(element) => format!("List({})", element.type_name(plan)),
            Self::Structs(ty) | Self::Map { entry: ty, .. } => format!("List({})", plan.structs[*ty].name),
            Self::Struct(ty) => plan.structs[*ty].name.clone(),
        }
    }
}

#[cold]
fn unknown_field(ty: &StructPlan, name: &str) -> Error {
    let known = ty.fields.iter().filter(|field| field.null_of.is_none());
    Fault::UnknownField {
        path: String::new(),
        field: excerpt(name),
        type_name: ty.name.clone(),
        fields: known.map(|field| field.name.clone()).collect(),
    }
    .into()
}

#[cold]
fn refused_field(name: &str, why: &str) -> Error {
    Fault::FieldRefused { field: format!(".{}", excerpt(name)), problem: why.to_owned() }.into()
}

#[cold]
fn not_nullable(ty: &str) -> Error {
    Fault::NotNullable { field: String::new(), expected: ty.to_owned() }.into()
}
