//! A store in memory whose requests can be spoilt.

use std::sync::Arc;

use kapok_blobstore::{Result, Store, StoreSettings};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::faults::Faults;
use crate::intercept::Intercept;

/// A store in memory, to be opened with faults and without.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> kapok_blobstore::Result<()> {
/// use kapok_testing::{Fault, FaultyStore};
///
/// let faulty = FaultyStore::new();
/// let store = faulty.open().await?;
/// faulty.faults().arm(1, Fault::Refused);
/// assert!(store.announcements().list().await.is_err());
/// assert!(store.announcements().list().await.is_ok(), "only one request was spoilt");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct FaultyStore {
    memory: Arc<InMemory>,
    faults: Arc<Faults>,
}

impl FaultyStore {
    /// An empty one, whose faults are not armed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The faults of all stores that [`open`](Self::open) made.
    pub fn faults(&self) -> &Arc<Faults> {
        &self.faults
    }

    /// Opens the store for writing; its requests can be spoilt.
    ///
    /// # Errors
    /// Those of [`Store::open`], if faults are armed already.
    pub async fn open(&self) -> Result<Store> {
        self.open_with(StoreSettings::default()).await
    }

    /// Opens the store as [`open`](Self::open) does, with settings: a short timeout, say, for requests that are never answered.
    ///
    /// # Errors
    /// Those of [`Store::open`], if faults are armed already.
    pub async fn open_with(&self, settings: StoreSettings) -> Result<Store> {
        open(self.faults.over(Arc::clone(&self.memory) as _), settings).await
    }

    /// Opens the same store for writing past the faults, to see what is left.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub async fn open_sound(&self) -> Result<Store> {
        open(Arc::clone(&self.memory) as _, StoreSettings::default()).await
    }
}

async fn open(backend: Arc<dyn ObjectStore>, settings: StoreSettings) -> Result<Store> {
    Store::options().writable().settings(settings).object_store(backend, "").open("test://faulty").await
}
