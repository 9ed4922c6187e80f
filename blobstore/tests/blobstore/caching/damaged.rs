//! Wrong bytes: from the store, of an earlier download, in a file of the cache.

use std::fs;
use std::sync::Arc;

use kapok_blobstore::{BlobKind, Cache, ErrorKind};
use kapok_testing::object_store::ObjectStoreExt;
use kapok_testing::object_store::path::Path;
use kapok_testing::{Hooks, Intercept, Operation};

use super::{Host, PART, blob, files, get, put};

#[tokio::test]
async fn wrong_bytes_are_downloaded_once_more_and_then_told() {
    for size in [1000, PART + 5] {
        let host = Host::new();
        let (id, bytes) = put(&host.elsewhere().await, 1, size).await;
        let path = Path::from(format!("set/segments/{id}"));
        let mut wrong = bytes.to_vec();
        wrong[size - 2] ^= 1;
        host.memory.put(&path, wrong.into()).await.unwrap();
        let store = host.open().await;
        host.counting.take();
        let error = get(&store, id, size).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("hash"), "{error}");
        assert_eq!(host.gets(), 2 * size.div_ceil(PART), "two downloads");
        assert!(files(&host).is_empty());
        // Those that are right the second time are taken.
        let (memory, right) = (Arc::clone(&host.memory), bytes.clone());
        let mut asked = 0;
        let parts = size.div_ceil(PART);
        let hooks = Arc::new(Hooks::new(move |request| {
            asked += usize::from(request.operation == Operation::Get && request.names("segments"));
            let (memory, path, right) = (Arc::clone(&memory), path.clone(), right.clone());
            let mend = async move { memory.put(&path, right.into()).await.map(drop) };
            (asked == parts + 1).then(|| Box::pin(mend) as _)
        }));
        let store = host.open_through(|backend| hooks.over(backend)).await;
        assert!(get(&store, id, size).await.unwrap() == bytes);
    }
}

#[tokio::test]
async fn the_hash_of_the_whole_decides_about_what_an_earlier_download_left() {
    let size = 2 * PART + 9;
    for marks in [vec![1, 1, 1], vec![0, 1, 0], vec![], vec![7]] {
        let host = Host::new();
        let (id, bytes) = put(&host.elsewhere().await, 1, size).await;
        let store = host.open().await;
        let mut left = vec![3; size];
        left.extend(&marks);
        fs::write(host.place(id).with_extension("part"), left).unwrap();
        assert!(get(&store, id, size).await.unwrap() == bytes, "{marks:?}");
        assert_eq!(files(&host), [host.place(id)]);
    }
}

#[tokio::test]
async fn wrong_bytes_in_the_cache_are_found_and_removed_and_downloaded_again() {
    let host = Host::new();
    let elsewhere = host.elsewhere().await;
    let (sound, _) = put(&elsewhere, 1, 5000).await;
    let (damaged, bytes) = put(&elsewhere, 2, 5000).await;
    let store = host.open().await;
    for id in [sound, damaged] {
        get(&store, id, 5000).await.unwrap();
    }
    let cache = Cache::open(&host.cache()).unwrap().unwrap();
    assert_eq!(cache.verify(|_| {}).unwrap(), []);
    let mut wrong = bytes.to_vec();
    wrong[4999] ^= 0x80;
    fs::write(host.place(damaged), wrong).unwrap();
    let held = get(&store, damaged, 5000).await.unwrap();
    assert_ne!(held, bytes, "what is named by its hash is not hashed again");
    let mut hashed = 0;
    let found = cache.verify(|size| hashed += size).unwrap();
    assert_eq!((found.len(), hashed), (1, 10_000));
    assert_eq!((found[0].path.clone(), found[0].is_mapped), (host.place(damaged), true));
    assert_eq!(get(&store, damaged, 5000).await.unwrap(), bytes);
    assert_eq!(cache.verify(|_| {}).unwrap(), []);
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_downloaded_again() {
    let host = Host::new();
    let (id, bytes) = put(&host.elsewhere().await, 1, 5000).await;
    let store = host.open().await;
    get(&store, id, 5000).await.unwrap();
    fs::write(host.place(id), &bytes[..4000]).unwrap();
    assert_eq!(get(&store, id, 5000).await.unwrap(), bytes);
}

#[tokio::test]
async fn what_is_found_to_be_wrong_can_be_discarded() {
    let host = Host::new();
    let store = host.open_store_with(1, 100).await;
    let (id, bytes) = blob(1, 100);
    fs::write(host.place(id), vec![0; 100]).unwrap();
    store.blobs().discard_on_host(id).await.unwrap();
    assert_eq!(store.blobs().get(BlobKind::Segment, id, 100).await.unwrap(), bytes);
}

impl Host {
    /// Opens the store with one blob in it, which is in the cache too.
    async fn open_store_with(&self, seed: u8, size: usize) -> kapok_blobstore::Store {
        let (id, _) = put(&self.elsewhere().await, seed, size).await;
        let store = self.open().await;
        get(&store, id, size).await.unwrap();
        store
    }
}
