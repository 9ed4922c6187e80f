//! A blob is downloaded once for all processes of a host.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use kapok_blobstore::{BlobKind, ErrorKind, PutOutcome, Store};
use kapok_testing::object_store::memory::InMemory;
use kapok_testing::object_store::{GetResult, ObjectStoreExt, Result};
use kapok_testing::{Fault, Faults, Hooks, Intercept, Operation, Request, async_trait, refused};

use super::{Host, PART, blob, files, get, put};

#[tokio::test(flavor = "multi_thread")]
async fn eight_readers_of_an_empty_cache_download_each_part_once() {
    let host = Host::new();
    let elsewhere = host.elsewhere().await;
    let sizes = [0, 1, 5000, PART, PART + 1, 2 * PART + 777];
    let mut blobs = Vec::new();
    for (seed, size) in (0..).zip(sizes) {
        blobs.push(put(&elsewhere, seed, size).await);
    }
    let stores: Vec<Store> = join_all((0..8).map(|_| host.open())).await;
    host.counting.take();
    let read = |store: Store| {
        let blobs = blobs.clone();
        tokio::spawn(async move {
            for (id, bytes) in blobs {
                assert!(get(&store, id, bytes.len()).await.unwrap() == bytes, "{} bytes", bytes.len());
            }
        })
    };
    for reader in join_all(stores.into_iter().map(read)).await {
        reader.unwrap();
    }
    assert_eq!(host.gets(), 1 + 1 + 1 + 1 + 2 + 3, "parts");
    assert_eq!(files(&host).len(), sizes.len(), "nothing is left beside the blobs");
    let again = host.open().await;
    host.counting.take();
    for (id, bytes) in &blobs {
        assert!(get(&again, *id, bytes.len()).await.unwrap() == bytes);
    }
    assert_eq!(host.counting.count(), 0, "no request of a process that comes later");
}

#[tokio::test]
async fn what_was_put_is_not_downloaded_again() {
    let host = Host::new();
    host.elsewhere().await;
    let store = host.open().await;
    let (id, bytes) = put(&store, 1, 70_000).await;
    host.counting.take();
    assert_eq!(get(&store, id, bytes.len()).await.unwrap(), bytes);
    assert_eq!(host.gets(), 0);
    // Nor is what somebody else had put, and this process has made too.
    let (other, same) = put(&host.elsewhere().await, 2, 70_000).await;
    let outcome = store.blobs().put(BlobKind::Segment, other, same.clone()).await.unwrap();
    assert_eq!((outcome, get(&store, other, same.len()).await.unwrap()), (PutOutcome::AlreadyThere, same));
    assert_eq!(host.gets(), 0);
    assert!(get(&store.without_cache(), id, bytes.len()).await.is_ok() && host.gets() == 1, "past the cache");
}

#[tokio::test]
async fn a_put_that_the_store_has_cut_short_is_told() {
    let host = Host::new();
    host.elsewhere().await;
    let (id, bytes) = blob(1, 1000);
    let (memory, short) = (Arc::clone(&host.memory), bytes.slice(..999));
    // Somebody else's upload to the same name is what the head finds.
    let hooks = Arc::new(Hooks::new(move |request| {
        let (memory, path, short) = (Arc::clone(&memory), request.path.clone(), short.clone());
        let cut = async move { memory.put(&path, short.into()).await.map(drop) };
        (request.operation == Operation::Head).then(|| Box::pin(cut) as _)
    }));
    let store = host.open_through(|backend| hooks.over(backend)).await;
    let error = store.blobs().replace(BlobKind::Segment, id, bytes).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("999 bytes"), "{error}");
}

/// Answers requests for a range as servers do that know none.
#[derive(Debug)]
struct Rangeless {
    memory: Arc<InMemory>,
    /// Whether the client finds out, as that of `object_store` for HTTP does, or takes the whole object for the range.
    is_noticed: AtomicBool,
}

#[derive(Debug)]
struct NotPartial;

impl fmt::Display for NotPartial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no range")
    }
}

impl Error for NotPartial {}

