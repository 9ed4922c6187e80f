//! Keeps blobs of remote stores in a folder that all processes of a host share.
//!
//! ```text
//! kapok-cache          what the folder is: its layout, and the budget that was chosen when it was made
//! lock                 held while room is made
//! merging              held by whoever makes merged segments, which are there for the others then
//! over                 there as long as maps of living processes exceed the budget
//! segments/<id>        a blob, as in a store; whoever has it mapped holds a shared lock on it
//! segments/<id>.part   a blob on its way, behind it a byte for each part that has arrived; locked by whoever downloads it
//! stores/<hash>/       what was last known of a store: its marker, the last announcement, and its manifest
//! ```
//!
//! Files are whole, checked and flushed before they get their names. All locks are the system's advisory ones, which go with
//! their process: nothing is left to be cleaned up after one that was killed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;
use tracing::warn;

use crate::blob_id::{BlobId, BlobKind};
use crate::error::{Error, Result};
use crate::objects::REQUESTS_IN_FLIGHT;

mod fetch;
mod folder;
mod last_known;
mod last_read;
mod mapped;
mod part;
mod part_hash;
mod report;
mod room;
mod settings;
mod turn;

pub use last_known::LastKnown;
pub(crate) use last_read::LastRead;
pub use report::{CacheReport, DamagedCopy, KnownStore, PruneReport};
pub use settings::{CachePlace, CacheSettings};
pub use turn::Turn;

/// A folder of blobs that all processes of a host share. Clones are cheap.
///
/// A store that has one downloads a blob once for all processes of the host, and maps it. A [`Store`](crate::Store) opens its
/// own, by [`StoreOptions::cache`](crate::StoreOptions::cache); this handle is for those who look after the folder.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    bytes_max: u64,
    /// The folder was taken without a look at who can write to it.
    is_forced: bool,
    /// Requests for parts that may be under way at once.
    requests: Semaphore,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("folder", &self.inner.root).field("bytes_max", &self.inner.bytes_max).finish()
    }
}

impl Cache {
    /// Opens the cache that the settings name, and makes its folder if there is none. `None`: they say that there is none, or
    /// no folder was named and the usual one cannot be used, of which this process is warned once.
    ///
    /// # Errors
    /// [`Error::CacheFolder`] and [`Error::Io`] for a folder that was named and cannot be used; [`Error::Argument`] for a
    /// `KAPOK_CACHE_BYTES` that is no number.
    pub fn open(settings: &CacheSettings) -> Result<Option<Self>> {
        Ok(Self::open_or_tell(settings)?.0)
    }

    /// Opens the cache as [`open`](Self::open) does, and tells why the usual folder cannot be used, if that is so.
    pub(crate) fn open_or_tell(settings: &CacheSettings) -> Result<(Option<Self>, Option<Error>)> {
        let Some(place) = settings.resolve()? else { return Ok((None, None)) };
        let opened = place.folder.and_then(|path| {
            let (root, at_first) = folder::prepare(&path, place.is_forced)?;
            Ok(Self::new(root, place.bytes_max.unwrap_or(at_first), place.is_forced))
        });
        match opened {
            Ok(cache) => {
                // A process that was killed or ended made none when its maps went.
                cache.make_room_if_over();
                Ok((Some(cache), None))
            }
            Err(error) if place.is_named => Err(error),
            Err(error) => {
                warn_once(&error);
                Ok((None, Some(error)))
            }
        }
    }

    fn new(root: PathBuf, bytes_max: u64, is_forced: bool) -> Self {
        let requests = Semaphore::new(REQUESTS_IN_FLIGHT);
        Self { inner: Arc::new(Inner { root, bytes_max, is_forced, requests }) }
    }

    /// Returns the folder: absolute, without symbolic links.
    pub fn folder(&self) -> &Path {
        &self.inner.root
    }

    /// Returns the size in bytes that the files may have together, beside those that living processes have mapped.
    pub fn bytes_max(&self) -> u64 {
        self.inner.bytes_max
    }

    /// Makes the folder again, or what lacks of it, if somebody has removed it: users clean up what is called a cache.
    fn restore(&self) -> Result<()> {
        folder::prepare(&self.inner.root, self.inner.is_forced).map(drop)
    }

    /// Returns the place of a blob.
    fn place(&self, kind: BlobKind, id: BlobId) -> PathBuf {
        self.inner.root.join(kind.folder()).join(id.to_string())
    }
}

/// Tells once in the life of a process that there is no cache.
fn warn_once(error: &Error) {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    if !IS_TOLD.swap(true, std::sync::atomic::Ordering::Relaxed) {
        warn!(%error, "no cache: each process downloads what it reads, and keeps it on its heap");
    }
}

/// Returns the error of the system about a file of the cache.
fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { operation, path: path.to_owned(), source }
}

/// Removes what is no file from the place of one: a link could lead anywhere, and a FIFO would be waited for. A folder stays, and
/// is an error.
fn remove_unless_file(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => remove(path),
        _ => Ok(()),
    }
}

/// Removes a file; one that is not there is removed already.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed("delete", path)(source)),
        _ => Ok(()),
    }
}
