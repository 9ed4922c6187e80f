//! Stores the new blobs of a version, and checks them while they are written.
//!
//! The bytes in memory are checked, and what the store has afterwards is compared with them: so no stored file is hashed
//! or walked once more, and a check does not wait for the disk. Of a store that is not a folder the lengths are asked, and the
//! bytes in memory go on to be used: what was uploaded is not downloaded again.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use kapok_blobstore::{BlobId, BlobKind, Draft, FinishedDraft, PutOutcome, Store};
use kapok_core::manifest::{Blob, BlobMap, Id, MergeSource, SegmentEntry};
use kapok_core::segment::{Encoding, SealedSegment, Segment, Segments, in_parallel};
use kapok_index::vector::GraphSource;
use kapok_index::{BuiltArtifact, IndexSet, verify_built_segment};
use tokio::sync::oneshot;

use crate::base::Base;
use crate::error::{Error, ErrorKind, Result};
use crate::graphs::{GraphReport, GraphWatch};
use crate::index_changes::IndexPlan;
use crate::manifest_draft::{ManifestDraft, TypePlan};
use crate::metrics;
use crate::new_metrics;
use crate::producer::Producer;
use crate::report::TypeReport;
use crate::settings::Verification;

/// Small blobs, indexes and bitmaps of dead rows, that are on their way at once.
const BLOBS_IN_FLIGHT: usize = 8;
/// Bytes that one thread compares before it takes the next.
const BYTES_AT_ONCE: usize = 4 << 20;

/// New blobs of a version.
#[derive(Default)]
pub(crate) struct StoredBlobs {
    /// Bytes that the store did not have.
    pub written: u64,
    /// Blobs as the store has them; those of a folder only if they were compared.
    pub held: BlobMap,
    /// Those of them that need no check any more.
    pub checked: HashSet<Id>,
    /// Graphs of vectors among them.
    pub graphs: GraphReport,
}

impl StoredBlobs {
    /// One blob, and the bytes of it that the store did not have.
    fn found(id: BlobId, blob: Blob, written: u64) -> Self {
        let mut held = BlobMap::new();
        held.insert(*id.as_bytes(), blob);
        Self { written, held, checked: HashSet::from([*id.as_bytes()]), ..Self::default() }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.written += other.written;
        self.graphs = self.graphs.and(other.graphs);
        self.held.extend(&other.held);
        self.checked.extend(other.checked);
    }
}

impl Producer {
    /// Stores what the plans of record types add to a version: segments with their indexes, dead rows, and new indexes of segments
    /// that stay.
    pub(crate) async fn write(
        &self,
        plans: Vec<TypePlan>,
        draft: &mut ManifestDraft,
        base: &Base,
        indexes: &IndexPlan,
        reports: &mut [TypeReport],
    ) -> Result<StoredBlobs> {
        new_metrics::check(draft, &plans, &base.view)?;
        for plan in &plans {
            draft.carry_over(plan, &base.view)?;
        }
        draft.set_indexes(indexes);
        let tombstones = std::mem::take(&mut draft.tombstones);
        // Both are awaited even if one failed, so that nothing is still being written once this has returned.
        let (segments, tombstones) =
            tokio::join!(self.write_types(plans, draft, reports), self.write_tombstones(tombstones));
        let mut stored = segments?;
        stored.add(tombstones?);
        stored.add(self.write_lacking_artifacts(draft, base).await?);
        Ok(stored)
    }

    /// Seals and stores the new records, and creates the store beside that if there is none.
    async fn write_types(
        &self,
        plans: Vec<TypePlan>,
        draft: &mut ManifestDraft,
        reports: &mut [TypeReport],
    ) -> Result<StoredBlobs> {
        let mut creation = Some(self.store.create());
        let mut stored = StoredBlobs::default();
        for (TypePlan { schema, rows, .. }, report) in plans.into_iter().zip(reports) {
            let record_type = schema.encoding.record_type();
            let encoding = draft.encoding(record_type, schema.encoding.sharing())?;
            let indexes = Arc::new(draft.index_set(record_type)?);
            let mut segments = Some(rows.seal(self.settings.seal));
            while let Some(rest) = segments.take() {
                let sealed = match creation.take() {
                    Some(creation) => {
                        let (told, created) = oneshot::channel();
                        let creation = async { creation.await.map(|()| told.send(())) };
                        let (created, sealed) = tokio::join!(creation, self.seal_next(rest, Some(created)));
                        _ = created?;
                        sealed?
                    }
                    None => self.seal_next(rest, None).await?,
                };
                let Some((rest, sealed)) = sealed else { break };
                segments = Some(rest);
                let (entry, more) = self.write_segment(sealed, &encoding, &indexes, Vec::new(), Vec::new()).await?;
                report.segments += 1;
                report.segment_bytes += entry.size;
                report.index_bytes += entry.artifacts.iter().map(|index| index.size).sum::<u64>();
                stored.add(more);
                draft.add_segment(record_type, entry);
            }
        }
        if let Some(creation) = creation {
            creation.await?;
        }
        Ok(stored)
    }

