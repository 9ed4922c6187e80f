//! Commits, reads, lists and retires the manifests of versions.

use std::pin::pin;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use kapok_core::manifest::Manifest;

use crate::announcements::Announcements;
use crate::error::{Error, ErrorKind, Result};
use crate::last_number::last_number;
use crate::numbered::{MANIFESTS, key, number};
use crate::objects::{CreateOutcome, ObjectEntry, Objects, REQUESTS_IN_FLIGHT};
use crate::sealed_file::{HEADER_BYTES, SEALED_BYTES_MAX, SealedKind, open_sealed, seal};
use crate::token::Token;

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The version is ours.
    Committed,
    /// Somebody else has the number: read the head and decide again.
    Lost,
}

/// A version whose manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableVersion {
    /// Its number.
    pub version: u64,
    /// [`ErrorKind::Incompatible`] if a newer release can read it.
    pub kind: ErrorKind,
    /// What is wrong with its manifest, with the file's name.
    pub reason: String,
}

/// The manifests of a store, one for each version, from [`Store::manifests`](crate::Store::manifests).
#[derive(Debug, Clone, Copy)]
pub struct Manifests<'s> {
    pub(crate) objects: &'s Objects,
}

impl Manifests<'_> {
    /// Reads the manifest of a version.
    ///
    /// # Errors
    /// Those of [`read_bytes`](Self::read_bytes); [`Error::Manifest`] for one that cannot be read or needs a newer
    /// release, [`Error::Corrupt`] for one of another version than its name says.
    pub async fn read(self, version: u64) -> Result<Manifest> {
        let payload = self.read_bytes(version).await?;
        let name = self.objects.name(&key(MANIFESTS, version));
        let manifest = Manifest::decode(&name, &payload)?;
        if manifest.version != version {
            let (expected, found) = (format!("version {version}"), format!("version {}", manifest.version));
            return Err(Error::corrupt(&name, HEADER_BYTES as u64, expected, found));
        }
        Ok(manifest)
    }

    /// Reads the manifests of these versions, in order, and returns those that cannot be read. Retired ones are left
    /// out.
    ///
    /// # Errors
    /// Where the store fails: then it is not known whether they can be read.
    pub async fn read_all(self, versions: &[u64]) -> Result<(Vec<Manifest>, Vec<UnreadableVersion>)> {
        let mut read = pin!(self.each(versions));
        let (mut manifests, mut unreadable) = (Vec::new(), Vec::new());
        while let Some((_, manifest)) = read.try_next().await? {
            match manifest {
                Ok(manifest) => manifests.push(manifest),
                Err(it) => unreadable.push(it),
            }
        }
        Ok((manifests, unreadable))
    }

    /// Reads the same one after the other, several requests at a time.
    pub(crate) fn each(
        self,
        versions: &[u64],
    ) -> impl Stream<Item = Result<(u64, Result<Manifest, UnreadableVersion>)>> {
        let reads: Vec<_> = versions.iter().map(|&version| self.try_read(version)).collect();
        futures::stream::iter(reads).buffered(REQUESTS_IN_FLIGHT).try_filter_map(|found| async move { Ok(found) })
    }

    async fn try_read(self, version: u64) -> Result<Option<(u64, Result<Manifest, UnreadableVersion>)>> {
        match self.read(version).await {
            Ok(manifest) => Ok(Some((version, Ok(manifest)))),
            Err(Error::Retired { .. }) => Ok(None),
            Err(error) => match error.kind() {
                kind @ (ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::Invalid | ErrorKind::NotFound) => {
                    Ok(Some((version, Err(UnreadableVersion { version, kind, reason: error.to_string() }))))
                }
                _ => Err(error),
            },
        }
    }

    /// Commits a version by its manifest; see [`commit_bytes`](Self::commit_bytes).
    ///
    /// # Errors
    /// Those of [`commit_bytes`](Self::commit_bytes), and [`Error::Manifest`] for a manifest that cannot be encoded.
    pub async fn commit(self, manifest: &Manifest) -> Result<CommitOutcome> {
        self.commit_bytes(manifest.version, &manifest.encode()?, manifest.writer_token).await
    }

    /// Encodes a manifest to be [committed](Self::commit_bytes), and decodes it as every reader will: from the sealed
    /// file, within the limits that every reader has.
    ///
    /// # Errors
    /// [`Error::Manifest`] for what no reader could read.
    pub fn encode(self, manifest: &Manifest) -> Result<(Bytes, Manifest)> {
        let name = self.objects.name(&key(MANIFESTS, manifest.version));
        let file = seal(SealedKind::Manifest, &manifest.encode()?, &[]);
        let payload = open_sealed(&name, &file)?.payload_of(&name, SealedKind::Manifest)?;
        let read = Manifest::decode(&name, &payload)?;
        Ok((payload, read))
    }

    /// Commits a version: creates its manifest unless there is one. Of any number of writers one wins.
    ///
    /// `payload` is the encoded manifest, which holds `token`. A create whose reply was lost is settled by reading
    /// back: the same bytes can only be ours, since nobody else has the token.
    ///
    /// # Errors
    /// [`Error::Argument`] for version 0 and for a payload without the token. After [`Error::Backend`] and
    /// [`Error::TimedOut`] the outcome is open: committing the same payload again settles it.
    pub async fn commit_bytes(self, version: u64, payload: &[u8], token: Token) -> Result<CommitOutcome> {
        let invalid = |argument, found: String, expected| Error::Argument { argument, found, expected };
        if version == 0 {
            return Err(invalid("version", version.to_string(), "1 or more"));
        }
        if !payload.windows(token.len()).any(|window| window == token) {
            return Err(invalid("payload", format!("{} bytes", payload.len()), "a manifest that holds the token"));
        }
        if payload.len() as u64 > SEALED_BYTES_MAX - HEADER_BYTES as u64 {
            return Err(invalid("payload", format!("{} bytes", payload.len()), "a manifest of at most 1 GiB"));
        }
        let file = seal(SealedKind::Manifest, payload, &[]);
        match self.objects.create(&key(MANIFESTS, version), file).await? {
            CreateOutcome::Won => {
                self.objects.run.last_seen.keep(MANIFESTS, version);
                Ok(CommitOutcome::Committed)
            }
            CreateOutcome::Lost => Ok(CommitOutcome::Lost),
        }
    }

    /// Reads the encoded manifest of a version, its checksum checked, at an address that is a multiple of eight.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Retired`], or [`Error::Corrupt`].
    pub async fn read_bytes(self, version: u64) -> Result<Bytes> {
        let key = key(MANIFESTS, version);
        let name = self.objects.name(&key);
        let Some(file) = self.objects.read(&key).await? else {
            return Err(Error::NotFound { name });
        };
        let sealed = open_sealed(&name, &file)?;
        if sealed.kind == SealedKind::RetiredManifest {
            return Err(Error::Retired { version, name });
        }
        let payload = sealed.payload_of(&name, SealedKind::Manifest)?;
        if self.objects.cache.is_some() {
            self.objects.run.last_read.keep_manifest(version, &file);
        }
        Ok(payload)
    }

    /// Lists every version that was ever committed, the retired ones included, in order.
    pub async fn versions(self) -> Result<Vec<u64>> {
        Ok(self.list().await?.into_iter().map(|(version, _)| version).collect())
    }

    /// Lists the versions that were not retired, in order. One listing; a file as long as a stub is taken for a stub.
    pub async fn live(self) -> Result<Vec<u64>> {
        let listed = self.list().await?.into_iter();
        Ok(listed.filter(|(_, file)| !is_stub(file)).map(|(version, _)| version).collect())
    }

    /// Returns whether the version was retired.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was never committed.
    pub async fn is_retired(self, version: u64) -> Result<bool> {
        let key = key(MANIFESTS, version);
        let name = self.objects.name(&key);
        match self.objects.look(&key).await? {
            None => Err(Error::NotFound { name }),
            Some(file) if !is_stub(&file) => Ok(false),
            Some(_) => match self.read_bytes(version).await {
                Ok(_) => Ok(false),
                Err(Error::Retired { .. }) => Ok(true),
                Err(error) => Err(error),
            },
        }
    }

    /// Returns the newest version that was committed, announced or not; `None` if there is none.
    ///
    /// It is looked for from the last one that this store has seen on, at first from the highest that was announced,
    /// with no listing: two requests if nothing is new.
    pub async fn head(self) -> Result<Option<u64>> {
        let mut hint = self.objects.run.last_seen.of(MANIFESTS);
        if hint == 0 {
            hint = match (Announcements { objects: self.objects }).latest(None).await {
                Ok(latest) => latest.map_or(0, |entry| entry.highest),
                // It is a hint only.
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => 0,
                Err(error) => return Err(error),
            };
        }
        let last = last_number(self.objects, MANIFESTS, hint).await?;
        Ok(Some(last).filter(|version| *version != 0))
    }

    /// Returns the newest version that was committed if it is newer than `version`; `None` if that is the newest.
    ///
    /// For callers who know a version, such as the highest that was announced: one request if nothing is newer.
    pub async fn newer_than(self, version: u64) -> Result<Option<u64>> {
        let Some(next) = version.checked_add(1) else { return Ok(None) };
        let hint = match self.objects.look(&key(MANIFESTS, next)).await {
            Ok(Some(_)) => next,
            Ok(None) => {
                self.objects.run.last_seen.keep(MANIFESTS, version);
                return Ok(None);
            }
            // Without the right to list, a missing name is "denied" too, so the search begins at the known version.
            Err(Error::Denied { .. }) => version,
            Err(error) => return Err(error),
        };
        let last = last_number(self.objects, MANIFESTS, hint).await?;
        Ok(Some(last).filter(|last| *last > version))
    }

    /// Retires a version: overwrites its manifest by a small stub, so that the number stays taken.
    ///
    /// Nothing else is touched: the blobs that no other manifest names stay until the next
    /// [`Store::gc`](crate::Store::gc). That retires by age and number. This is for rules of one's own, such as one
    /// version a month; whoever follows them sees to it that the version is neither announced nor pinned.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was never committed.
    pub async fn retire(self, version: u64) -> Result<()> {
        if self.is_retired(version).await? {
            return Ok(());
        }
        self.objects.put(&key(MANIFESTS, version), stub()).await
    }

    /// Returns the files of versions, live and retired, in order.
    pub(crate) async fn list(self) -> Result<Vec<(u64, ObjectEntry)>> {
        let listed = self.objects.list(Some(MANIFESTS)).await?;
        Ok(listed.into_iter().filter_map(|file| Some((number(MANIFESTS, &file.key)?, file))).collect())
    }
}

