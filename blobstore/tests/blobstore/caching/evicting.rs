//! A cache keeps its budget, and nobody fails by it.

use std::fs;
use std::time::{Duration, SystemTime};

use kapok_blobstore::{BlobKind, Cache};

use super::{Host, files, get, len, put};

/// Sets when a blob was last opened.
fn set_opened(host: &Host, id: kapok_blobstore::BlobId, seconds_ago: u64) {
    let file = fs::File::open(host.place(id)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds_ago)).unwrap();
}

#[tokio::test]
async fn what_was_opened_least_recently_goes_first() {
    let host = Host::with_bytes_max(3500);
    let elsewhere = host.elsewhere().await;
    let store = host.open().await;
    let mut ids = Vec::new();
    for seed in 0..3 {
        let (id, _) = put(&elsewhere, seed, 1000).await;
        get(&store, id, 1000).await.unwrap();
        set_opened(&host, id, 100 - u64::from(seed));
        ids.push(id);
    }
    // Opened again: now it is the newest.
    get(&store, ids[0], 1000).await.unwrap();
    let (fourth, _) = put(&elsewhere, 3, 1000).await;
    get(&store, fourth, 1000).await.unwrap();
    let is_there = |id| host.place(id).exists();
    assert_eq!([ids[0], ids[1], ids[2], fourth].map(is_there), [true, false, true, true]);
    assert!(get(&store, ids[1], 1000).await.is_ok(), "downloaded again");
    assert_eq!([ids[0], ids[1], ids[2], fourth].map(is_there), [true, true, false, true]);
}

#[tokio::test]
async fn what_is_mapped_stays_and_goes_when_it_is_let_go() {
    let host = Host::with_bytes_max(2500);
    let elsewhere = host.elsewhere().await;
    let store = host.open().await;
    let mut held = Vec::new();
    for seed in 0..5 {
        let (id, bytes) = put(&elsewhere, seed, 1000).await;
        let map = get(&store, id, 1000).await.unwrap();
        held.push((id, bytes, map));
    }
    assert!(
        held.iter().all(|(id, bytes, map)| host.place(*id).exists() && map == bytes),
        "over the budget, but mapped"
    );
    let cache = Cache::open(&host.cache()).unwrap().unwrap();
    assert_eq!(cache.report().unwrap().mapped_bytes, 5000);
    assert_eq!(cache.prune(0).unwrap().removed, 0);
    let (id, ..) = held.remove(4);
    assert!(!host.place(id).exists(), "the map went, and with it what was over the budget");
    drop(held);
    let total: u64 = files(&host).iter().map(|path| len(path)).sum();
    assert!(total <= 2500, "{total}");
    assert_eq!(cache.report().unwrap().mapped_bytes, 0);
}

#[tokio::test]
async fn a_map_outlives_its_file() {
    let host = Host::new();
    let (id, bytes) = put(&host.elsewhere().await, 1, 100_000).await;
    let store = host.open().await;
    let map = get(&store, id, 100_000).await.unwrap();
    fs::remove_file(host.place(id)).unwrap();
    assert_eq!(map, bytes);
    assert_eq!(get(&store, id, 100_000).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_blob_larger_than_the_budget_is_read_all_the_same() {
    let host = Host::with_bytes_max(10);
    let (id, bytes) = put(&host.elsewhere().await, 1, 1000).await;
    let store = host.open().await;
    assert_eq!(get(&store, id, 1000).await.unwrap(), bytes);
    assert!(files(&host).is_empty(), "let go, and over the budget");
}

#[tokio::test]
async fn what_dead_downloaders_left_counts_and_goes() {
    let host = Host::with_bytes_max(10_000);
    let elsewhere = host.elsewhere().await;
    let store = host.open().await;
    let (left, _) = put(&elsewhere, 1, 9000).await;
    let part = host.place(left).with_extension("part");
    fs::write(&part, vec![0; 9001]).unwrap();
    let cache = Cache::open(&host.cache()).unwrap().unwrap();
    assert_eq!(cache.report().unwrap().unfinished, (1, 9001));
    let (id, _) = put(&elsewhere, 2, 5000).await;
    get(&store, id, 5000).await.unwrap();
    assert!(!part.exists() && host.place(id).exists());
}

#[tokio::test]
async fn a_report_counts_what_is_there_and_a_prune_leaves_the_newest() {
    let host = Host::new();
    let elsewhere = host.elsewhere().await;
    let store = host.open().await;
    let mut ids = Vec::new();
    for seed in 0..4 {
        let (id, _) = put(&elsewhere, seed, 1000).await;
        get(&store, id, 1000).await.unwrap();
        set_opened(&host, id, 50 - u64::from(seed));
        ids.push(id);
    }
    let cache = Cache::open(&host.cache()).unwrap().unwrap();
    let report = cache.report().unwrap();
    assert_eq!(report.blobs[0], (BlobKind::Segment, 4, 4000));
    assert_eq!((report.bytes, report.mapped_bytes, report.unfinished), (4000, 0, (0, 0)));
    assert!(report.bytes_max > 0 && report.bytes_max == cache.bytes_max());
    let pruned = cache.prune(1999).unwrap();
    assert_eq!((pruned.removed, pruned.removed_bytes, pruned.left_bytes), (3, 3000, 1000));
    assert_eq!(files(&host), [host.place(ids[3])]);
}
