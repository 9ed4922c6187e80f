//! How does a consumer come by a merged segment without downloading it?
//!
//! By making it: a segment's bytes are a function of its records, so whoever has the segments that it was merged from can
//! merge them again, and sees from the hash whether the result is the same (I8). What cannot be made is downloaded.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::blobs::{Blob, Blobs};
use kapok_core::manifest::{Id, Manifest, RecordType, SegmentEntry, decode_rows};
use kapok_core::segment::{Encoding, MergeInput, Segment, WRITER_REVISION};
use kapok_core::{Error, Result};
use kapok_index::unique;
use tracing::warn;

/// What was made of what was at hand.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Segments and their indexes.
    pub(crate) blobs: Vec<(Id, Blob)>,
    pub(crate) bytes: u64,
    /// Segments that could not be made, or came out otherwise.
    pub(crate) failures: usize,
}

/// A segment of the target that is not at hand, and whose ingredients are.
struct Task {
    record_type: RecordType,
    segment: SegmentEntry,
    /// Each with the rows that it leaves behind.
    inputs: Vec<(Segment, Vec<u8>)>,
}

/// Makes the merged segments of a version that are not at hand but whose ingredients are, on a thread of its own.
pub(crate) async fn make(current: &Manifest, target: &Manifest, at_hand: &Blobs) -> Made {
    let tasks = tasks(current, target, at_hand);
    if tasks.is_empty() {
        return Made::default();
    }
    let schema = Arc::clone(&target.schema);
    let work = move || {
        let mut made = Made::default();
        for task in tasks {
            match make_one(&schema, &task) {
                Ok(blobs) => {
                    made.bytes += blobs.iter().map(|(_, blob)| blob.bytes.len() as u64).sum::<u64>();
                    made.blobs.extend(blobs);
                }
                Err(error) => {
                    warn!(%error, "a merged segment is downloaded since it could not be made");
                    made.failures += 1;
                }
            }
        }
        made
    };
    // A panic is a defect, but not one that should keep the consumer from downloading.
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

fn tasks(current: &Manifest, target: &Manifest, at_hand: &Blobs) -> Vec<Task> {
    let known: Vec<&SegmentEntry> = current.record_types.iter().flat_map(|ty| &ty.segments).collect();
    let input = |id: &Id| {
        let entry = known.iter().find(|entry| entry.id == *id)?;
        let Blob { name, bytes } = at_hand.get(id)?;
        Segment::open(name, bytes.clone(), entry.rows).ok()
    };
    let mut out = Vec::new();
    for record_type in &target.record_types {
        for segment in &record_type.segments {
            let is_due = !segment.recipe.is_empty() && segment.writer_revision == WRITER_REVISION;
            if !is_due || at_hand.get(&segment.id).is_some() {
                continue;
            }
            let inputs = segment.recipe.iter().map(|one| Some((input(&one.segment)?, one.dropped.clone())));
            if let Some(inputs) = inputs.collect::<Option<Vec<_>>>() {
                let record_type = RecordType { segments: Vec::new(), ..record_type.clone() };
                out.push(Task { record_type, segment: segment.clone(), inputs });
            }
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
