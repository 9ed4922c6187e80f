//! Stores in a folder: maps, damage, other people's files, watching.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kapok_blobstore::{
    AnnouncementDraft, BlobId, BlobKind, ErrorKind, FileKind, GcSettings, PutOutcome, Store, StoreSettings, fresh_token,
};

async fn store_in(folder: &Path) -> Store {
    Store::options().writable().open(folder.to_str().unwrap()).await.unwrap()
}

async fn published(folder: &Path) -> (Store, BlobId) {
    let store = store_in(folder).await;
    let id = BlobId::of(b"some rows");
    store.blobs().put(BlobKind::Segment, id, Bytes::from_static(b"some rows")).await.unwrap();
    let token = fresh_token();
    store.manifests().commit_bytes(1, &token, token).await.unwrap();
    store.announcements().append(|latest| AnnouncementDraft::announce(latest, 1, "test", "")).await.unwrap();
    (store, id)
}

fn sealed_files(folder: &Path) -> [PathBuf; 3] {
    let first = format!("{:020}", 1);
    [folder.join("dataset"), folder.join("manifests").join(&first), folder.join("announcements").join(&first)]
}

/// Reads every sealed file of a published store; the worst answer wins.
async fn read_all(folder: &Path) -> Result<(), kapok_blobstore::Error> {
    let store = Store::open(folder.to_str().unwrap()).await?;
    store.manifests().read_bytes(1).await?;
    store.announcements().latest(None).await?.expect("an entry");
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_blob_is_a_map_of_the_stores_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = published(folder.path()).await;
    let bytes = store.blobs().get(BlobKind::Segment, id, 9).await.unwrap();
    let name = store.blobs().name(BlobKind::Segment, id);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with(&name)).expect("mapped");
    assert!(line.contains(" r--"), "read-only: {line}");
    let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    assert_eq!(bytes.as_ptr().addr() as u64, start, "the bytes are the map");
    drop(bytes);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains(&name), "unmapped with the last clone");
}

#[tokio::test]
async fn a_truncated_emptied_or_extended_sealed_file_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    published(folder.path()).await;
    read_all(folder.path()).await.unwrap();
    for path in sealed_files(folder.path()) {
        let whole = fs::read(&path).unwrap();
        let mut longer = whole.clone();
        longer.push(0);
        for damaged in [&[][..], &whole[..10], &whole[..64], &whole[..whole.len() - 1], &longer] {
            fs::write(&path, damaged).unwrap();
            let error = read_all(folder.path()).await.expect_err("damaged");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{} bytes: {error}", damaged.len());
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        fs::write(&path, &whole).unwrap();
    }
    read_all(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_flipped_bit_in_a_sealed_file_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    published(folder.path()).await;
    for path in sealed_files(folder.path()) {
        let whole = fs::read(&path).unwrap();
        for byte in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[byte] ^= 1 << (byte % 8);
            fs::write(&path, &flipped).unwrap();
            let error = read_all(folder.path()).await.expect_err("flipped");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{byte}: {error}");
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[tokio::test]
async fn a_blob_of_another_length_is_put_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = published(folder.path()).await;
    let rows = Bytes::from_static(b"some rows");
    for damage in ["", "some", "some rows and more"] {
        fs::write(store.blobs().name(BlobKind::Segment, id), damage).unwrap();
        let error = store.blobs().get(BlobKind::Segment, id, 9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let outcome = store.blobs().put(BlobKind::Segment, id, rows.clone()).await;
        assert_eq!(outcome.unwrap(), PutOutcome::Written);
        assert_eq!(store.blobs().get(BlobKind::Segment, id, 9).await.unwrap(), rows);
    }
}

#[tokio::test]
async fn a_blob_older_than_half_the_grace_period_is_put_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = published(folder.path()).await;
    let rows = Bytes::from_static(b"some rows");
    let path = store.blobs().name(BlobKind::Segment, id);
    let held = store.blobs().get(BlobKind::Segment, id, 9).await.unwrap();
    for (age_s, expected) in [(29 * 60, PutOutcome::AlreadyThere), (31 * 60, PutOutcome::Written)] {
        let written = SystemTime::now() - Duration::from_secs(age_s);
        fs::File::open(&path).unwrap().set_modified(written).unwrap();
        let outcome = store.blobs().put(BlobKind::Segment, id, rows.clone()).await;
        assert_eq!(outcome.unwrap(), expected);
    }
    let young = fs::metadata(&path).unwrap().modified().unwrap().elapsed().unwrap();
    assert!(young < Duration::from_mins(1), "now retention leaves it alone");
    assert_eq!(held, rows, "a map of the replaced file stays");
}

#[tokio::test]
async fn a_damaged_manifest_still_holds_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = published(folder.path()).await;
    fs::write(&sealed_files(folder.path())[1], "").unwrap();
    let token = fresh_token();
    let outcome = store.manifests().commit_bytes(1, &token, token).await.unwrap();
    assert_eq!(outcome, kapok_blobstore::CommitOutcome::Lost);
    assert_eq!(store.manifests().head().await.unwrap(), Some(1));
    assert_eq!(store.manifests().read_bytes(1).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn checking_finds_the_one_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = published(folder.path()).await;
    let name = store.blobs().name(BlobKind::Segment, id);
    fs::write(&name, "some rowz").unwrap();
    for file in store.files().list().await.unwrap() {
        let checked = store.files().check(&file).await;
        if file.what == FileKind::Blob(BlobKind::Segment, id) {
            let error = checked.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(&name), "{error}");
        } else {
            checked.unwrap();
        }
    }
}

#[tokio::test]
async fn a_place_that_is_no_store_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    let absent = folder.path().join("absent");
    for (url, says) in [(url, "it is empty"), (absent.to_str().unwrap(), "does not exist")] {
        let error = Store::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("not a store") && error.to_string().contains(says), "{error}");
    }
    assert!(!absent.exists(), "reading makes nothing");
    fs::write(folder.path().join("thesis.txt"), "precious").unwrap();
    let error = Store::open(url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("thesis.txt"), "{error}");
}

