//! Stores, checks, commits and announces the records of a cycle.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kapok_blobstore::{BlobId, CommitOutcome, clock, fresh_token};
use kapok_core::manifest::{BlobMap, Id, Manifest};
use kapok_index::View;
use tracing::{Instrument, info_span};

use crate::base::{Base, without};
use crate::error::{Error, ErrorKind, Result};
use crate::graphs::GraphReport;
use crate::index_changes::IndexChange;
use crate::manifest_draft::{ManifestDraft, Origin, Tags, TypePlan, are_as_in};
use crate::metrics;
use crate::producer::Producer;
use crate::report::{CycleReport, Outcome, Steps, TypeReport};
use crate::settings::{AnnounceMode, MergeSchedule, Verification};
use crate::stored_blobs::StoredBlobs;
use crate::validate::{Counts, Proposal, Validator};

/// Record types of the version before that get no records, and changes that are not of records.
#[derive(Default)]
pub(crate) struct Untouched {
    /// Those that the next version lacks.
    pub dropped: BTreeSet<String>,
    /// Those that are reported as unchanged.
    pub kept: BTreeSet<String>,
    /// Indexes of any record type that are added or dropped.
    pub indexes: Vec<(String, IndexChange)>,
    /// References that the next version lacks, with their record types.
    pub dropped_references: Vec<(String, String)>,
}

/// A version's manifest with its encoded bytes, to be committed.
pub(crate) struct EncodedManifest {
    pub manifest: Arc<Manifest>,
    payload: Bytes,
}

impl Producer {
    /// Makes an announced version of the plans for its record types.
    pub(crate) async fn publish(
        &self,
        base: &Base,
        plans: Vec<TypePlan>,
        Untouched { dropped, kept, indexes, dropped_references }: Untouched,
        tags: Tags,
        mut steps: Steps,
        mut warnings: Vec<String>,
    ) -> Result<CycleReport> {
        let prior = base.view.manifest();
        let schemas: Vec<_> = plans.iter().map(|plan| &plan.schema).collect();
        let mut draft = ManifestDraft::new(&base.view, &schemas, &dropped)?;
        if let Some((name, reason)) =
            base.view.left_out().iter().find(|(name, _)| indexes.iter().any(|(it, _)| it == *name))
        {
            let (record_type, version, reason) = (name.clone(), prior.version, reason.clone());
            return Err(Error::Damaged { record_type, version, reason });
        }
        draft.drop_references(prior, &schemas, &dropped_references)?;
        let indexes = draft.plan_indexes(prior, &schemas, &indexes)?;
        let gone = dropped.iter().map(|name| TypeReport::dropped(&base.view, name));
        let kept = kept.iter().map(|name| TypeReport::kept(&base.view, name));
        let mut types: Vec<TypeReport> = plans.iter().map(|plan| plan.report(prior)).chain(gone).chain(kept).collect();
        let idle = dropped.is_empty()
            && are_as_in(prior, &indexes)
            && plans.iter().all(|plan| plan.is_idle() && plan.is_declared_as(prior));
        // A base that is not the current version is not where consumers are, so its records are published even if
        // unchanged.
        let is_current = prior.version > 0 && prior.version == base.current;
        if is_current && idle && prior.tags == tags && *prior.schema == draft.closed_schema()? {
            let started = clock::instant();
            warnings.extend(self.announce_unchanged(base).await?);
            steps.announce = started.elapsed();
            let outcome = Outcome::Unchanged { version: prior.version };
            let (merged, merge_error) = (None, None);
            let graphs = GraphReport::default();
            return Ok(CycleReport { outcome, types, steps, bytes_written: 0, graphs, merged, merge_error, warnings });
        }

        let started = clock::instant();
        self.validate_counts(&Counts { before: prior, types: &types }, base.next_version()?)?;
        steps.validate = started.elapsed();

        let started = clock::instant();
        let writing = self.write(plans, &mut draft, base, &indexes, &mut types);
        let blobs = writing.instrument(info_span!("write")).await?;
        let (bytes_written, graphs) = (blobs.written, blobs.graphs);
        steps.write = started.elapsed();

        let started = clock::instant();
        let stored = self.encode(draft, tags, base)?;
        let manifest = Arc::clone(&stored.manifest);
        let (view, blobs) = self.verify(&manifest, base, &blobs).instrument(info_span!("verify")).await?;
        for (record_type, reason) in view.left_out() {
            warnings.push(format!(
                "record type {record_type} of version {} cannot be read, and is carried over as it is: {reason}; publish \
                 all of its records, or restore the blob (kapok repair)",
                prior.version
            ));
        }
        steps.verify = started.elapsed();

        let started = clock::instant();
        let mut findings = Vec::new();
        let proposal = Proposal { before: &base.view, after: &view, types: &types };
        for validator in &self.settings.validators {
            validator.run(&proposal, &mut findings)?;
        }
        if !findings.is_empty() {
            return Err(Error::Refused { version: manifest.version, findings });
        }
        steps.validate += started.elapsed();

        let started = clock::instant();
        self.commit(&stored, base).await?;
        steps.commit = started.elapsed();
        self.hold(Arc::new(view), blobs);

        let started = clock::instant();
        warnings.extend(self.announce(manifest.version, base, "published").await?);
        steps.announce = started.elapsed();
        let version = manifest.version;
        tracing::info!(version, bytes_written, total_ms = steps.total().as_millis(), "published");
        let outcome = Outcome::Published { version };
        let (merged, merge_error) = (None, None);
        let mut report = CycleReport { outcome, types, steps, bytes_written, graphs, merged, merge_error, warnings };
        metrics::published(report.bytes_written, &manifest);
        if self.settings.merge_schedule == MergeSchedule::AfterCycles {
            // The version is announced: a merge that fails does not fail the cycle.
            let (merged, error) = self.merge_all(&mut report.warnings).await;
            report.merged = merged;
            report.merge_error = error.map(|error| {
                tracing::warn!(%error, "not all was merged");
                error.to_string()
            });
        }
        Ok(report)
    }

