//! Tests of segments as they are written, compared and merged.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "random values"
)]
#![allow(clippy::cast_possible_wrap, clippy::needless_for_each, reason = "random values")]

mod differences;
mod merges;
mod paths;
mod segment;
mod vectors;
mod writer_properties;
