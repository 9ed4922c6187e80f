//! The slots of an index, as groups that are searched in place.

use super::{Group, UniqueIndex, home, is_last, rows_of, tag};

/// The slots of an index that many keys are looked up in.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'v> {
    groups: &'v [Group],
    row_mask: u32,
}

impl UniqueIndex {
    /// Returns its slots.
    pub(crate) fn in_place(&self) -> Slots<'_> {
        Slots { groups: self.groups(), row_mask: self.row_mask }
    }
}

impl Slots<'_> {
    /// Returns the row that may have the key of a hash, plus 1, by the home group alone: some number if several slots match, 0 if
    /// none does, so that the index is to be probed.
    #[inline]
    pub(crate) fn candidate(self, hash: u64) -> u32 {
        let group = self.groups.get(home(hash, self.groups.len()));
        group.map_or(0, |group| rows_of(group, self.row_mask, tag(hash, self.row_mask)))
    }

    /// Returns whether the home group of a hash has an empty slot, so that a key that is not in it is nowhere.
    #[inline]
    pub(crate) fn has_empty(self, hash: u64) -> bool {
        self.groups.get(home(hash, self.groups.len())).is_some_and(is_last)
    }
}
