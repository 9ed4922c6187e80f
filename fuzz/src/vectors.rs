//! A graph and codes as one input of the target `vectors`, and the vectors that they are of.
//!
//! ```text
//! byte 0     metric and kind of codes
//! byte 1     number of records wanted
//! byte 2     row that is searched for
//! byte 3     of so many rows one is allowed; all if it is 0
//! byte 4     length of the graph as u32
//! …          the graph, then the codes
//! ```

use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_distance::Rows;
use kapok_hnsw::{BuildSettings, CodeKind, Order, Vectors};
use kapok_samples::random::Random;

/// More than are measured without a walk.
pub const ROWS: u32 = 300;
pub const DIMENSION: u32 = 4;
/// How honest graphs are built.
pub const SETTINGS: BuildSettings = BuildSettings { m: 4, m0: 8, ef_construction: 20 };
const ROW_BYTES: usize = 16;
const METRICS: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::InnerProduct];

/// Returns the bytes of all vectors.
pub fn bytes() -> Vec<u8> {
    let mut random = Random::new(1);
    let mut number = || f32::from(u8::try_from(random.below(200)).expect("a small number")) - 100.0;
    (0..ROWS * DIMENSION).flat_map(|_| number().to_le_bytes()).collect()
}

/// Returns what a first byte chooses.
pub fn choice(byte: u8) -> (Metric, CodeKind) {
    (METRICS[usize::from(byte / 2) % METRICS.len()], CodeKind::ALL[usize::from(byte % 2)])
}

/// Views the vectors.
pub fn vectors(bytes: &[u8], metric: Metric) -> Vectors<'_> {
    let rows = Rows::new(bytes, 0, ROW_BYTES, ROW_BYTES, ROWS).expect("rows within their bytes");
    Vectors::of_rows("vectors", rows, ElementType::Float32, DIMENSION, metric).expect("floats have every such metric")
}

/// Returns the order of the rows that are in honest graphs.
pub fn order() -> Order {
    let rows = (0..ROWS).filter(|row| row % 17 != 4);
    Order::new(rows.map(|row| (Random::new(row.into()).next(), row)), 4)
}

/// One input.
pub fn join(choice: u8, graph: &[u8], codes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(graph.len()).expect("a small graph");
    [&[choice, 10, 7, 0][..], &len.to_le_bytes(), graph, codes].concat()
}

/// Takes an input apart: its first four bytes, the graph and the codes.
pub fn split(data: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (head, rest) = data.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (graph, codes) = rest.split_at_checked(len)?;
    Some((*head, graph, codes))
}
