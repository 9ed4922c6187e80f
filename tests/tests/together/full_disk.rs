//! What is left of a cycle that runs out of room.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kapok_blobstore::Store;
use kapok_producer::{ErrorKind, MergeSchedule, Producer, ProducerSettings};
use kapok_tests::faults::checks;
use kapok_tests::faults::films::{Films, assert_films, publish, publish_some};

const SEED: u64 = 5;
/// Films whose segments are larger than any limit of these tests.
const MANY: u32 = 20_000;
const PAGE_BYTES: usize = 4096;

async fn open(folder: &Path) -> Store {
    Store::options().writable().open(&folder.to_string_lossy()).await.expect("a store")
}

async fn producer(store: &Store) -> Producer {
    let mut settings = ProducerSettings::default();
    settings.merge_schedule = MergeSchedule::Manual;
    Producer::builder(store.clone()).settings(settings).open().await.expect("a producer")
}

fn sh(script: &str, arguments: &[&Path]) -> Output {
    Command::new("sh").args(["-c", script, "sh"]).args(arguments).output().expect("sh")
}

#[tokio::test]
async fn a_cycle_whose_files_may_not_be_that_large_names_the_file_and_leaves_the_store_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path()).await;
    let films = Films::at(SEED, 0);
    publish(&producer(&store).await, &films, 0).await.expect("a small cycle");

    // The signal that comes with the limit is ignored, so that the write fails instead.
    let limited = format!("trap '' XFSZ; ulimit -f 200 || exit 77; exec \"$1\" \"$2\" many {MANY}");
    let output = sh(&limited, &[Path::new(env!("CARGO_BIN_EXE_publish_in_cycles")), folder.path()]);
    if output.status.code() == Some(77) {
        eprintln!("skipped: this shell sets no limit on the size of files");
        return;
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let path = folder.path().to_string_lossy();
    let named = ["segments", "indexes"].iter().any(|folder| text.contains(&format!("{path}/{folder}/")));
    assert!(named && text.contains("has room"), "names no file, or not what to do: {text}");
    assert!(text.contains("File too large") || text.contains("os error 27"), "names no cause: {text}");

    let view = checks::announced(&store, &text).await;
    assert_eq!(view.version(), 1);
    assert_films(&view, &films, &text);
    checks::assert_files(&store, &text).await;
    let unlimited = sh(
        &format!("exec \"$1\" \"$2\" many {MANY}"),
        &[Path::new(env!("CARGO_BIN_EXE_publish_in_cycles")), folder.path()],
    );
    assert!(unlimited.status.success(), "{}", String::from_utf8_lossy(&unlimited.stderr));
    let view = checks::announced(&store, "without the limit").await;
    assert_films(&view, &Films::many(MANY), "without the limit");
    checks::assert_swept(&store, "without the limit").await;
}

/// A small file system in memory, until it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(bytes: usize) -> Option<Self> {
        let disk = Self(tempfile::tempdir().expect("a folder"));
        let output = sh(&format!("mount -t tmpfs -o size={bytes} tmpfs \"$1\""), &[disk.0.path()]);
        if output.status.success() {
            return Some(disk);
        }
        eprintln!("skipped: no file system can be mounted here: {}", String::from_utf8_lossy(&output.stderr).trim());
        None
    }

    /// Writes a file that leaves so many bytes free.
    fn fill(&self, bytes_free: usize) {
        let path = self.ballast();
        let page = [1; PAGE_BYTES];
        let mut file = fs::File::create(&path).expect("a file");
        let mut written = 0;
        while std::io::Write::write_all(&mut file, &page).is_ok() {
            written += PAGE_BYTES;
        }
        file.set_len(written.saturating_sub(bytes_free) as u64).expect("a shorter file");
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.0.path().join("ballast")
    }

    fn store(&self) -> std::path::PathBuf {
        self.0.path().join("store")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        sh("umount \"$1\" || umount -l \"$1\"", &[self.0.path()]);
    }
}

#[tokio::test]
async fn wherever_a_cycle_finds_the_disk_full_the_announced_version_stays_and_the_next_cycle_runs() {
    let Some(disk) = Disk::mount(4 << 20) else { return };
    let store = open(&disk.store()).await;
    let producer = producer(&store).await;
    publish(&producer, &Films::at(SEED, 0), 0).await.expect("the first cycle");
    let (mut failures, mut named, mut step) = (0, Vec::new(), 0);
    for pages in 0..100 {
        let (before, after) = (Films::at(SEED, step), Films::at(SEED, step + 1));
        let ids = Films::differing(&[&before, &after]);
        disk.fill(pages * PAGE_BYTES);
        let outcome = publish_some(&producer, &after, &ids, step + 1).await;
        let when = format!("{pages} pages free {outcome:?}");
        let view = checks::announced(&store, &when).await;
        match &outcome {
            Ok(_) => assert_films(&view, &after, &when),
            Err(error) => {
                failures += 1;
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{when}");
                let text = error.to_string();
                assert!(text.contains("No space left") || text.contains("os error 28"), "names no cause: {text}");
                let folders = ["segments/", "indexes/", "tombstones/", "manifests/", "announcements/"];
                let folder = folders.into_iter().find(|folder| text.contains(folder));
                named.push(folder.unwrap_or_else(|| panic!("names no file: {text}")));
                assert_films(&view, &before, &when);
            }
        }
        fs::remove_file(disk.ballast()).expect("room");
        checks::assert_files(&store, &when).await;
        publish_some(&producer, &after, &ids, step + 1).await.unwrap_or_else(|error| panic!("{error}: {when}"));
        step += 1;
        let view = checks::announced(&store, &when).await;
        assert_films(&view, &after, &when);
        checks::assert_sound(&view, &when);
        checks::assert_swept(&store, &when).await;
        if outcome.is_ok() && failures > 0 {
            break;
        }
    }
    named.dedup();
    println!("failures={failures} at {named:?}");
    assert!(named.len() > 1, "it was full at one place only: {named:?}");
}
