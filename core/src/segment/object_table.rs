//! Finds the objects of a column by the hash of their words.

use std::hint::black_box;

use super::column::{BATCH, ObjectId};

/// Ids of objects by hash: open addressing, linear probing.
///
/// A hash's home grows with the hash, so a table that grows is read and written in order. Most probes end at a slot that
/// no cache has, so callers with several hashes [`touch`](Self::touch) them first: the loads then overlap.
#[derive(Debug, Default)]
pub(super) struct ObjectTable {
    /// The hash in the upper half, the id in the lower; 0 if empty, since no object has id 0.
    slots: Vec<u64>,
    used: usize,
}

/// An empty slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct FreeSlot(usize);

impl ObjectTable {
    /// Makes a table with room for so many ids and a batch more, and hardly more memory than they need.
    pub(super) fn with_room(count: usize) -> Self {
        Self { slots: vec![0; (count + BATCH) * 4 / 3 + 2], used: 0 }
    }

    /// Makes room for more ids.
    pub(super) fn reserve(&mut self, more: usize) {
        let needed = self.used + more;
        // Three quarters full at most, and never without an empty slot.
        if needed * 4 < self.slots.len() * 3 {
            return;
        }
        let count = (needed * 4 / 3 + 1).next_power_of_two().max(64);
        let old = std::mem::replace(&mut self.slots, vec![0; count]);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let mut at = self.home(hash_of(slot));
            while self.slots[at] != 0 {
                at = self.after(at);
            }
            self.slots[at] = slot;
        }
    }

    /// Returns the number of ids.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Iterates over the hashes and their ids, nearly in the order of the hashes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, ObjectId)> {
        self.slots.iter().filter(|slot| **slot != 0).map(|slot| (hash_of(*slot), id_of(*slot)))
    }

    /// Loads the homes of hashes into the cache.
    pub(super) fn touch(&self, hashes: &[u32]) {
        if !self.slots.is_empty() {
            black_box(hashes.iter().fold(0, |sum, hash| sum ^ self.slots[self.home(*hash)]));
        }
    }

    /// Returns the id at the home of a hash if it has that hash, 0 else.
    #[inline]
    pub(super) fn glance(&self, hash: u32) -> ObjectId {
        let slot = self.slots[self.home(hash)];
        if hash_of(slot) == hash { id_of(slot) } else { 0 }
    }

    /// Finds the id of a hash that a function accepts, or where it would stand. There must be room for one more.
    #[inline]
    pub(super) fn find(
        &self,
        hash: u32,
        mut accepts: impl FnMut(ObjectId) -> bool,
    ) -> std::result::Result<ObjectId, FreeSlot> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(FreeSlot(at));
            }
            if hash_of(slot) == hash && accepts(id_of(slot)) {
                return Ok(id_of(slot));
            }
            at = self.after(at);
        }
    }

    /// Puts an id where [`Self::find`] found room for it.
    #[inline]
    pub(super) fn put(&mut self, place: FreeSlot, hash: u32, id: ObjectId) {
        self.slots[place.0] = u64::from(hash) << 32 | u64::from(id);
        self.used += 1;
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u128::from(hash) * self.slots.len() as u128) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }
}

#[inline]
fn hash_of(slot: u64) -> u32 {
    (slot >> 32) as u32
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "its lower half")]
fn id_of(slot: u64) -> ObjectId {
    slot as ObjectId
}

#[cfg(test)]
mod tests {
    use super::ObjectTable;

    #[test]
    fn ids_are_found_by_hash_however_often_the_table_grew() {
        let mut table = ObjectTable::default();
        // Many share a hash, and the highest homes wrap around.
        let hash = |id: u32| (id / 3).wrapping_mul(0x9e37_79b1) | if id.is_multiple_of(5) { 0xffff_ff00 } else { 0 };
        for id in 1..5000 {
            table.reserve(1);
            let free = table.find(hash(id), |_| false).expect_err("nothing was accepted");
            table.put(free, hash(id), id);
        }
        table.touch(&[0, 7, u32::MAX]);
        table.reserve(1);
        for id in 1..5000 {
            assert_eq!(table.find(hash(id), |found| found == id).ok(), Some(id));
        }
        assert!(table.find(hash(5001) ^ 1, |_| false).is_err());
    }
}
