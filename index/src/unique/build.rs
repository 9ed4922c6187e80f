//! Builds the unique index of a segment.

use kapok_core::key::KeySpec;
use kapok_core::segment::Segment;
use kapok_core::{Error, Fault, Result};

use super::{
    GROUP, GROUP_BYTES, MAGIC, RESERVED_AT, SLOT_BYTES, SLOTS_AT, UNBOUND_MAGIC, hash, hash_number, home, row_bits,
    row_mask, tag,
};
use crate::artifact::{Binding, Header};
use crate::row::{corrupt_row, encode_row, expect_row};

/// Builds the index of a segment: a function of its rows' keys.
///
/// # Errors
/// `Invalid` if two rows have the same key. `Corrupt` if a key cannot be read, or the rows do not stand in key order.
pub fn build(key: &KeySpec, segment: &Segment, binding: &Binding) -> Result<Vec<u8>> {
    build_table(MAGIC, segment.rows(), binding, |table| fill(table, key, segment))
}

/// Builds a table of row numbers of a segment of so many rows, which a function fills.
pub(crate) fn build_table(
    magic: [u8; 8],
    rows: u32,
    binding: &Binding,
    fill: impl FnOnce(&mut Table<'_>) -> Result<()>,
) -> Result<Vec<u8>> {
    let group_count = group_count(rows);
    let mut out = vec![0; SLOTS_AT + group_count * GROUP_BYTES];
    let (header, slots) = out.split_at_mut(SLOTS_AT);
    let numbers = [(group_count * GROUP) as u64, 0];
    header.copy_from_slice(&Header { rows, word: row_bits(rows), numbers }.encode(magic, binding));
    fill(&mut Table { slots: slots.as_chunks_mut().0, used: vec![0; group_count], row_mask: row_mask(rows) })?;
    Ok(out)
}

/// Puts all rows into a table by their primary keys.
fn fill(table: &mut Table<'_>, key: &KeySpec, segment: &Segment) -> Result<()> {
    let rows = segment.rows();
    if let Some(key_bytes) = key.fixed_bytes() {
        let mut before = None;
        for row in 0..rows {
            let number = key.row_number(expect_row(segment, row)?);
            if before.is_some_and(|before| before >= number) {
                return Err(disorder(key, segment, row));
            }
            table.insert(hash_number(number, key_bytes), row);
            before = Some(number);
        }
    } else {
        let (mut before, mut encoded) = (Vec::new(), Vec::new());
        for row in 0..rows {
            encode_row(key, segment, row, &mut encoded)?;
            if row > 0 && before >= encoded {
                return Err(disorder(key, segment, row));
            }
            table.insert(hash(&encoded), row);
            std::mem::swap(&mut before, &mut encoded);
        }
    }
    Ok(())
}

/// Returns an index as earlier releases wrote it, bound to nothing.
pub(crate) fn unbound(index: &[u8]) -> Vec<u8> {
    let mut out = index.to_vec();
    if let Some(header) = out.get_mut(..SLOTS_AT) {
        header[..UNBOUND_MAGIC.len()].copy_from_slice(&UNBOUND_MAGIC);
        header[RESERVED_AT..].fill(0);
    }
    out
}

/// Slots that are being filled.
pub(crate) struct Table<'s> {
    slots: &'s mut [[u8; SLOT_BYTES]],
    /// Slots in use, of each group: so that the slots themselves are written without being read.
    used: Vec<u8>,
    row_mask: u32,
}

impl Table<'_> {
    /// Puts a row into the first empty slot from its home on.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, row: u32) {
        let mut group = home(hash, self.used.len());
        // Ends, since there are more slots than rows.
        while usize::from(self.used[group]) == GROUP {
            group = if group + 1 == self.used.len() { 0 } else { group + 1 };
        }
        let at = group * GROUP + usize::from(self.used[group]);
        self.slots[at] = (tag(hash, self.row_mask) | (row + 1)).to_le_bytes();
        self.used[group] += 1;
    }
}

/// Returns the number of groups for a number of rows: three quarters full at most, and one slot is always empty.
fn group_count(rows: u32) -> usize {
    let rows = rows as usize;
    (rows + rows / 3 + 1).div_ceil(GROUP)
}

/// Makes the error of a row whose key is not greater than that of the row before it.
#[cold]
fn disorder(key: &KeySpec, segment: &Segment, row: u32) -> Error {
    let (mut before, mut encoded) = (Vec::new(), Vec::new());
    let read =
        encode_row(key, segment, row - 1, &mut before).and_then(|()| encode_row(key, segment, row, &mut encoded));
    match read {
        Err(error) => error,
        Ok(()) if before == encoded => Fault::DuplicateKey {
            record_type: format!("rows of {}", segment.name()),
            key: key.describe(&encoded),
            first: format!("row {}", row - 1),
            second: format!("row {row}"),
        }
        .into(),
        Ok(()) => corrupt_row(segment, row, &format!("a key after {}", key.describe(&before)), &key.describe(&encoded)),
    }
}
