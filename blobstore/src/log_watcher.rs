//! Watches the announcement log of a folder, so that consumers poll when it has grown.
//!
//! A hint says nothing but "look now". One that is lost, doubled or late costs time, never correctness, so a watched
//! store is still polled, only less often.

use std::fmt;
#[cfg(feature = "watch")]
use std::path::Path;
use std::sync::Arc;

use futures::{Stream, stream};
#[cfg(feature = "watch")]
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::announcements::Announcements;
#[cfg(feature = "watch")]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "watch")]
use crate::numbered::ANNOUNCEMENTS;

/// Watches the announcement log of a folder, from [`Announcements::watch`].
pub struct LogWatcher {
    grown: Arc<Notify>,
    /// Watches until it is dropped.
    #[cfg(feature = "watch")]
    _watcher: RecommendedWatcher,
}

impl fmt::Debug for LogWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWatcher").finish_non_exhaustive()
    }
}

impl LogWatcher {
    /// Waits for the next hint. Hints that came since the last call count as one and return at once.
    pub async fn changed(&self) {
        self.grown.notified().await;
    }

    /// Returns the hints as a stream without end.
    pub fn into_hints(self) -> impl Stream<Item = ()> + Send + 'static {
        stream::unfold(self, async |watcher| {
            watcher.changed().await;
            Some(((), watcher))
        })
    }
}

impl Announcements<'_> {
    /// Watches the log. Returns `None` if the store cannot be watched, or if the crate is built without the feature
    /// `watch`.
    ///
    /// # Errors
    /// `Unavailable` if the system refuses, for example for want of watches.
    pub fn watch(self) -> Result<Option<LogWatcher>> {
        watch(self)
    }
}

#[cfg(not(feature = "watch"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
fn watch(_: Announcements<'_>) -> Result<Option<LogWatcher>> {
    Ok(None)
}

#[cfg(feature = "watch")]
fn watch(announcements: Announcements<'_>) -> Result<Option<LogWatcher>> {
    let Some(folder) = announcements.objects.root.as_ref().map(|root| root.join(ANNOUNCEMENTS)) else {
        return Ok(None);
    };
    if !folder.is_dir() {
        return Ok(None);
    }
    let failed = |source| Error::Watch { path: folder.clone(), source };
    let grown = Arc::new(Notify::new());
    let seen = Arc::clone(&grown);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error may stand for events that were lost.
        if event.as_ref().map_or(true, is_hint) {
            seen.notify_one();
        }
    })
    .map_err(failed)?;
    watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
    Ok(Some(LogWatcher { grown, _watcher: watcher }))
}

#[cfg(feature = "watch")]
/// Returns whether an event may mean a new entry: not one of reading, nor of the file that an entry is prepared in.
fn is_hint(event: &Event) -> bool {
    let prepared = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().contains('#'));
    let only_prepared = !event.paths.is_empty() && event.paths.iter().all(|path| prepared(path));
    event.need_rescan() || !(matches!(event.kind, EventKind::Access(_)) || only_prepared)
}

#[cfg(all(test, feature = "watch"))]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, Flag};

    #[test]
    fn only_what_may_be_a_new_entry_is_a_hint() {
        let created = |path: &str| Event::new(EventKind::Create(CreateKind::File)).add_path(path.into());
        let read = Event::new(EventKind::Access(AccessKind::Any)).add_path("a/1".into());
        assert!(is_hint(&created("a/1")));
        assert!(is_hint(&created("a#1/1")), "the folder may have any name");
        assert!(!is_hint(&created("a/1#1")));
        assert!(!is_hint(&read));
        assert!(is_hint(&read.set_flag(Flag::Rescan)), "events were lost");
    }
}
