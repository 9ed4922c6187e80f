//! Copies objects of a message into a column.
//!
//! Driven by the schema's [`CopyPlan`], so that what stands in a column depends on values alone: active union members
//! only, bits that fields own, no trailing zeros.

use std::collections::HashMap;

use super::column::{Column, LIST_MAX, NULL, ObjectId, list_shape, struct_shape};
use super::copy_plan::{CopyPlan, PointerPlan, Scope, Target};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::words::{ElementSize, ListRef, Malformed, StructRef, WORD, Words, check_text};

/// Deepest nesting of a record's objects.
pub(super) const DEPTH_MAX: u32 = 64;

/// What was copied from one segment, so that an object that many pointers share is copied once.
///
/// Without it the time would grow with the paths to an object, of which a few hostile bytes can make more than anybody
/// can walk.
#[derive(Debug, Default)]
pub(super) struct CopiedObjects {
    /// Copied objects, by the type that they were read as, their place, and their size as the pointer gives it.
    objects: HashMap<(usize, u32, u32), ObjectId>,
    /// Default values, by where they lie: a long one is not copied for each record.
    defaults: HashMap<usize, ObjectId>,
}

/// Texts and data up to this many bytes are copied again rather than looked up.
const SMALL_BYTES: u64 = 64;

/// Copies objects out of a message into a column.
pub(super) struct Copier<'c> {
    pub plan: &'c CopyPlan,
    pub column: &'c mut Column,
    /// Buffer for images; its present content belongs to a caller.
    pub scratch: &'c mut Vec<u8>,
    /// For messages whose pointers share objects; builders make none.
    pub copied: Option<&'c mut CopiedObjects>,
}

/// Why a record cannot be copied.
pub(super) enum Refusal {
    Malformed(Malformed),
    Error(Error),
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Refusal {
    #[cold]
    pub(super) fn into_error(self, field: &str) -> Error {
        match self {
            Self::Malformed(malformed) => unreadable(field, malformed),
            Self::Error(error) => match error.fault() {
                Fault::Limit { subject, limit, allowed, needed } if subject.is_empty() => {
                    Fault::Limit { subject: field.to_owned(), limit, allowed: *allowed, needed: *needed }.into()
                }
                _ => error,
            },
        }
    }
}

/// Returns the depth of what lies within something at `depth`; the record itself lies at 1. Counted as readers count.
fn deeper(depth: u32) -> std::result::Result<u32, Refusal> {
    if depth < DEPTH_MAX {
        return Ok(depth + 1);
    }
    Err(Error::invalid("record", format!("nested deeper than {DEPTH_MAX}")).into())
}

impl Copier<'_> {
    /// Copies what a pointer field aims at; a value equal to the field's default becomes null.
    pub(super) fn copy_field(
        &mut self,
        field: &PointerPlan,
        words: Words<'_>,
        at: u32,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        let id = self.copy(&field.target, words, at, depth)?;
        if let (Some(default), true) = (&field.default, id != NULL) {
            let place = default.as_ptr().addr();
            let known = self.copied.as_ref().and_then(|copied| copied.defaults.get(&place));
            let default = if let Some(known) = known {
                *known
            } else {
                // Places in the default's own message are others.
                let Self { plan, column, scratch, .. } = self;
                let mut copier = Copier { plan, column, scratch, copied: None };
                copier.copy(&field.target, Words::new(default), 0, depth)?
            };
            if let Some(copied) = &mut self.copied {
                copied.defaults.insert(place, default);
            }
            if self.column.is_same(id, default) {
                return Ok(NULL);
            }
        }
        Ok(id)
    }

