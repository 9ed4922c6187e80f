//! Waits for transfers as long as any of them moves.
//!
//! Transfers share a link, so that one of them may have to wait for the others: what counts as silence is that none of
//! the store's transfers has moved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::timer_instant;
use crate::settings::StoreSettings;

/// What is on its way, and when something last arrived.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    moved: Mutex<Option<Instant>>,
    uploading_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

/// Bytes that are counted as on their way until this is dropped.
pub(crate) struct UploadInFlight<'p> {
    progress: &'p Progress,
    size: u64,
}

impl Progress {
    /// Notes that bytes arrived.
    pub(crate) fn moved(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(timer_instant());
    }

    /// Counts bytes of blobs that arrived.
    pub(crate) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns how many bytes of blobs have arrived.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// Notes that an upload begins. Only its end is noticed, so other transfers get the time that its bytes need, too.
    pub(crate) fn uploading(&self, size: u64) -> UploadInFlight<'_> {
        self.uploading_bytes.fetch_add(size, Ordering::Relaxed);
        UploadInFlight { progress: self, size }
    }

    /// Waits for a part of a transfer; `None` if nothing has moved for too long, and how long that was.
    pub(crate) async fn wait<T>(&self, settings: &StoreSettings, part: impl Future<Output = T>) -> Result<T, Duration> {
        let mut part = std::pin::pin!(part);
        let started = timer_instant();
        loop {
            let since = self.last().map_or(started, |moved| moved.max(started));
            let patience = settings.patience(self.uploading_bytes.load(Ordering::Relaxed));
            match tokio::time::timeout_at(since + patience, &mut part).await {
                Ok(done) => {
                    self.moved();
                    return Ok(done);
                }
                Err(_) if self.last().is_some_and(|moved| moved > since) => {}
                Err(_) => return Err(patience),
            }
        }
    }

    fn last(&self) -> Option<Instant> {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UploadInFlight<'_> {
    fn drop(&mut self) {
        self.progress.uploading_bytes.fetch_sub(self.size, Ordering::Relaxed);
    }
}
