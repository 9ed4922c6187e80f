//! Which blobs does a consumer have, and how does it come by those that it lacks?

use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use kapok_blobstore::{BlobId, ErrorKind, REQUESTS_IN_FLIGHT, Store};
use kapok_core::Fault;
use kapok_core::manifest::{Blob, BlobMap, BlobRef};
use kapok_core::manifest::{Id, Manifest};

use crate::error::Error;
use crate::measure;
use crate::reaper::leased;

/// What a blob that is not there means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The version may have been retired: no more fetches are begun.
    Stop,
    /// The version is wanted all the same, so the others are fetched, for when the blob is back.
    GoOn,
}

/// The blobs of the current view, and those that were fetched for one that could not be loaded yet.
#[derive(Default)]
pub(crate) struct LocalBlobs {
    current: BlobMap,
    /// So that a load that was cut off goes on where it was. Nobody reads these.
    fetched: HashMap<Id, Blob>,
    /// Those of `fetched` that were hashed since a version could not be opened, and are what they should be.
    checked: HashSet<Id>,
    /// Segments that are fetched to be merged, and are of no view.
    merge_sources: HashMap<Id, Blob>,
    /// Merged segments that came out otherwise: they are not tried again.
    not_makeable: HashSet<Id>,
}

impl LocalBlobs {
    /// The blobs that a view may be made of.
    pub(crate) fn at_hand(&self) -> BlobMap {
        let mut all = self.current.clone();
        for (id, blob) in &self.fetched {
            all.insert(*id, blob.clone());
        }
        all
    }

    /// The blobs that segments may be merged of.
    pub(crate) fn inputs(&self) -> BlobMap {
        let mut all = self.at_hand();
        for (id, blob) in &self.merge_sources {
            all.insert(*id, blob.clone());
        }
        all
    }

    /// Lets go what was fetched but is of no use for this version.
    pub(crate) fn keep_for(&mut self, target: &Manifest) {
        let named: HashSet<_> = target.blobs().map(|blob| blob.id).collect();
        self.fetched.retain(|id, _| named.contains(id));
        self.checked.retain(|id| named.contains(id));
        self.not_makeable.retain(|id| named.contains(id));
        let segments = target.record_types.iter().flat_map(|ty| &ty.segments);
        let merge_sources: HashSet<_> =
            segments.flat_map(|segment| &segment.merged_from).map(|one| one.segment).collect();
        self.merge_sources.retain(|id, _| merge_sources.contains(id));
    }

