//! Indexes of the consumer's own, built here for each segment once and opened with the view.
//!
//! They are put into the version that is about to be opened as if the producer had shipped them, so one swap brings view and indexes
//! together. Their bytes are on the heap, and stay from view to view for as long as a view has their segment.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kapok_core::Result;
use kapok_core::manifest::{Blob, BlobMap, Id, IndexSpec, Manifest, RecordType};
use kapok_core::schema::Schema;
use kapok_core::segment::Segment;
use kapok_index::{BuiltArtifact, Index, IndexSet};
use tracing::warn;

/// The indexes of a consumer's own.
#[derive(Debug, Default)]
pub(crate) struct OwnIndexes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By record type.
    specs: Vec<(String, IndexSpec)>,
    /// By the id of the segment and the hash of the index.
    built: HashMap<(Id, Id), BuiltArtifact>,
}

impl OwnIndexes {
    /// Adds an index, such as `hash(year)`, to a record type.
    ///
    /// # Errors
    /// `Invalid` for a text that is no index.
    pub(crate) fn add(&self, record_type: &str, index: &str) -> Result<()> {
        let spec: IndexSpec = index.parse()?;
        self.lock().specs.push((record_type.to_owned(), spec));
        Ok(())
    }

    /// Takes the index that was added last back.
    pub(crate) fn take_back(&self) {
        self.lock().specs.pop();
    }

    /// Puts the indexes into a version and its blobs, builds what is not built yet, and forgets what the version has no segment for.
    /// Returns the bytes of all. `is_strict`: whether an index that the version's schema does not allow is an error; otherwise it
    /// is left out with a warning.
    pub(crate) fn complete(&self, manifest: &mut Manifest, blobs: &mut BlobMap, is_strict: bool) -> Result<u64> {
        let mut inner = self.lock();
        let Inner { specs, built } = &mut *inner;
        let mut used = HashSet::new();
        let schema = std::sync::Arc::clone(&manifest.schema);
        for (record_type, spec) in &*specs {
            let Some(ty) = manifest.record_types.iter_mut().find(|ty| ty.name == *record_type) else { continue };
            match complete_type(&schema, ty, spec, blobs, built, &mut used) {
                Err(error) if !is_strict => {
                    warn!(%error, record_type, index = spec.name, "an index is left out of the view");
                }
                done => done?,
            }
        }
        built.retain(|key, _| used.contains(key));
        Ok(built.values().map(|built| built.artifact.size).sum())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts an index into a record type.
fn complete_type(
    schema: &Schema,
    ty: &mut RecordType,
    spec: &IndexSpec,
    blobs: &mut BlobMap,
    built: &mut HashMap<(Id, Id), BuiltArtifact>,
    used: &mut HashSet<(Id, Id)>,
) -> Result<()> {
    let (_, spec) = Index::declare(schema, schema.struct_type(ty.type_id)?, spec)?;
    match ty.indexes.iter().find(|known| known.name == spec.name) {
        Some(known) if known.is_alike(&spec) => {}
        Some(known) => {
            let detail = format!("the dataset has another one of this name: {known}");
            return Err(kapok_core::Error::invalid(format!("index {} of {}", spec.name, ty.name), detail));
        }
        None => {
            ty.indexes.push(spec.clone());
            ty.indexes.sort_by(|a, b| a.name.cmp(&b.name));
        }
    }
    let set = IndexSet::new(schema, ty)?;
    // An index of vectors is several.
    for index in set.indexes().iter().filter(|index| index.name() == spec.name) {
        for entry in &mut ty.segments {
            if index.artifact(entry).is_some() {
                continue;
            }
            let key = (entry.id, *index.hash());
            let BuiltArtifact { artifact, bytes } = match built.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(vacant) => {
                    let Blob { name, bytes } = blobs.expect(&entry.id)?.clone();
                    let segment = Segment::open(&name, bytes, entry.rows)?;
                    vacant.insert(set.build(index, &segment, entry)?)
                }
            };
            used.insert(key);
            let name = format!("index {} of {} (built here)", spec.name, ty.name).into();
            blobs.insert(artifact.id, Blob { name, bytes: bytes.clone() });
            entry.artifacts.push(artifact.clone());
        }
    }
    Ok(())
}
