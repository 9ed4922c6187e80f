//! Tells files that went with a retired version from files that are missing.

use kapok_blobstore::{Error, Result, Store};

/// Returns whether a version was retired since its manifest was read.
pub(crate) async fn is_retired(store: &Store, version: u64) -> Result<bool> {
    match store.manifests().is_retired(version).await {
        Err(error) if is_about_files(&error) => Ok(false),
        other => other,
    }
}

/// Returns whether an error is about a file, and not about a store that does not answer.
pub(crate) fn is_about_files(error: &Error) -> bool {
    use kapok_blobstore::ErrorKind::{Conflict, Unavailable};
    !matches!(error.kind(), Conflict | Unavailable)
}
