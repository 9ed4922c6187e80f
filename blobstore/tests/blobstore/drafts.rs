//! Blobs that are made in memory of the store's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use kapok_blobstore::{BlobId, BlobKind, CacheSettings, Draft, FinishedDraft, GcSettings, PutOutcome, Store};

/// Large enough to be made in a file.
const LEN: usize = (5 << 20) + 17;
const KIND: BlobKind = BlobKind::Segment;

async fn store_in(folder: &Path) -> Store {
    Store::options().writable().open(folder.to_str().unwrap()).await.unwrap()
}

fn filled(store: &Store, len: usize) -> (BlobId, FinishedDraft) {
    let mut draft = store.blobs().draft(KIND, len).unwrap();
    assert_eq!(AsRef::<[u8]>::as_ref(&draft).len(), len);
    assert!(draft.as_ref().iter().all(|byte| *byte == 0), "all zero at first");
    for (at, byte) in draft.as_mut().iter_mut().enumerate() {
        *byte = u8::try_from(at % 251).unwrap();
    }
    let id = BlobId::of(draft.as_ref());
    (id, draft.finish().unwrap())
}

/// Names of the files under `segments/`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join("segments")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A store that is no folder, with a cache of so many bytes in the folder.
async fn cached_in(folder: &Path, bytes_max: u64) -> Store {
    let backend = std::sync::Arc::new(kapok_testing::object_store::memory::InMemory::new());
    let cache = CacheSettings::in_folder(folder).with_bytes_max(bytes_max);
    Store::options().writable().cache(cache).object_store(backend, "set").open("test://set").await.unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_file_that_a_draft_of_a_remote_store_is_made_in_becomes_the_copy_of_its_host() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let store = cached_in(folder.path(), 1 << 30).await;
    let (id, mut draft) = filled(&store, LEN);
    let made = files(folder.path());
    assert_eq!(made.len(), 1, "{made:?}");
    let before = fs::metadata(&made[0]).unwrap();
    assert_eq!(store.blobs().put_draft(KIND, id, &mut draft).await.unwrap(), PutOutcome::Written);
    let place = folder.path().join(format!("segments/{id}"));
    assert_eq!(files(folder.path()), std::slice::from_ref(&place));
    assert_eq!(fs::metadata(&place).unwrap().ino(), before.ino(), "it was moved, not copied");
    let without = store.without_cache();
    assert_eq!(&without.blobs().get(KIND, id, LEN as u64).await.unwrap(), draft.bytes(), "it was uploaded");
    // Of a blob that the store has, the copy is kept all the same.
    fs::remove_file(&place).unwrap();
    let (_, mut again) = filled(&store, LEN);
    assert_eq!(store.blobs().put_draft(KIND, id, &mut again).await.unwrap(), PutOutcome::AlreadyThere);
    assert_eq!(files(folder.path()), std::slice::from_ref(&place));
    // One that is there stays.
    let before = fs::metadata(&place).unwrap();
    let (_, mut third) = filled(&store, LEN);
    store.blobs().replace_by_draft(KIND, id, &mut third).await.unwrap();
    assert_eq!((files(folder.path()), fs::metadata(&place).unwrap().ino()), (vec![place], before.ino()));
    drop(store.blobs().draft(KIND, LEN).unwrap());
    assert_eq!(files(folder.path()).len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_being_made_in_a_cache_is_not_evicted_and_what_is_left_of_a_killed_maker_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = cached_in(folder.path(), 2 * LEN as u64).await;
    let draft = store.blobs().draft(KIND, LEN).unwrap();
    let left = folder.path().join(format!("segments/{}#1", BlobId::of(b"killed")));
    fs::write(&left, vec![0; LEN]).unwrap();
    let report = store.cache().unwrap().prune(0).unwrap();
    assert_eq!((report.removed, report.left_bytes), (1, LEN as u64));
    assert!(!left.exists());
    let id = BlobId::of(draft.as_ref());
    store.blobs().put_draft(KIND, id, &mut draft.finish().unwrap()).await.unwrap();
    assert_eq!(files(folder.path()), [folder.path().join(format!("segments/{id}"))]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_file_that_a_draft_is_made_in_becomes_the_blob() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path()).await;
    let (id, mut draft) = filled(&store, LEN);
    let made = files(folder.path());
    assert_eq!(made.len(), 1, "{made:?}");
    let before = fs::metadata(&made[0]).unwrap();
    assert!(before.len() == LEN as u64 && before.blocks() * 512 >= LEN as u64, "all of its space is there");
    let bytes = draft.bytes().clone();
    assert_eq!(store.blobs().put_draft(KIND, id, &mut draft).await.unwrap(), PutOutcome::Written);
    assert_eq!(files(folder.path()), [PathBuf::from(store.blobs().name(KIND, id))]);
    assert_eq!(fs::metadata(store.blobs().name(KIND, id)).unwrap().ino(), before.ino(), "it was moved, not copied");
    drop(draft);
    assert_eq!(store.blobs().get(KIND, id, LEN as u64).await.unwrap(), bytes);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with(&store.blobs().name(KIND, id))).unwrap();
    assert!(line.contains(" r--s"), "nobody writes it any more: {line}");
}

