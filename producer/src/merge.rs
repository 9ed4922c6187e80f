//! Merges small segments, and those with many dead rows, into fewer and denser ones.
//!
//! A merge is a version of its own in which no record changes. Consumers move to it as to any other, and may make the
//! merged segments themselves from the segments that they have.

use std::collections::BTreeSet;
use std::sync::Arc;

use kapok_blobstore::clock;
use kapok_core::manifest::{MergeSource, SegmentEntry, encode_rows};
use kapok_core::segment::{MergeInput, Sharing};
use kapok_core::view::Table;
use kapok_index::{IndexSet, Kind};
use tracing::{Instrument, info_span};

use crate::base::Base;
use crate::error::{Error, ErrorKind, Result};
use crate::graphs::GraphReport;
use crate::manifest_draft::ManifestDraft;
use crate::merge_policy::{self, SegmentStat};
use crate::metrics;
use crate::producer::Producer;
use crate::report::MergeReport;
use crate::stored_blobs::{StoredBlobs, draft};

/// Rounds of merging after one cycle; what is left is done after the next cycle.
const ROUNDS_MAX: usize = 3;

impl Producer {
    /// Merges segments of the newest version if a merge is due, and announces the result.
    ///
    /// [`ProducerSettings::merge_policy`](crate::ProducerSettings::merge_policy) says when it is. `None` if there is
    /// nothing to do, if another producer was faster, and while a rollback keeps consumers on an older version.
    ///
    /// # Errors
    /// `Unavailable` if the store fails. The version before stays announced.
    pub async fn merge(&self) -> Result<Option<MergeReport>> {
        self.merge_and_tell(&mut Vec::new()).await
    }

    /// Merges as [`merge`](Self::merge) does, and tells in `not_merged` which segments should be merged and cannot be read.
    ///
    /// # Errors
    /// Those of [`merge`](Self::merge).
    pub async fn merge_and_tell(&self, not_merged: &mut Vec<String>) -> Result<Option<MergeReport>> {
        let mut left = NotMerged::default();
        let merged = self.merge_once(&mut left).instrument(info_span!("merge", store = self.store.url())).await;
        not_merged.extend(left.unopened);
        not_merged.extend(left.damaged);
        merged
    }

