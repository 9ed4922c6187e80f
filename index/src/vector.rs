//! The index of a vector field: a graph of a segment's rows, and quantized codes of their vectors.
//!
//! An index `hnsw(embedding)` makes two artifacts of a segment. The codes ([`CODES_KIND`]) are a function of the segment. The
//! graph ([`KIND`]) is, too, unless it was grown from that of a segment that was merged; its header names that one, and
//! consumers download it. FORMAT.md tells the bytes in its sections "Codes" and "Graph"; [`kapok_hnsw`] makes and reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use kapok_core::key::KeySpec;
use kapok_core::manifest::SegmentEntry;
use kapok_core::paths::Paths;
use kapok_core::schema::{Metric, Schema, StructType};
use kapok_core::segment::Segment;
use kapok_core::vectors::{VectorColumn, VectorField};
use kapok_core::{Error, Result};
use kapok_hnsw::{Codes, Graph, GraphStatistics, Order, Seed, Vectors};

use crate::artifact::{Binding, HEADER_BYTES, Header};
use crate::row::encode_row;
use crate::unique;

mod growth;
mod options;

pub(crate) use growth::Growth;
pub use growth::{GraphProgress, GraphSource};
pub use options::{CodeChoice, VectorOptions};

/// What a manifest calls graphs.
pub const KIND: &str = "hnsw";
/// What a manifest calls codes.
pub const CODES_KIND: &str = "codes";
/// Revision of the rules by which graphs and codes are made.
pub const REVISION: u32 = 1;

const GRAPH_MAGIC: [u8; 8] = *b"KAPOKHG1";
const CODES_MAGIC: [u8; 8] = *b"KAPOKVC1";
/// Byte of an artifact at which the dimension stands.
const DIMENSION_AT: usize = 12;
/// Byte of a graph at which its seed stands.
const SEED_AT: usize = HEADER_BYTES + 32;

/// A vector field, and how it is indexed.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorIndex {
    field: VectorField,
    options: VectorOptions,
}

impl VectorIndex {
    /// Resolves a field of a record type. The error says what is wrong.
    pub(crate) fn resolve(
        schema: &Schema,
        record: &StructType,
        path: &Paths,
        options: &BTreeMap<String, String>,
    ) -> std::result::Result<Self, String> {
        let name = path.names().next().unwrap_or_default();
        let field = VectorField::exactly(schema, record, name).map_err(|error| error.to_string())?;
        if field.space().metric == Metric::Unspecified {
            return Err(format!("{name} has no metric; declare one, such as {name}:cosine"));
        }
        let options = VectorOptions::of(options, field.element())?;
        Ok(Self { field, options })
    }

    /// Returns the field.
    pub fn field(&self) -> &VectorField {
        &self.field
    }

    /// Returns how it is indexed.
    pub fn options(&self) -> VectorOptions {
        self.options
    }

    /// Returns what tells its artifacts from others of the same field: the metric, and all options as they count.
    pub(crate) fn identity(&self) -> Vec<(String, String)> {
        let mut out = self.options.texts();
        out.push(("metric".to_owned(), self.field.space().metric.name().to_owned()));
        out.sort();
        out
    }

    /// Opens the column of a segment.
    pub(crate) fn column(&self, segment: &Segment, entry: &SegmentEntry) -> Result<VectorColumn> {
        self.field.open(segment, &entry.extents)
    }

    /// Builds the codes of a segment.
    pub(crate) fn build_codes(&self, segment: &Segment, entry: &SegmentEntry, binding: &Binding) -> Result<Vec<u8>> {
        let column = self.column(segment, entry)?;
        let body = match (Vectors::new(&column, column.metric())?, self.options.codes.of_dimension(column.dimension()))
        {
            (Some(vectors), Some(kind)) => kapok_hnsw::encode(kind, &vectors, threads()),
            _ => Vec::new(),
        };
        Ok(with_header(CODES_MAGIC, segment.rows(), column.dimension(), binding, body))
    }

