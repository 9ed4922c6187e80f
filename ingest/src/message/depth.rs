//! Counts how deep values nest, up to the limit of readers.

use kapok_core::record::DEPTH_MAX;
use kapok_core::{Error, Fault, Result};

/// Returns the depth of what lies within something at `depth`; the record itself lies at 1.
#[inline]
pub(super) fn deeper(depth: u32) -> Result<u32> {
    if depth < DEPTH_MAX { Ok(depth + 1) } else { Err(too_deep()) }
}

#[cold]
fn too_deep() -> Error {
    let (limit, allowed, needed) = ("nesting depth", u64::from(DEPTH_MAX), u64::from(DEPTH_MAX) + 1);
    Fault::Limit { subject: String::new(), limit, allowed, needed }.into()
}
