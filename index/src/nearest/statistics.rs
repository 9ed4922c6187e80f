//! Counts what a vector field and its index consist of.

use kapok_core::Result;
use kapok_core::vectors::ElementType;
use kapok_distance::Kernels;
use kapok_hnsw::GraphStatistics;

use super::Nearest;

/// What a segment has of a vector field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentStatistics {
    /// Live rows that have a vector.
    pub vectors: u64,
    /// Bytes of the matrix, with the slots of rows that are dead or have no vector.
    pub vector_bytes: u64,
    /// Bytes of the codes, if it has some.
    pub codes_bytes: Option<u64>,
    /// Bytes of the graph, if it has one.
    pub graph_bytes: Option<u64>,
    /// What the graph consists of; `None` if it has none, or one without a vector.
    pub graph: Option<GraphStatistics>,
}

impl Nearest<'_> {
    /// Returns what the elements of vectors are.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Returns the name of the instruction set that distances are measured by: `scalar`, `avx2`, `avx512` or `neon`.
    pub fn kernels(&self) -> &'static str {
        Kernels::detect().name()
    }

    /// Counts what each segment has, in time linear in its rows and links.
    ///
    /// # Errors
    /// `Corrupt` as at opening.
    pub fn statistics(&self) -> Result<Vec<SegmentStatistics>> {
        let counted = self.segments.iter().zip(self.table.segments()).map(|(segment, source)| {
            let column = &segment.column;
            let graph = match segment.graph {
                Some(graph) => graph.statistics()?,
                None => None,
            };
            Ok(SegmentStatistics {
                vectors: source.live_rows().filter(|row| column.has(*row)).count() as u64,
                vector_bytes: if column.is_empty() { 0 } else { column.stride() as u64 * u64::from(column.rows()) },
                codes_bytes: segment.codes.map(|codes| codes.bytes().len() as u64),
                graph_bytes: segment.graph.map(|graph| graph.bytes_len() as u64),
                graph,
            })
        });
        counted.collect()
    }
}
