//! What does a store ask of its backend?
//!
//! Seven calls by name relative to the store, each with a bounded wait and an error that names the file. Nothing
//! above this file knows how backends are called.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::{Path, PathPart};
use object_store::{
    Error as BackendError, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
};

use crate::alignment::aligned;
use crate::error::{Error, Result};
use crate::founding::Founding;
use crate::mapping;
use crate::numbered::Hints;
use crate::settings::Settings;

/// From this length on, a remote blob is put in parts.
const MULTIPART_BYTES: usize = 32 << 20;
/// Length of a part.
const PART_BYTES: usize = 16 << 20;
/// How many parts are on their way at once.
const PARTS_IN_FLIGHT: usize = 4;

/// A prefix of a backend.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) backend: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    /// The location as given, for messages.
    pub(crate) location: String,
    /// The folder behind the backend, where there is one.
    pub(crate) root: Option<PathBuf>,
    pub(crate) settings: Settings,
    /// Whether it is a store yet.
    pub(crate) founding: Founding,
    pub(crate) hints: Hints,
}

/// What a create came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// The file holds our bytes.
    Won,
    /// The file holds somebody else's.
    Lost,
}

/// A file as a listing shows it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Relative to the store.
    pub(crate) key: String,
    pub(crate) bytes: u64,
    pub(crate) modified_unix_ms: i64,
}

/// A file's bytes, and whether they are a map of a file of this host.
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    pub(crate) mapped: bool,
}

impl Objects {
    /// How messages and people call a file: its path where there is one.
    pub(crate) fn name(&self, key: &str) -> String {
        match &self.root {
            Some(root) => root.join(key).display().to_string(),
            None => format!("{}/{key}", self.location.trim_end_matches('/')),
        }
    }

    /// The whole file in memory, or `None` where there is none.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        let path = self.path(key);
        let read = async { self.backend.get(&path).await?.bytes().await };
        match self.bounded("read", key, 0, read).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => absent(error),
        }
    }

    /// The whole file, which must have this length; mapped where it is a file of this host. Aligned to words.
    pub(crate) async fn fetch(&self, key: &str, bytes: u64) -> Result<Option<Fetched>> {
        let path = self.path(key);
        let found = match self.bounded("read", key, 0, self.backend.get(&path)).await {
            Ok(found) => found,
            Err(error) => return absent(error),
        };
        self.check_bytes(key, bytes, found.meta.size)?;
        let fetched = match found.payload {
            GetResultPayload::File(file, path) => Fetched {
                bytes: mapping::map(&file).map_err(|source| Error::Io { operation: "map", path, source })?,
                mapped: true,
            },
            GetResultPayload::Stream(_) => {
                Fetched { bytes: aligned(self.bounded("read", key, bytes, found.bytes()).await?), mapped: false }
            }
        };
        self.check_bytes(key, bytes, fetched.bytes.len() as u64)?;
        Ok(Some(fetched))
    }

    /// The file's length and age, or `None` where there is none.
    pub(crate) async fn look(&self, key: &str) -> Result<Option<Listed>> {
        let path = self.path(key);
        match self.bounded("look up", key, 0, self.backend.head(&path)).await {
            Ok(meta) => Ok(Some(listed(key.to_owned(), &meta))),
            Err(error) => absent(error),
        }
    }

    /// Writes the file, whole or not at all, over whatever was there.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        if self.root.is_none() && bytes.len() > MULTIPART_BYTES {
            return self.put_parts(key, bytes).await;
        }
        let path = self.path(key);
        let len = bytes.len() as u64;
        let put = self.backend.put(&path, PutPayload::from_bytes(bytes));
        self.bounded("write", key, len, put).await.map(drop)
    }

    async fn put_parts(&self, key: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(key);
        let mut upload = self.bounded("write", key, 0, self.backend.put_multipart(&path)).await?;
        let sent: Result<()> = {
            let starts = (0..bytes.len()).step_by(PART_BYTES);
            let parts = starts.map(|start| {
                let part = bytes.slice(start..bytes.len().min(start + PART_BYTES));
                let len = part.len() as u64 * PARTS_IN_FLIGHT as u64;
                self.bounded("write", key, len, upload.put_part(part.into()))
            });
            futures::stream::iter(parts).buffer_unordered(PARTS_IN_FLIGHT).try_collect().await
        };
        match sent {
            Ok(()) => self.bounded("write", key, 0, upload.complete()).await.map(drop),
            Err(error) => {
                // The first error is the one to tell; a failed abort leaves parts that the backend expires.
                let _ = self.bounded("abort", key, 0, upload.abort()).await;
                Err(error)
            }
        }
    }

    /// Creates the file unless there is one. A create whose reply was lost is settled by reading back: the bytes hold
    /// the writer's token, so equal bytes are ours.
    pub(crate) async fn create(&self, key: &str, bytes: Bytes) -> Result<Created> {
        let path = self.path(key);
        let len = bytes.len() as u64;
        let put = self.backend.put_opts(&path, PutPayload::from_bytes(bytes.clone()), PutMode::Create.into());
        let Err(failure) = self.bounded("create", key, len, put).await else {
            return Ok(Created::Won);
        };
        // A backend that tries again by itself reports its own first success as "already exists", and one that lost
        // the reply reports anything: what stands there now is the answer.
        match self.read(key).await {
            Ok(Some(found)) if found == bytes => Ok(Created::Won),
            Ok(Some(_)) => Ok(Created::Lost),
            Ok(None) | Err(_) => Err(failure),
        }
    }

    /// Deletes the file; one that is not there is deleted already.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        match self.bounded("delete", key, 0, self.backend.delete(&path)).await {
            Err(error) => absent::<()>(error).map(drop),
            Ok(()) => Ok(()),
        }
    }

    /// Every file of a folder of the store, or of the store, in the order of the names.
    pub(crate) async fn list(&self, folder: Option<&str>) -> Result<Vec<Listed>> {
        let (path, label) = folder.map_or((self.prefix.clone(), ""), |name| (self.path(name), name));
        let mut listing = self.backend.list(Some(&path));
        let mut found = Vec::new();
        loop {
            let next = async { listing.next().await.transpose() };
            let Some(meta) = self.bounded("list", label, 0, next).await? else {
                break;
            };
            if let Some(parts) = meta.location.prefix_match(&self.prefix) {
                let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
                found.push(listed(parts.join("/"), &meta));
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(key.split('/').map(PathPart::from)).collect()
    }

    fn check_bytes(&self, key: &str, expected: u64, found: u64) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        let name = self.name(key);
        let offset = expected.min(found);
        Err(Error::corrupt(&name, offset, format!("{expected} bytes"), format!("{found} bytes")))
    }

    /// Waits for a reply, but not for ever.
    async fn bounded<T>(
        &self,
        operation: &'static str,
        key: &str,
        bytes: u64,
        reply: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        let patience = self.settings.patience(bytes);
        match tokio::time::timeout(patience, reply).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(BackendError::NotFound { .. })) => Err(Error::NotFound { name: self.name(key) }),
            Ok(Err(source)) => Err(Error::Backend { operation, name: self.name(key), source }),
            Err(_) => Err(Error::TimedOut { operation, name: self.name(key), waited: patience }),
        }
    }
}

fn absent<T>(error: Error) -> Result<Option<T>> {
    match error {
        Error::NotFound { .. } => Ok(None),
        error => Err(error),
    }
}

fn listed(key: String, meta: &ObjectMeta) -> Listed {
    Listed { key, bytes: meta.size, modified_unix_ms: meta.last_modified.timestamp_millis() }
}
