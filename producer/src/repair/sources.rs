//! Finds or rebuilds the bytes of a lost blob.

use std::collections::HashSet;

use bytes::Bytes;
use kapok_blobstore::{BlobId, BlobKind, FileEntry, FileKind, Store};
use kapok_core::manifest::{Artifact, Manifest, RecordType, SegmentEntry};
use kapok_core::segment::{Encoding, Segment, WRITER_REVISION};
use kapok_index::IndexSet;
use tracing::debug;

use super::BlobName;
use super::report::Remedy;
use super::tombstones;
use crate::error::Result;

/// The places that lost blobs are searched in, and the manifests that they are rebuilt by.
pub(super) struct Sources<'r> {
    store: &'r Store,
    from: Option<&'r Store>,
    files: &'r [FileEntry],
    manifests: &'r [Manifest],
    /// Blobs that are being searched, so that a segment that names itself as its merge source ends the search.
    asked: HashSet<BlobName>,
}

impl<'r> Sources<'r> {
    pub(super) fn new(
        store: &'r Store,
        from: Option<&'r Store>,
        files: &'r [FileEntry],
        manifests: &'r [Manifest],
    ) -> Self {
        Self { store, from, files, manifests, asked: HashSet::new() }
    }

    /// Returns the files of the store.
    pub(super) fn files(&self) -> &'r [FileEntry] {
        self.files
    }

    /// Returns the bytes of a blob that the store lacks, checked against its id, and where they come from.
    pub(super) async fn find(&mut self, name: BlobName) -> Result<Option<(Bytes, Remedy)>> {
        if !self.asked.insert(name) {
            return Ok(None);
        }
        let found = self.find_once(name).await;
        self.asked.remove(&name);
        found
    }

    async fn find_once(&mut self, (kind, id): BlobName) -> Result<Option<(Bytes, Remedy)>> {
        if let Some(found) = self.misplaced(kind, id).await? {
            return Ok(Some(found));
        }
        if let Some(from) = self.from
            && let Some(bytes) = from.repair().sound_blob(kind, id).await?
        {
            return Ok(Some((bytes, Remedy::SecondStore)));
        }
        let made = match kind {
            BlobKind::Segment => self.merged(id).await?.map(|bytes| (bytes, Remedy::MergedAgain)),
            BlobKind::Index => self.index(id).await?.map(|bytes| (bytes, Remedy::Segment)),
            BlobKind::Tombstones => {
                let rows = tombstones::derive(self.store, self.manifests, id).await?;
                rows.map(|bytes| (Bytes::from(bytes), Remedy::OtherVersions))
            }
        };
        Ok(made.filter(|(bytes, _)| BlobId::of(bytes) == id))
    }

    /// Finds a copy under another name: in a wrong folder, or of a write that was never finished.
    async fn misplaced(&self, kind: BlobKind, id: BlobId) -> Result<Option<(Bytes, Remedy)>> {
        let text = id.to_string();
        let own = FileKind::Blob(kind, id).name();
        let candidates = self.files.iter().filter(|file| file.name.contains(&text) && Some(&file.name) != own.as_ref());
        for file in candidates {
            if let Ok(Some(bytes)) = self.store.repair().read_raw(&file.name).await
                && BlobId::of(&bytes) == id
            {
                return Ok(Some((bytes, Remedy::Copy(file.name.clone()))));
            }
        }
        Ok(None)
    }

    /// Returns a blob of the store, or rebuilds it.
    async fn obtain(&mut self, name: BlobName) -> Result<Option<Bytes>> {
        if let Some(bytes) = self.store.repair().sound_blob(name.0, name.1).await? {
            return Ok(Some(bytes));
        }
        Ok(Box::pin(self.find(name)).await?.map(|(bytes, _)| bytes))
    }

    /// Builds the index with this id from its segment.
    async fn index(&mut self, id: BlobId) -> Result<Option<Bytes>> {
        let manifests = self.manifests;
        for (manifest, ty, entry) in entries(manifests) {
            let Some(artifact) = entry.artifacts.iter().find(|artifact| BlobId::from(artifact.id) == id) else {
                continue;
            };
            let Some(rows) = self.obtain((BlobKind::Segment, BlobId::from(entry.id))).await? else { continue };
            match build_index(manifest, ty, entry, artifact, rows) {
                Ok(Some(index)) => return Ok(Some(index)),
                Ok(None) => {}
                Err(error) => debug!(%error, "an index cannot be built again"),
            }
        }
        Ok(None)
    }

    /// Merges the segment with this id again, by the schema of any version that names it.
    async fn merged(&mut self, id: BlobId) -> Result<Option<Bytes>> {
        let manifests = self.manifests;
        for (manifest, ty, entry) in entries(manifests) {
            if BlobId::from(entry.id) != id || entry.merged_from.is_empty() || entry.writer_revision != WRITER_REVISION
            {
                continue;
            }
            let mut inputs = Vec::new();
            for one in &entry.merged_from {
                let Some(rows) = self.obtain((BlobKind::Segment, BlobId::from(one.segment))).await? else { break };
                inputs.push(rows);
            }
            if inputs.len() < entry.merged_from.len() {
                continue;
            }
            match merge(manifest, ty, entry, inputs) {
                Ok(bytes) if BlobId::of(&bytes) == id => return Ok(Some(bytes)),
                Ok(_) => {}
                Err(error) => debug!(%error, "a segment cannot be merged again"),
            }
        }
        Ok(None)
    }
}

/// Iterates over every segment of every version.
fn entries(manifests: &[Manifest]) -> impl Iterator<Item = (&Manifest, &RecordType, &SegmentEntry)> {
    let types = manifests.iter().flat_map(|manifest| manifest.record_types.iter().map(move |ty| (manifest, ty)));
    types.flat_map(|(manifest, ty)| ty.segments.iter().map(move |entry| (manifest, ty, entry)))
}

fn encoding(manifest: &Manifest, ty: &RecordType, entry: &SegmentEntry) -> kapok_core::Result<Encoding> {
    ty.encoding(&manifest.schema, entry.sharing)
}

fn build_index(
    manifest: &Manifest,
    ty: &RecordType,
    entry: &SegmentEntry,
    artifact: &Artifact,
    rows: Bytes,
) -> kapok_core::Result<Option<Bytes>> {
    let segment = Segment::open("segment", rows, entry.rows)?;
    IndexSet::new(&manifest.schema, ty)?.rebuild(artifact, &segment, entry)
}

fn merge(manifest: &Manifest, ty: &RecordType, entry: &SegmentEntry, inputs: Vec<Bytes>) -> kapok_core::Result<Bytes> {
    let mut segments = Vec::new();
    for (one, bytes) in entry.merged_from.iter().zip(inputs) {
        segments.push(Segment::open("merge source", bytes, one.rows)?);
    }
    let merged = encoding(manifest, ty, entry)?.merge_again(&entry.merged_from, &segments)?;
    Ok(Bytes::from(merged.bytes))
}