#[tokio::test]
async fn a_folder_with_other_peoples_files_is_not_made_a_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::write(folder.path().join("deep/thesis.txt"), "precious").unwrap();
    let error = Store::options().writable().open(folder.path().to_str().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("deep/thesis.txt"), "{error}");
    assert!(!folder.path().join("dataset").exists());
}

#[tokio::test]
async fn a_file_is_no_place_for_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(Store::open(file.to_str().unwrap()).await.is_err());
    assert!(Store::options().writable().open(file.to_str().unwrap()).await.is_err());
    assert!(Store::options().writable().open(file.join("below").to_str().unwrap()).await.is_err());
}

#[tokio::test]
async fn an_interrupted_making_of_a_store_is_made_good() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("dataset#1"), "half a mark").unwrap();
    fs::write(folder.path().join("dataset.probe-0123#2"), "half a probe").unwrap();
    fs::create_dir(folder.path().join("announcements")).unwrap();
    let settings = StoreSettings::default().with_grace(Duration::ZERO);
    let store = Store::options().writable().settings(settings).open(folder.path().to_str().unwrap()).await.unwrap();
    store.gc(&GcSettings::default()).await.unwrap();
    let files = store.files().list().await.unwrap();
    assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["dataset"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_may_make_the_same_store_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("new/store").to_str().unwrap().to_owned();
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = Store::options().writable().open(&url).await.unwrap();
                let token = fresh_token();
                while store
                    .manifests()
                    .commit_bytes(store.manifests().head().await.unwrap().unwrap_or(0) + 1, &token, token)
                    .await
                    .unwrap()
                    == kapok_blobstore::CommitOutcome::Lost
                {}
            })
        })
        .collect();
    for maker in makers {
        maker.await.unwrap();
    }
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.manifests().versions().await.unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    let foreign: Vec<_> =
        store.files().list().await.unwrap().into_iter().filter(|file| file.what == FileKind::Foreign).collect();
    assert_eq!(foreign, [], "no probe and no prepared file is left");
}

#[tokio::test]
async fn an_orphan_is_reported_and_goes_once_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let (store, id) = published(folder.path()).await;
    let orphan = format!("segments/{id}#1");
    fs::write(folder.path().join(&orphan), "half").unwrap();
    fs::write(folder.path().join("notes#1"), "somebody's").unwrap();
    let foreign = |files: Vec<kapok_blobstore::FileEntry>| -> Vec<String> {
        files.into_iter().filter(|file| file.what == FileKind::Foreign).map(|file| file.name).collect()
    };
    assert_eq!(foreign(store.files().list().await.unwrap()), ["notes#1", orphan.as_str()]);
    assert_eq!(store.gc(&GcSettings::default()).await.unwrap().orphans, [], "a writer may be at it");
    let hasty = StoreSettings::default().with_grace(Duration::ZERO);
    let hasty = Store::options().settings(hasty).open(store.url()).await.unwrap();
    assert_eq!(foreign(hasty.gc(&GcSettings::default()).await.unwrap().orphans), [orphan]);
    assert_eq!(foreign(store.files().list().await.unwrap()), ["notes#1"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_written_says_why() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let above_permissions = fs::create_dir(folder.path().join("try")).is_ok();
    let url = if above_permissions { PathBuf::from("/proc/self/store") } else { folder.path().join("store") };
    let error = Store::options().writable().open(url.to_str().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("os error"), "{error}");
}

#[tokio::test]
async fn a_write_that_the_system_refuses_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = published(folder.path()).await;
    fs::write(folder.path().join("indexes"), "in the way").unwrap();
    let id = BlobId::of(b"index");
    let error = store.blobs().put(BlobKind::Index, id, Bytes::from_static(b"index")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("os error"), "{error}");
    assert_eq!(store.manifests().head().await.unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_wakes_whoever_watches() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(&folder.path().join("odd name #1 %41")).await;
    let hints =
        Store::open(store.url()).await.unwrap().announcements().watch().unwrap().expect("a folder can be watched");
    let quiet = tokio::time::timeout(Duration::from_millis(100), hints.changed()).await;
    assert!(quiet.is_err(), "nothing happened yet");
    for version in 1..=3 {
        store.announcements().append(|latest| AnnouncementDraft::announce(latest, version, "test", "")).await.unwrap();
        tokio::time::timeout(Duration::from_secs(10), hints.changed()).await.expect("a hint");
    }
}

#[tokio::test]
async fn a_store_in_memory_cannot_be_watched() {
    let store = Store::options().writable().open("memory://unwatched").await.unwrap();
    assert!(store.announcements().watch().unwrap().is_none());
}
