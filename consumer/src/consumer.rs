//! What does a program hold to read a dataset that goes on changing?

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use kapok_blobstore::Store;
use kapok_core::blobs::Blobs;
use kapok_index::View;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::Result;
use crate::listener;
use crate::status::Status;

/// A dataset as one process sees it. Clones are cheap and see the same swaps.
#[derive(Clone)]
pub struct Consumer {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    current: ArcSwap<View>,
    /// The blobs of the current view. Whoever holds the lock may swap, so refreshes take turns; readers never take it.
    pub(crate) held: tokio::sync::Mutex<Blobs>,
    status: Mutex<Status>,
    /// The version of the current view, for those who wait for a swap.
    swaps: watch::Sender<u64>,
    /// Where followers and listeners run.
    runtime: Handle,
}

impl Consumer {
    /// Opens a store and takes the version that consumers should be on: the pinned one, or else the announced one.
    ///
    /// Where nothing was announced yet the view is empty, of version 0, and is filled by a refresh or a follower.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) where there is no store, and those of [`refresh`](Self::refresh).
    pub async fn open(url: &str) -> Result<Self> {
        Self::with_store(Store::open(url).await?).await
    }

    /// As [`open`](Self::open), of a store that is open already.
    ///
    /// # Errors
    /// Those of [`refresh`](Self::refresh).
    pub async fn with_store(store: Store) -> Result<Self> {
        let inner = Inner {
            store,
            current: ArcSwap::from_pointee(View::empty()),
            held: tokio::sync::Mutex::default(),
            status: Mutex::default(),
            swaps: watch::Sender::new(0),
            runtime: Handle::current(),
        };
        let consumer = Self { inner: Arc::new(inner) };
        consumer.refresh().await?;
        Ok(consumer)
    }

    /// The current view. Never waits, whatever a refresh is doing (I4).
    ///
    /// What is held is one whole version, and stays as it is. Take a new one per request or per batch, since the blobs of
    /// a version stay mapped while somebody holds it. To keep one for long, take [`view_arc`](Self::view_arc).
    #[inline]
    pub fn view(&self) -> ViewGuard {
        ViewGuard(self.inner.current.load())
    }

    /// The current view, to be kept or sent elsewhere.
    pub fn view_arc(&self) -> Arc<View> {
        self.inner.current.load_full()
    }

    /// How the consumer is doing.
    pub fn status(&self) -> Status {
        Status { current: self.view().version(), ..self.inner.status().clone() }
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

    /// Calls `listener` after swaps, with the view before and the view after.
    ///
    /// It is called on a thread of its own, one call at a time, so it may take its time: readers and refreshes do not wait
    /// for it. A listener that is slower than the swaps is called with wider steps: `old` is always the `new` of its last
    /// call, so nothing is left out between the two. A panic is logged, and ends that call only. Listeners stay for as
    /// long as there is a clone of this consumer.
    pub fn on_refresh(&self, listener: impl FnMut(&Arc<View>, &Arc<View>) + Send + 'static) {
        let swaps = self.inner.swaps.subscribe();
        let seen = self.view_arc();
        let task = listener::run(Arc::downgrade(&self.inner), swaps, seen, Box::new(listener));
        self.inner.runtime.spawn(task);
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
