//! Writes a record straight from JSON text, with no [`Value`] in between.
//!
//! Each member is written when it is read, by the plan of its type. Only what is plain goes this way. Whatever is not
//! (a union, a name that no field has, a number out of range, text that is not JSON) is left to the road through a
//! value, which alone makes errors: here a refusal says nothing but that.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::depth::deeper;
use super::draft::{Key, Level, MessageDraft};
use super::image::{Frame, GrowingList, StructSize};
use super::plan::{FieldPlan, Object, Place, StructPlan};
use super::scalar::{EnumPlan, Scalar, signed};
use crate::Value;
use crate::infer::seen::Guard;
use crate::value::{Seed, TWO_POW_63, duplicate};
use kapok_core::words::ElementSize;

const POINTER: StructSize = StructSize { data_words: 0, pointer_words: 1 };

/// A message being written from JSON.
pub(super) struct DirectDraft<'p> {
    pub draft: MessageDraft<'p>,
    /// The field that followed each field in the record before, by the number of the field; then the first of each
    /// struct.
    pub followers: &'p mut Vec<u32>,
    /// Elements of the lists of numbers that are being read.
    pub elements: &'p mut Vec<u64>,
    /// Whether an inference has to see what it has not seen yet.
    pub is_guarded: bool,
}

impl DirectDraft<'_> {
    /// Writes the record and everything that it reaches; false if it is to go the other way, all or part of it having
    /// been written.
    pub(super) fn record(&mut self, json: &str) -> bool {
        let fields: usize = self.draft.plan.structs.iter().map(|ty| ty.fields.len()).sum();
        let places = fields + self.draft.plan.structs.len();
        if self.followers.len() != places {
            self.followers.clear();
            self.followers.resize(places, 0);
        }
        let mut parser = serde_json::Deserializer::from_str(json);
        let saw_all = RecordSeed(self).deserialize(&mut parser).is_ok();
        saw_all && parser.end().is_ok()
    }
}

impl<'p> DirectDraft<'p> {
    fn members<'de, A: MapAccess<'de>>(
        &mut self,
        at: usize,
        frame: Frame,
        level: Level,
        mut members: A,
    ) -> Result<(), A::Error> {
        let plan = self.draft.plan;
        let ty = &plan.structs[at];
        let level = Level { depth: deeper(level.depth).map_err(refuse::<_, A::Error>)?, ..level };
        let base = self.draft.given.len();
        self.draft.given.resize(base + ty.fields.len(), 0);
        let mut place = self.followers.len() - plan.structs.len() + at;
        let mut count = 0;
        while let Some(index) =
            members.next_key_seed(NameSeed { ty, expected: self.followers[place], is_guarded: self.is_guarded })?
        {
            let field = &ty.fields[index as usize];
            let given = &mut self.draft.given[base + index as usize];
            if *given != 0 {
                return Err(unfit());
            }
            *given = 1;
            count += 1;
            self.followers[place] = index;
            place = field.number;
            match &field.place {
                Place::Data { scalar, .. } => {
                    let seed = ScalarSeed { scalar: *scalar, guard: &field.guard, enums: &plan.enums };
                    let bits = members.next_value_seed(seed)?;
                    self.data(field, frame, level, bits).map_err(refuse::<_, A::Error>)?;
                }
                Place::Pointer { slot, object } => {
                    let is_needed = field.guard.must_be_given || (field.is_key && level.is_record);
                    members.next_value_seed(ObjectSeed {
                        draft: self,
                        object,
                        guard: &field.guard,
                        pointer: frame.pointer(*slot),
                        depth: level.depth,
                        level: 0,
                        may_be_null: !is_needed,
                    })?;
                }
                Place::Group(_) => return Err(unfit()),
            }
        }
        if count < ty.named_count {
            self.absent(ty, base, frame, level).map_err(refuse::<_, A::Error>)?;
        }
        self.draft.given.truncate(base);
        Ok(())
    }

    /// Writes a field in the data section; `None` for null.
    fn data(&mut self, field: &FieldPlan, frame: Frame, level: Level, bits: Option<u64>) -> Result<(), Unfit> {
        let Place::Data { scalar, bit, default, null_flag } = &field.place else { return Err(Unfit) };
        let image = &mut *self.draft.image;
        let Some(bits) = bits else {
            if field.guard.must_be_given || (field.is_key && level.is_record) {
                return Err(Unfit);
            }
            return match null_flag {
                Some(flag) => {
                    image.put_field(frame, flag.bit, 1, u64::from(!flag.default));
                    Ok(())
                }
                None if matches!(scalar, Scalar::Void) => Ok(()),
                None => Err(Unfit),
            };
        };
        image.put_field(frame, *bit, scalar.element_size().bits(), bits ^ default);
        if let Some(flag) = null_flag {
            image.put_field(frame, flag.bit, 1, u64::from(flag.default));
        }
        Ok(())
    }

