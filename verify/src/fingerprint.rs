//! Fingerprints of segments and tables, so that what versions share is checked once.

use kapok_core::manifest::{RecordType, SegmentEntry, Tombstones};

/// Hashes everything that a check of the segment depends on: not its dead rows.
pub(crate) fn of_segment(ty: &RecordType, entry: &SegmentEntry) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    add_segment(&mut hasher, ty, entry);
    hasher.finalize()
}

/// Hashes everything that a check of the keys of a record type depends on.
pub(crate) fn of_table(ty: &RecordType) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    add_text(&mut hasher, &ty.name);
    ty.key.iter().for_each(|name| add_text(&mut hasher, name));
    for entry in &ty.segments {
        add_segment(&mut hasher, ty, entry);
        hasher.update(&entry.dead.to_le_bytes());
        match &entry.tombstones {
            Tombstones::None => {}
            Tombstones::Inline(bitmap) => add_bytes(&mut hasher, bitmap),
            Tombstones::Blob(id) => drop(hasher.update(id)),
        }
    }
    hasher.finalize()
}

fn add_segment(hasher: &mut blake3::Hasher, ty: &RecordType, entry: &SegmentEntry) {
    hasher.update(&ty.key_revision.number().to_le_bytes());
    hasher.update(&ty.type_id.to_le_bytes()).update(&entry.id).update(&entry.size.to_le_bytes());
    hasher.update(&entry.rows.to_le_bytes()).update(&entry.writer_revision.to_le_bytes());
    hasher.update(format!("{:?}", entry.sharing).as_bytes());
    add_bytes(hasher, &entry.first_key);
    add_bytes(hasher, &entry.last_key);
    for extent in &entry.extents {
        add_text(hasher, &extent.field);
        hasher.update(&extent.offset.to_le_bytes()).update(&extent.size.to_le_bytes());
        hasher.update(&extent.stride.to_le_bytes());
    }
    for artifact in &entry.artifacts {
        add_text(hasher, &artifact.kind);
        add_text(hasher, &artifact.name);
        hasher.update(&artifact.id).update(&artifact.size.to_le_bytes());
    }
}

fn add_text(hasher: &mut blake3::Hasher, text: &str) {
    add_bytes(hasher, text.as_bytes());
}

fn add_bytes(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}
