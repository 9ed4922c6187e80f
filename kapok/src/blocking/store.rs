//! Opens and tends stores without `async`.

use std::sync::Arc;

use super::runtime::Shared;
use crate::error::Result;
use crate::store::{GcReport, GcSettings};

/// A folder or a prefix of an object store that holds a dataset: the blocking twin of [`kapok::Store`](crate::Store).
#[derive(Clone, Debug)]
pub struct Store {
    inner: crate::Store,
    shared: Arc<Shared>,
}

impl Store {
    /// Opens a store that is there, to read: see [`kapok::Store::open`](crate::Store::open).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open(url: &str) -> Result<Self> {
        let shared = Shared::get()?;
        let inner = shared.wait(crate::Store::open(url))??;
        Ok(Self { inner, shared })
    }

    /// Opens a store for writing, and creates it if there is none: see
    /// [`kapok::Store::open_for_writing`](crate::Store::open_for_writing).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open_for_writing(url: &str) -> Result<Self> {
        let shared = Shared::get()?;
        let inner = shared.wait(crate::Store::open_for_writing(url))??;
        Ok(Self { inner, shared })
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

    pub(super) fn new(inner: crate::Store, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}
