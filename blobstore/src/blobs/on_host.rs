//! Reads and keeps the copies of blobs that this host has in its cache.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::manifest::{Blob, BlobRef, Id};
use tracing::warn;

use super::Blobs;
use crate::blob_id::{BlobId, BlobKind};
use crate::error::Result;
use crate::one_task::blocking;

impl Blobs<'_> {
    /// Returns those of the blobs that are in the cache of this host, mapped; none without a cache. No request is made.
    ///
    /// What cannot be read is left out: [`get`](Self::get) tells why.
    pub async fn on_host(self, wanted: Vec<BlobRef>) -> Vec<(Id, Blob)> {
        let Some(cache) = self.objects.cache.clone() else { return Vec::new() };
        let found = blocking(move || {
            let at_hand = |blob: BlobRef| {
                let bytes = cache.at_hand(blob.role.into(), blob.id.into(), blob.size).ok()??;
                Some((blob, bytes))
            };
            wanted.into_iter().filter_map(at_hand).collect::<Vec<_>>()
        });
        let name = |blob: BlobRef| Arc::from(self.name(blob.role.into(), blob.id.into()));
        found.await.into_iter().map(|(blob, bytes)| (blob.id, Blob { name: name(blob), bytes })).collect()
    }

    /// Keeps a blob that this process has made in the cache of this host, and returns the map of the file, or the same bytes if
    /// there is no cache, or no room in it. `id` must be the id of `bytes`.
    ///
    /// Nothing is stored: for what every process of the host would make or download otherwise.
    pub async fn keep(self, kind: BlobKind, id: BlobId, bytes: Bytes) -> Bytes {
        let Some(cache) = self.objects.cache.clone() else { return bytes };
        blocking(move || match cache.insert(kind, id, &bytes) {
            Ok(kept) => kept.unwrap_or(bytes),
            Err(error) => {
                warn!(%error, "a blob is not kept in the cache");
                bytes
            }
        })
        .await
    }

    /// Removes a blob whose bytes were found to be wrong from the cache of this host, so that it is downloaded again.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub async fn discard_on_host(self, id: BlobId) -> Result<()> {
        let Some(cache) = self.objects.cache.clone() else { return Ok(()) };
        blocking(move || cache.discard(id)).await
    }

    pub(super) async fn found_on_host(self, kind: BlobKind, id: BlobId, size: Option<u64>) -> Result<Option<Bytes>> {
        let Some(cache) = self.objects.cache.clone() else { return Ok(None) };
        let work = move || cache.at_hand(kind, id, size);
        self.objects.in_blocking_task("read", &kind.key(id), work).await
    }
}