    /// Stores a segment, and at the same time makes and stores its indexes, and checks all of them. `graphs`: those of the segments
    /// that it was merged from.
    pub(crate) async fn write_segment(
        &self,
        sealed: SealedSegment<Draft>,
        encoding: &Encoding,
        indexes: &Arc<IndexSet>,
        merged_from: Vec<MergeSource>,
        graphs: Vec<GraphSource>,
    ) -> Result<(SegmentEntry, StoredBlobs)> {
        let id = BlobId::from(sealed.id);
        let mut entry = SegmentEntry { merged_from, ..sealed.entry(encoding.sharing()) };
        let draft = sealed.bytes.finish()?;
        let name = self.store.blobs().name(BlobKind::Segment, id);
        let segment = Segment::open(&name, draft.bytes().clone(), sealed.rows)?;
        let artifacts = async {
            let (built, graphs) = self.build(encoding.record_type(), indexes, &segment, &entry, graphs).await?;
            entry.artifacts = built.iter().map(|built| built.artifact.clone()).collect();
            let blobs = self.blobs_of(&built);
            let (put, checked) =
                tokio::join!(self.put_all(built), self.check(encoding, indexes, segment, &entry, blobs));
            checked?;
            Ok::<_, Error>(StoredBlobs { graphs, ..put? })
        };
        let (stored, artifacts) = tokio::join!(self.put(BlobKind::Segment, id, draft), artifacts);
        // Both are awaited even if an index failed, so that nothing is still being written once this has returned.
        let (artifacts, mut stored) = (artifacts?, stored?);
        stored.add(artifacts);
        Ok((entry, stored))
    }

