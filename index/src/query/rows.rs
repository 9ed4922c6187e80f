//! The records that satisfy an expression.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use kapok_core::record::Record;
use kapok_core::segment::{RowId, in_parallel_on};
use kapok_core::view::Table;
use kapok_core::{Error, Result};

use super::check::Ready;
use super::evaluate::Spending;
use super::explain::JoinExplanation;
use super::found_first::FoundFirst;
use super::join::Names;
use super::key_order::KeyOrder;
use super::mask::BLOCK_ROWS;
use super::order::{Order, Sorting};
use super::place::Scope;
use super::plan::{Indexes, SegmentPlan, plan, plan_cost};
use super::scan::{SegmentScan, corrupt};
use super::select::Selection;

/// Rows of a segment that one thread takes at a time.
const ROWS_PER_TASK: u32 = 64 * BLOCK_ROWS;

/// The records that satisfy an expression, in key order unless they are [ordered](Rows::order_by).
///
/// They borrow the view. Nothing is read before something is asked for, and all of it is read again if something else
/// is asked for: what is needed twice is kept as row ids.
///
/// ```
/// # use kapok_core::{Error, Result};
/// # use kapok_index::View;
/// # use kapok_samples::movies_capnp::movie;
/// use kapok_index::query::Order;
///
/// fn longest(view: &View) -> Result<()> {
///     let films = view.query("Movie", "year >= 1990")?.order_by(&[Order::descending("runtimeMin")])?.limit(10);
///     for film in films.records() {
///         println!("{:?}", film?.get("title")?.as_str());
///     }
///     let readers = view.records::<movie::Owned>()?;
///     for row_id in films.row_ids()? {
///         println!("{}", readers.get(row_id)?.get_year());
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Rows<'v> {
    pub(super) names: Names<'v>,
    pub(super) table: &'v Table,
    pub(super) indexes: Option<Indexes<'v>>,
    pub(super) expression: Arc<Ready<'v>>,
    /// How records of other tables were found before these.
    pub(super) joins: Arc<[JoinExplanation]>,
    pub(super) plans: Vec<SegmentPlan<'v>>,
    pub(super) sorting: Option<Arc<Sorting<'v>>>,
    pub(super) limit: Option<usize>,
    pub(super) threads: NonZeroUsize,
}

impl<'v> Rows<'v> {
    pub(super) fn new(
        names: Names<'v>,
        table: &'v Table,
        indexes: Option<Indexes<'v>>,
        expression: Arc<Ready<'v>>,
    ) -> Result<Self> {
        let (expression, joins) = found_first(names, table, indexes.as_ref(), expression, u64::MAX)?;
        Self::planned(names, table, indexes, expression, joins)
    }

    /// Makes the rows if finding them costs no more than a limit.
    pub(super) fn within(
        names: Names<'v>,
        table: &'v Table,
        indexes: Option<Indexes<'v>>,
        expression: Arc<Ready<'v>>,
        cost_max: u64,
    ) -> Result<Option<Self>> {
        let (expression, joins) = found_first(names, table, indexes.as_ref(), expression, cost_max)?;
        if plan_cost(table, indexes.as_ref(), &expression)? > cost_max {
            return Ok(None);
        }
        Self::planned(names, table, indexes, expression, joins).map(Some)
    }

    fn planned(
        names: Names<'v>,
        table: &'v Table,
        indexes: Option<Indexes<'v>>,
        expression: Arc<Ready<'v>>,
        joins: Arc<[JoinExplanation]>,
    ) -> Result<Self> {
        let plans = plan(table, indexes.as_ref(), &expression)?;
        let (sorting, limit, threads) = (None, None, NonZeroUsize::MIN);
        Ok(Self { names, table, indexes, expression, joins, plans, sorting, limit, threads })
    }

    /// Returns what finding the rows costs, in parts of what a column of numbers costs for one.
    pub(super) fn cost(&self) -> u64 {
        self.plans.iter().map(|plan| plan.cost).fold(0, u64::saturating_add)
    }

