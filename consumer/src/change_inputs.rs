//! Reads from the store what it takes to find the changes between two views.

use std::collections::HashMap;
use std::sync::Arc;

use kapok_blobstore::{ErrorKind, Store};
use kapok_core::manifest::{BlobMap, Id, Manifest};
use kapok_index::{Changes, VersionPath, View};
use tracing::warn;

use crate::error::{Error, Result};

/// Manifests that are read at most. If more lie between two views, the views are compared instead.
const MANIFESTS_MAX: usize = 256;
/// Segments are fetched if they are at most this part of the bytes that would be compared.
const FETCHED_PART: u64 = 2;

/// Manifests and segments of the versions between two views, as far as the store has them.
///
/// Without them the changes are the same and are found by comparison, which takes longer.
pub(crate) struct ChangeInputs {
    path: VersionPath,
    segments: BlobMap,
}

impl ChangeInputs {
    /// Reads the manifests between two views, then the segments that neither view has. No failure of the store is an
    /// error here.
    pub(crate) async fn read(store: &Store, old: &View, new: &View) -> Self {
        let path = find_path(store, old, new).await;
        let segments = fetch_segments(store, old, new, &path).await;
        Self { path, segments }
    }

    /// Finds the net changes from one view to the other. It may wait for a disk.
    pub(crate) fn changes(&self, old: &View, new: &View) -> Result<Changes> {
        let failed = |source| Error::Changes { from: old.version(), to: new.version(), source: Arc::new(source) };
        new.changes_along(old, &self.path, &self.segments).map_err(failed)
    }
}

/// Reads the manifests on the way, one parent after another, until one is missing.
async fn find_path(store: &Store, old: &View, new: &View) -> VersionPath {
    let mut path = VersionPath::new(old.manifest(), new.manifest());
    for _ in 0..MANIFESTS_MAX {
        let Some(version) = path.next_version() else { break };
        match store.manifests().read(version).await {
            Ok(manifest) => path.add(Arc::new(manifest)),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    warn!(%error, version, "changes are compared, since a manifest on the way cannot be read");
                }
                break;
            }
        }
    }
    // A manifest that is still asked for is missing, or one too many. The path may be whole without it.
    path.skip();
    path
}

/// Fetches the segments that spare a comparison, if they are small beside what would be compared.
async fn fetch_segments(store: &Store, old: &View, new: &View, path: &VersionPath) -> BlobMap {
    let mut out = BlobMap::new();
    let lacking = new.lacking_for_changes(old, path).unwrap_or_default();
    let bytes: u64 = lacking.iter().filter_map(|blob| blob.size).sum();
    if bytes > unshared_bytes(old.manifest(), new.manifest()) / FETCHED_PART {
        return out;
    }
    // One that is gone may have been collected by now. Without it the views are compared.
    for (id, blob) in store.blobs().fetch_each(lacking).await.into_iter().flatten() {
        out.insert(id, blob);
    }
    out
}

/// Adds up the sizes of the segments that only one of two versions has.
fn unshared_bytes(old: &Manifest, new: &Manifest) -> u64 {
    let segments = |manifest: &Manifest| -> HashMap<Id, u64> {
        let segments = manifest.segments();
        segments.map(|segment| (segment.id, segment.size)).collect()
    };
    let (old, new) = (segments(old), segments(new));
    let only_in = |here: &HashMap<Id, u64>, there: &HashMap<Id, u64>| -> u64 {
        here.iter().filter(|(id, _)| !there.contains_key(*id)).map(|(_, bytes)| bytes).sum()
    };
    only_in(&old, &new) + only_in(&new, &old)
}
