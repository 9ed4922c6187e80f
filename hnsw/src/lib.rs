//! Finds the vectors nearest to a query: exactly, by quantized codes, and by a hierarchical proximity graph.
//!
//! Pure functions on bytes, for the vectors of one field in one segment. [`Vectors`] measures from a query to the vectors
//! where they lie in the segment. [`Codes`] holds each in few bits. A [`Graph`] links each row to rows near it. Codes and graph
//! are artifacts beside the segment, read in place; neither holds a vector. A search walks the graph by distances from the
//! codes and measures its best candidates again by the vectors:
//!
//! ```text
//! query ──▶ codes ──▶ walk over the graph ──▶ candidates ──▶ vectors in the segment ──▶ rows, nearest first
//! ```
//!
//! What is built depends on its input alone: not on the number of threads, the processor, or chance. The crate knows
//! nothing of views, schemas and stores.
//!
//! # Sources
//! Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
//! graphs" (arXiv 1603.09320), for the graph; batches of doubling size as in `ParlayANN` (arXiv 2305.04359); a scale for
//! each vector around the mean of all as in LVQ (arXiv 2304.04759).

#![forbid(unsafe_code)]

mod allowed;
mod build;
mod codes;
mod graph;
mod insert;
mod number;
mod order;
mod points;
mod pool;
mod quantize;
mod reach;
mod search;
mod seed;
mod select;
mod spread;
mod vectors;
mod visited;

pub use allowed::RowSet;
pub use build::{BuildSettings, build};
pub use codes::{CodeQuery, Codes};
pub use graph::{Graph, GraphStatistics};
pub use order::Order;
pub use points::Points;
pub use quantize::{CodeKind, encode};
pub use search::{Found, Scratch, Search, Strategy, Wanted};
pub use seed::Seed;
pub use vectors::{Query, Vectors};
