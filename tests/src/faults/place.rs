//! Places for the stores of these tests: memory, folders, and a bucket of a server.

use std::sync::Arc;

use kapok_blobstore::{Store, StoreSettings};
use kapok_testing::{Faults, Intercept};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use tempfile::TempDir;

use crate::bucket;

/// A backend, to be reached with faults and without.
#[derive(Debug)]
pub struct Place {
    backend: Arc<dyn ObjectStore>,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Memory,
    Folder(TempDir),
    /// By its URL.
    Bucket(String),
}

impl Place {
    /// In the memory of the process.
    pub fn memory() -> Self {
        Self { backend: Arc::new(InMemory::new()), home: Home::Memory }
    }

    /// In a folder that goes away with this.
    ///
    /// # Panics
    /// Where there can be none.
    pub fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let backend = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).expect("a folder"));
        Self { backend, home: Home::Folder(folder) }
    }

    /// At a prefix of the server's bucket that no other test has.
    ///
    /// # Panics
    /// Where the environment names no server.
    pub fn bucket() -> Self {
        // Another one of the process stays.
        _ = rustls::crypto::ring::default_provider().install_default();
        let prefix = bucket::prefix("faults");
        let builder = AmazonS3Builder::from_env().with_endpoint(bucket::server()).with_allow_http(true);
        let bucket = builder.with_bucket_name(bucket::BUCKET).build().expect("a bucket");
        let url = bucket::url(&prefix);
        // Faults are told by the names of a store's files, as at the other places.
        Self { backend: Arc::new(PrefixStore::new(bucket, prefix)), home: Home::Bucket(url) }
    }

    /// A way to it of which requests can be spoilt.
    pub fn faults(&self) -> Arc<Faults> {
        Arc::new(match &self.home {
            Home::Folder(folder) => Faults::in_folder(folder.path()),
            Home::Memory | Home::Bucket(_) => Faults::default(),
        })
    }

    /// The store, without faults: one of a folder sees all files of it, and one of a bucket is reached by its URL.
    ///
    /// # Errors
    /// Those of opening it for writing.
    pub async fn store(&self) -> kapok_blobstore::Result<Store> {
        match &self.home {
            Home::Memory => self.store_over(Arc::clone(&self.backend), StoreSettings::default()).await,
            Home::Folder(folder) => Store::options().writable().open(&folder.path().to_string_lossy()).await,
            Home::Bucket(url) => Store::options().writable().open(url).await,
        }
    }

    /// The store, with faults.
    ///
    /// # Errors
    /// Those of opening it for writing.
    pub async fn faulty(&self, faults: &Arc<Faults>, settings: StoreSettings) -> kapok_blobstore::Result<Store> {
        self.store_over(faults.over(Arc::clone(&self.backend)), settings).await
    }

    async fn store_over(
        &self,
        backend: Arc<dyn ObjectStore>,
        settings: StoreSettings,
    ) -> kapok_blobstore::Result<Store> {
        Store::options().writable().settings(settings).object_store(backend, "").open("test://films").await
    }
}
