//! Checks versions against their manifests, down to the last pointer.
//!
//! Each segment and each table is walked once, even if many versions share it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kapok_blobstore::{Error, Result, Store};
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::{Id, Manifest, RecordType};
use kapok_core::segment::{Encoding, Segment, Sharing};
use kapok_index::{IndexSet, View, verify_segment};

use crate::report::Report;
use crate::retirement::is_retired;
use crate::{changes, fingerprint, merge_sources};

/// A walk over versions.
pub(crate) struct Walk<'s> {
    store: &'s Store,
    /// Blobs that are reported already.
    lost: &'s HashSet<Id>,
    segments: HashSet<blake3::Hash>,
    tables: HashSet<blake3::Hash>,
    versions: usize,
}

impl<'s> Walk<'s> {
    pub(crate) fn new(store: &'s Store, lost: &'s HashSet<Id>) -> Self {
        Self { store, lost, segments: HashSet::new(), tables: HashSet::new(), versions: 0 }
    }

    /// Returns the number of versions that were walked.
    pub(crate) fn versions(&self) -> usize {
        self.versions
    }

    /// Checks the record types of a version. `live` holds all versions, if the whole store is checked.
    pub(crate) async fn version(
        &mut self,
        manifest: &Manifest,
        live: Option<&BTreeMap<u64, Manifest>>,
        report: &mut Report,
    ) -> Result<()> {
        let version = manifest.version;
        self.versions += 1;
        report.versions = self.versions;
        if manifest.parent.is_some_and(|parent| parent >= version) {
            report.problem(format!("version {version}: its parent {:?} is not older", manifest.parent));
        }
        for ty in &manifest.record_types {
            if self.tables.insert(fingerprint::of_table(ty)) {
                let Some(blobs) = self.load(manifest, ty, report).await? else { continue };
                if let Err(error) = self.record_type(manifest, ty, &blobs, report) {
                    report.problem(format!("version {version}: {}: {error}", ty.name));
                }
            }
            for entry in ty.segments.iter().filter(|entry| !entry.merged_from.is_empty()) {
                // It was merged by the schema of the first version that names it.
                let is_first =
                    live.is_none_or(|live| !live.range(..version).any(|(_, older)| merge_sources::names(older, entry)));
                if is_first && !self.lost.contains(&entry.id) {
                    self.merged_from(manifest, ty, entry, report).await?;
                }
            }
        }
        Ok(())
    }

    /// Checks the listed changes of a version against its parent.
    pub(crate) async fn changes(
        &mut self,
        manifest: &Manifest,
        parent: Option<&Manifest>,
        report: &mut Report,
    ) -> Result<()> {
        for ty in manifest.record_types.iter().filter(|ty| ty.changes.is_some()) {
            let before = match (manifest.parent, parent) {
                (None, _) => None,
                (Some(_), None) => {
                    report.unchecked_changes += 1;
                    continue;
                }
                (Some(_), Some(parent)) => parent.record_type(&ty.name).map(|before| (parent, before)),
            };
            let Some(after) = self.load(manifest, ty, report).await? else { continue };
            let old = match before {
                None => None,
                Some((parent, before)) => {
                    let Some(blobs) = self.load(parent, before, report).await? else {
                        report.unchecked_changes += 1;
                        continue;
                    };
                    Some((alone(parent, before), blobs))
                }
            };
            report.changes += 1;
            if let Err(error) = changes::check(&alone(manifest, ty), &after, old.as_ref()) {
                report.problem(format!("version {}: {}: {error}", manifest.version, ty.name));
            }
        }
        Ok(())
    }

    /// Loads the blobs of a record type; `None` if some are lost, which is reported, or were deleted with the version.
    async fn load(&self, manifest: &Manifest, ty: &RecordType, report: &mut Report) -> Result<Option<BlobMap>> {
        let alone = alone(manifest, ty);
        if alone.blobs().any(|blob| self.lost.contains(&blob.id)) {
            return Ok(None);
        }
        match self.store.blobs().load(&alone, &BlobMap::new()).await {
            Ok(blobs) => Ok(Some(blobs)),
            Err(Error::NotFound { .. }) if is_retired(self.store, manifest.version).await? => Ok(None),
            Err(error @ (Error::NotFound { .. } | Error::Corrupt { .. })) => {
                report.problem(format!("version {}: {}: {error}", manifest.version, ty.name));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Checks the segments of a record type, then its keys and indexes over all of them.
    fn record_type(
        &mut self,
        manifest: &Manifest,
        ty: &RecordType,
        blobs: &BlobMap,
        report: &mut Report,
    ) -> kapok_core::Result<()> {
        let mut encodings: Vec<(Sharing, Encoding)> = Vec::new();
        let indexes = IndexSet::new(&manifest.schema, ty)?;
        for entry in &ty.segments {
            if !self.segments.insert(fingerprint::of_segment(ty, entry)) {
                continue;
            }
            let blob = blobs.expect(&entry.id)?;
            let segment = Segment::open(&blob.name, blob.bytes.clone(), entry.rows)?;
            let known = encodings.iter().position(|(sharing, _)| *sharing == entry.sharing);
            let known = if let Some(known) = known {
                known
            } else {
                let encoding = ty.encoding(&manifest.schema, entry.sharing)?;
                encodings.push((entry.sharing, encoding));
                encodings.len() - 1
            };
            verify_segment(&encodings[known].1, &indexes, &segment, entry, blobs)?;
            report.segments += 1;
        }
        View::open(Arc::new(alone(manifest, ty)), blobs)?.verify_keys()
    }

    async fn merged_from(
        &self,
        manifest: &Manifest,
        ty: &RecordType,
        entry: &kapok_core::manifest::SegmentEntry,
        report: &mut Report,
    ) -> Result<()> {
        let only = RecordType { segments: vec![entry.clone()], ..ty.clone() };
        let Some(mut blobs) = self.load(manifest, &only, report).await? else { return Ok(()) };
        let mut all_there = true;
        for source in merge_sources::sources(entry) {
            match self.store.blobs().fetch([source]).await {
                Ok(fetched) if !self.lost.contains(&source.id) => {
                    for (id, blob) in fetched {
                        blobs.insert(id, blob);
                    }
                }
                // Usually gc has deleted it. A damaged one is reported when files are checked.
                Ok(_) | Err(Error::NotFound { .. } | Error::Corrupt { .. }) => all_there = false,
                Err(error) => return Err(error),
            }
        }
        if all_there {
            report.merges += 1;
        } else {
            report.unchecked_merges += 1;
        }
        let checked = merge_sources::check_rows(entry)
            .and_then(|()| if all_there { merge_sources::check(manifest, ty, entry, &blobs) } else { Ok(()) });
        if let Err(error) = checked {
            report.problem(format!("version {}: {}: {error}", manifest.version, ty.name));
        }
        Ok(())
    }
}

/// Copies a manifest with one record type alone.
fn alone(manifest: &Manifest, ty: &RecordType) -> Manifest {
    Manifest { record_types: vec![ty.clone()], ..Manifest::clone(manifest) }
}
