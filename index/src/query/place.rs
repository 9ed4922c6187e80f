//! Reads the value that a path leads to, from a struct or an element of a list.

use std::sync::Arc;

use kapok_core::record::element_size;
use kapok_core::schema::{DefaultValue, EnumType, FieldKind, FieldType, Schema, StructType, Type};
use kapok_core::words::{ListRef, Malformed, StructRef, Words};

use super::join::Join;
use super::number::NumberKind;
use super::unreadable::Read;

/// What a path begins at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'v> {
    /// A record, or a struct in a list.
    Struct(StructRef<'v>),
    /// An element, which is there, of a list of anything else.
    Item(ListRef<'v>, u32),
}

/// A resolved path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place<'v> {
    /// The reference to the record that the path goes on from.
    pub via: Option<Arc<Join<'v>>>,
    pub hops: Vec<Hop<'v>>,
    /// Union members that the last struct must have active.
    pub guards: Vec<Guard>,
    pub slot: Slot<'v>,
    pub kind: Kind<'v>,
    /// Of a list: the record type whose records its elements hold the keys of.
    pub refers: Option<&'v str>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind<'v> {
    Number(NumberKind),
    Enum(&'v EnumType),
    Text,
    Data,
    /// Of elements of a type; a map or not.
    List(&'v Type, bool),
    /// A struct or group.
    Struct(&'v StructType),
    Void,
}

/// Where a value lies in the last struct.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot<'v> {
    /// `offset`: in bytes, for Bool in bits.
    Data {
        offset: usize,
        default: u64,
        nulls: Vec<NullFlag>,
    },
    Pointer {
        index: u32,
        default: Option<&'v [u8]>,
    },
    /// A group, or no value: there whenever the struct is.
    Nothing,
    /// The element of a list itself.
    Item,
}

/// A step into another struct.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Hop<'v> {
    Struct {
        guards: Vec<Guard>,
        index: u32,
        default: Option<&'v [u8]>,
    },
    /// The entry of a map that has a key.
    Entry {
        list: Box<Place<'v>>,
        key: Box<Place<'v>>,
        wanted: EntryKey,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum EntryKey {
    Bytes(Vec<u8>),
    /// As its kind maps it to a key.
    Number(u64),
}

/// A union's discriminant and the value that makes a member active.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Guard {
    /// In bytes.
    at: usize,
    value: u16,
}

/// A bit that says that a number is null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NullFlag {
    pub bit: usize,
    pub default: bool,
    pub guard: Option<Guard>,
}

impl Guard {
    /// Returns what makes a field active; `None` if it always is.
    pub fn of(owner: &StructType, field: &FieldType) -> Option<Self> {
        field.discriminant.map(|value| Self { at: owner.discriminant_offset as usize * 2, value })
    }

    fn holds(self, at: StructRef<'_>) -> bool {
        u16::from_le_bytes(at.scalar(self.at)) == self.value
    }
}

impl NullFlag {
    /// Returns the flags of a field.
    fn of(owner: &StructType, field: &FieldType) -> Vec<Self> {
        let flag = |flag: &FieldType| match &flag.kind {
            FieldKind::Slot { offset, ty: Type::Bool, default } if flag.null_of.as_ref() == Some(&field.name) => {
                Some(Self { bit: *offset as usize, default: default.bits() == 1, guard: Guard::of(owner, flag) })
            }
            _ => None,
        };
        owner.fields.iter().filter_map(flag).collect()
    }

    fn is_set(self, at: StructRef<'_>) -> bool {
        self.guard.is_none_or(|guard| guard.holds(at)) && at.bit(self.bit) != self.default
    }
}

impl<'v> Kind<'v> {
    /// Returns what values of a type are; `None` if the schema lacks the type.
    pub fn of(schema: &'v Schema, ty: &'v Type, is_map: bool) -> Option<Self> {
        Some(match ty {
            Type::Void => Self::Void,
            Type::Text => Self::Text,
            Type::Data => Self::Data,
            Type::List(element) => Self::List(element, is_map),
            Type::Struct(id) => Self::Struct(schema.get_struct(*id)?),
            Type::Enum(id) => Self::Enum(schema.get_enum(*id)?),
            number => Self::Number(NumberKind::of(number)?),
        })
    }

    /// Returns how a number or enum is one; `None` for others.
    pub fn number(self) -> Option<NumberKind> {
        match self {
            Self::Number(kind) => Some(kind),
            Self::Enum(_) => Some(NumberKind::Unsigned(16)),
            _ => None,
        }
    }

    pub fn describe(self) -> String {
        match self {
            Self::Number(NumberKind::Bool) => "Bool".to_owned(),
            Self::Number(NumberKind::Signed(bits)) => format!("Int{bits}"),
            Self::Number(NumberKind::Unsigned(bits)) => format!("UInt{bits}"),
            Self::Number(NumberKind::Float32) => "Float32".to_owned(),
            Self::Number(NumberKind::Float64) => "Float64".to_owned(),
            Self::Enum(ty) => format!("enum {}", ty.name),
            Self::Text => "Text".to_owned(),
            Self::Data => "Data".to_owned(),
            Self::List(_, true) => "a map".to_owned(),
            Self::List(..) => "a list".to_owned(),
            Self::Struct(ty) if ty.is_group => "a group".to_owned(),
            Self::Struct(ty) => format!("struct {}", ty.name),
            Self::Void => "Void".to_owned(),
        }
    }
}

impl<'v> Slot<'v> {
    /// Returns where a field lies.
    pub fn of(owner: &StructType, field: &'v FieldType) -> Self {
        let FieldKind::Slot { offset, ty, default } = &field.kind else { return Self::Nothing };
        match ty.data_bits() {
            None => {
                let default = if let DefaultValue::Pointer(words) = default { Some(&**words) } else { None };
                Self::Pointer { index: *offset, default }
            }
            Some(0) => Self::Nothing,
            Some(bits) => {
                let offset = (*offset as usize).saturating_mul(if bits >= 8 { bits as usize / 8 } else { 1 });
                Self::Data { offset, default: default.bits(), nulls: NullFlag::of(owner, field) }
            }
        }
    }
}

impl<'v> Place<'v> {
    /// Returns the place of the element itself.
    pub fn item(kind: Kind<'v>, refers: Option<&'v str>) -> Self {
        let refers = refers.filter(|_| matches!(kind, Kind::List(..)));
        Self { via: None, hops: Vec::new(), guards: Vec::new(), slot: Slot::Item, kind, refers }
    }

    /// Returns whether the value lies in the struct itself, whatever it holds.
    pub fn is_direct(&self) -> bool {
        self.via.is_none() && self.hops.is_empty() && self.guards.is_empty()
    }

    /// Calls a function with what the path goes on from: the scope or, behind a reference, the record that it leads to.
    /// `nothing` is the answer if there is no such record.
    #[inline]
    pub fn with_start<T>(&self, scope: Scope<'v>, nothing: T, f: impl FnOnce(Scope<'v>) -> Read<T>) -> Read<T> {
        match &self.via {
            None => f(scope),
            Some(join) => join.with_target(scope, nothing, f),
        }
    }

    /// Returns the struct that holds the value, or the element; `None` if the path breaks off.
    #[inline]
    fn walk(&self, scope: Scope<'v>) -> Read<Option<Scope<'v>>> {
        let Scope::Struct(mut at) = scope else { return Ok(Some(scope)) };
        for hop in &self.hops {
            match hop.next(at)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(self.guards.iter().all(|guard| guard.holds(at)).then_some(Scope::Struct(at)))
    }

    /// Returns the key of the number, in the order of its kind; `None` if it is null.
    #[inline]
    pub fn number(&self, kind: NumberKind, scope: Scope<'v>) -> Read<Option<u64>> {
        self.with_start(scope, None, |scope| self.number_here(kind, scope))
    }

    #[inline]
    fn number_here(&self, kind: NumberKind, scope: Scope<'v>) -> Read<Option<u64>> {
        let bits = match (self.walk(scope)?, &self.slot) {
            (Some(Scope::Struct(at)), Slot::Data { offset, default, nulls }) => {
                if nulls.iter().any(|flag| flag.is_set(at)) {
                    return Ok(None);
                }
                stored(at, kind, *offset) ^ default
            }
            (Some(Scope::Item(list, index)), Slot::Item) => element(list, kind, index),
            _ => return Ok(None),
        };
        Ok(Some(kind.key(bits)))
    }

    /// Returns the words and the word at which the pointer stands, which may be null; `None` if there is none.
    #[inline]
    fn pointer(&self, scope: Scope<'v>) -> Read<Option<(Words<'v>, u32)>> {
        Ok(match (self.walk(scope)?, &self.slot) {
            (Some(Scope::Struct(at)), Slot::Pointer { index, default }) => pointer(at, *index, *default)?,
            (Some(Scope::Item(list, index)), Slot::Item) => list.pointer_at(index).map(|at| (list.words(), at)),
            _ => None,
        })
    }

    /// Returns the bytes of the Text or Data; `None` if it is null.
    #[inline]
    pub fn bytes(&self, scope: Scope<'v>) -> Read<Option<&'v [u8]>> {
        self.with_start(scope, None, |scope| {
            Ok(match (self.pointer(scope)?, self.kind) {
                (Some((words, at)), Kind::Text) => words.text_bytes_of(at)?,
                (Some((words, at)), _) => words.data_of(at)?,
                (None, _) => None,
            })
        })
    }

    /// Returns the list; `None` if it is null.
    #[inline]
    pub fn list(&self, scope: Scope<'v>) -> Read<Option<ListRef<'v>>> {
        self.with_start(scope, None, |scope| self.list_here(scope))
    }

    /// Returns the list; `None` if it is null. `scope`: what the path goes on from behind its last reference.
    #[inline]
    pub fn list_here(&self, scope: Scope<'v>) -> Read<Option<ListRef<'v>>> {
        match (self.pointer(scope)?, self.kind) {
            (Some((words, at)), Kind::List(element, _)) => Ok(words.list_of(at, element_size(element))?),
            _ => Ok(None),
        }
    }

    /// Returns whether the value is not null.
    pub fn is_present(&self, scope: Scope<'v>) -> Read<bool> {
        match (&self.slot, self.kind) {
            (Slot::Nothing, _) | (_, Kind::Void) => {
                self.with_start(scope, false, |scope| Ok(self.walk(scope)?.is_some()))
            }
            (_, Kind::Text | Kind::Data) => Ok(self.bytes(scope)?.is_some()),
            (_, Kind::List(..)) => Ok(self.list(scope)?.is_some()),
            (_, Kind::Struct(_)) => self.with_start(scope, false, |scope| match self.pointer(scope)? {
                Some((words, at)) => Ok(words.struct_of(at)?.is_some()),
                None => Ok(false),
            }),
            (_, kind) => match kind.number() {
                Some(number) => Ok(self.number(number, scope)?.is_some()),
                None => Ok(false),
            },
        }
    }
}

impl<'v> Hop<'v> {
    fn next(&self, at: StructRef<'v>) -> Read<Option<StructRef<'v>>> {
        match self {
            Self::Struct { guards, index, default } => {
                if !guards.iter().all(|guard| guard.holds(at)) {
                    return Ok(None);
                }
                match pointer(at, *index, *default)? {
                    Some((words, at)) => Ok(words.struct_of(at)?),
                    None => Ok(None),
                }
            }
            Self::Entry { list, key, wanted } => {
                let Some(list) = list.list(Scope::Struct(at))? else { return Ok(None) };
                for index in 0..distinct_elements(list) {
                    let Some(entry) = list.get_struct(index) else { break };
                    let scope = Scope::Struct(entry);
                    let is_wanted = match (wanted, key.kind.number()) {
                        (EntryKey::Bytes(bytes), _) => key.bytes(scope)? == Some(bytes.as_slice()),
                        (EntryKey::Number(number), Some(kind)) => key.number(kind, scope)? == Some(*number),
                        _ => false,
                    };
                    if is_wanted {
                        return Ok(Some(entry));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// Returns how many elements of a list may differ: elements that take no room are all equal, and a hostile list may claim
/// to have 2^29 of them.
pub(super) fn distinct_elements(list: ListRef<'_>) -> u32 {
    let is_empty = match list.struct_sizes() {
        (0, 0) => list.bytes().is_empty(),
        _ => false,
    };
    if is_empty { list.len().min(1) } else { list.len() }
}

/// Returns where a pointer of a struct stands, or that of its default; `None` if it is null and has none.
#[inline]
fn pointer<'v>(at: StructRef<'v>, index: u32, default: Option<&'v [u8]>) -> Read<Option<(Words<'v>, u32)>> {
    let words = at.words();
    if let Some(word) = at.pointer_at(index) {
        let from = word as usize * 8;
        let Some(pointer) = words.bytes().get(from..from + 8) else {
            return Err(Malformed { word, expected: "a word within the segment" }.into());
        };
        if pointer != [0; 8] {
            return Ok(Some((words, word)));
        }
    }
    Ok(default.map(|words| (Words::new(words), 0)))
}

/// Returns the stored bits of a number.
#[inline]
fn stored(at: StructRef<'_>, kind: NumberKind, offset: usize) -> u64 {
    match kind.bits() {
        1 => u64::from(at.bit(offset)),
        8 => u64::from(u8::from_le_bytes(at.scalar(offset))),
        16 => u64::from(u16::from_le_bytes(at.scalar(offset))),
        32 => u64::from(u32::from_le_bytes(at.scalar(offset))),
        _ => u64::from_le_bytes(at.scalar(offset)),
    }
}

/// Returns the bits of a number in a list.
#[inline]
fn element(list: ListRef<'_>, kind: NumberKind, index: u32) -> u64 {
    match kind.bits() {
        1 => u64::from(list.bit(index)),
        8 => u64::from(u8::from_le_bytes(list.scalar(index))),
        16 => u64::from(u16::from_le_bytes(list.scalar(index))),
        32 => u64::from(u32::from_le_bytes(list.scalar(index))),
        _ => u64::from_le_bytes(list.scalar(index)),
    }
}
