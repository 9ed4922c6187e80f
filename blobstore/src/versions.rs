//! Which versions are there, and who won which number?

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::numbered::{MANIFESTS, key, number, tail};
use crate::objects::{Created, Listed};
use crate::sealed::{HEADER_BYTES, SealedKind, open_sealed, seal};
use crate::store::Store;
use crate::token::Token;

/// What a commit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The version is ours.
    Committed,
    /// Somebody else has the number: read the head and decide again.
    Lost,
}

impl Store {
    /// Commits a version: creates its manifest unless there is one. Of any number of writers one wins.
    ///
    /// `payload` is the encoded manifest, which holds `token`. A create whose reply was lost is settled by reading
    /// back: the same bytes can only be ours, since nobody else has the token.
    ///
    /// # Errors
    /// [`Error::Argument`] for version 0 and for a payload without the token. After [`Error::Backend`] and
    /// [`Error::TimedOut`] the outcome is open: committing the same payload again settles it.
    pub async fn commit(&self, version: u64, payload: &[u8], token: Token) -> Result<CommitOutcome> {
        let invalid = |argument, found: String, expected| Error::Argument { argument, found, expected };
        if version == 0 {
            return Err(invalid("version", version.to_string(), "1 or more"));
        }
        if !payload.windows(token.len()).any(|window| window == token) {
            return Err(invalid("payload", format!("{} bytes", payload.len()), "a manifest that holds the token"));
        }
        let file = seal(SealedKind::Manifest, payload, &[]);
        match self.objects.create(&key(MANIFESTS, version), file).await? {
            Created::Won => Ok(CommitOutcome::Committed),
            Created::Lost => Ok(CommitOutcome::Lost),
        }
    }

    /// The encoded manifest of a version, its checksum checked, at an address that is a multiple of eight.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Retired`], or [`Error::Corrupt`].
    pub async fn manifest(&self, version: u64) -> Result<Bytes> {
        let key = key(MANIFESTS, version);
        let name = self.objects.name(&key);
        let Some(file) = self.objects.read(&key).await? else {
            return Err(Error::NotFound { name });
        };
        let sealed = open_sealed(&name, &file)?;
        match sealed.kind {
            SealedKind::RetiredManifest => Err(Error::Retired { version, name }),
            _ => sealed.payload_of(&name, SealedKind::Manifest),
        }
    }

    /// Every version that was ever committed, the retired ones included, in order.
    pub async fn versions(&self) -> Result<Vec<u64>> {
        Ok(self.manifests().await?.into_iter().map(|(version, _)| version).collect())
    }

    /// The versions that were not retired, in order.
    pub async fn live_versions(&self) -> Result<Vec<u64>> {
        let mut live = Vec::new();
        for (version, file) in self.manifests().await? {
            // Only a file of a stub's length can be a stub.
            if file.bytes != HEADER_BYTES as u64 || !self.is_retired(version).await? {
                live.push(version);
            }
        }
        Ok(live)
    }

    /// Whether the version was retired.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it was never committed.
    pub async fn is_retired(&self, version: u64) -> Result<bool> {
        let key = key(MANIFESTS, version);
        let name = self.objects.name(&key);
        match self.objects.look(&key).await? {
            None => Err(Error::NotFound { name }),
            Some(file) if file.bytes != HEADER_BYTES as u64 => Ok(false),
            Some(_) => match self.manifest(version).await {
                Ok(_) => Ok(false),
                Err(Error::Retired { .. }) => Ok(true),
                Err(error) => Err(error),
            },
        }
    }

    /// The newest version that was committed, announced or not; `None` where there is none.
    ///
    /// It is found by a listing, or where the backend has none, from 1 by doubling and bisection.
    pub async fn head(&self) -> Result<Option<u64>> {
        use object_store::Error::{NotImplemented, NotSupported};
        match self.versions().await {
            Ok(versions) => Ok(versions.last().copied()),
            Err(Error::Backend { source: NotImplemented { .. } | NotSupported { .. }, .. }) => {
                let last = tail(&self.objects, MANIFESTS, 0).await?;
                Ok(Some(last).filter(|version| *version != 0))
            }
            Err(error) => Err(error),
        }
    }

    /// Retires a version: overwrites its manifest by a small stub, so that the number stays taken.
    ///
    /// Nothing else is touched: the caller deletes the blobs that no other manifest names.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it was never committed.
    pub async fn retire(&self, version: u64) -> Result<()> {
        if self.is_retired(version).await? {
            return Ok(());
        }
        let stub = seal(SealedKind::RetiredManifest, &[], &[]);
        self.objects.put(&key(MANIFESTS, version), stub).await
    }

    async fn manifests(&self) -> Result<Vec<(u64, Listed)>> {
        let listed = self.objects.list(Some(MANIFESTS)).await?;
        Ok(listed.into_iter().filter_map(|file| Some((number(MANIFESTS, &file.key)?, file))).collect())
    }
}
