//! Chooses how a segment is searched.

use crate::{CodeKind, Graph, RowSet, Search};

/// How a segment was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Every allowed vector was measured.
    Exact,
    /// Every allowed code was measured, and the best again by the vectors.
    Codes,
    /// A walk over the graph.
    Walk,
    /// A walk over the graph that steps over rows that are not allowed.
    TwoHops,
}

impl Strategy {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Codes, Self::Walk, Self::TwoHops];

    /// Returns its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Codes => "codes",
            Self::Walk => "walk",
            Self::TwoHops => "two_hops",
        }
    }
}

/// What a search is to find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Rows.
    pub k: usize,
    /// Candidates that a walk keeps; at least `k`.
    pub ef: usize,
    /// Whether every vector is to be measured.
    pub is_exact: bool,
}

/// A segment of so few vectors is not walked over.
const FEW: u32 = 256;
/// Codes scanned in the time of a step of a walk, in which some of a row's links are measured.
const STEP: f64 = 24.0;
/// All candidates of vectors of so few bytes are measured again, since that takes no time to speak of.
const SHORT: usize = 512;
/// Above this share of allowed rows, a walk keeps a few more candidates and drops those that are not.
pub(super) const MANY: f64 = 0.75;
/// Above this share, a walk goes over all rows; below it, it steps over those that are not allowed.
const SOME: f64 = 0.35;

impl Wanted {
    /// Returns what is to be found of so many rows, beyond which no number finds more.
    pub(super) fn of_rows(&self, rows: u32) -> Self {
        let most = rows as usize;
        Self { k: self.k.min(most), ef: self.ef.max(self.k).min(most), is_exact: self.is_exact }
    }

    pub(super) fn strategy(&self, search: &Search<'_>, allowed: Option<&RowSet>) -> Strategy {
        let vectors = search.graph.as_ref().map_or(0, Graph::vectors);
        let count = allowed.map_or(vectors, RowSet::count);
        if self.is_exact || search.graph.is_none() || vectors <= FEW || count <= FEW {
            return Strategy::Exact;
        }
        let share = f64::from(count) / f64::from(vectors);
        let ef = u32::try_from(self.ef).unwrap_or(u32::MAX);
        // A walk for so many allowed rows measures about this many.
        let walked = f64::from(ef) * STEP / share.clamp(SOME, 1.0);
        if f64::from(count) < walked {
            return if search.codes.is_some() { Strategy::Codes } else { Strategy::Exact };
        }
        if share < SOME { Strategy::TwoHops } else { Strategy::Walk }
    }

    /// Returns how many candidates are measured again.
    pub(super) fn rescored(&self, kind: Option<CodeKind>, vector_bytes: usize, is_filtered: bool) -> usize {
        if vector_bytes <= SHORT {
            return self.ef;
        }
        let most = match kind {
            Some(CodeKind::Sq4) => 2 * self.k + 12,
            _ => self.k + self.k / 2 + 4,
        };
        // What a filter leaves may all be far away, where codes tell less of which is nearer.
        if is_filtered { most.max(self.ef.min(6 * self.k)) } else { most }
    }
}
