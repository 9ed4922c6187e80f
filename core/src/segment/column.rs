//! Objects of one field, until the order of rows is known.
//!
//! An object is a text, a list or a struct: the *image* of its words as they will stand in the segment, with the ids of
//! other objects where pointers will be. Objects are interned from the leaves up, so that equal ids mean equal values:
//! that is how a segment comes to hold each value of a field once.
//!
//! Objects without pointers are interned in batches: they get an id at once, and [`Column::settle`] drops those that are
//! equal to others and gives the rest their final ids. A batch asks the table for all of its objects before it looks at
//! the answers, so that cache misses overlap.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::object_table::ObjectTable;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::words::{ElementSize, WORD};

/// Id of an object in its column; [`NULL`] for none.
pub(super) type ObjectId = u32;

/// Id of a null pointer.
pub(super) const NULL: ObjectId = 0;

/// Most elements of a list, and most words of a struct list (29 bits each).
pub(super) const LIST_MAX: u64 = (1 << 29) - 1;

/// Objects of a batch: the cache lines of their slots stay in the first cache.
const BATCH: usize = 128;

/// Objects of one field.
#[derive(Debug)]
pub(super) struct Column {
    arena: Vec<u8>,
    objects: Vec<Object>,
    interning: Interning,
    table: ObjectTable,
    /// Hashes of the last objects, which are not settled yet.
    pending: Vec<u32>,
    /// Ids of the objects that were settled last.
    settled: Vec<ObjectId>,
}

/// When equal objects of a field become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interning {
    /// Never: each object is new.
    Never,
    /// As each is added.
    AtOnce,
    /// When the column is settled. For objects without pointers, which nothing but rows points at.
    InBatches,
}

#[derive(Clone, Copy, Debug)]
struct Object {
    /// Offset in words from the start of the arena.
    start: u32,
    words: u32,
    /// The pointer to it, but for the offset.
    shape: u64,
}

/// Returns the pointer to a struct, without its offset.
pub(super) fn struct_shape(data_words: u16, pointer_words: u16) -> u64 {
    u64::from(data_words) << 32 | u64::from(pointer_words) << 48
}

/// Returns the pointer to a list, without its offset; `count` is of elements, or of words for structs.
pub(super) fn list_shape(size: ElementSize, count: u64) -> u64 {
    1 | (size as u64) << 32 | count << 35
}