#[async_trait]
impl Intercept for Rangeless {
    async fn found(&self, request: &Request<'_>, found: Result<GetResult>) -> Result<GetResult> {
        let found = found?;
        if found.range == (0..found.meta.size) || request.operation != Operation::Get {
            return Ok(found);
        }
        if self.is_noticed.load(Ordering::Relaxed) {
            return Err(kapok_testing::object_store::Error::Generic { store: "HTTP", source: NotPartial.into() });
        }
        self.memory.get(request.path).await
    }
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_sends_the_blob_at_once() {
    for is_noticed in [true, false] {
        let host = Host::new();
        let (id, bytes) = put(&host.elsewhere().await, 1, 3 * PART + 5).await;
        let rangeless =
            Arc::new(Rangeless { memory: Arc::clone(&host.memory), is_noticed: AtomicBool::new(is_noticed) });
        let store = host.open_through(|backend| rangeless.over(backend)).await;
        assert!(get(&store, id, bytes.len()).await.unwrap() == bytes, "noticed: {is_noticed}");
        assert_eq!(files(&host), [host.place(id)]);
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    for size in [100_000, 2 * PART + 5] {
        let host = Host::new();
        let (id, bytes) = put(&host.elsewhere().await, 1, size).await;
        let faults = Arc::new(Faults::default());
        let store = host.open_through(|backend| faults.over(backend)).await;
        host.counting.take();
        for k in 1.. {
            faults.arm(k, Fault::ReplyLost);
            let got = get(&store, id, size).await;
            let Some(request) = faults.disarm() else { break };
            if request.contains("body") {
                assert!(got.unwrap() == bytes, "{request}");
                assert_eq!(host.gets(), size.div_ceil(PART) + 1, "{request}: the rest is asked for, and no more");
            } else {
                got.unwrap_err();
                host.counting.take();
            }
            // From the beginning.
            for file in files(&host) {
                std::fs::remove_file(file).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn parts_that_arrived_before_a_failure_are_not_asked_for_again() {
    let host = Host::new();
    let size = 4 * PART;
    let (id, bytes) = put(&host.elsewhere().await, 1, size).await;
    let mut bodies = 0;
    let hooks = Arc::new(Hooks::new(move |request| {
        bodies += usize::from(request.operation == Operation::Body && request.names("segments"));
        (request.operation == Operation::Body && bodies == 2).then(refused)
    }));
    let store = host.open_through(|backend| hooks.over(backend)).await;
    host.counting.take();
    assert!(get(&store, id, size).await.is_err(), "the second body is refused");
    assert_eq!(host.gets(), 4);
    assert!(get(&store, id, size).await.is_ok_and(|got| got == bytes));
    assert_eq!(host.gets(), 1, "what was on its way went on to its end");
}

#[tokio::test]
async fn a_download_that_is_dropped_leaves_its_parts_and_its_lock_to_the_next() {
    let host = Host::new();
    let size = 3 * PART;
    let (id, bytes) = put(&host.elsewhere().await, 1, size).await;
    let hooks = Arc::new(Hooks::default());
    let store = host.open_through(|backend| hooks.over(backend)).await;
    host.counting.take();
    hooks.set_once(Operation::Body, "segments", std::future::pending());
    tokio::time::timeout(Duration::from_secs(2), get(&store, id, size)).await.unwrap_err();
    let first = host.gets();
    assert!(get(&host.open().await, id, size).await.unwrap() == bytes);
    // The opening read the marker.
    assert_eq!((first, host.gets()), (3, 1 + 1));
}

#[tokio::test]
async fn a_process_that_stands_still_does_not_hold_up_the_others() {
    let host = Host::new();
    let (id, bytes) = put(&host.elsewhere().await, 1, 1000).await;
    let hooks = Arc::new(Hooks::default());
    hooks.set_once(Operation::Body, "segments", std::future::pending());
    let stuck = host.open_through(|backend| hooks.over(backend)).await;
    let stuck = tokio::spawn(async move { get(&stuck, id, 1000).await });
    while files(&host).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let settings = kapok_blobstore::StoreSettings::default().with_timeout(Duration::from_millis(200));
    let options = Store::options().cache(host.cache()).settings(settings);
    let backend: Arc<InMemory> = Arc::clone(&host.memory);
    let other = options.object_store(backend, "set").open("test://set").await.unwrap();
    assert_eq!(get(&other, id, 1000).await.unwrap(), bytes);
    assert!(!host.place(id).exists(), "read past the cache");
    stuck.abort();
}

#[tokio::test]
async fn what_is_not_there_or_is_shorter_is_told_and_leaves_nothing() {
    let host = Host::new();
    let elsewhere = host.elsewhere().await;
    let store = host.open().await;
    let (id, _) = blob(1, 10);
    assert_eq!(get(&store, id, 10).await.unwrap_err().kind(), ErrorKind::NotFound);
    let (id, bytes) = put(&elsewhere, 2, 100).await;
    for wrong in [99, 101, 2 * PART] {
        let error = get(&store, id, wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{wrong}: {error}");
    }
    assert!(files(&host).is_empty());
    assert_eq!(get(&store, id, 100).await.unwrap(), bytes);
}
