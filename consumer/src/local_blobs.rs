//! Holds the blobs that a consumer has, and fetches those that it lacks.

use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use kapok_blobstore::{BlobId, BlobKind, ErrorKind, REQUESTS_IN_FLIGHT, Store};
use kapok_core::Fault;
use kapok_core::manifest::{Blob, BlobMap, BlobRef, Id, Manifest};
use tracing::warn;

use crate::blocking_task::catching;
use crate::error::Error;
use crate::local_merge::MergeOutcome;
use crate::metrics;
use crate::reaper::lease;

/// What to do about the other blobs if one is missing from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMissingBlob {
    /// Begin no more fetches, since the version may have been retired.
    Stop,
    /// Fetch the others, so that they are here if the missing one comes back.
    FetchOthers,
}

/// The blobs of the current view, and blobs that were fetched or made for a version that is not loaded yet.
#[derive(Default)]
pub(crate) struct LocalBlobs {
    current: BlobMap,
    /// Fetched or made for the next view. A refresh that follows a failed or cancelled one goes on with these.
    next: HashMap<Id, Blob>,
    /// Blobs of `next` whose hash was found to be right after a version could not be opened.
    sound: HashSet<Id>,
    /// Segments that were fetched to be merged and belong to no view.
    merge_sources: HashMap<Id, Blob>,
    /// Merged segments that could not be made here. They are fetched instead.
    failed_merges: HashSet<Id>,
}

impl LocalBlobs {
    /// Returns the blobs that the next view may be opened over.
    pub(crate) fn for_view(&self) -> BlobMap {
        let mut all = self.current.clone();
        for (id, blob) in &self.next {
            all.insert(*id, blob.clone());
        }
        all
    }

    /// Returns the blobs that segments may be merged from.
    pub(crate) fn for_merges(&self) -> BlobMap {
        let mut all = self.for_view();
        for (id, blob) in &self.merge_sources {
            all.insert(*id, blob.clone());
        }
        all
    }

    /// Drops blobs for the next view that this version has no use for.
    pub(crate) fn retain_for(&mut self, target: &Manifest) {
        let named: HashSet<_> = target.blobs().map(|blob| blob.id).collect();
        self.next.retain(|id, _| named.contains(id));
        self.sound.retain(|id| named.contains(id));
        self.failed_merges.retain(|id| named.contains(id));
        let segments = target.segments();
        let merge_sources: HashSet<_> =
            segments.flat_map(|segment| &segment.merged_from).map(|one| one.segment).collect();
        self.merge_sources.retain(|id, _| merge_sources.contains(id));
    }

