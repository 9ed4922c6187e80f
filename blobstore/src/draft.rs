//! Memory that a blob is made in: of the file that becomes the blob, where the store is a folder, or its copy in the cache of this host.
//!
//! The file lies beside the places of blobs, with a name that [`gc`](crate::Store::gc) knows as an orphan's, and a cache as that of
//! a blob on its way. All of its space is there before it is mapped, and is written by calls: a full disk is an error then, and
//! never ends the program while the draft is filled. These calls also bring the file into memory by large folios, which readers
//! map by entries of 2 MiB. A put flushes the file and moves it to its place, so the bytes are never copied; one of a remote store
//! uploads them from the map meanwhile.

use std::path::Path;

use bytes::Bytes;
use tracing::warn;

use crate::blob_id::{BlobId, BlobKind};
use crate::blobs::{Blobs, PutOutcome};
use crate::error::{Error, Result};
use crate::failure::check_size;
use crate::location::create_folder;
use crate::mapping::WritableMap;
use crate::one_task::blocking;

mod file;

pub(crate) use file::DraftFile;

/// Blobs of fewer bytes are made on the heap: to map a file costs more than to copy them.
const FILE_BYTES_MIN: usize = 1 << 20;

/// Memory of a blob that is being made: all zero at first. From [`Blobs::draft`].
///
/// What is dropped before it is [put](Blobs::put_draft) leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    memory: Memory,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    File { map: WritableMap, file: DraftFile },
}

/// A blob that is made and may be read, and not put yet. From [`Draft::finish`], or of any bytes.
#[derive(Debug)]
pub struct FinishedDraft {
    bytes: Bytes,
    file: Option<DraftFile>,
}

impl Draft {
    /// Ends the writing.
    ///
    /// # Errors
    /// Those of the operating system, if the memory cannot be protected.
    pub fn finish(self) -> Result<FinishedDraft> {
        match self.memory {
            Memory::Heap(bytes) => Ok(FinishedDraft::from(Bytes::from(bytes))),
            Memory::File { map, file } => {
                let bytes = map.into_bytes().map_err(|source| file.failed("map", source))?;
                Ok(FinishedDraft { bytes, file: Some(file) })
            }
        }
    }
}

impl AsRef<[u8]> for Draft {
    fn as_ref(&self) -> &[u8] {
        match &self.memory {
            Memory::Heap(bytes) => bytes,
            Memory::File { map, .. } => map.as_ref(),
        }
    }
}

impl AsMut<[u8]> for Draft {
    fn as_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Heap(bytes) => bytes,
            Memory::File { map, .. } => map.as_mut(),
        }
    }
}

impl FinishedDraft {
    /// Returns the blob. The bytes stay readable when the draft is put, and when it is dropped.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl From<Bytes> for FinishedDraft {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, file: None }
    }
}

impl Blobs<'_> {
    /// Returns memory to make a blob of this many bytes in. Waits for the disk, so it is for a thread that may.
    ///
    /// In a folder on a file system that is known to write in place, the memory of a large blob is that of a file of the store,
    /// whose space is there. With a cache it is that of a file of the cache. Elsewhere, and if the cache has no room, it is on
    /// the heap.
    ///
    /// # Errors
    /// Those of a folder's file system, above all that it is full.
    pub fn draft(self, kind: BlobKind, len: usize) -> Result<Draft> {
        if len >= FILE_BYTES_MIN
            && let Some((file, map)) = self.draft_file(kind, len)?
        {
            return Ok(Draft { memory: Memory::File { map, file } });
        }
        Ok(Draft { memory: Memory::Heap(vec![0; len]) })
    }

    fn draft_file(self, kind: BlobKind, len: usize) -> Result<Option<(DraftFile, WritableMap)>> {
        if let Some(folder) = self.objects.place(kind.folder()) {
            return file_in(&folder, len);
        }
        let Some(cache) = &self.objects.cache else { return Ok(None) };
        Ok(cache.draft(kind, len).unwrap_or_else(|error| {
            warn!(%error, "a blob is made on the heap, and not in the cache");
            None
        }))
    }

    /// Puts a blob that was made in a draft, as [`put`](Self::put) does. `id` must be the id of its bytes.
    ///
    /// If it was there already, the draft may still be put by [`replace_by_draft`](Self::replace_by_draft).
    pub async fn put_draft(self, kind: BlobKind, id: BlobId, draft: &mut FinishedDraft) -> Result<PutOutcome> {
        debug_assert_eq!(id, BlobId::of(&draft.bytes), "a blob is named by its hash");
        if self.has(kind, id, draft.bytes.len() as u64).await? {
            if self.objects.cache.is_some() {
                self.keep_draft(kind, id, draft).await;
            }
            return Ok(PutOutcome::AlreadyThere);
        }
        self.replace_by_draft(kind, id, draft).await?;
        Ok(PutOutcome::Written)
    }

    /// Puts a blob that was made in a draft, and overwrites a damaged one.
    ///
    /// With a cache its copy is kept there, too, and so not downloaded again by [`get`](Self::get). Of what a store that is no folder
    /// has then, the length is compared.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn replace_by_draft(self, kind: BlobKind, id: BlobId, draft: &mut FinishedDraft) -> Result<()> {
        let (key, size) = (kind.key(id), draft.bytes.len() as u64);
        let Some(place) = self.objects.place(&key) else {
            let put = self.objects.put(&key, draft.bytes.clone());
            let (put, ()) = tokio::join!(put, self.keep_draft(kind, id, draft));
            put?;
            let name = self.objects.name(&key);
            let Some(found) = self.objects.look(&key).await? else { return Err(Error::NotFound { name }) };
            return check_size(&name, size, found.size);
        };
        match draft.file.take() {
            Some(file) => self.objects.moving("write", &key, size, blocking(move || file.move_to(&place))).await,
            None => self.objects.put(&key, draft.bytes.clone()).await,
        }
    }

    /// Keeps the blob of a draft in the cache of this host, if there is one.
    async fn keep_draft(self, kind: BlobKind, id: BlobId, draft: &mut FinishedDraft) {
        match (draft.file.take(), self.objects.cache.clone()) {
            (Some(file), Some(cache)) => {
                let len = draft.bytes.len();
                if let Err(error) = blocking(move || cache.adopt(kind, id, file, len)).await {
                    warn!(%error, "a blob is not kept in the cache");
                }
            }
            _ => _ = self.keep(kind, id, draft.bytes.clone()).await,
        }
    }
}

/// Makes the file of a draft in a folder of the store.
fn file_in(folder: &Path, len: usize) -> Result<Option<(DraftFile, WritableMap)>> {
    create_folder(folder)?;
    let Some(file) = DraftFile::create(folder)? else { return Ok(None) };
    file.allocate(len).map_err(|source| file.failed("write", source))?;
    let map = file.map(len)?;
    Ok(Some((file, map)))
}
