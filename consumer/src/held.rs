//! Which blobs does a consumer have, and how does it come by those that it lacks?

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use kapok_blobstore::Store;
use kapok_core::blobs::{Blob, BlobRef, Blobs};
use kapok_core::manifest::{Id, Manifest};

use crate::measure;

/// How many blobs are on their way at once.
const FETCHES_IN_FLIGHT: usize = 8;

/// The blobs of the current view, and those that were fetched for one that could not be loaded yet.
#[derive(Default)]
pub(crate) struct Held {
    current: Blobs,
    /// So that a load that was cut off goes on where it was. Nobody reads these.
    fetched: HashMap<Id, Blob>,
}

impl Held {
    /// All of them.
    pub(crate) fn at_hand(&self) -> Blobs {
        let mut all = self.current.clone();
        for (id, blob) in &self.fetched {
            all.insert(*id, blob.clone());
        }
        all
    }

    /// Lets go what was fetched but is of no use for this version.
    pub(crate) fn keep_for(&mut self, target: &Manifest) {
        let named: HashSet<_> = target.blobs().map(|blob| blob.id).collect();
        self.fetched.retain(|id, _| named.contains(id));
    }

    /// Fetches blobs, several at a time. Each is kept as it arrives, also where a later one fails, or the caller goes away.
    pub(crate) async fn fetch(&mut self, store: &Store, wanted: Vec<BlobRef>) -> kapok_blobstore::Result<Fetched> {
        let fetches: Vec<_> = wanted.into_iter().map(|blob| store.fetch([blob])).collect();
        let mut arriving = futures::stream::iter(fetches).buffer_unordered(FETCHES_IN_FLIGHT);
        let mut fetched = Fetched::default();
        while let Some(arrived) = arriving.try_next().await? {
            for (id, blob) in arrived {
                fetched.count(&blob);
                self.fetched.insert(id, blob);
            }
        }
        Ok(fetched)
    }

    /// Takes blobs that were made here.
    pub(crate) fn take(&mut self, made: Vec<(Id, Blob)>) {
        self.fetched.extend(made);
    }

    /// The blobs that are not those of the current view.
    pub(crate) fn fresh(&self) -> HashMap<Id, Blob> {
        self.fetched.clone()
    }

    /// Lets go what was fetched for a version that is not wanted any more, or is damaged.
    pub(crate) fn forget_fetched(&mut self) {
        self.fetched.clear();
    }

    /// The view is about to be swapped for one over these.
    pub(crate) fn replace(&mut self, current: Blobs) {
        self.current = current;
        self.fetched.clear();
    }
}

/// What came in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fetched {
    pub(crate) blobs: usize,
    pub(crate) bytes: u64,
}

impl Fetched {
    /// One more.
    pub(crate) fn count(&mut self, blob: &Blob) {
        let bytes = blob.bytes.len() as u64;
        self.blobs += 1;
        self.bytes += bytes;
        measure::fetched(bytes);
    }
}
