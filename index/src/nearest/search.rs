//! Searches all segments, and joins what they have.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use kapok_core::segment::{RowId, in_parallel_on};
use kapok_core::{Error, Fault, Result};
use kapok_hnsw::{Points, Query, Scratch, Vectors};

use super::{Hit, Nearest, SearchSettings, SegmentSearch, state};
use crate::counts;

thread_local! {
    /// What a searching thread keeps from one search to the next.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Nearest<'_> {
    /// Finds the records nearest to a vector, nearest first; of those at one distance the lower row id first.
    ///
    /// # Errors
    /// `Invalid` for a vector of another dimension, or with a number that no element can be, and for a filter of another view,
    /// unless all its segments are those of this one. `Corrupt` if an index does not fit
    /// its segment. `Unavailable` if it was stopped.
    pub fn search(&self, vector: &[f32], settings: &SearchSettings<'_>) -> Result<Vec<Hit>> {
        self.search_excluding(vector, settings, None, &mut |_| {})
    }

    /// Finds the records nearest to a vector as [`search`](Self::search) does, and tells how each segment was searched.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn explain(&self, vector: &[f32], settings: &SearchSettings<'_>) -> Result<(Vec<Hit>, Vec<SegmentSearch>)> {
        let mut searches = Vec::new();
        let hits = self.search_excluding(vector, settings, None, &mut |search| searches.push(search))?;
        Ok((hits, searches))
    }

    /// Finds the records nearest to that of a row id, itself left out.
    ///
    /// # Errors
    /// As [`search`](Self::search), and `Invalid` for a record without a vector.
    pub fn search_like(&self, row_id: RowId, settings: &SearchSettings<'_>) -> Result<Vec<Hit>> {
        self.search_excluding(&self.vector_of(row_id)?, settings, Some(row_id), &mut |_| {})
    }

    /// Finds the records nearest to that of a row id as [`search_like`](Self::search_like) does, and tells how each segment was
    /// searched.
    ///
    /// # Errors
    /// As [`search_like`](Self::search_like).
    pub fn explain_like(&self, row_id: RowId, settings: &SearchSettings<'_>) -> Result<(Vec<Hit>, Vec<SegmentSearch>)> {
        let mut searches = Vec::new();
        let vector = self.vector_of(row_id)?;
        let hits = self.search_excluding(&vector, settings, Some(row_id), &mut |search| searches.push(search))?;
        Ok((hits, searches))
    }

    fn vector_of(&self, row_id: RowId) -> Result<Vec<f32>> {
        let none = || Error::invalid(format!("{}.{}", self.table.name(), self.field), "the record has no vector");
        self.vector(row_id)?.ok_or_else(none)
    }

    /// Searches for several vectors, on at most so many threads.
    ///
    /// # Errors
    /// As [`search`](Self::search), for the first vector that has one.
    pub fn search_many<Q: AsRef<[f32]> + Sync>(
        &self,
        vectors: &[Q],
        settings: &SearchSettings<'_>,
        threads: NonZeroUsize,
    ) -> Result<Vec<Vec<Hit>>> {
        let per = vectors.len().div_ceil(threads.get() * 4).max(1);
        let parts = in_parallel_on(threads, vectors.chunks(per).collect(), |vectors: &[Q]| {
            vectors.iter().map(|vector| self.search(vector.as_ref(), settings)).collect::<Result<Vec<_>>>()
        });
        Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn search_excluding(
        &self,
        vector: &[f32],
        settings: &SearchSettings<'_>,
        excluded: Option<RowId>,
        explain: &mut dyn FnMut(SegmentSearch),
    ) -> Result<Vec<Hit>> {
        let k = settings.k.saturating_add(usize::from(excluded.is_some())).min(self.most());
        let mut hits = Vec::new();
        let mut is_checked = false;
        SCRATCH.with_borrow_mut(|scratch| {
            for (place, segment) in self.segments.iter().enumerate() {
                let Some(vectors) = Vectors::new(&segment.column, self.metric)? else { continue };
                let query = vectors.query(vector)?;
                is_checked = true;
                if k > 0 {
                    self.search_segment(place, vectors, &query, k, settings, scratch, &mut hits, explain)?;
                }
            }
            Ok::<(), Error>(())
        })?;
        if !is_checked {
            self.check_query(vector)?;
        }
        hits.retain(|hit: &Hit| {
            Some(hit.row_id) != excluded && settings.radius.is_none_or(|radius| hit.distance <= radius)
        });
        hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row_id.cmp(&b.row_id)));
        hits.truncate(settings.k);
        counts::search();
        Ok(hits)
    }

    /// Checks a vector where there is none to compare it with.
    fn check_query(&self, vector: &[f32]) -> Result<()> {
        let invalid = |detail: String| Err(Error::invalid("query vector", detail));
        if self.dimension > 0 && vector.len() != self.dimension as usize {
            let detail = format!("it has {} numbers where vectors have dimension {}", vector.len(), self.dimension);
            return invalid(detail);
        }
        if let Some(at) = vector.iter().position(|number| !number.is_finite()) {
            return invalid(format!("number {at} is {}, which is not finite", vector[at]));
        }
        Ok(())
    }

    /// Returns the rows of the largest segment.
    fn largest(&self) -> u32 {
        self.segments.iter().map(|segment| segment.column.rows()).max().unwrap_or_default()
    }

    /// Returns the number of rows, beyond which no `k` gives more.
    fn most(&self) -> usize {
        self.segments.iter().map(|segment| segment.column.rows() as usize).sum()
    }

    #[expect(clippy::too_many_arguments, reason = "one search, segment by segment")]
    fn search_segment(
        &self,
        place: usize,
        vectors: Vectors<'_>,
        query: &Query,
        k: usize,
        settings: &SearchSettings<'_>,
        scratch: &mut Scratch,
        hits: &mut Vec<Hit>,
        explain: &mut dyn FnMut(SegmentSearch),
    ) -> Result<()> {
        let segment = &self.segments[place];
        let source = &self.table.segments()[place];
        let allowed = match settings.filter {
            Some(filter) if filter.segments.get(place) != Some(&state(source)) => return Err(self.foreign_filter()),
            Some(filter) => filter.rows.get(place),
            None => segment.live(source.dead()),
        };
        let search = segment.search(vectors)?;
        let rows = search.graph.as_ref().map_or(search.vectors.rows(), kapok_hnsw::Graph::vectors);
        let of_largest = f64::from(rows.max(1)) / f64::from(self.largest().max(rows).max(1));
        let wanted = settings.effort.wanted(k, rows, of_largest, search.codes.as_ref().map(kapok_hnsw::Codes::kind));
        let never = || false;
        let stop: &dyn Fn() -> bool = match settings.stop {
            Some(stop) => stop,
            None => &never,
        };
        let Some((found, strategy)) = search.nearest(scratch, query, &wanted, allowed, stop) else {
            return Err(Fault::Stopped { subject: format!("{}.{}", self.table.name(), self.field) }.into());
        };
        counts::segment(strategy, scratch.measured());
        explain(SegmentSearch { rows, strategy, measured: scratch.measured() });
        let mark = source.mark();
        hits.extend(
            found.into_iter().map(|found| Hit { row_id: mark.row_id(place, found.row), distance: found.distance }),
        );
        Ok(())
    }

    fn foreign_filter(&self) -> Error {
        Error::invalid(format!("{}.{}", self.table.name(), self.field), "the filter is of another view")
    }
}
