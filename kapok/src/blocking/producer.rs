//! Publishes without `async`.

use std::sync::Arc;

use super::Store;
use super::runtime::SharedRuntime;
use crate::error::Result;
use crate::publish::{Cycle, CycleReport, IncrementalCycle, MergeReport, ProducerSettings};

type PopulateResult = std::result::Result<(), crate::error::BoxError>;

/// Publishes versions of a dataset: the blocking twin of [`kapok::Producer`](crate::Producer).
///
/// Clones share the last version that they mapped. All calls fail with
/// [`Error::InsideRuntime`](crate::Error::InsideRuntime) in async code.
#[derive(Clone, Debug)]
pub struct Producer {
    inner: crate::Producer,
    shared: Arc<SharedRuntime>,
}

/// Builds a [`Producer`]: see [`Producer::builder`].
#[derive(Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct ProducerBuilder {
    inner: crate::publish::ProducerBuilder,
    shared: Arc<SharedRuntime>,
}

impl ProducerBuilder {
    /// Sets how the producer works.
    pub fn settings(self, settings: ProducerSettings) -> Self {
        Self { inner: self.inner.settings(settings), ..self }
    }

    /// Opens the producer.
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open(self) -> Result<Producer> {
        let inner = self.shared.wait(self.inner.open())??;
        Ok(Producer { inner, shared: self.shared })
    }
}

impl Producer {
    /// Opens a store for writing, and creates it if there is none: see
    /// [`kapok::Producer::open`](crate::Producer::open).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open(url: &str) -> Result<Self> {
        let shared = SharedRuntime::get()?;
        let inner = shared.wait(crate::Producer::open(url))??;
        Ok(Self { inner, shared })
    }

    /// Builds a producer for a store that is open for writing.
    pub fn builder(store: &Store) -> ProducerBuilder {
        let inner = crate::Producer::builder(store.as_async().clone());
        ProducerBuilder { inner, shared: Arc::clone(store.shared()) }
    }

    /// Runs one full cycle: see [`kapok::Producer::run_cycle`](crate::Producer::run_cycle).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn run_cycle(&self, populate: impl FnOnce(&Cycle) -> PopulateResult) -> Result<CycleReport> {
        Ok(self.shared.wait(self.inner.run_cycle(populate))??)
    }

    /// Runs a cycle of changes alone: see
    /// [`kapok::Producer::run_incremental_cycle`](crate::Producer::run_incremental_cycle).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn run_incremental_cycle(
        &self,
        populate: impl FnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        Ok(self.shared.wait(self.inner.run_incremental_cycle(populate))??)
    }

    /// Runs a cycle of changes on top of a retained version: see
    /// [`kapok::Producer::run_incremental_cycle_on`](crate::Producer::run_incremental_cycle_on).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn run_incremental_cycle_on(
        &self,
        version: u64,
        populate: impl FnOnce(&IncrementalCycle) -> PopulateResult,
    ) -> Result<CycleReport> {
        Ok(self.shared.wait(self.inner.run_incremental_cycle_on(version, populate))??)
    }

    /// Merges segments if it is time to: see [`kapok::Producer::merge`](crate::Producer::merge).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn merge(&self) -> Result<Option<MergeReport>> {
        Ok(self.shared.wait(self.inner.merge())??)
    }

    /// Maps the version that the next cycle builds on: see [`kapok::Producer::restore`](crate::Producer::restore).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn restore(&self) -> Result<u64> {
        Ok(self.shared.wait(self.inner.restore())??)
    }

    /// Returns the settings, to be changed between cycles.
    pub fn settings_mut(&mut self) -> &mut ProducerSettings {
        self.inner.settings_mut()
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        Store::new(self.inner.store().clone(), Arc::clone(&self.shared))
    }

    /// Returns the async producer, whose other calls [`wait`](super::wait) waits for.
    pub fn as_async(&self) -> &crate::Producer {
        &self.inner
    }
}
