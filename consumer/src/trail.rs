//! Which manifests tell what changed between two versions? Those of the versions in between.

use std::sync::Arc;

use kapok_blobstore::{ErrorKind, Store};
use kapok_core::manifest::Manifest;
use kapok_index::{Changes, View};
use tracing::warn;

use crate::error::{Error, Result};

/// A way longer than this is not worth as many requests: the views are compared instead.
const MANIFESTS_MAX: usize = 256;

/// Reads the manifests on the way between two versions, one parent after another, as far as they are there.
///
/// Where one is not, that is no failure: without it the changes are found by comparison.
pub(crate) async fn read(store: &Store, old: &Manifest, new: &Manifest) -> Vec<Arc<Manifest>> {
    let mut trail = Vec::new();
    if old.version == 0 || new.version == 0 {
        // All is added, or all is removed.
        return trail;
    }
    let mut ends = [(old.version, old.parent), (new.version, new.parent)];
    while ends[0].0 != ends[1].0 && trail.len() < MANIFESTS_MAX {
        let greater = usize::from(ends[0].0 < ends[1].0);
        let (version, parent) = ends[greater];
        let parent = parent.unwrap_or(0);
        // One that is no smaller leads nowhere, and the manifest of the other end is there already.
        if parent >= version || parent == ends[1 - greater].0 {
            break;
        }
        if parent == 0 {
            ends[greater] = (0, None);
            continue;
        }
        match store.read_manifest(parent).await {
            Ok(manifest) => {
                ends[greater] = (parent, manifest.parent);
                trail.push(Arc::new(manifest));
            }
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    warn!(%error, version = parent, "changes are compared, since a manifest on the way cannot be read");
                }
                break;
            }
        }
    }
    trail
}

/// The net changes from one view to another. It may wait for a disk.
pub(crate) fn changes(old: &View, new: &View, trail: &[Arc<Manifest>]) -> Result<Changes> {
    let failed = |source| Error::Changes { from: old.version(), to: new.version(), source: Arc::new(source) };
    new.changes_since(old, trail).map_err(failed)
}
