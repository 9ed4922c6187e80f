//! How a search is done.

use std::fmt;

use super::{Effort, RecordFilter};

/// How a search is done, and what it may give.
#[derive(Clone, Copy)]
pub struct SearchSettings<'s> {
    /// Records wanted.
    pub k: usize,
    /// How hard it looks.
    pub effort: Effort,
    /// Only records at this distance or nearer.
    pub radius: Option<f32>,
    /// Only these records: see [`Nearest::filter`](super::Nearest::filter).
    pub filter: Option<&'s RecordFilter>,
    /// Asked now and then, about every 10,000 distances: if it says so, the search stops with an error. Deadlines and
    /// cancellation are made of it.
    pub stop: Option<&'s (dyn Fn() -> bool + Sync)>,
}

impl SearchSettings<'_> {
    /// Wants so many records, of all.
    pub fn new(k: usize) -> Self {
        Self { k, effort: Effort::Default, radius: None, filter: None, stop: None }
    }
}

impl fmt::Debug for SearchSettings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { k, effort, radius, filter, stop: _ } = self;
        f.debug_struct("SearchSettings")
            .field("k", k)
            .field("effort", effort)
            .field("radius", radius)
            .field("filter", &filter.is_some())
            .finish_non_exhaustive()
    }
}