    /// Runs one round; segments that should be merged and cannot be read are described in `left`.
    async fn merge_once(&self, left: &mut NotMerged) -> Result<Option<MergeReport>> {
        let started = clock::instant();
        let Some(base) = self.base_to_merge().await? else { return Ok(None) };
        let mut draft = ManifestDraft::new(&base.view, &[], &BTreeSet::new())?;
        let mut report = MergeReport {
            version: base.head,
            inputs: 0,
            outputs: 0,
            segment_bytes: 0,
            bytes_written: 0,
            graphs: GraphReport::default(),
            duration: started.elapsed(),
        };
        let mut stored = StoredBlobs::default();
        for entry in &base.view.manifest().record_types {
            let stats: Vec<SegmentStat> = entry.segments.iter().map(SegmentStat::of).collect();
            let has_vectors = entry.indexes.iter().any(|index| index.kind == Kind::Hnsw.name());
            let plans = merge_policy::plan_all(&stats, &self.settings.merge_policy.of_type(has_vectors));
            let table = match base.view.table(&entry.name) {
                Ok(table) => table,
                // A type that cannot be read stays as it is.
                Err(error) => {
                    if !plans.is_empty() {
                        left.unopened.push(not_merged(&entry.name, &error));
                    }
                    continue;
                }
            };
            let mut merged = Vec::new();
            for places in plans {
                let (segment, more) = match self.merge_segments(&base, &entry.name, table, &places).await {
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        let reason = error.to_string();
                        tracing::warn!(record_type = entry.name, reason, "segments that cannot be read are not merged");
                        left.damaged.push(not_merged(&entry.name, &error));
                        continue;
                    }
                    merged => merged?,
                };
                report.inputs += places.len();
                report.outputs += 1;
                report.segment_bytes += segment.size;
                report.bytes_written += more.written;
                report.graphs = report.graphs.and(more.graphs);
                stored.add(more);
                merged.push((places, segment));
            }
            draft.replace_segments(&entry.name, &merged);
        }
        if report.outputs == 0 {
            return Ok(None);
        }
        let tags = base.view.manifest().tags.clone();
        let encoded = self.encode(draft, tags, &base)?;
        let manifest = Arc::clone(&encoded.manifest);
        report.version = manifest.version;
        let (view, blobs) = self.verify(&manifest, &base, &stored).await?;
        match self.commit(&encoded, &base).await {
            Ok(()) => {}
            Err(Error::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        self.hold(Arc::new(view), blobs);
        self.announce(manifest.version, &base, "merged").await?;
        report.duration = started.elapsed();
        metrics::merged(&report, &manifest);
        tracing::info!(version = report.version, inputs = report.inputs, bytes = report.segment_bytes, "merged");
        Ok(Some(report))
    }

    /// Merges until there is nothing left to do, and returns what was done with the error that stopped it.
    pub(crate) async fn merge_all(&self, warnings: &mut Vec<String>) -> (Option<MergeReport>, Option<Error>) {
        let mut all: Option<MergeReport> = None;
        // One round is usual; a segment that came out larger than planned needs another.
        for _ in 0..ROUNDS_MAX {
            let mut left = NotMerged::default();
            let merged = self.merge_once(&mut left).instrument(info_span!("merge", store = self.store.url())).await;
            // Of types that cannot be opened the cycle has warned.
            left.damaged.retain(|warning| !warnings.contains(warning));
            warnings.extend(left.damaged);
            match merged {
                Ok(None) => break,
                Ok(Some(next)) => {
                    all = Some(match all {
                        Some(before) => before.and(&next),
                        None => next,
                    });
                }
                Err(error) => return (all, Some(error)),
            }
        }
        (all, None)
    }

    async fn merge_segments(
        &self,
        base: &Base,
        record_type: &str,
        table: &Table,
        places: &[usize],
    ) -> Result<(SegmentEntry, StoredBlobs)> {
        let manifest = base.view.manifest();
        let entry = manifest.expect_record_type(record_type)?;
        let (mut inputs, mut merged_from, mut sharing) = (Vec::new(), Vec::new(), Sharing::Shared);
        for place in places {
            let (Some(source), Some(segment)) = (table.segments().get(*place), entry.segments.get(*place)) else {
                continue;
            };
            // A merged segment has a hash of its own, under which wrong bytes would pass as right ones.
            source.segment().verify_hash(&segment.id)?;
            inputs.push(MergeInput { segment: source.segment(), dropped: source.dead() });
            merged_from.push(MergeSource {
                segment: segment.id,
                size: segment.size,
                rows: segment.rows,
                dropped: source.dead().map(encode_rows).unwrap_or_default(),
            });
            if segment.sharing == Sharing::StrictTree {
                sharing = Sharing::StrictTree;
            }
        }
        let encoding = entry.encoding(&manifest.schema, sharing)?;
        let merged = encoding.merge_into(&inputs, |len| draft(&self.store, len))?;
        let indexes = Arc::new(IndexSet::new(&manifest.schema, entry)?);
        let graphs = base.view.graph_sources(record_type, places)?;
        self.write_segment(merged, &encoding, &indexes, merged_from, graphs).await
    }
}

/// Segments that should be merged and cannot be read, described for people.
#[derive(Default)]
struct NotMerged {
    /// Those that are damaged.
    damaged: Vec<String>,
    /// Those of record types that cannot be opened.
    unopened: Vec<String>,
}

fn not_merged(record_type: &str, error: &impl std::fmt::Display) -> String {
    format!("segments of record type {record_type} are not merged: {error}")
}

impl SegmentStat {
    fn of(segment: &SegmentEntry) -> Self {
        Self { size: segment.size, rows: segment.rows, dead: segment.dead }
    }
}
