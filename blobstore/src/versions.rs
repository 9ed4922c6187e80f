//! Which versions are there, and who won which number?

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::numbered::{MANIFESTS, key, number, tail};
use crate::objects::{Created, Listed};
use crate::sealed::{HEADER_BYTES, SEALED_BYTES_MAX, SealedKind, open_sealed, seal};
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
        if payload.len() as u64 > SEALED_BYTES_MAX - HEADER_BYTES as u64 {
            return Err(invalid("payload", format!("{} bytes", payload.len()), "a manifest of at most 1 GiB"));
        }
        let file = seal(SealedKind::Manifest, payload, &[]);
        match self.objects.create(&key(MANIFESTS, version), file).await? {
            Created::Won => {
                self.objects.run.hints.keep(MANIFESTS, version);
                Ok(CommitOutcome::Committed)
            }
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

    /// The versions that were not retired, in order: one listing. A file of a stub's length is taken for a stub.
    pub async fn live_versions(&self) -> Result<Vec<u64>> {
        let listed = self.manifests().await?.into_iter();
        Ok(listed.filter(|(_, file)| !is_stub(file)).map(|(version, _)| version).collect())
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
            Some(file) if !is_stub(&file) => Ok(false),
            Some(_) => match self.manifest(version).await {
                Ok(_) => Ok(false),
                Err(Error::Retired { .. }) => Ok(true),
                Err(error) => Err(error),
            },
        }
    }

    /// The newest version that was committed, announced or not; `None` where there is none.
    ///
    /// It is looked for from the last one that this store has seen on, at first from the highest that was announced, with
    /// no listing: two requests where nothing is new.
    pub async fn head(&self) -> Result<Option<u64>> {
        let mut hint = self.objects.run.hints.of(MANIFESTS);
        if hint == 0 {
            hint = match self.latest_announcement(None).await {
                Ok(latest) => latest.map_or(0, |entry| entry.highest),
                // It is a hint only.
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible) => 0,
                Err(error) => return Err(error),
            };
        }
        let last = tail(&self.objects, MANIFESTS, hint).await?;
        Ok(Some(last).filter(|version| *version != 0))
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
        self.objects.put(&key(MANIFESTS, version), stub()).await
    }

    /// The files of versions, live and retired, in order.
    pub(crate) async fn manifests(&self) -> Result<Vec<(u64, Listed)>> {
        let listed = self.objects.list(Some(MANIFESTS)).await?;
        Ok(listed.into_iter().filter_map(|file| Some((number(MANIFESTS, &file.key)?, file))).collect())
    }
}

/// What is left of the manifest of a retired version.
pub(crate) fn stub() -> Bytes {
    seal(SealedKind::RetiredManifest, &[], &[])
}

/// Whether a listed manifest is a stub: a manifest has a payload behind its header, and a stub has none.
pub(crate) fn is_stub(file: &Listed) -> bool {
    file.bytes == HEADER_BYTES as u64
}
