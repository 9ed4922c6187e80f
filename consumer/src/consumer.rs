//! What does a program hold to read a dataset that goes on changing?

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use kapok_blobstore::{Store, clock};
use kapok_index::{Changes, View};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::listener::{self, Listener, Swap};
use crate::local_blobs::LocalBlobs;
use crate::log_contact::LogContact;
use crate::prepare::on_a_thread;
use crate::settings::ConsumerSettings;
use crate::status::Status;
use crate::trail;

/// A dataset as one process sees it. Clones are cheap and see the same swaps.
#[derive(Clone)]
pub struct Consumer {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) settings: ConsumerSettings,
    current: ArcSwap<View>,
    /// The blobs at hand. Whoever holds the lock may swap, so refreshes take turns; readers never take it.
    pub(crate) held: tokio::sync::Mutex<LocalBlobs>,
    status: Mutex<Status>,
    heard: LogContact,
    /// The version of the current view, for those who wait for a swap.
    swaps: watch::Sender<u64>,
    /// Where followers and listeners run.
    runtime: Handle,
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
    /// # Errors
    /// Those of [`Consumer::refresh`].
    pub async fn open(self) -> Result<Consumer> {
        let inner = Inner {
            store: self.store,
            settings: self.settings,
            current: ArcSwap::from_pointee(View::empty()),
            held: tokio::sync::Mutex::default(),
            status: Mutex::default(),
            heard: LogContact::never(),
            swaps: watch::Sender::new(0),
            runtime: Handle::current(),
        };
        let consumer = Consumer { inner: Arc::new(inner) };
        consumer.refresh().await?;
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
        Self::builder(Store::open(url).await?).open().await
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

    /// The current view. Never waits, whatever a refresh is doing (I4).
    ///
    /// What is held is one whole version, and stays as it is. Take a new one per request or per batch, since the blobs of
    /// a version stay mapped while somebody holds it. The last holder of an old view does not unmap it: a thread of its own
    /// does, a moment later. To keep one for long, take [`view_arc`](Self::view_arc).
    #[inline]
    pub fn view(&self) -> ViewGuard {
        ViewGuard(self.inner.current.load())
    }

    /// The current view, for those who would rather have none than one that may be out of date. Never waits either.
    ///
    /// A log that answers says which version to be on, and that is all that this asks: a consumer that cannot load that
    /// version is not stale but behind, see [`Status::is_behind`].
    ///
    /// # Errors
    /// [`Error::Stale`] where the announcement log has not answered for longer than
    /// [`ConsumerSettings::max_staleness`]: somebody must follow or refresh, and the store must be there.
    pub fn fresh_view(&self) -> Result<ViewGuard> {
        let view = self.view();
        let staleness = self.inner.heard.staleness().unwrap_or(Duration::MAX);
        match self.inner.settings.max_staleness {
            Some(max_staleness) if staleness > max_staleness => {
                Err(Error::Stale { version: view.version(), staleness, max_staleness })
            }
            _ => Ok(view),
        }
    }

    /// The current view, to be kept or sent elsewhere.
    pub fn view_arc(&self) -> Arc<View> {
        self.inner.current.load_full()
    }

    /// How the consumer is doing.
    pub fn status(&self) -> Status {
        let status = self.inner.status().clone();
        status.now(&self.view(), self.inner.heard.staleness())
    }

    /// The settings.
    pub fn settings(&self) -> &ConsumerSettings {
        &self.inner.settings
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Waits until the view is of this version or a newer one, and returns it.
    ///
    /// This only waits: somebody must follow, or refresh.
    pub async fn wait_for(&self, version: u64) -> Arc<View> {
        self.wait_until(|view| view.version() >= version).await
    }

    /// Waits until there is a view of which `enough` is true, and returns it. It is asked once now, and after swaps.
    pub async fn wait_until(&self, mut enough: impl FnMut(&View) -> bool) -> Arc<View> {
        let mut swaps = self.inner.swaps.subscribe();
        loop {
            let view = self.view_arc();
            if enough(&view) {
                return view;
            }
            if swaps.changed().await.is_err() {
                // Not while `self` is here, since it holds the sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Calls `listener` after swaps, with the view before and the view after, until what this returns is dropped.
    ///
    /// It is called on a thread of its own, one call at a time, so it may take its time: readers and refreshes do not wait
    /// for it. A listener that is slower than the swaps is called with wider steps: `old` is always the `new` of its last
    /// call, so nothing is left out between the two. A panic is logged, and ends that call only. [`Listener::keep`]
    /// lets a listener stay for as long as there is a clone of this consumer.
    pub fn on_refresh(&self, listener: impl FnMut(&Swap) + Send + 'static) -> Listener {
        let swaps = self.inner.swaps.subscribe();
        let seen = self.view_arc();
        let task = listener::run(Arc::downgrade(&self.inner), swaps, seen, Box::new(listener));
        Listener::new(self.inner.runtime.spawn(task))
    }

    /// The net changes from one view to another, of this consumer or of another one of the same store and settings.
    ///
    /// Manifests in between are read from the store; where some are gone the two views are compared, see
    /// [`View::changes_since`].
    ///
    /// # Errors
    /// [`Error::Changes`] where a manifest or a segment is not as it must be.
    pub async fn changes_between(&self, old: &Arc<View>, new: &Arc<View>) -> Result<Changes> {
        let read = trail::read(&self.inner.store, old.manifest(), new.manifest()).await;
        let between = trail::segments(&self.inner.store, old, new, &read).await;
        let (old, new) = (Arc::clone(old), Arc::clone(new));
        let version = new.version();
        on_a_thread(version, move || trail::changes(&old, &new, &read, &between)).await
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

impl Inner {
    /// Short: nobody holds this across a wait.
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_arc(&self) -> Arc<View> {
        self.current.load_full()
    }

    /// The log answered just now.
    pub(crate) fn heard_log(&self) {
        self.heard.now();
        self.status().looked_at = Some(clock::now());
    }

    /// The one place where the view changes: all of it, at once (I3).
    pub(crate) fn swap(&self, view: Arc<View>) {
        let version = view.version();
        self.current.store(view);
        self.swaps.send_replace(version);
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("url", &self.inner.store.url())
            .field("version", &self.view().version())
            .finish_non_exhaustive()
    }
}

/// The view that was current when it was asked for: made in a few nanoseconds, best held briefly.
#[must_use]
pub struct ViewGuard(arc_swap::Guard<Arc<View>>);

impl ViewGuard {
    /// The view, to be kept or sent elsewhere.
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
