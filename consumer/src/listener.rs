//! Tells listeners of swaps, without keeping readers or refreshes waiting.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, Weak};

use kapok_blobstore::Store;
use kapok_index::{Changes, View};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::error;

use crate::blocking_task::panic_message;
use crate::change_inputs::ChangeInputs;
use crate::error::Result;
use crate::state::State;

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

/// The handle of a listener, which is called until this is dropped, unless it is told to stay.
#[derive(Debug)]
#[must_use = "the listener goes when this is dropped; `keep` lets it stay"]
pub struct Listener {
    task: Option<JoinHandle<()>>,
}

/// The function that is called after swaps.
pub(crate) type Callback = Box<dyn FnMut(&Swap) + Send>;

impl Swap {
    /// Returns the net changes from the view before to the view after.
    ///
    /// The first call finds them: it reads manifests in between from the store, and compares the two views if some are
    /// gone, see [`View::changes_since`]. The listener waits for that, nobody else does.
    ///
    /// # Errors
    /// [`Error::Changes`](crate::Error::Changes) if a manifest or a segment is not as it must be.
    pub fn changes(&self) -> Result<&Changes> {
        if let Some(changes) = self.changes.get() {
            return Ok(changes);
        }
        // On a thread of its own: a listener may run a future to its end on this one, and a thread runs one at a time.
        let read = || self.runtime.block_on(ChangeInputs::read(&self.store, &self.old, &self.new));
        let inputs = match std::thread::scope(|scope| scope.spawn(read).join()) {
            Ok(inputs) => inputs,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let changes = inputs.changes(&self.old, &self.new)?;
        Ok(self.changes.get_or_init(|| changes))
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

/// Calls a listener after swaps until the consumer is gone. `view`: the one that the listener knows already.
pub(crate) async fn run(
    consumer: Weak<State>,
    mut swaps: watch::Receiver<u64>,
    mut view: Arc<View>,
    mut listener: Callback,
) {
    while swaps.changed().await.is_ok() {
        let Some(state) = consumer.upgrade() else { return };
        let swap = Swap {
            old: view,
            new: state.view_arc(),
            changes: OnceLock::new(),
            store: state.store.clone(),
            runtime: state.runtime.clone(),
        };
        drop(state);
        if Arc::ptr_eq(&swap.old, &swap.new) {
            view = swap.new;
            continue;
        }
        let call = tokio::task::spawn_blocking(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener(&swap))) {
                let (from, to) = (swap.old.version(), swap.new.version());
                error!(from, to, cause = panic_message(&*panic), "a listener panicked");
            }
            (listener, swap.new)
        });
        // An error means that the runtime ends.
        let Ok(returned) = call.await else { return };
        (listener, view) = returned;
    }
}