    /// Fetches blobs, several at a time. Each is kept as it arrives, also where another one fails, or the caller goes away.
    ///
    /// After a failure those that are on their way may arrive. Others are begun only where the failure is that one blob's.
    pub(crate) async fn fetch(
        &mut self,
        store: &Store,
        wanted: Vec<BlobRef>,
        missing: Missing,
    ) -> kapok_blobstore::Result<Fetched> {
        let mut waiting = wanted.into_iter();
        let mut arriving = FuturesUnordered::new();
        let mut fetched = Fetched::default();
        let mut failed: Option<kapok_blobstore::Error> = None;
        let mut begins_more = true;
        loop {
            while begins_more && arriving.len() < REQUESTS_IN_FLIGHT {
                let Some(blob) = waiting.next() else { break };
                arriving.push(store.blobs().fetch([blob]));
            }
            match arriving.next().await {
                None => break,
                Some(Ok(arrived)) => {
                    for (id, blob) in arrived {
                        fetched.count(&blob);
                        self.fetched.insert(id, leased(blob));
                    }
                }
                Some(Err(error)) => {
                    begins_more &= match error.kind() {
                        ErrorKind::Corrupt => true,
                        ErrorKind::NotFound => missing == Missing::GoOn,
                        _ => false,
                    };
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(fetched), Err)
    }

    /// Fetches segments to be merged, several at a time. One that cannot be had is one thing less to make.
    pub(crate) async fn fetch_merge_sources(&mut self, store: &Store, wanted: Vec<BlobRef>) -> Fetched {
        let fetches: Vec<_> = wanted.into_iter().map(|blob| store.blobs().fetch([blob])).collect();
        let mut arriving = stream::iter(fetches).buffer_unordered(REQUESTS_IN_FLIGHT);
        let mut fetched = Fetched::default();
        while let Some(arrived) = arriving.next().await {
            for (id, blob) in arrived.unwrap_or_default() {
                fetched.count(&blob);
                self.merge_sources.insert(id, blob);
            }
        }
        fetched
    }

    /// Takes blobs that were made here, and lets go what they were made of.
    pub(crate) fn take(&mut self, made: Vec<(Id, Blob)>, not_made: impl IntoIterator<Item = Id>) {
        self.fetched.extend(made.into_iter().map(|(id, blob)| (id, leased(blob))));
        self.not_makeable.extend(not_made);
        self.merge_sources.clear();
    }

    /// Merged segments that came out otherwise.
    pub(crate) fn not_makeable(&self) -> &HashSet<Id> {
        &self.not_makeable
    }

    /// The blobs that are not those of the current view.
    pub(crate) fn fresh(&self) -> HashMap<Id, Blob> {
        self.fetched.clone()
    }

    /// A version could not be opened: lets go the blobs that are damaged, so that the next attempt asks the store for these
    /// again, and for no others.
    ///
    /// What was fetched is hashed, each blob once. Of the blobs of the current view, the one that the error names is.
    pub(crate) async fn drop_damaged(&mut self, error: &Error) {
        let unchecked = self.fetched.iter().filter(|(id, _)| !self.checked.contains(*id));
        let mut suspects: Vec<(Id, Blob)> = unchecked.map(|(id, blob)| (*id, blob.clone())).collect();
        if let Error::Open { source, .. } = error
            && let Fault::Corrupt { blob: name, .. } = source.fault()
        {
            suspects.extend(
                self.current.iter().filter(|(_, blob)| *blob.name == **name).map(|(id, blob)| (*id, blob.clone())),
            );
        }
        let hashed = tokio::task::spawn_blocking(move || {
            let is_sound = |(id, blob): &(Id, Blob)| BlobId::of(&blob.bytes) == BlobId::from(*id);
            let (sound, damaged): (Vec<_>, Vec<_>) = suspects.into_iter().partition(is_sound);
            let ids = |blobs: Vec<(Id, Blob)>| blobs.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
            (ids(sound), ids(damaged))
        });
        // A panic cannot be; should it be, all is asked for again.
        let Ok((sound, damaged)) = hashed.await else { return self.forget_fetched() };
        self.checked.extend(sound);
        for id in damaged {
            self.fetched.remove(&id);
            self.current.remove(&id);
        }
    }

    /// Lets go what was fetched for a version that is not wanted any more.
    pub(crate) fn forget_fetched(&mut self) {
        self.fetched.clear();
        self.checked.clear();
        self.merge_sources.clear();
        self.not_makeable.clear();
    }

    /// The view is about to be swapped for one over these.
    pub(crate) fn replace(&mut self, current: BlobMap) {
        self.current = current;
        self.forget_fetched();
    }
}

/// What came in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fetched {
    pub(crate) blobs: usize,
    pub(crate) size: u64,
}

impl Fetched {
    /// One more.
    pub(crate) fn count(&mut self, blob: &Blob) {
        let bytes = blob.bytes.len() as u64;
        self.blobs += 1;
        self.size += bytes;
        measure::fetched(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    /// Tells which thread let it go.
    struct Told(Vec<u8>, mpsc::Sender<thread::ThreadId>);

    impl AsRef<[u8]> for Told {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Told {
        fn drop(&mut self) {
            _ = self.1.send(thread::current().id());
        }
    }

    #[test]
    fn the_last_holder_of_a_blob_does_not_pay_for_letting_it_go() {
        let (told, heard) = mpsc::channel();
        let blob = |told| Blob { name: Arc::from("made"), bytes: Bytes::from_owner(Told(vec![7; 100], told)) };
        let mut held = LocalBlobs::default();
        held.take(vec![([1; 32], blob(told.clone())), ([2; 32], blob(told))], []);
        let view = held.at_hand();
        held.replace(BlobMap::new());
        assert!(heard.recv_timeout(Duration::from_millis(50)).is_err(), "a view has them");
        let bytes = view.get(&[1; 32]).expect("held").bytes.slice(10..20);
        drop(view);
        assert_ne!(heard.recv_timeout(Duration::from_secs(10)).expect("let go"), thread::current().id());
        assert!(heard.recv_timeout(Duration::from_millis(50)).is_err(), "a part of it is in use");
        assert_eq!(*bytes, [7; 10]);
        drop(bytes);
        assert_ne!(heard.recv_timeout(Duration::from_secs(10)).expect("let go"), thread::current().id());
    }
}
