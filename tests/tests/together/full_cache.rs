//! A cache on a disk that is full, or has become read-only.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use kapok_blobstore::{BlobId, BlobKind, Cache, CacheSettings, ErrorKind, Store};
use object_store::memory::InMemory;

const PAGE: usize = 4096;

/// A small file system in memory, until it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Returns `None` to whom has no right to mount one.
    fn mount(bytes: usize) -> Option<Self> {
        let disk = Self(tempfile::tempdir().expect("done"));
        if disk.run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes},mode=700"), "tmpfs"]) {
            return Some(disk);
        }
        eprintln!("skipped: no file system can be mounted here");
        None
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        Command::new(program).args(arguments).arg(self.0.path()).status().is_ok_and(|status| status.success())
    }

    /// Writes a file that leaves so many pages free.
    fn fill(&self, pages_free: usize) {
        let mut file = fs::File::create(self.ballast()).expect("done");
        let mut written = 0;
        while std::io::Write::write_all(&mut file, &[1; PAGE]).is_ok() {
            written += PAGE;
        }
        file.set_len(written.saturating_sub(pages_free * PAGE) as u64).expect("done");
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        _ = self.run("umount", &[]) || self.run("umount", &["-l"]);
    }
}

async fn writer(backend: &Arc<InMemory>) -> Store {
    let options = Store::options().writable().object_store(Arc::clone(backend) as _, "set");
    options.open("test://set").await.expect("a store")
}

async fn open(backend: &Arc<InMemory>, cache: &Path) -> kapok_blobstore::Result<Store> {
    let settings = CacheSettings::in_folder(cache).with_bytes_max(1 << 30);
    Store::options().cache(settings).object_store(Arc::clone(backend) as _, "set").open("test://set").await
}

async fn put(store: &Store, seed: u8, len: usize) -> (BlobId, Bytes) {
    let bytes: Bytes = (0..len).map(|at| seed ^ u8::try_from(at % 251).expect("a byte")).collect::<Vec<_>>().into();
    let id = BlobId::of(&bytes);
    store.blobs().put(BlobKind::Segment, id, bytes.clone()).await.expect("put");
    (id, bytes)
}

async fn get(store: &Store, id: BlobId, len: usize) -> kapok_blobstore::Result<Bytes> {
    store.blobs().get(BlobKind::Segment, id, len as u64).await
}

fn files(cache: &Path) -> Vec<PathBuf> {
    let list = |kind: BlobKind| fs::read_dir(cache.join(kind.folder())).into_iter().flatten();
    BlobKind::ALL.into_iter().flat_map(list).map(|entry| entry.expect("done").path()).collect()
}

#[tokio::test]
async fn wherever_the_disk_is_full_the_file_is_named_and_nothing_stops_the_next() {
    let Some(disk) = Disk::mount(2 << 20) else { return };
    let backend = Arc::default();
    let elsewhere = writer(&backend).await;
    let size = 10 * PAGE + 7;
    let (mut failures, mut successes) = (0, 0);
    for pages in 0..24 {
        _ = fs::remove_dir_all(disk.cache());
        let (id, bytes) = put(&elsewhere, u8::try_from(pages).expect("done"), size).await;
        disk.fill(pages);
        let read = async {
            let store = open(&backend, &disk.cache()).await?;
            get(&store, id, size).await
        };
        match read.await {
            Ok(found) => {
                assert_eq!(found, bytes);
                successes += 1;
            }
            Err(error) => {
                let text = error.to_string();
                assert_eq!(error.kind(), ErrorKind::Unavailable, "pages={pages}: {text}");
                assert!(text.contains("No space left") && text.contains("has room"), "pages={pages}: {text}");
                assert!(text.contains(&disk.cache().display().to_string()), "names no file: {text}");
                assert!(files(&disk.cache()).is_empty(), "pages={pages}: {:?}", files(&disk.cache()));
                failures += 1;
            }
        }
        fs::remove_file(disk.ballast()).expect("done");
        let store = open(&backend, &disk.cache()).await.expect("done");
        assert_eq!(get(&store, id, size).await.expect("done"), bytes, "pages={pages}");
        assert_eq!(files(&disk.cache()), [disk.cache().join(format!("segments/{id}"))], "pages={pages}");
    }
    assert!(failures > 5 && successes > 5, "failures={failures} successes={successes}");
}

#[tokio::test]
async fn what_is_idle_makes_room_on_a_disk_that_others_have_filled() {
    let Some(disk) = Disk::mount(4 << 20) else { return };
    let backend = Arc::default();
    let elsewhere = writer(&backend).await;
    let store = open(&backend, &disk.cache()).await.expect("done");
    let size = 200 * PAGE;
    let (first, _) = put(&elsewhere, 1, size).await;
    let (second, bytes) = put(&elsewhere, 2, size).await;
    drop(get(&store, first, size).await.expect("done"));
    disk.fill(20);
    let held = get(&store, second, size).await.expect("done");
    assert_eq!(held, bytes);
    assert_eq!(files(&disk.cache()), [disk.cache().join(format!("segments/{second}"))]);
    // What is mapped is no room.
    let error = get(&store, first, size).await.unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert_eq!(held, bytes);
}

#[tokio::test]
async fn a_disk_that_became_read_only_gives_what_it_has_and_tells_of_the_rest() {
    let Some(disk) = Disk::mount(4 << 20) else { return };
    let backend = Arc::default();
    let elsewhere = writer(&backend).await;
    let (first, bytes) = put(&elsewhere, 1, 5000).await;
    let (second, more) = put(&elsewhere, 2, 5000).await;
    let store = open(&backend, &disk.cache()).await.expect("done");
    get(&store, first, 5000).await.expect("done");
    assert!(disk.run("mount", &["-o", "remount,ro"]));
    assert_eq!(get(&store, first, 5000).await.expect("done"), bytes);
    let error = get(&store, second, 5000).await.unwrap_err();
    assert!(error.to_string().contains("Read-only file system"), "{error}");
    let settings = CacheSettings::in_folder(disk.cache());
    assert!(Cache::open(&settings).is_err(), "a named folder that cannot be used is an error");
    assert!(disk.run("mount", &["-o", "remount,rw"]));
    assert_eq!(get(&store, second, 5000).await.expect("done"), more);
}
