//! Every reader sees one whole version during swaps, and views that nobody holds are dropped (I3, I4).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kapok_consumer::{Consumer, View};
use kapok_samples::movies_capnp::{movie, rating};

use crate::publisher::{Version, folder, stamp};

const VERSIONS: u64 = 8;
const SWAPS: u64 = 1_000;
const READERS: usize = 4;
/// A segment for each of two types, and its index.
const OWN_BLOBS: usize = 4;

/// Lists the maps of files under a folder.
#[cfg(target_os = "linux")]
pub fn maps_of(folder: &Path) -> Vec<String> {
    let folder = folder.canonicalize().unwrap().display().to_string();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(&folder)).map(ToOwned::to_owned).collect()
}

/// Waits until there is this number of maps: a thread of its own drops blobs.
#[cfg(target_os = "linux")]
#[track_caller]
fn maps_come_to(folder: &Path, count: usize, what: &str) {
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while maps_of(folder).len() != count {
        assert!(std::time::Instant::now() < until, "{what}: {count} maps, not {:?}", maps_of(folder));
        thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Reads all of a view through the generated readers.
fn stamp_by_records(view: &View) -> u64 {
    let movies = view.records::<movie::Owned>().unwrap();
    let ratings = view.records::<rating::Owned>().unwrap();
    let years = movies.iter().map(|movie| {
        let title = movie.get_title().unwrap().to_str().unwrap();
        assert_eq!(title, format!("Movie {} of {}", movie.get_id(), movie.get_year()));
        u64::from(movie.get_year())
    });
    let stamps: BTreeSet<u64> = years.chain(ratings.iter().map(|rating| u64::from(rating.get_votes()))).collect();
    assert_eq!(stamps.len(), 1, "torn: version={} stamps={stamps:?}", view.version());
    *stamps.first().unwrap()
}

/// Reads view after view, holds one in sixteen while others are read, and returns the versions that it saw.
fn read(consumer: &Consumer, done: &AtomicBool) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    let mut held = consumer.view_arc();
    for round in 0_u64.. {
        let view = consumer.view();
        assert_eq!(stamp(&view), Some(view.version()));
        assert_eq!(stamp_by_records(&view), view.version());
        seen.insert(view.version());
        if round % 16 == 0 {
            assert_eq!(stamp(&held), Some(held.version()));
            held = view.into_arc();
        }
        if done.load(Ordering::Relaxed) {
            break;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_readers_see_whole_versions_across_a_thousand_swaps_and_memory_returns_to_one() {
    let path = tempfile::tempdir().unwrap();
    let store = folder(path.path()).await;
    for version in 1..=VERSIONS {
        Version::stamped(version).publish(&store, version).await;
    }
    let consumer = Consumer::builder(store).open().await.unwrap();
    consumer.refresh_to(1).await.unwrap();
    let (first, guard) = (consumer.view_arc(), consumer.view());
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (consumer, done) = (consumer.clone(), done.clone());
            thread::spawn(move || read(&consumer, &done))
        })
        .collect();

    for swap in 1..=SWAPS {
        let to = 1 + swap % VERSIONS;
        let refreshed = consumer.refresh_to(to).await.unwrap();
        assert_eq!((refreshed.to, refreshed.fetched_blobs), (to, OWN_BLOBS));
        assert_ne!(refreshed.from, to, "each is a swap");
    }
    consumer.refresh_to(VERSIONS).await.unwrap();
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        let seen = reader.join().unwrap();
        assert!(seen.len() > 1, "a reader that saw no swap proves nothing");
    }

    for held in [&*first, &*guard] {
        assert_eq!((held.version(), stamp(held), stamp_by_records(held)), (1, Some(1), 1), "held all along");
    }
    #[cfg(target_os = "linux")]
    {
        let two = 2 * OWN_BLOBS;
        maps_come_to(path.path(), two, "the version held and the current one");
        drop(guard);
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(maps_of(path.path()).len(), two, "still held");
        drop(first);
        maps_come_to(path.path(), OWN_BLOBS, "one version");
        drop(consumer);
        maps_come_to(path.path(), 0, "no version");
    }
}
