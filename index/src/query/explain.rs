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
    /// The index in whose order the first records are read; `None` if they are sorted, or stand in key order.
    pub order: Option<String>,
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
    /// Where the rows that are looked at come from: `scan`, which is all of them, or indexes.
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
        let segments = self.explain_each().collect::<Result<_>>()?;
        Ok(Explanation { segments, order: self.order_index()?.map(str::to_owned) })
    }

    /// Returns the name of the index in whose order the first records are read; `None` if they are sorted, or in key order.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn order_index(&self) -> Result<Option<&str>> {
        Ok(self.walk(None)?.map(|(_, index)| index))
    }

    /// Runs the query segment by segment, and tells how it is answered in each: whoever has a clock may time them.
    pub fn explain_each(&self) -> impl Iterator<Item = Result<SegmentExplanation>> + '_ {
        self.scans().zip(&self.plans).map(|(scan, plan)| {
            let source = scan.source();
            Ok(SegmentExplanation {
                segment: source.segment().name().to_owned(),
                rows: source.segment().rows(),
                dead: source.dead().map_or(0, |dead| u32::try_from(RoaringBitmap::len(dead)).unwrap_or(u32::MAX)),
                source: match &plan.candidates {
                    Candidates::All => "scan".to_owned(),
                    Candidates::Rows(names, _) => names.to_string(),
                },
                candidates: plan.candidates.count(source),
                conditions: plan.conditions.to_string(),
                found: scan.count_rest()?,
            })
        })
    }
}

impl fmt::Display for SegmentExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, dead, source, candidates, conditions, found, .. } = self;
        write!(f, "rows={rows} dead={dead} {source}={candidates} found={found}: {conditions}")
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, one) in self.segments.iter().enumerate() {
            writeln!(f, "segment {place}: {one}")?;
        }
        match &self.order {
            Some(index) => writeln!(f, "order: {index}"),
            None => Ok(()),
        }
    }
}