    /// Builds the graph of a segment.
    pub(crate) fn build_graph(
        &self,
        key: &KeySpec,
        segment: &Segment,
        entry: &SegmentEntry,
        binding: &Binding,
        growth: Growth<'_>,
    ) -> Result<Vec<u8>> {
        let column = self.column(segment, entry)?;
        let rows = segment.rows();
        let Some(vectors) = Vectors::new(&column, column.metric())? else {
            return Ok(with_header(GRAPH_MAGIC, rows, column.dimension(), binding, Vec::new()));
        };
        let order = self.order(key, segment, &column)?;
        let settings = self.options.settings;
        let source = self.best_source(&growth.sources)?;
        let moved = match source {
            Some(source) => source.moved(key, segment, &column)?,
            None => Vec::new(),
        };
        let seed = match source {
            Some(source) => source.index.graph()?.map(|graph| Seed { graph, rows: &moved, tag: source.tag() }),
            None => None,
        };
        let Growth { codes, name, progress, .. } = growth;
        let (vectors_count, planted) = (order.rows().len(), moved.iter().flatten().count());
        let mut tell = |linked| progress(GraphProgress { index: name, vectors: vectors_count, planted, linked });
        tell(0);
        let made;
        let body = match (self.options.codes.of_dimension(column.dimension()), codes) {
            (None, _) => kapok_hnsw::build(&vectors, &order, &settings, seed.as_ref(), threads(), &mut tell),
            (Some(kind), codes) => {
                let codes = if let Some(codes) = codes {
                    codes.get(HEADER_BYTES..).unwrap_or_default()
                } else {
                    made = kapok_hnsw::encode(kind, &vectors, threads());
                    &made
                };
                let codes = Codes::open("codes", 0, codes, kind, column.metric(), column.dimension(), rows)?;
                kapok_hnsw::build(&codes, &order, &settings, seed.as_ref(), threads(), &mut tell)
            }
        };
        tell(vectors_count);
        Ok(with_header(GRAPH_MAGIC, rows, column.dimension(), binding, body))
    }

    /// Orders the rows with vectors by the hashes of their keys.
    fn order(&self, key: &KeySpec, segment: &Segment, column: &VectorColumn) -> Result<Order> {
        let mut hashes = Vec::with_capacity(segment.rows() as usize);
        let mut encoded = Vec::new();
        for row in (0..segment.rows()).filter(|row| column.has(*row)) {
            encode_row(key, segment, row, &mut encoded)?;
            hashes.push((unique::hash(&encoded), row));
        }
        Ok(Order::new(hashes, self.options.settings.m))
    }

    /// Returns the source with the most vectors.
    fn best_source<'s>(&self, sources: &[&'s GraphSource]) -> Result<Option<&'s GraphSource>> {
        let mut best: Option<(&GraphSource, u32)> = None;
        for source in sources.iter().copied() {
            let Some(graph) = source.index.graph()? else { continue };
            let (m, m0, _) = graph.parameters();
            let is_alike = (m, m0) == (self.options.settings.m, self.options.settings.m0);
            if is_alike && best.is_none_or(|(_, vectors)| graph.vectors() > vectors) {
                best = Some((source, graph.vectors()));
            }
        }
        Ok(best.map(|(source, _)| source))
    }

    /// Checks a graph against its segment.
    pub(crate) fn verify_graph(
        &self,
        graph: &GraphIndex,
        key: &KeySpec,
        segment: &Segment,
        entry: &SegmentEntry,
    ) -> Result<()> {
        let column = self.column(segment, entry)?;
        let corrupt =
            |at: usize, expected: String, found: String| Err(Error::corrupt(&*graph.name, at as u64, expected, found));
        let dimension = graph.artifact.dimension;
        if dimension != column.dimension() {
            return corrupt(DIMENSION_AT, format!("dimension {}", column.dimension()), dimension.to_string());
        }
        let order = self.order(key, segment, &column)?;
        match graph.graph()? {
            Some(opened) => {
                let seed = opened.seed();
                let is_source = entry.merged_from.iter().any(|source| source.segment.starts_with(&seed));
                if seed != [0; 16] && !is_source {
                    let seed = format!("{:032x}", u128::from_be_bytes(seed));
                    return corrupt(SEED_AT, "no seed, or a segment that this one was merged from".to_owned(), seed);
                }
                opened.verify(&graph.name, HEADER_BYTES, &order, &self.options.settings)
            }
            None if order.rows().is_empty() => Ok(()),
            None => corrupt(HEADER_BYTES, format!("a graph of {} vectors", order.rows().len()), "none".to_owned()),
        }
    }
}

