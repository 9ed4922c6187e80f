//! What tells a follower to look now: the watch of a folder, and a stream of the caller's.

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use kapok_blobstore::Store;
use tracing::warn;

/// The most hints that are taken together: a stream may have no end of them.
const READY_MAX: usize = 10_000;

/// Streams of hints, until they end.
pub(crate) struct Hints {
    folder: Option<BoxStream<'static, ()>>,
    caller: Option<BoxStream<'static, ()>>,
}

/// Which stream a hint came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Something changed in the folder, which may be gone.
    Folder,
    /// The caller's said "look now". It may be forged, or one of many.
    Caller,
    /// The caller's has ended.
    Ended,
}

impl Hints {
    pub(crate) fn new(caller: Option<BoxStream<'static, ()>>) -> Self {
        Self { folder: None, caller }
    }

    /// Watches a store's folder from now on, if it is one of this host.
    pub(crate) fn watch(&mut self, store: &Store) {
        let watcher = store.announcements().watch().unwrap_or_else(|error| {
            warn!(%error, "polling only");
            None
        });
        self.folder = watcher.map(|watcher| watcher.into_hints().boxed());
    }

    pub(crate) fn is_watching(&self) -> bool {
        self.folder.is_some()
    }

    /// Returns whether the caller's stream lives.
    pub(crate) fn has_callers(&self) -> bool {
        self.caller.is_some()
    }

    /// Waits for the next hint; for ever if none can come.
    pub(crate) async fn next(&mut self) -> Hint {
        tokio::select! {
            _ = next_of(&mut self.folder) => Hint::Folder,
            hint = next_of(&mut self.caller) => if let Some(()) = hint {
                Hint::Caller
            } else {
                self.caller = None;
                Hint::Ended
            },
        }
    }

    /// Takes the caller's hints that are there already: one poll answers them all.
    pub(crate) fn skip_ready(&mut self) {
        if let Some(stream) = &mut self.caller {
            let mut ready = 0;
            while ready < READY_MAX && stream.next().now_or_never().flatten().is_some() {
                ready += 1;
            }
        }
    }
}

async fn next_of(stream: &mut Option<BoxStream<'static, ()>>) -> Option<()> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}
