//! A slow transfer does not fail, and one that breaks off is continued.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use kapok_blobstore::{BlobId, BlobKind, ErrorKind, Store};
use kapok_testing::Intercept;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::time::Instant;

use super::link::Link;

/// The link, and what is behind it.
struct Scene {
    backend: Arc<dyn ObjectStore>,
    link: Arc<Link>,
}

/// Blobs of 40 pieces each, and a store behind a link.
async fn scene(link: Link) -> (Scene, Store, Vec<(BlobId, Bytes)>) {
    let backend: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let open =
        async |backend| Store::options().writable().object_store(backend, "data").open("test://data").await.unwrap();
    let plain = open(Arc::clone(&backend)).await;
    let mut blobs = Vec::new();
    for seed in 0..8_u8 {
        let bytes = Bytes::from((0..40_u32 << 16).map(|at| (at % 251).to_le_bytes()[0] ^ seed).collect::<Vec<_>>());
        let id = BlobId::of(&bytes);
        plain.blobs().put(BlobKind::Segment, id, bytes.clone()).await.unwrap();
        blobs.push((id, bytes));
    }
    let link = Arc::new(link);
    let store = open(link.over(Arc::clone(&backend))).await;
    (Scene { backend, link }, store, blobs)
}

#[tokio::test(start_paused = true)]
async fn eight_fetches_that_share_a_slow_link_finish() {
    let (_, store, blobs) = scene(Link::slow(Duration::from_secs(5))).await;
    let begun = Instant::now();
    let fetches = blobs.iter().map(|(id, bytes)| store.blobs().get(BlobKind::Segment, *id, bytes.len() as u64));
    for (got, (_, bytes)) in join_all(fetches).await.into_iter().zip(&blobs) {
        assert!(got.unwrap() == *bytes);
    }
    assert!(begun.elapsed() >= Duration::from_secs(8 * 40 * 5), "{:?}: 26 minutes", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_breaks_off_goes_on_where_it_stopped() {
    let (Scene { link, .. }, store, blobs) = scene(Link::default()).await;
    link.breaks_after.store(3, Ordering::SeqCst);
    let (id, bytes) = &blobs[0];
    let got = store.blobs().get(BlobKind::Segment, *id, bytes.len() as u64).await.unwrap();
    assert!(got == *bytes);
    assert_eq!(link.arrived.load(Ordering::SeqCst), bytes.len(), "no byte twice");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_falls_silent_is_given_up_and_what_arrived_is_kept() {
    let (Scene { link, .. }, store, blobs) = scene(Link::slow(Duration::from_secs(1))).await;
    let (id, bytes) = &blobs[0];
    let get = || store.blobs().get(BlobKind::Segment, *id, bytes.len() as u64);
    // Dropped half way.
    tokio::time::timeout(Duration::from_millis(10_500), get()).await.unwrap_err();
    assert_eq!(link.arrived.load(Ordering::SeqCst), 10 << 16);
    let falls = async {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        link.silent.store(true, Ordering::SeqCst);
    };
    let begun = Instant::now();
    let (failed, ()) = tokio::join!(get(), falls);
    let error = failed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // One piece was on its way; then it was tried once more.
    assert!(begun.elapsed() < Duration::from_secs(5 + 2 * 61), "{:?}", begun.elapsed());
    link.silent.store(false, Ordering::SeqCst);
    assert!(get().await.unwrap() == *bytes);
    assert_eq!(link.arrived.load(Ordering::SeqCst), bytes.len(), "no byte twice");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_beginning_that_was_kept_is_fetched_anew() {
    let (Scene { backend, .. }, store, blobs) = scene(Link::slow(Duration::from_secs(1))).await;
    let (id, bytes) = &blobs[0];
    let key = object_store::path::Path::from(format!("data/segments/{id}"));
    let put =
        async |bytes: Bytes| backend.put_opts(&key, bytes.into(), object_store::PutOptions::default()).await.unwrap();
    let mut wrong = bytes.to_vec();
    wrong[0] ^= 1;
    put(Bytes::from(wrong)).await;
    let get = || store.blobs().get(BlobKind::Segment, *id, bytes.len() as u64);
    tokio::time::timeout(Duration::from_millis(5_500), get()).await.unwrap_err();
    put(bytes.clone()).await;
    assert!(get().await.unwrap() == *bytes);
}

#[tokio::test(start_paused = true)]
async fn an_upload_in_parts_that_is_dropped_half_way_or_hangs_is_aborted() {
    let (Scene { link, .. }, store, _) = scene(Link::default()).await;
    let large = Bytes::from(vec![7; 40 << 20]);
    let id = BlobId::of(&large);
    link.silent.store(true, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(1), store.blobs().put(BlobKind::Segment, id, large.clone()))
        .await
        .unwrap_err();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(link.aborted.load(Ordering::SeqCst), 1, "dropped");
    let error = store.blobs().put(BlobKind::Segment, id, large.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(link.aborted.load(Ordering::SeqCst), 2, "given up");
    link.silent.store(false, Ordering::SeqCst);
    store.blobs().put(BlobKind::Segment, id, large).await.unwrap();
    assert_eq!(link.aborted.load(Ordering::SeqCst), 2);
}
