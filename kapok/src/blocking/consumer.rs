//! Reads without `async`.

use std::sync::Arc;
use std::time::Duration;

use super::Store;
use super::runtime::SharedRuntime;
use crate::error::Result;
use crate::follow::{Changes, FollowSettings, Follower, Listener, Swap};
use crate::read::{ConsumerSettings, RefreshReport, Status, View, ViewGuard};

/// A dataset as one process sees it: the blocking twin of [`kapok::Consumer`](crate::Consumer).
///
/// Clones are cheap and see the same swaps. To read a view never waits; calls that return a [`Result`] fail with
/// [`Error::InsideRuntime`](crate::Error::InsideRuntime) in async code. Followers and listeners end with the last
/// producer, consumer or store of [`kapok::blocking`](super).
#[derive(Clone, Debug)]
pub struct Consumer {
    inner: crate::Consumer,
    shared: Arc<SharedRuntime>,
}

/// Builds a [`Consumer`]: see [`Consumer::builder`].
#[derive(Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct ConsumerBuilder {
    inner: crate::read::ConsumerBuilder,
    shared: Arc<SharedRuntime>,
}

impl ConsumerBuilder {
    /// Sets how the consumer behaves.
    pub fn settings(self, settings: ConsumerSettings) -> Self {
        Self { inner: self.inner.settings(settings), ..self }
    }

    /// Opens the consumer on the version that consumers should be on.
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open(self) -> Result<Consumer> {
        let inner = self.shared.wait_for_opening(self.inner.open())??;
        Ok(Consumer { inner, shared: self.shared })
    }
}

impl Consumer {
    /// Opens a store and takes the announced version: see [`kapok::Consumer::open`](crate::Consumer::open).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn open(url: &str) -> Result<Self> {
        let shared = SharedRuntime::get()?;
        let inner = shared.wait_for_opening(crate::Consumer::open(url))??;
        Ok(Self { inner, shared })
    }

    /// Builds a consumer of a store that is open.
    pub fn builder(store: &Store) -> ConsumerBuilder {
        let inner = crate::Consumer::builder(store.as_async().clone());
        ConsumerBuilder { inner, shared: Arc::clone(store.shared()) }
    }

    /// Returns the current view, at once.
    #[inline]
    pub fn view(&self) -> ViewGuard {
        self.inner.view()
    }

    /// Returns the current view, to be kept or sent elsewhere.
    pub fn view_arc(&self) -> Arc<View> {
        self.inner.view_arc()
    }

    /// Returns the current view unless it may be out of date: see
    /// [`kapok::Consumer::fresh_view`](crate::Consumer::fresh_view).
    ///
    /// # Errors
    /// Those of the async consumer's call, which waits for nothing either.
    pub fn fresh_view(&self) -> Result<ViewGuard> {
        Ok(self.inner.fresh_view()?)
    }

    /// Takes the announced version: see [`kapok::Consumer::refresh`](crate::Consumer::refresh).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn refresh(&self) -> Result<RefreshReport> {
        Ok(self.shared.wait(self.inner.refresh())??)
    }

    /// Takes a version, announced or not: see [`kapok::Consumer::refresh_to`](crate::Consumer::refresh_to).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn refresh_to(&self, version: u64) -> Result<RefreshReport> {
        Ok(self.shared.wait(self.inner.refresh_to(version))??)
    }

    /// Waits until the view is of this version or a newer one; `None` if it is not within `timeout`.
    ///
    /// This only waits: somebody must follow, or refresh.
    ///
    /// # Errors
    /// [`Error::InsideRuntime`](crate::Error::InsideRuntime) in async code.
    pub fn wait_for(&self, version: u64, timeout: Duration) -> Result<Option<Arc<View>>> {
        let waiting = async { tokio::time::timeout(timeout, self.inner.wait_for(version)).await };
        Ok(self.shared.wait(waiting)?.ok())
    }

    /// Follows the announcement log on the shared runtime, until the handle is dropped.
    pub fn follow(&self, settings: FollowSettings) -> Follower {
        self.inner.follow(settings)
    }

    /// Calls `listener` after swaps, on a thread of its own, until what this returns is dropped: see
    /// [`kapok::Consumer::on_refresh`](crate::Consumer::on_refresh).
    pub fn on_refresh(&self, listener: impl FnMut(&Swap) + Send + 'static) -> Listener {
        self.inner.on_refresh(listener)
    }

    /// Returns the net changes from one view to another: see
    /// [`kapok::Consumer::changes_between`](crate::Consumer::changes_between).
    ///
    /// # Errors
    /// Those of the async call.
    pub fn changes_between(&self, old: &Arc<View>, new: &Arc<View>) -> Result<Changes> {
        Ok(self.shared.wait(self.inner.changes_between(old, new))??)
    }

    /// Returns how the consumer is doing.
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        Store::new(self.inner.store().clone(), Arc::clone(&self.shared))
    }

    /// Returns the async consumer, whose other calls [`wait`](super::wait) waits for.
    pub fn as_async(&self) -> &crate::Consumer {
        &self.inner
    }
}
