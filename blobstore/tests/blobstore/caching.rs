//! Blobs of a remote store are kept in a folder that all processes of a host share.

mod damaged;
mod downloading;
mod evicting;
mod hostile;
mod offline;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kapok_blobstore::{BlobId, BlobKind, CacheSettings, Store, StoreSettings};
use kapok_testing::object_store::ObjectStore;
use kapok_testing::object_store::memory::InMemory;
use kapok_testing::{Counting, Intercept, Operation};

/// The length of a part, which one request asks for.
const PART: usize = 16 << 20;

/// A backend that counts, and the folder of a host's cache.
struct Host {
    memory: Arc<InMemory>,
    counting: Arc<Counting>,
    folder: tempfile::TempDir,
    bytes_max: Option<u64>,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { memory: Arc::default(), counting: Arc::default(), folder, bytes_max: None }
    }

    fn with_bytes_max(bytes_max: usize) -> Self {
        Self { bytes_max: Some(bytes_max as u64), ..Self::new() }
    }

    fn cache(&self) -> CacheSettings {
        let mut settings = CacheSettings::in_folder(self.folder.path().join("cache"));
        settings.bytes_max = self.bytes_max;
        settings
    }

    /// Opens the store past the cache, as a writer on another host does.
    async fn elsewhere(&self) -> Store {
        let backend = Arc::clone(&self.memory);
        Store::options().writable().object_store(backend, "set").open("test://set").await.unwrap()
    }

    /// Opens the store as a process of this host does, through a backend in front of which something may stand.
    async fn open_through(&self, through: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Store {
        let backend = through(self.counting.over(Arc::clone(&self.memory) as _));
        let settings = StoreSettings::default().with_timeout(std::time::Duration::from_secs(20));
        let options = Store::options().cache(self.cache()).settings(settings);
        options.object_store(backend, "set").open("test://set").await.unwrap()
    }

    async fn open(&self) -> Store {
        self.open_through(|backend| backend).await
    }

    /// Returns the number of gets since this was last asked.
    fn gets(&self) -> usize {
        self.counting.take().into_iter().filter(|(operation, _)| *operation == Operation::Get).count()
    }

    fn place(&self, id: BlobId) -> PathBuf {
        self.folder.path().join(format!("cache/segments/{id}"))
    }
}

/// Makes bytes that no other seed gives.
fn blob(seed: u8, len: usize) -> (BlobId, Bytes) {
    let mut reader = blake3::Hasher::new().update(&[seed]).finalize_xof();
    let mut bytes = vec![0; len];
    reader.fill(&mut bytes);
    (BlobId::of(&bytes), bytes.into())
}

async fn put(store: &Store, seed: u8, len: usize) -> (BlobId, Bytes) {
    let (id, bytes) = blob(seed, len);
    store.blobs().put(BlobKind::Segment, id, bytes.clone()).await.unwrap();
    (id, bytes)
}

async fn get(store: &Store, id: BlobId, len: usize) -> kapok_blobstore::Result<Bytes> {
    store.blobs().get(BlobKind::Segment, id, len as u64).await
}

/// Lists the files of the cache that hold blobs, whole or not.
fn files(host: &Host) -> Vec<PathBuf> {
    let list = |kind: BlobKind| std::fs::read_dir(host.folder.path().join("cache").join(kind.folder())).unwrap();
    BlobKind::ALL.into_iter().flat_map(list).map(|entry| entry.unwrap().path()).collect()
}

fn len(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}
