//! Checks the changes that a version lists against the rows of its parent and its own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kapok_core::manifest::BlobMap;
use kapok_core::manifest::{Id, Manifest, RecordType, decode_rows};
use kapok_core::segment::RowId;
use kapok_core::{Error, Result};
use kapok_index::{TypeChanges, View};
use roaring::RoaringBitmap;

/// Checks the listed changes of a version of one record type.
///
/// `old` is the parent, of the same record type; `None` if there is no parent, or it has no such type.
pub(crate) fn check(manifest: &Manifest, blobs: &BlobMap, old: Option<&(Manifest, BlobMap)>) -> Result<()> {
    let Some((ty, listed)) = only_type(manifest).and_then(|ty| Some((ty, ty.changes.as_ref()?))) else { return Ok(()) };
    let added = row_sets(&listed.added, "added", Some(ty))?;
    row_sets(&listed.removed, "removed", old.and_then(|(old, _)| only_type(old)))?;
    let Some((old, old_blobs)) = old else { return check_all_added(ty, &added) };
    let before = View::open(Arc::new(old.clone()), old_blobs)?;
    let after = View::open(Arc::new(manifest.clone()), blobs)?;
    // A version that lists nothing is compared by its rows.
    let mut silent = manifest.clone();
    silent.record_types.iter_mut().for_each(|ty| ty.changes = None);
    let found = View::open(Arc::new(silent), blobs)?.changes_since(&before, &[])?;
    let told = after.changes_since(&before, &[])?;
    for (told, found) in told.types.iter().zip(&found.types) {
        let same = (&told.added, &told.updated, &told.removed) == (&found.added, &found.updated, &found.removed);
        if !same {
            return Err(wrong(format!("{} by the rows", describe(found)), format!("{} by the list", describe(told))));
        }
    }
    Ok(())
}

/// Checks that all rows are listed, as they must be without a parent or for a new record type.
fn check_all_added(ty: &RecordType, added: &BTreeMap<&Id, RoaringBitmap>) -> Result<()> {
    let listed: u64 = added.values().map(RoaringBitmap::len).sum();
    if listed >= ty.rows {
        return Ok(());
    }
    Err(wrong(format!("{} rows added, which are all", ty.rows), format!("{listed} rows")))
}

/// Decodes listed rows by segment, and checks that each segment is listed once and belongs to the right version.
fn row_sets<'m>(
    sets: &'m [(Id, Vec<u8>)],
    kind: &str,
    owner: Option<&RecordType>,
) -> Result<BTreeMap<&'m Id, RoaringBitmap>> {
    let mut out = BTreeMap::new();
    let mut seen = HashSet::new();
    for (id, bitmap) in sets {
        let rows = decode_rows("changes in the manifest", bitmap)?;
        let entry = owner.and_then(|ty| ty.segments.iter().find(|entry| entry.id == *id));
        let name = blake3::Hash::from(*id);
        let Some(entry) = entry.filter(|_| seen.insert(id)) else {
            return Err(wrong(format!("{kind} rows of segments of the version, each once"), format!("segment {name}")));
        };
        if let Some(row) = rows.max().filter(|row| *row >= entry.rows) {
            return Err(wrong(format!("{kind} rows below {} of segment {name}", entry.rows), format!("row {row}")));
        }
        out.insert(id, rows);
    }
    Ok(out)
}

fn only_type(manifest: &Manifest) -> Option<&RecordType> {
    manifest.record_types.first()
}

fn describe(changes: &TypeChanges) -> String {
    let TypeChanges { added, updated, removed, .. } = changes;
    let count = |row_ids: &[RowId]| row_ids.len();
    format!("added={} updated={} removed={}", count(added), updated.len(), count(removed))
}

fn wrong(expected: String, found: String) -> Error {
    Error::corrupt("changes in the manifest", 0, expected, found)
}
