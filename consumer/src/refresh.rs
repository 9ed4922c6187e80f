//! Takes a consumer from the view that it has to the one that it should have.
//!
//! A refresh reads the log and the manifest, leaves out the record types that are not wanted, plans, gets the blobs, opens the
//! view, and swaps. Only the swap is seen by readers, and only if all before it succeeded.

use std::sync::Arc;

use kapok_blobstore::{Announcement, ErrorKind, clock};
use kapok_core::manifest::Manifest;
use tracing::{Instrument, info, info_span, warn};

use crate::consumer::Consumer;
use crate::error::{Error, Result};
use crate::fetch_plan::FetchPlan;
use crate::local_blobs::{FetchTotals, LocalBlobs, OnMissingBlob};
use crate::local_merge;
use crate::metrics;
use crate::next_view::NextView;
use crate::refresh_report::RefreshReport;
use crate::state::State;

impl Consumer {
    /// Takes the version that consumers should be on by now: one swap of a whole view (I3), or none.
    ///
    /// If anything fails, the view stays. Refreshes take turns. One that is dropped before it is done has changed nothing.
    /// Blobs fetched by a failed or cancelled refresh are reused by the next one, so a version that cannot be opened
    /// is not downloaded anew at each attempt: only a blob whose hash is wrong is asked for again.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::LogWentBack`] for the log, [`Error::Load`] and [`Error::Open`] for the version. A
    /// version of a newer release is `Incompatible`. A store that is gone is an error too, even if nothing was announced.
    pub async fn refresh(&self) -> Result<RefreshReport> {
        let span = info_span!("refresh", store = self.store().url());
        let attempt = async {
            let mut blobs = self.state().blobs.lock().await;
            let outcome = self.advance_to_announced(&mut blobs).await;
            self.record(outcome)
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
            let mut blobs = self.state().blobs.lock().await;
            self.state().status().wanted = version;
            let outcome = self.advance(&mut blobs, version, None, OnMissingBlob::FetchOthers).await;
            self.record(outcome)
        };
        attempt.instrument(span).await
    }

