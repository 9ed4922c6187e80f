//! Hashes a blob part by part, in any order, as the parts arrive.
//!
//! BLAKE3 is a tree, and a part of a power of two is a whole subtree of it.

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::blob_id::BlobId;

/// Length of a part; the last one of a blob may be shorter.
pub(super) const PART_BYTES: u64 = 16 << 20;

/// The hash of one part. Of a blob of one part it is that of the blob.
pub(super) struct PartHasher {
    hasher: Hasher,
    is_whole: bool,
}

impl PartHasher {
    /// Begins with the part at this offset; `is_whole` if there is no other.
    pub(super) fn new(start: u64, is_whole: bool) -> Self {
        let mut hasher = Hasher::new();
        if !is_whole {
            hasher.set_input_offset(start);
        }
        Self { hasher, is_whole }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    pub(super) fn finish(&self) -> ChainingValue {
        if self.is_whole { *self.hasher.finalize().as_bytes() } else { self.hasher.finalize_non_root() }
    }
}

/// Returns the hash of a blob from those of its parts, in order.
pub(super) fn join(parts: &[ChainingValue]) -> BlobId {
    match parts {
        [] => BlobId::of(&[]),
        [whole] => BlobId::from(*whole),
        _ => {
            let (left, right) = parts.split_at(left_len(parts));
            BlobId::from(*merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).as_bytes())
        }
    }
}

fn subtree(parts: &[ChainingValue]) -> ChainingValue {
    if let [part] = parts {
        return *part;
    }
    let (left, right) = parts.split_at(left_len(parts));
    merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
}

/// The left half of a subtree is the largest power of two of parts that leaves some to the right.
fn left_len(parts: &[ChainingValue]) -> usize {
    parts.len().next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_hashes_of_parts_join_to_that_of_the_whole() {
        let part = usize::try_from(PART_BYTES).unwrap();
        let all: Vec<u8> = (0..5 * part + 3).map(|at| u8::try_from(at % 251).unwrap()).collect();
        for len in [0, 1, 5000, part - 1, part, part + 1, 2 * part, 2 * part + 1024, 3 * part, 5 * part + 3] {
            let bytes = &all[..len];
            let hash = |(index, bytes): (usize, &[u8])| {
                let mut hasher = PartHasher::new((index * part) as u64, len <= part);
                bytes.chunks(1_000_003).for_each(|some| hasher.update(some));
                hasher.finish()
            };
            let parts: Vec<_> = bytes.chunks(part).enumerate().map(hash).collect();
            assert_eq!(join(&parts), BlobId::of(bytes), "{len}");
        }
    }
}