    /// Fetches blobs, several at a time. Each is kept as it arrives, even if another one fails or the caller goes away.
    ///
    /// After a failure the fetches that have begun go on. Others are begun only if the failure is about that one blob. Blobs
    /// of a folder of this host are mapped all at once.
    pub(crate) async fn fetch(
        &mut self,
        store: &Store,
        wanted: Vec<BlobRef>,
        on_missing: OnMissingBlob,
    ) -> kapok_blobstore::Result<FetchTotals> {
        let at_once = if store.local_path().is_some() { wanted.len() } else { 1 };
        let mut waiting = wanted.into_iter();
        let mut arriving = FuturesUnordered::new();
        let mut totals = FetchTotals::default();
        let mut failed: Option<kapok_blobstore::Error> = None;
        let mut begins_more = true;
        loop {
            while begins_more && arriving.len() < REQUESTS_IN_FLIGHT && waiting.len() > 0 {
                arriving.push(store.blobs().fetch_each(waiting.by_ref().take(at_once).collect()));
            }
            let Some(arrived) = arriving.next().await else { break };
            for outcome in arrived {
                match outcome {
                    Ok((id, blob)) => {
                        totals.count(&blob);
                        self.next.insert(id, lease(blob));
                    }
                    Err(error) => {
                        begins_more &= match error.kind() {
                            ErrorKind::Corrupt => true,
                            ErrorKind::NotFound => on_missing == OnMissingBlob::FetchOthers,
                            _ => false,
                        };
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        failed.map_or(Ok(totals), Err)
    }

    /// Takes the blobs that this host has in its cache. No request is made.
    pub(crate) async fn take_cached(&mut self, store: &Store, wanted: Vec<BlobRef>) -> FetchTotals {
        let mut totals = FetchTotals::default();
        for (id, blob) in store.blobs().on_host(wanted).await {
            totals.add(&blob);
            self.next.insert(id, lease(blob));
        }
        totals
    }

    /// Fetches segments to be merged, several at a time. If one cannot be fetched, what it is a source of is not made.
    pub(crate) async fn fetch_merge_sources(&mut self, store: &Store, wanted: Vec<BlobRef>) -> FetchTotals {
        let fetches: Vec<_> = wanted.into_iter().map(|blob| store.blobs().fetch([blob])).collect();
        let mut arriving = stream::iter(fetches).buffer_unordered(REQUESTS_IN_FLIGHT);
        let mut totals = FetchTotals::default();
        while let Some(arrived) = arriving.next().await {
            for (id, blob) in arrived.unwrap_or_default() {
                totals.count(&blob);
                self.merge_sources.insert(id, blob);
            }
        }
        totals
    }

    /// Adds blobs that were made here, and drops the segments that were fetched to make them. If this host has a cache they are
    /// kept there, and mapped, so that no other process makes or downloads them.
    pub(crate) async fn keep_merges(&mut self, store: &Store, target: &Manifest, outcome: MergeOutcome) {
        let kinds: HashMap<Id, BlobKind> = target.blobs().map(|blob| (blob.id, blob.role.into())).collect();
        let mut made = outcome.blobs;
        for (id, blob) in &mut made {
            if let Some(kind) = kinds.get(id) {
                blob.bytes = store.blobs().keep(*kind, BlobId::from(*id), blob.bytes.clone()).await;
            }
        }
        self.add_merges(made, outcome.failed);
    }

    fn add_merges(&mut self, made: Vec<(Id, Blob)>, failed: impl IntoIterator<Item = Id>) {
        self.next.extend(made.into_iter().map(|(id, blob)| (id, lease(blob))));
        self.failed_merges.extend(failed);
        self.merge_sources.clear();
    }

    /// Returns the merged segments that could not be made here.
    pub(crate) fn failed_merges(&self) -> &HashSet<Id> {
        &self.failed_merges
    }

    /// Returns the blobs that were fetched or made for the next view.
    pub(crate) fn new_blobs(&self) -> HashMap<Id, Blob> {
        self.next.clone()
    }

    /// Drops the blobs that are damaged after a version could not be opened, so that the next attempt asks the store
    /// for these again, and for no others.
    ///
    /// Blobs for the next view are hashed, each once. Of the current view, only the blob that the error names is
    /// hashed.
    pub(crate) async fn drop_damaged(&mut self, store: &Store, error: &Error) {
        let unchecked = self.next.iter().filter(|(id, _)| !self.sound.contains(*id));
        let mut suspects: Vec<(Id, Blob)> = unchecked.map(|(id, blob)| (*id, blob.clone())).collect();
        if let Error::Open { source, .. } = error
            && let Fault::Corrupt { blob: name, .. } = source.fault()
        {
            suspects.extend(
                self.current.iter().filter(|(_, blob)| *blob.name == **name).map(|(id, blob)| (*id, blob.clone())),
            );
        }
        let hashed = catching(move || {
            let is_sound = |(id, blob): &(Id, Blob)| BlobId::of(&blob.bytes) == BlobId::from(*id);
            let (sound, damaged): (Vec<_>, Vec<_>) = suspects.into_iter().partition(is_sound);
            let ids = |blobs: Vec<(Id, Blob)>| blobs.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
            (ids(sound), ids(damaged))
        });
        // The work does not panic. If it did, all would be asked for again.
        let Ok((sound, damaged)) = hashed.await else { return self.drop_next() };
        self.sound.extend(sound);
        for id in damaged {
            if let Err(error) = store.blobs().discard_on_host(BlobId::from(id)).await {
                warn!(%error, "a damaged file stays in the cache");
            }
            self.next.remove(&id);
            self.current.remove(&id);
        }
    }

    /// Drops the blobs for a next view that is not wanted any more.
    pub(crate) fn drop_next(&mut self) {
        self.next.clear();
        self.sound.clear();
        self.merge_sources.clear();
        self.failed_merges.clear();
    }

    /// Makes these the blobs of the current view, which is about to be swapped.
    pub(crate) fn replace(&mut self, current: BlobMap) {
        self.current = current;
        self.drop_next();
    }
}

/// How many blobs were fetched, and their size.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FetchTotals {
    pub(crate) blobs: usize,
    pub(crate) size: u64,
}

impl FetchTotals {
    /// Counts a blob that has arrived, in the metrics too.
    pub(crate) fn count(&mut self, blob: &Blob) {
        self.add(blob);
        metrics::fetched(blob.bytes.len() as u64);
    }

    fn add(&mut self, blob: &Blob) {
        self.blobs += 1;
        self.size += blob.bytes.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    /// Bytes that send the thread that drops them.
    struct DropProbe(Vec<u8>, mpsc::Sender<thread::ThreadId>);

    impl AsRef<[u8]> for DropProbe {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for DropProbe {
        fn drop(&mut self) {
            _ = self.1.send(thread::current().id());
        }
    }

    #[test]
    fn the_last_holder_of_a_blob_does_not_drop_it_itself() {
        let (sender, drops) = mpsc::channel();
        let blob = |sender| Blob { name: Arc::from("made"), bytes: Bytes::from_owner(DropProbe(vec![7; 100], sender)) };
        let mut blobs = LocalBlobs::default();
        blobs.add_merges(vec![([1; 32], blob(sender.clone())), ([2; 32], blob(sender))], []);
        let view = blobs.for_view();
        blobs.replace(BlobMap::new());
        assert!(drops.recv_timeout(Duration::from_millis(50)).is_err(), "a view holds them");
        let bytes = view.get(&[1; 32]).expect("held").bytes.slice(10..20);
        drop(view);
        assert_ne!(drops.recv_timeout(Duration::from_secs(10)).expect("dropped"), thread::current().id());
        assert!(drops.recv_timeout(Duration::from_millis(50)).is_err(), "a part of it is in use");
        assert_eq!(*bytes, [7; 10]);
        drop(bytes);
        assert_ne!(drops.recv_timeout(Duration::from_secs(10)).expect("dropped"), thread::current().id());
    }
}
