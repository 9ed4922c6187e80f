//! Makes merged segments from their sources instead of downloading them.
//!
//! A segment's bytes are a function of its records. So a consumer that has the segments that another one was merged
//! from merges them again, and the hash tells whether the result is the same (I8). Merge sources that it lacks are
//! fetched if they are small beside the result: a version is often merged right after it was announced, so a consumer
//! that polls a moment later never had its new segment. What cannot be made is downloaded.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap, BlobRef, BlobRole, Id, Manifest, MergeSource, RecordType, SegmentEntry};
use kapok_core::segment::{Segment, WRITER_REVISION};
use kapok_core::{Error, Result};
use kapok_index::IndexSet;
use tracing::warn;

use crate::blocking_task::catching;

/// The segments that were made here, and those that could not be.
#[derive(Debug, Default)]
pub(crate) struct MergeOutcome {
    /// Segments that were made, and their indexes.
    pub(crate) blobs: Vec<(Id, Blob)>,
    pub(crate) size: u64,
    /// Segments that could not be made, or whose hash came out different.
    pub(crate) failed: Vec<Id>,
}

/// A segment to be made: one that is lacking and all of whose merge sources are held.
struct MergeTask {
    record_type: RecordType,
    segment: SegmentEntry,
    /// Its merge sources.
    inputs: Vec<Segment>,
}

/// Makes the merged segments of a version that are lacking and whose merge sources are held, on a thread of its own.
///
/// Segments in `failed` are not tried again.
pub(crate) async fn make(target: &Manifest, held: &BlobMap, failed: &HashSet<Id>) -> MergeOutcome {
    let tasks = tasks(target, held, failed);
    if tasks.is_empty() {
        return MergeOutcome::default();
    }
    let schema = Arc::clone(&target.schema);
    let work = move || {
        let mut outcome = MergeOutcome::default();
        for task in tasks {
            match make_one(&schema, &task) {
                Ok(blobs) => {
                    outcome.size += blobs.iter().map(|(_, blob)| blob.bytes.len() as u64).sum::<u64>();
                    outcome.blobs.extend(blobs);
                }
                Err(error) => {
                    warn!(%error, "a merged segment is downloaded since it could not be made");
                    outcome.failed.push(task.segment.id);
                }
            }
        }
        outcome
    };
    // A panic is a defect, and no reason not to download.
    catching(work).await.unwrap_or_default()
}

/// Returns whether there are merged segments to be made: such as are lacking and all of whose merge sources are held.
pub(crate) fn has_work(target: &Manifest, held: &BlobMap, failed: &HashSet<Id>) -> bool {
    let is_held = |one: &MergeSource| held.get(&one.segment).is_some();
    candidates(target, held, failed).any(|segment| segment.merged_from.iter().all(is_held))
}

/// A segment is made if the sources that are fetched for it are at most this part of its size.
const FETCHED_PART: u64 = 2;

/// Returns the merge sources that are lacking and are worth fetching. They may be gone from the store by now.
pub(crate) fn lacking_sources(target: &Manifest, held: &BlobMap, failed: &HashSet<Id>) -> Vec<BlobRef> {
    let mut out: Vec<BlobRef> = Vec::new();
    for segment in candidates(target, held, failed) {
        let lacking = || segment.merged_from.iter().filter(|one| held.get(&one.segment).is_none());
        let bytes = lacking().fold(0_u64, |sum, one| sum.saturating_add(one.size));
        if bytes <= segment.size / FETCHED_PART {
            out.extend(lacking().map(|one| BlobRef { role: BlobRole::Segment, id: one.segment, size: Some(one.size) }));
        }
    }
    let mut seen = HashSet::new();
    out.retain(|blob| seen.insert(blob.id));
    out
}

/// Iterates over the merged segments that are lacking and were written by rules that this program knows.
fn candidates<'m>(
    target: &'m Manifest,
    held: &'m BlobMap,
    failed: &'m HashSet<Id>,
) -> impl Iterator<Item = &'m SegmentEntry> {
    target.segments().filter(|segment| {
        let is_known = !segment.merged_from.is_empty() && segment.writer_revision == WRITER_REVISION;
        is_known && !failed.contains(&segment.id) && held.get(&segment.id).is_none()
    })
}

fn tasks(target: &Manifest, held: &BlobMap, failed: &HashSet<Id>) -> Vec<MergeTask> {
    let input = |one: &MergeSource| {
        let Blob { name, bytes } = held.get(&one.segment)?;
        Segment::open(name, bytes.clone(), one.rows).ok()
    };
    let mut out = Vec::new();
    for segment in candidates(target, held, failed) {
        let owner = target.record_types.iter().find(|ty| ty.segments.iter().any(|one| one.id == segment.id));
        let inputs = segment.merged_from.iter().map(input).collect::<Option<Vec<_>>>();
        if let (Some(owner), Some(inputs)) = (owner, inputs) {
            let record_type = RecordType { segments: Vec::new(), ..owner.clone() };
            out.push(MergeTask { record_type, segment: segment.clone(), inputs });
        }
    }
    out
}

fn make_one(schema: &Arc<kapok_core::schema::Schema>, task: &MergeTask) -> Result<Vec<(Id, Blob)>> {
    let MergeTask { record_type, segment, inputs } = task;
    let encoding = record_type.encoding(schema, segment.sharing)?;
    let merged = encoding.merge_again(&segment.merged_from, inputs)?;
    let name: Arc<str> = Arc::from(format!("segments/{} (made here)", text(&segment.id)));
    if merged.id != segment.id {
        let found = text(&merged.id).to_string();
        return Err(Error::corrupt(&*name, 0, "the hash of its name", found));
    }
    let bytes = Bytes::from(merged.bytes);
    let opened = Segment::open(&name, bytes.clone(), merged.rows)?;
    let mut out = vec![(segment.id, Blob { name, bytes })];
    let indexes = IndexSet::new(schema, record_type)?;
    for artifact in &segment.artifacts {
        // An index that the segment does not give, as the graph of its vectors, is downloaded.
        if let Some(bytes) = indexes.rebuild(artifact, &opened, segment)? {
            let name = Arc::from(format!("indexes/{} (made here)", text(&artifact.id)));
            out.push((artifact.id, Blob { name, bytes }));
        }
    }
    Ok(out)
}

fn text(id: &Id) -> kapok_blobstore::BlobId {
    kapok_blobstore::BlobId::from(*id)
}
