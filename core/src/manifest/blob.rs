//! The bytes that a view is opened over: blobs by their hash, as a manifest names them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::manifest::{Id, Manifest, Tombstones, blob_hash};

/// Bytes of a stored file.
#[derive(Clone)]
pub struct Blob {
    /// What errors call it: its path or key.
    pub name: Arc<str>,
    /// Its bytes, 8-byte aligned.
    pub bytes: Bytes,
}

impl Blob {
    /// Checks that the bytes have this hash.
    ///
    /// # Errors
    /// `Corrupt` if they have another.
    pub fn verify_hash(&self, id: &Id) -> Result<()> {
        verify_hash(&self.name, &self.bytes, id)
    }
}

/// Checks that bytes have this hash.
pub(crate) fn verify_hash(name: &str, bytes: &[u8], id: &Id) -> Result<()> {
    let (expected, found) = (blake3::Hash::from(*id), blake3::Hash::from(blob_hash(bytes)));
    if expected == found {
        return Ok(());
    }
    Err(Error::corrupt(name, 0, format!("hash blake3={expected}"), format!("hash blake3={found}")))
}

/// Blobs by their BLAKE3 hash.
#[derive(Clone, Debug, Default)]
pub struct BlobMap {
    by_id: HashMap<Id, Blob>,
}

/// What kind of blob a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlobRole {
    /// Rows of a record type.
    Segment,
    /// An index artifact.
    Index,
    /// A bitmap of dead rows.
    Tombstones,
}

/// A blob that a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobRef {
    /// What it is.
    pub role: BlobRole,
    /// BLAKE3 of its bytes.
    pub id: Id,
    /// Its size in bytes, if the manifest has it; the manifest has none for tombstones.
    pub size: Option<u64>,
}

impl BlobRef {
    /// Returns whether a file of this size may be the blob: yes if the manifest does not tell its size.
    pub fn has_size(&self, size: u64) -> bool {
        self.size.is_none_or(|own| own == size)
    }
}

/// The name and the length, not the bytes.
impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("name", &self.name).field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl BlobMap {
    /// Makes a map of no blobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a blob.
    pub fn insert(&mut self, id: Id, blob: Blob) {
        self.by_id.insert(id, blob);
    }

    /// Adds the blobs of another map.
    pub fn extend(&mut self, other: &Self) {
        self.by_id.extend(other.iter().map(|(id, blob)| (*id, blob.clone())));
    }

    /// Returns the blob with this id.
    pub fn get(&self, id: &Id) -> Option<&Blob> {
        self.by_id.get(id)
    }

    /// Removes a blob and returns it.
    pub fn remove(&mut self, id: &Id) -> Option<Blob> {
        self.by_id.remove(id)
    }

    /// Returns the blobs of these ids that are in the map: the very same bytes.
    #[must_use]
    pub fn subset(&self, ids: &[Id]) -> Self {
        let found = ids.iter().filter_map(|id| Some((*id, self.by_id.get(id)?.clone())));
        Self { by_id: found.collect() }
    }

    /// Splits the blobs of a version into those that are in the map and those that are not, each once, in the order of
    /// the manifest.
    ///
    /// A blob in the map whose size is not what the manifest says counts as lacking, so that the store tells which of
    /// them is wrong.
    pub fn held_and_lacking(&self, manifest: &Manifest) -> (Vec<Id>, Vec<BlobRef>) {
        let (mut held, mut lacking, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for blob in manifest.blobs().filter(|blob| seen.insert(blob.id)) {
            match self.by_id.get(&blob.id) {
                Some(found) if blob.has_size(found.bytes.len() as u64) => held.push(blob.id),
                _ => lacking.push(blob),
            }
        }
        (held, lacking)
    }

    /// Iterates over all blobs, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Id, &Blob)> {
        self.by_id.iter()
    }

    /// Returns the blob with this id, or an error that names it.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn expect(&self, id: &Id) -> Result<&Blob> {
        self.get(id).ok_or_else(|| Error::not_found(format!("blob {}", blake3::Hash::from(*id)), "not fetched"))
    }
}

impl Manifest {
    /// Iterates over the blobs that the version consists of, each once per use.
    pub fn blobs(&self) -> impl Iterator<Item = BlobRef> + '_ {
        self.segments().flat_map(|segment| {
            let tombstones = match segment.tombstones {
                Tombstones::Blob(id) => Some(BlobRef { role: BlobRole::Tombstones, id, size: None }),
                _ => None,
            };
            let indexes = segment.artifacts.iter();
            let indexes = indexes.map(|index| BlobRef { role: BlobRole::Index, id: index.id, size: Some(index.size) });
            let own = BlobRef { role: BlobRole::Segment, id: segment.id, size: Some(segment.size) };
            std::iter::once(own).chain(tombstones).chain(indexes)
        })
    }
}