    /// Writes the fields of a struct that no member gave.
    fn absent(&mut self, ty: &StructPlan, base: usize, frame: Frame, level: Level) -> Result<(), Unfit> {
        for (index, field) in ty.fields.iter().enumerate() {
            if self.draft.given[base + index] != 0 || field.null_of.is_some() {
                continue;
            }
            if field.guard.must_be_given || (field.is_key && level.is_record) {
                return Err(Unfit);
            }
            match &field.place {
                Place::Data { null_flag: Some(flag), .. } => {
                    self.draft.image.put_field(frame, flag.bit, 1, u64::from(!flag.default));
                }
                Place::Data { scalar: Scalar::Void, .. } | Place::Pointer { .. } => {}
                Place::Data { .. } => self.draft.absent.push(field.number),
                Place::Group(_) => return Err(Unfit),
            }
        }
        Ok(())
    }

    fn value(&mut self, object: &'p Object, pointer: usize, value: &Value, depth: u32) -> Result<(), Unfit> {
        self.draft.object(object, pointer, value, depth).map_err(|_| Unfit)
    }
}

/// What is to go through a [`Value`].
struct Unfit;

#[cold]
fn unfit<E: serde::de::Error>() -> E {
    E::custom("")
}

#[cold]
fn refuse<T, E: serde::de::Error>(_: T) -> E {
    unfit()
}

/// Reads the record.
struct RecordSeed<'a, 'p>(&'a mut DirectDraft<'p>);

impl<'de> DeserializeSeed<'de> for RecordSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let draft = self.0;
        let size = draft.draft.plan.structs[0].size;
        let image = &mut *draft.draft.image;
        let frame =
            image.allocate(1).and_then(|root| image.allocate_struct(root, size)).map_err(refuse::<_, A::Error>)?;
        draft.members(0, frame, Level { depth: 0, is_record: true }, members)
    }
}

/// Reads the name of a member as the index of its field.
struct NameSeed<'p> {
    ty: &'p StructPlan,
    /// What followed the member before in the record before.
    expected: u32,
    is_guarded: bool,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<u32, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    #[inline]
    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<u32, E> {
        let Self { ty, expected, is_guarded } = self;
        if let Some(field) = ty.fields.get(expected as usize)
            && field.name == name
            && field.null_of.is_none()
        {
            return Ok(expected);
        }
        let index = ty.find(name).ok_or_else(unfit::<E>)?;
        let field = &ty.fields[index];
        if field.null_of.is_some() || (is_guarded && field.name != name) {
            return Err(unfit());
        }
        u32::try_from(index).map_err(refuse)
    }
}

/// Reads a number, Bool or enumerant as its bits; null as `None`.
struct ScalarSeed<'p> {
    scalar: Scalar,
    guard: &'p Guard,
    enums: &'p [EnumPlan],
}

impl ScalarSeed<'_> {
    #[inline]
    fn bits<E: serde::de::Error>(&self, value: &Value) -> Result<Option<u64>, E> {
        if self.guard.is_unseen {
            return Err(unfit());
        }
        self.scalar.bits(value, self.enums).map(Some).map_err(refuse)
    }
}

impl<'de> DeserializeSeed<'de> for ScalarSeed<'_> {
    type Value = Option<u64>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<u64>, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for ScalarSeed<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a bool, a name or null")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Option<u64>, E> {
        self.bits(&Value::Bool(value))
    }

    #[inline]
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Option<u64>, E> {
        let Guard { takes_negative, integer_max, negative_max, .. } = *self.guard;
        let max = if value < 0 { negative_max } else { integer_max };
        if (value < 0 && !takes_negative) || value.unsigned_abs() > max {
            return Err(unfit());
        }
        if let Scalar::Signed(width) = self.scalar
            && !self.guard.is_unseen
        {
            return signed(value, width).map(Some).ok_or_else(unfit);
        }
        self.bits(&Value::Int(value))
    }

    #[inline]
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Option<u64>, E> {
        if value > self.guard.integer_max {
            return Err(unfit());
        }
        if let Scalar::Signed(width) = self.scalar
            && !self.guard.is_unseen
        {
            return i64::try_from(value).ok().and_then(|value| signed(value, width)).map(Some).ok_or_else(unfit);
        }
        self.bits(&Value::UInt(value))
    }

    #[inline]
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Option<u64>, E> {
        // It may be a rounded integer.
        if value.abs() >= TWO_POW_63 {
            return Err(unfit());
        }
        self.bits(&Value::Float64(value))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<u64>, E> {
        if self.guard.is_unseen || !self.guard.takes_text {
            return Err(unfit());
        }
        self.scalar.text_bits(text, self.enums).map(Some).map_err(refuse)
    }
}

