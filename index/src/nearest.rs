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

use std::fmt;
use std::sync::OnceLock;

use kapok_core::schema::Metric;
use kapok_core::segment::{LiveSegment, RowId, SegmentMark};
use kapok_core::vectors::{ElementType, VectorColumn};
use kapok_core::view::Table;
use kapok_core::{Error, Result};
use kapok_hnsw::{RowSet, Search, Vectors};

use crate::declared::Index;
use crate::kind::Kind;
use crate::vector::{CodesIndex, GraphIndex, GraphSource};
use crate::view::{TableIndexes, View};

mod effort;
mod filter;
mod search;
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