    /// Builds and stores what segments of the version before lack of the next version's indexes.
    async fn write_lacking_artifacts(&self, draft: &mut ManifestDraft, base: &Base) -> Result<StoredBlobs> {
        let mut stored = StoredBlobs::default();
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
                let (built, graphs) = self.build(&name, &indexes, segment, entry, Vec::new()).await?;
                entry.artifacts.extend(built.iter().map(|built| built.artifact.clone()));
                // They are checked when the version is opened.
                let put = self.put_all(built).await?;
                stored.add(StoredBlobs { graphs, checked: HashSet::new(), ..put });
            }
        }
        Ok(stored)
    }

    /// Builds the artifacts that an entry lacks, on a thread of their own: on this one they would delay the upload.
    async fn build(
        &self,
        record_type: &str,
        indexes: &Arc<IndexSet>,
        segment: &Segment,
        entry: &SegmentEntry,
        graphs: Vec<GraphSource>,
    ) -> Result<(Vec<BuiltArtifact>, GraphReport)> {
        let (indexes, segment, entry) = (Arc::clone(indexes), segment.clone(), entry.clone());
        let (name, listener) = (record_type.to_owned(), self.settings.graph_listener.clone());
        let building = tokio::task::spawn_blocking(move || {
            let mut watch = GraphWatch::new(&name, listener.as_ref());
            let built = indexes.build_lacking_telling(&segment, &entry, &graphs, &mut |step| watch.step(step))?;
            Ok::<_, kapok_core::Error>((built, watch.finish()))
        });
        let (built, graphs) = building.await.map_err(|source| Error::Task { source })??;
        metrics::graphs_built(record_type, &graphs);
        Ok((built, graphs))
    }

    /// Names artifacts that are about to be stored.
    fn blobs_of(&self, built: &[BuiltArtifact]) -> BlobMap {
        let mut blobs = BlobMap::new();
        for BuiltArtifact { artifact, bytes } in built {
            let name = Arc::from(self.store.blobs().name(BlobKind::Index, artifact.id.into()));
            blobs.insert(artifact.id, Blob { name, bytes: bytes.clone() });
        }
        blobs
    }

    async fn put_all(&self, built: Vec<BuiltArtifact>) -> Result<StoredBlobs> {
        let mut stored = StoredBlobs::default();
        let puts =
            built.into_iter().map(|built| self.put(BlobKind::Index, built.artifact.id.into(), built.bytes.into()));
        let puts: Vec<_> = futures::stream::iter(puts).buffer_unordered(BLOBS_IN_FLIGHT).collect().await;
        for put in puts {
            stored.add(put?);
        }
        Ok(stored)
    }

    /// Walks a new segment, and checks the index of its key against it, unless stored files are only to be opened.
    async fn check(
        &self,
        encoding: &Encoding,
        indexes: &Arc<IndexSet>,
        segment: Segment,
        entry: &SegmentEntry,
        blobs: BlobMap,
    ) -> Result<()> {
        if self.settings.verification == Verification::Open {
            return Ok(());
        }
        let (encoding, indexes, entry) = (encoding.clone(), Arc::clone(indexes), entry.clone());
        let checking =
            tokio::task::spawn_blocking(move || verify_built_segment(&encoding, &indexes, &segment, &entry, &blobs));
        Ok(checking.await.map_err(|source| Error::Task { source })??)
    }

    /// Puts a blob, and looks at what the store has then.
    ///
    /// A blob that is there already is read from the store itself, and put again if it is damaged.
    async fn put(&self, kind: BlobKind, id: BlobId, mut draft: FinishedDraft) -> Result<StoredBlobs> {
        let (blobs, bytes) = (self.store.blobs(), draft.bytes().clone());
        if blobs.put_draft(kind, id, &mut draft).await? == PutOutcome::AlreadyThere {
            match self.compare(kind, id, &bytes).await {
                Ok(blob) => return Ok(StoredBlobs::found(id, blob, 0)),
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                    blobs.replace_by_draft(kind, id, &mut draft).await?;
                }
                Err(error) => return Err(error),
            }
        }
        let written = bytes.len() as u64;
        let is_folder = self.store.local_path().is_some();
        Ok(match self.settings.verification {
            Verification::Open if is_folder => StoredBlobs { written, ..StoredBlobs::default() },
            Verification::Full | Verification::Open if !is_folder => {
                // The put has asked for its length. A map of the cache's copy, where there is one, in the place of memory of this process.
                let kept = blobs.keep(kind, id, bytes).await;
                StoredBlobs::found(id, self.named(kind, id, kept), written)
            }
            _ => StoredBlobs::found(id, self.compare(kind, id, &bytes).await?, written),
        })
    }

    fn named(&self, kind: BlobKind, id: BlobId, bytes: Bytes) -> Blob {
        Blob { name: Arc::from(self.store.blobs().name(kind, id)), bytes }
    }

    /// Returns a blob as the store itself has it, whatever is in a cache.
    ///
    /// # Errors
    /// `Corrupt` if it has other bytes, `NotFound` if it has none.
    async fn compare(&self, kind: BlobKind, id: BlobId, bytes: &Bytes) -> Result<Blob> {
        let store = self.store.without_cache();
        let found = store.blobs().get(kind, id, bytes.len() as u64).await?;
        let blob = self.named(kind, id, found);
        if !is_same(blob.bytes.clone(), bytes.clone()).await? {
            blob.verify_hash(id.as_bytes())?;
        }
        Ok(blob)
    }

    /// Writes the next segment, on a thread that may take its time; `None` behind the last. `created` tells when the store is
    /// there, which the memory of the segment may be a file of.
    async fn seal_next(
        &self,
        mut segments: Segments,
        created: Option<oneshot::Receiver<()>>,
    ) -> Result<Option<(Segments, SealedSegment<Draft>)>> {
        let store = self.store.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let allocate = |len| {
                if created.is_some_and(|created| created.blocking_recv().is_err()) {
                    // Why not is told by the creation.
                    return Err(kapok_core::Error::invalid("store", "it was not created").into());
                }
                draft(&store, len)
            };
            segments.next_into(allocate).map(|sealed| sealed.map(|sealed| (segments, sealed)))
        });
        sealing.await.map_err(|source| Error::Task { source })?.transpose()
    }

    async fn write_tombstones(&self, tombstones: Vec<Vec<u8>>) -> Result<StoredBlobs> {
        let put = |bytes: Vec<u8>| self.put(BlobKind::Tombstones, BlobId::of(&bytes), Bytes::from(bytes).into());
        let puts = tombstones.into_iter().map(put);
        let puts: Vec<_> = futures::stream::iter(puts).buffer_unordered(BLOBS_IN_FLIGHT).collect().await;
        let mut stored = StoredBlobs::default();
        for put in puts {
            stored.add(put?);
        }
        Ok(stored)
    }
}

/// Returns whether a stored file has the bytes that were put.
async fn is_same(found: Bytes, bytes: Bytes) -> Result<bool> {
    if found.len() != bytes.len() || found.len() <= BYTES_AT_ONCE {
        return Ok(found == bytes);
    }
    let comparing = tokio::task::spawn_blocking(move || {
        let parts = found.chunks(BYTES_AT_ONCE).zip(bytes.chunks(BYTES_AT_ONCE)).collect();
        in_parallel(parts, |(found, bytes): (&[u8], &[u8])| found == bytes).into_iter().all(|is_same| is_same)
    });
    comparing.await.map_err(|source| Error::Task { source })
}

/// Returns memory for a segment.
pub(crate) fn draft(store: &Store, len: usize) -> Result<Draft> {
    Ok(store.blobs().draft(BlobKind::Segment, len)?)
}