/// Reads what a pointer points at.
struct ObjectSeed<'a, 'p> {
    draft: &'a mut DirectDraft<'p>,
    object: &'p Object,
    guard: &'p Guard,
    pointer: usize,
    depth: u32,
    /// Lists around it, within each other and nothing else.
    level: u32,
    may_be_null: bool,
}

impl ObjectSeed<'_, '_> {
    /// Takes a value that only a field kept as JSON takes.
    fn json<E: serde::de::Error>(self, value: &Value) -> Result<(), E> {
        if !matches!(self.object, Object::Json) {
            return Err(unfit());
        }
        self.draft.value(self.object, self.pointer, value, self.depth).map_err(refuse)
    }
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list, an object or null")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if self.may_be_null { Ok(()) } else { Err(unfit()) }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.json(&Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.json(&Value::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.json(&Value::UInt(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        if value.abs() >= TWO_POW_63 {
            return Err(unfit());
        }
        self.json(&Value::Float64(value))
    }

    #[inline]
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.guard.is_unseen {
            return Err(unfit());
        }
        match self.object {
            Object::Text => self.draft.draft.image.put_text(self.pointer, text).map_err(refuse),
            Object::Data => self.draft.draft.base64(self.pointer, text).map_err(refuse),
            _ => self.json(&Value::Text(text.to_owned())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        match self.object {
            Object::Json => {
                let saw_huge = Cell::new(false);
                let value = Seed { depth: self.depth, saw_huge: &saw_huge }.visit_seq(items)?;
                if saw_huge.get() { Err(unfit()) } else { self.json(&value) }
            }
            Object::Scalars(scalar) => self.scalars(*scalar, items),
            Object::Objects(element) => self.objects(element, items),
            Object::Structs(ty) => self.structs(*ty, items),
            _ => Err(unfit()),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let plan = self.draft.draft.plan;
        match self.object {
            Object::Json => {
                let saw_huge = Cell::new(false);
                let value = Seed { depth: self.depth, saw_huge: &saw_huge }.visit_map(members)?;
                if saw_huge.get() { Err(unfit()) } else { self.json(&value) }
            }
            Object::Struct(at) if plan.structs[*at].is_plain => {
                let size = plan.structs[*at].size;
                let frame =
                    self.draft.draft.image.allocate_struct(self.pointer, size).map_err(refuse::<_, A::Error>)?;
                self.draft.members(*at, frame, Level::inside(self.depth), members)
            }
            // Its unions are decided by all of its members.
            Object::Struct(_) if !self.draft.is_guarded => {
                let saw_huge = Cell::new(false);
                let value = Seed { depth: self.depth, saw_huge: &saw_huge }.visit_map(members)?;
                if saw_huge.get() {
                    return Err(unfit());
                }
                self.draft.value(self.object, self.pointer, &value, self.depth).map_err(refuse)
            }
            Object::Map { entry, key, value } if plan.structs[*entry].is_plain => {
                self.map(*entry, (*key, *value), members)
            }
            _ => Err(unfit()),
        }
    }
}

impl<'p> ObjectSeed<'_, 'p> {
    fn scalars<'de, A: SeqAccess<'de>>(self, scalar: Scalar, mut items: A) -> Result<(), A::Error> {
        let Self { draft, guard, pointer, depth, level, .. } = self;
        deeper(depth).map_err(refuse::<_, A::Error>)?;
        let base = draft.elements.len();
        let enums = &draft.draft.plan.enums;
        while let Some(bits) = items.next_element_seed(ScalarSeed { scalar, guard, enums })? {
            match (bits, scalar) {
                (Some(bits), _) => draft.elements.push(bits),
                (None, Scalar::Void) if guard.takes_null_at(level) => draft.elements.push(0),
                (None, _) => return Err(unfit()),
            }
        }
        let count = draft.elements.len() - base;
        if guard.dimension.is_some_and(|dimension| dimension as usize != count) {
            return Err(unfit());
        }
        let size = scalar.element_size();
        let at = draft.draft.image.allocate_list(pointer, size, count).map_err(refuse::<_, A::Error>)?;
        for (index, bits) in draft.elements.drain(base..).enumerate() {
            draft.draft.image.put_bits(at, index * size.bits(), size.bits(), bits);
        }
        Ok(())
    }

    fn objects<'de, A: SeqAccess<'de>>(self, element: &'p Object, mut items: A) -> Result<(), A::Error> {
        let Self { draft, guard, pointer, depth, level, .. } = self;
        let depth = deeper(depth).map_err(refuse::<_, A::Error>)?;
        let mut list = GrowingList::new(POINTER);
        while let Some(()) = items.next_element_seed(ElementSeed {
            draft: &mut *draft,
            list: &mut list,
            element,
            guard,
            depth,
            level,
        })? {}
        let image = &mut *draft.draft.image;
        match list.count() {
            0 => image.allocate_list(pointer, ElementSize::Pointer, 0).map(drop),
            _ => image.end_pointers(pointer, &list),
        }
        .map_err(refuse)
    }

    fn structs<'de, A: SeqAccess<'de>>(self, at: usize, mut items: A) -> Result<(), A::Error> {
        let Self { draft, pointer, depth, .. } = self;
        let ty = &draft.draft.plan.structs[at];
        if !ty.is_plain {
            return Err(unfit());
        }
        let depth = deeper(depth).map_err(refuse::<_, A::Error>)?;
        let mut list = GrowingList::new(ty.size);
        while let Some(()) = items.next_element_seed(StructSeed { draft: &mut *draft, at, list: &mut list, depth })? {}
        end_structs(draft, pointer, &list)
    }

    fn map<'de, A: MapAccess<'de>>(
        self,
        entry: usize,
        (key, value): (usize, usize),
        mut members: A,
    ) -> Result<(), A::Error> {
        let Self { draft, pointer, depth, .. } = self;
        let ty = &draft.draft.plan.structs[entry];
        // The list and, in it, the entry.
        let depth = deeper(depth).and_then(deeper).map_err(refuse::<_, A::Error>)?;
        let guard = &ty.fields[key].guard;
        let takes_keys = !guard.is_unseen && guard.takes_text;
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        let mut list = GrowingList::new(ty.size);
        while let Some(name) = members.next_key_seed(KeySeed)? {
            if !takes_keys {
                return Err(unfit());
            }
            let frame = draft.draft.image.push_element(&mut list).map_err(refuse::<_, A::Error>)?;
            draft.draft.key(&ty.fields[key], frame, Key::Name(&name), depth).map_err(refuse::<_, A::Error>)?;
            let (base, level) = (draft.draft.given.len(), Level::inside(depth));
            draft.draft.given.resize(base + ty.fields.len(), 0);
            draft.draft.given[base + key] = 1;
            draft.draft.given[base + value] = 1;
            let held = &ty.fields[value];
            match &held.place {
                Place::Data { scalar, .. } => {
                    let enums = &draft.draft.plan.enums;
                    let bits = members.next_value_seed(ScalarSeed { scalar: *scalar, guard: &held.guard, enums })?;
                    draft.data(held, frame, level, bits).map_err(refuse::<_, A::Error>)?;
                }
                Place::Pointer { slot, object } => members.next_value_seed(ObjectSeed {
                    draft: &mut *draft,
                    object,
                    guard: &held.guard,
                    pointer: frame.pointer(*slot),
                    depth,
                    level: 0,
                    may_be_null: !held.guard.must_be_given,
                })?,
                Place::Group(_) => return Err(unfit()),
            }
            draft.absent(ty, base, frame, level).map_err(refuse::<_, A::Error>)?;
            draft.draft.given.truncate(base);
            names.push(name);
        }
        if duplicate(names.iter().map(AsRef::as_ref)).is_some() {
            return Err(unfit());
        }
        end_structs(draft, pointer, &list)
    }
}

