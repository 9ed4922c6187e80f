//! The version that a producer keeps mapped between cycles.

use std::sync::Arc;

use kapok_core::manifest::BlobMap;
use kapok_index::View;

/// The version that was built on or made last, so that the next cycle need not map it again.
#[derive(Clone, Debug)]
pub(crate) struct BaseCache {
    pub view: Arc<View>,
    pub blobs: BlobMap,
}
