//! Hashes blobs: large ones by several threads.
//!
//! BLAKE3 is a tree of hashes, whose shape depends on the length alone, so parts of a blob are hashed independently.

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};

use crate::manifest::Id;
use crate::segment::in_parallel;

/// Length of a part that one thread hashes before it takes the next: a whole subtree.
const PART_BYTES: usize = 1 << 20;

/// Returns the BLAKE3 hash of a blob, which is its id.
pub fn blob_hash(bytes: &[u8]) -> Id {
    if bytes.len() <= 2 * PART_BYTES {
        return *blake3::hash(bytes).as_bytes();
    }
    let mut parts = Vec::new();
    split(bytes, 0, &mut parts);
    let values = in_parallel(parts, |(at, part): (u64, &[u8])| {
        Hasher::new().set_input_offset(at).update(part).finalize_non_root()
    });
    let (left, right) = bytes.split_at(left_len(bytes.len()));
    let mut values = values.into_iter();
    // There are as many values as parts.
    match (join(left.len(), &mut values), join(right.len(), &mut values)) {
        (Some(left), Some(right)) => *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes(),
        _ => *blake3::hash(bytes).as_bytes(),
    }
}

/// Lists the parts of a subtree, each with its place in the blob.
fn split<'b>(bytes: &'b [u8], at: u64, out: &mut Vec<(u64, &'b [u8])>) {
    if bytes.len() <= PART_BYTES {
        out.push((at, bytes));
        return;
    }
    let (left, right) = bytes.split_at(left_len(bytes.len()));
    split(left, at, out);
    split(right, at + left.len() as u64, out);
}

/// Joins the hashes of the parts of a subtree.
fn join(len: usize, values: &mut impl Iterator<Item = ChainingValue>) -> Option<ChainingValue> {
    if len <= PART_BYTES {
        return values.next();
    }
    let left = left_len(len);
    let (left, right) = (join(left, values)?, join(len - left, values)?);
    Some(merge_subtrees_non_root(&left, &right, Mode::Hash))
}

/// Returns the length of the left half of a subtree.
fn left_len(len: usize) -> usize {
    usize::try_from(left_subtree_len(len as u64)).unwrap_or(len)
}

#[cfg(test)]
mod tests {
    use super::{PART_BYTES, blob_hash};

    #[test]
    fn hashes_of_parts_are_joined_to_that_of_the_whole() {
        let bytes: Vec<u8> = (0..=250).cycle().take(9 * PART_BYTES + 7).collect();
        let lengths = [0, 1, 1024, 1025, 2 * PART_BYTES, 3 * PART_BYTES, 4 * PART_BYTES, 7 * PART_BYTES + 1];
        for len in lengths.into_iter().flat_map(|len| [len, len + 1]).chain([bytes.len() - 1, bytes.len()]) {
            assert_eq!(blob_hash(&bytes[..len]), *blake3::hash(&bytes[..len]).as_bytes(), "{len} bytes");
        }
    }
}
