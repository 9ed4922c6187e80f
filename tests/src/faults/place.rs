//! Places for the stores of these tests: memory, and folders.

use std::sync::Arc;

use kapok_blobstore::{Store, StoreSettings};
use kapok_testing::{Faults, Intercept};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use tempfile::TempDir;

/// A backend, to be reached with faults and without.
#[derive(Debug)]
pub struct Place {
    backend: Arc<dyn ObjectStore>,
    folder: Option<TempDir>,
}

impl Place {
    /// In the memory of the process.
    pub fn memory() -> Self {
        Self { backend: Arc::new(InMemory::new()), folder: None }
    }

    /// In a folder that goes away with this.
    ///
    /// # Panics
    /// Where there can be none.
    pub fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let backend = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).expect("a folder"));
        Self { backend, folder: Some(folder) }
    }

    /// A way to it of which requests can be spoilt.
    pub fn faults(&self) -> Arc<Faults> {
        Arc::new(self.folder.as_ref().map_or_else(Faults::default, |folder| Faults::in_folder(folder.path())))
    }

    /// The store, without faults; one of a folder sees all files of it.
    ///
    /// # Errors
    /// Those of opening it for writing.
    pub async fn store(&self) -> kapok_blobstore::Result<Store> {
        match &self.folder {
            Some(folder) => Store::options().writable().open(&folder.path().to_string_lossy()).await,
            None => self.store_over(Arc::clone(&self.backend), StoreSettings::default()).await,
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
