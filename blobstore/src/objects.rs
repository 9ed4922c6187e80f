//! Everything that a store asks of its backend.
//!
//! Seven calls by name relative to the store, each with a bounded wait and an error that names the file. Nothing
//! above this file knows how backends are called. Work on files of this host takes one task of a blocking thread,
//! since each task costs two wake-ups of threads.

use std::path::PathBuf;
use std::sync::Arc;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::{Path, PathPart};
use object_store::{Error as BackendError, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::cache::{Cache, LastRead};
use crate::error::{Error, Result};
use crate::failure::{absent, failure};
use crate::numbered::LastSeen;
use crate::one_task::blocking;
use crate::partial::Partials;
use crate::progress::Progress;
use crate::settings::StoreSettings;

/// Number of requests of one operation that are under way at once.
pub const REQUESTS_IN_FLIGHT: usize = 8;
/// Size from which on a remote blob is put in parts.
const MULTIPART_BYTES: usize = 32 << 20;

/// A prefix of a backend.
pub(crate) struct Objects {
    pub(crate) backend: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    /// The location as given, for messages.
    pub(crate) location: String,
    /// The folder behind the backend, if there is one.
    pub(crate) root: Option<PathBuf>,
    /// Whether it is reached through a network, as its URL says.
    pub(crate) is_remote: bool,
    pub(crate) settings: StoreSettings,
    /// What tells the store from others for this host's memory of it: the location with its options that say where it is.
    pub(crate) identity: String,
    /// Where blobs are kept on this host; `None` for a folder, for the memory of this process, and if there is to be none.
    pub(crate) cache: Option<Cache>,
    pub(crate) run: Run,
}

impl std::fmt::Debug for Objects {
    /// The backend may print its secrets, so it is not printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("location", &self.location).finish_non_exhaustive()
    }
}

/// What a process learns of a store while it uses it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) last_seen: LastSeen,
    pub(crate) progress: Progress,
    pub(crate) partials: Partials,
    pub(crate) last_read: LastRead,
    /// Whether the backend answers "denied" for names that are not there.
    pub(crate) hides_missing: AtomicBool,
}

/// The outcome of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateOutcome {
    /// The file holds our bytes.
    Won,
    /// The file holds somebody else's.
    Lost,
}

/// A file as a listing shows it.
#[derive(Debug, Clone)]
pub(crate) struct ObjectEntry {
    /// Relative to the store.
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) modified_unix_ms: i64,
}

impl Objects {
    /// Returns the name of a file in messages: its path if there is one.
    pub(crate) fn name(&self, key: &str) -> String {
        match &self.root {
            Some(root) => root.join(key).display().to_string(),
            None => format!("{}/{key}", self.location.trim_end_matches('/')),
        }
    }

    /// Returns the file's length and age, or `None` if there is none.
    pub(crate) async fn look(&self, key: &str) -> Result<Option<ObjectEntry>> {
        let path = self.path(key);
        match self.bounded("look up", key, self.backend.head(&path)).await {
            Ok(meta) => Ok(Some(listed(key.to_owned(), &meta))),
            Err(error) => absent(error),
        }
    }

    /// Writes the file, whole or not at all, and overwrites another one.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        if self.root.is_none() && bytes.len() > MULTIPART_BYTES {
            return self.put_parts(key, bytes).await;
        }
        let path = self.path(key);
        let len = bytes.len() as u64;
        let put = self.backend.put(&path, PutPayload::from_bytes(bytes));
        self.moving("write", key, len, put).await.map(drop)
    }

    /// Creates the file unless there is one. A create whose reply was lost is settled by reading back: the bytes hold
    /// the writer's token, so equal bytes are ours.
    pub(crate) async fn create(&self, key: &str, bytes: Bytes) -> Result<CreateOutcome> {
        let path = self.path(key);
        let len = bytes.len() as u64;
        let put = self.backend.put_opts(&path, PutPayload::from_bytes(bytes.clone()), PutMode::Create.into());
        let Err(failure) = self.moving("create", key, len, put).await else {
            return Ok(CreateOutcome::Won);
        };
        // A backend that tries again by itself reports its own first success as "already exists", and one that lost
        // the reply reports anything: what stands there now is the answer.
        match self.read(key).await {
            Ok(Some(found)) if found == bytes => Ok(CreateOutcome::Won),
            Ok(Some(_)) => Ok(CreateOutcome::Lost),
            Ok(None) | Err(_) => Err(failure),
        }
    }

    /// Deletes the file; one that is not there is deleted already.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        match self.bounded("delete", key, self.backend.delete(&path)).await {
            Err(error) => absent::<()>(error).map(drop),
            Ok(()) => Ok(()),
        }
    }

    /// Returns every file of a folder of the store, or of the store, in the order of the names.
    pub(crate) async fn list(&self, folder: Option<&str>) -> Result<Vec<ObjectEntry>> {
        let (path, label) = folder.map_or((self.prefix.clone(), ""), |name| (self.path(name), name));
        let mut listing = self.backend.list(Some(&path));
        let mut found = Vec::new();
        loop {
            let next = async { listing.next().await.transpose() };
            let Some(meta) = self.bounded("list", label, next).await? else {
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

    pub(crate) fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(key.split('/').map(PathPart::from)).collect()
    }

    /// Returns the path of a file, if the store is a folder of this host.
    pub(crate) fn place(&self, key: &str) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.join(self.path(key).as_ref()))
    }

    /// Does work on files of this host on a thread that may wait for a disk, and waits for it, but not for ever.
    ///
    /// However many files the work looks at, the calling thread is woken once.
    pub(crate) async fn in_blocking_task<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let patience = self.settings.timeout;
        match tokio::time::timeout(patience, blocking(work)).await {
            Ok(done) => done,
            Err(_) => Err(Error::TimedOut { operation, name: self.name(key), waited: patience }),
        }
    }

    /// Waits for a short reply, but not for ever.
    pub(crate) async fn bounded<T>(
        &self,
        operation: &'static str,
        key: &str,
        reply: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        let patience = self.settings.timeout;
        match tokio::time::timeout(patience, reply).await {
            Ok(reply) => reply.map_err(|source| self.failed(operation, key, source)),
            Err(_) => Err(Error::TimedOut { operation, name: self.name(key), waited: patience }),
        }
    }

    /// Waits for a transfer or a part of one, as long as anything moves. `uploaded` are the bytes that it sends.
    pub(crate) async fn moving<T>(
        &self,
        operation: &'static str,
        key: &str,
        uploaded: u64,
        reply: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        let progress = &self.run.progress;
        let _sent = progress.uploading(uploaded);
        match progress.wait(&self.settings, reply).await {
            Ok(reply) => reply.map_err(|source| self.failed(operation, key, source)),
            Err(waited) => Err(Error::TimedOut { operation, name: self.name(key), waited }),
        }
    }

    /// Takes note that the store answers "denied" for names that are not there.
    pub(crate) fn saw_missing_hidden(&self) {
        self.run.hides_missing.store(true, Ordering::Relaxed);
    }

    fn failed(&self, operation: &'static str, key: &str, source: BackendError) -> Error {
        failure(operation, self.name(key), source)
    }
}

fn listed(key: String, meta: &ObjectMeta) -> ObjectEntry {
    ObjectEntry { key, size: meta.size, modified_unix_ms: meta.last_modified.timestamp_millis() }
}