    /// Returns the table that the records are in.
    pub fn table(&self) -> &'v Table {
        self.table
    }

    /// Orders the records by fields; those that are equal in all of them by key.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`](kapok_core::Fault::Query) for fields that there are not or that have no order.
    pub fn order_by(mut self, order: &[Order]) -> Result<Self> {
        self.sorting =
            if order.is_empty() { None } else { Some(Arc::new(Sorting::bind(self.names, self.table, order)?)) };
        Ok(self)
    }

    /// Takes the first records only.
    #[must_use]
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = Some(records);
        self
    }

    /// Lets aggregates and counts be computed by so many threads; without this, by the caller's alone.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Returns the number of records.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn count(&self) -> Result<u64> {
        let Some(limit) = self.limit.map(|limit| limit as u64) else {
            return in_parallel_on(self.threads, self.tasks(), SegmentScan::count_rest).into_iter().sum();
        };
        let mut count = 0;
        for scan in self.tasks() {
            if count >= limit {
                break;
            }
            count += scan.count_rest()?;
        }
        Ok(count.min(limit))
    }

    /// Hands the row ids to a function, in any order.
    pub(crate) fn for_each_unordered(&self, mut f: impl FnMut(RowId) -> Result<()>) -> Result<()> {
        if self.limit.is_some() {
            return self.iter().try_for_each(|row_id| f(row_id?));
        }
        for mut scan in self.scans() {
            while let Some(row) = scan.next() {
                f(scan.row_id(row?))?;
            }
        }
        Ok(())
    }

    /// Returns whether a record, which must live, satisfies the expression, whatever the limit.
    ///
    /// # Errors
    /// `Invalid` for a row id of another record type, or of a segment that the view does not have; `Corrupt` if the bytes
    /// are not as they must be.
    pub fn contains(&self, row_id: RowId) -> Result<bool> {
        let (place, row) = self.table.place(row_id)?;
        let source = &self.table.segments()[place];
        let Some(at) = source.segment().row(row).filter(|_| source.is_live(row)) else { return Ok(false) };
        let plan = &self.plans[place];
        if !plan.candidates.contains(row) {
            return Ok(false);
        }
        let holds = plan.conditions.holds(Scope::Struct(at), &Spending::new());
        holds.map_err(|malformed| corrupt(source, malformed))
    }

    /// Iterates over the row ids in order, each a `Result`. In key order they are found as they are asked for.
    pub fn iter(&self) -> RowIter<'v> {
        let source = match &self.sorting {
            Some(sorting) => match sorting.sort(self, None) {
                Ok(rows) => Source::Sorted(rows.into_iter()),
                Err(error) => Source::Failed(Some(error)),
            },
            None => Source::Keys(Box::new(KeyOrder::new(self.table, self.scans().collect()))),
        };
        RowIter { source, left: self.limit.unwrap_or(usize::MAX) }
    }

    /// Returns the row ids in order.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn row_ids(&self) -> Result<Vec<RowId>> {
        self.iter().collect()
    }

    /// Returns the row id of the first record, if there is one.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not as they must be.
    pub fn first(&self) -> Result<Option<RowId>> {
        Rows { limit: Some(self.limit.map_or(1, |limit| limit.min(1))), ..self.clone() }.iter().next().transpose()
    }

    /// Iterates over the records in order, each a `Result`.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'v>>> + use<'v> {
        let table = self.table;
        self.iter().map(move |row_id| table.record(row_id?))
    }

    /// Resolves paths of the records, which may go through references, to be read record by record.
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`](kapok_core::Fault::Query) for fields that there are not.
    pub fn select<P: AsRef<str>>(&self, paths: &[P]) -> Result<Selection<'v>> {
        Selection::bind_in(self.names, self.table, paths)
    }

    /// Iterates over the row ids in order, so many at a time; the last batch may have fewer. Each batch is a `Result`.
    ///
    /// # Panics
    /// If a batch is to have no rows.
    pub fn batches(&self, rows: usize) -> impl Iterator<Item = Result<Vec<RowId>>> + use<'v> {
        assert!(rows > 0, "a batch of no rows");
        let mut all = self.iter();
        std::iter::from_fn(move || {
            let batch: Result<Vec<RowId>> = all.by_ref().take(rows).collect();
            Some(batch).filter(|batch| !batch.as_ref().is_ok_and(Vec::is_empty))
        })
    }

    /// Iterates in key order over the rows from one on in each segment.
    pub(super) fn iter_from(&self, starts: &[u32]) -> KeyOrder<'v> {
        let scans = self.scans().zip(starts).map(|(scan, start)| scan.from(*start));
        KeyOrder::new(self.table, scans.collect())
    }

    /// Returns scans of all rows, of some thousands each.
    pub(super) fn tasks(&self) -> Vec<SegmentScan<'v>> {
        let mut out = Vec::new();
        for (place, (source, plan)) in self.table.segments().iter().zip(&self.plans).enumerate() {
            let rows = source.segment().rows();
            for start in (0..rows).step_by(ROWS_PER_TASK as usize) {
                let end = rows.min(start.saturating_add(ROWS_PER_TASK));
                out.push(SegmentScan::of_rows(source, place, plan.clone(), start..end));
            }
        }
        out
    }

    /// Returns a scan of each segment.
    pub(super) fn scans(&self) -> impl Iterator<Item = SegmentScan<'v>> + '_ {
        let segments = self.table.segments().iter().zip(&self.plans).enumerate();
        segments.map(|(place, (source, plan))| SegmentScan::new(source, place, plan.clone()))
    }
}

/// Turns conditions about records of other tables into conditions about their keys, where these records are found at less cost
/// than looking them up. `cost_max`: what that may cost.
fn found_first<'v>(
    names: Names<'v>,
    table: &'v Table,
    indexes: Option<&Indexes<'v>>,
    expression: Arc<Ready<'v>>,
    cost_max: u64,
) -> Result<(Arc<Ready<'v>>, Arc<[JoinExplanation]>)> {
    if !FoundFirst::is_about_others(&expression) {
        return Ok((expression, Arc::default()));
    }
    let mut first = FoundFirst::new(names, plan_cost(table, indexes, &expression)?, cost_max);
    let turned = first.turn(&expression, true)?;
    Ok(if first.joins.is_empty() { (expression, Arc::default()) } else { (Arc::new(turned), first.joins.into()) })
}

/// Row ids in order, each a `Result`.
pub struct RowIter<'v> {
    source: Source<'v>,
    left: usize,
}

enum Source<'v> {
    Keys(Box<KeyOrder<'v>>),
    Sorted(std::vec::IntoIter<RowId>),
    /// What orders the records cannot be read.
    Failed(Option<Error>),
}

impl Iterator for RowIter<'_> {
    type Item = Result<RowId>;

    fn next(&mut self) -> Option<Result<RowId>> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.source {
            Source::Keys(rows) => rows.next(),
            Source::Sorted(rows) => rows.next().map(Ok),
            Source::Failed(error) => error.take().map(Err),
        }
    }
}

impl<'v> IntoIterator for &Rows<'v> {
    type Item = Result<RowId>;
    type IntoIter = RowIter<'v>;

    fn into_iter(self) -> RowIter<'v> {
        self.iter()
    }
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("record_type", &self.table.name())
            .field("segments", &self.plans.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RowIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowIter").field("left", &self.left).finish_non_exhaustive()
    }
}
