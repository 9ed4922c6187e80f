//! Downloads a blob into the cache, once for all processes of the host.
//!
//! Up to one part it is one request. Above that, parts are asked for by range, several at a time, and hashed as they arrive; the
//! hashes of parts join to that of the blob.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use blake3::hazmat::ChainingValue;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use object_store::{GetOptions, GetRange, GetResult};

use super::Cache;
use super::part::{Claim, PartFile};
use super::part_hash::{PartHasher, join};
use crate::blob_id::{BlobId, BlobKind};
use crate::clock::timer_instant;
use crate::error::{Error, Result};
use crate::failure::{check_size, not_the_file};
use crate::objects::{Objects, REQUESTS_IN_FLIGHT};
use crate::one_task::blocking;

/// Bytes that arrive before they are written and hashed.
const WRITE_BYTES: usize = 1 << 20;
/// Pause before it is looked again whether another process is done; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Downloads of a blob whose hash comes out wrong.
const ATTEMPTS: usize = 2;

/// Why a part did not arrive.
enum Failure {
    /// The server sends the whole blob, whatever it is asked for.
    RangesIgnored,
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A stretch of a blob on its way.
struct Stretch {
    /// What has not arrived yet.
    rest: Range<u64>,
    hasher: PartHasher,
}

impl Objects {
    /// Returns a map of a blob that is in the cache, or is downloaded now. `None`: the process that downloads it stands still, so
    /// that it is better read past the cache.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`] for another length or content, [`Error::Io`] for a disk that is full.
    pub(crate) async fn fetch_cached(
        &self,
        cache: &Cache,
        kind: BlobKind,
        id: BlobId,
        size: u64,
    ) -> Result<Option<Bytes>> {
        let key = kind.key(id);
        let (mut pause, mut last_written) = (PAUSE, (SystemTime::UNIX_EPOCH, timer_instant()));
        loop {
            let own = cache.clone();
            match self.in_blocking_task("read", &key, move || own.claim(kind, id, size)).await? {
                Claim::AtHand(bytes) => return Ok(Some(bytes)),
                Claim::Ours(part) => return self.download(&key, id, &part).await.map(Some),
                Claim::Taken(written) if written != last_written.0 => last_written = (written, timer_instant()),
                Claim::Taken(_) if last_written.1.elapsed() > self.settings.timeout => return Ok(None),
                Claim::Taken(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Downloads what is lacking. What arrived earlier may be what is wrong, so a blob that is is downloaded once more.
    async fn download(&self, key: &str, id: BlobId, part: &PartFile) -> Result<Bytes> {
        let mut found = id;
        for _ in 0..ATTEMPTS {
            let own = part.clone();
            match self.receive_all(key, part).await {
                Ok(hash) if hash == id => return blocking(move || own.complete()).await,
                Ok(hash) => {
                    found = hash;
                    blocking(move || own.reset()).await?;
                }
                Err(error) => {
                    // The first error is the one to tell.
                    _ = blocking(move || own.discard_empty()).await;
                    return Err(error);
                }
            }
        }
        let own = part.clone();
        blocking(move || own.discard()).await?;
        Err(Error::corrupt(&self.name(key), 0, format!("hash {id}"), format!("hash {found}")))
    }

    /// Receives all parts that have not arrived, and returns the hash of the blob. After a failure those that have begun go on to
    /// their end, so that they need not be asked for again.
    async fn receive_all(&self, key: &str, part: &PartFile) -> Result<BlobId> {
        let own = part.clone();
        let arrived = blocking(move || own.arrived()).await?;
        let mut waiting = arrived.into_iter().enumerate();
        let mut received = FuturesUnordered::new();
        let mut hashes = vec![ChainingValue::default(); part.parts()];
        let mut failed: Option<Error> = None;
        loop {
            while failed.is_none() && received.len() < REQUESTS_IN_FLIGHT {
                let Some((index, has_arrived)) = waiting.next() else { break };
                received.push(self.part(key, part, index, has_arrived));
            }
            match received.next().await {
                Some(Ok((index, hash))) => hashes[index] = hash,
                Some(Err(Failure::RangesIgnored)) => break,
                Some(Err(Failure::Failed(error))) => _ = failed.get_or_insert(error),
                None => return failed.map_or_else(|| Ok(join(&hashes)), Err),
            }
        }
        drop(received);
        self.receive_whole(key, part).await
    }

    /// Hashes a part that has arrived, or receives it.
    async fn part(
        &self,
        key: &str,
        part: &PartFile,
        index: usize,
        has_arrived: bool,
    ) -> std::result::Result<(usize, ChainingValue), Failure> {
        let own = part.clone();
        if has_arrived {
            return Ok((index, blocking(move || own.hash(index)).await?));
        }
        // The semaphore is never closed.
        let _permit = part.cache().inner.requests.acquire().await;
        let mut stretch = Stretch { rest: part.range(index), hasher: part.hasher(index) };
        loop {
            let rest = stretch.rest.clone();
            match self.receive_stretch(key, part, &mut stretch).await {
                Ok(()) => break,
                // A disk that is full stays so.
                Err(Failure::Failed(error @ Error::Io { .. })) => return Err(error.into()),
                // It went on, so it may do so again.
                Err(Failure::Failed(_)) if stretch.rest.start > rest.start => {}
                Err(failure) => return Err(failure),
            }
        }
        let hash = stretch.hasher.finish();
        blocking(move || own.mark(index)).await?;
        Ok((index, hash))
    }

    /// Receives what is lacking of a stretch, as far as it comes.
    async fn receive_stretch(
        &self,
        key: &str,
        part: &PartFile,
        stretch: &mut Stretch,
    ) -> std::result::Result<(), Failure> {
        let (rest, size) = (stretch.rest.clone(), part.size());
        let is_whole = rest == (0..size);
        let range = (!is_whole).then(|| GetRange::Bounded(rest.clone()));
        let found = match self.get(key, range).await {
            Ok(None) => return Err(Failure::RangesIgnored),
            Ok(Some(found)) => found,
            Err(error @ Error::Backend { .. }) if !is_whole => {
                return Err(self.of_length(key, size, error).await.into());
            }
            Err(error) => return Err(error.into()),
        };
        self.check_size_of(key, size, &found)?;
        if found.range != rest {
            return Err(Failure::RangesIgnored);
        }
        let mut pieces = found.into_stream();
        let (mut arrived, mut arrived_bytes) = (Vec::new(), 0);
        loop {
            let piece = self.moving("read", key, 0, async { pieces.next().await.transpose() }).await;
            let is_more = matches!(piece, Ok(Some(_)));
            let ended = piece.map(|piece| {
                let piece = piece.unwrap_or_default();
                self.run.progress.received(piece.len());
                arrived_bytes += piece.len();
                arrived.push(piece);
            });
            if !is_more || arrived_bytes >= WRITE_BYTES {
                let end = stretch.rest.start + arrived_bytes as u64;
                if end > rest.end {
                    check_size(&self.name(key), rest.end, end)?;
                }
                stretch.write(part, std::mem::take(&mut arrived)).await?;
                arrived_bytes = 0;
            }
            ended?;
            if !is_more {
                return Ok(check_size(&self.name(key), rest.end, stretch.rest.start)?);
            }
        }
    }

    /// Receives a blob from its beginning to its end, from a server that knows no ranges.
    async fn receive_whole(&self, key: &str, part: &PartFile) -> Result<BlobId> {
        let _permit = part.cache().inner.requests.acquire().await;
        let mut furthest = 0;
        loop {
            let mut hashes = Vec::new();
            let mut arrived = 0;
            match self.receive_parts(key, part, &mut hashes, &mut arrived).await {
                Ok(()) => return Ok(join(&hashes)),
                Err(_) if arrived > furthest => furthest = arrived,
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives all parts by one request.
    async fn receive_parts(
        &self,
        key: &str,
        part: &PartFile,
        hashes: &mut Vec<ChainingValue>,
        arrived: &mut u64,
    ) -> Result<()> {
        let Some(found) = self.get(key, None).await? else { return Err(Error::NotFound { name: self.name(key) }) };
        self.check_size_of(key, part.size(), &found)?;
        let mut pieces = found.into_stream();
        let mut piece = Bytes::new();
        for index in 0..part.parts() {
            let mut stretch = Stretch { rest: part.range(index), hasher: part.hasher(index) };
            while !stretch.rest.is_empty() {
                if piece.is_empty() {
                    let next = self.moving("read", key, 0, async { pieces.next().await.transpose() }).await?;
                    self.run.progress.received(next.as_ref().map_or(0, Bytes::len));
                    piece = next.ok_or_else(|| {
                        Error::corrupt(
                            &self.name(key),
                            *arrived,
                            format!("{} bytes", part.size()),
                            format!("{arrived} bytes"),
                        )
                    })?;
                }
                let wanted = usize::try_from(stretch.rest.end - stretch.rest.start).unwrap_or(usize::MAX);
                let some = piece.split_to(piece.len().min(wanted));
                *arrived += some.len() as u64;
                stretch.write(part, vec![some]).await?;
            }
            hashes.push(stretch.hasher.finish());
            let own = part.clone();
            blocking(move || own.mark(index)).await?;
        }
        Ok(())
    }

    fn check_size_of(&self, key: &str, size: u64, found: &GetResult) -> Result<()> {
        let name = self.name(key);
        check_size(&name, size, found.meta.size).map_err(|error| not_the_file(error, &name, &found.attributes))
    }

    /// Returns why a range was refused: a blob that is shorter than it should be has not all of them.
    async fn of_length(&self, key: &str, size: u64, error: Error) -> Error {
        match self.look(key).await {
            Ok(Some(found)) => check_size(&self.name(key), size, found.size).err().unwrap_or(error),
            _ => error,
        }
    }

    /// Asks for a file or a range of it; `None` if the server knows no ranges.
    async fn get(&self, key: &str, range: Option<GetRange>) -> Result<Option<GetResult>> {
        let (path, options) = (self.path(key), GetOptions { range, ..GetOptions::default() });
        let is_range = options.range.is_some();
        let reply = async {
            match self.backend.get_opts(&path, options).await {
                Err(error) if is_range && ignores_ranges(&error) => Ok(None),
                found => found.map(Some),
            }
        };
        self.bounded("read", key, reply).await
    }
}

impl Stretch {
    /// Writes and hashes the next bytes.
    async fn write(&mut self, part: &PartFile, pieces: Vec<Bytes>) -> Result<()> {
        let (part, start, is_whole) = (part.clone(), self.rest.start, part.parts() == 1);
        let mut hasher = std::mem::replace(&mut self.hasher, PartHasher::new(0, is_whole));
        let work = move || {
            let mut at = start;
            for piece in pieces {
                part.write(at, &piece)?;
                hasher.update(&piece);
                at += piece.len() as u64;
            }
            Ok::<_, Error>((hasher, at))
        };
        (self.hasher, self.rest.start) = blocking(work).await?;
        Ok(())
    }
}

/// Returns whether the server answered with the whole object in place of the range: `object_store` has an error for it that
/// only its text tells.
fn ignores_ranges(source: &object_store::Error) -> bool {
    matches!(source, object_store::Error::NotSupported { .. }) || format!("{source:?}").contains("NotPartial")
}
