//! How does a consumer come by a merged segment without downloading it?
//!
//! By making it: a segment's bytes are a function of its records, so whoever has the segments that it was merged from can
//! merge them again, and sees from the hash whether the result is the same (I8). Merge sources that are not at hand are fetched
//! where they are small beside the result: a version is often merged right after it was announced, and whoever comes a
//! moment later never held its fresh segment. What cannot be made is downloaded.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobMap, BlobRef, BlobRole};
use kapok_core::manifest::{Id, Manifest, MergeSource, RecordType, SegmentEntry, decode_rows};
use kapok_core::segment::{Encoding, MergeInput, Segment, WRITER_REVISION};
use kapok_core::{Error, Result};
use kapok_index::unique;
use tracing::warn;

/// What was made of what was at hand.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Segments and their indexes.
    pub(crate) blobs: Vec<(Id, Blob)>,
    pub(crate) size: u64,
    /// Segments that could not be made, or came out otherwise.
    pub(crate) failed: Vec<Id>,
}

/// A segment of the target that is not at hand, and whose merge sources are.
struct Task {
    record_type: RecordType,
    segment: SegmentEntry,
    /// Each with the rows that it leaves behind.
    inputs: Vec<(Segment, Vec<u8>)>,
}

/// Makes the merged segments of a version that are not at hand but whose merge sources are, on a thread of its own; not
/// those that came out otherwise before.
pub(crate) async fn make(target: &Manifest, at_hand: &BlobMap, not_makeable: &HashSet<Id>) -> Made {
    let tasks = tasks(target, at_hand, not_makeable);
    if tasks.is_empty() {
        return Made::default();
    }
    let schema = Arc::clone(&target.schema);
    let work = move || {
        let mut made = Made::default();
        for task in tasks {
            match make_one(&schema, &task) {
                Ok(blobs) => {
                    made.size += blobs.iter().map(|(_, blob)| blob.bytes.len() as u64).sum::<u64>();
                    made.blobs.extend(blobs);
                }
                Err(error) => {
                    warn!(%error, "a merged segment is downloaded since it could not be made");
                    made.failed.push(task.segment.id);
                }
            }
        }
        made
    };
    // A panic is a defect, but not one that should keep the consumer from downloading.
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

/// A segment is made where what is to be fetched for it is at most this part of what is saved.
const FETCHED_PART: u64 = 2;

/// Merge sources that are not at hand and are worth fetching. One that is gone from the store by now is no matter.
pub(crate) fn lacking(target: &Manifest, at_hand: &BlobMap, not_makeable: &HashSet<Id>) -> Vec<BlobRef> {
    let mut out: Vec<BlobRef> = Vec::new();
    for segment in due(target, at_hand, not_makeable) {
        let lacking = || segment.merged_from.iter().filter(|one| at_hand.get(&one.segment).is_none());
        let bytes = lacking().fold(0_u64, |sum, one| sum.saturating_add(one.size));
        if bytes <= segment.size / FETCHED_PART {
            out.extend(lacking().map(|one| BlobRef { role: BlobRole::Segment, id: one.segment, size: Some(one.size) }));
        }
    }
    let mut seen = HashSet::new();
    out.retain(|blob| seen.insert(blob.id));
    out
}

/// Merged segments that are not at hand, written by rules that this program knows.
fn due<'m>(
    target: &'m Manifest,
    at_hand: &'m BlobMap,
    not_makeable: &'m HashSet<Id>,
) -> impl Iterator<Item = &'m SegmentEntry> {
    target.record_types.iter().flat_map(|ty| &ty.segments).filter(|segment| {
        let is_known = !segment.merged_from.is_empty() && segment.writer_revision == WRITER_REVISION;
        is_known && !not_makeable.contains(&segment.id) && at_hand.get(&segment.id).is_none()
    })
}

fn tasks(target: &Manifest, at_hand: &BlobMap, not_makeable: &HashSet<Id>) -> Vec<Task> {
    let input = |one: &MergeSource| {
        let Blob { name, bytes } = at_hand.get(&one.segment)?;
        Some((Segment::open(name, bytes.clone(), one.rows).ok()?, one.dropped.clone()))
    };
    let mut out = Vec::new();
    for segment in due(target, at_hand, not_makeable) {
        let owner = target.record_types.iter().find(|ty| ty.segments.iter().any(|one| one.id == segment.id));
        let inputs = segment.merged_from.iter().map(input).collect::<Option<Vec<_>>>();
        if let (Some(owner), Some(inputs)) = (owner, inputs) {
            let record_type = RecordType { segments: Vec::new(), ..owner.clone() };
            out.push(Task { record_type, segment: segment.clone(), inputs });
        }
    }
    out
}

fn make_one(schema: &Arc<kapok_core::schema::Schema>, task: &Task) -> Result<Vec<(Id, Blob)>> {
    let Task { record_type, segment, inputs } = task;
    let encoding = Encoding::new(Arc::clone(schema), record_type.type_id, &record_type.key, segment.sharing)?;
    let mut dropped = Vec::new();
    for (input, rows) in inputs {
        dropped.push(if rows.is_empty() { None } else { Some(decode_rows(input.name(), rows)?) });
    }
    let inputs: Vec<MergeInput<'_>> = inputs
        .iter()
        .zip(&dropped)
        .map(|((segment, _), dropped)| MergeInput { segment, dropped: dropped.as_ref() })
        .collect();
    let merged = encoding.merge(&inputs)?;
    let name: Arc<str> = Arc::from(format!("segments/{} (made here)", text(&segment.id)));
    if merged.id != segment.id {
        let found = text(&merged.id).to_string();
        return Err(Error::corrupt(&*name, 0, "the hash of its name", found));
    }
    let bytes = Bytes::from(merged.bytes);
    let opened = Segment::open(&name, bytes.clone(), merged.rows)?;
    let mut out = vec![(segment.id, Blob { name, bytes })];
    for artifact in segment.artifacts.iter().filter(|artifact| artifact.kind == unique::KIND) {
        let index = Bytes::from(unique::build(encoding.key(), &opened)?);
        // Another one is downloaded.
        if kapok_blobstore::BlobId::of(&index).as_bytes() == &artifact.id {
            let name = Arc::from(format!("indexes/{} (made here)", text(&artifact.id)));
            out.push((artifact.id, Blob { name, bytes: index }));
        }
    }
    Ok(out)
}

fn text(id: &Id) -> kapok_blobstore::BlobId {
    kapok_blobstore::BlobId::from(*id)
}
