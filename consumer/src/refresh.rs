//! How does a consumer get from the view that it has to the one that it should have?
//!
//! Look into the log, read the manifest, narrow it to the record types that are wanted, plan, obtain the blobs, prepare the
//! view, swap. Only the swap is seen by readers, and only if all before it succeeded.

use std::sync::Arc;
use std::time::Duration;

use kapok_blobstore::{ErrorKind, clock};
use kapok_core::manifest::BlobMap;
use kapok_index::View;
use tracing::{Instrument, info, info_span, warn};

use crate::consumer::{Consumer, Inner};
use crate::error::{Error, Result};
use crate::fetch_plan::FetchPlan;
use crate::local_blobs::{Fetched, LocalBlobs, Missing};
use crate::local_merge;
use crate::measure;
use crate::prepare::prepare;
use crate::settings::Narrowed;

/// What a refresh came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshReport {
    /// The version before.
    pub from: u64,
    /// The version after; the same where there was nothing to do.
    pub to: u64,
    /// Blobs that were fetched, or mapped on a local store.
    pub fetched_blobs: usize,
    /// Their length.
    pub fetched_bytes: u64,
    /// Length of the merged segments, and their indexes, that were made here instead: see [`crate::MergedSegments`].
    pub made_bytes: u64,
    /// Merged segments that were to be made here and had to be fetched, since they came out otherwise.
    pub not_made: usize,
    /// From reading the manifest to the swap.
    pub duration: Duration,
}

impl Consumer {
    /// Takes the version that consumers should be on by now: one swap of a whole view (I3), or none.
    ///
    /// Whatever fails, the view stays. Refreshes take turns. One that is dropped before it is done has changed nothing.
    /// Blobs fetched by a refresh that failed or was dropped are used by the next one, so a version that cannot be opened
    /// is not downloaded anew at each attempt: only a blob whose hash is wrong is asked for again.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::LogWentBack`] for the log, [`Error::Load`] and [`Error::Open`] for the version. A
    /// version of a newer release is `Incompatible`. A store that is gone is an error too, also where nothing was announced.
    pub async fn refresh(&self) -> Result<RefreshReport> {
        let span = info_span!("refresh", store = self.store().url());
        let attempt = async {
            let mut held = self.inner().held.lock().await;
            let outcome = self.advance_to_announced(&mut held).await;
            self.noted(outcome)
        };
        attempt.instrument(span).await
    }

    /// Takes a version, announced or not, as [`refresh`](Self::refresh) does; 0 is the empty view.
    ///
    /// The next refresh takes the announced version again, and so does a follower at the next announcement.
    ///
    /// # Errors
    /// [`Error::Load`] and [`Error::Open`].
    pub async fn refresh_to(&self, version: u64) -> Result<RefreshReport> {
        let span = info_span!("refresh", store = self.store().url(), version);
        let attempt = async {
            let mut held = self.inner().held.lock().await;
            self.inner().status().wanted = version;
            let outcome = self.advance(&mut held, version, Missing::GoOn).await;
            self.noted(outcome)
        };
        attempt.instrument(span).await
    }

