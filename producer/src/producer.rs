//! The handle of a writer of versions, and how it is opened.

use std::sync::{Arc, Mutex};

use kapok_blobstore::Store;
use kapok_core::manifest::{BlobMap, Manifest};
use kapok_index::View;

use crate::base_cache::BaseCache;
use crate::error::Result;
use crate::settings::{AnnounceMode, ProducerSettings};

/// Publishes versions of a dataset. Clones share the last version that they mapped.
#[derive(Clone, Debug)]
pub struct Producer {
    pub(crate) store: Store,
    pub(crate) settings: ProducerSettings,
    pub(crate) held: Arc<Mutex<BaseCache>>,
}

/// Builder of a [`Producer`], made by [`Producer::builder`].
#[derive(Clone, Debug)]
#[must_use = "a producer is made by `open`"]
pub struct ProducerBuilder {
    store: Store,
    settings: ProducerSettings,
}

impl ProducerBuilder {
    /// Sets how the producer works.
    pub fn settings(mut self, settings: ProducerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Opens the producer.
    ///
    /// Announces the newest version if its producer died before it could: see [`Producer::announce_left_over`]. With
    /// [`AnnounceMode::Never`] nothing is announced.
    ///
    /// # Errors
    /// `Unavailable` if the store fails, `Corrupt` if its newest version is to be announced and cannot be read.
    pub async fn open(self) -> Result<Producer> {
        let Self { store, settings } = self;
        let held = BaseCache { view: Arc::new(View::empty()), blobs: BlobMap::new() };
        let producer = Producer { store, settings, held: Arc::new(Mutex::new(held)) };
        if producer.settings.announce_mode == AnnounceMode::Always {
            producer.announce_left_over().await?;
        }
        Ok(producer)
    }
}

impl Producer {
    /// Opens a store for writing, creating it if there is none: `memory://name`, `file:///path`, or a path.
    ///
    /// As [`builder`](Self::builder) of that store, with default settings.
    ///
    /// # Errors
    /// `Unavailable` or `Invalid` if the store cannot be written to, and those of [`ProducerBuilder::open`].
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder(Store::options().writable().open(url).await?).open().await
    }

    /// Builds a producer for a store that is open for writing.
    ///
    /// ```
    /// use kapok_producer::{Producer, ProducerSettings, Store};
    ///
    /// # async fn open() -> Result<(), kapok_producer::Error> {
    /// let store = Store::options().writable().open("memory://built").await?;
    /// let mut settings = ProducerSettings::default();
    /// settings.writer = "nightly import".to_owned();
    /// let producer = Producer::builder(store).settings(settings).open().await?;
    /// # drop(producer);
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(open()).unwrap();
    /// ```
    pub fn builder(store: Store) -> ProducerBuilder {
        ProducerBuilder { store, settings: ProducerSettings::default() }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the settings, which may be changed between cycles.
    pub fn settings_mut(&mut self) -> &mut ProducerSettings {
        &mut self.settings
    }

    /// Reads the manifest of the newest committed version.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` if it cannot be read.
    pub async fn head(&self) -> Result<Option<Arc<Manifest>>> {
        match self.store.manifests().head().await? {
            Some(version) => Ok(Some(Arc::new(self.store.manifests().read(version).await?))),
            None => Ok(None),
        }
    }
}
