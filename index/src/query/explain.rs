//! Tells how a query is answered.

use std::collections::BTreeSet;
use std::fmt;

use kapok_core::Result;
use roaring::RoaringBitmap;

use super::check::{Check, Ready};
use super::join::Join;
use super::rows::Rows;
use super::tree::Tree;

/// How a query is answered, segment by segment. It prints as a few lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is done in each segment.
    pub segments: Vec<SegmentExplanation>,
    /// The index in whose order the first records are read; `None` if they are sorted, or stand in key order.
    pub order: Option<String>,
    /// How other records are found that the conditions ask about.
    pub joins: Vec<JoinExplanation>,
}

/// How the records are found that a reference leads to, or that refer to a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JoinExplanation {
    /// The reference, as in `movieId` or `Rating.movieId`.
    pub path: String,
    /// Record type of the records that are found.
    pub record_type: String,
    /// What finds them: an index, by its name, which for a primary key is that of its fields, or `scan`: all of them are
    /// looked at, once for the query.
    pub source: String,
    /// How many were found before the records that are asked for, whose keys the conditions then name; `None` if they are
    /// looked up for each of these.
    pub found_first: Option<u64>,
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
        let order = self.order_index()?.map(str::to_owned);
        Ok(Explanation { segments, order, joins: self.explain_joins() })
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
                source: plan.candidates.source().to_owned(),
                candidates: plan.candidates.count(source),
                conditions: plan.conditions.to_string(),
                found: scan.count_rest()?,
            })
        })
    }

    /// Tells how the records are found that a reference leads to, or that refer to a record, if the conditions ask about them.
    pub fn explain_joins(&self) -> Vec<JoinExplanation> {
        let mut joins: BTreeSet<JoinExplanation> = self.joins.iter().cloned().collect();
        explain_joins(&self.expression, &mut joins);
        joins.into_iter().collect()
    }
}

impl fmt::Display for SegmentExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, dead, source, candidates, conditions, found, .. } = self;
        write!(f, "rows={rows} dead={dead} {source}={candidates} found={found}: {conditions}")
    }
}

impl fmt::Display for JoinExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join {}: {} by {}", self.path, self.record_type, self.source)?;
        match self.found_first {
            Some(found) => write!(f, ", {found} found first"),
            None => Ok(()),
        }
    }
}

/// Adds the joins of a condition.
fn explain_joins(condition: &Ready<'_>, out: &mut BTreeSet<JoinExplanation>) {
    let leaf = match condition {
        Tree::Constant(_) => return,
        Tree::And(all) | Tree::Or(all) => return all.iter().for_each(|one| explain_joins(one, out)),
        Tree::Not(inner) => return explain_joins(inner, out),
        Tree::Leaf(leaf) => &leaf.what,
    };
    match leaf {
        Check::Referred(referring) | Check::CountReferrers(referring, _) => {
            let (path, record_type) = (referring.of.text.to_string(), referring.of.table.name().to_owned());
            out.insert(JoinExplanation { path, record_type, source: referring.of.source(), found_first: None });
            referring.of.joins().for_each(|join| join.explain(out));
            explain_joins(&referring.condition, out);
        }
        Check::Each(_, place, inner) => {
            place.via.iter().for_each(|join| join.explain(out));
            explain_joins(inner, out);
        }
        Check::Column(_, place)
        | Check::Number(place, ..)
        | Check::Bytes(place, _)
        | Check::Len(place, _)
        | Check::Words(place, _)
        | Check::Present(place) => place.via.iter().for_each(|join| join.explain(out)),
    }
}

impl Join<'_> {
    fn explain(&self, out: &mut BTreeSet<JoinExplanation>) {
        let key = &self.key;
        out.insert(JoinExplanation {
            path: key.text.to_string(),
            record_type: key.target.name().to_owned(),
            source: key.target.key().names().collect::<Vec<_>>().join(","),
            found_first: None,
        });
        key.before.iter().for_each(|before| before.explain(out));
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, one) in self.segments.iter().enumerate() {
            writeln!(f, "segment {place}: {one}")?;
        }
        for join in &self.joins {
            writeln!(f, "{join}")?;
        }
        match &self.order {
            Some(index) => writeln!(f, "order: {index}"),
            None => Ok(()),
        }
    }
}
