//! Stores the new blobs of a version, and checks them while they are written.
//!
//! The bytes in memory are checked, and what the store has afterwards is compared with them: so no stored file is hashed
//! or walked once more, and a check does not wait for the disk.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use kapok_blobstore::{BlobId, BlobKind, PutOutcome, Store};
use kapok_core::manifest::{Blob, BlobMap, MergeSource, SegmentEntry};
use kapok_core::segment::{Encoding, SealedSegment, Segment, Segments, in_parallel};
use kapok_index::vector::GraphSource;
use kapok_index::{BuiltArtifact, IndexSet, verify_built_segment};

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
    /// Blobs that were checked, as the store has them; none if stored files are only opened.
    pub checked: BlobMap,
    /// Graphs of vectors among them.
    pub graphs: GraphReport,
}

impl StoredBlobs {
    #[expect(clippy::needless_pass_by_value, reason = "what is added is not used any more")]
    pub(crate) fn add(&mut self, other: Self) {
        self.written += other.written;
        self.graphs = self.graphs.and(other.graphs);
        self.checked.extend(&other.checked);
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
                        let (created, sealed) = tokio::join!(creation, seal_next(rest));
                        created?;
                        sealed?
                    }
                    None => seal_next(rest).await?,
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
        sealed: SealedSegment,
        encoding: &Encoding,
        indexes: &Arc<IndexSet>,
        merged_from: Vec<MergeSource>,
        graphs: Vec<GraphSource>,
    ) -> Result<(SegmentEntry, StoredBlobs)> {
        let id = BlobId::from(sealed.id);
        let mut entry = SegmentEntry { merged_from, ..sealed.entry(encoding.sharing()) };
        let bytes = Bytes::from(sealed.bytes);
        let segment = Segment::open(&self.store.blobs().name(BlobKind::Segment, id), bytes.clone(), sealed.rows)?;
        let artifacts = async {
            let (built, graphs) = self.build(encoding.record_type(), indexes, &segment, &entry, graphs).await?;
            entry.artifacts = built.iter().map(|built| built.artifact.clone()).collect();
            let blobs = self.blobs_of(&built);
            let (put, checked) =
                tokio::join!(self.put_all(built), self.check(encoding, indexes, segment, &entry, blobs));
            checked?;
            Ok::<_, Error>(StoredBlobs { graphs, ..put? })
        };
        let (stored, artifacts) = tokio::join!(self.put(BlobKind::Segment, id, bytes), artifacts);
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
                let StoredBlobs { written, .. } = self.put_all(built).await?;
                stored.add(StoredBlobs { written, graphs, ..StoredBlobs::default() });
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
        let puts = built.into_iter().map(|built| self.put(BlobKind::Index, built.artifact.id.into(), built.bytes));
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
        if self.settings.verification != Verification::Full {
            return Ok(());
        }
        let (encoding, indexes, entry) = (encoding.clone(), Arc::clone(indexes), entry.clone());
        let checking =
            tokio::task::spawn_blocking(move || verify_built_segment(&encoding, &indexes, &segment, &entry, &blobs));
        Ok(checking.await.map_err(|source| Error::Task { source })??)
    }

    /// Puts a blob, and compares what the store has then, unless stored files are only to be opened.
    ///
    /// A blob that is there already is read from the store itself, and put again if it is damaged.
    async fn put(&self, kind: BlobKind, id: BlobId, bytes: Bytes) -> Result<StoredBlobs> {
        let blobs = self.store.blobs();
        if blobs.put(kind, id, bytes.clone()).await? == PutOutcome::AlreadyThere {
            match compare(&self.store.without_cache(), kind, id, &bytes).await {
                Ok(checked) => return Ok(StoredBlobs { checked, ..StoredBlobs::default() }),
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                    blobs.replace(kind, id, bytes.clone()).await?;
                }
                Err(error) => return Err(error),
            }
        }
        let checked = match self.settings.verification {
            Verification::Full => compare(&self.store, kind, id, &bytes).await?,
            Verification::Open => BlobMap::new(),
        };
        Ok(StoredBlobs { written: bytes.len() as u64, checked, ..StoredBlobs::default() })
    }

    async fn write_tombstones(&self, tombstones: Vec<Vec<u8>>) -> Result<StoredBlobs> {
        let puts = tombstones.into_iter().map(|bytes| self.put(BlobKind::Tombstones, BlobId::of(&bytes), bytes.into()));
        let puts: Vec<_> = futures::stream::iter(puts).buffer_unordered(BLOBS_IN_FLIGHT).collect().await;
        let mut stored = StoredBlobs::default();
        for put in puts {
            stored.add(put?);
        }
        Ok(stored)
    }
}

/// Returns a blob as the store has it: as its cache has it, if it has one.
///
/// # Errors
/// `Corrupt` if it has other bytes, `NotFound` if it has none.
async fn compare(store: &Store, kind: BlobKind, id: BlobId, bytes: &Bytes) -> Result<BlobMap> {
    let found = store.blobs().get(kind, id, bytes.len() as u64).await?;
    let blob = Blob { name: Arc::from(store.blobs().name(kind, id)), bytes: found };
    if !is_same(blob.bytes.clone(), bytes.clone()).await? {
        blob.verify_hash(id.as_bytes())?;
    }
    let mut checked = BlobMap::new();
    checked.insert(*id.as_bytes(), blob);
    Ok(checked)
}

/// Writes the next segment, on a thread that may take its time; `None` behind the last.
async fn seal_next(mut segments: Segments) -> Result<Option<(Segments, SealedSegment)>> {
    let sealing = tokio::task::spawn_blocking(move || segments.next().map(|sealed| sealed.map(|it| (segments, it))));
    Ok(sealing.await.map_err(|source| Error::Task { source })?.transpose()?)
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
