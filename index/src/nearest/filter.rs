//! Restricts searches to some records.

use kapok_core::Result;
use kapok_core::segment::{RowId, SegmentMark};
use kapok_hnsw::RowSet;

use super::Nearest;
use crate::query::Rows;

/// Records that a search may give.
#[derive(Clone, Debug)]
pub struct RecordFilter {
    /// Of each segment.
    pub(super) rows: Vec<RowSet>,
    /// The segments that they are rows of, and how many of the rows of each were dead.
    pub(super) segments: Vec<(SegmentMark, u64)>,
}

impl Nearest<'_> {
    /// Collects the records that satisfy a query, as a filter of searches.
    ///
    /// # Errors
    /// `Invalid` for records of another type or view. `Corrupt` if the bytes are not as they must be.
    pub fn filter(&self, rows: &Rows<'_>) -> Result<RecordFilter> {
        let mut sets: Vec<RowSet> = self.segments.iter().map(|segment| RowSet::new(segment.column.rows())).collect();
        rows.for_each_unordered(|row_id| {
            let (place, row) = self.table.place(row_id)?;
            if let Some(set) = sets.get_mut(place) {
                set.insert(row);
            }
            Ok(())
        })?;
        Ok(self.filter_of(sets))
    }

    /// Collects the live records for which a function says so, as a filter of searches.
    pub fn filter_by(&self, mut is_wanted: impl FnMut(RowId) -> bool) -> RecordFilter {
        let segments = self.table.segments().iter().enumerate();
        let rows = segments.map(|(place, source)| {
            let rows = source.live_rows().filter(|row| is_wanted(source.mark().row_id(place, *row)));
            RowSet::of(source.segment().rows(), rows)
        });
        self.filter_of(rows.collect())
    }

    fn filter_of(&self, rows: Vec<RowSet>) -> RecordFilter {
        RecordFilter { rows, segments: self.table.segments().iter().map(super::state).collect() }
    }
}

impl RecordFilter {
    /// Returns the number of records.
    pub fn count(&self) -> u64 {
        self.rows.iter().map(|rows| u64::from(rows.count())).sum()
    }
}
