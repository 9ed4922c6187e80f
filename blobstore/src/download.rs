//! Reads files: sealed ones into memory, blobs as maps or piece by piece.
//!
//! What may be long comes piece by piece: a transfer lasts as long as it moves, and one that breaks off goes on where
//! it stopped. What is sealed says in its first bytes how long it is, so that is looked at before the rest is read.

use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};
use crate::failure::{absent, check_size, not_the_file};
use crate::local_file;
use crate::mapping;
use crate::objects::Objects;
use crate::partial::PartialBlob;
use crate::sealed_file::{HEADER_BYTES, check_header};

/// A file's bytes, and whether they are a map of a file of this host.
pub(crate) struct FileContents {
    pub(crate) bytes: Bytes,
    pub(crate) mapped: bool,
    /// A part of it arrived in an earlier try.
    pub(crate) resumed: bool,
}

impl Objects {
    /// Returns a whole sealed file in memory, or `None` if there is none. In a folder it is opened and read in one go.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        if let Some(place) = self.place(key) {
            let name = self.name(key);
            return self.in_blocking_task("read", key, move || local_file::read_sealed(&place, &name)).await;
        }
        let found = match self.bounded("read", key, self.backend.get(&self.path(key))).await {
            Ok(found) => found,
            Err(error) => return absent(error),
        };
        let (name, size, attributes) = (self.name(key), found.meta.size, found.attributes.clone());
        local_file::check_sealed_size(&name, size)?;
        if let GetResultPayload::File(file, path) = found.payload {
            let work = move || {
                let read = local_file::read_whole(file, &name, size);
                read.unwrap_or_else(|source| Err(Error::Io { operation: "read", path, source })).map(Some)
            };
            return self.in_blocking_task("read", key, work).await;
        }
        let mut all = Vec::new();
        let mut pieces = found.into_stream();
        while let Some(piece) = self.moving("read", key, 0, async { pieces.next().await.transpose() }).await? {
            all.extend_from_slice(&piece);
            if let (Some(header), true) = (all.first_chunk::<HEADER_BYTES>(), all.len() - piece.len() < HEADER_BYTES) {
                check_header(&name, header, size).map_err(|error| not_the_file(error, &name, &attributes))?;
            }
        }
        Ok(Some(Bytes::from(all)))
    }

    /// Returns the whole file, which must have this length; mapped if it is a file of this host. It begins at a
    /// multiple of 64.
    pub(crate) async fn fetch(&self, key: &str, size: u64) -> Result<Option<FileContents>> {
        if let Some(place) = self.place(key) {
            let name = self.name(key);
            let work = move || local_file::map(&place, &name, |found| check_size(&name, size, found));
            let map = self.in_blocking_task("read", key, work).await?;
            return Ok(map.map(|bytes| FileContents { bytes, mapped: true, resumed: false }));
        }
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
                    let bytes = Bytes::from(arriving.complete().freeze());
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
        check_size(&self.name(key), size, found.meta.size)
            .map_err(|error| not_the_file(error, &self.name(key), &found.attributes))?;
        if let GetResultPayload::File(file, path) = &found.payload {
            let failed = |source| Error::Io { operation: "map", path: path.clone(), source };
            // The backend may not be ours, and a map beyond the end of a file ends the process.
            check_size(&self.name(key), size, file.metadata().map_err(failed)?.len())?;
            return Ok(Some(FetchOutcome::Map(mapping::map(file, size).map_err(failed)?)));
        }
        if found.range.start != start {
            arriving.bytes.clear();
        }
        arriving.bytes.reserve_total(usize::try_from(size).unwrap_or(usize::MAX));
        let mut pieces = found.into_stream();
        while let Some(piece) = self.moving("read", key, 0, async { pieces.next().await.transpose() }).await? {
            self.run.progress.received(piece.len());
            arriving.bytes.extend_from_slice(&piece);
        }
        check_size(&self.name(key), size, arriving.bytes.len() as u64)?;
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
