//! A gc beside writers, readers and another gc.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use kapok_blobstore::{CommitOutcome, ErrorKind, GcSettings, Store, StoreSettings};
use kapok_testing::{Hooks, Intercept, Operation, refused};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::dataset::{blobs_of, files, gc, load, manifest, now, once, open, pin_blindly, publish, put, words};

/// The backend of a published store.
async fn published() -> Arc<dyn ObjectStore> {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    publish(&open(&backend).await).await;
    backend
}

#[tokio::test]
async fn a_pin_made_between_the_two_reads_of_the_log_is_honoured() {
    for pinned in [1, 3, 4] {
        let backend = published().await;
        let store = open(&backend).await;
        let before = store.manifests().read_bytes(pinned).await.unwrap();
        let pin = async move { pin_blindly(&store, pinned).await };
        // Of the version whose stub is about to be written, of one whose stub stands, or of one whose turn comes.
        let hooked = once(&backend, Operation::Put, "00003", pin);
        let report = gc(&open(&hooked).await).await;
        let store = open(&backend).await;
        assert_eq!(store.announcements().latest(None).await.unwrap().unwrap().pinned, Some(pinned));
        assert!(report.kept.contains(&pinned) && !report.retired.contains(&pinned), "{pinned}: {report:?}");
        assert_eq!(store.manifests().read_bytes(pinned).await.unwrap(), before, "the same bytes");
        for version in report.kept {
            load(&store, version).await.unwrap();
        }
        assert_eq!(gc(&store).await.kept, [pinned, 5, 6]);
        load(&store, pinned).await.unwrap();
    }
}

#[tokio::test]
async fn a_version_pinned_before_its_turn_is_not_touched() {
    let backend = published().await;
    let store = open(&backend).await;
    let hooks = Hooks::new(move |request| {
        let (store, path) = (store.clone(), request.path.as_ref());
        let is_put = request.operation == Operation::Put;
        assert!(!is_put || !path.ends_with("00004"), "no moment in which it is gone");
        (is_put && path.ends_with("00001")).then(|| async move { pin_blindly(&store, 4).await }.map(Ok).boxed())
    });
    let hooked = Arc::new(hooks).over(Arc::clone(&backend));
    assert_eq!(gc(&open(&hooked).await).await.retired, [1, 3], "2 was pinned when it was decided");
}

#[tokio::test]
async fn whatever_request_is_refused_the_next_gc_completes() {
    let undisturbed = published().await;
    gc(&open(&undisturbed).await).await;
    let names = |files: Vec<(String, u64, i64)>| -> Vec<_> {
        files.into_iter().map(|(name, bytes, _)| (name, bytes)).collect()
    };
    let expected = names(files(&open(&undisturbed).await).await);
    let mut at = 1;
    loop {
        let backend = published().await;
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        // Reads are not refused.
        let hooks = Hooks::new(move |request| {
            let refuses = !request.operation.is_read() && counter.fetch_add(1, Ordering::SeqCst) + 1 == at;
            refuses.then(refused)
        });
        let hooked = Arc::new(hooks).over(Arc::clone(&backend));
        let first = open(&hooked).await.gc(&now()).await;
        if count.load(Ordering::SeqCst) < at {
            first.unwrap();
            assert!(at > 15, "three stubs, six blobs and the listings; at={at}");
            break;
        }
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Unavailable, "at={at}");
        let store = open(&backend).await;
        for version in [2, 5, 6] {
            load(&store, version).await.unwrap();
        }
        gc(&store).await;
        assert_eq!(names(files(&store).await), expected, "at={at}");
        at += 1;
    }
}

#[tokio::test]
async fn a_pin_is_honoured_though_a_stub_could_not_be_written() {
    let backend = published().await;
    let store = open(&backend).await;
    let hooks = Hooks::new(move |request| {
        let store = store.clone();
        // The first stub stands, the second is refused.
        (request.operation == Operation::Put && request.names("00003"))
            .then(|| async move { pin_blindly(&store, 1).await }.then(|()| refused()).boxed())
    });
    let hooked = Arc::new(hooks).over(Arc::clone(&backend));
    let error = open(&hooked).await.gc(&now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    load(&open(&backend).await, 1).await.unwrap();
}

#[tokio::test]
async fn a_version_committed_meanwhile_keeps_the_old_blobs_that_it_names() {
    let backend = published().await;
    let store = open(&backend).await;
    // Built on a version that goes: its blobs are named, not put.
    let cycle = async move {
        assert_eq!(store.manifests().commit(&manifest(7, &["a", "d"])).await.unwrap(), CommitOutcome::Committed);
    };
    let hooked = once(&backend, Operation::List, "data/segments", cycle);
    let report = gc(&open(&hooked).await).await;
    assert_eq!((report.retired, report.kept), (vec![1, 3, 4], vec![2, 5, 6, 7]));
    load(&open(&backend).await, 7).await.unwrap();
}

#[tokio::test]
async fn a_blob_put_again_after_the_listing_stays() {
    let backend = published().await;
    let store = open(&backend).await;
    let again = async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        // As a put of a blob that is too old does.
        for (kind, id, _) in blobs_of("a") {
            store.blobs().delete(kind, id).await.unwrap();
        }
        put(&store, "a").await;
    };
    let (mut again, mut listings) = (Some(again.map(Ok).boxed()), 0);
    let hooks = Hooks::new(move |request| {
        listings += u32::from(request.operation == Operation::List && request.names("manifests"));
        // The second comes after the blobs were listed.
        if listings == 2 && !request.operation.is_read() { again.take() } else { None }
    });
    let hooked = Arc::new(hooks).over(Arc::clone(&backend));
    gc(&open(&hooked).await).await;
    assert_eq!(&words(&open(&backend).await).await[..6], "aaabbb");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_at_work_never_loses_a_blob() {
    const GRACE: Duration = Duration::from_millis(900);
    let backend = published().await;
    let hasty = StoreSettings::default().with_grace(GRACE);
    let store =
        Store::options().settings(hasty).object_store(Arc::clone(&backend), "data").open("test://data").await.unwrap();
    let collector = store.clone();
    let collecting = tokio::spawn(async move {
        let mut deleted = 0;
        for _ in 0..100 {
            deleted += collector.gc(&GcSettings::default().with_no_writers()).await.unwrap().deleted.len();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        deleted
    });
    // Every fifth version has the same word: it is put a moment before its last version goes, and named a moment after.
    for version in 7..30 {
        let only = format!("only {version}");
        let words = ["all", ["p", "q", "r", "s", "t"][usize::try_from(version % 5).unwrap()], &only];
        loop {
            let begun = Instant::now();
            for word in words {
                put(&store, word).await;
            }
            tokio::time::sleep(Duration::from_millis(186)).await;
            if begun.elapsed() < GRACE / 2 {
                break;
            }
        }
        assert_eq!(store.manifests().commit(&manifest(version, &words)).await.unwrap(), CommitOutcome::Committed);
        store.announcements().announce(version, "test", "").await.unwrap();
        load(&store, version).await.unwrap();
    }
    assert!(collecting.await.unwrap() > 30, "it was at work too");
    for version in store.manifests().live().await.unwrap() {
        load(&store, version).await.unwrap();
    }
}
