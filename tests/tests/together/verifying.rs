//! A check of a store that others are at work on, or were killed at, raises no alarm.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kapok_blobstore::Store;
use kapok_tests::scale::scaled;
use kapok_verify::{Report, verify_store};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const SEED: u64 = 23;

/// Publishes, merges and collects until it is killed.
struct Publisher(Child);

impl Publisher {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_publish_in_cycles"));
        command.arg(folder).args(["history", &SEED.to_string(), "1000000"]);
        Self(command.stdout(Stdio::null()).spawn().expect("a child"))
    }

    fn assert_at_work(&mut self) {
        assert!(self.0.try_wait().expect("a child").is_none(), "it ended by itself");
    }

    /// Asserts that it was still at work.
    fn kill(mut self) {
        self.assert_at_work();
        self.0.kill().expect("kill");
        self.0.wait().expect("wait");
    }
}

async fn open(folder: &Path) -> Store {
    loop {
        // Until the publisher has made it.
        if let Ok(store) = Store::open(&folder.to_string_lossy()).await {
            return store;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn verified(store: &Store, when: &str) -> Report {
    let report = verify_store(store, &|_| {}).await.unwrap_or_else(|error| panic!("{error}: {when}"));
    assert!(report.is_ok() && report.foreign_files.is_empty(), "{report:?}: {when}");
    report
}

/// Checks of one publisher's store: with each version it takes longer.
const RUNS_EACH: u32 = 10;

#[tokio::test]
async fn beside_a_publisher_that_merges_and_collects_there_is_no_alarm() {
    let (mut versions, mut unreferenced, mut left_over, mut published) = (0, 0, 0, 0);
    let runs = scaled(10);
    for first in (0..runs).step_by(RUNS_EACH as usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut publisher = Publisher::start(folder.path());
        let store = open(folder.path()).await;
        while store.announcements().latest(None).await.expect("the log").is_none_or(|latest| latest.announced < 6) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = store.manifests().head().await.expect("a head").unwrap_or(0);
        for run in first..runs.min(first + RUNS_EACH) {
            let report = verified(&store, &format!("run {run}")).await;
            versions += report.versions;
            unreferenced += report.unreferenced_blobs;
            left_over += report.left_over_files;
        }
        // On a busy machine the publisher may be slower than the checks.
        let newer = loop {
            let newer = store.manifests().head().await.expect("a head").unwrap_or(0) - before;
            if newer > 3 {
                break newer;
            }
            publisher.assert_at_work();
            versions += verified(&store, "one more run").await.versions;
        };
        publisher.kill();
        published += newer;
    }
    println!(
        "runs={runs} alarms=0 published={published} versions={versions} unreferenced_blobs={unreferenced} \
         left_over_files={left_over}"
    );
    assert!(versions >= runs as usize && published > 3, "versions={versions} published={published}");
}

#[tokio::test]
async fn after_a_publisher_was_killed_there_is_no_alarm() {
    let mut random = SmallRng::seed_from_u64(SEED);
    let (mut unreferenced, mut left_over) = (0, 0);
    let kills = scaled(4);
    let mut folder = tempfile::tempdir().expect("a folder");
    for kill in 0..kills {
        if kill % 20 == 19 {
            folder = tempfile::tempdir().expect("a folder");
        }
        let publisher = Publisher::start(folder.path());
        let store = open(folder.path()).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        publisher.kill();
        let report = verified(&store, &format!("kill {kill}")).await;
        unreferenced += report.unreferenced_blobs;
        left_over += report.left_over_files;
    }
    println!("kills={kills} alarms=0 unreferenced_blobs={unreferenced} left_over_files={left_over}");
}