    fn noted(&self, outcome: Result<RefreshReport>) -> Result<RefreshReport> {
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
            Err(error) => {
                measure::failed();
                warn!(%error, "refresh failed, the view stays");
            }
        }
        measure::standing(&self.status());
        outcome
    }

    async fn advance_to_announced(&self, held: &mut LocalBlobs) -> Result<RefreshReport> {
        let target = self.look().await?;
        match self.advance(held, target, Missing::Stop).await {
            // Retired between look and fetch, perhaps: the log knows what holds now.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let target = self.look().await?;
                self.advance(held, target, Missing::GoOn).await
            }
            outcome => outcome,
        }
    }

    /// The version that the log says to be on.
    async fn look(&self) -> Result<u64> {
        let store = &self.inner().store;
        let seen = self.inner().status().sequence;
        let latest = store.announcements().latest(Some(seen).filter(|seen| *seen != 0)).await?;
        let found = latest.as_ref().map_or(0, |entry| entry.sequence);
        // The log only grows. Whoever loses sight of it must not take that for "nothing announced".
        if found < seen {
            return Err(Error::LogWentBack { location: store.url().to_owned(), seen, found });
        }
        if latest.is_none() {
            // Nothing announced, or no store any more?
            store.check_marker().await?;
        }
        self.inner().heard_log();
        self.inner().status().saw_log(latest.as_ref());
        Ok(latest.map_or(0, |entry| entry.current()))
    }

    /// Takes a version, step by step. Only the last one is seen by readers.
    async fn advance(&self, held: &mut LocalBlobs, version: u64, missing: Missing) -> Result<RefreshReport> {
        let started = clock::instant();
        let current = self.view_arc();
        let from = current.version();
        let mut done = RefreshReport {
            from,
            to: version,
            fetched_blobs: 0,
            fetched_bytes: 0,
            made_bytes: 0,
            not_made: 0,
            duration: Duration::default(),
        };
        if version == from {
            held.forget_fetched();
            return Ok(done);
        }
        let next = match version {
            0 => Next::empty(),
            _ => self.next(held, &current, missing, &mut done).await?,
        };
        done.duration = started.elapsed();
        let mapped_bytes = measure::mapped_bytes(&next.view, &next.blobs);
        measure::swapped(&done, &current, &next.view, mapped_bytes);
        // No wait from here on: the view, its blobs and the status change together or not at all.
        held.replace(next.blobs);
        self.inner().status().refreshed(done, next.narrowed);
        self.inner().swap(Arc::new(next.view));
        Ok(done)
    }

    /// Read the manifest, narrow it, plan, obtain the blobs, prepare the view.
    async fn next(
        &self,
        held: &mut LocalBlobs,
        current: &View,
        missing: Missing,
        done: &mut RefreshReport,
    ) -> Result<Next> {
        let version = done.to;
        let Inner { store, settings, .. } = self.inner();
        let failed = |source| Error::Load { version, source: Arc::new(source) };
        let manifest = store.manifests().read(version).await.map_err(failed)?;
        let (manifest, narrowed) = settings.types.narrow(manifest);
        held.keep_for(&manifest);
        let mut merge_sources = Fetched::default();
        if settings.merged_segments.makes(store) {
            let lacking = local_merge::lacking(&manifest, &held.inputs(), held.not_makeable());
            merge_sources = held.fetch_merge_sources(store, lacking).await;
            let made = local_merge::make(&manifest, &held.inputs(), held.not_makeable()).await;
            done.made_bytes = made.size;
            held.take(made.blobs, made.failed);
            done.not_made = held.not_makeable().len();
        }
        let at_hand = held.at_hand();
        let plan = FetchPlan::new(current.manifest(), &manifest, &at_hand);
        let mut blobs = at_hand.subset(&plan.keep);
        let fetched = held.fetch(store, plan.fetch, missing).await;
        let fetched = fetched.map_err(failed)?;
        done.fetched_blobs = fetched.blobs + merge_sources.blobs;
        done.fetched_bytes = fetched.size + merge_sources.size;
        let fresh = held.fresh();
        for (id, blob) in &fresh {
            blobs.insert(*id, blob.clone());
        }
        match prepare(manifest, blobs, fresh, settings.clone()).await {
            Ok((view, blobs)) => Ok(Next { view, blobs, narrowed }),
            Err(error) => {
                held.drop_damaged(&error).await;
                Err(error)
            }
        }
    }
}

/// What is about to become the present.
struct Next {
    view: View,
    blobs: BlobMap,
    narrowed: Narrowed,
}

impl Next {
    fn empty() -> Self {
        Self { view: View::empty(), blobs: BlobMap::new(), narrowed: Narrowed::default() }
    }
}
