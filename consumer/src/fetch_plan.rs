//! Plans which blobs are fetched, kept and released on the way from one version to another.

use std::collections::HashSet;

use kapok_core::manifest::{BlobMap, BlobRef, Id, Manifest};

/// The blobs to fetch, keep and release to get from one version to another: a pure function of both versions and of the
/// blobs that are held, whatever lies between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchPlan {
    /// Blobs of the target to be fetched, each once.
    pub fetch: Vec<BlobRef>,
    /// Blobs of the target that are held, each once.
    pub keep: Vec<Id>,
    /// Blobs of the current version that the target has no use for, each once.
    pub release: Vec<Id>,
}

impl FetchPlan {
    /// Plans the way from one version to another.
    ///
    /// A held blob whose size is not what the target says is fetched, so that the store tells which of them is wrong.
    pub fn new(current: &Manifest, target: &Manifest, held: &BlobMap) -> Self {
        let (keep, fetch) = held.held_and_lacking(target);
        let mut seen: HashSet<Id> = target.blobs().map(|blob| blob.id).collect();
        let release = current.blobs().map(|blob| blob.id).filter(|id| seen.insert(*id)).collect();
        Self { fetch, keep, release }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kapok_core::manifest::{Artifact, Blob, BlobRole, RecordType, SegmentEntry, Tombstones};
    use kapok_core::segment::Sharing;

    use super::*;

    fn id(number: u8) -> Id {
        [number; 32]
    }

    fn segment(number: u8) -> SegmentEntry {
        SegmentEntry {
            id: id(number),
            size: u64::from(number),
            rows: 1,
            dead: 0,
            first_key: Vec::new(),
            last_key: Vec::new(),
            extents: Vec::new(),
            tombstones: Tombstones::None,
            artifacts: Vec::new(),
            writer_revision: 1,
            sharing: Sharing::Shared,
            merged_from: Vec::new(),
        }
    }

    fn version(segments: Vec<SegmentEntry>) -> Manifest {
        let mut manifest = Manifest::clone(kapok_core::view::Tables::empty().manifest());
        manifest.record_types = vec![RecordType {
            name: "Movie".to_owned(),
            type_id: 1,
            key: vec!["id".to_owned()],
            rows: 0,
            segments,
            changes: None,
            ..RecordType::default()
        }];
        manifest
    }

    fn holding(numbers: &[u8]) -> BlobMap {
        let mut blobs = BlobMap::new();
        for number in numbers {
            blobs.insert(id(*number), Blob { name: Arc::from(""), bytes: vec![0; usize::from(*number)].into() });
        }
        blobs
    }

    #[test]
    fn the_way_from_nothing_fetches_everything_once() {
        let mut with_index = segment(2);
        with_index.artifacts = vec![Artifact { kind: "unique".to_owned(), name: String::new(), id: id(7), size: 7 }; 2];
        with_index.tombstones = Tombstones::Blob(id(8));
        let plan =
            FetchPlan::new(&version(vec![]), &version(vec![segment(1), with_index, segment(1)]), &BlobMap::new());
        let fetched: Vec<_> = plan.fetch.iter().map(|blob| (blob.role, blob.id[0], blob.size)).collect();
        let (segment, index, tombstones) = (BlobRole::Segment, BlobRole::Index, BlobRole::Tombstones);
        let expected = [(segment, 1, Some(1)), (segment, 2, Some(2)), (tombstones, 8, None), (index, 7, Some(7))];
        assert_eq!(fetched, expected);
        assert!(plan.keep.is_empty() && plan.release.is_empty());
    }

    #[test]
    fn only_what_is_lacking_is_fetched_and_only_what_is_of_no_use_is_released() {
        let old = version(vec![segment(1), segment(2), segment(3)]);
        let new = version(vec![segment(2), segment(3), segment(4)]);
        let plan = FetchPlan::new(&old, &new, &holding(&[1, 2, 3]));
        assert_eq!(plan.fetch.iter().map(|blob| blob.id).collect::<Vec<_>>(), [id(4)]);
        assert_eq!((plan.keep, plan.release), (vec![id(2), id(3)], vec![id(1)]));
    }

    #[test]
    fn a_held_blob_of_another_length_is_fetched() {
        let mut longer = segment(2);
        longer.size = 3;
        let plan = FetchPlan::new(&version(vec![segment(2)]), &version(vec![longer]), &holding(&[2]));
        assert_eq!((plan.fetch.len(), plan.keep.len(), plan.release.len()), (1, 0, 0));
    }
}
