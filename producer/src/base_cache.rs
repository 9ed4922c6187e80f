//! The version that a producer keeps mapped between cycles.

use std::sync::Arc;

use kapok_core::manifest::BlobMap;
use kapok_index::View;

/// The view and blobs of the version that was built on or made last, for the next cycle.
#[derive(Clone, Debug)]
pub(crate) struct BaseCache {
    pub view: Arc<View>,
    pub blobs: BlobMap,
}
