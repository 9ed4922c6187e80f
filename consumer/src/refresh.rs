//! How does a consumer get from the view that it has to the one that it should have?
//!
//! Look into the log, plan, fetch, open, swap. Only the swap is seen by readers, and only if all before it succeeded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kapok_blobstore::ErrorKind;
use kapok_core::blobs::Blobs;
use kapok_core::manifest::Manifest;
use kapok_index::View;
use tracing::{info, warn};

use crate::consumer::Consumer;
use crate::error::{Error, Result};
use crate::listener::message;
use crate::plan::Plan;

/// What a refresh came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refreshed {
    /// The version before.
    pub from: u64,
    /// The version after; the same where there was nothing to do.
    pub to: u64,
    /// Blobs that were fetched, or mapped on a local store.
    pub fetched_blobs: usize,
    /// Their length.
    pub fetched_bytes: u64,
    /// From reading the manifest to the swap.
    pub duration: Duration,
}

impl Consumer {
    /// Takes the version that consumers should be on by now: one swap of a whole view (I3), or none.
    ///
    /// Whatever fails, the view stays. Refreshes take turns. One that is dropped before it is done has done nothing.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::LogWentBack`] for the log, [`Error::Load`] and [`Error::Open`] for the version. A
    /// version of a newer release is `Incompatible`.
    pub async fn refresh(&self) -> Result<Refreshed> {
        let mut held = self.inner().held.lock().await;
        let outcome = self.advance_to_announced(&mut held).await;
        self.noted(outcome)
    }

    /// Takes a version, announced or not, as [`refresh`](Self::refresh) does; 0 is the empty view.
    ///
    /// The next refresh takes the announced version again, and so does a follower at the next announcement.
    ///
    /// # Errors
    /// [`Error::Load`] and [`Error::Open`].
    pub async fn refresh_to(&self, version: u64) -> Result<Refreshed> {
        let mut held = self.inner().held.lock().await;
        self.inner().status().wanted = version;
        let outcome = self.advance(&mut held, version).await;
        self.noted(outcome)
    }

    fn noted(&self, outcome: Result<Refreshed>) -> Result<Refreshed> {
        self.inner().status().attempted(&outcome);
        match &outcome {
            Ok(done) if done.from != done.to => info!(
                from = done.from,
                to = done.to,
                fetched_blobs = done.fetched_blobs,
                fetched_bytes = done.fetched_bytes,
                duration_us = u64::try_from(done.duration.as_micros()).unwrap_or(u64::MAX),
                "view swapped"
            ),
            Ok(_) => {}
            Err(error) => warn!(%error, "refresh failed, the view stays"),
        }
        outcome
    }

    async fn advance_to_announced(&self, held: &mut Blobs) -> Result<Refreshed> {
        let target = self.look().await?;
        match self.advance(held, target).await {
            // Retired between look and fetch, perhaps: the log knows what holds now.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let target = self.look().await?;
                self.advance(held, target).await
            }
            outcome => outcome,
        }
    }

    /// The version that the log says to be on.
    async fn look(&self) -> Result<u64> {
        let store = &self.inner().store;
        let seen = self.inner().status().sequence;
        let latest = store.latest_announcement(Some(seen).filter(|seen| *seen != 0)).await?;
        let found = latest.as_ref().map_or(0, |entry| entry.sequence);
        // The log only grows. Whoever loses sight of it must not take that for "nothing announced".
        if found < seen {
            return Err(Error::LogWentBack { location: store.url().to_owned(), seen, found });
        }
        self.inner().status().saw_log(latest.as_ref());
        Ok(latest.map_or(0, |entry| entry.current()))
    }

    async fn advance(&self, held: &mut Blobs, version: u64) -> Result<Refreshed> {
        let started = Instant::now();
        let current = self.view_arc();
        let from = current.version();
        let mut done =
            Refreshed { from, to: version, fetched_blobs: 0, fetched_bytes: 0, duration: Duration::default() };
        if version == from {
            return Ok(done);
        }
        let (view, blobs) = if version == 0 {
            (View::empty(), Blobs::new())
        } else {
            let store = &self.inner().store;
            let failed = |source| Error::Load { version, source: Arc::new(source) };
            let manifest = store.read_manifest(version).await.map_err(failed)?;
            let plan = Plan::new(current.manifest(), &manifest, held);
            drop(current);
            let mut blobs = plan.kept(held);
            for (id, blob) in store.fetch(plan.fetch).await.map_err(failed)? {
                done.fetched_blobs += 1;
                done.fetched_bytes += blob.bytes.len() as u64;
                blobs.insert(id, blob);
            }
            open(manifest, blobs).await?
        };
        done.duration = started.elapsed();
        // No wait from here on: the view, its blobs and the status change together or not at all.
        *held = blobs;
        self.inner().status().refreshed(done);
        self.inner().swap(Arc::new(view));
        Ok(done)
    }
}

/// Opens a view where the first touch of its bytes may wait for a disk.
async fn open(manifest: Manifest, blobs: Blobs) -> Result<(View, Blobs)> {
    let version = manifest.version;
    let opening = move || (View::open(Arc::new(manifest), &blobs), blobs);
    match tokio::task::spawn_blocking(opening).await {
        Ok((Ok(view), blobs)) => Ok((view, blobs)),
        Ok((Err(source), _)) => Err(Error::Open { version, source: Arc::new(source) }),
        Err(failure) => Err(Error::Panicked {
            version,
            message: match failure.try_into_panic() {
                Ok(panic) => message(&*panic).to_owned(),
                Err(failure) => failure.to_string(),
            },
        }),
    }
}