/// Returns the threads that graphs are built on.
fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Puts the header before a body, whose memory is not held twice.
fn with_header(magic: [u8; 8], rows: u32, dimension: u32, binding: &Binding, mut body: Vec<u8>) -> Vec<u8> {
    let header = Header { rows, word: dimension, numbers: [body.len() as u64, 0] }.encode(magic, binding);
    body.reserve_exact(HEADER_BYTES);
    body.splice(..0, header);
    body
}

/// The codes of the vectors of one segment, in place.
#[derive(Clone)]
pub(crate) struct CodesIndex(VectorArtifact);

/// The graph of the vectors of one segment, in place.
#[derive(Clone)]
pub struct GraphIndex {
    name: Arc<str>,
    artifact: VectorArtifact,
}

/// An artifact with a body, which is empty for a segment without vectors.
#[derive(Clone)]
struct VectorArtifact {
    name: Arc<str>,
    bytes: Bytes,
    rows: u32,
    dimension: u32,
}

impl VectorArtifact {
    fn open(name: &str, bytes: Bytes, magic: [u8; 8], rows: u32, binding: &Binding) -> Result<Self> {
        let header = Header::decode(name, &bytes, magic, rows, binding)?;
        let body = (bytes.len() - HEADER_BYTES) as u64;
        if header.numbers != [body, 0] {
            let expected = format!("a body of {} bytes", header.numbers[0]);
            return Err(Error::corrupt(name, 16, expected, format!("{body} bytes")));
        }
        Ok(Self { name: name.into(), bytes, rows, dimension: header.word })
    }

    fn body(&self) -> Option<&[u8]> {
        self.bytes.get(HEADER_BYTES..).filter(|body| !body.is_empty())
    }
}

impl CodesIndex {
    /// Opens codes: checks header and length, in O(1).
    pub(crate) fn open(name: &str, bytes: Bytes, rows: u32, index: &VectorIndex, binding: &Binding) -> Result<Self> {
        let opened = Self(VectorArtifact::open(name, bytes, CODES_MAGIC, rows, binding)?);
        opened.codes(index, opened.0.dimension)?;
        Ok(opened)
    }

    /// Returns the codes of vectors of a dimension; `None` if the segment has no vectors.
    pub(crate) fn codes(&self, index: &VectorIndex, dimension: u32) -> Result<Option<Codes<'_>>> {
        let kind = index.options.codes.of_dimension(dimension);
        let (Some(body), Some(kind)) = (self.0.body(), kind) else { return Ok(None) };
        let metric = index.field.space().metric;
        Codes::open(&self.0.name, HEADER_BYTES, body, kind, metric, dimension, self.0.rows).map(Some)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }
}

impl GraphIndex {
    /// Opens a graph: checks header and shape, in O(1).
    pub(crate) fn open(name: &str, bytes: Bytes, rows: u32, binding: &Binding) -> Result<Self> {
        let artifact = VectorArtifact::open(name, bytes, GRAPH_MAGIC, rows, binding)?;
        let opened = Self { name: artifact.name.clone(), artifact };
        opened.graph()?;
        Ok(opened)
    }

    /// Returns the graph; `None` if the segment has no vectors.
    ///
    /// # Errors
    /// `Corrupt` as at opening.
    pub fn graph(&self) -> Result<Option<Graph<'_>>> {
        let Some(body) = self.artifact.body() else { return Ok(None) };
        Graph::open(&self.name, HEADER_BYTES, body, self.artifact.rows).map(Some)
    }

    /// Returns the length of the artifact, in bytes.
    pub fn bytes_len(&self) -> usize {
        self.artifact.bytes.len()
    }

    /// Counts what the graph consists of, in time linear in its length.
    ///
    /// # Errors
    /// `Corrupt` as at opening.
    pub fn statistics(&self) -> Result<Option<GraphStatistics>> {
        Ok(self.graph()?.map(|graph| graph.statistics()))
    }
}

impl fmt::Debug for CodesIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodesIndex").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for GraphIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphIndex").field("name", &self.name).finish_non_exhaustive()
    }
}
