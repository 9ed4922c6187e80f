//! Gives a program the current view of a dataset that goes on changing.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{Store, StoreSettings, in_one_task};
use kapok_index::{Changes, View};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use crate::blocking_task::run_blocking;
use crate::change_inputs::ChangeInputs;
use crate::error::{Error, Result};
use crate::listener::{self, Listener, Swap};
use crate::settings::ConsumerSettings;
use crate::state::State;
use crate::status::Status;

/// A dataset as one process sees it. Clones are cheap and see the same swaps.
#[derive(Clone)]
pub struct Consumer {
    state: Arc<State>,
}

/// Builds a [`Consumer`]. Made by [`Consumer::builder`].
#[derive(Debug, Clone)]
#[must_use = "a consumer is made by `open`"]
pub struct ConsumerBuilder {
    store: Store,
    settings: ConsumerSettings,
}

impl ConsumerBuilder {
    /// Sets how the consumer behaves.
    pub fn settings(mut self, settings: ConsumerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Opens the consumer on the version that consumers should be on: the pinned one, or else the announced one.
    ///
    /// If nothing was announced yet the view is empty, of version 0, and is filled by a refresh or a follower.
    ///
    /// If a remote store cannot be reached, the consumer begins with the version that this host last knew, as long as its blobs are
    /// in the cache and the log answered within [`ConsumerSettings::max_staleness`]: see [`Status::offline`]. A follower or a
    /// refresh goes on from there.
    ///
    /// # Errors
    /// Those of [`Consumer::refresh`].
    pub async fn open(self) -> Result<Consumer> {
        if self.store.local_path().is_none() {
            return self.open_here().await;
        }
        let (patience, url) = (self.store.settings().timeout, self.store.url().to_owned());
        in_one_task(("open", &url), patience, self.open_here().in_current_span().with_current_subscriber()).await?
    }

    async fn open_here(self) -> Result<Consumer> {
        let consumer = Consumer { state: Arc::new(State::new(self.store, self.settings)) };
        for (record_type, index) in &consumer.settings().indexes {
            let added = consumer.state.own_indexes.add(record_type, index);
            added.map_err(|source| Error::Open { version: 0, source: Arc::new(source) })?;
        }
        consumer.begin().await?;
        Ok(consumer)
    }
}

impl Consumer {
    /// Opens a store and takes the version that consumers should be on.
    ///
    /// As [`builder`](Self::builder) of that store, with default settings.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) if there is no store, and those of [`refresh`](Self::refresh).
    pub async fn open(url: &str) -> Result<Self> {
        let location = url.to_owned();
        let opening = async move {
            let builder = Self::builder(Store::open(&location).await?);
            // All files of a folder are read in one task; without files there is nothing to wait for.
            let is_local = builder.store.local_path().is_some();
            if is_local { builder.open_here().await.map(Ok) } else { Ok(Err(builder)) }
        };
        let patience = StoreSettings::default().timeout;
        let opening = in_one_task(("open", url), patience, opening.in_current_span().with_current_subscriber());
        match opening.await?? {
            Ok(consumer) => Ok(consumer),
            Err(builder) => builder.open().await,
        }
    }

    /// Builds a consumer of a store that is open.
    ///
    /// ```
    /// use kapok_consumer::{Consumer, ConsumerSettings, Store};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # Store::options().writable().open("memory://consumer-built").await?;
    /// let store = Store::open("memory://consumer-built").await?;
    /// let mut settings = ConsumerSettings::default();
    /// settings.verify = true;
    /// let consumer = Consumer::builder(store).settings(settings).open().await?;
    /// # drop(consumer);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(store: Store) -> ConsumerBuilder {
        ConsumerBuilder { store, settings: ConsumerSettings::default() }
    }

    /// Returns the current view. It never waits, whatever a refresh is doing (I4).
    ///
    /// A view is one whole version and stays as it is. Take a new one per request or per batch, since the blobs of a
    /// version stay mapped while somebody holds it. The last holder of an old view does not unmap it: a thread of its own
    /// does, a moment later. To keep a view for long, take [`view_arc`](Self::view_arc).
    #[inline]
    pub fn view(&self) -> ViewGuard {
        ViewGuard(self.state.view())
    }

