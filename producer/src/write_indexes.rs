//! Stores segments and the artifacts of their indexes.

use std::sync::Arc;

use bytes::Bytes;
use kapok_blobstore::{BlobId, BlobKind};
use kapok_core::manifest::{MergeSource, SegmentEntry};
use kapok_core::segment::{SealedSegment, Segment, Sharing};
use kapok_index::{BuiltArtifact, IndexSet};

use crate::base::Base;
use crate::error::{Error, Result};
use crate::manifest_draft::ManifestDraft;
use crate::producer::Producer;

impl Producer {
    /// Stores a segment, and at the same time builds and stores its indexes. Returns its entry, and the bytes that the store
    /// did not have.
    pub(crate) async fn write_segment(
        &self,
        sealed: SealedSegment,
        sharing: Sharing,
        indexes: &Arc<IndexSet>,
        merged_from: Vec<MergeSource>,
    ) -> Result<(SegmentEntry, u64)> {
        let id = BlobId::from(sealed.id);
        let mut entry = SegmentEntry { merged_from, ..sealed.entry(sharing) };
        let bytes = Bytes::from(sealed.bytes);
        let segment = Segment::open(&self.store.blobs().name(BlobKind::Segment, id), bytes.clone(), sealed.rows)?;
        let artifacts = self.write_artifacts(indexes, segment, &entry);
        let (put, artifacts) = tokio::join!(self.put(BlobKind::Segment, id, bytes), artifacts);
        // Both are awaited even if an index failed, so that nothing is still being written once this has returned.
        let ((artifacts, indexes_written), written) = (artifacts?, put?);
        entry.artifacts.extend(artifacts);
        Ok((entry, written + indexes_written))
    }

    /// Builds and stores the artifacts that an entry lacks, and returns them with the bytes that the store did not have.
    async fn write_artifacts(
        &self,
        indexes: &Arc<IndexSet>,
        segment: Segment,
        entry: &SegmentEntry,
    ) -> Result<(Vec<kapok_core::manifest::Artifact>, u64)> {
        let (indexes, entry) = (Arc::clone(indexes), entry.clone());
        // On a thread of its own: on this one it would delay the upload.
        let making = tokio::task::spawn_blocking(move || indexes.build_lacking(&segment, &entry));
        let built = making.await.map_err(|source| Error::Task { source })??;
        let (mut artifacts, mut written) = (Vec::with_capacity(built.len()), 0);
        for BuiltArtifact { artifact, bytes } in built {
            written += self.put(BlobKind::Index, BlobId::from(artifact.id), bytes).await?;
            artifacts.push(artifact);
        }
        Ok((artifacts, written))
    }

    /// Builds and stores what segments of the version before lack of the next version's indexes, and returns the bytes that
    /// the store did not have.
    pub(crate) async fn write_lacking_artifacts(&self, draft: &mut ManifestDraft, base: &Base) -> Result<u64> {
        let mut written = 0;
        let names: Vec<String> = draft.record_types.keys().cloned().collect();
        for name in names {
            // A type that cannot be read stays as it is.
            let Ok(table) = base.view.table(&name) else { continue };
            let before = &base.view.manifest().expect_record_type(&name)?.segments;
            let indexes = Arc::new(draft.index_set(&name)?);
            let Some(ty) = draft.record_types.get_mut(&name) else { continue };
            for entry in &mut ty.segments {
                let Some(place) = before.iter().position(|segment| segment.id == entry.id) else { continue };
                if indexes.indexes().iter().all(|index| index.artifact(entry).is_some()) {
                    continue;
                }
                let segment = table.segments()[place].segment();
                // An artifact has a hash of its own, under which what wrong bytes give would pass as right.
                segment.verify_hash(&entry.id)?;
                let (artifacts, bytes) = self.write_artifacts(&indexes, segment.clone(), entry).await?;
                entry.artifacts.extend(artifacts);
                written += bytes;
            }
        }
        Ok(written)
    }
}