impl Column {
    pub(super) fn new(interning: Interning) -> Self {
        let none = Object { start: 0, words: 0, shape: 0 };
        Self {
            arena: Vec::new(),
            objects: vec![none],
            interning,
            table: ObjectTable::default(),
            pending: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Interns in batches from now on, if it interned at once. For objects without pointers.
    pub(super) fn intern_in_batches(&mut self) {
        if self.interning == Interning::AtOnce {
            self.interning = Interning::InBatches;
        }
    }

    /// Frees what only interning needs. No object is interned after this.
    pub(super) fn end_interning(&mut self) {
        drop(std::mem::take(&mut self.table));
    }

    /// Returns the number of ids in use, the null one included.
    pub(super) fn id_count(&self) -> usize {
        self.objects.len()
    }

    /// Returns the size of all objects in bytes.
    pub(super) fn size(&self) -> usize {
        self.arena.len()
    }

    pub(super) fn shape(&self, id: ObjectId) -> u64 {
        self.objects[id as usize].shape
    }

    pub(super) fn words(&self, id: ObjectId) -> u32 {
        self.objects[id as usize].words
    }

    pub(super) fn image(&self, id: ObjectId) -> &[u8] {
        self.objects[id as usize].image(&self.arena)
    }

    /// Returns whether an object may hold pointers.
    pub(super) fn has_pointers(&self, id: ObjectId) -> bool {
        shape_has_pointers(self.shape(id))
    }

    /// Adds an object or finds its equal. `image` is a whole number of words.
    pub(super) fn intern(&mut self, shape: u64, image: &[u8]) -> Result<ObjectId> {
        let from = self.arena.len();
        self.arena.extend_from_slice(image);
        self.intern_tail(shape, from)
    }

    /// Adds a list of bytes (with a final NUL for text), or finds its equal.
    pub(super) fn intern_bytes(&mut self, bytes: &[u8], nul: bool) -> Result<ObjectId> {
        let count = bytes.len() as u64 + u64::from(nul);
        if count > LIST_MAX {
            let limit = if nul { "the length of a Text" } else { "the length of a Data" };
            return Err(Fault::Limit { subject: String::new(), limit, allowed: LIST_MAX, needed: count }.into());
        }
        let from = self.arena.len();
        self.arena.extend_from_slice(bytes);
        // As many zeros as may be needed, in one store, and back to the word.
        self.arena.extend_from_slice(&[0; WORD]);
        self.arena.truncate(from + (bytes.len() + usize::from(nul)).next_multiple_of(WORD));
        self.intern_tail(list_shape(ElementSize::Byte, count), from)
    }

    /// Interns what stands at the end of the arena from `from` on.
    fn intern_tail(&mut self, shape: u64, from: usize) -> Result<ObjectId> {
        let Self { arena, objects, table, .. } = self;
        let image = &arena[from..];
        let end = u32::try_from(arena.len() / WORD).map_err(|_| out_of_room(arena.len()))?;
        let words = u32::try_from(image.len() / WORD).map_err(|_| out_of_room(from))?;
        let start = end - words;
        let id = u32::try_from(objects.len()).map_err(|_| out_of_room(from))?;
        let object = Object { start, words, shape };
        match self.interning {
            Interning::Never => {}
            Interning::InBatches => self.pending.push(hash(shape, image)),
            Interning::AtOnce => {
                let hash = hash(shape, image);
                table.reserve(1);
                match table.find(hash, |other| objects[other as usize].is(arena, shape, image)) {
                    Ok(found) => {
                        arena.truncate(from);
                        return Ok(found);
                    }
                    Err(free) => table.put(free, hash, id),
                }
            }
        }
        objects.push(object);
        Ok(id)
    }

    /// Returns whether enough objects wait to be settled.
    #[inline]
    pub(super) fn is_batch_full(&self) -> bool {
        self.pending.len() >= BATCH
    }

    /// Makes equal objects one. Returns the first id that this concerns, and the final ids from this one on.
    pub(super) fn settle(&mut self) -> (ObjectId, &[ObjectId]) {
        let Self { arena, objects, table, pending, settled, .. } = self;
        settled.clear();
        let first = objects.len() - pending.len();
        if pending.is_empty() {
            return (ObjectId::MAX, &[]);
        }
        table.reserve(pending.len());
        table.touch(pending);
        let mut next = first;
        for (at, hash) in (first..).zip(pending.drain(..)) {
            let Object { start, words, shape } = objects[at];
            let from = start as usize * WORD;
            let image = from..from + words as usize * WORD;
            let found = table.find(hash, |other| objects[other as usize].is(arena, shape, &arena[image.clone()]));
            settled.push(found.unwrap_or_else(|free| {
                // Into the gaps that dropped objects leave.
                let to = objects[next - 1].end();
                if to != start {
                    arena.copy_within(image, to as usize * WORD);
                }
                objects[next] = Object { start: to, words, shape };
                #[expect(clippy::cast_possible_truncation, reason = "ids are u32")]
                let id = next as ObjectId;
                table.put(free, hash, id);
                next += 1;
                id
            }));
        }
        objects.truncate(next);
        arena.truncate(objects[next - 1].end() as usize * WORD);
        #[expect(clippy::cast_possible_truncation, reason = "ids are u32")]
        let first = first as ObjectId;
        (first, settled.as_slice())
    }

    /// Takes over another column's objects; the result gives each of its ids' new one. Both are settled.
    pub(super) fn absorb(&mut self, other: &Self) -> Result<Vec<ObjectId>> {
        let mut map = Vec::with_capacity(other.objects.len());
        map.push(NULL);
        // Most objects of a field that is not interned at once are new: the table grows once.
        if self.interning == Interning::InBatches {
            self.table.reserve(other.objects.len());
            self.objects.reserve(other.objects.len());
            self.arena.reserve(other.arena.len());
        }
        if self.interning == Interning::InBatches {
            for objects in other.objects[1..].chunks(BATCH) {
                for object in objects {
                    self.intern(object.shape, object.image(&other.arena))?;
                }
                map.extend_from_slice(self.settle().1);
            }
            return Ok(map);
        }
        let mut image = Vec::new();
        // Children were interned before what points at them.
        for id in 1..other.objects.len() {
            #[expect(clippy::cast_possible_truncation, reason = "ids are u32")]
            let id = id as ObjectId;
            image.clear();
            image.extend_from_slice(other.image(id));
            let shape = other.shape(id);
            for_each_pointer(
                shape,
                image.len(),
                |at| {
                    let child = child_at(&image, at);
                    image[at..at + 4].copy_from_slice(&map[child as usize].to_le_bytes());
                },
                other.image(id),
            );
            map.push(self.intern(shape, &image)?);
        }
        Ok(map)
    }

    /// Calls a function with each object that an object points at, nulls left out.
    pub(super) fn for_each_child(&self, id: ObjectId, mut f: impl FnMut(ObjectId)) {
        let image = self.image(id);
        for_each_pointer(
            self.shape(id),
            image.len(),
            |at| {
                let child = child_at(image, at);
                if child != NULL {
                    f(child);
                }
            },
            image,
        );
    }

    /// Calls a function with the byte offset of each of an object's pointers.
    pub(super) fn for_each_pointer_of(&self, id: ObjectId, f: impl FnMut(usize)) {
        let image = self.image(id);
        for_each_pointer(self.shape(id), image.len(), f, image);
    }

    /// Writes an object's words to `out`, its pointers aimed by `place`, which gives each object's word in the segment.
    /// `at` is the word at which `out` begins.
    pub(super) fn write(&self, id: ObjectId, at: u32, out: &mut [u8], place: &[u32]) {
        let image = self.image(id);
        out.copy_from_slice(image);
        for_each_pointer(
            self.shape(id),
            image.len(),
            |byte| {
                let child = child_at(image, byte);
                #[expect(clippy::cast_possible_truncation, reason = "a segment has fewer than 2^29 words")]
                let word = at + (byte / WORD) as u32;
                let pointer = self.pointer(child, word, place);
                out[byte..byte + WORD].copy_from_slice(&pointer.to_le_bytes());
            },
            image,
        );
    }

    /// Returns the pointer word at `from` that aims at an object.
    #[inline]
    pub(super) fn pointer(&self, id: ObjectId, from: u32, place: &[u32]) -> u64 {
        if id == NULL {
            return 0;
        }
        let object = self.objects[id as usize];
        aim(object.shape, object.words, from, place[id as usize])
    }

    /// Returns the pointer word at `from` that aims at an object of an extent that begins at `start`.
    #[inline]
    pub(super) fn pointer_from(&self, id: ObjectId, from: u32, start: u32, place: &[u32]) -> u64 {
        let object = self.objects[id as usize];
        aim(object.shape, object.words, from, start + place[id as usize])
    }

    /// Returns whether two objects have the same value; without sharing, equal ones may have different ids.
    pub(super) fn is_same(&self, a: ObjectId, b: ObjectId) -> bool {
        if a == b {
            return true;
        }
        if self.interning == Interning::AtOnce || a == NULL || b == NULL || self.shape(a) != self.shape(b) {
            return false;
        }
        if !self.has_pointers(a) {
            return self.image(a) == self.image(b);
        }
        let (x, y) = (self.image(a), self.image(b));
        let mut equal = x.len() == y.len();
        let mut last = 0;
        for_each_pointer(
            self.shape(a),
            x.len(),
            |at| {
                equal = equal && x[last..at] == y[last..at] && self.is_same(child_at(x, at), child_at(y, at));
                last = at + WORD;
            },
            x,
        );
        equal && x[last..] == y[last..]
    }
}

impl Object {
    /// Returns the word behind it.
    #[inline]
    fn end(self) -> u32 {
        self.start + self.words
    }

    #[inline]
    fn image(self, arena: &[u8]) -> &[u8] {
        let start = self.start as usize * WORD;
        &arena[start..start + self.words as usize * WORD]
    }

    /// Returns whether it has this value.
    #[inline]
    fn is(self, arena: &[u8], shape: u64, image: &[u8]) -> bool {
        self.shape == shape && self.image(arena) == image
    }
}

/// Returns half of an object's hash: enough, since equality is checked.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "half of it")]
fn hash(shape: u64, image: &[u8]) -> u32 {
    xxh3_64_with_seed(image, shape) as u32
}

#[cold]
fn out_of_room(needed: usize) -> Error {
    let allowed = u64::from(u32::MAX) * WORD as u64;
    let (subject, limit) = (String::new(), "memory for the objects of one field");
    Fault::Limit { subject, limit, allowed, needed: needed as u64 }.into()
}

/// Returns the pointer word at `from` that aims at `to`.
#[inline]
pub(super) fn aim(shape: u64, words: u32, from: u32, to: u32) -> u64 {
    if words == 0 {
        // A struct of no size points before itself, an empty list behind.
        return if shape & 3 == 0 { shape | 0xffff_fffc } else { shape };
    }
    let offset = (to.wrapping_sub(from).wrapping_sub(1)) << 2;
    shape | u64::from(offset)
}

#[inline]
fn shape_has_pointers(shape: u64) -> bool {
    if shape & 3 == 0 { shape >> 48 != 0 } else { (shape >> 32) & 7 >= ElementSize::Pointer as u64 }
}

/// Calls a function with the byte offset of each pointer of an image, read by its shape and (struct lists) its tag.
#[inline]
fn for_each_pointer(shape: u64, len: usize, mut f: impl FnMut(usize), image: &[u8]) {
    if !shape_has_pointers(shape) {
        return;
    }
    if shape & 3 == 0 {
        let data = (shape >> 32 & 0xffff) as usize * WORD;
        (data..len).step_by(WORD).for_each(f);
    } else if (shape >> 32) & 7 == ElementSize::Pointer as u64 {
        (0..len).step_by(WORD).for_each(f);
    } else {
        let mut tag = [0; WORD];
        tag.copy_from_slice(&image[..WORD]);
        let tag = u64::from_le_bytes(tag);
        let (data, pointers) = ((tag >> 32 & 0xffff) as usize * WORD, (tag >> 48) as usize * WORD);
        if pointers == 0 {
            return;
        }
        for element in (WORD..len).step_by(data + pointers) {
            for at in (element + data..element + data + pointers).step_by(WORD) {
                f(at);
            }
        }
    }
}

#[inline]
pub(super) fn child_at(image: &[u8], at: usize) -> ObjectId {
    let mut id = [0; 4];
    id.copy_from_slice(&image[at..at + 4]);
    ObjectId::from_le_bytes(id)
}
