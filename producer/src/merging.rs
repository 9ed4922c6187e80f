//! How are small segments, and those with many dead rows, made into fewer and denser ones?
//!
//! As a version of its own in which no record changes: consumers move to it as to any other, or make the merged segments
//! themselves from what they have.

use std::sync::Arc;
use std::time::Instant;

use kapok_core::manifest::{Ingredient, Manifest, SegmentEntry, encode_rows};
use kapok_core::segment::{Encoding, MergeInput, Sharing};
use kapok_core::view::Table;
use tracing::{Instrument, info_span};

use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::merge_policy::{self, SegmentStat};
use crate::metrics;
use crate::producer::{Base, Producer};
use crate::report::MergeReport;

/// Merges after one cycle; what is left is done after the next.
const ROUNDS_MAX: usize = 3;

impl Producer {
    /// Merges segments of the newest version where it is time to, as [`crate::Settings::merge`] says, and announces the
    /// result. `None` where there is nothing to do, where another producer was faster, and while consumers are kept on an
    /// older version by a rollback.
    ///
    /// # Errors
    /// `Unavailable` where the store fails. The version before stays announced.
    pub async fn merge(&self) -> Result<Option<MergeReport>> {
        self.merge_once().instrument(info_span!("merge", store = self.store.url())).await
    }

    async fn merge_once(&self) -> Result<Option<MergeReport>> {
        let started = Instant::now();
        let Some(base) = self.base_to_merge().await? else { return Ok(None) };
        let mut draft = Draft::new(&base.view, &[])?;
        let mut report = MergeReport {
            version: base.head + 1,
            inputs: 0,
            outputs: 0,
            segment_bytes: 0,
            bytes_written: 0,
            duration: started.elapsed(),
        };
        for entry in &base.view.manifest().record_types {
            let table = base.view.table(&entry.name)?;
            let stats: Vec<SegmentStat> = entry.segments.iter().map(SegmentStat::of).collect();
            let mut merged = Vec::new();
            for places in merge_policy::plan_all(&stats, &self.settings.merge) {
                let (segment, written) = self.merge_segments(&base, &entry.name, table, &places).await?;
                report.inputs += places.len();
                report.outputs += 1;
                report.segment_bytes += segment.bytes;
                report.bytes_written += written;
                merged.push((places, segment));
            }
            draft.replace_segments(&entry.name, &merged);
        }
        if report.outputs == 0 {
            return Ok(None);
        }
        let tags = base.view.manifest().tags.clone();
        let manifest: Arc<Manifest> = Arc::new(draft.into_manifest(tags, self.origin(&base))?);
        let (view, blobs) = self.verify(&manifest, &base).await?;
        match self.commit(&manifest, &base).await {
            Ok(()) => {}
            Err(Error::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        self.hold(Arc::new(view), blobs);
        self.announce(manifest.version, "merged").await?;
        report.duration = started.elapsed();
        metrics::merged(&report, &manifest);
        tracing::info!(version = report.version, inputs = report.inputs, bytes = report.segment_bytes, "merged");
        Ok(Some(report))
    }

    /// Merges until there is nothing left to do, and why it did not get there.
    pub(crate) async fn merge_all(&self) -> (Option<MergeReport>, Option<Error>) {
        let mut all: Option<MergeReport> = None;
        // Once as a rule: a segment may come out larger than was to be expected.
        for _ in 0..ROUNDS_MAX {
            match self.merge().await {
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
    ) -> Result<(SegmentEntry, u64)> {
        let manifest = base.view.manifest();
        let entry = manifest.expect_record_type(record_type)?;
        let (mut inputs, mut recipe, mut sharing) = (Vec::new(), Vec::new(), Sharing::Shared);
        for place in places {
            let (Some(source), Some(segment)) = (table.segments().get(*place), entry.segments.get(*place)) else {
                continue;
            };
            inputs.push(MergeInput { segment: source.segment(), dropped: source.dead() });
            recipe.push(Ingredient {
                segment: segment.id,
                bytes: segment.bytes,
                rows: segment.rows,
                dropped: source.dead().map(encode_rows).unwrap_or_default(),
            });
            if segment.sharing == Sharing::StrictTree {
                sharing = Sharing::StrictTree;
            }
        }
        let encoding = Encoding::new(Arc::clone(&manifest.schema), entry.type_id, &entry.key, sharing)?;
        let merged = encoding.merge(&inputs)?;
        self.write_segment(merged, &encoding, recipe).await
    }
}

impl SegmentStat {
    fn of(segment: &SegmentEntry) -> Self {
        Self { bytes: segment.bytes, rows: segment.rows, dead: segment.dead }
    }
}
