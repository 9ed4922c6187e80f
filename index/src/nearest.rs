//! Finds the records whose vectors are nearest to one, in all segments of a record type.
//!
//! ```
//! # use kapok_core::Result;
//! # use kapok_index::View;
//! use kapok_index::nearest::{Effort, SearchSettings};
//!
//! fn print(view: &View, question: &[f32]) -> Result<()> {
//!     let nearest = view.nearest("Package.embedding")?;
//!     let name = view.field::<&str>("Package.package")?;
//!     for hit in nearest.search(question, &SearchSettings::new(10))? {
//!         println!("{:.3} {}", hit.distance, name.get(hit.row_id)?);
//!     }
//!
//!     let libraries = view.query("Package", "section = \"libs\"")?;
//!     let filter = nearest.filter(&libraries)?;
//!     let settings = SearchSettings { filter: Some(&filter), effort: Effort::Exact, ..SearchSettings::new(10) };
//!     println!("{} libraries", nearest.search(question, &settings)?.len());
//!     Ok(())
//! }
//! ```

use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use kapok_core::schema::Metric;
use kapok_core::segment::{LiveSegment, RowId, SegmentMark, in_parallel_on};
use kapok_core::vectors::{ElementType, VectorColumn};
use kapok_core::view::Table;
use kapok_core::{Error, Fault, Result};
use kapok_hnsw::{Points, Query, RowSet, Scratch, Search, Vectors};

use crate::declared::Index;
use crate::kind::Kind;
use crate::vector::{CodesIndex, GraphIndex, GraphSource};
use crate::view::{TableIndexes, View};

mod effort;
mod filter;
mod settings;
mod statistics;

pub use effort::Effort;
pub use filter::RecordFilter;
pub use kapok_hnsw::{GraphStatistics, Strategy};
pub use settings::SearchSettings;
pub use statistics::SegmentStatistics;

/// Finds the records whose vectors are nearest to one.
///
/// Made by [`View::nearest`](crate::View::nearest). Segments without a graph are searched exactly. Of a segment with dead rows,
/// the first search makes a list of those that live: keep a `Nearest` for many searches.
pub struct Nearest<'v> {
    table: &'v Table,
    field: String,
    metric: Metric,
    element: ElementType,
    dimension: u32,
    segments: Vec<SegmentVectors<'v>>,
}

/// What a segment has to be searched by.
struct SegmentVectors<'v> {
    column: VectorColumn,
    index: Option<&'v Index>,
    graph: Option<&'v GraphIndex>,
    codes: Option<&'v CodesIndex>,
    /// Rows that live; `None` if all do.
    live: OnceLock<Option<RowSet>>,
}

/// A record with its distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The record.
    pub row_id: RowId,
    /// Euclidean distance, one minus the cosine, the negated inner product, or the number of bits that differ, as the metric says.
    pub distance: f32,
}

/// How a segment was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentSearch {
    /// Rows with vectors.
    pub rows: u32,
    /// How.
    pub strategy: Strategy,
    /// Distances that were measured.
    pub measured: u64,
}

thread_local! {
    /// What a searching thread keeps from one search to the next.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl View {
    /// Finds records by the vectors of a field, such as `Package.embedding`.
    ///
    /// # Errors
    /// `NotFound`, listing the types or fields that there are. `Invalid` for a field that is no vector or has no metric.
    /// `Corrupt` if an extent of the manifest is not what the schema and its segment make it.
    pub fn nearest(&self, path: &str) -> Result<Nearest<'_>> {
        let (record_type, field) = path.split_once('.').ok_or_else(|| {
            Error::invalid(path, "a vector field is written as TYPE.FIELD, such as Package.embedding")
        })?;
        let (table, indexes) = self.table_with_indexes(record_type)?;
        Nearest::open(table, indexes, field)
    }
}

impl View {
    /// Returns the graphs of some segments of a record type, at these places, to grow that of a segment from that they are merged to.
    ///
    /// # Errors
    /// `NotFound` for a type that there is not. `Corrupt` if an extent is not what the schema and its segment make it.
    pub fn graph_sources(&self, record_type: &str, places: &[usize]) -> Result<Vec<GraphSource>> {
        let (table, indexes) = self.table_with_indexes(record_type)?;
        let entries = &self.manifest().expect_record_type(record_type)?.segments;
        let mut sources = Vec::new();
        for place in places {
            let (Some(source), Some(entry), Some(opened)) =
                (table.segments().get(*place), entries.get(*place), indexes.opened.get(*place))
            else {
                continue;
            };
            for (index, opened) in indexes.declared.indexes().iter().zip(opened) {
                let Some(graph) = opened.as_ref().and_then(|opened| opened.graph()) else { continue };
                let column = index.vector()?.column(source.segment(), entry)?;
                sources.push(GraphSource { id: entry.id, of: *index.hash(), column, index: graph.clone() });
            }
        }
        Ok(sources)
    }
}

