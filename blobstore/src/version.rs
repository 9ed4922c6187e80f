//! How does a whole version come out of a store?
//!
//! By its manifest, and then by whichever of its blobs the caller lacks: the first load, the next version and the way
//! back are the same call.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kapok_core::blobs::{Blob, BlobRef, BlobRole, Blobs};
use kapok_core::manifest::{Id, Manifest};

use crate::blob::{BlobId, BlobKind};
use crate::error::{Error, Result};
use crate::numbered::{MANIFESTS, key};
use crate::sealed::HEADER_BYTES;
use crate::store::Store;
use crate::versions::CommitOutcome;

/// How many blobs are on their way at once.
const FETCHES_IN_FLIGHT: usize = 8;

impl From<BlobRole> for BlobKind {
    fn from(role: BlobRole) -> Self {
        match role {
            BlobRole::Segment => Self::Segment,
            BlobRole::Index => Self::Index,
            BlobRole::Tombstones => Self::Tombstones,
        }
    }
}

impl Store {
    /// The manifest of a version, decoded.
    ///
    /// # Errors
    /// Those of [`manifest`](Self::manifest); [`Error::Manifest`] for one that cannot be read or needs a newer release,
    /// [`Error::Corrupt`] for one of another version than its name says.
    pub async fn read_manifest(&self, version: u64) -> Result<Manifest> {
        let payload = self.manifest(version).await?;
        let name = self.objects.name(&key(MANIFESTS, version));
        let manifest = Manifest::decode(&name, &payload)?;
        if manifest.version != version {
            let (expected, found) = (format!("version {version}"), format!("version {}", manifest.version));
            return Err(Error::corrupt(&name, HEADER_BYTES as u64, expected, found));
        }
        Ok(manifest)
    }

    /// Commits a version by its manifest; see [`commit`](Self::commit).
    ///
    /// # Errors
    /// Those of [`commit`](Self::commit), and [`Error::Manifest`] for a manifest that cannot be encoded.
    pub async fn commit_manifest(&self, manifest: &Manifest) -> Result<CommitOutcome> {
        self.commit(manifest.version, &manifest.encode()?, manifest.writer_token).await
    }

    /// The blobs of a version: those that the caller has as they are, the others fetched, several at a time.
    ///
    /// The result holds the version's blobs and no more, so what else the caller had is let go with `have`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), for the first blob that fails.
    pub async fn load(&self, manifest: &Manifest, have: &Blobs) -> Result<Blobs> {
        let mut blobs = Blobs::new();
        let mut lacking = HashMap::new();
        for blob in manifest.blobs() {
            match have.get(&blob.id).filter(|held| blob.bytes.is_none_or(|bytes| bytes == held.bytes.len() as u64)) {
                Some(held) => blobs.insert(blob.id, held.clone()),
                None => drop(lacking.insert(blob.id, blob)),
            }
        }
        for (id, blob) in self.fetch(lacking.into_values()).await? {
            blobs.insert(id, blob);
        }
        Ok(blobs)
    }

    /// Gets blobs, several at a time, in any order: maps of the store's own files where there are such.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), for the first blob that fails.
    pub async fn fetch(&self, wanted: impl IntoIterator<Item = BlobRef>) -> Result<Vec<(Id, Blob)>> {
        let fetches: Vec<_> = wanted.into_iter().map(|blob| self.fetch_one(blob)).collect();
        futures::stream::iter(fetches).buffer_unordered(FETCHES_IN_FLIGHT).try_collect().await
    }

    async fn fetch_one(&self, wanted: BlobRef) -> Result<(Id, Blob)> {
        let (kind, id) = (BlobKind::from(wanted.role), BlobId::from(wanted.id));
        let name = self.blob_name(kind, id);
        let bytes = match wanted.bytes {
            Some(bytes) => bytes,
            None => self.contains(kind, id).await?.ok_or_else(|| Error::NotFound { name: name.clone() })?,
        };
        let bytes = self.get(kind, id, bytes).await?;
        Ok((wanted.id, Blob { name: Arc::from(name), bytes }))
    }
}