    fn copy(
        &mut self,
        target: &Target,
        words: Words<'_>,
        at: u32,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        if self.copied.is_none() {
            return self.copy_anew(target, words, at, depth);
        }
        let pointer = words.word(at)?;
        let is_small = matches!(target, Target::Text | Target::Data) && pointer >> 35 <= SMALL_BYTES;
        if pointer == 0 || is_small {
            return self.copy_anew(target, words, at, depth);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the lower half of a pointer is its offset, the upper its size"
        )]
        let (offset, size) = (pointer as u32 >> 2, (pointer >> 32) as u32);
        // Equal for equal places, also where an offset is wrong and wraps.
        let place = (std::ptr::from_ref(target).addr(), at.wrapping_add(offset) & 0x3fff_ffff, size);
        if let Some(id) = self.copied.as_ref().and_then(|copied| copied.objects.get(&place)) {
            return Ok(*id);
        }
        let id = self.copy_anew(target, words, at, depth)?;
        if let Some(copied) = &mut self.copied {
            copied.objects.insert(place, id);
        }
        Ok(id)
    }

    fn copy_anew(
        &mut self,
        target: &Target,
        words: Words<'_>,
        at: u32,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        match target {
            Target::Text | Target::Data => {
                let Some(bytes) = words.data_of(at)? else { return Ok(NULL) };
                if matches!(target, Target::Text) {
                    check_text(at, bytes)?;
                }
                let shape = list_shape(ElementSize::Byte, bytes.len() as u64);
                Ok(intern(self.column, shape, bytes, depth)?)
            }
            Target::Scalars(size) => match words.list_of(at, *size)? {
                Some(list) => {
                    deeper(depth)?;
                    self.copy_scalars(list, depth)
                }
                None => Ok(NULL),
            },
            Target::Pointers(element) => match words.list_of(at, ElementSize::Pointer)? {
                Some(list) => self.copy_pointers(element, list, depth),
                None => Ok(NULL),
            },
            Target::Structs(index) => match words.list_of(at, ElementSize::Composite)? {
                Some(list) => self.copy_structs(*index, list, depth),
                None => Ok(NULL),
            },
            Target::Struct(index) => match words.struct_of(at)? {
                Some(from) => self.copy_struct(*index, from, depth),
                None => Ok(NULL),
            },
        }
    }

    fn copy_scalars(&mut self, list: ListRef<'_>, depth: u32) -> std::result::Result<ObjectId, Refusal> {
        let bytes = list.bytes();
        let base = self.scratch.len();
        self.scratch.extend_from_slice(bytes);
        if list.size() == ElementSize::Bit
            && !list.len().is_multiple_of(8)
            && let Some(last) = self.scratch.last_mut()
        {
            *last &= (1 << (list.len() % 8)) - 1;
        }
        self.scratch.resize(base + bytes.len().next_multiple_of(WORD), 0);
        self.take(list_shape(list.size(), u64::from(list.len())), base, depth)
    }

    fn copy_pointers(
        &mut self,
        element: &Target,
        list: ListRef<'_>,
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        let within = deeper(depth)?;
        let base = self.scratch.len();
        for index in 0..list.len() {
            let id = self.copy(element, list.words(), list.at() + index, within)?;
            self.scratch.extend_from_slice(&u64::from(id).to_le_bytes());
        }
        self.take(list_shape(ElementSize::Pointer, u64::from(list.len())), base, depth)
    }

    fn copy_structs(&mut self, index: usize, list: ListRef<'_>, depth: u32) -> std::result::Result<ObjectId, Refusal> {
        // The list is a level, and so are its structs.
        let within = deeper(deeper(depth)?)?;
        let plan = self.plan;
        let ty = &plan.structs[index];
        let base = self.scratch.len();
        self.scratch.extend_from_slice(&[0; WORD]);
        if list.struct_sizes() == (0, 0) {
            // All are empty, and a hostile list may claim 2^30 of them in no bytes.
            return self.take_structs(base, list.len(), (0, 0), depth);
        }
        // By the sizes in the message, not by those of the type, so that memory grows with the message.
        let (data_words, pointer_words) = list.struct_sizes();
        let (data_words, pointer_words) = (data_words.min(ty.data_words), pointer_words.min(ty.pointer_words));
        let size = (data_words as usize + pointer_words as usize) * WORD;
        for element in 0..list.len() {
            let Some(from) = list.get_struct(element) else { break };
            let at = self.scratch.len();
            self.scratch.resize(at + size, 0);
            self.copy_scope(&ty.scope, from, at, data_words, within)?;
        }
        self.take_structs(base, list.len(), (data_words, pointer_words), depth)
    }

    fn take_structs(
        &mut self,
        base: usize,
        count: u32,
        (data_words, pointer_words): (u16, u16),
        depth: u32,
    ) -> std::result::Result<ObjectId, Refusal> {
        let shape = compact_structs(self.scratch, base, count, data_words, pointer_words)?;
        self.take(shape, base, depth)
    }

    fn copy_struct(&mut self, index: usize, from: StructRef<'_>, depth: u32) -> std::result::Result<ObjectId, Refusal> {
        let within = deeper(depth)?;
        let plan = self.plan;
        let ty = &plan.structs[index];
        let base = self.scratch.len();
        let data_words = ty.data_words.min(u16::try_from(from.data().len() / WORD).unwrap_or(u16::MAX));
        let pointer_words = ty.pointer_words.min(from.pointer_count());
        self.scratch.resize(base + (data_words as usize + pointer_words as usize) * WORD, 0);
        self.copy_scope(&ty.scope, from, base, data_words, within)?;
        let shape = compact_struct(self.scratch, base, data_words, pointer_words);
        self.take(shape, base, depth)
    }

    /// Copies fields into the full-size struct at a byte of the scratch.
    fn copy_scope(
        &mut self,
        scope: &Scope,
        from: StructRef<'_>,
        at: usize,
        data_words: u16,
        depth: u32,
    ) -> std::result::Result<(), Refusal> {
        copy_bits(scope, from, data_words, &mut self.scratch[at..]);
        for pointer in &scope.pointers {
            // In the order of their slots.
            let Some(word) = from.pointer_at(u32::from(pointer.slot)) else { break };
            let id = self.copy_field(pointer, from.words(), word, depth)?;
            let place = at + (data_words as usize + pointer.slot as usize) * WORD;
            self.scratch[place..place + 4].copy_from_slice(&id.to_le_bytes());
        }
        for union in &scope.unions {
            let value = u16::from_le_bytes(from.scalar(union.discriminant_at));
            let member = union.members.get(value as usize).ok_or_else(|| unknown_member("struct", value))?;
            self.copy_scope(member, from, at, data_words, depth)?;
        }
        Ok(())
    }

    /// Interns the image at the end of the scratch and takes it off.
    fn take(&mut self, shape: u64, base: usize, depth: u32) -> std::result::Result<ObjectId, Refusal> {
        let id = intern(self.column, shape, &self.scratch[base..], depth)?;
        self.scratch.truncate(base);
        Ok(id)
    }
}

