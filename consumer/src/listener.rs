//! Who else learns of a swap, and how does that never get in the way?

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};

use kapok_blobstore::Store;
use kapok_index::{Changes, View};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::error;

use crate::consumer::Inner;
use crate::error::Result;
use crate::trail;

/// A step from one view to another, as a listener is told of it.
#[non_exhaustive]
pub struct Swap {
    /// The view before: the `new` of the listener's last call.
    pub old: Arc<View>,
    /// The view after.
    pub new: Arc<View>,
    changes: OnceLock<Changes>,
    store: Store,
    runtime: Handle,
}

/// A listener, which is called for as long as this is there, unless it is told to stay.
#[derive(Debug)]
#[must_use = "the listener goes when this is dropped; `keep` lets it stay"]
pub struct Listener {
    task: Option<JoinHandle<()>>,
}

/// What is called after swaps.
pub(crate) type Call = Box<dyn FnMut(&Swap) + Send>;

impl Swap {
    /// The net changes from the view before to the view after.
    ///
    /// They are found when they are first asked for, here and now: manifests in between are read from the store, and
    /// where some are gone the two views are compared, see [`View::changes_since`]. The listener waits for that, nobody
    /// else does.
    ///
    /// # Errors
    /// [`Error::Changes`](crate::Error::Changes) where a manifest or a segment is not as it must be.
    pub fn changes(&self) -> Result<&Changes> {
        if let Some(changes) = self.changes.get() {
            return Ok(changes);
        }
        let (read, between) = self.runtime.block_on(async {
            let read = trail::read(&self.store, self.old.manifest(), self.new.manifest()).await;
            let between = trail::segments(&self.store, &self.old, &self.new, &read).await;
            (read, between)
        });
        let found = trail::changes(&self.old, &self.new, &read, &between)?;
        Ok(self.changes.get_or_init(|| found))
    }
}

impl fmt::Debug for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (old, new) = (self.old.version(), self.new.version());
        f.debug_struct("Swap").field("old", &old).field("new", &new).finish_non_exhaustive()
    }
}

impl Listener {
    pub(crate) fn new(task: JoinHandle<()>) -> Self {
        Self { task: Some(task) }
    }

    /// Lets the listener stay for as long as there is a clone of the consumer.
    pub fn keep(mut self) {
        self.task = None;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A call that has begun goes on to its end; no other follows.
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Calls a listener after swaps until the consumer is gone. `seen`: the view as of the last call.
pub(crate) async fn run(
    consumer: Weak<Inner>,
    mut swaps: watch::Receiver<u64>,
    mut seen: Arc<View>,
    mut listener: Call,
) {
    while swaps.changed().await.is_ok() {
        let Some(inner) = consumer.upgrade() else { return };
        let swap = Swap {
            old: seen,
            new: inner.view_arc(),
            changes: OnceLock::new(),
            store: inner.store.clone(),
            runtime: inner.runtime().clone(),
        };
        drop(inner);
        if Arc::ptr_eq(&swap.old, &swap.new) {
            seen = swap.new;
            continue;
        }
        let call = tokio::task::spawn_blocking(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener(&swap))) {
                let (from, to) = (swap.old.version(), swap.new.version());
                error!(from, to, cause = message(&*panic), "a listener panicked");
            }
            (listener, swap.new)
        });
        // An error is the runtime's end.
        let Ok(returned) = call.await else { return };
        (listener, seen) = returned;
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
