//! Objects of one field, until the order of rows is known.
//!
//! An object is a text, a list or a struct: the *image* of its words as they will stand in the segment, with the ids of
//! other objects where pointers will be. Objects are interned from the leaves up, so that equal ids mean equal values:
//! that is how a segment comes to hold each value of a field once.
//!
//! Objects that rows point at are interned in batches: they wait until [`Column::settle`] drops those that are equal to
//! others and adds the rest. It asks the table for all of them before it looks at the answers, so that cache misses
//! overlap.

use std::hint::black_box;

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
pub(super) const BATCH: usize = 128;

/// Set in the id of an object that is not settled yet; the rest is its place among these.
const PENDING: ObjectId = 1 << 31;

/// Objects of one field.
#[derive(Debug)]
pub(super) struct Column {
    arena: Vec<u8>,
    objects: Vec<Object>,
    interning: Interning,
    table: ObjectTable,
    pending: PendingObjects,
    /// Ids of the objects that were settled last.
    settled: Vec<ObjectId>,
}

/// Objects that wait to be settled.
#[derive(Debug, Default)]
struct PendingObjects {
    arena: Vec<u8>,
    objects: Vec<Object>,
    hashes: Vec<u32>,
}

/// When equal objects of a field become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interning {
    /// Never: each object is new.
    Never,
    /// As each is added.
    AtOnce,
    /// Those that rows point at when the column is settled, those within others as they are added.
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
pub(crate) fn list_shape(size: ElementSize, count: u64) -> u64 {
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
            pending: PendingObjects::default(),
            settled: Vec::new(),
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
        self.object(id).0.shape
    }

    pub(super) fn words(&self, id: ObjectId) -> u32 {
        self.object(id).0.words
    }

    pub(super) fn image(&self, id: ObjectId) -> &[u8] {
        let (object, arena) = self.object(id);
        object.image(arena)
    }

    /// Returns an object and the arena that it is in.
    #[inline]
    fn object(&self, id: ObjectId) -> (Object, &[u8]) {
        if id & PENDING == 0 {
            (self.objects[id as usize], &self.arena)
        } else {
            (self.pending.objects[(id & !PENDING) as usize], &self.pending.arena)
        }
    }

    /// Returns whether an object may hold pointers.
    pub(super) fn has_pointers(&self, id: ObjectId) -> bool {
        shape_has_pointers(self.shape(id))
    }

    /// Adds an object that others point at, or finds its equal. `image`: its words, or the bytes of a list of bytes.
    pub(super) fn intern(&mut self, shape: u64, image: &[u8]) -> Result<ObjectId> {
        self.check_room(image)?;
        let Self { arena, objects, table, .. } = self;
        if self.interning == Interning::Never {
            return Ok(push(arena, objects, shape, image));
        }
        let hash = hash(shape, image);
        table.reserve(1);
        Ok(table.find(hash, |other| objects[other as usize].is(arena, shape, image)).unwrap_or_else(|free| {
            let id = push(arena, objects, shape, image);
            table.put(free, hash, id);
            id
        }))
    }

    /// Adds an object that rows alone point at, or finds its equal; the id is final once the column is settled.
    pub(super) fn intern_root(&mut self, shape: u64, image: &[u8]) -> Result<ObjectId> {
        if self.interning != Interning::InBatches {
            return self.intern(shape, image);
        }
        self.check_room(image)?;
        let PendingObjects { arena, objects, hashes } = &mut self.pending;
        hashes.push(hash(shape, image));
        Ok(push(arena, objects, shape, image) | PENDING)
    }

    /// Refuses an object beyond what ids and places can name.
    #[inline]
    fn check_room(&self, image: &[u8]) -> Result<()> {
        let bytes = self.arena.len() + self.pending.arena.len() + image.len();
        let objects = self.objects.len() + self.pending.objects.len();
        if u32::try_from(bytes.div_ceil(WORD)).is_ok() && objects < PENDING as usize {
            Ok(())
        } else {
            Err(out_of_room(bytes))
        }
    }

    /// Returns whether enough objects wait to be settled.
    #[inline]
    pub(super) fn is_batch_full(&self) -> bool {
        self.pending.objects.len() >= BATCH
    }

    /// Settles the objects that wait, and gives the rows that point at them the final ids.
    pub(super) fn settle(&mut self, roots: &mut [ObjectId]) {
        let Self { arena, objects, table, pending, settled, .. } = self;
        if pending.objects.is_empty() {
            return;
        }
        settled.clear();
        table.reserve(pending.objects.len());
        // Each step for all of them, so that cache misses overlap.
        table.touch(&pending.hashes);
        settled.extend(pending.hashes.iter().map(|hash| table.glance(*hash)));
        let start = |id: &ObjectId| objects[*id as usize].start as usize * WORD;
        black_box(settled.iter().fold(0, |sum, id| sum ^ arena.get(start(id)).copied().unwrap_or(0)));
        settled.clear();
        for (object, hash) in pending.objects.iter().zip(&pending.hashes) {
            let image = object.image(&pending.arena);
            let found = table.find(*hash, |other| objects[other as usize].is(arena, object.shape, image));
            settled.push(found.unwrap_or_else(|free| {
                let id = push(arena, objects, object.shape, image);
                table.put(free, *hash, id);
                id
            }));
        }
        pending.arena.clear();
        pending.objects.clear();
        pending.hashes.clear();
        for root in roots.iter_mut().filter(|root| **root & PENDING != 0) {
            *root = settled[(*root & !PENDING) as usize];
        }
    }

    /// Takes over another column's objects; the result gives each of its ids' new one. Both are settled.
    pub(super) fn absorb(&mut self, other: &Self) -> Result<Vec<ObjectId>> {
        let mut map = Vec::with_capacity(other.objects.len());
        map.push(NULL);
        let (mut image, mut settled) = (Vec::new(), 0);
        // Children were interned before what points at them.
        for (id, object) in (0..).zip(&other.objects).skip(1) {
            let mut waits = false;
            other.for_each_child(id, |child| waits |= map[child as usize] & PENDING != 0);
            if waits || self.is_batch_full() {
                self.settle(&mut map[settled..]);
                settled = map.len();
            }
            image.clear();
            image.extend_from_slice(object.image(&other.arena));
            other.for_each_pointer_of(id, |at| {
                let child = child_at(&image, at);
                image[at..at + 4].copy_from_slice(&map[child as usize].to_le_bytes());
            });
            // Lists and structs are many, and mostly nothing but rows points at them.
            let has_pointers = shape_has_pointers(object.shape);
            let intern = if has_pointers { Self::intern_root } else { Self::intern };
            map.push(intern(self, object.shape, &image)?);
        }
        self.settle(&mut map[settled..]);
        Ok(map)
    }

    /// As [`absorb`](Self::absorb), for objects without pointers.
    ///
    /// Tables are walked in the order of hashes, objects in that of their ids: so memory is read from front to back.
    pub(super) fn absorb_flat(&mut self, other: &Self) -> Result<Vec<ObjectId>> {
        self.check_room(&other.arena)?;
        if self.objects.len() + other.objects.len() >= PENDING as usize {
            return Err(out_of_room(self.arena.len() + other.arena.len()));
        }
        let Self { arena, objects, table, .. } = self;
        let mut map = vec![NULL; other.objects.len()];
        table.reserve(other.table.len());
        for (hash, id) in other.table.iter() {
            let is_same = |own: ObjectId| {
                let object = other.objects[id as usize];
                objects[own as usize].is(arena, object.shape, object.image(&other.arena))
            };
            if let Ok(found) = table.find(hash, is_same) {
                map[id as usize] = found;
            }
        }
        let first_new = objects.len();
        for (object, id) in other.objects.iter().zip(&mut map).skip(1).filter(|(_, id)| **id == NULL) {
            *id = push(arena, objects, object.shape, object.image(&other.arena));
        }
        for (hash, id) in other.table.iter() {
            let new = map[id as usize];
            if new as usize >= first_new
                && let Err(free) = table.find(hash, |_| false)
            {
                table.put(free, hash, new);
            }
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
        if self.interning != Interning::Never || a == NULL || b == NULL || self.shape(a) != self.shape(b) {
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
    #[inline]
    fn image(self, arena: &[u8]) -> &[u8] {
        let start = self.start as usize * WORD;
        &arena[start..start + self.words as usize * WORD]
    }

    /// Returns whether it has this value.
    #[inline]
    fn is(self, arena: &[u8], shape: u64, image: &[u8]) -> bool {
        // An equal shape has as many bytes; what is behind them up to the word is zero.
        self.shape == shape && self.image(arena).starts_with(image)
    }
}

/// Adds an object, and zeros up to the word. There must be room.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "there is room")]
fn push(arena: &mut Vec<u8>, objects: &mut Vec<Object>, shape: u64, image: &[u8]) -> ObjectId {
    let (from, id) = (arena.len(), objects.len() as ObjectId);
    let end = from + image.len().next_multiple_of(WORD);
    arena.extend_from_slice(image);
    // As many zeros as may be needed, in one store.
    arena.extend_from_slice(&[0; WORD]);
    arena.truncate(end);
    objects.push(Object { start: (from / WORD) as u32, words: ((end - from) / WORD) as u32, shape });
    id
}

/// Returns half of an object's hash: enough, since equality is checked.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "half of it")]
pub(super) fn hash(shape: u64, image: &[u8]) -> u32 {
    // Of a list of bytes the bytes alone, since it may come without the zeros behind them.
    let image = if shape & 1 == 1 && (shape >> 32) & 7 == ElementSize::Byte as u64 {
        &image[..image.len().min((shape >> 35) as usize)]
    } else {
        image
    };
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
pub(crate) fn aim(shape: u64, words: u32, from: u32, to: u32) -> u64 {
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
