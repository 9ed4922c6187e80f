//! The order of a field's objects in a segment: those that rows point at, in row order; then those that these point at; and
//! so on, depth by depth, each once.

use std::ops::Range;

use super::column::{Column, NULL, ObjectId};
use super::frame::parts;
use crate::words::WORD;

/// Objects of a field in the order in which a segment has them.
pub(super) struct ColumnOrder {
    /// Word of each object, relative to the extent; for objects that are in the segment.
    pub place: Vec<u32>,
    pub order: Vec<ObjectId>,
    pub words: u64,
}

/// Place of an object that the segment does not have.
const UNPLACED: u32 = u32::MAX;

impl ColumnOrder {
    /// No objects.
    pub(super) fn none() -> Self {
        Self { place: Vec::new(), order: Vec::new(), words: 0 }
    }

    /// Orders the objects of a field that rows with these roots need.
    pub(super) fn new(objects: &Column, roots: impl Iterator<Item = ObjectId>) -> Self {
        let mut out = Self { place: vec![UNPLACED; objects.id_count()], ..Self::none() };
        roots.for_each(|root| out.put(objects, root));
        let mut next = 0;
        while let Some(id) = out.order.get(next) {
            // What rows point at stands before what this points at, and so on: breadth first.
            objects.for_each_child(*id, |child| out.put(objects, child));
            next += 1;
        }
        out
    }

    fn put(&mut self, objects: &Column, id: ObjectId) {
        if id != NULL && self.place[id as usize] == UNPLACED {
            // Past 2^32 words the layout is refused before any place is used.
            self.place[id as usize] = u32::try_from(self.words).unwrap_or(UNPLACED - 1);
            self.words += u64::from(objects.words(id));
            self.order.push(id);
        }
    }

    /// Cuts the extent into parts of some objects each.
    pub(super) fn parts<'m>(&self, out: &'m mut [u8]) -> impl Iterator<Item = (Range<usize>, &'m mut [u8])> {
        let len = out.len();
        parts(
            self.order.len(),
            move |at| self.order.get(at).map_or(len, |id| self.place[*id as usize] as usize * WORD),
            out,
        )
    }

    /// Writes some of the objects.
    pub(super) fn write(&self, objects: &Column, part: Range<usize>, out: &mut [u8]) {
        let mut at = 0;
        for id in &self.order[part] {
            let size = objects.words(*id) as usize * WORD;
            // Places are relative to the extent; so is `at`, and pointers are differences.
            let word = self.place[*id as usize];
            objects.write(*id, word, &mut out[at..at + size], &self.place);
            at += size;
        }
        debug_assert_eq!(at, out.len(), "bytes of the part");
    }
}
