//! Opens the view that a refresh is about to swap in and, if the settings ask for it, checks it and brings it into memory.

use std::collections::HashMap;
use std::sync::Arc;

use kapok_blobstore::bring_in;
use kapok_core::manifest::{Blob, BlobMap, Id, Manifest};
use kapok_index::View;

use crate::blocking_task::run_blocking;
use crate::error::{Error, Result};
use crate::metrics;
use crate::settings::FilterOutcome;
use crate::state::State;

/// A view that is ready to be swapped in, and its blobs.
pub(crate) struct NextView {
    pub(crate) view: View,
    pub(crate) blobs: BlobMap,
    pub(crate) filtered: FilterOutcome,
}

impl NextView {
    /// Makes the view of version 0.
    pub(crate) fn empty() -> Self {
        Self { view: View::empty(), blobs: BlobMap::new(), filtered: FilterOutcome::default() }
    }

    /// Opens a version over its blobs on a thread that may wait for a disk, with the consumer's own indexes. Texts that readers of
    /// the current view have had checked are checked here, too. `new_blobs`: those that the current view does not have.
    pub(crate) async fn open(
        state: Arc<State>,
        (manifest, filtered): (Manifest, FilterOutcome),
        blobs: BlobMap,
        new_blobs: HashMap<Id, Blob>,
    ) -> Result<Self> {
        let version = manifest.version;
        let opening = move || {
            let current = state.view_arc();
            let is_first = current.version() == 0;
            let (view, blobs) = open_with_own_indexes(&state, manifest, blobs, is_first)?;
            if state.settings.verify {
                view.verify_new(&blobs, |id| new_blobs.contains_key(id))?;
            }
            if state.settings.prefault {
                for blob in new_blobs.values() {
                    bring_in(&blob.bytes);
                }
            }
            view.check_texts_as(&current);
            Ok(Self { view, blobs, filtered })
        };
        let failed = move |source: kapok_core::Error| Error::Open { version, source: Arc::new(source) };
        run_blocking(version, move || opening().map_err(failed)).await
    }

    /// Opens the current version again, with an index that was added.
    pub(crate) async fn reopen(state: Arc<State>, manifest: Manifest, blobs: BlobMap) -> Result<Self> {
        let version = manifest.version;
        let opening = move || {
            let (view, blobs) = open_with_own_indexes(&state, manifest, blobs, true)?;
            view.check_texts_as(&state.view_arc());
            Ok(Self { view, blobs, filtered: FilterOutcome::default() })
        };
        let failed = move |source: kapok_core::Error| Error::Open { version, source: Arc::new(source) };
        run_blocking(version, move || opening().map_err(failed)).await
    }
}

fn open_with_own_indexes(
    state: &State,
    mut manifest: Manifest,
    mut blobs: BlobMap,
    is_strict: bool,
) -> kapok_core::Result<(View, BlobMap)> {
    let own_bytes = state.own_indexes.complete(&mut manifest, &mut blobs, is_strict)?;
    metrics::own_indexes(own_bytes);
    Ok((View::open(Arc::new(manifest), &blobs)?, blobs))
}
