//! How are the records of a cycle stored, checked and committed?

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use kapok_blobstore::{AnnouncementDraft, BlobId, BlobKind, CommitOutcome, PutOutcome, fresh_token};
use kapok_core::blobs::{Blob, Blobs};
use kapok_core::manifest::{Artifact, Id, Ingredient, Manifest, SegmentEntry, Tombstones};
use kapok_core::segment::{Encoding, SealedSegment, Segment, WRITER_REVISION};
use kapok_index::{View, unique};
use tracing::{Instrument, info_span};

use crate::draft::{Draft, Origin, TypePlan};
use crate::error::{Error, Result};
use crate::metrics;
use crate::producer::{Announcing, Base, Merging, Producer, Tags, Verification};
use crate::report::{CycleReport, Outcome, Steps, TypeReport};
use crate::validate::{Counts, Proposal, Validator};

impl Producer {
    /// From plans to an announced version.
    pub(crate) async fn publish(
        &self,
        base: &Base,
        plans: Vec<TypePlan>,
        tags: Tags,
        mut steps: Steps,
    ) -> Result<CycleReport> {
        let prior = base.view.manifest();
        let schemas: Vec<_> = plans.iter().map(|plan| &plan.schema).collect();
        let mut draft = Draft::new(&base.view, &schemas)?;
        let mut types: Vec<TypeReport> = plans.iter().map(TypePlan::report).collect();
        let idle = plans.iter().all(TypePlan::is_idle);
        // What another version than the current one holds is not where consumers are, so it is published.
        let is_current = prior.version > 0 && prior.version == base.current;
        if is_current && idle && prior.tags == tags && *prior.schema == draft.closed_schema()? {
            let started = Instant::now();
            self.announce_left_over().await?;
            steps.announce = started.elapsed();
            let outcome = Outcome::Unchanged { version: prior.version };
            return Ok(CycleReport { outcome, types, steps, bytes_written: 0, merged: None, merge_error: None });
        }

        let started = Instant::now();
        self.validate_counts(&Counts { before: prior, types: &types }, base.head + 1)?;
        steps.validate = started.elapsed();

        let started = Instant::now();
        self.store.make().await?;
        let mut bytes_written = 0;
        for (plan, report) in plans.into_iter().zip(&mut types) {
            draft.carry_over(&plan, &base.view)?;
            bytes_written += self.write_type(plan, &mut draft, report).instrument(info_span!("write")).await?;
        }
        bytes_written += self.write_tombstones(&mut draft).await?;
        steps.write = started.elapsed();

        let started = Instant::now();
        let origin = self.origin(base);
        let manifest = Arc::new(draft.into_manifest(tags, origin)?);
        let (view, blobs) = self.verify(&manifest, base).instrument(info_span!("verify")).await?;
        steps.verify = started.elapsed();

        let started = Instant::now();
        let mut findings = Vec::new();
        let proposal = Proposal { before: &base.view, after: &view, types: &types };
        for validator in &self.settings.validators {
            validator.run(&proposal, &mut findings)?;
        }
        if !findings.is_empty() {
            return Err(Error::Refused { version: manifest.version, findings });
        }
        steps.validate += started.elapsed();

        let started = Instant::now();
        self.commit(&manifest, base).await?;
        steps.commit = started.elapsed();
        self.hold(Arc::new(view), blobs);

        let started = Instant::now();
        self.announce(manifest.version, "published").await?;
        steps.announce = started.elapsed();
        let version = manifest.version;
        tracing::info!(version, bytes_written, total_ms = steps.total().as_millis(), "published");
        let outcome = Outcome::Published { version };
        let mut report = CycleReport { outcome, types, steps, bytes_written, merged: None, merge_error: None };
        metrics::published(report.bytes_written, &manifest);
        if self.settings.merging == Merging::AfterCycles {
            // The version is out: what fails from here on does not take that back.
            let (merged, error) = self.merge_all().await;
            report.merged = merged;
            report.merge_error = error.map(|error| {
                tracing::warn!(%error, "not all was merged");
                error.to_string()
            });
        }
        Ok(report)
    }

    /// What numbers alone refuse is refused before anything is stored. Where there are other validators too, a refusal
    /// tells what all of them find, so that they run together.
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

    pub(crate) fn origin(&self, base: &Base) -> Origin {
        Origin {
            version: base.head + 1,
            parent: Some(base.view.version()).filter(|version| *version > 0),
            writer: self.settings.writer.clone(),
            announce_itself: self.settings.announcing == Announcing::Always,
            log_sequence: base.log_sequence,
            token: fresh_token(),
        }
    }

    /// Seals and stores the new records of one type; the bytes that the store did not have.
    async fn write_type(&self, plan: TypePlan, draft: &mut Draft, report: &mut TypeReport) -> Result<u64> {
        let TypePlan { schema, rows, .. } = plan;
        let mut written = 0;
        for sealed in rows.seal(self.settings.seal) {
            let (entry, bytes) = self.write_segment(sealed?, &schema.encoding, Vec::new()).await?;
            report.segments += 1;
            report.segment_bytes += entry.bytes;
            report.index_bytes += entry.artifacts.iter().map(|index| index.bytes).sum::<u64>();
            written += bytes;
            draft.add_segment(schema.encoding.record_type(), entry);
        }
        Ok(written)
    }