    /// Runs the validators before anything is stored, if all of them look at counts alone.
    ///
    /// If there are other validators too, all run together once the version is stored, so that a refusal tells
    /// everything.
    fn validate_counts(&self, counts: &Counts<'_>, version: u64) -> Result<()> {
        if !self.settings.validators.iter().all(Validator::is_of_counts) {
            return Ok(());
        }
        let mut findings = Vec::new();
        for validator in &self.settings.validators {
            validator.run_on_counts(counts, &mut findings);
        }
        if findings.is_empty() { Ok(()) } else { Err(Error::Refused { version, findings }) }
    }

    /// Encodes the manifest, and reads it back as every reader does.
    ///
    /// # Errors
    /// `Invalid` if no reader could read it.
    pub(crate) fn encode(&self, draft: ManifestDraft, tags: Tags, base: &Base) -> Result<EncodedManifest> {
        let version = base.next_version()?;
        let origin = Origin {
            version,
            parent: Some(base.view.version()).filter(|version| *version > 0),
            writer: self.settings.writer.clone(),
            announce_itself: self.settings.announce_mode == AnnounceMode::Always,
            log_sequence: base.log_sequence(),
            token: fresh_token(),
        };
        let manifest = draft.into_manifest(tags, origin)?;
        let unreadable = |detail: String| {
            let detail = format!("no reader could read it, so it is not committed: {detail}");
            Error::from(kapok_core::Error::invalid(format!("manifest of version {version}"), detail))
        };
        let (payload, read) =
            self.store.manifests().encode(&manifest).map_err(|error| unreadable(error.to_string()))?;
        if read != manifest {
            return Err(unreadable("it is read as another one".to_owned()));
        }
        Ok(EncodedManifest { manifest: Arc::new(read), payload })
    }

    /// Opens the version from the store, and checks what it does not share with its base and was not checked as it was
    /// stored, and that alternate keys are unique.
    pub(crate) async fn verify(
        &self,
        manifest: &Arc<Manifest>,
        base: &Base,
        stored: &StoredBlobs,
    ) -> Result<(View, BlobMap)> {
        // Record types that could not be read, and are carried over, are left out again.
        let mut left_out = base.view.left_out().clone();
        left_out.retain(|name, _| {
            let before = base.view.manifest().record_type(name).map(|ty| &ty.segments);
            before.is_some() && manifest.record_type(name).map(|ty| &ty.segments) == before
        });
        let mut have = base.blobs.clone();
        have.extend(&stored.held);
        let (view, blobs) = self.open_without(Arc::clone(manifest), &have, left_out).await?;
        let known: HashSet<Id> = base.view.manifest().blobs().map(|blob| blob.id).collect();
        if self.settings.verification != Verification::Open {
            view.verify_new(&blobs, |id| !known.contains(id) && !stored.checked.contains(id))?;
        }
        view.verify_alternate_keys(|id| !known.contains(id))?;
        Ok((view, blobs))
    }

    pub(crate) async fn commit(&self, stored: &EncodedManifest, base: &Base) -> Result<()> {
        let manifest = &*stored.manifest;
        let is_slow = base.started.elapsed() > self.store.settings().grace / 2;
        if is_slow || base.view.version() != base.current {
            // Blobs that were there already, or belong to a version that may be retired at any time, may have been
            // collected since.
            let readable = without(manifest, base.view.left_out());
            if let Some(lacking) = self.store.blobs().missing(&readable).await?.first() {
                let name = self.store.blobs().name(lacking.role.into(), BlobId::from(lacking.id));
                return Err(kapok_blobstore::Error::NotFound { name }.into());
            }
        }
        let outcome =
            match self.store.manifests().commit_bytes(manifest.version, &stored.payload, manifest.writer_token).await {
                Ok(outcome) => outcome,
                Err(error) if error.kind() == ErrorKind::Unavailable => self.settle(stored, error).await?,
                Err(error) => return Err(error.into()),
            };
        match outcome {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Lost => {
                let winner = self.store.manifests().read(manifest.version).await;
                let winner = winner.map_or_else(|error| format!("unknown ({error})"), |winner| winner.writer);
                Err(Error::Conflict { version: manifest.version, winner })
            }
        }
    }

    /// Finds out whether a commit that failed or was not answered took place.
    async fn settle(&self, stored: &EncodedManifest, error: kapok_blobstore::Error) -> Result<CommitOutcome> {
        use kapok_blobstore::Error::{NotFound, Retired, TimedOut};
        let version = stored.manifest.version;
        match self.store.manifests().read_bytes(version).await {
            Ok(found) if found == stored.payload => Ok(CommitOutcome::Committed),
            Ok(_) | Err(Retired { .. }) => Ok(CommitOutcome::Lost),
            // A folder has done what it does once it answers; a request may still be on its way elsewhere.
            Err(NotFound { .. }) if self.store.local_path().is_some() && !matches!(error, TimedOut { .. }) => {
                Err(error.into())
            }
            Err(_) => Err(Error::MaybeCommitted { version, source: error }),
        }
    }
}