/// Returns the stub of a retired version.
pub(crate) fn stub() -> Bytes {
    seal(SealedKind::RetiredManifest, &[], &[])
}

/// Returns whether a listed manifest is a stub: a manifest has a payload behind its header, and a stub has none.
pub(crate) fn is_stub(file: &ObjectEntry) -> bool {
    file.size == HEADER_BYTES as u64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use kapok_core::view::Tables;

    use super::*;
    use crate::{Store, fresh_token};

    #[tokio::test]
    async fn a_manifest_is_read_as_it_was_committed_and_only_under_its_own_name() {
        let store = Store::options().writable().open("memory://version-manifest").await.unwrap();
        let mut manifest = Manifest::clone(Tables::empty().manifest());
        (manifest.version, manifest.writer_token) = (1, fresh_token());
        assert_eq!(store.manifests().commit(&manifest).await.unwrap(), CommitOutcome::Committed);
        assert_eq!(store.manifests().read(1).await.unwrap(), manifest);
        store.manifests().commit_bytes(2, &manifest.encode().unwrap(), manifest.writer_token).await.unwrap();
        assert_eq!(store.manifests().read(2).await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(store.manifests().read(3).await.unwrap_err().kind(), ErrorKind::NotFound);
        store.manifests().commit_bytes(3, b"not a manifest", *b"not a manifest\0\0").await.unwrap_err();
        let token = fresh_token();
        store.manifests().commit_bytes(3, &token, token).await.unwrap();
        let error = store.manifests().read(3).await.unwrap_err();
        assert!(matches!(error, Error::Manifest(_)) && error.kind() == ErrorKind::Corrupt, "{error}");
    }

    #[tokio::test]
    async fn a_version_that_is_newer_is_found_from_any_other() {
        let store = Store::options().writable().open("memory://newer-than").await.unwrap();
        assert_eq!(store.manifests().newer_than(0).await.unwrap(), None);
        for version in 1..=5 {
            let token = fresh_token();
            store.manifests().commit_bytes(version, &token, token).await.unwrap();
        }
        for (known, newer) in [(0, Some(5)), (1, Some(5)), (4, Some(5)), (5, None), (9, None), (u64::MAX, None)] {
            assert_eq!(store.manifests().newer_than(known).await.unwrap(), newer, "{known}");
            assert_eq!(store.manifests().head().await.unwrap(), Some(5), "after {known}");
        }
    }
}