    /// Returns the current view, or an error if it may be out of date. It never waits either.
    ///
    /// The view is stale if the log, which says which version to be on, has not answered for too long. A consumer that
    /// cannot load that version is not stale but behind: see [`Status::is_behind`].
    ///
    /// # Errors
    /// [`Error::Stale`] if the announcement log has not answered for longer than
    /// [`ConsumerSettings::max_staleness`]: somebody must follow or refresh, and the store must be there.
    pub fn fresh_view(&self) -> Result<ViewGuard> {
        let view = self.view();
        let staleness = self.state.staleness().unwrap_or(Duration::MAX);
        match self.state.settings.max_staleness {
            Some(max_staleness) if staleness > max_staleness => {
                Err(Error::Stale { version: view.version(), staleness, max_staleness })
            }
            _ => Ok(view),
        }
    }

    /// Returns the current view, to be kept or sent elsewhere.
    pub fn view_arc(&self) -> Arc<View> {
        self.state.view_arc()
    }

    /// Returns how the consumer is doing.
    pub fn status(&self) -> Status {
        let status = self.state.status().clone();
        status.at_present(&self.view(), self.state.staleness())
    }

    /// Returns the settings.
    pub fn settings(&self) -> &ConsumerSettings {
        &self.state.settings
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.state.store
    }

    /// Waits until the view is of this version or a newer one, and returns it.
    ///
    /// This only waits: somebody must follow, or refresh.
    pub async fn wait_for(&self, version: u64) -> Arc<View> {
        self.wait_until(|view| view.version() >= version).await
    }

    /// Waits until a condition is true of the current view, and returns that view. The condition is evaluated now and after
    /// swaps.
    pub async fn wait_until(&self, mut condition: impl FnMut(&View) -> bool) -> Arc<View> {
        let mut swaps = self.state.swaps();
        loop {
            let view = self.view_arc();
            if condition(&view) {
                return view;
            }
            if swaps.changed().await.is_err() {
                // Cannot be: `self` holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Calls `listener` after swaps, with the view before and the view after, until the returned handle is dropped.
    ///
    /// It is called on a thread of its own, one call at a time, so it may take its time: readers and refreshes do not wait
    /// for it. A listener that is slower than the swaps is called with wider steps: `old` is always the `new` of its last
    /// call, so nothing is left out between the two. A panic is logged, and ends that call only. [`Listener::keep`]
    /// lets a listener stay for as long as there is a clone of this consumer.
    pub fn on_refresh(&self, listener: impl FnMut(&Swap) + Send + 'static) -> Listener {
        let swaps = self.state.swaps();
        let view = self.view_arc();
        let task = listener::run(Arc::downgrade(&self.state), swaps, view, Box::new(listener));
        Listener::new(self.state.runtime.spawn(task))
    }

    /// Finds the net changes from one view to another, of this consumer or of another one of the same store and settings.
    ///
    /// Manifests in between are read from the store; if some are gone the two views are compared, see
    /// [`View::changes_since`].
    ///
    /// # Errors
    /// [`Error::Changes`] if a manifest or a segment is not as it must be.
    pub async fn changes_between(&self, old: &Arc<View>, new: &Arc<View>) -> Result<Changes> {
        let inputs = ChangeInputs::read(&self.state.store, old, new).await;
        let (old, new) = (Arc::clone(old), Arc::clone(new));
        run_blocking(new.version(), move || inputs.changes(&old, &new)).await
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("url", &self.state.store.url())
            .field("version", &self.view().version())
            .finish_non_exhaustive()
    }
}

/// A view, borrowed from its consumer in a few nanoseconds. Best held briefly.
#[must_use]
pub struct ViewGuard(arc_swap::Guard<Arc<View>>);

impl ViewGuard {
    /// Returns the view, to be kept or sent elsewhere.
    pub fn into_arc(self) -> Arc<View> {
        arc_swap::Guard::into_inner(self.0)
    }
}

impl Deref for ViewGuard {
    type Target = View;

    #[inline]
    fn deref(&self) -> &View {
        &self.0
    }
}

impl fmt::Debug for ViewGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewGuard").field("version", &self.version()).finish_non_exhaustive()
    }
}