impl<'v> Nearest<'v> {
    fn open(table: &'v Table, indexes: &'v TableIndexes, path: &str) -> Result<Self> {
        let field = table.vector_field(path)?;
        let metric = field.space().metric;
        if metric == Metric::Unspecified {
            let detail =
                "the field has no metric, by which vectors are compared; publish once with one, such as cosine";
            return Err(Error::invalid(format!("{}.{path}", table.name()), detail));
        }
        let declared = indexes.declared.indexes();
        let position = |kind| {
            // By name: one side may have been called by its JSON name.
            let is_field = |index: &Index| index.vector().is_ok_and(|of| of.field().name() == field.name());
            let is_of = |index: &Index| index.kind() == kind && is_field(index);
            declared.iter().position(is_of)
        };
        let (graph, codes) = (position(Kind::Hnsw), position(Kind::Codes));
        let mut segments = Vec::with_capacity(table.segments().len());
        for (place, column) in table.vectors(path)?.into_iter().enumerate() {
            let opened = |position: Option<usize>| indexes.opened.get(place)?.get(position?)?.as_ref();
            segments.push(SegmentVectors {
                index: graph.map(|position| &declared[position]),
                graph: opened(graph).and_then(|opened| opened.graph()),
                codes: opened(codes).and_then(|opened| opened.codes()),
                column,
                live: OnceLock::new(),
            });
        }
        let of_column =
            |segment: &SegmentVectors<'_>| Some(segment.column.dimension()).filter(|dimension| *dimension > 0);
        let dimension = segments.iter().find_map(of_column).unwrap_or(field.space().dimension);
        let (element, field) = (field.element(), field.name().to_owned());
        Ok(Self { table, field, metric, element, dimension, segments })
    }

    /// Returns the table that is searched.
    pub fn table(&self) -> &'v Table {
        self.table
    }

    /// Returns the metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Returns the number of elements of a vector; 0 if that is not known, since there is none.
    pub fn dimension(&self) -> u32 {
        self.dimension
    }

    /// Returns the graph of each segment that has one.
    pub fn graphs(&self) -> impl Iterator<Item = &'v GraphIndex> + '_ {
        self.segments.iter().filter_map(|segment| segment.graph)
    }

    /// Returns the column of each segment.
    pub fn columns(&self) -> impl Iterator<Item = &VectorColumn> {
        self.segments.iter().map(|segment| &segment.column)
    }

    /// Returns the vector of a record as numbers, bits as 0 and 1; `None` if it has none.
    ///
    /// # Errors
    /// `Invalid` for a row id of another view or record type.
    pub fn vector(&self, row_id: RowId) -> Result<Option<Vec<f32>>> {
        let (place, row) = self.table.place(row_id)?;
        let Some(segment) = self.segments.get(place).filter(|segment| segment.column.has(row)) else { return Ok(None) };
        let Some(vectors) = Vectors::new(&segment.column, self.metric)? else { return Ok(None) };
        let mut numbers = Vec::new();
        vectors.widen(row, &mut numbers);
        if self.metric == Metric::Hamming {
            for bit in &mut numbers {
                *bit = bit.max(0.0);
            }
        }
        Ok(Some(numbers))
    }

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
        let Some(vector) = self.vector(row_id)? else {
            return Err(Error::invalid(format!("{}.{}", self.table.name(), self.field), "the record has no vector"));
        };
        self.search_excluding(&vector, settings, Some(row_id), &mut |_| {})
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

/// Returns what tells a segment, and which of its rows live, from others.
fn state(source: &LiveSegment) -> (SegmentMark, u64) {
    (source.mark(), source.dead().map_or(0, roaring::RoaringBitmap::len))
}

impl SegmentVectors<'_> {
    /// Returns the rows that live; `None` if all do.
    fn live(&self, dead: Option<&roaring::RoaringBitmap>) -> Option<&RowSet> {
        let live = || dead.map(|dead| RowSet::all_but(self.column.rows(), dead));
        self.live.get_or_init(live).as_ref()
    }

    /// Joins vectors, codes and graph.
    fn search<'s>(&'s self, vectors: Vectors<'s>) -> Result<Search<'s>> {
        let codes = match (self.index, self.codes) {
            (Some(index), Some(codes)) => codes.codes(index.vector()?, self.column.dimension())?,
            _ => None,
        };
        let graph = match self.graph {
            Some(graph) => graph.graph()?,
            None => None,
        };
        Ok(Search { vectors, codes, graph })
    }
}

impl fmt::Debug for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nearest")
            .field("table", self.table)
            .field("field", &self.field)
            .field("metric", &self.metric)
            .finish_non_exhaustive()
    }
}
