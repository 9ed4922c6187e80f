//! Reads the manifests on the way between two versions.

use std::collections::HashMap;
use std::sync::Arc;

use kapok_blobstore::{Error, ErrorKind, Store, UnreadableVersion};
use kapok_core::manifest::Manifest;
use kapok_index::{VersionPath, View};

use crate::failure::Result;

/// Finds the versions whose manifests list what changed, and returns those that cannot be read.
///
/// Without one of them the two views are compared by their segments. Manifests that are `known` are not read.
pub async fn find_path(
    store: &Store,
    known: &HashMap<u64, Arc<Manifest>>,
    old: &View,
    new: &View,
) -> Result<(VersionPath, Vec<UnreadableVersion>)> {
    let mut path = VersionPath::new(old.manifest(), new.manifest());
    let mut unreadable = Vec::new();
    while let Some(version) = path.next_version() {
        if let Some(manifest) = known.get(&version) {
            path.add(Arc::clone(manifest));
            continue;
        }
        match store.manifests().read(version).await {
            Ok(manifest) => path.add(Arc::new(manifest)),
            Err(error) if error.kind() == ErrorKind::NotFound => path.skip(),
            Err(error) => {
                unreadable.push(unreadable_version(version, error)?);
                path.skip();
            }
        }
    }
    Ok((path, unreadable))
}

/// Describes a version whose manifest is damaged or of a newer release.
///
/// # Errors
/// The error itself, if it says nothing about the manifest.
pub fn unreadable_version(version: u64, error: Error) -> Result<UnreadableVersion> {
    match error.kind() {
        kind @ (ErrorKind::Corrupt | ErrorKind::Incompatible | ErrorKind::Invalid) => {
            Ok(UnreadableVersion { version, kind, reason: error.to_string() })
        }
        _ => Err(error.into()),
    }
}
