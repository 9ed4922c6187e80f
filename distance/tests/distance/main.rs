//! Tests of all kernels of this processor: against 64-bit arithmetic, and against each other bit for bit.

#![expect(clippy::unwrap_used, reason = "tests")]

mod agreement;
mod exactness;
mod metrics;
mod rows;
mod sample;
mod sets;
