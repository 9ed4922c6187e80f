//! Checks merged segments against their merge sources.

use std::sync::Arc;

use kapok_core::key::KeySpec;
use kapok_core::manifest::{Blob, BlobMap, BlobRef, BlobRole};
use kapok_core::manifest::{Manifest, MergeSource, RecordType, SegmentEntry, Tombstones};
use kapok_core::segment::{Segment, WRITER_REVISION};
use kapok_core::{Error, Result};
use kapok_index::View;

/// Returns whether a version names a segment with the same merge sources.
pub(crate) fn names(manifest: &Manifest, entry: &SegmentEntry) -> bool {
    manifest.segments().any(|one| one.id == entry.id && one.merged_from == entry.merged_from)
}

/// Returns the blobs of the merge sources of a segment.
pub(crate) fn sources(entry: &SegmentEntry) -> impl Iterator<Item = BlobRef> + '_ {
    let of = |one: &MergeSource| BlobRef { role: BlobRole::Segment, id: one.segment, size: Some(one.size) };
    entry.merged_from.iter().map(of)
}

/// Checks that the numbers of rows of the merge sources add up to those of the segment.
///
/// # Errors
/// `Corrupt` if they do not add up.
pub(crate) fn check_rows(entry: &SegmentEntry) -> Result<()> {
    let mut rows = 0_u64;
    for one in &entry.merged_from {
        let dropped = one.dropped_rows()?.unwrap_or_default();
        if dropped.max().is_some_and(|row| row >= one.rows) {
            return Err(wrong(entry, format!("rows left behind below {}", one.rows), "one beyond".to_owned()));
        }
        rows += u64::from(one.rows) - dropped.len();
    }
    if rows == u64::from(entry.rows) {
        return Ok(());
    }
    Err(wrong(entry, format!("{} rows, as the segment has", entry.rows), format!("{rows} rows")))
}

/// Checks that merging the sources again gives the segment or, if a schema that has grown since gives other bytes, the
/// same records.
///
/// `blobs` holds the segment and all of its merge sources.
///
/// # Errors
/// `Corrupt` if the records differ.
pub(crate) fn check(manifest: &Manifest, ty: &RecordType, entry: &SegmentEntry, blobs: &BlobMap) -> Result<()> {
    let encoding = ty.encoding(&manifest.schema, entry.sharing)?;
    let (mut inputs, mut entries) = (Vec::new(), Vec::new());
    for one in &entry.merged_from {
        let Blob { name, bytes } = blobs.expect(&one.segment)?;
        let segment = Segment::open(name, bytes.clone(), one.rows)?;
        entries.push(source_entry(encoding.key(), &segment, one, entry)?);
        inputs.push(segment);
    }
    if entry.writer_revision == WRITER_REVISION {
        let merged = encoding.merge_again(&entry.merged_from, &inputs);
        if merged.is_ok_and(|merged| merged.id == entry.id) {
            return Ok(());
        }
    }
    let view = |segments: Vec<SegmentEntry>| {
        let rows = segments.iter().map(|one| u64::from(one.rows - one.dead)).sum();
        let ty = RecordType { rows, segments, changes: None, ..ty.clone() };
        View::open(Arc::new(Manifest { record_types: vec![ty], ..Manifest::clone(manifest) }), blobs)
    };
    entries.retain(|one| one.dead < one.rows);
    let merged = SegmentEntry { dead: 0, tombstones: Tombstones::None, artifacts: Vec::new(), ..entry.clone() };
    // Two versions without lists of changes, so that rows are compared.
    let mut before = Manifest::clone(view(entries.clone())?.manifest());
    before.version = 0;
    let before = View::open(Arc::new(before), blobs)?;
    let changes = view(vec![merged])?.changes_since(&before, &[])?;
    match changes.types.iter().find(|ty| !ty.is_empty()) {
        None => Ok(()),
        Some(ty) => {
            let found = format!("{} records that differ", ty.len());
            Err(wrong(entry, "the records of the segments that it names".to_owned(), found))
        }
    }
}

/// Returns the entry of a merge source, as a version would list it.
fn source_entry(key: &KeySpec, segment: &Segment, one: &MergeSource, merged: &SegmentEntry) -> Result<SegmentEntry> {
    let key_of = |row: u32| {
        let mut out = Vec::new();
        let found = segment.row(row).map_or(Ok(false), |row| key.encode_row(row, &mut out));
        match found {
            Ok(true) => Ok(out),
            _ => Err(Error::corrupt(segment.name(), 0, "rows with keys", format!("row {row} without"))),
        }
    };
    let dead = one.dropped_rows()?.map_or(0, |rows| rows.len());
    Ok(SegmentEntry {
        id: one.segment,
        size: one.size,
        rows: one.rows,
        dead: u32::try_from(dead).unwrap_or(u32::MAX),
        first_key: key_of(0)?,
        last_key: key_of(one.rows.saturating_sub(1))?,
        extents: Vec::new(),
        tombstones: if dead == 0 { Tombstones::None } else { Tombstones::Inline(one.dropped.clone()) },
        artifacts: Vec::new(),
        writer_revision: merged.writer_revision,
        sharing: merged.sharing,
        merged_from: Vec::new(),
    })
}

fn wrong(entry: &SegmentEntry, expected: String, found: String) -> Error {
    Error::corrupt(format!("merge sources of segment {}", blake3::Hash::from(entry.id)), 0, expected, found)
}
