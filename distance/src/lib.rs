//! Computes distances between vectors that lie in bytes, many rows per call, with the same bits on every processor.
//!
//! [`Kernels`] are functions for one instruction set, chosen at run time. A call takes one query, [`Rows`] and the ids of
//! some of them, and gives a sum for each. It does not search, does not encode codes, and knows nothing of datasets.
//!
//! ```
//! use kapok_distance::{Kernels, Rows};
//!
//! let bytes: Vec<u8> = [1.0_f32, 0.0, 0.5, 2.0, -1.0, 4.0].iter().flat_map(|number| number.to_le_bytes()).collect();
//! let rows = Rows::new(&bytes, 0, 8, 8, 3)?;
//! let mut dots = [0.0; 2];
//! Kernels::detect().dot_f32(&[3.0, 1.0], &rows, &[2, 0], &mut dots);
//! assert_eq!(dots, [1.0, 3.0]);
//! # Ok::<(), kapok_distance::RowsError>(())
//! ```
//!
//! ```text
//! query ─────────┐
//!                ├─▶ 4 rows at a time, the next 4 prefetched ─▶ sums ─▶ out
//! rows, ids ─────┘   scalar │ AVX2 │ AVX-512 │ NEON
//! ```
//!
//! # The order of a sum
//! Floats are added in one order, whatever the processor. There are 64 lanes, which begin with +0. Element `i` goes to lane
//! `i % 64`: for an inner product `lane = fma(a, b, lane)`, for a squared distance `d = a - b; lane = fma(d, d, lane)`, each
//! rounded once. A vector whose length is no multiple of 16 is padded with +0 to the next one. At the end lane `i` is added to
//! lane `i + 32`, then `i` to `i + 16`, 8, 4, 2, 1. Floats of 16 bits are widened to binary32, which is exact, and then
//! treated as such. Sums of integers are exact.
//!
//! So the error of a sum of `n` products is at most `(n / 64 + 10) * 2^-24` times the sum of their absolute values, if none of
//! them overflows or is less than 2^-126.
//!
//! # 4-bit codes
//! A row is blocks of 64 bytes, each of which holds 128 dimensions: byte `i` of a block has dimension `i` in its low four
//! bits, and dimension `64 + i` in its high four. What the last block has beyond the dimension is zero.
//!
//! # Limitations
//! * Vectors have at most [`DIMENSION_MAX`] dimensions, so that every sum of integers fits 32 bits.
//! * If a sum is NaN, its sign and payload differ between processors.
//! * A processor without instructions for fused multiply-add takes long for sums of floats.
//! * Threads that flush subnormal numbers to zero (a mode of the processor that some C libraries set) get other bits.

#![deny(unsafe_code)]

mod distances;
mod element;
mod kernel_set;
mod kernels;
mod metric;
mod rows;

pub use element::Element;
pub use kernel_set::Kernels;
pub use metric::Metric;
pub use rows::{RowIds, Rows, RowsError};

/// Dimensions that a vector may have.
pub const DIMENSION_MAX: usize = 1 << 16;
