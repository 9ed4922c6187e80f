//! Puts back files that were lost or damaged.
//!
//! Under the name that it has, and only in place of one that is missing or damaged. What comes in is checked as what
//! goes out is: a blob against its id, the others against their checksum and their name.

use bytes::Bytes;

use crate::announcement::Announcement;
use crate::blob_id::{BlobId, BlobKind};
use crate::blobs::check_hash;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{FileEntry, FileKind, Files};
use crate::manifests::Manifests;
use crate::marker::{MARKER, Marker};
use crate::numbered::{ANNOUNCEMENTS, MANIFESTS, key};
use crate::objects::{CreateOutcome, Objects};
use crate::sealed_file::{HEADER_BYTES, SealedKind, open_sealed, seal};

/// The state of a file: sound, missing, damaged, hidden by something else, or too new to tell.
#[derive(Debug)]
pub enum Soundness {
    /// The file is sound.
    Sound,
    /// There is no file.
    Missing,
    /// The file is cut, or its bytes are wrong.
    Damaged(Error),
    /// Something else has its name, such as a folder, and nothing can be put there until that is removed.
    Occupied(Error),
    /// A newer release wrote it, so this one cannot tell.
    Newer(Error),
}

impl FileKind {
    /// Returns the name of the file relative to the store; `None` for a foreign one.
    pub fn name(self) -> Option<String> {
        match self {
            Self::Marker => Some(MARKER.to_owned()),
            Self::Manifest(version) => Some(key(MANIFESTS, version)),
            Self::Announcement(sequence) => Some(key(ANNOUNCEMENTS, sequence)),
            Self::Blob(kind, id) => Some(kind.key(id)),
            Self::Foreign => None,
        }
    }
}

/// Puts back files of a store that are missing or damaged, from [`Store::repair`](crate::Store::repair).
#[derive(Debug, Clone, Copy)]
pub struct Repair<'s> {
    pub(crate) objects: &'s Objects,
}

impl Repair<'_> {
    /// Checks all of a file; of a manifest also that it can be decoded.
    ///
    /// # Errors
    /// Where the store fails: then it is not known.
    pub async fn soundness(self, what: FileKind) -> Result<Soundness> {
        let Some(name) = what.name() else { return Ok(Soundness::Sound) };
        let found = match self.objects.look(&name).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Soundness::Missing),
            // To look at a file reads nothing of it, so this says what has its name.
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Soundness::Occupied(error)),
            Err(error) => return Err(error),
        };
        let entry = FileEntry { name, size: found.size, modified_unix_ms: found.modified_unix_ms, what };
        let mut checked = Files { objects: self.objects }.check(&entry).await;
        if let (Ok(()), FileKind::Manifest(version)) = (&checked, what) {
            checked = match (Manifests { objects: self.objects }).read(version).await {
                Ok(_) | Err(Error::Retired { .. }) => Ok(()),
                Err(error) => Err(error),
            };
        }
        match checked {
            Ok(()) => Ok(Soundness::Sound),
            Err(error) => match error.kind() {
                ErrorKind::Corrupt | ErrorKind::Invalid => Ok(Soundness::Damaged(error)),
                ErrorKind::NotFound => Ok(Soundness::Missing),
                ErrorKind::Incompatible => Ok(Soundness::Newer(error)),
                _ => Err(error),
            },
        }
    }

    /// Reads a file as it is; `None` if there is none.
    pub async fn read_raw(self, name: &str) -> Result<Option<Bytes>> {
        match self.objects.look(name).await? {
            Some(found) => Ok(self.objects.fetch(name, found.size).await?.map(|fetched| fetched.bytes)),
            None => Ok(None),
        }
    }

    /// Puts a file in place of one that is missing or damaged. Returns `false` for a sound file, which stays as it is.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Incompatible`] if the bytes are not those of the name, or if something that is no
    /// file has it: nothing was put.
    pub async fn put_back(self, what: FileKind, bytes: Bytes) -> Result<bool> {
        let Some(name) = what.name() else {
            let found = "a foreign file".to_owned();
            return Err(Error::Argument { argument: "what", found, expected: "a file of a store" });
        };
        self.check_bytes_of(what, &name, &bytes).await?;
        match self.soundness(what).await? {
            Soundness::Sound => Ok(false),
            Soundness::Occupied(error) | Soundness::Newer(error) => Err(error),
            Soundness::Missing if !matches!(what, FileKind::Blob(..)) => {
                // Beside other writers, who may take the name meanwhile.
                Ok(self.objects.create(&name, bytes).await? == CreateOutcome::Won)
            }
            Soundness::Missing | Soundness::Damaged(_) => {
                self.objects.put(&name, bytes).await?;
                Ok(true)
            }
        }
    }

    /// Returns the file that a retired version has.
    pub fn retired_manifest(self) -> Bytes {
        seal(SealedKind::RetiredManifest, &[], &[])
    }

    /// Returns whether a damaged manifest can only have been that of a retired version: it is as long as that, and was
    /// not cut from a longer one.
    pub fn is_retired_manifest(self, file: &Bytes) -> bool {
        let uncut = |header: &[u8; HEADER_BYTES]| header[16..32] == [0; 16] || header[8..12] == [4, 0, 0, 0];
        file.len() == HEADER_BYTES && file.first_chunk::<HEADER_BYTES>().is_some_and(uncut)
    }

    /// Puts a new marker in place of one that is lost or damaged. The next opening for writing probes the backend
    /// again.
    pub async fn remake_marker(self) -> Result<bool> {
        self.put_back(FileKind::Marker, Marker { conditional_writes_probed: false }.encode()).await
    }

    async fn check_bytes_of(self, what: FileKind, name: &str, bytes: &Bytes) -> Result<()> {
        match what {
            FileKind::Foreign => Ok(()),
            FileKind::Blob(_, id) => check_hash(name, id, bytes.clone()).await,
            FileKind::Marker => Marker::open(name, bytes).map(drop),
            FileKind::Announcement(sequence) => Announcement::open(name, sequence, bytes).map(drop),
            FileKind::Manifest(version) => {
                let sealed = open_sealed(name, bytes)?;
                if sealed.kind == SealedKind::RetiredManifest {
                    return Ok(());
                }
                let payload = sealed.payload_of(name, SealedKind::Manifest)?;
                let found = kapok_core::manifest::Manifest::decode(name, &payload)?.version;
                if found == version {
                    return Ok(());
                }
                let (expected, found) = (format!("version {version}"), format!("version {found}"));
                Err(Error::corrupt(name, HEADER_BYTES as u64, expected, found))
            }
        }
    }

    /// Reads a blob and checks its hash, even in a folder; `None` if it is not there or is damaged.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn sound_blob(self, kind: BlobKind, id: BlobId) -> Result<Option<Bytes>> {
        let key = kind.key(id);
        let gone_or_bad = |error: Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Corrupt => Ok(None),
            _ => Err(error),
        };
        match self.read_raw(&key).await {
            Ok(Some(bytes)) => match check_hash(&self.objects.name(&key), id, bytes.clone()).await {
                Ok(()) => Ok(Some(bytes)),
                Err(error) => gone_or_bad(error),
            },
            Ok(None) => Ok(None),
            Err(error) => gone_or_bad(error),
        }
    }
}