    /// Stores a segment, and beside it makes and stores its index.
    pub(crate) async fn write_segment(
        &self,
        sealed: SealedSegment,
        encoding: &Encoding,
        recipe: Vec<Ingredient>,
    ) -> Result<(SegmentEntry, u64)> {
        let id = BlobId::from(sealed.id);
        let bytes = Bytes::from(sealed.bytes);
        let store = self.store.clone();
        let put = tokio::spawn({
            let bytes = bytes.clone();
            async move { store.put(BlobKind::Segment, id, bytes).await }
        });
        let segment = Segment::open(&self.store.blob_name(BlobKind::Segment, id), bytes.clone(), sealed.rows)?;
        let index = Bytes::from(unique::build(encoding.key(), &segment)?);
        let index_id = BlobId::of(&index);
        let index_bytes = index.len() as u64;
        let index_put = self.store.put(BlobKind::Index, index_id, index).await;
        // Also where the index failed: nothing writes on once this has returned.
        let put = put.await.map_err(|source| Error::Task { source })?;
        let mut written = 0;
        if index_put? == PutOutcome::Written {
            written += index_bytes;
        }
        if put? == PutOutcome::Written {
            written += bytes.len() as u64;
        }
        let artifact = Artifact {
            kind: unique::KIND.to_owned(),
            name: encoding.key().names().collect::<Vec<_>>().join(","),
            id: *index_id.as_bytes(),
            bytes: index_bytes,
        };
        let entry = SegmentEntry {
            id: sealed.id,
            bytes: bytes.len() as u64,
            rows: sealed.rows,
            dead: 0,
            first_key: sealed.first_key,
            last_key: sealed.last_key,
            extents: sealed.extents,
            tombstones: Tombstones::None,
            artifacts: vec![artifact],
            writer_revision: WRITER_REVISION,
            sharing: encoding.sharing(),
            recipe,
        };
        Ok((entry, written))
    }

    async fn write_tombstones(&self, draft: &mut Draft) -> Result<u64> {
        let mut written = 0;
        for bytes in std::mem::take(&mut draft.tombstones) {
            let (id, len) = (BlobId::of(&bytes), bytes.len() as u64);
            if self.store.put(BlobKind::Tombstones, id, Bytes::from(bytes)).await? == PutOutcome::Written {
                written += len;
            }
        }
        Ok(written)
    }

    /// Opens the version from the store, and checks what it does not share with the version that it builds on.
    pub(crate) async fn verify(&self, manifest: &Arc<Manifest>, base: &Base) -> Result<(View, Blobs)> {
        let blobs = self.store.load(manifest, &base.blobs).await?;
        let view = View::open(Arc::clone(manifest), &blobs)?;
        if self.settings.verification == Verification::Open {
            return Ok((view, blobs));
        }
        for entry in &manifest.record_types {
            let table = view.table(&entry.name)?;
            let before = base.view.manifest().record_type(&entry.name);
            let known: HashSet<Id> =
                before.iter().flat_map(|before| &before.segments).map(|segment| segment.id).collect();
            for (segment, source) in entry.segments.iter().zip(table.segments()) {
                if known.contains(&segment.id) {
                    continue;
                }
                let schema = Arc::clone(&manifest.schema);
                let encoding = Encoding::new(schema, entry.type_id, &entry.key, segment.sharing)?;
                encoding.verify(source.segment(), segment)?;
                source.segment().verify_hash(&segment.id)?;
                for index in &segment.artifacts {
                    let Blob { name, bytes } = blobs.expect(&index.id)?;
                    let index = unique::UniqueIndex::open(name, bytes.clone(), segment.rows)?;
                    index.verify(encoding.key(), source.segment())?;
                }
            }
        }
        Ok((view, blobs))
    }

    pub(crate) async fn commit(&self, manifest: &Manifest, base: &Base) -> Result<()> {
        let is_slow = base.started.elapsed() > self.store.settings().grace / 2;
        if is_slow || base.view.version() != base.current {
            // Blobs that were there when the cycle wanted to write them, or are those of a version that may be retired at
            // any time, may have been collected since.
            if let Some(lacking) = self.store.is_whole(manifest).await?.first() {
                let name = self.store.blob_name(lacking.role.into(), BlobId::from(lacking.id));
                return Err(kapok_blobstore::Error::NotFound { name }.into());
            }
        }
        match self.store.commit_manifest(manifest).await? {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Lost => {
                let winner = self.store.read_manifest(manifest.version).await;
                let winner = winner.map_or_else(|error| format!("unknown ({error})"), |winner| winner.writer);
                Err(Error::Conflict { version: manifest.version, winner })
            }
        }
    }

    pub(crate) async fn announce(&self, version: u64, reason: &str) -> Result<()> {
        if self.settings.announcing == Announcing::Always {
            let writer = self.settings.writer.as_str();
            self.store.announce(|latest| AnnouncementDraft::announce(latest, version, writer, reason)).await?;
        }
        Ok(())
    }
}