fn end_structs<E: serde::de::Error>(draft: &mut DirectDraft<'_>, pointer: usize, list: &GrowingList) -> Result<(), E> {
    draft.draft.image.end_structs(pointer, list).map_err(refuse)
}

/// Reads an element of a list of pointers, whose place is only known when there is one.
struct ElementSeed<'a, 'p> {
    draft: &'a mut DirectDraft<'p>,
    list: &'a mut GrowingList,
    element: &'p Object,
    guard: &'p Guard,
    depth: u32,
    /// Lists around the list.
    level: u32,
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { draft, list, element, guard, depth, level } = self;
        let pointer = draft.draft.image.push_element(list).map_err(refuse::<_, D::Error>)?.pointer(0);
        let may_be_null = guard.takes_null_at(level);
        let element = ObjectSeed { draft, object: element, guard, pointer, depth, level: level + 1, may_be_null };
        element.deserialize(json)
    }
}

/// Reads an element of a list of structs.
struct StructSeed<'a, 'p> {
    draft: &'a mut DirectDraft<'p>,
    at: usize,
    list: &'a mut GrowingList,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for StructSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for StructSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let frame = self.draft.draft.image.push_element(self.list).map_err(refuse::<_, A::Error>)?;
        self.draft.members(self.at, frame, Level::inside(self.depth), members)
    }
}

/// Reads the key of a map's entry.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