/// Interns an object of a record at a depth: rows point at those at the first one.
fn intern(column: &mut Column, shape: u64, image: &[u8], depth: u32) -> Result<ObjectId> {
    if depth == 1 { column.intern_root(shape, image) } else { column.intern(shape, image) }
}

/// Copies the bits that fields own, of so many words.
#[inline]
pub(super) fn copy_bits(scope: &Scope, from: StructRef<'_>, data_words: u16, to: &mut [u8]) {
    for (word, mask) in scope.masks.iter().take_while(|(word, _)| *word < data_words) {
        let at = *word as usize * WORD;
        let bits = from.data_word(*word as usize) & mask;
        // Words that two scopes share: a union's members and what stands beside them.
        for (to, from) in to[at..at + WORD].iter_mut().zip(bits.to_le_bytes()) {
            *to |= from;
        }
    }
}

/// Drops a struct's trailing zero words and null pointers, as Cap'n Proto's canonical form does; its shape.
fn compact_struct(scratch: &mut Vec<u8>, base: usize, data_words: u16, pointer_words: u16) -> u64 {
    let pointers_at = base + data_words as usize * WORD;
    let data = used_words(&scratch[base..pointers_at]);
    let pointers = used_words(&scratch[pointers_at..]).min(pointer_words);
    scratch.truncate(pointers_at + pointers as usize * WORD);
    scratch.drain(base + data as usize * WORD..pointers_at);
    struct_shape(data, pointers)
}

/// Makes the full-size structs behind a tag word as small as the largest of them needs, and writes the tag.
fn compact_structs(scratch: &mut Vec<u8>, base: usize, count: u32, data_words: u16, pointer_words: u16) -> Result<u64> {
    let (full_data, full) = (data_words as usize * WORD, (data_words as usize + pointer_words as usize) * WORD);
    let (mut data, mut pointers) = (0, 0);
    if full > 0 {
        for element in scratch[base + WORD..].chunks_exact(full) {
            data = data.max(used_words(&element[..full_data]));
            pointers = pointers.max(used_words(&element[full_data..]));
        }
    }
    if full > 0 && (data, pointers) != (data_words, pointer_words) {
        let mut to = base + WORD;
        for element in 0..count as usize {
            let from = base + WORD + element * full;
            scratch.copy_within(from..from + data as usize * WORD, to);
            to += data as usize * WORD;
            scratch.copy_within(from + full_data..from + full_data + pointers as usize * WORD, to);
            to += pointers as usize * WORD;
        }
        scratch.truncate(to);
    }
    let words = ((scratch.len() - base) / WORD - 1) as u64;
    if words > LIST_MAX || u64::from(count) > LIST_MAX {
        let (limit, needed) = ("the words of a list of structs", words.max(u64::from(count)));
        return Err(Fault::Limit { subject: String::new(), limit, allowed: LIST_MAX, needed }.into());
    }
    let tag = struct_shape(data, pointers) | u64::from(count) << 2;
    scratch[base..base + WORD].copy_from_slice(&tag.to_le_bytes());
    Ok(list_shape(ElementSize::Composite, words))
}

/// Returns the number of words up to the last that is not zero.
fn used_words(bytes: &[u8]) -> u16 {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last / WORD + 1);
    u16::try_from(used).unwrap_or(u16::MAX)
}

pub(super) fn unreadable(subject: &str, malformed: Malformed) -> Error {
    Error::invalid(subject, format!("the record cannot be read: expected {}", malformed.expected))
}

pub(super) fn unknown_member(subject: &str, value: u16) -> Error {
    Error::incompatible(subject, format!("unknown union member {value}: made with a newer schema than this one"))
}
