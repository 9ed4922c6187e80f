//! Opens and tends stores without `async`.

use std::sync::Arc;

use super::runtime::SharedRuntime;
use crate::error::Result;
use crate::store::{CacheSettings, GcReport, GcSettings, StoreSettings};

/// A folder or a prefix of an object store that holds a dataset: the blocking twin of [`kapok::Store`](crate::Store).
#[derive(Clone, Debug)]
pub struct Store {
    inner: crate::Store,
    shared: Arc<SharedRuntime>,
}

impl Store {
    /// Opens a store that is there, to read: see [`kapok::Store::open`](crate::Store::open).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open(url: &str) -> Result<Self> {
        Self::options().open(url)
    }

    /// Returns options to open a store with: see [`kapok::Store::options`](crate::Store::options).
    pub fn options() -> StoreOptions {
        StoreOptions { inner: crate::Store::options() }
    }

    /// Retires old versions and deletes what no version needs: see [`kapok::Store::gc`](crate::Store::gc).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn gc(&self, settings: &GcSettings) -> Result<GcReport> {
        Ok(self.shared.wait(self.inner.gc(settings))??)
    }

    /// Returns the async store, whose other calls [`wait`](super::wait) waits for.
    pub fn as_async(&self) -> &crate::Store {
        &self.inner
    }

    pub(super) fn new(inner: crate::Store, shared: Arc<SharedRuntime>) -> Self {
        Self { inner, shared }
    }

    pub(super) fn shared(&self) -> &Arc<SharedRuntime> {
        &self.shared
    }
}

/// Options of opening a store without `async`, from [`Store::options`].
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `open`"]
pub struct StoreOptions {
    inner: crate::store::StoreOptions,
}

impl StoreOptions {
    /// Opens the store for writing, and creates it if there is none: see
    /// [`StoreOptions::writable`](crate::store::StoreOptions::writable).
    pub fn writable(self) -> Self {
        Self { inner: self.inner.writable() }
    }

    /// Sets how the store behaves.
    pub fn settings(self, settings: StoreSettings) -> Self {
        Self { inner: self.inner.settings(settings) }
    }

    /// Sets where the blobs of a remote store are kept on this host: see
    /// [`StoreOptions::cache`](crate::store::StoreOptions::cache).
    pub fn cache(self, cache: CacheSettings) -> Self {
        Self { inner: self.inner.cache(cache) }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open(self, url: &str) -> Result<Store> {
        let shared = SharedRuntime::get()?;
        let inner = shared.wait_for_opening(self.inner.open(url))??;
        Ok(Store { inner, shared })
    }
}
