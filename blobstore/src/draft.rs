//! Memory that a blob is made in: of the file that becomes the blob, where the store is a folder.
//!
//! A draft of a folder is a file beside the places of blobs, with a name that [`gc`](crate::Store::gc) knows as an orphan's. All
//! of its space is there before it is mapped, and is written by calls: a full disk is an error then, and never ends the
//! program while the draft is filled. These calls also bring the file into memory by large folios, which readers map by
//! entries of 2 MiB. A put flushes the file and moves it to its place, so the bytes are never copied.

use bytes::Bytes;

use crate::blob_id::{BlobId, BlobKind};
use crate::blobs::{Blobs, PutOutcome};
use crate::error::Result;
use crate::mapping::WritableMap;

mod file;

use file::DraftFile;

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
    /// whose space is there. Elsewhere it is on the heap.
    ///
    /// # Errors
    /// Those of the file system, above all that it is full.
    pub fn draft(self, kind: BlobKind, len: usize) -> Result<Draft> {
        let folder = self.objects.place(kind.folder()).filter(|_| len >= FILE_BYTES_MIN);
        if let Some(folder) = folder
            && let Some((file, map)) = DraftFile::create(&folder, len)?
        {
            return Ok(Draft { memory: Memory::File { map, file } });
        }
        Ok(Draft { memory: Memory::Heap(vec![0; len]) })
    }

    /// Puts a blob that was made in a draft, as [`put`](Self::put) does. `id` must be the id of its bytes.
    ///
    /// If it was there already, the draft may still be put by [`replace_by_draft`](Self::replace_by_draft).
    pub async fn put_draft(self, kind: BlobKind, id: BlobId, draft: &mut FinishedDraft) -> Result<PutOutcome> {
        if draft.file.is_none() {
            return self.put(kind, id, draft.bytes.clone()).await;
        }
        debug_assert_eq!(id, BlobId::of(&draft.bytes), "a blob is named by its hash");
        if self.has(kind, id, draft.bytes.len() as u64).await? {
            return Ok(PutOutcome::AlreadyThere);
        }
        self.replace_by_draft(kind, id, draft).await?;
        Ok(PutOutcome::Written)
    }

    /// Puts a blob that was made in a draft, and overwrites a damaged one, as [`replace`](Self::replace) does.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn replace_by_draft(self, kind: BlobKind, id: BlobId, draft: &mut FinishedDraft) -> Result<()> {
        let key = kind.key(id);
        match (draft.file.take(), self.objects.place(&key)) {
            (Some(file), Some(place)) => {
                let moved = crate::one_task::blocking(move || file.move_to(&place));
                self.objects.moving("write", &key, draft.bytes.len() as u64, moved).await
            }
            _ => self.replace(kind, id, draft.bytes.clone()).await,
        }
    }
}
