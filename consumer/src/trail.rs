//! Which manifests tell what changed between two versions? Those of the versions in between.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use kapok_blobstore::{ErrorKind, REQUESTS_IN_FLIGHT, Store};
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::{Id, Manifest};
use kapok_index::{Changes, View};
use tracing::warn;

use crate::error::{Error, Result};

/// A way longer than this is not worth as many requests: the views are compared instead.
const MANIFESTS_MAX: usize = 256;
/// Segments are fetched where they are at most this part of the bytes that would be compared.
const FETCHED_PART: u64 = 2;

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
        match store.manifests().read(parent).await {
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

/// The segments between two views that spare a comparison of them, as far as they are there and are small beside what would
/// be compared.
pub(crate) async fn segments(store: &Store, old: &View, new: &View, trail: &[Arc<Manifest>]) -> BlobMap {
    let mut out = BlobMap::new();
    let lacking = new.lacking_for_changes(old, trail).unwrap_or_default();
    let bytes: u64 = lacking.iter().filter_map(|blob| blob.size).sum();
    if bytes > unshared_bytes(old.manifest(), new.manifest()) / FETCHED_PART {
        return out;
    }
    let fetches: Vec<_> = lacking.into_iter().map(|blob| store.blobs().fetch([blob])).collect();
    let mut arriving = stream::iter(fetches).buffer_unordered(REQUESTS_IN_FLIGHT);
    while let Some(arrived) = arriving.next().await {
        // One that is gone was collected by now, perhaps. Without it the views are compared.
        for (id, blob) in arrived.unwrap_or_default() {
            out.insert(id, blob);
        }
    }
    out
}

fn unshared_bytes(old: &Manifest, new: &Manifest) -> u64 {
    let segments = |manifest: &Manifest| -> HashMap<Id, u64> {
        let segments = manifest.record_types.iter().flat_map(|ty| &ty.segments);
        segments.map(|segment| (segment.id, segment.size)).collect()
    };
    let (old, new) = (segments(old), segments(new));
    let only_in = |here: &HashMap<Id, u64>, there: &HashMap<Id, u64>| -> u64 {
        here.iter().filter(|(id, _)| !there.contains_key(*id)).map(|(_, bytes)| bytes).sum()
    };
    only_in(&old, &new) + only_in(&new, &old)
}

/// The net changes from one view to another. It may wait for a disk.
pub(crate) fn changes(old: &View, new: &View, trail: &[Arc<Manifest>], between: &BlobMap) -> Result<Changes> {
    let failed = |source| Error::Changes { from: old.version(), to: new.version(), source: Arc::new(source) };
    new.changes_since_with(old, trail, between).map_err(failed)
}
