//! Plans which blobs are fetched and kept on the way from one version to another.

use kapok_core::manifest::{BlobMap, BlobRef, Id, Manifest};

/// The blobs to fetch and to keep to get to a version: a pure function of that version and of the blobs that are held,
/// whatever lies between it and the current one. All other blobs are released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchPlan {
    /// Blobs of the target to be fetched, each once.
    pub(crate) fetch: Vec<BlobRef>,
    /// Blobs of the target that are held, each once.
    pub(crate) keep: Vec<Id>,
}

impl FetchPlan {
    /// Plans the way to a version.
    ///
    /// A held blob whose size is not what the target says is fetched, so that the store tells which of them is wrong.
    pub(crate) fn new(target: &Manifest, held: &BlobMap) -> Self {
        let (keep, fetch) = held.held_and_lacking(target);
        Self { fetch, keep }
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
        let plan = FetchPlan::new(&version(vec![segment(1), with_index, segment(1)]), &BlobMap::new());
        let fetched: Vec<_> = plan.fetch.iter().map(|blob| (blob.role, blob.id[0], blob.size)).collect();
        let (segment, index, tombstones) = (BlobRole::Segment, BlobRole::Index, BlobRole::Tombstones);
        let expected = [(segment, 1, Some(1)), (segment, 2, Some(2)), (tombstones, 8, None), (index, 7, Some(7))];
        assert_eq!(fetched, expected);
        assert!(plan.keep.is_empty());
    }

    #[test]
    fn only_what_is_lacking_is_fetched_and_only_what_is_of_no_use_is_released() {
        let new = version(vec![segment(2), segment(3), segment(4)]);
        let held = holding(&[1, 2, 3]);
        let plan = FetchPlan::new(&new, &held);
        assert_eq!(plan.fetch.iter().map(|blob| blob.id).collect::<Vec<_>>(), [id(4)]);
        let kept = held.subset(&plan.keep);
        let released: Vec<Id> = held.iter().map(|(id, _)| *id).filter(|id| kept.get(id).is_none()).collect();
        assert_eq!((plan.keep, released), (vec![id(2), id(3)], vec![id(1)]));
    }

    #[test]
    fn a_held_blob_of_another_length_is_fetched() {
        let mut longer = segment(2);
        longer.size = 3;
        let plan = FetchPlan::new(&version(vec![longer]), &holding(&[2]));
        assert_eq!((plan.fetch.len(), plan.keep.len()), (1, 0));
    }
}
