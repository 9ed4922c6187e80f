//! Puts, reads, lists and deletes blobs.

use bytes::Bytes;

use crate::blob_id::{BlobEntry, BlobId, BlobKind};
use crate::clock::now_unix_ms;
use crate::draft::FinishedDraft;
use crate::error::{Error, Result};
use crate::objects::Objects;

mod fetch;
mod on_host;

/// Hashing less than this is not worth a thread.
const HASH_HERE_BYTES: usize = 1 << 20;

/// The outcome of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The blob was written.
    Written,
    /// The blob was there, complete and young enough that retention leaves it alone.
    AlreadyThere,
}

/// The blobs of a store, from [`Store::blobs`](crate::Store::blobs).
#[derive(Debug, Clone, Copy)]
pub struct Blobs<'s> {
    pub(crate) objects: &'s Objects,
}

impl Blobs<'_> {
    /// Puts a blob. When this returns, it is whole and durable under its id, or not there at all.
    ///
    /// A blob that is there with the same length is not written again, unless it is older than half the grace period:
    /// retention may be about to delete it, so it is put again. The age is that which the backend tells; S3 counts it from the
    /// beginning of an upload in parts. `id` must be the id of `bytes`.
    pub async fn put(self, kind: BlobKind, id: BlobId, bytes: Bytes) -> Result<PutOutcome> {
        self.put_draft(kind, id, &mut FinishedDraft::from(bytes)).await
    }

    /// Returns whether a blob is there, with this length and young enough.
    pub(crate) async fn has(self, kind: BlobKind, id: BlobId, size: u64) -> Result<bool> {
        let found = match self.objects.look(&kind.key(id)).await {
            // To whom has no right to list, that may mean that it is not there. To put it once more does no harm.
            Err(Error::Denied { .. }) => None,
            found => found?,
        };
        Ok(found.is_some_and(|found| {
            let age_ms = now_unix_ms().saturating_sub(found.modified_unix_ms);
            let half_grace_ms = i64::try_from((self.objects.settings.grace / 2).as_millis()).unwrap_or(i64::MAX);
            found.size == size && age_ms < half_grace_ms
        }))
    }

    /// Puts a blob, and overwrites a damaged one, as [`replace_by_draft`](Self::replace_by_draft) does.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn replace(self, kind: BlobKind, id: BlobId, bytes: Bytes) -> Result<()> {
        debug_assert_eq!(id, BlobId::of(&bytes), "a blob is named by its hash");
        self.replace_by_draft(kind, id, &mut FinishedDraft::from(bytes)).await
    }

    /// Returns the contents of a blob of `size` bytes.
    ///
    /// In a folder that is a map of the store's own file. From elsewhere the bytes are downloaded and checked against the id: into
    /// the [cache](crate::Store::cache) if there is one, of which that is a map then, else into the memory of this process.
    ///
    /// The bytes start at a multiple of 64. A mapped blob was hashed when it was written; only its length is
    /// checked here. [`Files::check`](crate::Files::check) hashes it again.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Corrupt`] for another length or content.
    pub async fn get(self, kind: BlobKind, id: BlobId, size: u64) -> Result<Bytes> {
        if let Some(cache) = &self.objects.cache
            && let Some(bytes) = self.objects.fetch_cached(cache, kind, id, size).await?
        {
            return Ok(bytes);
        }
        let key = kind.key(id);
        loop {
            let fetched = self.objects.fetch(&key, size).await?;
            let fetched = fetched.ok_or_else(|| Error::NotFound { name: self.objects.name(&key) })?;
            if fetched.mapped {
                return Ok(fetched.bytes);
            }
            match check_hash(&self.objects.name(&key), id, fetched.bytes.clone()).await {
                Ok(()) => return Ok(fetched.bytes),
                // What arrived earlier may be what is wrong: once more, from the beginning.
                Err(_) if fetched.resumed => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the size of a blob in bytes, or `None` if there is none.
    pub async fn size(self, kind: BlobKind, id: BlobId) -> Result<Option<u64>> {
        Ok(self.objects.look(&kind.key(id)).await?.map(|found| found.size))
    }

    /// Returns what people call a blob: the path of its file in a folder, its location and key elsewhere.
    pub fn name(self, kind: BlobKind, id: BlobId) -> String {
        self.objects.name(&kind.key(id))
    }

    /// Deletes a blob; one that is not there is deleted already. Maps of it stay readable.
    pub async fn delete(self, kind: BlobKind, id: BlobId) -> Result<()> {
        self.objects.delete(&kind.key(id)).await
    }

    /// Lists the blobs of a kind, in the order of their ids. Foreign files of the folder are left out.
    pub async fn list(self, kind: BlobKind) -> Result<Vec<BlobEntry>> {
        let listed = self.objects.list(Some(kind.folder())).await?;
        Ok(listed
            .into_iter()
            .filter_map(|file| {
                Some(BlobEntry {
                    id: blob_of(kind, &file.key)?,
                    size: file.size,
                    modified_unix_ms: file.modified_unix_ms,
                })
            })
            .collect())
    }
}

/// Returns the id of a file of the kind's folder, or `None` for a foreign file.
pub(crate) fn blob_of(kind: BlobKind, key: &str) -> Option<BlobId> {
    key.strip_prefix(kind.folder())?.strip_prefix('/')?.parse().ok()
}

/// Refuses bytes that are not those of the id.
pub(crate) async fn check_hash(name: &str, id: BlobId, bytes: Bytes) -> Result<()> {
    let found = if bytes.len() < HASH_HERE_BYTES {
        BlobId::of(&bytes)
    } else {
        match tokio::task::spawn_blocking(move || BlobId::of(&bytes)).await {
            Ok(found) => found,
            Err(failure) => std::panic::resume_unwind(failure.into_panic()),
        }
    };
    if found == id { Ok(()) } else { Err(Error::corrupt(name, 0, format!("hash {id}"), format!("hash {found}"))) }
}
