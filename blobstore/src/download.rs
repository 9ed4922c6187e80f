//! Reads files: sealed ones into memory, blobs as maps or piece by piece.
//!
//! What may be long comes piece by piece: a transfer lasts as long as it moves, and one that breaks off goes on where
//! it stopped. What is sealed says in its first bytes how long it is, so that is looked at before the rest is read.

use std::fs::File;
use std::io::Read;

use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt};

use crate::alignment::aligned;
use crate::error::{Error, Result};
use crate::mapping;
use crate::objects::{Objects, absent};
use crate::partial::PartialBlob;
use crate::sealed_file::{HEADER_BYTES, SEALED_BYTES_MAX, check_header};

/// A file's bytes, and whether they are a map of a file of this host.
pub(crate) struct FileContents {
    pub(crate) bytes: Bytes,
    pub(crate) mapped: bool,
    /// A part of it arrived in an earlier try.
    pub(crate) resumed: bool,
}

impl Objects {
    /// Returns a whole sealed file in memory, or `None` if there is none.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        let found = match self.bounded("read", key, self.backend.get(&self.path(key))).await {
            Ok(found) => found,
            Err(error) => return absent(error),
        };
        let (name, size) = (self.name(key), found.meta.size);
        if size > SEALED_BYTES_MAX {
            let (expected, found) = (format!("at most {SEALED_BYTES_MAX} bytes"), format!("{size} bytes"));
            return Err(Error::corrupt(&name, SEALED_BYTES_MAX, expected, found));
        }
        if let GetResultPayload::File(file, path) = found.payload {
            let read =
                tokio::task::spawn_blocking(move || read_sealed(file, &name, size).map_err(|error| (error, path)));
            return match tokio::time::timeout(self.settings.timeout, read).await {
                Ok(Ok(Ok(read))) => read.map(Some),
                Ok(Ok(Err((source, path)))) => Err(Error::Io { operation: "read", path, source }),
                Ok(Err(failure)) => std::panic::resume_unwind(failure.into_panic()),
                Err(_) => {
                    let waited = self.settings.timeout;
                    Err(Error::TimedOut { operation: "read", name: self.name(key), waited })
                }
            };
        }
        let mut all = Vec::new();
        let mut pieces = found.into_stream();
        while let Some(piece) = self.moving("read", key, 0, async { pieces.next().await.transpose() }).await? {
            all.extend_from_slice(&piece);
            if let (Some(header), true) = (all.first_chunk::<HEADER_BYTES>(), all.len() - piece.len() < HEADER_BYTES) {
                check_header(&name, header, size)?;
            }
        }
        Ok(Some(Bytes::from(all)))
    }

    /// Returns the whole file, which must have this length; mapped if it is a file of this host. Aligned to words.
    pub(crate) async fn fetch(&self, key: &str, size: u64) -> Result<Option<FileContents>> {
        let mut arriving = self.run.partials.arriving(key);
        // Of another length than this: not the same content.
        if arriving.bytes.len() as u64 >= size {
            arriving.bytes.clear();
        }
        let resumed = !arriving.bytes.is_empty();
        loop {
            let start = arriving.bytes.len() as u64;
            match self.receive(key, size, &mut arriving).await {
                Ok(Some(FetchOutcome::Map(bytes))) => {
                    arriving.bytes.clear();
                    return Ok(Some(FileContents { bytes, mapped: true, resumed: false }));
                }
                Ok(Some(FetchOutcome::Whole)) => {
                    let bytes = aligned(Bytes::from(arriving.complete()));
                    return Ok(Some(FileContents { bytes, mapped: false, resumed }));
                }
                Ok(None) => return Ok(None),
                // It went on, so it may do so again.
                Err(_) if arriving.bytes.len() as u64 > start => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives what is lacking, as far as it comes.
    async fn receive(&self, key: &str, size: u64, arriving: &mut PartialBlob<'_>) -> Result<Option<FetchOutcome>> {
        let path = self.path(key);
        let start = arriving.bytes.len() as u64;
        let range = (start > 0).then_some(GetRange::Offset(start));
        let options = GetOptions { range, ..GetOptions::default() };
        let found: GetResult = match self.bounded("read", key, self.backend.get_opts(&path, options)).await {
            Ok(found) => found,
            Err(error) => return absent(error),
        };
        self.check_size(key, size, found.meta.size)?;
        if let GetResultPayload::File(file, path) = &found.payload {
            let map =
                mapping::map(file).map_err(|source| Error::Io { operation: "map", path: path.clone(), source })?;
            self.check_size(key, size, map.len() as u64)?;
            return Ok(Some(FetchOutcome::Map(map)));
        }
        if found.range.start != start {
            arriving.bytes.clear();
        }
        arriving.bytes.reserve_exact(usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(arriving.bytes.len()));
        let mut pieces = found.into_stream();
        while let Some(piece) = self.moving("read", key, 0, async { pieces.next().await.transpose() }).await? {
            arriving.bytes.extend_from_slice(&piece);
        }
        self.check_size(key, size, arriving.bytes.len() as u64)?;
        Ok(Some(FetchOutcome::Whole))
    }
}

/// Outcome of a request.
enum FetchOutcome {
    /// A map of the whole file.
    Map(Bytes),
    /// All missing bytes, in the partial blob.
    Whole,
}

/// Reads a sealed file, its header first.
fn read_sealed(mut file: File, name: &str, size: u64) -> std::io::Result<Result<Bytes>> {
    let mut header = [0; HEADER_BYTES];
    let mut all = Vec::new();
    if size >= HEADER_BYTES as u64 {
        file.read_exact(&mut header)?;
        if let Err(error) = check_header(name, &header, size) {
            return Ok(Err(error));
        }
        all.extend_from_slice(&header);
    }
    file.take(SEALED_BYTES_MAX).read_to_end(&mut all)?;
    Ok(Ok(Bytes::from(all)))
}