    /// Records how a refresh ended, in the status, the log of the program and the metrics.
    fn record(&self, outcome: Result<RefreshReport>) -> Result<RefreshReport> {
        self.state().status().record_attempt(&outcome);
        match &outcome {
            Ok(report) if report.from != report.to => info!(
                from = report.from,
                to = report.to,
                fetched_blobs = report.fetched_blobs,
                fetched_bytes = report.fetched_bytes,
                duration_us = u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX),
                "view swapped"
            ),
            Ok(_) => {}
            Err(error) => {
                metrics::failed();
                warn!(%error, "refresh failed, the view stays");
            }
        }
        metrics::versions(&self.status());
        outcome
    }

    async fn advance_to_announced(&self, blobs: &mut LocalBlobs) -> Result<RefreshReport> {
        let mut latest = self.read_log().await?;
        let outcome = match self.advance(blobs, current(latest.as_ref()), None, OnMissingBlob::Stop).await {
            // The version may have been retired since the log was read: the log names another one now.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                latest = self.read_log().await?;
                self.advance(blobs, current(latest.as_ref()), None, OnMissingBlob::FetchOthers).await
            }
            outcome => outcome,
        };
        if let (Ok(_), Some(latest)) = (&outcome, latest) {
            self.store().remember(&latest).await;
        }
        outcome
    }

    /// Returns the log's last entry.
    async fn read_log(&self) -> Result<Option<Announcement>> {
        let store = &self.state().store;
        let mut seen = self.state().status().sequence;
        if seen == 0 {
            // An earlier process may have seen more.
            seen = store.last_known_sequence().await.unwrap_or(0);
        }
        let latest = store.announcements().latest(Some(seen).filter(|seen| *seen != 0)).await?;
        let found = latest.as_ref().map_or(0, |entry| entry.sequence);
        // The log only grows. One that is shorter than before is not one in which nothing was announced.
        if found < seen {
            let (location, is_remembered) = (store.url().to_owned(), store.cache().is_some());
            return Err(Error::LogWentBack { location, seen, found, is_remembered });
        }
        if latest.is_none() {
            // Either nothing was announced or the store is gone.
            store.check_marker().await?;
        }
        self.state().status().record_log(latest.as_ref());
        self.state().log_answered();
        Ok(latest)
    }

    /// Takes a version, step by step. Readers see only the last step. `known`: its manifest, if it is not to be read from the store.
    pub(crate) async fn advance(
        &self,
        blobs: &mut LocalBlobs,
        version: u64,
        known: Option<Manifest>,
        on_missing: OnMissingBlob,
    ) -> Result<RefreshReport> {
        let started = clock::instant();
        let current = self.view_arc();
        let mut report = RefreshReport::new(current.version(), version);
        if version == current.version() {
            blobs.drop_next();
            return Ok(report);
        }
        let next = match version {
            0 => NextView::empty(),
            _ => self.load(blobs, known, on_missing, &mut report).await?,
        };
        report.duration = started.elapsed();
        let bytes = metrics::mapped_and_heap_bytes(&next.view, &next.blobs);
        metrics::swapped(&report, &current, &next.view, bytes);
        // No await from here on: the view, its blobs and the status change together or not at all.
        blobs.replace(next.blobs);
        self.state().status().record_refresh(report, next.filtered);
        self.state().swap(Arc::new(next.view));
        Ok(report)
    }

    /// Adds an index of the consumer's own, such as `hash(year)`, to a record type: for the current view, which is swapped for the
    /// same one with the index, and for all later ones.
    ///
    /// It is built by this process, on the heap, and readers do not wait for it. A version whose schema does not allow it is opened
    /// without it, with a warning.
    ///
    /// # Errors
    /// [`Error::Open`] if the text is no index, or the record type does not allow it; nothing is added then.
    pub async fn add_index(&self, record_type: &str, index: &str) -> Result<()> {
        let mut blobs = self.state().blobs.lock().await;
        let current = self.view_arc();
        let failed = |source| Error::Open { version: current.version(), source: Arc::new(source) };
        current.table(record_type).map_err(failed)?;
        self.state().own_indexes.add(record_type, index).map_err(failed)?;
        let manifest = Manifest::clone(current.manifest());
        let next = NextView::reopen(Arc::clone(self.state()), manifest, blobs.for_view()).await;
        match next {
            Ok(next) => {
                blobs.replace(next.blobs);
                self.state().swap(Arc::new(next.view));
                Ok(())
            }
            Err(error) => {
                self.state().own_indexes.take_back();
                Err(error)
            }
        }
    }

    /// Reads the manifest, gets the blobs and opens the view.
    async fn load(
        &self,
        blobs: &mut LocalBlobs,
        known: Option<Manifest>,
        on_missing: OnMissingBlob,
        report: &mut RefreshReport,
    ) -> Result<NextView> {
        let version = report.to;
        let State { store, settings, .. } = &**self.state();
        let failed = |source| Error::Load { version, source: Arc::new(source) };
        let manifest = match known {
            Some(manifest) => manifest,
            None => store.manifests().read(version).await.map_err(failed)?,
        };
        let (mut manifest, filtered) = settings.types.apply(manifest);
        settings.leave_out_artifacts(&mut manifest);
        blobs.retain_for(&manifest);
        // Before anything is merged: another process of this host may have done so.
        let (_, lacking) = blobs.for_view().held_and_lacking(&manifest);
        let cached = blobs.take_cached(store, lacking).await;
        (report.cached_blobs, report.cached_bytes) = (cached.blobs, cached.size);
        let mut merge_sources = FetchTotals::default();
        if settings.merged_segments.makes(store) {
            let lacking = local_merge::lacking_sources(&manifest, &blobs.for_merges(), blobs.failed_merges());
            merge_sources = blobs.fetch_merge_sources(store, lacking).await;
            if local_merge::has_work(&manifest, &blobs.for_merges(), blobs.failed_merges()) {
                // Another process of this host may be about to make the same: it is there when the turn comes.
                let turn = store.turn_to_merge().await;
                if turn.is_some() {
                    let (_, lacking) = blobs.for_view().held_and_lacking(&manifest);
                    let cached = blobs.take_cached(store, lacking).await;
                    report.cached_blobs += cached.blobs;
                    report.cached_bytes += cached.size;
                }
                let outcome = local_merge::make(&manifest, &blobs.for_merges(), blobs.failed_merges()).await;
                report.made_bytes = outcome.size;
                blobs.keep_merges(store, &manifest, outcome).await;
            }
            report.not_made = blobs.failed_merges().len();
        }
        let held = blobs.for_view();
        let plan = FetchPlan::new(&manifest, &held);
        let mut of_version = held.subset(&plan.keep);
        let fetched = blobs.fetch(store, plan.fetch, on_missing).await.map_err(failed)?;
        report.fetched_blobs = fetched.blobs + merge_sources.blobs;
        report.fetched_bytes = fetched.size + merge_sources.size;
        let new_blobs = blobs.new_blobs();
        for (id, blob) in &new_blobs {
            of_version.insert(*id, blob.clone());
        }
        let opened = NextView::open(Arc::clone(self.state()), (manifest, filtered), of_version, new_blobs).await;
        if let Err(error) = &opened {
            blobs.drop_damaged(store, error).await;
        }
        opened
    }
}

/// Returns the version to be on by the log's last entry; 0 if nothing was announced.
fn current(latest: Option<&Announcement>) -> u64 {
    latest.map_or(0, Announcement::current)
}
