//! Tells how a query is answered.

use std::fmt;

use kapok_core::Result;
use roaring::RoaringBitmap;

use super::plan::Candidates;
use super::rows::Rows;

/// How a query is answered, segment by segment. It prints as a few lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is done in each segment.
    pub segments: Vec<SegmentExplanation>,
}

/// How a query is answered in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentExplanation {
    /// Name of the segment's blob.
    pub segment: String,
    /// Rows, dead ones included.
    pub rows: u32,
    /// Rows that are dead.
    pub dead: u32,
    /// Where the rows that are looked at come from: `scan`, which is all of them, or an index.
    pub source: String,
    /// Rows that are looked at, dead ones included.
    pub candidates: u64,
    /// What they must satisfy, in the order in which it is evaluated: cheap conditions first.
    pub conditions: String,
    /// Rows that satisfy it, whatever the limit.
    pub found: u64,
}

impl Rows<'_> {
    /// Runs the query, and tells how it was answered.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn explain(&self) -> Result<Explanation> {
        let mut segments = Vec::with_capacity(self.plans.len());
        for (scan, plan) in self.scans().zip(&self.plans) {
            let source = scan.source();
            let rows = source.segment().rows();
            let (from, candidates) = match &plan.candidates {
                Candidates::All => ("scan", u64::from(rows)),
                Candidates::Rows(name, rows) => (&**name, rows.len()),
            };
            segments.push(SegmentExplanation {
                segment: source.segment().name().to_owned(),
                rows,
                dead: source.dead().map_or(0, |dead| u32::try_from(RoaringBitmap::len(dead)).unwrap_or(u32::MAX)),
                source: from.to_owned(),
                candidates,
                conditions: plan.conditions.to_string(),
                found: scan.count_rest()?,
            });
        }
        Ok(Explanation { segments })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, one) in self.segments.iter().enumerate() {
            let SegmentExplanation { rows, dead, source, candidates, conditions, found, .. } = one;
            writeln!(f, "segment {place}: rows={rows} dead={dead} {source}={candidates} found={found}: {conditions}")?;
        }
        Ok(())
    }
}
