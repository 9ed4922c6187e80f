//! Finds the keys that may be different in two views.

use std::collections::HashMap;

use kapok_core::key::KeySpec;
use kapok_core::manifest::{self, Id, Manifest};
use kapok_core::segment::Segment;
use kapok_core::segment::{LiveSegment, RowId};
use kapok_core::view::Table;
use kapok_core::{Error, Result};
use roaring::RoaringBitmap;

use crate::row::encode_row;
use crate::view::View;

/// Encoded keys in order, each once.
pub(super) type Keys = Vec<Vec<u8>>;

/// The segments of one record type in two views, by id.
pub(super) struct Sources<'v> {
    old: Side<'v>,
    new: Side<'v>,
    /// Segments of versions in between.
    between: &'v HashMap<Id, Segment>,
}

/// The segments in one view.
struct Side<'v> {
    key: &'v KeySpec,
    table: &'v Table,
    /// By place.
    ids: Vec<&'v Id>,
    by_id: HashMap<&'v Id, &'v LiveSegment>,
}

impl<'v> Sources<'v> {
    pub(super) fn new(
        (old, before): (&'v View, &'v Table),
        (new, after): (&'v View, &'v Table),
        between: &'v HashMap<Id, Segment>,
    ) -> Result<Self> {
        Ok(Self { old: Side::new(old.manifest(), before)?, new: Side::new(new.manifest(), after)?, between })
    }

    /// Returns whether a segment's rows can be read.
    pub(super) fn has(&self, id: &Id) -> bool {
        self.find(id).is_some()
    }

    /// Returns whether two row ids, of the old and the new view, are one row of one segment.
    pub(super) fn is_same_row(&self, old: RowId, new: RowId) -> bool {
        old.row() == new.row() && self.old.id(old).is_some_and(|id| self.new.id(new) == Some(id))
    }

    /// Returns the keys of the rows that manifests list; `None` if one of their segments is not at hand.
    pub(super) fn listed(&self, row_sets: Vec<(&Id, &[u8])>) -> Result<Option<Keys>> {
        // A segment whose rows come up in many steps is read once.
        let mut rows: HashMap<&Id, RoaringBitmap> = HashMap::new();
        for (id, bitmap) in row_sets {
            let Some((_, source)) = self.find(id) else { return Ok(None) };
            *rows.entry(id).or_default() |= decode_rows(bitmap, source)?;
        }
        let mut keys = Vec::new();
        for (id, rows) in rows {
            if let Some((key, source)) = self.find(id) {
                add_keys(key, source, rows, &mut keys)?;
            }
        }
        Ok(Some(in_order(keys)))
    }

    /// Returns the keys of the live rows of segments in one view only, and of rows that live in one view only.
    pub(super) fn compared(&self) -> Result<Keys> {
        let mut keys = Vec::new();
        for (here, there) in [(&self.old, &self.new), (&self.new, &self.old)] {
            for (id, source) in &here.by_id {
                match there.by_id.get(id) {
                    None => add_keys(here.key, source.segment(), source.live_rows(), &mut keys)?,
                    Some(other) => {
                        let dead = other.dead().cloned().unwrap_or_default();
                        let only_here = dead - source.dead().unwrap_or(&RoaringBitmap::new());
                        add_keys(here.key, source.segment(), only_here, &mut keys)?;
                    }
                }
            }
        }
        Ok(in_order(keys))
    }

    fn find(&self, id: &Id) -> Option<(&'v KeySpec, &'v Segment)> {
        let sides = [&self.new, &self.old];
        let in_view = sides.into_iter().find_map(|side| Some((side.key, side.by_id.get(id)?.segment())));
        // Key fields lie where they always did, whichever of the schemas says so.
        in_view.or_else(|| Some((self.new.key, self.between.get(id)?)))
    }
}

impl<'v> Side<'v> {
    fn new(manifest: &'v Manifest, table: &'v Table) -> Result<Self> {
        let ids: Vec<_> = manifest.expect_record_type(table.name())?.segments.iter().map(|entry| &entry.id).collect();
        let by_id = ids.iter().copied().zip(table.segments()).collect();
        Ok(Self { key: table.key(), table, ids, by_id })
    }

    fn id(&self, row_id: RowId) -> Option<&'v Id> {
        self.table.place(row_id).ok().and_then(|(place, _)| self.ids.get(place).copied())
    }
}

fn add_keys(key: &KeySpec, segment: &Segment, rows: impl IntoIterator<Item = u32>, keys: &mut Keys) -> Result<()> {
    for row in rows {
        let mut encoded = Vec::new();
        encode_row(key, segment, row, &mut encoded)?;
        keys.push(encoded);
    }
    Ok(())
}

fn in_order(mut keys: Keys) -> Keys {
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Returns the rows that a manifest lists of a segment.
fn decode_rows(bitmap: &[u8], segment: &Segment) -> Result<RoaringBitmap> {
    let subject = format!("changes in the manifest, of {}", segment.name());
    let rows = manifest::decode_rows(&subject, bitmap)?;
    match rows.max() {
        Some(row) if row >= segment.rows() => {
            Err(Error::corrupt(subject, 0, format!("rows below {}", segment.rows()), format!("row {row}")))
        }
        _ => Ok(rows),
    }
}