#[tokio::test]
async fn a_draft_that_is_dropped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path()).await;
    let draft: Draft = store.blobs().draft(KIND, LEN).unwrap();
    assert!(files(folder.path()).iter().all(|path| path.to_str().unwrap().ends_with("#1")));
    drop(draft);
    assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
    let (id, draft) = filled(&store, LEN);
    let bytes = draft.bytes().clone();
    drop(draft);
    assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
    assert_eq!(BlobId::of(&bytes), id, "who has the bytes can read them all the same");
}

#[tokio::test]
async fn a_draft_of_a_blob_that_is_there_is_dropped_or_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path()).await;
    let blobs = store.blobs();
    let (id, mut first) = filled(&store, LEN);
    blobs.put_draft(KIND, id, &mut first).await.unwrap();
    let held = blobs.get(KIND, id, LEN as u64).await.unwrap();
    let name = blobs.name(KIND, id);

    let (_, mut second) = filled(&store, LEN);
    assert_eq!(blobs.put_draft(KIND, id, &mut second).await.unwrap(), PutOutcome::AlreadyThere);
    drop(second);
    assert_eq!(files(folder.path()), [PathBuf::from(&name)]);

    let (_, mut third) = filled(&store, LEN);
    fs::remove_file(&name).unwrap();
    fs::write(&name, vec![7; LEN]).unwrap();
    let damaged = blobs.get(KIND, id, LEN as u64).await.unwrap();
    assert_eq!(blobs.put_draft(KIND, id, &mut third).await.unwrap(), PutOutcome::AlreadyThere);
    blobs.replace_by_draft(KIND, id, &mut third).await.unwrap();
    assert_eq!(BlobId::of(&blobs.get(KIND, id, LEN as u64).await.unwrap()), id);
    assert_eq!(files(folder.path()), [PathBuf::from(&name)]);
    // A map is of the file that was there.
    assert!(damaged.iter().all(|byte| *byte == 7) && BlobId::of(&held) == id);
    // Also when the draft's own file has been moved.
    fs::remove_file(&name).unwrap();
    blobs.replace_by_draft(KIND, id, &mut third).await.unwrap();
    assert_eq!(blobs.size(KIND, id).await.unwrap(), Some(LEN as u64));
}

#[tokio::test]
async fn small_drafts_and_those_of_other_stores_are_on_the_heap() {
    let folder = tempfile::tempdir().unwrap();
    for (store, len) in [(store_in(folder.path()).await, 4096), (store_in(Path::new("memory://drafts")).await, LEN)] {
        let (id, mut draft) = filled(&store, len);
        assert_eq!(files(folder.path()), [] as [PathBuf; 0], "nothing is there before the put");
        assert_eq!(store.blobs().put_draft(KIND, id, &mut draft).await.unwrap(), PutOutcome::Written);
        assert_eq!(store.blobs().get(KIND, id, len as u64).await.unwrap(), draft.bytes());
        fs::remove_dir_all(folder.path().join("segments")).unwrap_or_default();
    }
    let mut bytes = FinishedDraft::from(Bytes::from_static(b"some rows"));
    let store = store_in(folder.path()).await;
    store.blobs().put_draft(KIND, BlobId::of(b"some rows"), &mut bytes).await.unwrap();
    assert_eq!(store.blobs().get(KIND, BlobId::of(b"some rows"), 9).await.unwrap(), "some rows");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_draft_of_a_writer_that_died_is_an_orphan() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path()).await;
    std::mem::forget(store.blobs().draft(KIND, LEN).unwrap());
    let listed = store.files().list().await.unwrap();
    assert_eq!(listed.iter().filter(|file| file.is_orphan()).count(), 1, "{listed:?}");
    let settings = GcSettings::default().with_grace(Duration::ZERO).with_no_writers();
    assert_eq!(store.gc(&settings).await.unwrap().orphans.len(), 1);
    assert_eq!(files(folder.path()), [] as [PathBuf; 0]);
}

/// A map of a file without space would end the program as it is filled.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_full_disk_a_draft_is_an_error_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8M", "tmpfs", folder.path().to_str().unwrap()])
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        // No file system can be mounted here.
        return;
    }
    let store = store_in(folder.path()).await;
    let (id, mut draft) = filled(&store, LEN);
    let error = store.blobs().draft(KIND, LEN).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("segments/") && text.contains("has room"), "{text}");
    assert_eq!(files(folder.path()).len(), 1, "the first draft");
    store.blobs().put_draft(KIND, id, &mut draft).await.unwrap();
    drop((draft, store));
    std::process::Command::new("umount").arg(folder.path()).status().unwrap();
}
