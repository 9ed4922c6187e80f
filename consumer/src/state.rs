//! Holds what all clones of a consumer share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use kapok_blobstore::{LastKnown, Store, clock};
use kapok_index::View;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::local_blobs::LocalBlobs;
use crate::log_contact::LogContact;
use crate::own_indexes::OwnIndexes;
use crate::settings::ConsumerSettings;
use crate::status::Status;

/// The time of the log's last answer is kept for later processes of this host with this precision.
const NOTED_EVERY: Duration = Duration::from_secs(5);

/// The view of a consumer and all that refreshes, followers and listeners keep beside it.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) settings: ConsumerSettings,
    pub(crate) own_indexes: OwnIndexes,
    view: ArcSwap<View>,
    /// Held by a refresh from begin to end, so that refreshes take turns. Readers never take it.
    pub(crate) blobs: tokio::sync::Mutex<LocalBlobs>,
    status: Mutex<Status>,
    log_contact: LogContact,
    /// When the cache of this host was last told that the log answered.
    noted: LogContact,
    /// Sends the version of the current view to those who wait for a swap.
    swaps: watch::Sender<u64>,
    /// Runs followers and listeners.
    pub(crate) runtime: Handle,
}

impl State {
    /// Makes the state of a consumer that has the empty view.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn new(store: Store, settings: ConsumerSettings) -> Self {
        Self {
            store,
            settings,
            own_indexes: OwnIndexes::default(),
            view: ArcSwap::from_pointee(View::empty()),
            blobs: tokio::sync::Mutex::default(),
            status: Mutex::default(),
            log_contact: LogContact::new(),
            noted: LogContact::new(),
            swaps: watch::Sender::new(0),
            runtime: Handle::current(),
        }
    }

    #[inline]
    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    pub(crate) fn view_arc(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Swaps the view: all of it, at once (I3). The view changes nowhere else.
    pub(crate) fn swap(&self, view: Arc<View>) {
        let version = view.version();
        self.view.store(view);
        // The same version with one more index is no news to those who wait for a version.
        self.swaps.send_if_modified(|current| std::mem::replace(current, version) != version);
    }

    /// Returns a receiver of the version of each view that is swapped in from now on.
    pub(crate) fn swaps(&self) -> watch::Receiver<u64> {
        self.swaps.subscribe()
    }

    /// Locks the status. Nobody holds this lock across a wait.
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the announcement log answered just now.
    pub(crate) fn log_answered(&self) {
        self.log_contact.record();
        let sequence = {
            let mut status = self.status();
            (status.looked_at, status.offline) = (Some(clock::now()), false);
            status.sequence
        };
        if self.noted.staleness().is_none_or(|since| since >= NOTED_EVERY) {
            self.noted.record();
            self.store.note_answer(sequence);
        }
    }

    /// Records what this host last knew of the log, which does not answer.
    pub(crate) fn recall_log(&self, known: &LastKnown, age: Duration) {
        self.log_contact.recall(age);
        let mut status = self.status();
        status.record_log(Some(&known.announcement));
        (status.looked_at, status.offline) = (Some(known.answered_at), true);
    }

    /// Undoes [`recall_log`](Self::recall_log).
    pub(crate) fn forget_log(&self) {
        self.log_contact.forget();
        *self.status() = Status::default();
    }

    /// Returns the time since the announcement log last answered; `None` if it has not answered yet.
    pub(crate) fn staleness(&self) -> Option<Duration> {
        self.log_contact.staleness()
    }
}
