//! Derives the dead rows of a segment in a version from its parent and children.
//!
//! A manifest lists the rows that it removed from its parent. So the dead rows of a version are those of its parent
//! plus the removed ones, or those of a child less the ones that the child removed. The hash tells whether that is
//! right.

use std::collections::BTreeMap;

use kapok_blobstore::{BlobId, BlobKind, Store};
use kapok_core::manifest::{Id, Manifest, SegmentEntry, Tombstones, decode_rows, encode_rows};
use roaring::RoaringBitmap;

use crate::error::Result;

/// Returns the bitmap with this id, if it can be derived.
pub(super) async fn derive(store: &Store, manifests: &[Manifest], wanted: BlobId) -> Result<Option<Vec<u8>>> {
    let segment = manifests
        .iter()
        .flat_map(Manifest::segments)
        .find(|entry| entry.tombstones == Tombstones::Blob(*wanted.as_bytes()));
    let Some(segment) = segment.map(|entry| entry.id) else { return Ok(None) };
    let mut known = known(store, manifests, segment).await?;
    loop {
        let before = known.len();
        for manifest in manifests {
            let Some(entry) = entry_of(manifest, segment) else { continue };
            let candidates = candidates(manifests, &known, manifest, segment);
            for rows in candidates.into_iter().filter(|rows| rows.len() == u64::from(entry.dead)) {
                let bytes = encode_rows(&rows);
                let found = BlobId::of(&bytes);
                if found == wanted {
                    return Ok(Some(bytes));
                }
                if entry.tombstones == Tombstones::Blob(*found.as_bytes()) {
                    known.entry(manifest.version).or_insert(rows);
                }
            }
        }
        if known.len() == before {
            return Ok(None);
        }
    }
}

/// Reads the dead rows of the segment in all versions that still have them.
async fn known(store: &Store, manifests: &[Manifest], segment: Id) -> Result<BTreeMap<u64, RoaringBitmap>> {
    let mut known = BTreeMap::new();
    for manifest in manifests {
        let rows = match entry_of(manifest, segment).map(|entry| &entry.tombstones) {
            None => None,
            Some(Tombstones::None) => Some(RoaringBitmap::new()),
            Some(Tombstones::Inline(bytes)) => decode_rows("tombstones", bytes).ok(),
            Some(Tombstones::Blob(id)) => {
                let bytes = store.repair().sound_blob(BlobKind::Tombstones, BlobId::from(*id)).await?;
                bytes.and_then(|bytes| decode_rows("tombstones", &bytes).ok())
            }
        };
        if let Some(rows) = rows {
            known.insert(manifest.version, rows);
        }
    }
    Ok(known)
}

/// Derives bitmaps of a version from its parent and its children.
fn candidates(
    manifests: &[Manifest],
    known: &BTreeMap<u64, RoaringBitmap>,
    manifest: &Manifest,
    segment: Id,
) -> Vec<RoaringBitmap> {
    let mut out = Vec::new();
    if let Some(before) = manifest.parent.and_then(|parent| known.get(&parent))
        && let Some(removed) = removed(manifest, segment)
    {
        out.push(before | removed);
    }
    for child in manifests.iter().filter(|child| child.parent == Some(manifest.version)) {
        if let (Some(after), Some(removed)) = (known.get(&child.version), removed(child, segment)) {
            out.push(after - removed);
        }
    }
    out
}

/// Returns the rows that the version removed from the segment; `None` if it does not list them.
fn removed(manifest: &Manifest, segment: Id) -> Option<RoaringBitmap> {
    let ty = manifest.record_types.iter().find(|ty| ty.segments.iter().any(|entry| entry.id == segment))?;
    let changes = ty.changes.as_ref()?;
    match changes.removed.iter().find(|(id, _)| *id == segment) {
        Some((_, rows)) => decode_rows("removed rows", rows).ok(),
        None => Some(RoaringBitmap::new()),
    }
}

fn entry_of(manifest: &Manifest, segment: Id) -> Option<&SegmentEntry> {
    manifest.segments().find(|entry| entry.id == segment)
}
