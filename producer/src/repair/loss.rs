//! Counts the records that cannot be read without a lost blob, by version and record type.

use std::collections::HashSet;

use kapok_blobstore::{BlobId, BlobKind};
use kapok_core::manifest::{Manifest, RecordType, SegmentEntry, Tombstones};

use super::BlobName;
use super::report::Loss;

/// Returns the record types that lack blobs, in order of versions.
pub(super) fn losses(manifests: &[Manifest], lost: &HashSet<BlobName>) -> Vec<Loss> {
    let types = manifests.iter().flat_map(|manifest| manifest.record_types.iter().map(|ty| (manifest.version, ty)));
    types.filter_map(|(version, ty)| loss(version, ty, lost)).collect()
}

fn loss(version: u64, ty: &RecordType, lost: &HashSet<BlobName>) -> Option<Loss> {
    let (mut rows, mut blobs) = (0, HashSet::new());
    for segment in &ty.segments {
        let lacking: Vec<_> = blobs_of(segment).filter(|name| lost.contains(name)).collect();
        if !lacking.is_empty() {
            rows += u64::from(segment.rows.saturating_sub(segment.dead));
        }
        blobs.extend(lacking);
    }
    let record_type = ty.name.clone();
    (!blobs.is_empty()).then_some(Loss { version, record_type, rows, of: ty.rows, blobs })
}

fn blobs_of(segment: &SegmentEntry) -> impl Iterator<Item = BlobName> {
    let tombstones = match segment.tombstones {
        Tombstones::Blob(id) => Some((BlobKind::Tombstones, BlobId::from(id))),
        _ => None,
    };
    let indexes = segment.artifacts.iter().map(|index| (BlobKind::Index, BlobId::from(index.id)));
    std::iter::once((BlobKind::Segment, BlobId::from(segment.id))).chain(tombstones).chain(indexes)
}
